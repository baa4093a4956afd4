/** The side panel: how the map is shown, what lies in the region, what the model says, and what to keep in mind. */
import { html, nothing, type TemplateResult } from "lit-html";
import { seconds, spaced } from "../../lib/format.js";
import {
  DEFAULTS,
  type Luts,
  type Overlay,
  type Params,
  type Region,
  type Result,
  type Sign,
} from "../../lib/wire.js";
import { LUT_SIZE } from "../../render/recolour.js";
import { type Option, segmented } from "../../ui/choice.js";
import { make, mount } from "../../ui/mount.js";
import { collapsible, type Fact, facts } from "../../ui/parts.js";
import { type SliderProps, slider } from "../../ui/slider.js";
import { answered, told } from "./card.js";
import { questionOf } from "./occlude.js";
import { mountRegion } from "./region.js";
import { scaleControls } from "./scaling.js";
import type { Store } from "./store.js";
import { mountTop } from "./top.js";

const SIGNS: Option<Sign>[] = [
  { value: "both", label: "\u00b1", title: "Both signs" },
  { value: "positive", label: "+", title: "Only what speaks for the target" },
  { value: "negative", label: "\u2212", title: "Only what speaks against the target" },
  { value: "absolute", label: "|a|", title: "Size without sign" },
];

const OVERLAYS: Option<Overlay>[] = [
  { value: "blend", label: "Overlay", title: "Overlay: colours over the grey picture, zero is transparent" },
  { value: "map", label: "Map", title: "Map: without the picture" },
  { value: "multiply", label: "Multiply", title: "Multiply: the picture shows where the map is strong" },
  { value: "contour", label: "Contour", title: "Contour: lines of equal value over the picture" },
];

const MOST_SMOOTHING = 20;

/** Each section keeps itself up to date: numbers that follow the hand do not touch the others. */
export function mountInspector(element: HTMLElement, store: Store, life: AbortSignal): void {
  const section = (title: string) => {
    const part = make("div", "", element);
    mount(life, part, () => collapsible(title, nothing));
    return part.querySelector(".section") as HTMLElement;
  };
  const looks = section("View");
  mount(life, looks, () => view(store));
  mountRegion(section("Region"), store, life);
  mountTop(section("Top predictions"), store, life);
  const facts = section("About this map");
  mount(life, facts, () => about(store));
}

function view(store: Store): TemplateResult {
  const { sign, overlay } = store.traits;
  return html`${look(store, "opacity", "Opacity", { percent: true })}
  ${look(store, "threshold", "Keep top", { min: 0.001, percent: true })}
  ${look(store, "smoothing", "Smooth", { max: MOST_SMOOTHING, step: 0.5, unit: "px" })}
  ${row("Sign", segmented({ label: "Sign", testid: "sign", value: sign.value, options: SIGNS, onChange: (value) => store.commit({ sign: value }) }))}
  ${segmented({ label: "Overlay", testid: "overlay", value: overlay.value, options: OVERLAYS, onChange: (value) => store.commit({ overlay: value }) })}
  ${peek(store)} ${scaleControls(store)} ${colours(store)}`;
}

type Dragged = Parameters<Store["local"]>[0];

/** A slider of something that may be dragged; its reset is what an explorer starts with. */
function look(store: Store, name: Dragged, label: string, more: Partial<SliderProps>): TemplateResult {
  const value = store.traits[name].value;
  const start = { label, testid: name, value, min: 0, max: 1, step: 0.01, reset: DEFAULTS[name] };
  return slider({ ...start, ...more, ...store.local(name) });
}

const row = (label: string, content: TemplateResult) =>
  html`<div class="line"><span class="label" aria-hidden="true">${label}</span>${content}</div>`;

/** Held, not switched: the map is gone exactly as long as somebody looks. */
function peek(store: Store): TemplateResult {
  const show = (on: boolean) => {
    store.peeking.value = on;
  };
  const key = (event: KeyboardEvent, on: boolean) => {
    if (event.key !== " " && event.key !== "Enter") return;
    event.preventDefault();
    show(on);
  };
  return html`<button
    type="button"
    class="button peek"
    data-testid="peek"
    aria-pressed=${store.peeking.value}
    @pointerdown=${(event: PointerEvent) => event.button === 0 && show(true)}
    @pointerup=${() => show(false)}
    @pointercancel=${() => show(false)}
    @pointerleave=${() => show(false)}
    @contextmenu=${(event: Event) => event.preventDefault()}
    @keydown=${(event: KeyboardEvent) => key(event, true)}
    @keyup=${(event: KeyboardEvent) => key(event, false)}
    @blur=${() => show(false)}
  >
    Hold for the plain picture
  </button>`;
}

function colours(store: Store): TemplateResult | typeof nothing {
  const luts = store.luts.value;
  const names = Object.keys(luts);
  if (names.length < 2) return nothing;
  const value = store.traits.colormap.value;
  const options = names.map((name) => ({
    value: name,
    label: "",
    title: spaced(name),
    testid: `colormap-${name}`,
    strip: gradient(luts, name),
  }));
  const onChange = (colormap: string) => store.commit({ colormap });
  return html`<div class="line colours">
    <span class="label" aria-hidden="true">Colours</span>
    <div>
      ${segmented({ label: "Colours", testid: "colormap", value, options, onChange }, "strips")}
      <span class="hint" aria-hidden="true">${spaced(value)}</span>
    </div>
  </div>`;
}

const STOPS = 16;
const gradients = new WeakMap<Uint8Array, string>();

/** A colour map as a CSS gradient. */
function gradient(luts: Luts, name: string): string {
  const lut = luts[name];
  const known = gradients.get(lut);
  if (known) return known;
  const stops = Array.from({ length: STOPS + 1 }, (_, i) => {
    const at = 3 * Math.round((i * (LUT_SIZE - 1)) / STOPS);
    return `rgb(${lut[at]} ${lut[at + 1]} ${lut[at + 2]})`;
  });
  const made = `linear-gradient(to right, ${stops.join(", ")})`;
  gradients.set(lut, made);
  return made;
}

function about(store: Store): TemplateResult {
  const result = store.drawable.value?.result;
  const notes = result?.notes ?? [];
  return html`${notes.length ? html`<ul class="notes">${notes.map((note) => html`<li>${note}</li>`)}</ul>` : nothing}
    ${facts(factsHere(store, result))}`;
}

function factsHere(store: Store, result: Result | undefined): Fact[] {
  const question = questionOf(store, store.active.value);
  // A map made of others has no question of its own; its facts are theirs.
  if (!question) return result ? [["Made of", result.title]] : [];
  const method = store.methodOf(result?.method ?? "");
  const model = store.info.value?.models[result?.model ?? question.model];
  const { occlusion } = question;
  const { grid } = result ?? {};
  return told([
    ...(result ? answered(result) : []),
    ["Seed", result && seeds(question.params, method?.uses_baseline ? question.baseline : null)],
    ["Grid", grid && `${grid[0]} \u00d7 ${grid[1]}, enlarged`],
    ["Occluded", occlusion && `${place(occlusion.region)}, filled with ${occlusion.fill.kind}`],
    ["Model", model && `${model.name} on ${model.device}`],
    ["Input", model?.preprocessing],
    ["Took", result && seconds(result.seconds)],
  ]);
}

/** Of the method and of the baseline, where they draw random numbers. */
function seeds(params: Params, baseline: { seed?: number } | null): string {
  const known = [params.seed, baseline?.seed].filter((seed) => typeof seed === "number");
  return known.join(", ");
}

function place(region: Region): string {
  if ("cells" in region) return "the painted region";
  const [x, y, width, height] = region.rect;
  return `${width} \u00d7 ${height} px at ${x}, ${y}`;
}
