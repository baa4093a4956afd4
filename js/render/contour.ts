/**
 * Lines along which a map has the same value, as SVG paths in the picture's pixel coordinates: marching squares,
 * each line followed from end to end. `contours` in `saliscope/render/overlay.py` has the same lines.
 */

/** Shares of the limit at which lines are drawn, on either side of zero. */
const LEVELS: readonly number[] = [0.25, 0.5, 0.75];

export interface ContourPath {
  /** Share of the limit: below zero on the negative side. */
  level: number;
  /** SVG path; empty where the map does not reach the level. */
  d: string;
}

/**
 * Lines at 25, 50 and 75 % of the limit, for both signs.
 *
 * `shown` are the attributions after smoothing, sign and threshold (see `Recolour.shown`); the value of a pixel
 * stands at its centre. Each sign has its own lines: between +1 and -1 the size |a| would never pass zero.
 */
export function contourPaths(
  shown: Float64Array,
  width: number,
  height: number,
  limit: number,
): ContourPath[] {
  const lines = new Lines(shown, width, height);
  const sides = shown.some((value) => value < 0) ? [...LEVELS.map((level) => -level).reverse()] : [];
  return [...sides, ...LEVELS].map((level) => ({ level, d: lines.at(level * limit) }));
}

/**
 * A line crosses from edge to edge of the squares between four pixel centres. Edge 2 i leads from pixel i to the
 * one on its right, edge 2 i + 1 to the one below. Larger values are always on the line's right, so an edge is
 * left at most once and entered at most once.
 */
class Lines {
  readonly #next: Int32Array;
  readonly #entered: Uint8Array;
  #level = 0;

  constructor(
    private readonly values: Float64Array,
    private readonly width: number,
    private readonly height: number,
  ) {
    this.#next = new Int32Array(2 * values.length);
    this.#entered = new Uint8Array(2 * values.length);
  }

  at(level: number): string {
    this.#level = level;
    this.#next.fill(-1);
    this.#entered.fill(0);
    for (let y = 0; y + 1 < this.height; y++) {
      for (let x = 0; x + 1 < this.width; x++) this.#square(y * this.width + x);
    }
    const parts: string[] = [];
    const follow = (edge: number) => {
      if (this.#next[edge] >= 0) parts.push(this.#line(edge));
    };
    // What begins at the border first; all that is left then are rings.
    for (let edge = 0; edge < this.#next.length; edge++) if (!this.#entered[edge]) follow(edge);
    for (let edge = 0; edge < this.#next.length; edge++) follow(edge);
    return parts.join("");
  }

  /** Joins the edges of the square below and to the right of pixel `i`. */
  #square(i: number): void {
    const { values, width } = this;
    const level = this.#level;
    const a = values[i];
    const b = values[i + 1];
    const c = values[i + width + 1];
    const d = values[i + width];
    const corners = +(a >= level) | (+(b >= level) << 1) | (+(c >= level) << 2) | (+(d >= level) << 3);
    if (corners === 0 || corners === 15) return;
    const edges = [2 * i, 2 * (i + 1) + 1, 2 * (i + width), 2 * i + 1]; // top, right, bottom, left
    // Two opposite corners are above: the middle of the square says whether they hang together.
    const split = (a + b + c + d) / 4 < level;
    const joined = corners === 5 && split ? SPLIT_5 : corners === 10 && split ? SPLIT_10 : JOINED[corners];
    for (let k = 0; k < joined.length; k += 2) {
      const [from, to] = [edges[joined[k]], edges[joined[k + 1]]];
      this.#next[from] = to;
      this.#entered[to] = 1;
    }
  }

  /** Follows one line, and forgets it. */
  #line(start: number): string {
    const points: string[] = [];
    const open = !this.#entered[start];
    if (open) points.push(this.#point(start, true));
    let edge = start;
    while (this.#next[edge] >= 0) {
      points.push(this.#point(edge, false));
      const next = this.#next[edge];
      this.#next[edge] = -1;
      edge = next;
    }
    if (open) points.push(this.#point(edge, false), this.#point(edge, true));
    return `M${points.join("L")}${open ? "" : "Z"}`;
  }

  /**
   * Where the line crosses an edge. In the outer half of an edge pixel the map is as at its centre, so there a
   * line goes straight on: `outside` gives its end at the border.
   */
  #point(edge: number, outside: boolean): string {
    const { values, width, height } = this;
    const i = edge >> 1;
    const across = (edge & 1) === 0;
    const from = values[i];
    const t = (this.#level - from) / (values[i + (across ? 1 : width)] - from);
    let x = (i % width) + 0.5 + (across ? t : 0);
    let y = Math.floor(i / width) + 0.5 + (across ? 0 : t);
    if (outside && across) y = y < 1 ? 0 : height;
    else if (outside) x = x < 1 ? 0 : width;
    return `${round(x)} ${round(y)}`;
  }
}

/** A hundredth of a pixel, also when a picture of 28 pixels fills the screen. */
const round = (value: number) => Math.round(value * 100) / 100;

const [TOP, RIGHT, BOTTOM, LEFT] = [0, 1, 2, 3];

/** From edge to edge, by the corners that are above the level: 1 top left, 2 top right, 4 bottom right, 8 bottom left. */
const JOINED: readonly (readonly number[])[] = [
  [],
  [TOP, LEFT],
  [RIGHT, TOP],
  [RIGHT, LEFT],
  [BOTTOM, RIGHT],
  [TOP, RIGHT, BOTTOM, LEFT],
  [BOTTOM, TOP],
  [BOTTOM, LEFT],
  [LEFT, BOTTOM],
  [TOP, BOTTOM],
  [RIGHT, BOTTOM, LEFT, TOP],
  [RIGHT, BOTTOM],
  [LEFT, RIGHT],
  [TOP, RIGHT],
  [LEFT, TOP],
  [],
];
const SPLIT_5: readonly number[] = [TOP, LEFT, BOTTOM, RIGHT];
const SPLIT_10: readonly number[] = [RIGHT, TOP, LEFT, BOTTOM];
