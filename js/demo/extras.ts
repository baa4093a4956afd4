/** What a page asks for beside maps: gradients and predictions along the path, made up. */
import type { Predictions, Result } from "../lib/wire.js";
import { clouds } from "./made_up.js";
import { encode, type Picture } from "./results.js";

/** Gradients at the nodes of a path: strongest at the beginning. */
export function makeGradients(
  { path, job }: Result,
  { width, height, object }: Picture,
): { bytes: Uint8Array; scale: number; shape: number[] } | null {
  if (!path) return null;
  const n = width * height;
  const fine = clouds(width, height, 2, 17 + job);
  const stack = new Float64Array(n * path.alphas.length);
  path.alphas.forEach((alpha, k) => {
    for (let i = 0; i < n; i++) {
      stack[k * n + i] = (fine[i] - 0.45) * (0.1 + object[i]) * Math.exp(-3 * alpha);
    }
  });
  return { ...encode(stack), shape: [path.alphas.length, height, width] };
}

/** The first class wins on the way; the rest share what is left. */
export function makePredictions({ path, job, probabilities }: Result, labels: string[]): Predictions {
  const alphas = [0, ...(path?.alphas ?? [1])];
  const indices = probabilities.map(({ index }) => index);
  const p = alphas.map((alpha) => {
    const first = 0.9 / (1 + Math.exp(-12 * (alpha - 0.4)));
    return indices.map((_, i) => (i === 0 ? first : ((1 - first) * 0.6) / 2 ** i));
  });
  return { job, alphas, indices, labels: indices.map((index) => labels[index]), p };
}
