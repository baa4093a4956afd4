/**
 * Where a map is looked at from. Its box is a square, one unit as long in x as in y, and y grows upwards as
 * mathematicians expect; places in it are shares of its side, places on the screen are CSS pixels from the top left.
 */
import { clamp } from "../../lib/format.js";

export interface Camera {
  /** 1 shows the whole box. */
  readonly zoom: number;
  /** What is in the middle of the screen, as shares of the box. */
  readonly x: number;
  readonly y: number;
}

/** Of what is drawn on, in CSS pixels. */
export interface Size {
  readonly width: number;
  readonly height: number;
}

export interface Place {
  x: number;
  y: number;
}

export const WHOLE: Camera = { zoom: 1, x: 0.5, y: 0.5 };
export const MOST_ZOOM = 4096;
/** Coordinates are whole numbers from 0 to this. */
export const UNITS = 65535;

/** The rest is a margin: a point at the border of the box is whole. */
const FILLED = 0.94;
/** Some points that lie in one place are still seen among others. */
const CLOSEST_FIT = 64;

/** How many CSS pixels the side of the box takes. */
export function sideOf({ zoom }: Camera, { width, height }: Size): number {
  return FILLED * Math.min(width, height) * zoom;
}

export function toScreen(camera: Camera, size: Size, x: number, y: number): Place {
  const side = sideOf(camera, size);
  return { x: size.width / 2 + (x - camera.x) * side, y: size.height / 2 - (y - camera.y) * side };
}

export function toMap(camera: Camera, size: Size, px: number, py: number): Place {
  const side = sideOf(camera, size);
  return { x: camera.x + (px - size.width / 2) / side, y: camera.y - (py - size.height / 2) / side };
}

/** Nearest camera that is allowed: its middle is in the box, so that nobody gets lost. */
export function inside({ zoom, x, y }: Camera): Camera {
  return { zoom: clamp(zoom, 1, MOST_ZOOM), x: clamp(x, 0, 1), y: clamp(y, 0, 1) };
}

/** The map follows a hand that moved by so many pixels. */
export function pan(camera: Camera, size: Size, dx: number, dy: number): Camera {
  const side = sideOf(camera, size);
  return inside({ zoom: camera.zoom, x: camera.x - dx / side, y: camera.y + dy / side });
}

/** Zooms so that what lies under a place of the screen stays there. */
export function zoomAt(camera: Camera, size: Size, px: number, py: number, factor: number): Camera {
  const zoom = clamp(camera.zoom * factor, 1, MOST_ZOOM);
  const fixed = toMap(camera, size, px, py);
  const moved = toMap({ ...camera, zoom }, size, px, py);
  return inside({ zoom, x: camera.x + fixed.x - moved.x, y: camera.y + fixed.y - moved.y });
}

/** The whole box; or, of `coords` (x and y in turn, 0 to 65535), the points with these ids. */
export function fit(size: Size, coords?: ArrayLike<number>, ids?: ArrayLike<number>): Camera {
  if (!coords || !ids?.length) return WHOLE;
  let [left, right, low, high] = [UNITS, 0, UNITS, 0];
  for (let i = 0; i < ids.length; i++) {
    const [x, y] = [coords[2 * ids[i]], coords[2 * ids[i] + 1]];
    left = Math.min(left, x);
    right = Math.max(right, x);
    low = Math.min(low, y);
    high = Math.max(high, y);
  }
  const room = Math.min(size.width / (right - left), size.height / (high - low)); // CSS pixels for a unit
  const zoom = Math.min((room * UNITS) / Math.min(size.width, size.height), CLOSEST_FIT);
  return inside({ zoom, x: (left + right) / 2 / UNITS, y: (low + high) / 2 / UNITS });
}
