/**
 * From attributions to pixels. The same arithmetic, to the byte, is in `src/saliscope/render`; both
 * are held to `tests/wire/golden.json`. Everything is computed in double precision.
 */
import { kthLargest } from "../lib/select.js";
import type { Overlay, Sign } from "../lib/wire.js";

/** Index of the neutral zero in a LUT of 257 colours. */
export const NEUTRAL = 128;
export const LUT_SIZE = 257;

export interface Look {
  /** Value that gets the last colour, > 0; the scale is symmetric about zero. */
  limit: number;
  /** 257 RGB triples. */
  lut: Uint8Array;
  opacity: number;
  /** Share of the pixels kept, in (0, 1]. */
  threshold: number;
  sign: Sign;
  overlay: Overlay;
}

export interface Painted {
  /** Share of the pixels beyond the limit. */
  clipped: number;
  /** Pixels with a smaller size than this are drawn as zero. */
  cut: number;
}

/** What is left of a value under a choice of sign; an unsigned map has no sides to choose from. */
export function applySign(value: number, sign: Sign, signed: boolean): number {
  if (sign === "positive") return Math.max(value, 0);
  if (sign === "negative") return Math.min(value, 0);
  return sign === "absolute" || !signed ? Math.abs(value) : value;
}

/** Owns the scratch arrays of one picture size, so that a frame allocates nothing. */
export class Recolour {
  readonly painted: Painted = { clipped: 0, cut: 0 };
  #shown = new Float64Array(0);
  #order = new Float64Array(0);
  #grey: Uint8Array = new Uint8Array(0);
  #greyOf: Uint8Array | null = null;

  /** The attributions of the last `paint` after sign and threshold: what contours are drawn of. */
  get shown(): Float64Array {
    return this.#shown;
  }

  /** Writes RGBA into `out`; `picture` is RGB, `values` are the attributions, smoothed where that is wanted. */
  paint(
    out: Uint8ClampedArray,
    picture: Uint8Array,
    values: Float64Array,
    signed: boolean,
    look: Look,
  ): void {
    if (picture.length !== 3 * values.length) {
      throw new RangeError(`${picture.length} bytes are no RGB picture of ${values.length} pixels.`);
    }
    const shown = this.#prepare(values, signed, look);
    if (look.overlay === "map") paintMap(out, shown, look);
    else if (look.overlay === "multiply") paintMultiply(out, shown, picture, look);
    else if (look.overlay === "contour") paintPlain(out, picture);
    else paintBlend(out, shown, this.#greyFor(picture), look);
  }

  #greyFor(picture: Uint8Array): Uint8Array {
    if (this.#greyOf !== picture) {
      this.#grey = toGrey(picture);
      this.#greyOf = picture;
    }
    return this.#grey;
  }

  /** Sign and threshold applied, and the two numbers that the legend prints. */
  #prepare(values: Float64Array, signed: boolean, look: Look): Float64Array {
    const n = values.length;
    if (this.#shown.length !== n) {
      this.#shown = new Float64Array(n);
      this.#order = new Float64Array(n);
    }
    const shown = this.#shown;
    for (let i = 0; i < n; i++) shown[i] = applySign(values[i], look.sign, signed);
    const cut = look.threshold < 1 ? this.#cut(look.threshold) : 0;
    let clipped = 0;
    for (let i = 0; i < n; i++) {
      const size = Math.abs(shown[i]);
      if (size > look.limit) clipped++;
      if (size < cut) shown[i] = 0;
    }
    this.painted.clipped = n ? clipped / n : 0;
    this.painted.cut = cut;
    return shown;
  }

  #cut(threshold: number): number {
    const n = this.#shown.length;
    for (let i = 0; i < n; i++) this.#order[i] = Math.abs(this.#shown[i]);
    return kthLargest(this.#order, n, Math.max(1, Math.ceil(threshold * n)));
  }
}

function unit(value: number, limit: number): number {
  return Math.min(Math.max(value / limit, -1), 1);
}

/** Over the picture's grey: zero is transparent, the limit is opaque. */
function paintBlend(out: Uint8ClampedArray, shown: Float64Array, grey: Uint8Array, look: Look): void {
  const { lut, limit, opacity } = look;
  for (let i = 0, o = 0; i < shown.length; i++, o += 4) {
    const t = unit(shown[i], limit);
    const colour = 3 * Math.floor((t + 1) * 128 + 0.5);
    const w = opacity * Math.abs(t);
    const g = grey[i];
    out[o] = Math.floor(g + (lut[colour] - g) * w + 0.5);
    out[o + 1] = Math.floor(g + (lut[colour + 1] - g) * w + 0.5);
    out[o + 2] = Math.floor(g + (lut[colour + 2] - g) * w + 0.5);
    out[o + 3] = 255;
  }
}

/** Alone, over the colour of zero. */
function paintMap(out: Uint8ClampedArray, shown: Float64Array, look: Look): void {
  const { lut, limit, opacity } = look;
  const [r, g, b] = lut.subarray(3 * NEUTRAL, 3 * NEUTRAL + 3);
  for (let i = 0, o = 0; i < shown.length; i++, o += 4) {
    const colour = 3 * Math.floor((unit(shown[i], limit) + 1) * 128 + 0.5);
    out[o] = Math.floor(r + (lut[colour] - r) * opacity + 0.5);
    out[o + 1] = Math.floor(g + (lut[colour + 1] - g) * opacity + 0.5);
    out[o + 2] = Math.floor(b + (lut[colour + 2] - b) * opacity + 0.5);
    out[o + 3] = 255;
  }
}

/** The picture in its colours, dark where the map is weak: at full opacity, zero is black. */
function paintMultiply(out: Uint8ClampedArray, shown: Float64Array, picture: Uint8Array, look: Look): void {
  const { limit, opacity } = look;
  const rest = 1 - opacity;
  for (let i = 0, o = 0, p = 0; i < shown.length; i++, o += 4, p += 3) {
    const w = rest + opacity * Math.abs(unit(shown[i], limit));
    out[o] = Math.floor(picture[p] * w + 0.5);
    out[o + 1] = Math.floor(picture[p + 1] * w + 0.5);
    out[o + 2] = Math.floor(picture[p + 2] * w + 0.5);
    out[o + 3] = 255;
  }
}

/** The picture as it is; lines are laid over it. */
function paintPlain(out: Uint8ClampedArray, picture: Uint8Array): void {
  for (let o = 0, p = 0; p < picture.length; o += 4, p += 3) {
    out[o] = picture[p];
    out[o + 1] = picture[p + 1];
    out[o + 2] = picture[p + 2];
    out[o + 3] = 255;
  }
}

/** Luma with integer weights that sum to 256, rounded: `(77 R + 150 G + 29 B + 128) >> 8`. */
export function toGrey(picture: Uint8Array, out = new Uint8Array(picture.length / 3)): Uint8Array {
  for (let i = 0, p = 0; i < out.length; i++, p += 3) {
    out[i] = (77 * picture[p] + 150 * picture[p + 1] + 29 * picture[p + 2] + 128) >> 8;
  }
  return out;
}
