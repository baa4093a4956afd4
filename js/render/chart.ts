/** Small arithmetic of a line chart: axis ticks, scales, SVG path strings. */
import { number, onGrid } from "../lib/format.js";

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
