/** What is to be drawn, for either way of drawing it. */
import { type Camera, type Size, sideOf, UNITS } from "./camera.js";

export interface Scene {
  /** x and y of every point in turn; in between, points are on the straight way from `from` to `to`. */
  readonly from: Uint16Array;
  readonly to: Uint16Array;
  readonly t: number;
  /** Ids from the back to the front. */
  readonly order: Uint32Array;
  /** How many at the end of the order are highlighted. */
  readonly front: number;
  /** Colours in that order, RGBA in the memory of a byte each, multiplied by their opacity. */
  readonly paint: Int32Array<ArrayBuffer>;
}

/** How it is looked at. */
export interface View {
  readonly camera: Camera;
  /** CSS pixels. */
  readonly size: Size;
  /** Pixels of the canvas for one of CSS. */
  readonly ratio: number;
  /** Of a point, in CSS pixels. */
  readonly radius: number;
}

/** Where points are, by id. */
export function positions({ from, to, t }: Pick<Scene, "from" | "to" | "t">): Uint16Array | Float32Array {
  if (t <= 0) return from;
  if (t >= 1) return to;
  const at = new Float32Array(from.length);
  for (let i = 0; i < at.length; i++) at[i] = from[i] + (to[i] - from[i]) * t;
  return at;
}

/** From units to pixels of the canvas: x is `m[0] + m[1] * unit`, y is `m[2] + m[3] * unit`. */
export function mapping({ camera, size, ratio }: View): [number, number, number, number] {
  const side = sideOf(camera, size) * ratio;
  const { width, height } = pixelSize(size, ratio);
  return [width / 2 - camera.x * side, side / UNITS, height / 2 + camera.y * side, -side / UNITS];
}

/** Of the canvas. */
export function pixelSize({ width, height }: Size, ratio: number): Size {
  return { width: Math.round(width * ratio), height: Math.round(height * ratio) };
}
