/** From the message of a result to what can be drawn. */
import type { Blob, Drawable, Info, Luts, RandomBand, Result, Trial } from "../lib/wire.js";
import { blob } from "./blobs.js";

/** Hashes of everything that a result is drawn from. */
export function needs(result: Result): string[] {
  const { path } = result;
  if (!path) return [result.picture, result.map];
  return [result.picture, result.map, path.stack, path.baseline, ...(path.pictures ? [path.pictures] : [])];
}

/** The same of a map on trial. */
export function trialNeeds({ ranks, curves, randomisation }: Trial): string[] {
  const maps = randomisation ? [randomisation, ...randomisation.stages].map(({ map }) => map) : [];
  const fed = curves.flatMap(({ replaced, pictures }) => [replaced, pictures]);
  return [ranks, ...fed, ...maps].filter((name): name is string => Boolean(name));
}

/** JSON has neither NaN nor infinity: such a number came as null. */
const numbers = (values: readonly number[], count = values.length) =>
  values.length === count && values.every(Number.isFinite);

const drawn = ({ fractions, mean, low, high }: RandomBand) =>
  [fractions, mean, low, high].every((values) => numbers(values, fractions.length));

/** A trial without the curves that lack a number at one of its points. */
export function whole(trial: Trial): Trial {
  const count = trial.at.length;
  const known = numbers(trial.fractions, count) ? trial.curves : [];
  const curves = known.flatMap((curve) => {
    const { scores, blurred, random } = curve;
    if (!numbers(scores, count)) return [];
    return {
      ...curve,
      blurred: blurred && numbers(blurred.scores, count) ? blurred : null,
      random: random && drawn(random) ? random : null,
    };
  });
  return { ...trial, curves };
}

export function arraysOf(names: readonly string[]): ReadonlyMap<string, Blob> {
  const found = new Map<string, Blob>();
  for (const name of names) {
    const array = blob(name);
    if (array) found.set(name, array);
  }
  return found;
}

/** A result and its arrays, or nothing where their sizes contradict each other. */
export function assemble(result: Result): Drawable | null {
  const picture = blob(result.picture);
  const map = blob(result.map);
  if (!picture || !map || !(picture.data instanceof Uint8Array)) return null;
  const [height, width] = picture.shape;
  if (map.data.length !== height * width) return null;
  return { result, height, width, picture: picture.data, map, path: assemblePath(result, map.data.length) };
}

function assemblePath(result: Result, pixels: number): Drawable["path"] {
  if (!result.path || result.path.alphas.length === 0) return null;
  const stack = blob(result.path.stack);
  const baseline = blob(result.path.baseline);
  if (!stack || !(baseline?.data instanceof Uint8Array)) return null;
  if (stack.data.length !== result.path.alphas.length * pixels) return null;
  if (!result.path.pictures) return { stack, baseline: baseline.data };
  const pictures = blob(result.path.pictures)?.data;
  if (!(pictures instanceof Uint8Array) || pictures.length !== 3 * stack.data.length) return null;
  return { stack, baseline: baseline.data, pictures };
}

/** The colour maps that have come so far. */
export function lutsOf(info: Info): Luts {
  const luts: Record<string, Uint8Array> = {};
  for (const [name, hash] of Object.entries(info.luts)) {
    const data = blob(hash)?.data;
    if (data instanceof Uint8Array) luts[name] = data;
  }
  return luts;
}
