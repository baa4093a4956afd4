/**
 * A polygon drawn by hand, closed from its last corner to the first. What it goes round is inside, also where it goes
 * round twice (the non-zero rule, as SVG fills a path).
 */

const MOST_BANDS = 256;

export class Lasso {
  readonly left: number;
  readonly top: number;
  readonly right: number;
  readonly bottom: number;
  /** Bands from top to bottom, each with the edges that reach into it: a point is tested against few of them. */
  readonly #bands: number;
  readonly #starts: Uint32Array;
  readonly #edges: Uint32Array;

  /** `xy`: x and y of the corners in turn. */
  constructor(private readonly xy: ArrayLike<number>) {
    const count = xy.length >> 1;
    let [left, right, top, bottom] = [1 / 0, -1 / 0, 1 / 0, -1 / 0];
    for (let i = 0; i < count; i++) {
      left = Math.min(left, xy[2 * i]);
      right = Math.max(right, xy[2 * i]);
      top = Math.min(top, xy[2 * i + 1]);
      bottom = Math.max(bottom, xy[2 * i + 1]);
    }
    [this.left, this.right, this.top, this.bottom] = [left, right, top, bottom];
    this.#bands = Math.max(1, Math.min(count, MOST_BANDS));
    this.#starts = new Uint32Array(this.#bands + 1);
    this.#eachPair((_, band) => this.#starts[band + 1]++);
    for (let band = 0; band < this.#bands; band++) this.#starts[band + 1] += this.#starts[band];
    this.#edges = new Uint32Array(this.#starts[this.#bands]);
    const next = this.#starts.slice();
    this.#eachPair((edge, band) => {
      this.#edges[next[band]++] = edge;
    });
  }

  /** Calls back for every edge and every band that it reaches into. */
  #eachPair(call: (edge: number, band: number) => void): void {
    const { xy } = this;
    for (let edge = 0; edge < xy.length >> 1; edge++) {
      const from = this.#band(xy[2 * edge + 1]);
      const to = this.#band(xy[this.#after(edge) + 1]);
      for (let band = Math.min(from, to); band <= Math.max(from, to); band++) call(edge, band);
    }
  }

  #band(y: number): number {
    const height = this.bottom - this.top;
    if (!(height > 0)) return 0;
    return Math.min(Math.floor(((y - this.top) / height) * this.#bands), this.#bands - 1);
  }

  /** Where the corner at the end of an edge begins. */
  #after(edge: number): number {
    const next = 2 * edge + 2;
    return next < this.xy.length - 1 ? next : 0;
  }

  has(x: number, y: number): boolean {
    if (!(x >= this.left && x <= this.right && y >= this.top && y <= this.bottom)) return false;
    const { xy } = this;
    const band = this.#band(y);
    let winding = 0;
    for (let k = this.#starts[band]; k < this.#starts[band + 1]; k++) {
      const from = 2 * this.#edges[k];
      const to = this.#after(this.#edges[k]);
      const up = xy[from + 1] <= y;
      if (up === xy[to + 1] <= y) continue; // does not cross the height of the point
      const side = (xy[to] - xy[from]) * (y - xy[from + 1]) - (x - xy[from]) * (xy[to + 1] - xy[from + 1]);
      if (up && side > 0) winding++;
      else if (!up && side < 0) winding--;
    }
    return winding !== 0;
  }
}
