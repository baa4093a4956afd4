/** Made-up rows: a few clusters in many dimensions, their classes, their neighbours, and maps of them. */
import { clamp } from "../lib/format.js";
import type { Row } from "../lib/map_wire.js";
import { labels, random } from "./made_up.js";

export const D = 16;
export const K = 15;

export interface Rows {
  n: number;
  data: Float64Array;
  classes: string[];
  label: Uint16Array;
  prediction: Uint16Array;
  confidence: Float64Array;
  /** Anything a reader might have measured. */
  price: Float64Array;
}

/** Bell-shaped, by the sum of three. */
const bell = (next: () => number) => (next() + next() + next() - 1.5) * 1.4;

export function makeRows(n: number, seed = 5, kind = "10"): Rows {
  const next = random(seed);
  const classes = labels(kind).slice(0, 10);
  const centres = Array.from({ length: 10 * D }, () => 5 * (next() - 0.5));
  const data = new Float64Array(n * D);
  const label = new Uint16Array(n);
  const prediction = new Uint16Array(n);
  const confidence = new Float64Array(n);
  const price = new Float64Array(n);
  for (let i = 0; i < n; i++) {
    const own = Math.floor(next() ** 1.4 * 10);
    label[i] = own;
    // Two classes lie in each other, and one is spread.
    const centre = own === 7 && next() < 0.5 ? 6 : own;
    const spread = own === 3 ? 1.6 : 0.8;
    for (let k = 0; k < D; k++) data[i * D + k] = centres[centre * D + k] + spread * bell(next);
    prediction[i] = next() < 0.9 ? centre : Math.floor(next() * 10);
    confidence[i] = clamp(prediction[i] === own ? 1 - 0.4 * next() ** 2 : 0.3 + 0.4 * next(), 0, 1);
    price[i] = Math.exp(4 + own / 5 + bell(next));
  }
  if (kind === "100") {
    classes.splice(0, 10, ...labels("1000").slice(0, 100));
    for (let i = 0; i < n; i++) label[i] += 10 * (i % 10);
  }
  return { n, data, classes, label, prediction, confidence, price };
}

export function distance({ data }: Rows, a: number, b: number, dims = D): number {
  let sum = 0;
  for (let k = 0; k < dims; k++) sum += (data[a * D + k] - data[b * D + k]) ** 2;
  return Math.sqrt(sum);
}

/** The nearest rows of one, by any measure. */
export function nearest(n: number, of: number, far: (other: number) => number): number[] {
  const order = Array.from({ length: n }, (_, i) => i).filter((i) => i !== of);
  const away = order.map(far);
  const at = order.map((_, i) => i).sort((a, b) => away[a] - away[b]);
  return at.slice(0, K).map((i) => order[i]);
}

/** A map at a share of its iterations: from a projection to clusters that stand apart. */
export function mapAt(rows: Rows, reducer: string, done: number): Uint16Array {
  const next = random(reducer.length * 31);
  const [first, second] = [0, 1].map(() => Float64Array.from({ length: D }, () => next() - 0.5));
  const turn = 0.6 * reducer.length;
  const coords = new Float64Array(2 * rows.n);
  const apart = reducer === "pca" ? 0 : done;
  const jitter = random(3);
  for (let i = 0; i < rows.n; i++) {
    let [x, y] = [0, 0];
    for (let k = 0; k < D; k++) {
      x += rows.data[i * D + k] * first[k];
      y += rows.data[i * D + k] * second[k];
    }
    const angle = turn + rows.label[i] * 0.628;
    const radius = 6 + 3 * ((rows.label[i] * 3) % 4);
    const torn = jitter() < 0.04 ? 3 : 0;
    coords[2 * i] = x + apart * (Math.cos(angle + torn) * radius - 0.1 * x);
    coords[2 * i + 1] = y + apart * (Math.sin(angle + torn) * radius - 0.1 * y);
  }
  return units(coords);
}

/** Into whole numbers over the box. */
function units(coords: Float64Array): Uint16Array {
  let [low, high] = [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY];
  for (const value of coords) {
    low = Math.min(low, value);
    high = Math.max(high, value);
  }
  return Uint16Array.from(coords, (value) => Math.round((65535 * (value - low)) / (high - low || 1)));
}

export function onMap(coords: Uint16Array, of: number): number[] {
  const [x, y] = [coords[2 * of], coords[2 * of + 1]];
  return nearest(coords.length / 2, of, (i) => Math.hypot(coords[2 * i] - x, coords[2 * i + 1] - y));
}

export function rowOf(rows: Rows, id: number, maps: readonly Uint16Array[], dims = D): Row {
  const neighbors = nearest(rows.n, id, (other) => distance(rows, id, other, dims));
  const seen = maps.map((coords) => onMap(coords, id));
  const lists = (make: (near: number[]) => number[]) =>
    Object.fromEntries(seen.map((near, map) => [String(map), make(near)]));
  const top = [rows.prediction[id], (rows.label[id] + 3) % 10, (rows.label[id] + 5) % 10];
  return {
    id,
    neighbors,
    distances: neighbors.map((other) => distance(rows, id, other, dims)),
    false: lists((near) => near.filter((other) => !neighbors.includes(other)).slice(0, 5)),
    missing: lists((near) => neighbors.filter((other) => !near.includes(other))),
    values: {},
    top5: top.map((index, i) => ({ index, label: rows.classes[index], p: rows.confidence[id] / 4 ** i })),
  };
}

/** Shares kept, false and missing, and stretch, of every row; true enough for the demo. */
export function qualityOf(rows: Rows): Uint8Array {
  const next = random(77);
  return Uint8Array.from({ length: 4 * rows.n }, (_, i) => {
    const bad = rows.label[i >> 2] === 3 ? 0.6 : 0.25;
    const share = bad * next() ** 0.7;
    return Math.round([255 * (1 - share), 255 * share, 255 * share, 128 + 100 * bell(next)][i % 4]);
  });
}
