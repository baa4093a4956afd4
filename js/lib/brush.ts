/** What a hand makes of a region: rectangles in pixels, strokes of a brush on the cells of a mask. */
import { clamp } from "./format.js";
import { cellsOf, forCells, MOST_CELLS, maskOf, regionOfMask, type Size } from "./region.js";
import type { Region } from "./wire.js";

type Rect = [number, number, number, number];
/** As shares of width and height. */
interface Place {
  x: number;
  y: number;
}

/** The pixels between two corners, both of them in it. */
export function rectBetween(a: Place, b: Place, { width, height }: Size): Rect {
  const [x, across] = side(a.x, b.x, width);
  const [y, down] = side(a.y, b.y, height);
  return [x, y, across, down];
}

function side(a: number, b: number, size: number): [number, number] {
  const pixel = (share: number) => clamp(Math.floor(share * size), 0, size - 1);
  const start = Math.min(pixel(a), pixel(b));
  return [start, Math.max(pixel(a), pixel(b)) + 1 - start];
}

/** The middle quarter: where a rectangle begins that is made by keys. */
export function middle({ width, height }: Size): Rect {
  const [across, down] = [Math.max(1, width >> 1), Math.max(1, height >> 1)];
  return [(width - across) >> 1, (height - down) >> 1, across, down];
}

export function moved([x, y, across, down]: Rect, dx: number, dy: number, { width, height }: Size): Rect {
  return [
    clamp(x + dx, 0, Math.max(0, width - across)),
    clamp(y + dy, 0, Math.max(0, height - down)),
    across,
    down,
  ];
}

/** Its upper left corner stays. */
export function resized([x, y, across, down]: Rect, dx: number, dy: number, { width, height }: Size): Rect {
  return [x, y, clamp(across + dx, 1, Math.max(1, width - x)), clamp(down + dy, 1, Math.max(1, height - y))];
}

/** A mask in the making: its cells are as fine as a region can be. */
export class Brush {
  readonly #columns: number;
  readonly #rows: number;
  readonly #cells: Uint8Array;

  constructor(
    private readonly size: Size,
    region: Region | null,
  ) {
    this.#columns = cellsAlong(size.width);
    this.#rows = cellsAlong(size.height);
    this.#cells = new Uint8Array(this.#columns * this.#rows);
    if (region)
      this.#cells.set(
        cellsOf(maskOf(region, size.width, size.height), size, this.#columns, this.#rows).map(Number),
      );
  }

  /**
   * Paints (or wipes out) what a round brush covers on its way.
   *
   * `diameter` is a share of the shorter side; the cell under the brush is always hit.
   */
  stroke(from: Place, to: Place, diameter: number, on: boolean): void {
    const { width, height } = this.size;
    // No narrower than a cell: a stroke has no gaps.
    const radius =
      Math.max(diameter * Math.min(width, height), width / this.#columns, height / this.#rows) / 2;
    const [ax, ay] = [from.x * width, from.y * height];
    const [dx, dy] = [to.x * width - ax, to.y * height - ay];
    const length = dx * dx + dy * dy;
    for (let row = 0, i = 0; row < this.#rows; row++) {
      const y = ((row + 0.5) * height) / this.#rows - ay;
      for (let column = 0; column < this.#columns; column++, i++) {
        const x = ((column + 0.5) * width) / this.#columns - ax;
        const t = length > 0 ? clamp((x * dx + y * dy) / length, 0, 1) : 0;
        if (Math.hypot(x - t * dx, y - t * dy) <= radius) this.#cells[i] = on ? 1 : 0;
      }
    }
    this.#cells[this.#cellAt(to)] = on ? 1 : 0;
  }

  /** `null` where nothing is painted. */
  region(): Region | null {
    const { width, height } = this.size;
    const mask = new Uint8Array(width * height);
    forCells(this.size, this.#columns, this.#rows, (i, cell) => {
      mask[i] = this.#cells[cell];
    });
    return regionOfMask(mask, width, height);
  }

  #cellAt({ x, y }: Place): number {
    const column = clamp(Math.floor(x * this.#columns), 0, this.#columns - 1);
    return clamp(Math.floor(y * this.#rows), 0, this.#rows - 1) * this.#columns + column;
  }
}

/** Cells of whole pixels where there are enough of them: 56 for 224. */
function cellsAlong(size: number): number {
  for (let n = Math.min(size, MOST_CELLS); n > MOST_CELLS / 2; n--) if (size % n === 0) return n;
  return Math.min(size, MOST_CELLS);
}
