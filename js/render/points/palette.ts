/**
 * Colours of points, RGBA. Those of classes are told apart with normal and with dichromatic vision, and stand out on
 * white and on black: the first six are Okabe and Ito's, each of the others is as far as can be from all before it
 * in OKLab, seen with any of the four kinds of vision, and from the grey of what is missing.
 */

const CLASSES = [
  0x0072b2, 0xe69f00, 0x009e73, 0xd55e00, 0x56b4e9, 0xcc79a7, 0x543c00, 0x0c00d8, 0xa80060, 0x9c6cfc,
  0x78009c, 0x84540c, 0x84d884, 0x8424fc, 0xcc189c, 0x185448, 0x78b478, 0x00d8f0, 0x7890d8, 0xa85454,
];

/** Of what has no value. */
export const MISSING: readonly [number, number, number, number] = [180, 180, 180, 255];

/** Viridis without its ends: the darkest is seen on black, the lightest on white. */
const STOPS = [0x3e4a89, 0x31688e, 0x26828e, 0x1f9e89, 0x35b779, 0x6ece58, 0xb5de2b];

/** From few to many, or from small to large: 257 RGB triples. */
export const SEQUENTIAL = ramp(STOPS, 257);

function channels(colour: number): [number, number, number] {
  return [colour >> 16, (colour >> 8) & 255, colour & 255];
}

function ramp(stops: readonly number[], length: number): Uint8Array {
  const lut = new Uint8Array(3 * length);
  for (let i = 0; i < length; i++) {
    const at = (i / (length - 1)) * (stops.length - 1);
    const before = Math.min(Math.floor(at), stops.length - 2);
    const [from, to] = [channels(stops[before]), channels(stops[before + 1])];
    for (let c = 0; c < 3; c++) lut[3 * i + c] = Math.round(from[c] + (to[c] - from[c]) * (at - before));
  }
  return lut;
}

/** What the later rounds are mixed with, and how much of it: lighter, darker, then from the start again. */
const ROUNDS: readonly [towards: number, share: number][] = [
  [0, 0],
  [255, 0.45],
  [0, 0.45],
];

/**
 * Colours of the classes 0..n-1; after 20 they come again with another lightness, after 60 as they were. On a dark ground
 * the darkest are lightened.
 */
export function categorical(n: number, dark = false): Uint8Array {
  const colours = new Uint8Array(4 * n);
  for (let i = 0; i < n; i++) {
    const [towards, share] = ROUNDS[Math.floor(i / CLASSES.length) % ROUNDS.length];
    const mixed = channels(CLASSES[i % CLASSES.length]).map((c) => Math.round(c + (towards - c) * share));
    colours.set([...(dark ? lightened(mixed) : mixed), 255], 4 * i);
  }
  return colours;
}

/** Luminance that a class has at least on a dark ground: 3:1 against the #252525 of JupyterLab's editor. */
const LUMINANCE = 0.155;
const WEIGHTS = [0.2126, 0.7152, 0.0722];

/** Relative luminance, as WCAG 2 has it. */
export function luminance(colour: ArrayLike<number>): number {
  const linear = (c: number) => (c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4);
  return WEIGHTS.reduce((sum, weight, i) => sum + weight * linear(colour[i] / 255), 0);
}

/** Mixed with as little white as is enough. */
function lightened(colour: number[]): number[] {
  for (let share = 0; share < 1; share += 0.02) {
    const mixed = colour.map((c) => Math.round(c + (255 - c) * share));
    if (luminance(mixed) >= LUMINANCE) return mixed;
  }
  return [255, 255, 255];
}

/** The colour of each point's class; a code that is none of the palette's is missing. */
export function byCode(codes: Uint16Array, palette: Uint8Array): Uint8Array {
  const colours = new Uint8Array(4 * codes.length);
  const known = palette.length / 4;
  for (let i = 0, o = 0; i < codes.length; i++, o += 4) {
    const from = codes[i] < known ? palette : MISSING;
    const at = codes[i] < known ? 4 * codes[i] : 0;
    for (let c = 0; c < 4; c++) colours[o + c] = from[at + c];
  }
  return colours;
}

/** Smallest and largest of the finite values; `[0, 1]` where there are none. */
export function extent(values: Float32Array): [number, number] {
  let [low, high] = [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY];
  for (const value of values) {
    if (!Number.isFinite(value)) continue;
    if (value < low) low = value;
    if (value > high) high = value;
  }
  return low <= high ? [low, high] : [0, 1];
}

/**
 * The colour of each number: the first of the table at `low` and below, the last at `high` and above, the middle where
 * they are the same. What is not a number is missing.
 */
export function sequential(values: Float32Array, lut = SEQUENTIAL, [low, high] = extent(values)): Uint8Array {
  const colours = new Uint8Array(4 * values.length);
  const last = lut.length / 3 - 1;
  for (let i = 0, o = 0; i < values.length; i++, o += 4) {
    const value = values[i];
    const share = high > low ? (value - low) / (high - low) : 0.5;
    const missing = Number.isNaN(value);
    const from = missing ? MISSING : lut;
    const at = missing ? 0 : 3 * Math.floor(Math.min(Math.max(share, 0), 1) * last + 0.5);
    for (let c = 0; c < 3; c++) colours[o + c] = from[at + c];
    colours[o + 3] = 255;
  }
  return colours;
}
