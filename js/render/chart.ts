/** Small arithmetic of a line chart: what its axes span, ticks, scales, SVG path strings. */
import { number, onGrid } from "../lib/format.js";

/** Probabilities that stay below this lie on an axis that ends at one. */
const FAINT = 0.1;
/** Share of a score below which single precision tells nothing. */
const ROUNDING = 1e-6;
/** Room beyond the scores, as a share of what they take. */
const PAD = 0.04;

/** Whether probabilities are small throughout, as they are of one class among a thousand. */
export function isFaint(probabilities: readonly number[]): boolean {
  const high = Math.max(...probabilities);
  return high > 0 && high < FAINT;
}

/** From 0 to 1 for probabilities, unless all are too small to be seen there; what there is of anything else. */
export function domainOf(scores: readonly number[], probability: boolean): [number, number] {
  if (!scores.length) return [0, 1];
  const [low, high] = [Math.min(...scores), Math.max(...scores)];
  if (probability) return isFaint(scores) ? [0, (1 + PAD) * high] : [0, 1];
  const size = Math.max(-low, high);
  // What differs by rounding alone is level.
  const pad = high - low <= ROUNDING * size ? Math.max(0.5, size / 2) : PAD * (high - low);
  return [low - pad, high + pad];
}

/** Between the labels of the upright axis and that axis, in CSS pixels, and the width of a digit. */
export const TICK = 12;
const DIGIT = 6.4;

/** Left of the upright axis: what its labels take, and no less than `least`. */
export function marginOf(labels: readonly string[], least: number): number {
  return Math.max(least, TICK + DIGIT * Math.max(...labels.map(({ length }) => length)));
}

/** Labels of ticks, all with the decimals that their distance needs. */
export function tickLabels(values: number[]): string[] {
  const step = values.length > 1 ? values[1] - values[0] : 1;
  const size = Math.max(...values.map(Math.abs));
  const digits = Math.max(2, 1 + Math.ceil(Math.log10(size / step)));
  return values.map((value) => (step < 1e-4 || size >= 1e5 ? number(value, digits) : onGrid(value, step)));
}

/** Round numbers (1, 2, 5 times a power of ten) that cover `low..high`, about `most` of them. */
export function ticks(low: number, high: number, most = 5): number[] {
  const span = high - low;
  if (!(span > 0) || !Number.isFinite(span)) return [low];
  const raw = span / most;
  const power = 10 ** Math.floor(Math.log10(raw));
  const step = [1, 2, 5, 10].map((m) => m * power).find((s) => s >= raw * (1 - 1e-9)) ?? 10 * power;
  const first = Math.ceil(low / step - 1e-9);
  // Counted from 0: beyond 2^53 a number and the next one are the same.
  const count = Math.floor(high / step + 1e-9) - first + 1;
  return Array.from({ length: count }, (_, i) => (first + i) * step + 0); // + 0: no negative zero
}

/** A linear scale from `domain` to `range`; a domain of no width goes to the middle. */
export function linear(domain: [number, number], range: [number, number]): (value: number) => number {
  const span = domain[1] - domain[0];
  if (span === 0) return () => (range[0] + range[1]) / 2;
  const slope = (range[1] - range[0]) / span;
  return (value) => range[0] + (value - domain[0]) * slope;
}

/** `M x y L x y ...` with a tenth of a pixel, which is all a screen shows. */
export function line(xs: number[], ys: number[]): string {
  return xs.map((x, i) => `${i ? "L" : "M"}${x.toFixed(1)} ${ys[i].toFixed(1)}`).join("");
}

/** Two labels at the heights of their lines, moved apart to be `gap` from each other inside `low..high`. */
export function spread(
  first: number,
  second: number,
  gap: number,
  low: number,
  high: number,
): [number, number] {
  const middle = Math.min(Math.max((first + second) / 2, low + gap / 2), high - gap / 2);
  if (Math.abs(first - second) >= gap) {
    return [Math.min(Math.max(first, low), high), Math.min(Math.max(second, low), high)];
  }
  return first <= second ? [middle - gap / 2, middle + gap / 2] : [middle + gap / 2, middle - gap / 2];
}
