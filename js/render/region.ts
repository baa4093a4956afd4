/** What a region holds; the twin of `saliscope/render/regions.py`. */
import type { Completeness } from "../lib/wire.js";

export interface RegionStats {
  /** Sum of the attributions inside. */
  sum: number;
  /** The sum as a share of the change in score; `null` where that has no meaning. */
  ofChange: number | null;
  /** Share of the sum of |a|; `null` for a map that is zero. */
  ofTotal: number | null;
  /** Share of the pixels. */
  area: number;
  /** `ofTotal` per area: 1 is the average of the picture. */
  density: number | null;
}

/**
 * `values` are the attributions before smoothing, sign and threshold; `completeness` is that of the result, or
 * `null` where the values are no part of a change in score, as a gradient's or a difference's.
 */
export function regionStats(
  values: ArrayLike<number>,
  mask: Uint8Array,
  completeness: Pick<Completeness, "change" | "share"> | null,
): RegionStats {
  let sum = 0;
  let inside = 0;
  let total = 0;
  let pixels = 0;
  for (let i = 0; i < values.length; i++) {
    const size = Math.abs(values[i]);
    total += size;
    if (!mask[i]) continue;
    sum += values[i];
    inside += size;
    pixels++;
  }
  const area = values.length ? pixels / values.length : 0;
  const ofTotal = total > 0 ? inside / total : null;
  // A change too small to be divided by has no share of its own either.
  const ofChange = completeness && completeness.share !== null ? sum / completeness.change : null;
  return { sum, ofChange, ofTotal, area, density: ofTotal !== null && area > 0 ? ofTotal / area : null };
}
