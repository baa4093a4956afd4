/** What a path looks like at alpha: the input on the way there, and the map as far as it has grown. */
import { between, lastAtMost } from "../lib/select.js";
import type { Blob, Drawable, PathResult, Result } from "../lib/wire.js";

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

/** The input at alpha, as RGBA: between both ends of the path, or of a curved one between its two pictures there. */
export function paintWay(out: Uint8ClampedArray, drawable: Drawable, alpha: number): void {
  const { picture, path, result } = drawable;
  const pictures = path?.pictures;
  if (!path || !result.path || alpha >= 1) {
    paintInput(out, picture, null, 1);
  } else if (!pictures) {
    paintInput(out, picture, path.baseline, alpha);
  } else {
    const { before, after, t } = between(result.path.alphas, alpha);
    const n = picture.length;
    paintInput(
      out,
      pictures.subarray(after * n, after * n + n),
      pictures.subarray(before * n, before * n + n),
      t,
    );
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
  const before = lastAtMost(alphas, alpha);
  const last = before === alphas.length - 1;
  const from = before < 0 ? 0 : alphas[before];
  const to = last ? 1 : alphas[before + 1];
  const start = before < 0 ? null : { blob: path.stack, at: before * n };
  const end = last ? { blob: map, at: 0 } : { blob: path.stack, at: (before + 1) * n };
  mix(start, end, to > from ? (alpha - from) / (to - from) : 0, out);
}

/**
 * The gradient at alpha, linear between the kept nodes; beyond the first or last of them, its own. `false`, and
 * nothing written, where the gradients are not here.
 */
export function gradientAt(drawable: Drawable, alpha: number, out: Float64Array): boolean {
  const { gradients, result } = drawable;
  if (!gradients || !result.path) return false;
  const n = out.length;
  const { before, after, t } = between(result.path.alphas, alpha);
  mix({ blob: gradients, at: before * n }, { blob: gradients, at: after * n }, t, out);
  return true;
}

/** What a gradient is measured in, where the attribution is measured in `unit`. */
export const gradientUnit = (unit: string) => `${unit || "score"} per unit of input`;

/** At most this many gradients, spread over the path, make the automatic limit of all of them. */
const LOOKED_AT = 8;

/** Indices of the maps of a path whose values make its automatic limit. */
export function lookedAt(n: number): number[] {
  if (n <= LOOKED_AT) return Array.from({ length: n }, (_, i) => i);
  return Array.from({ length: LOOKED_AT }, (_, i) => Math.floor((i * (n - 1)) / (LOOKED_AT - 1) + 0.5));
}

interface MapAt {
  blob: Blob;
  /** Of its first value. */
  at: number;
}

/** `(1 - t) start + t end`, in the order of `saliscope/render/along.py`; no start stands for zero. */
function mix(start: MapAt | null, end: MapAt, t: number, out: Float64Array): void {
  const { data, scale } = end.blob;
  if (!start) {
    for (let i = 0; i < out.length; i++) out[i] = data[end.at + i] * scale * t;
    return;
  }
  const { data: first, scale: own } = start.blob;
  for (let i = 0; i < out.length; i++) {
    out[i] = first[start.at + i] * own * (1 - t) + data[end.at + i] * scale * t;
  }
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
  if (!alphas.length) return 0;
  const { before, after, t } = between(alphas, alpha);
  return values[before] + (values[after] - values[before]) * t;
}
