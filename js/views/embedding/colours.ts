/** What the colours of the points mean: which numbers or categories, between which ends, in which words. */
import { number, percent } from "../../lib/format.js";
import type { Column } from "../../lib/map_wire.js";
import { kthLargest } from "../../lib/select.js";
import { byCode, categorical, SEQUENTIAL, sequential } from "../../render/points/palette.js";
import type { Store } from "./store.js";

/** Values of every point and how they become colours. */
export type Meaning =
  | { kind: "none" }
  | { kind: "category"; title: string; names: string[]; codes: Uint16Array; palette: Uint8Array }
  | {
      kind: "number";
      title: string;
      /** NaN where there is none. */
      values: Float32Array;
      range: [low: number, high: number];
      ends: [low: string, high: string];
      unit: string;
      /** What the values are, where the title does not say it. */
      note: string;
      lut: Uint8Array;
    };

export interface Choice {
  value: string;
  label: string;
}

const QUALITIES = ["kept", "false", "missing", "stretch"] as const;
type Quality = (typeof QUALITIES)[number];

export const TITLES: Record<Quality, string> = {
  kept: "Neighbours kept",
  false: "False neighbours",
  missing: "Missing neighbours",
  stretch: "Stretch",
};

const NOTES: Record<Quality, (k: number) => string> = {
  kept: (k) => `share of a point's ${k} nearest rows that are also its nearest on the map`,
  false: (k) => `share of a point's ${k} nearest on the map that are not near in the data`,
  missing: (k) => `share of a point's ${k} nearest rows that the map put elsewhere`,
  stretch: () => "distances on the map against those in the data, around the median",
};

/** Stretch crosses as a byte: so many natural-log units at either end. */
const STRETCH = 2;
/** Share of the values beyond either end of an automatic scale. */
const TAIL = 0.005;

export function colourChoices(store: Store): Choice[] {
  const { points, walked, maps } = store;
  const columns = points.value?.columns ?? [];
  const judged = maps.value.some((map) => map?.quality);
  return [
    ...columns.map(({ name, title }) => ({ value: name, label: title })),
    ...(judged ? QUALITIES.map((value) => ({ value, label: TITLES[value] })) : []),
    ...(walked.value?.displacement ? [{ value: "displacement", label: "Displacement" }] : []),
    { value: "distance", label: "Real distance to the point" },
    { value: "none", label: "One colour" },
  ];
}

/** What the colours of one map mean; `distances` are those from the point in focus. */
export function meaningOf(store: Store, map: number, distances: Float32Array | null): Meaning {
  const by = store.traits.color_by.value;
  const column = store.column(by);
  if (column) return ofColumn(column, store.dark.value);
  if (by === "distance") return ofDistances(distances);
  if (by === "displacement") return ofDisplacement(store);
  const quality = QUALITIES.find((name) => name === by);
  // That of the map at rest is not true of a step.
  return quality && !store.walkOf(map) ? ofQuality(store, map, quality) : { kind: "none" };
}

function ofColumn(column: Column, dark: boolean): Meaning {
  const { kind, title, names = [], data, unit = "", scale } = column;
  if (kind === "category") {
    const palette = categorical(Math.max(1, names.length), dark);
    return { kind, title, names, codes: data as Uint16Array, palette };
  }
  const share = column.name === "confidence";
  return ofNumbers(data as Float32Array, title, share ? "" : unit, "", scale);
}

function ofNumbers(data: Float32Array, title: string, unit: string, note: string, scale = 1): Meaning {
  const range = endsOf(data);
  const ends: [string, string] = [number(range[0] * scale), number(range[1] * scale)];
  return { kind: "number", title, values: data, range, ends, unit, note, lut: SEQUENTIAL };
}

function ofDistances(distances: Float32Array | null): Meaning {
  if (!distances) return { kind: "none" };
  return ofNumbers(
    distances,
    "Real distance to the point",
    "",
    "Euclidean, in the data's own units; not on the map",
  );
}

function ofDisplacement(store: Store): Meaning {
  const walked = store.walked.value;
  const moved = walked?.displacement;
  const n = store.points.value?.n ?? 0;
  if (!walked || !moved || moved.length < n) return { kind: "none" };
  const { names } = walked.sequence;
  const step = Math.min(names.length - 2, Math.floor(store.traits.sweep_at.value));
  return ofNumbers(
    moved.subarray(step * n, (step + 1) * n),
    "Displacement",
    "",
    `from ${names[step]} to ${names[step + 1]}, in radii of the map`,
  );
}

function ofQuality(store: Store, map: number, name: Quality): Meaning {
  const found = store.maps.value[map];
  if (!found?.quality) return { kind: "none" };
  const at = QUALITIES.indexOf(name);
  const values = new Float32Array(found.coords.length / 2);
  for (let i = 0; i < values.length; i++) values[i] = found.quality[4 * i + at];
  const stretch = name === "stretch";
  const far = (sign: number) => `\u00d7\u00a0${number(Math.exp(sign * STRETCH), 2)}`;
  return {
    kind: "number",
    title: TITLES[name],
    values,
    range: [0, 255],
    ends: stretch ? [far(-1), far(1)] : [percent(0), percent(1)],
    unit: "",
    note: NOTES[name](found.layout.numbers?.k ?? 15),
    lut: (stretch && store.luts.value.diverging) || SEQUENTIAL,
  };
}

/** All but the outermost values; the scale says that it is not the whole. */
function endsOf(data: Float32Array): [number, number] {
  const finite = Float64Array.from(data).filter(Number.isFinite);
  const n = finite.length;
  if (!n) return [0, 1];
  const beyond = Math.floor(TAIL * n);
  return [kthLargest(finite, n, n - beyond), kthLargest(finite, n, beyond + 1)];
}

/** A colour of each point, RGBA. */
export function meaningFrom(meaning: Meaning, n: number): Uint8Array {
  if (meaning.kind === "number" && meaning.values.length === n)
    return sequential(meaning.values, meaning.lut, meaning.range);
  if (meaning.kind === "category" && meaning.codes.length === n)
    return byCode(meaning.codes, meaning.palette);
  const colour = categorical(1);
  const rgba = new Uint8Array(4 * n);
  for (let i = 0; i < n; i++) rgba.set(colour, 4 * i);
  return rgba;
}

/** Colour of a category as CSS has it. */
export function swatch(code: number, palette: Uint8Array): string {
  return `rgb(${palette.subarray(4 * code, 4 * code + 3).join(" ")})`;
}

/** A table of colours as a CSS gradient. */
export function gradient(lut: Uint8Array): string {
  const last = lut.length / 3 - 1;
  const stops = Array.from({ length: 17 }, (_, i) => {
    const at = 3 * Math.round((i * last) / 16);
    return `rgb(${lut[at]} ${lut[at + 1]} ${lut[at + 2]})`;
  });
  return `linear-gradient(to right, ${stops.join(", ")})`;
}
