/** What a path looks like at alpha: the input on the way there, and the map as far as it has grown. */
import { lastAtMost } from "../lib/select.js";
import type { Drawable, PathResult, Result } from "../lib/wire.js";

/** The picture between baseline and input, as RGBA: `floor(b + (p - b) * alpha + 0.5)`. */
export function paintInput(
  out: Uint8ClampedArray,
  picture: Uint8Array,
  baseline: Uint8Array | null,
  alpha: number,
): void {
  for (let p = 0, o = 0; p < picture.length; o += 4) {
    for (let c = 0; c < 3; c++, p++) {
      const b = baseline ? baseline[p] : 0;
      out[o + c] = baseline ? Math.floor(b + (picture[p] - b) * alpha + 0.5) : picture[p];
    }
    out[o + 3] = 255;
  }
}

/**
 * Attribution accumulated from 0 to alpha, linear between the kept nodes.
 *
 * Two nodes need no array: at alpha = 0 the sum is zero, at alpha = 1 it is the final map.
 */
export function cumulativeAt(drawable: Drawable, alpha: number, out: Float64Array): void {
  const { map, path, result } = drawable;
  if (!path || !result.path || alpha >= 1) {
    for (let i = 0; i < out.length; i++) out[i] = map.data[i] * map.scale;
    return;
  }
  const { alphas } = result.path;
  const n = out.length;
  const { data, scale } = path.stack;
  const before = lastAtMost(alphas, alpha);
  const last = before === alphas.length - 1;
  const from = before < 0 ? 0 : alphas[before];
  const to = last ? 1 : alphas[before + 1];
  const t = to > from ? (alpha - from) / (to - from) : 0;
  const after = last ? map.data : data;
  const afterScale = (last ? map.scale : scale) * t;
  const afterAt = last ? 0 : (before + 1) * n;
  const beforeScale = before < 0 ? 0 : scale * (1 - t);
  const beforeAt = before < 0 ? 0 : before * n;
  for (let i = 0; i < n; i++) out[i] = data[beforeAt + i] * beforeScale + after[afterAt + i] * afterScale;
}

export interface Series {
  alphas: number[];
  /** Score along the path minus the score of the baseline. */
  scores: number[];
  /** Sum of the attributions so far. */
  sums: number[];
}

/** The two curves from (0, 0) to the score of the input, whatever nodes the rule happened to use. */
export function series(result: Result, path: PathResult): Series {
  const start = path.baseline_score;
  const alphas = [...path.alphas];
  const scores = path.scores.map((score) => score - start);
  const sums = [...path.sums];
  if (!alphas.length || alphas[0] > 0) {
    alphas.unshift(0);
    scores.unshift(0);
    sums.unshift(0);
  }
  if (alphas[alphas.length - 1] < 1) {
    alphas.push(1);
    scores.push(result.score - start);
    sums.push(result.completeness?.sum ?? sums[sums.length - 1]);
  }
  return { alphas, scores, sums };
}

/** Height of a curve at alpha, linear between its points. */
export function heightAt(alphas: number[], values: number[], alpha: number): number {
  const before = Math.max(0, lastAtMost(alphas, alpha));
  if (before >= alphas.length - 1) return values[values.length - 1] ?? 0;
  const t = (alpha - alphas[before]) / (alphas[before + 1] - alphas[before]);
  return values[before] + (values[before + 1] - values[before]) * t;
}
