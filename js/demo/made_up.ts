/** Data for the demo page: pictures, maps and labels out of arithmetic. */

/** Numbers in 0..1 that are the same on every visit. */
export function random(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
}

/** Smooth noise in 0..1, by linear steps between random grid points. */
export function clouds(width: number, height: number, cell: number, seed: number): Float64Array {
  const next = random(seed);
  const columns = Math.ceil(width / cell) + 2;
  const grid = Array.from({ length: columns * (Math.ceil(height / cell) + 2) }, next);
  const out = new Float64Array(width * height);
  const smooth = (t: number) => t * t * (3 - 2 * t);
  for (let y = 0; y < height; y++) {
    const row = Math.floor(y / cell) * columns;
    const v = smooth((y % cell) / cell);
    for (let x = 0; x < width; x++) {
      const at = row + Math.floor(x / cell);
      const u = smooth((x % cell) / cell);
      const upper = grid[at] + (grid[at + 1] - grid[at]) * u;
      const lower = grid[at + columns] + (grid[at + columns + 1] - grid[at + columns]) * u;
      out[y * width + x] = upper + (lower - upper) * v;
    }
  }
  return out;
}

/** A ring on a hill under a sky: something with an object, a texture and a background. */
export function scene(
  width: number,
  height: number,
  seed: number,
): { rgb: Uint8Array; object: Float64Array } {
  const size = Math.min(width, height);
  const coarse = clouds(width, height, Math.ceil(size / 5), seed);
  const fine = clouds(width, height, Math.max(2, Math.ceil(size / 28)), seed + 1);
  const next = random(seed + 2);
  const [cx, cy, radius] = [width * (0.4 + 0.2 * next()), height * (0.4 + 0.15 * next()), size * 0.24];
  const rgb = new Uint8Array(width * height * 3);
  const object = new Float64Array(width * height);
  for (let y = 0, i = 0; y < height; y++) {
    for (let x = 0; x < width; x++, i++) {
      const distance = Math.abs(Math.hypot(x - cx, (y - cy) * 0.85) - radius) / (size * 0.075);
      const ring = 1 / (1 + Math.exp(9 * (distance - 1)));
      const ground = 1 / (1 + Math.exp((-(y / height) + 0.62 + 0.25 * coarse[i]) * 40));
      const light = 0.75 + 0.5 * fine[i];
      const sky = [150 + 60 * coarse[i], 178 + 45 * coarse[i], 205 + 30 * coarse[i]];
      const soil = [88 * light, 112 * light, 58 * light];
      const paint = [222 - 60 * distance, 148 * light - 30 * distance, 54];
      for (let c = 0; c < 3; c++) {
        const back = sky[c] + (soil[c] - sky[c]) * ground;
        rgb[3 * i + c] = Math.max(0, Math.min(255, back + (paint[c] - back) * ring));
      }
      object[i] = ring;
    }
  }
  return { rgb, object };
}

/** Blue over grey-white to red; the real colour maps come from Python. */
export function divergingLut(): Uint8Array {
  const stops = [
    [20, 60, 130],
    [92, 145, 205],
    [240, 240, 240],
    [221, 116, 86],
    [130, 22, 32],
  ];
  return lutOf(stops);
}

export function lutOf(stops: number[][]): Uint8Array {
  const lut = new Uint8Array(257 * 3);
  for (let i = 0; i < 257; i++) {
    const at = (i / 256) * (stops.length - 1);
    const k = Math.min(stops.length - 2, Math.floor(at));
    for (let c = 0; c < 3; c++)
      lut[3 * i + c] = Math.round(stops[k][c] + (stops[k + 1][c] - stops[k][c]) * (at - k));
  }
  return lut;
}

/** Nearest half float, for values of ordinary size. */
export function toHalf(value: number): number {
  if (Number.isNaN(value)) return 0x7e00;
  const sign = value < 0 ? 0x8000 : 0;
  const size = Math.abs(value);
  if (size < 2 ** -14) return sign | Math.round(size * 2 ** 24); // subnormal
  const exponent = Math.floor(Math.log2(size));
  return sign | (((exponent + 15) << 10) + Math.round((size / 2 ** exponent - 1) * 1024));
}

const ANIMALS = [
  "tench",
  "barn owl",
  "tabby cat",
  "Samoyed",
  "red fox",
  "zebra",
  "otter",
  "gibbon",
  "lynx",
  "ibex",
];

export function labels(kind: string): string[] {
  if (kind === "1000")
    return Array.from({ length: 1000 }, (_, i) => `${ANIMALS[i % 10]} ${Math.floor(i / 10) + 1}`);
  if (kind !== "hostile") return ANIMALS;
  return [
    "<img src=x onerror=\"document.title='taken'\">",
    "<b>bold</b> &amp; <script>document.title = 'taken'</script>",
    "\u05db\u05dc\u05d1 \u05e1\u05de\u05d5\u05d9\u05d9\u05d3",
    "\u0643\u0644\u0628 \u0633\u0627\u0645\u0648\u064a\u062f (Samoyed)",
    "\u202egnp.exe reversed by a control character",
    "Pneumonoultramicroscopicsilicovolcanoconiosis".repeat(220),
    "German shepherd, German shepherd dog, German police dog, alsatian, of the working kind",
    "\u0024{alert(1)} {{7*7}}",
    "",
    "\u72d0",
  ];
}
