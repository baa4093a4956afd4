/** The side panel: how the map is shown, what the model says, and what to keep in mind. */
import { html, nothing, type TemplateResult } from "lit-html";
import { clamp, named, number, probability, seconds, shorten } from "../../lib/format.js";
import type { Overlay, Probability, Sign } from "../../lib/wire.js";
import { type Option, segmented, select } from "../../ui/choice.js";
import { icons } from "../../ui/icons.js";
import { mount } from "../../ui/mount.js";
import { collapsible, iconButton } from "../../ui/parts.js";
import { numberField, slider } from "../../ui/slider.js";
import type { Store } from "./store.js";

export const SIGNS: Option<Sign>[] = [
  { value: "both", label: "\u00b1", title: "Both signs" },
  { value: "positive", label: "+", title: "Only what speaks for the target" },
  { value: "negative", label: "\u2212", title: "Only what speaks against the target" },
  { value: "absolute", label: "|a|", title: "Size without sign" },
];

const OVERLAYS: Option<Overlay>[] = [
  { value: "blend", label: "Overlay", title: "Over the picture; zero is transparent" },
  { value: "map", label: "Map only", title: "Without the picture" },
];

export function mountInspector(element: HTMLElement, store: Store, life: AbortSignal): void {
  mount(
    life,
    element,
    () => html`${collapsible("View", view(store))} ${collapsible("Top predictions", top(store))}
    ${collapsible("About this map", about(store))}`,
  );
}

function view(store: Store): TemplateResult {
  const { opacity, threshold, sign, overlay } = store.traits;
  return html`${slider({
    label: "Opacity",
    testid: "opacity",
    value: opacity.value,
    min: 0,
    max: 1,
    step: 0.01,
    reset: 0.85,
    percent: true,
    ...store.local("opacity"),
  })}
  ${slider({
    label: "Keep top",
    testid: "threshold",
    value: threshold.value,
    min: 0.001,
    max: 1,
    step: 0.01,
    reset: 1,
    percent: true,
    ...store.local("threshold"),
  })}
  ${row("Sign", segmented({ label: "Sign", testid: "sign", value: sign.value, options: SIGNS, onChange: (value) => store.commit({ sign: value }) }))}
  ${row("Show", segmented({ label: "Overlay", testid: "overlay", value: overlay.value, options: OVERLAYS, onChange: (value) => store.commit({ overlay: value }) }))}
  ${scale(store)} ${colours(store)}`;
}

const row = (label: string, content: TemplateResult) =>
  html`<div class="line"><span class="label" aria-hidden="true">${label}</span>${content}</div>`;

function scale(store: Store): TemplateResult {
  const limit = store.limit.value;
  const locked = store.traits.scale.value !== null;
  return html`<div class="line scale">
    ${numberField({
      label: "Scale \u00b1",
      testid: "scale",
      value: limit,
      min: Number.MIN_VALUE,
      max: Number.MAX_VALUE,
      step: limit / 10,
      onInput: () => {},
      onCommit: (value) => store.commit({ scale: value }),
    })}
    ${iconButton({
      icon: locked ? icons.locked : icons.unlocked,
      label: locked ? `Scale locked at ${number(limit)}: let it follow the map` : "Lock the scale",
      testid: "scale-lock",
      pressed: locked,
      onClick: () => store.commit({ scale: locked ? null : limit }),
    })}
  </div>`;
}

function colours(store: Store): TemplateResult | typeof nothing {
  const names = Object.keys(store.luts.value);
  if (names.length < 2) return nothing;
  return select({
    label: "Colours",
    testid: "colormap",
    value: store.traits.colormap.value,
    options: names.map((name) => ({ value: name, label: name.replaceAll("_", " ") })),
    onChange: (colormap) => store.commit({ colormap }),
  });
}

function top(store: Store): TemplateResult {
  const result = store.drawable.value?.result;
  if (!result) return html`<p class="hint">Not computed yet</p>`;
  return html`<ol class="top5" data-testid="top5">
    ${result.probabilities.map((entry) => prediction(entry, entry.index === result.target, store))}
  </ol>`;
}

function prediction(entry: Probability, explained: boolean, store: Store): TemplateResult {
  const label = shorten(named(entry.label, entry.index));
  return html`<li>
    <button
      type="button"
      aria-pressed=${explained ? "true" : "false"}
      title="Explain ${label}"
      @click=${() => store.commit({ target: entry.index })}
    >
      <span class="name"><i style="inline-size: ${clamp(entry.p * 100, 0, 100)}%"></i><bdi>${label}</bdi></span>
      <span>${probability(entry.p)}</span>
    </button>
  </li>`;
}

function about(store: Store): TemplateResult {
  const result = store.drawable.value?.result;
  const info = store.info.value;
  const notes = result?.notes ?? [];
  const facts: [string, string][] = [];
  if (result)
    facts.push([
      "Explains",
      `${result.output.replaceAll("_", " ")} of ${shorten(named(result.target_label, result.target))}`,
    ]);
  if (result) facts.push(["Score", number(result.score, 4)]);
  const method = info?.methods.find(({ key }) => key === result?.method);
  if (result?.steps && result.stage !== "preview")
    facts.push([method?.uses_steps ? "Steps" : "Samples", String(result.steps)]);
  if (result?.baseline) facts.push(["Baseline", result.baseline]);
  if (result?.layer) facts.push(["Layer", result.layer]);
  if (result?.grid) facts.push(["Grid", `${result.grid[0]} \u00d7 ${result.grid[1]}, enlarged`]);
  if (info) facts.push(["Model", `${info.model} on ${info.device}`]);
  if (info?.preprocessing) facts.push(["Input", info.preprocessing]);
  if (result) facts.push(["Took", seconds(result.seconds)]);
  return html`${notes.length ? html`<ul class="notes">${notes.map((note) => html`<li>${note}</li>`)}</ul>` : nothing}
    <dl>${facts.map(([name, value]) => html`<dt>${name}</dt><dd dir="auto">${value}</dd>`)}</dl>`;
}
