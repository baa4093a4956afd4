/** How many points lie where, as colours: what a scatter of a million cannot show. */
import { SEQUENTIAL } from "./palette.js";
import { under } from "./raster.js";

/** Side of a cell that points are counted in, in CSS pixels: a lone point is still seen. */
export const CELL = 2;

export class Density {
  /** Points in the fullest cell. */
  most = 0;
  #columns = 0;
  #counts = new Uint32Array(0);
  #side = 1;

  /** `at`: x and y in turn; `map`: from there to pixels; `side`: of a cell, in pixels. */
  count(at: Float32Array, map: readonly number[], width: number, height: number, side: number): void {
    this.#columns = Math.ceil(width / side);
    this.#side = side;
    const rows = Math.ceil(height / side);
    if (this.#counts.length !== this.#columns * rows) this.#counts = new Uint32Array(this.#columns * rows);
    else this.#counts.fill(0);
    const counts = this.#counts;
    const [ax, bx, ay, by] = map.map((value) => value / side);
    const columns = this.#columns;
    this.most = 0;
    for (let i = 0; i < at.length; i += 2) {
      const x = ax + at[i] * bx;
      const y = ay + at[i + 1] * by;
      if (!(x >= 0 && x < columns && y >= 0 && y < rows)) continue;
      const count = ++counts[(y | 0) * columns + (x | 0)];
      if (count > this.most) this.most = count;
    }
  }

  /** The colour of each pixel, for `Raster.behind`: log(1 + count) over the same of the fullest cell. */
  colours(opacity: number): (x: number, y: number) => number {
    const table = new Int32Array(this.most + 1);
    const last = SEQUENTIAL.length / 3 - 1;
    for (let count = 1; count <= this.most; count++) {
      const at = 3 * Math.round((Math.log1p(count) / Math.log1p(this.most)) * last);
      const [r, g, b] = SEQUENTIAL.subarray(at, at + 3);
      const colour = r | (g << 8) | (b << 16) | (255 << 24);
      table[count] = under(0, colour, Math.round(256 * opacity));
    }
    const counts = this.#counts;
    const columns = this.#columns;
    const side = this.#side;
    return (x, y) => table[counts[((y / side) | 0) * columns + ((x / side) | 0)]];
  }
}
