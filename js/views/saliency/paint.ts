/** The painted baseline: a region of the picture filled from one baseline, the rest from another or left as it is. */
import { html, nothing, type TemplateResult } from "lit-html";
import { equal } from "../../lib/history.js";
import { react } from "../../lib/lifetime.js";
import type { Baseline, BaselineInfo, Control, Info, Region } from "../../lib/wire.js";
import { type Option, select } from "../../ui/choice.js";
import { button, toggle } from "../../ui/parts.js";
import { slider } from "../../ui/slider.js";
import type { Store } from "./store.js";

/** Kinds that are made of other baselines or of the user's own numbers: nothing to fill with. */
const COMPOSED: ReadonlySet<string> = new Set(["painted", "average", "custom"]);
const PICTURE = "picture";

/** What a region can be filled with. */
export function fills(info: Info | null): Option<string>[] {
  const plain = (info?.baselines ?? []).filter(({ kind }) => !COMPOSED.has(kind));
  return plain.map(({ kind, title }) => ({ value: kind, label: title }));
}

export function baselineInfo(info: Info | null, kind: string | undefined): BaselineInfo | undefined {
  return info?.baselines.find((known) => known.kind === kind);
}

/** A baseline of this kind as the menu starts it. */
export function fillOf(info: Info | null, kind: string): Baseline {
  const controls = baselineInfo(info, kind)?.controls ?? [];
  return { kind, ...Object.fromEntries(controls.map((control) => [control.name, control.default])) };
}

/** The chip "Painted": takes the region that is there, or lets one be painted. */
export function choosePainted(store: Store): void {
  const region = store.traits.region.value;
  store.painting.value = store.active.value;
  if (region) paintBaseline(store, region);
  if (!region || store.tool.value === "look") store.tool.value = "brush";
}

/** Another chip was chosen, or the hand put down: what is painted is a region and nothing else. */
export function stopPainting(store: Store): void {
  store.painting.value = null;
}

/** Whether the brush paints the active panel's baseline. */
export function isPainting(store: Store): boolean {
  return store.painting.value === store.active.value;
}

/** Makes `region` the painted part; fill and rest stay. */
export function paintBaseline(store: Store, region: Region): void {
  const now = store.question.baseline.value;
  const fill = (now.kind === "painted" && now.fill) || fillOf(store.info.value, "white");
  const rest = now.kind === "painted" ? (now.rest ?? null) : COMPOSED.has(now.kind) ? null : now;
  store.ask({ baseline: { kind: "painted", region, fill, rest } }, { region });
}

/** A baseline that was changed elsewhere is not painted over by the next stroke. */
export function watchPainting(store: Store, life: AbortSignal): void {
  let before = "";
  react(life, () => {
    const { kind } = store.question.baseline.value;
    if (before === "painted" && kind !== "painted") stopPainting(store);
    before = kind;
  });
}

/** Waiting for the first stroke: the baseline is still another one. */
export function awaitsPaint(store: Store): boolean {
  return isPainting(store) && store.question.baseline.value.kind !== "painted";
}

/** Beside the chips, in place of a kind's own controls. */
export function paintedSettings(store: Store): TemplateResult | typeof nothing {
  const { baseline } = store.question;
  if (awaitsPaint(store))
    return html`<p class="hint painted" role="status">Paint on a picture: what is painted gets filled.</p>`;
  if (baseline.value.kind !== "painted") return nothing;
  const { fill, rest, region } = baseline.value;
  const present = store.traits.region.value;
  const ask = (part: Partial<Baseline>) => store.ask({ baseline: { ...baseline.value, ...part } });
  return html`${part(store, "Filled with", "painted-fill", fill ?? null, fills(store.info.value), (value) => value && ask({ fill: value }))}
    ${part(
      store,
      "The rest",
      "painted-rest",
      rest ?? null,
      [{ value: PICTURE, label: "The picture itself" }, ...fills(store.info.value)],
      (value) => ask({ rest: value }),
    )}
    ${toggle({
      label: "Follow the brush",
      testid: "painted-follow",
      on: isPainting(store),
      onChange: (on) => follow(store, on),
    })}
    ${
      !isPainting(store) && present && !equal(present, region)
        ? button("Take the present region", "painted-take", () => paintBaseline(store, present))
        : nothing
    }
    <p class="hint painted">
      A baseline is blind to whatever already looks like it: black can never point at black. Paint a dark part
      white and see what comes to light.
    </p>`;
}

function follow(store: Store, on: boolean): void {
  store.painting.value = on ? store.active.value : null;
  if (on && store.tool.value === "look") store.tool.value = "brush";
}

function part(
  store: Store,
  label: string,
  testid: string,
  value: Baseline | null,
  options: Option<string>[],
  change: (value: Baseline | null) => void,
): TemplateResult {
  const info = store.info.value;
  const known = options.some((option) => option.value === (value?.kind ?? PICTURE));
  const shown = known || !value ? options : [...options, { value: value.kind, label: value.kind }];
  const controls = baselineInfo(info, value?.kind)?.controls ?? [];
  return html`${select({
    label,
    testid,
    value: value?.kind ?? PICTURE,
    options: shown,
    onChange: (kind) => change(kind === PICTURE ? null : fillOf(info, kind)),
  })}
  ${value ? controls.filter(ranged).map((control) => knob(control, value, change)) : nothing}`;
}

type Ranged = Control & { min: number; max: number };

const ranged = (control: Control): control is Ranged =>
  typeof control.min === "number" && typeof control.max === "number";

/** Sent on release: every change is a computation. */
function knob(control: Ranged, value: Baseline, change: (value: Baseline) => void): TemplateResult {
  const { name, label, min, max, step, log } = control;
  const now = (value as unknown as Record<string, unknown>)[name] ?? control.default;
  return slider({
    label,
    value: Number(now),
    min,
    max,
    step: step ?? (max - min) / 100,
    log: log && min > 0,
    integer: control.kind === "int",
    onInput: () => {},
    onCommit: (number) => change({ ...value, [name]: number }),
  });
}
