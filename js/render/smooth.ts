/**
 * Gaussian smoothing in double precision, in the order of `saliscope/render/smoothing.py`: the two agree to the
 * last bit.
 */

const TERMS = 20; // of the series below: 0.66 ** 20 / 20! is beyond double precision
const HALVINGS = 10;

/**
 * exp(-x) for x >= 0 by sums and products alone: `Math.exp` may differ in the last bit from one engine to the
 * next, and from Python's.
 */
export function decay(x: number): number {
  if (x > 675) return 0;
  const part = x / 2 ** HALVINGS;
  let sum = 1;
  for (let n = TERMS; n > 0; n--) sum = 1 - (part * sum) / n;
  for (let n = 0; n < HALVINGS; n++) sum *= sum;
  return sum;
}

/** Weights of the centre and of the neighbours at 1, 2, ... ceil(3 sigma) pixels. */
export function kernel(sigma: number): Float64Array {
  const weights = new Float64Array(Math.ceil(3 * sigma) + 1);
  let total = 0;
  for (let k = 0; k < weights.length; k++) {
    weights[k] = decay((k * k) / (2 * sigma * sigma));
    total += k ? 2 * weights[k] : weights[k];
  }
  for (let k = 0; k < weights.length; k++) weights[k] /= total;
  return weights;
}

/** Where a pixel beyond the border is taken from: the picture is mirrored at its edge, again and again. */
function mirrored(at: number, size: number): number {
  const place = ((at % (2 * size)) + 2 * size) % (2 * size);
  return place < size ? place : 2 * size - 1 - place;
}

/** Owns the scratch arrays of one picture size, so that a frame allocates nothing. */
export class Smoother {
  #half = new Float64Array(0);
  #out = new Float64Array(0);
  #padded = new Float64Array(0);

  /** The smoothed map, to be read before the next call; without smoothing, `values` themselves. */
  smooth(values: Float64Array, width: number, height: number, sigma: number): Float64Array {
    if (!(sigma > 0)) return values;
    if (this.#out.length !== values.length) {
      this.#half = new Float64Array(values.length);
      this.#out = new Float64Array(values.length);
    }
    const weights = kernel(sigma);
    this.#rows(values, this.#half, width, height, weights);
    this.#columns(this.#half, this.#out, width, height, weights);
    return this.#out;
  }

  #rows(from: Float64Array, to: Float64Array, width: number, height: number, weights: Float64Array): void {
    const radius = weights.length - 1;
    if (this.#padded.length !== width + 2 * radius) this.#padded = new Float64Array(width + 2 * radius);
    const row = this.#padded;
    for (let y = 0; y < height; y++) {
      for (let x = -radius; x < width + radius; x++) row[x + radius] = from[y * width + mirrored(x, width)];
      for (let x = 0; x < width; x++) {
        const at = x + radius;
        let sum = weights[0] * row[at];
        for (let k = 1; k <= radius; k++) sum += weights[k] * (row[at - k] + row[at + k]);
        to[y * width + x] = sum;
      }
    }
  }

  #columns(from: Float64Array, to: Float64Array, width: number, height: number, weights: Float64Array): void {
    for (let y = 0; y < height; y++) {
      const out = y * width;
      for (let x = 0; x < width; x++) to[out + x] = weights[0] * from[out + x];
      for (let k = 1; k < weights.length; k++) {
        const above = mirrored(y - k, height) * width;
        const below = mirrored(y + k, height) * width;
        for (let x = 0; x < width; x++) to[out + x] += weights[k] * (from[above + x] + from[below + x]);
      }
    }
  }
}
