/** The picture as the model was fed it at a point of a map's curve. */
import { html, type TemplateResult } from "lit-html";
import { explainedClass, percent } from "../../../lib/format.js";
import { nearest } from "../../../lib/select.js";
import type { CurveKind, TrialCurve } from "../../../lib/wire.js";
import { paintInput } from "../../../render/path.js";
import type { Fed } from "../store.js";
import { type Case, classOf, curveOf, DONE, scored } from "./cases.js";

/** `null` where the curve, or what it is drawn from, is not here. */
export function fedAt(one: Case, kind: CurveKind, share: number): Fed | null {
  const curve = curveOf(one, kind);
  const drawable = one.slot.drawable.value;
  if (!curve || !drawable || one.stale) return null;
  const { trial, tried } = one;
  const place = nearest(trial.fractions, share);
  const point = trial.at[place];
  const { picture, width, height } = drawable;
  const pixels = width * height;
  const bytes = (name: string | null) => (name ? tried.arrays.get(name)?.data : undefined);
  const pictures = bytes(curve.pictures);
  if (pictures instanceof Uint8Array && pictures.length % (3 * pixels) === 0 && pictures.length) {
    const count = pictures.length / (3 * pixels);
    const at = count > 1 ? Math.round((point * (count - 1)) / Math.max(1, trial.points - 1)) : 0;
    const exact = count > 1 && at * (trial.points - 1) === point * (count - 1);
    const shown = pictures.subarray(3 * pixels * at, 3 * pixels * (at + 1));
    return {
      paint: (out) => paintInput(out, shown, null, 1),
      words: words(one, curve, place, exact ? "" : `the nearest of ${count} pictures`),
    };
  }
  const replaced = bytes(curve.replaced);
  const ranks = bytes(trial.ranks);
  if (!(replaced instanceof Uint8Array) || replaced.length !== 3 * pixels || ranks?.length !== pixels)
    return null;
  const [taken, rest] = kind === "deletion" ? [replaced, picture] : [picture, replaced];
  return {
    paint: (out) => paintMasked(out, taken, rest, ranks, point),
    words: words(one, curve, place, ""),
  };
}

/** Pixels whose rank has come from `taken`, the others from `rest`. */
export function paintMasked(
  out: Uint8ClampedArray,
  taken: Uint8Array,
  rest: Uint8Array,
  ranks: ArrayLike<number>,
  point: number,
): void {
  for (let i = 0, p = 0, o = 0; i < ranks.length; i++, p += 3, o += 4) {
    const from = ranks[i] <= point ? taken : rest;
    out[o] = from[p];
    out[o + 1] = from[p + 1];
    out[o + 2] = from[p + 2];
    out[o + 3] = 255;
  }
}

function words(one: Case, curve: TrialCurve, place: number, label: string): TemplateResult {
  const { trial } = one;
  const parts = [
    `${percent(trial.fractions[place])} ${DONE[curve.kind]}`,
    html`<bdi>${explainedClass(trial, 40)}</bdi> <strong>${scored(curve.scores[place], trial)}</strong>`,
    leader(one, curve.top[place]),
    label,
  ];
  return html`<p class="fed" data-testid="fed">
    ${parts.filter(Boolean).map((part) => html`<span>${part}</span> `)}
  </p>`;
}

function leader(one: Case, top: number): TemplateResult | string {
  return top === one.trial.target || top === undefined || top < 0
    ? winner(one, top)
    : html`now <bdi>${classOf(one.trial, top)}</bdi>`;
}

/** Which class is first there, in words; "" where there are no classes. */
export function winner({ trial }: Case, top: number | undefined): string {
  if (top === undefined || top < 0) return "";
  return top === trial.target ? "on top" : `now ${classOf(trial, top)}`;
}
