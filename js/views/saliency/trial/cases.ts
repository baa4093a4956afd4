/** The maps on trial, in the order of their panels, and how each is told apart. */
import { explainedClass, named, number, shorten, spaced } from "../../../lib/format.js";
import type { BlurredCurve, CurveKind, Drawable, Trial, TrialCurve, Tried } from "../../../lib/wire.js";
import { isFaint as faint } from "../../../render/chart.js";
import { categorical, luminance } from "../../../render/points/palette.js";
import { differences, isQuestion } from "../specs.js";
import type { Slot, Store } from "../store.js";

/** A panel whose map is judged. */
export interface Case {
  panel: number;
  slot: Slot;
  tried: Tried;
  trial: Trial;
  /** Why it does not belong to the map on screen; "" where it does. */
  stale: string;
}

export function casesOf(store: Store): Case[] {
  return store.slots.value.flatMap((slot) => {
    const tried = store.tried.value[slot.index];
    // What is made of other panels is not judged: what was told is of the panel that stood in its place.
    if (!tried || !isQuestion(slot.spec.value)) return [];
    return [
      { panel: slot.index, slot, tried, trial: tried.trial, stale: staleness(tried, slot.drawable.value) },
    ];
  });
}

function staleness({ trial, outdated }: Tried, drawable: Drawable | null): string {
  if (outdated) return "of the previous setting";
  return drawable && drawable.result.job !== trial.job ? "of an earlier map" : "";
}

export function curveOf({ trial }: Case, kind: CurveKind): TrialCurve | undefined {
  const found = trial.at.length ? trial.curves.find((curve) => curve.kind === kind) : undefined;
  // What has no area has no order of its own either: the seed drew the one that was scored.
  return trial.stage === "final" && found?.auc === null ? undefined : found;
}

/** The curve of its blurred copy, where that has an order of its own. */
export function blurredOf({ trial }: Case, { blurred }: TrialCurve): BlurredCurve | null {
  return trial.stage === "final" && blurred?.auc === null ? null : blurred;
}

/** The active panel's, if there is one; whoever is first otherwise. */
export function leading(cases: readonly Case[], store: Store, kind: CurveKind): Case | undefined {
  const able = cases.filter((one) => !one.stale && curveOf(one, kind));
  return able.find(({ panel }) => panel === store.active.value) ?? able[0];
}

/** What a score is, as an axis says it. */
export function scoreOf(trial: Trial): string {
  return `${spaced(trial.output)} of ${explainedClass(trial, 40)}`;
}

/** All that is drawn of a trial. */
export function scoresOf({ curves }: Trial): number[] {
  const drawn = curves.flatMap(({ scores, blurred, random }) => [
    ...scores,
    ...(blurred?.scores ?? []),
    ...(random ? [...random.low, ...random.high] : []),
  ]);
  return drawn.filter(Number.isFinite);
}

/** Whether a trial is of probabilities that are small throughout. */
export function isFaint(trial: Trial): boolean {
  return trial.output === "probability" && faint(scoresOf(trial));
}

/** A score on its way: two decimals of a probability; significant digits of small ones, and of anything else. */
export function scored(value: number, trial: Trial): string {
  if (trial.output !== "probability") return number(value);
  if (isFaint(trial)) return number(value, 2);
  return value > 0 && value < 0.005 ? "< 0.01" : value.toFixed(2);
}

/** A class among those with the highest score. */
export function classOf({ labels }: Trial, index: number): string {
  return shorten(named(labels?.[index] ?? "", index), 40);
}

/** Method, and what else a panel has of its own. */
export function nameOf(store: Store, { spec, drawable }: Slot, trial?: Trial): string {
  const title = trial?.title || drawable.value?.result.title || "";
  const own = spec.value ? differences(store, spec.value) : [];
  const words = [title, ...own.filter((each) => each !== title)].filter(Boolean);
  return shorten(words.join(", ") || "Attribution", 80);
}

/** What was done with the pixels that are taken. */
export const DONE: Record<CurveKind, string> = { deletion: "taken away", insertion: "put in" };

/** A marker of each panel, of radius about one. */
const SHAPES = [
  "M-1 0a1 1 0 1 0 2 0a1 1 0 1 0-2 0",
  "M-.9-.9h1.8v1.8h-1.8z",
  "M0-1.2 1.1.8h-2.2z",
  "M0-1.25 1.25 0 0 1.25-1.25 0z",
  "M0 1.2-1.1-.8h2.2z",
  "M-1.1-.4h.7v-.7h.8v.7h.7v.8h-.7v.7h-.8v-.7h-.7z",
];
export const shapeOf = (panel: number) => SHAPES[panel % SHAPES.length];

/** Luminance that a line has at most on white for a contrast of 3:1. */
const BRIGHTEST = 0.3;

/** The palette of categories, darkened where it would be too faint for a line. */
export function colourOf(panel: number, dark: boolean): string {
  const rgb = [...categorical(panel + 1, dark).subarray(4 * panel, 4 * panel + 3)];
  let share = 1;
  const mixed = () => rgb.map((value) => Math.round(value * share));
  while (!dark && luminance(mixed()) > BRIGHTEST) share -= 0.02;
  return `rgb(${mixed().join(" ")})`;
}
