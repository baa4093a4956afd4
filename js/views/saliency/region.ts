/** The side panel's part about the region: the tools, what the region holds, what to do with it. */
import { html, nothing, type TemplateResult } from "lit-html";
import { number, onGrid, percent, shorten, signed, spaced, withUnit } from "../../lib/format.js";
import { maskOf } from "../../lib/region.js";
import type { Region } from "../../lib/wire.js";
import { type RegionStats, regionStats } from "../../render/region.js";
import { type Option, segmented } from "../../ui/choice.js";
import { make, mount } from "../../ui/mount.js";
import { button, hint } from "../../ui/parts.js";
import { slider } from "../../ui/slider.js";
import { Occlusion } from "./occlude.js";
import { HOWTO, leadSize } from "./outline.js";
import { watchPainting } from "./paint.js";
import { differences, isQuestion } from "./specs.js";
import type { Slot, Store } from "./store.js";

type Tool = Store["tool"]["value"];

const TOOLS: Option<Tool>[] = [
  { value: "look", label: "Look", title: "Look: drag to move an enlarged picture", testid: "tool-look" },
  { value: "rectangle", label: "Rectangle", testid: "tool-rectangle" },
  { value: "brush", label: "Brush", testid: "tool-brush" },
  { value: "eraser", label: "Eraser", testid: "tool-eraser" },
];

const HINTS: Record<Tool, string> = {
  look: "Mark a part of the picture to see how much of the map lies in it.",
  rectangle: "Drag over a picture. With the focus on it:",
  brush: "Paint on a picture. With the focus on it:",
  eraser: "Wipe out on a picture. With the focus on it:",
};

export function mountRegion(element: HTMLElement, store: Store, life: AbortSignal): void {
  const occlusion = new Occlusion(store, life);
  watchPainting(store, life);
  const [tools, numbers, acts] = ["tools", "numbers", "acts"].map((name) => make("div", name, element));
  mount(life, tools, () => choose(store));
  const masks = new Masks(store);
  mount(life, numbers, () => readout(store, masks));
  mount(life, acts, () => occlusion.template());
}

function choose(store: Store): TemplateResult {
  const tool = store.tool.value;
  const region = store.traits.region.value;
  return html`${segmented({
    label: "Tool",
    testid: "tool",
    value: tool,
    options: TOOLS,
    onChange: (value) => {
      store.tool.value = value;
    },
  })}
    ${tool === "brush" || tool === "eraser" ? brush(store) : nothing}
    ${region && tool === "look" ? nothing : hint(`${HINTS[tool]} ${HOWTO[tool]}`)}`;
}

function brush(store: Store): TemplateResult {
  const change = (value: number) => {
    store.brush.value = value;
  };
  return slider({
    label: "Brush",
    testid: "brush-size",
    value: store.brush.value,
    min: 0.02,
    max: 0.6,
    step: 0.01,
    reset: 0.12,
    percent: true,
    onInput: change,
    onCommit: change,
  });
}

function readout(store: Store, masks: Masks): TemplateResult | typeof nothing {
  const region = store.traits.region.value;
  if (!region) return nothing;
  store.frame.value; // the values change with every frame
  const { slots, slot } = store;
  const others = slots.value.filter((other) => other !== slot.value);
  return html`<div data-testid="region-numbers">${facts(store, slot.value, masks)}</div>
    ${others.length ? html`<ul class="others">${others.map((other) => line(store, other, masks))}</ul>` : nothing}
    ${button("Clear the region", "region-clear", () => {
      store.commit({ region: null });
      store.said.value = "Region removed";
    })}`;
}

function facts(store: Store, slot: Slot, masks: Masks): TemplateResult {
  const stats = statsOf(store, slot, masks);
  if (!stats) return hint("This panel has no map yet.");
  const { sum, ofChange, area, density } = stats;
  const result = slot.drawable.value?.result;
  return html`<dl>
    <dt>Sum</dt>
    <dd data-testid="region-sum" data-value=${sum}>${withUnit(signed(sum), slot.own.value.unit)}${soFar(store, slot)}</dd>
    <dt>Share</dt>
    <dd data-testid="region-share" data-value=${ofChange ?? ""}>
      ${ofChange === null ? whyNoShare(store, slot) : `${percent(ofChange)} of the change in ${spaced(result?.output ?? "")}`}
    </dd>
    <dt>Area</dt>
    <dd data-testid="region-area" data-value=${area}>${percent(area)} of the picture</dd>
    <dt>Density</dt>
    <dd data-testid="region-density" data-value=${density ?? ""}>
      ${density === null ? "not defined: the map is zero" : `${number(density, 2)} times the average of |a|`}
    </dd>
  </dl>`;
}

/** A panel beside the active one, on one line. */
function line(store: Store, slot: Slot, masks: Masks): TemplateResult | typeof nothing {
  const stats = statsOf(store, slot, masks);
  const result = slot.drawable.value?.result;
  if (!stats || !result) return nothing;
  const { sum, ofChange, density } = stats;
  const share = ofChange === null ? "" : ` \u00b7 ${percent(ofChange)}`;
  const dense = density === null ? "" : ` \u00b7 ${number(density, 2)}\u00d7`;
  const name = slot.spec.value ? (differences(store, slot.spec.value)[0] ?? "Same as panel 1") : result.title;
  return html`<li data-testid="region-other">
    <span class="label"><b class="chip">${slot.index + 1}</b> <bdi>${shorten(name, 60)}</bdi></span>
    <span>${withUnit(signed(sum), slot.own.value.unit)}${share}${dense}</span>
  </li>`;
}

function soFar(store: Store, slot: Slot): string {
  return slot.alpha.value < 1 && !gradientShown(store, slot)
    ? ` up to alpha ${onGrid(slot.alpha.value, 0.01)}`
    : "";
}

function gradientShown(store: Store, slot: Slot): boolean {
  return store.traits.along.value === "gradient" && Boolean(slot.drawable.value?.gradients);
}

function statsOf(store: Store, slot: Slot, masks: Masks): RegionStats | null {
  const drawable = slot.drawable.value;
  const region = store.traits.region.value;
  if (!region || !drawable || slot.values.length !== drawable.width * drawable.height) return null;
  const completeness = gradientShown(store, slot) ? null : drawable.result.completeness;
  return regionStats(slot.values, masks.of(region, drawable.width, drawable.height), completeness);
}

function whyNoShare(store: Store, slot: Slot): string {
  const result = slot.drawable.value?.result;
  if (gradientShown(store, slot)) return "not defined: a gradient is no part of a change in score";
  if (!isQuestion(slot.spec.value)) return "not defined for a map made of others";
  if (result?.completeness) return "not defined: the score hardly changes along the path";
  return `not defined: ${result?.title ?? "this map"} does not add up to a change in score`;
}

/** Masks of the present region by size of picture: panels of one size share theirs. */
class Masks {
  #region: Region | null = null;
  readonly #masks = new Map<string, Uint8Array>();

  constructor(private readonly store: Store) {}

  of(region: Region, width: number, height: number): Uint8Array {
    if (region !== this.#region) this.#masks.clear();
    this.#region = region;
    const lead = leadSize(this.store);
    const key = [width, height, lead.width, lead.height].join();
    const mask = this.#masks.get(key) ?? maskOf(region, width, height, lead);
    this.#masks.set(key, mask);
    return mask;
  }
}
