/**
 * Points drawn by hand into the memory of a picture: no graphics card, no call for each point. They are laid from the
 * front to the back, each under what is there already: where a map is dense nearly all of a point is hidden, and a
 * hidden pixel costs one comparison.
 */
import { STEPS, type Stamp, stampOf } from "./stamp.js";

/** By the opacity of a pixel, how much of 256 is left for what is behind. */
const ROOM = Int32Array.from({ length: 256 }, (_, alpha) => 256 - alpha - (alpha >>> 7));

/** Adds a colour below what is already in a pixel; `share` of 256 of the pixel is covered. */
export function under(there: number, colour: number, share: number): number {
  const weight = (share * ROOM[there >>> 24] + 128) >> 8;
  // Two channels at a time, rounded: an opaque colour makes the pixel opaque exactly.
  const even = ((Math.imul(colour & 0xff00ff, weight) + 0x800080) >>> 8) & 0xff00ff;
  const odd = (Math.imul((colour >>> 8) & 0xff00ff, weight) + 0x800080) & 0xff00ff00;
  return (there + even + odd) | 0;
}

export class Raster {
  width = 0;
  height = 0;
  /** Pixels at each side that are not shown: a point at the border needs no clipping. */
  #margin = 0;
  #stride = 0;
  #buffer = new Int32Array(0);
  #stamp: Stamp | null = null;

  /** An empty picture of this size, for points of this radius, in pixels of the canvas. */
  begin(width: number, height: number, radius: number): void {
    const reach = Math.ceil(radius + 0.5);
    const margin = 2 * reach + 1;
    if (width !== this.width || height !== this.height || margin !== this.#margin) {
      [this.width, this.height, this.#margin] = [width, height, margin];
      this.#stride = width + 2 * margin;
      this.#buffer = new Int32Array(this.#stride * (height + 2 * margin));
      this.#stamp = null;
    } else this.#buffer.fill(0);
    if (this.#stamp?.radius !== radius) this.#stamp = stampOf(radius, this.#stride);
  }

  /**
   * Points `first..last-1`, the last in front. `at`: x and y in turn; `paint`: their colours; `map`: from there to
   * pixels, see `mapping`.
   */
  dots(at: Float32Array, paint: Int32Array, first: number, last: number, map: readonly number[]): void {
    const stamp = this.#stamp;
    if (!stamp) return;
    const { starts, offsets, shares } = stamp;
    const buffer = this.#buffer;
    const stride = this.#stride;
    const reach = Math.ceil(stamp.radius + 0.5);
    // In steps of a stamp, from the first place where a point can still be seen.
    const skipped = this.#margin - reach;
    const ax = (map[0] + reach) * STEPS;
    const ay = (map[2] + reach) * STEPS;
    const bx = map[1] * STEPS;
    const by = map[3] * STEPS;
    const right = (this.width + 2 * reach) * STEPS;
    const bottom = (this.height + 2 * reach) * STEPS;
    for (let i = last - 1; i >= first; i--) {
      const x = ax + at[2 * i] * bx;
      const y = ay + at[2 * i + 1] * by;
      if (!(x >= 0 && x < right && y >= 0 && y < bottom)) continue;
      const px = x | 0;
      const py = y | 0;
      const base = (((py / STEPS) | 0) + skipped) * stride + ((px / STEPS) | 0) + skipped;
      const kind = (py % STEPS) * STEPS + (px % STEPS);
      // What follows is `under`, written out: it is called for a million pixels of a frame.
      const colour = paint[i];
      const even = colour & 0xff00ff;
      const odd = (colour >>> 8) & 0xff00ff;
      const end = starts[kind + 1];
      for (let k = starts[kind]; k < end; k++) {
        const pixel = base + offsets[k];
        const there = buffer[pixel];
        const left = ROOM[there >>> 24];
        if (left === 0) continue;
        const weight = (shares[k] * left + 128) >> 8;
        const more = ((Math.imul(even, weight) + 0x800080) >>> 8) & 0xff00ff;
        buffer[pixel] = (((there + more) | 0) + ((Math.imul(odd, weight) + 0x800080) & 0xff00ff00)) | 0;
      }
    }
  }

  /** Puts a picture of colours (multiplied by their opacity) behind all. */
  behind(colour: (x: number, y: number) => number): void {
    for (let y = 0; y < this.height; y++) {
      let at = (y + this.#margin) * this.#stride + this.#margin;
      for (let x = 0; x < this.width; x++, at++) {
        const below = colour(x, y);
        if (below) this.#buffer[at] = under(this.#buffer[at], below, 256);
      }
    }
  }

  /** The picture as an `ImageData` wants it: colours that are not multiplied by their opacity. */
  finish(out: Int32Array): void {
    for (let y = 0, o = 0; y < this.height; y++) {
      let at = (y + this.#margin) * this.#stride + this.#margin;
      for (let x = 0; x < this.width; x++, at++, o++) {
        const pixel = this.#buffer[at];
        const alpha = pixel >>> 24;
        out[o] = alpha === 0 || alpha === 255 ? pixel : divided(pixel, alpha);
      }
    }
  }
}

/** 255 / alpha in 65536ths: a product is faster than a division. */
const INVERSE = Int32Array.from({ length: 256 }, (_, alpha) =>
  alpha ? Math.round((255 * 65536) / alpha) : 0,
);

function divided(pixel: number, alpha: number): number {
  const factor = INVERSE[alpha];
  const r = (Math.imul(pixel & 255, factor) + 0x8000) >>> 16;
  const g = (Math.imul((pixel >>> 8) & 255, factor) + 0x8000) >>> 16;
  const b = (Math.imul((pixel >>> 16) & 255, factor) + 0x8000) >>> 16;
  return r | (g << 8) | (b << 16) | (alpha << 24);
}
