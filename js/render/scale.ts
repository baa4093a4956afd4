/** Where the colours of the panels end; the twin of `limits_of` in `saliscope/render/scale.py`. */
import { kthLargest } from "../lib/select.js";
import type { Along, Blob, Drawable, Scale } from "../lib/wire.js";
import { gradientUnit, lookedAt } from "./path.js";
import { Smoother } from "./smooth.js";

const QUANTILE = 0.995;

export const EACH = "each panel has its own scale: colours cannot be compared";

/** A panel's unit and its own automatic limit; 0 for a map that is zero, which must not set that of others. */
export interface Own {
  unit: string;
  limit: number;
  /** The whole map, smoothed: what the limit was found in, and what is drawn where alpha shows all of it. */
  smoothed?: Float64Array;
}

/** What the colours of each panel end at; panels of one unit share it, but where each has its own. */
export function limitsOf(scale: Scale, panels: readonly Own[]): number[] {
  return panels.map(({ unit, limit }) => {
    if (scale.mode === "each") return limit || 1;
    const given = scale.limits[unit];
    if (scale.mode === "fixed") {
      const fixed = given ?? scale.limits["*"];
      if (fixed !== undefined) return fixed;
    }
    const shared = scale.mode === "auto" && given !== undefined ? given : 0;
    return panels.reduce((most, own) => (own.unit === unit ? Math.max(most, own.limit) : most), shared) || 1;
  });
}

/**
 * The automatic limit of maps: the 99.5 % quantile of |a|, an element of them; the largest where that is zero,
 * and 1 where all are.
 */
export function automaticLimit(...maps: ArrayLike<number>[]): number {
  const n = maps.reduce((sum, map) => sum + map.length, 0);
  const sizes = new Float64Array(n);
  let largest = 0;
  let at = 0;
  for (const map of maps) {
    for (let i = 0; i < map.length; i++, at++) {
      sizes[at] = Math.abs(map[i]);
      if (sizes[at] > largest) largest = sizes[at];
    }
  }
  if (!n) return 1;
  return kthLargest(sizes, n, n + 1 - Math.ceil(QUANTILE * n)) || largest || 1;
}

/**
 * Unit and automatic limit of what a panel shows. They do not depend on alpha, so that colours stay while it
 * moves; smoothing levels peaks, so a smoothed map has a limit of its own.
 */
export function ownOf(drawable: Drawable, along: Along, sigma: number): Own {
  const { result, map, path, gradients, width, height } = drawable;
  const shown = (data: ArrayLike<number>, at: number, scale: number) => {
    const values = new Float64Array(width * height);
    for (let i = 0; i < values.length; i++) values[i] = data[at + i] * scale;
    return new Smoother().smooth(values, width, height, sigma);
  };
  if (along === "gradient" && gradients && path) {
    const places = lookedAt(gradients.shape[0]);
    const maps = places.map((k) => shown(gradients.data, k * width * height, gradients.scale));
    return { unit: gradientUnit(result.unit), limit: isZero(gradients.data) ? 0 : automaticLimit(...maps) };
  }
  // What has no value to end at was given 1.
  if (result.limit === 1 && isZero(map.data)) return { unit: result.unit, limit: 0 };
  const { unit, limit } = result;
  if (!(sigma > 0)) return { unit, limit };
  const smoothed = shown(map.data, 0, map.scale);
  return { unit, limit: automaticLimit(smoothed), smoothed };
}

const isZero = (data: Blob["data"]) => data.every((value: number) => value === 0);
