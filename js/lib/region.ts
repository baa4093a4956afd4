/** A part of the picture on its way between the hand and the wire; the twin of `saliscope/specs/region.py`. */
import type { Region } from "./wire.js";

/** Columns or rows of a brush mask: 64 x 64 cells are 684 letters of base64. */
export const MOST_CELLS = 64;

export interface Size {
  width: number;
  height: number;
}

/**
 * Which pixels of a picture belong to the region, 1 or 0 each.
 *
 * A rectangle is in pixels of the leading panel's picture: for a picture of another size, give the leading
 * one's as `lead`.
 */
export function maskOf(region: Region, width: number, height: number, lead?: Size): Uint8Array {
  const mask = new Uint8Array(width * height);
  if ("rect" in region) {
    const [x, y, across, down] = region.rect;
    const [left, right] = placed(x, across, lead?.width ?? width, width);
    const [top, bottom] = placed(y, down, lead?.height ?? height, height);
    for (let row = top; row < Math.min(bottom, height); row++) {
      mask.fill(1, row * width + Math.min(left, width), row * width + Math.min(right, width));
    }
    return mask;
  }
  const [columns, rows] = region.cells;
  const bytes = Uint8Array.from(atob(region.bits), (letter) => letter.charCodeAt(0));
  forCells({ width, height }, columns, rows, (i, cell) => {
    mask[i] = (bytes[cell >> 3] >> (7 - (cell & 7))) & 1;
  });
  return mask;
}

/** Visits every pixel of a picture with the cell of a grid that it lies in. */
export function forCells(
  { width, height }: Size,
  columns: number,
  rows: number,
  visit: (pixel: number, cell: number) => void,
): void {
  for (let y = 0, i = 0; y < height; y++) {
    const row = Math.floor((y * rows) / height) * columns;
    for (let x = 0; x < width; x++, i++) visit(i, row + Math.floor((x * columns) / width));
  }
}

/** Which cells of a grid are in: those of which at least half of the pixels are. */
export function cellsOf(mask: Uint8Array, size: Size, columns: number, rows: number): boolean[] {
  const balance = new Int32Array(columns * rows);
  forCells(size, columns, rows, (i, cell) => {
    balance[cell] += mask[i] ? 1 : -1;
  });
  return Array.from(balance, (more) => more >= 0);
}

/** Both ends of a side in another picture, rounded to its pixels, never empty. */
function placed(start: number, length: number, from: number, to: number): [number, number] {
  if (from === to) return [start, start + length];
  const moved = (at: number) => Math.floor((2 * at * to + from) / (2 * from));
  return [moved(start), Math.max(moved(start + length), moved(start) + 1)];
}

/**
 * The region that a mask is: a rectangle, or the coarsest grid that holds it exactly. Where 64 x 64 cells
 * cannot, a cell is in if at least half of its pixels are. `null` where nothing is left.
 */
export function regionOfMask(mask: Uint8Array, width: number, height: number): Region | null {
  const rect = box(mask, width, height);
  if (!rect) return null;
  const [x, y, across, down] = rect;
  let inside = 0;
  for (let i = 0; i < mask.length; i++) inside += mask[i] ? 1 : 0;
  if (inside === across * down) return { rect: [x, y, across, down] };
  const columns = cells(width, (at) => {
    for (let row = 0, i = at; row < height; row++, i += width) if (!mask[i] !== !mask[i - 1]) return true;
    return false;
  });
  const rows = cells(height, (at) => {
    for (let i = at * width; i < (at + 1) * width; i++) if (!mask[i] !== !mask[i - width]) return true;
    return false;
  });
  const bytes = new Uint8Array(Math.ceil((columns * rows) / 8));
  for (const [cell, inside] of cellsOf(mask, { width, height }, columns, rows).entries()) {
    if (inside) bytes[cell >> 3] |= 128 >> (cell & 7);
  }
  if (!bytes.some(Boolean)) return null;
  return { cells: [columns, rows], bits: btoa(String.fromCharCode(...bytes)) };
}

/** The smallest rectangle around the mask. */
function box(mask: Uint8Array, width: number, height: number): [number, number, number, number] | null {
  let left = width;
  let right = -1;
  let top = height;
  let bottom = -1;
  for (let y = 0, i = 0; y < height; y++) {
    for (let x = 0; x < width; x++, i++) {
      if (!mask[i]) continue;
      left = Math.min(left, x);
      right = Math.max(right, x);
      top = Math.min(top, y);
      bottom = y;
    }
  }
  return right < 0 ? null : [left, top, right + 1 - left, bottom + 1 - top];
}

/** Fewest cells whose borders include every line at which `changes` says so. */
function cells(size: number, changes: (at: number) => boolean): number {
  const lines: number[] = [];
  for (let at = 1; at < size; at++) if (changes(at)) lines.push(at);
  for (let n = 1; n <= Math.min(size, MOST_CELLS); n++) {
    if (lines.every((at) => Math.floor((at * n) / size) !== Math.floor(((at - 1) * n) / size))) return n;
  }
  return MOST_CELLS;
}

/** The border of a mask as an SVG path in pixel coordinates. */
export function outlineOf(mask: Uint8Array, width: number, height: number): string {
  const at = (x: number, y: number) => x >= 0 && y >= 0 && x < width && y < height && mask[y * width + x] > 0;
  const rows = runs(height + 1, width, (y, x) => at(x, y - 1) !== at(x, y));
  const columns = runs(width + 1, height, (x, y) => at(x - 1, y) !== at(x, y));
  return [
    ...rows.map(([y, x, n]) => `M${x} ${y}h${n}`),
    ...columns.map(([x, y, n]) => `M${x} ${y}v${n}`),
  ].join("");
}

/** Where something goes on without a break: line, start and length of every stretch. */
function runs(
  lines: number,
  length: number,
  holds: (line: number, at: number) => boolean,
): [line: number, start: number, length: number][] {
  const found: [number, number, number][] = [];
  for (let line = 0; line < lines; line++) {
    for (let at = 0; at < length; at++) {
      const start = at;
      while (at < length && holds(line, at)) at++;
      if (at > start) found.push([line, start, at - start]);
    }
  }
  return found;
}
