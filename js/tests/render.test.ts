import { existsSync, readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { decodeFloat16 } from "../lib/float16.js";
import type { Drawable, Overlay, Result, Sign } from "../lib/wire.js";
import { paintBar } from "../render/bar.js";
import { line, spread, tickLabels, ticks } from "../render/chart.js";
import { cumulativeAt, heightAt, paintInput, paintWay, series } from "../render/path.js";
import { type Look, Recolour, toGrey } from "../render/recolour.js";

/** Colour i is (i mod 256, 255 - i mod 256, 7): each index can be told from the pixel. */
const LUT = new Uint8Array(257 * 3);
for (let i = 0; i < 257; i++) LUT.set([i % 256, 255 - (i % 256), 7], 3 * i);

const look = (more: Partial<Look> = {}): Look => ({
  limit: 1,
  lut: LUT,
  opacity: 1,
  threshold: 1,
  sign: "both",
  overlay: "map",
  ...more,
});

function paint(values: number[], more: Partial<Look> = {}, signed = true, grey = 100) {
  const recolour = new Recolour();
  const out = new Uint8ClampedArray(4 * values.length);
  recolour.paint(
    out,
    new Uint8Array(3 * values.length).fill(grey),
    Float64Array.from(values),
    signed,
    look(more),
  );
  const red = values.map((_, i) => out[4 * i]);
  return { out: [...out], red, ...recolour.painted };
}

describe("colours", () => {
  test("index = floor((t + 1) 128 + 1/2), clamped at the limit", () => {
    expect(paint([-2, -1, -0.5, 0, 0.0039, 0.5, 0.999], { limit: 1 }).red).toEqual([
      0,
      0,
      64,
      128,
      128,
      192,
      256 % 256,
    ]);
    expect(paint([0.00390625]).red).toEqual([129]); // exactly half a step rounds up
  });

  test("zero is transparent over the picture, the limit is opaque", () => {
    expect(paint([0, 0.5], { overlay: "blend", opacity: 0.5 }).out).toEqual([
      100, 100, 100, 255, 123, 91, 77, 255,
    ]);
  });

  test("the map alone stands on the colour of zero", () => {
    // neutral (128, 127, 7), colour 192 = (192, 63, 7), half way
    expect(paint([0.5], { opacity: 0.5 }).out).toEqual([160, 95, 7, 255]);
  });

  test.each<[Sign, number[]]>([
    ["both", [64, 128, 192]],
    ["positive", [128, 128, 192]],
    ["negative", [64, 128, 128]],
    ["absolute", [192, 128, 192]],
  ])("sign %s", (sign, red) => {
    expect(paint([-0.5, 0, 0.5], { sign }).red).toEqual(red);
  });

  test("an unsigned map under `both` is its size", () => {
    expect(paint([-0.5], {}, false).red).toEqual([192]);
  });

  test("the threshold keeps the strongest, ties with the last one kept", () => {
    const { red, cut } = paint([0.1, -0.4, 0.2, 0.2], { threshold: 0.5 });
    expect(cut).toBe(0.2);
    expect(red).toEqual([128, 77, 154, 154]);
  });

  test("a share of the pixels is rounded up", () => {
    expect(paint([0.1, -0.4, 0.2, 0.3], { threshold: 0.3 }).red).toEqual([128, 77, 128, 166]);
  });

  test("the share beyond the limit is counted", () => {
    expect(paint([2, -3, 1, 0]).clipped).toBe(0.5);
  });

  test("multiplied, the picture is dark where the map is weak", () => {
    const { out } = paint([0, -0.5, 2], { overlay: "multiply", opacity: 0.8 });
    expect(out.filter((_, i) => i % 4 === 0)).toEqual([20, 60, 100]);
  });

  test("under contours the picture is as it is, and what they are drawn of is kept", () => {
    const recolour = new Recolour();
    const out = new Uint8ClampedArray(8);
    const picture = Uint8Array.of(1, 2, 3, 4, 5, 6);
    const values = Float64Array.of(-0.5, 0.25);
    recolour.paint(out, picture, values, true, look({ overlay: "contour", sign: "positive" }));
    expect([...out]).toEqual([1, 2, 3, 255, 4, 5, 6, 255]);
    expect([...recolour.shown]).toEqual([0, 0.25]);
  });

  test("the grey of a new picture is its own", () => {
    const recolour = new Recolour();
    const out = new Uint8ClampedArray(4);
    for (const level of [10, 200]) {
      const picture = new Uint8Array(3).fill(level);
      recolour.paint(out, picture, Float64Array.of(0), true, look({ overlay: "blend" }));
      expect(out[0]).toBe(level);
    }
  });

  test("a picture of another size is refused", () => {
    const out = new Uint8ClampedArray(4);
    const wrong = () => new Recolour().paint(out, new Uint8Array(1), new Float64Array(1), true, look());
    expect(wrong).toThrow(RangeError);
  });

  test("grey is integer luma", () => {
    expect([...toGrey(new Uint8Array([255, 255, 255, 255, 0, 0, 0, 0, 255, 10, 20, 30]))]).toEqual([
      255, 77, 29, 18,
    ]);
  });
});

interface Golden {
  name: string;
  width: number;
  height: number;
  picture: number[];
  map_f16: number[];
  scale: number;
  signed: boolean;
  limit: number;
  opacity: number;
  threshold: number;
  sign: Sign;
  overlay: Overlay;
  expected: number[];
}

const GOLDEN = "tests/wire/golden.json";

describe.skipIf(!existsSync(GOLDEN))("the pixels that Python computed", () => {
  const golden = existsSync(GOLDEN) ? JSON.parse(readFileSync(GOLDEN, "utf8")) : { cases: [], lut: [] };
  const cases: Golden[] = golden.cases;
  const lut = Uint8Array.from(golden.lut as number[]);

  test("there are some", () => expect(cases.length).toBeGreaterThan(0));

  test.each(cases)("$name", (one) => {
    const half = new Uint8Array(Uint16Array.from(one.map_f16).buffer);
    const values = Float64Array.from(decodeFloat16(half), (value) => value * one.scale);
    const out = new Uint8ClampedArray(4 * values.length);
    new Recolour().paint(out, Uint8Array.from(one.picture), values, one.signed, { ...one, lut });
    expect([...out].filter((_, i) => i % 4 < 3)).toEqual(one.expected);
  });
});

describe("legend", () => {
  const bar = (cut: number, sign: Sign, signed = true) => {
    const out = new Uint8ClampedArray(257 * 4);
    paintBar(out, LUT, 0.02, cut, sign, signed);
    return (i: number) => out[4 * i];
  };

  test("shows every colour, and neutral where the map is cut or has no such sign", () => {
    const full = bar(0, "both");
    expect([full(0), full(64), full(128), full(255)]).toEqual([0, 64, 128, 255]);
    expect([bar(0.01, "both")(100), bar(0.01, "both")(64)]).toEqual([128, 64]);
    expect(bar(0, "positive")(64)).toBe(128);
  });

  test("starts at zero where nothing is below it", () => {
    const half = bar(0, "both", false);
    expect([half(0), half(128)]).toEqual([128, 192]);
  });
});

/** Two pixels, nodes at 0.25 and 0.75 with cumulative maps (1, 2) and (3, -2), final map (4, -4). */
function drawable(): Drawable {
  const path = { alphas: [0.25, 0.75], scores: [1.5, 2], sums: [3, 1], baseline_score: 0.5 };
  return {
    result: { path, score: 2.5, completeness: { sum: 0 } } as unknown as Result,
    width: 2,
    height: 1,
    picture: new Uint8Array(6),
    map: { shape: [1, 2], scale: 2, data: new Float32Array([2, -2]) },
    path: {
      stack: { shape: [2, 1, 2], scale: 0.5, data: new Float32Array([2, 4, 6, -4]) },
      baseline: new Uint8Array(6),
    },
  };
}

describe("the path", () => {
  test.each([
    [0, [0, 0]],
    [0.125, [0.5, 1]],
    [0.25, [1, 2]],
    [0.5, [2, 0]],
    [0.875, [3.5, -3]],
    [1, [4, -4]],
  ])("cumulative map at alpha = %d", (alpha, expected) => {
    const out = new Float64Array(2);
    cumulativeAt(drawable(), alpha, out);
    expect([...out]).toEqual(expected);
  });

  test("at alpha = 1 the map itself is drawn, not the last node, which has a scale of its own", () => {
    const out = new Float64Array(2);
    const whole = drawable();
    whole.result.path!.alphas = [0.25, 1];
    cumulativeAt(whole, 1, out);
    expect([...out]).toEqual([4, -4]);
  });

  test("without a path the map is whole at every alpha", () => {
    const out = new Float64Array(2);
    cumulativeAt({ ...drawable(), path: null }, 0.3, out);
    expect([...out]).toEqual([4, -4]);
  });

  test("the input between baseline and picture", () => {
    const out = new Uint8ClampedArray(4);
    paintInput(out, new Uint8Array([200, 0, 101]), new Uint8Array([0, 255, 100]), 0.5);
    expect([...out]).toEqual([100, 128, 101, 255]);
    paintInput(out, new Uint8Array([200, 0, 101]), null, 0.5);
    expect([...out]).toEqual([200, 0, 101, 255]);
  });

  test("the input on a path that is not straight, between the two nearest of its pictures", () => {
    const way = drawable();
    way.picture.fill(200);
    const at = (alpha: number) => {
      const out = new Uint8ClampedArray(8);
      paintWay(out, way, alpha);
      return [out[0], out[3], out[4]];
    };
    expect(at(0.5)).toEqual([100, 255, 100]);
    way.path!.pictures = new Uint8Array([...Array(6).fill(40), ...Array(6).fill(80)]);
    expect(at(0.5)).toEqual([60, 255, 60]);
    expect(at(0.1)).toEqual([40, 255, 40]);
    expect(at(1)).toEqual([200, 255, 200]);
  });

  test("curves run from (0, 0) to the score of the input", () => {
    const { result } = drawable();
    const curves = series(result, result.path!);
    expect(curves).toEqual({ alphas: [0, 0.25, 0.75, 1], scores: [0, 1, 1.5, 2], sums: [0, 3, 1, 0] });
    expect(heightAt(curves.alphas, curves.sums, 0.5)).toBe(2);
    expect(heightAt(curves.alphas, curves.sums, 1)).toBe(0);
  });
});

describe("chart", () => {
  test("ticks are round and inside", () => {
    expect(ticks(0, 11.8, 4)).toEqual([0, 5, 10]);
    expect(tickLabels(ticks(-0.31, 0.42, 4))).toEqual(["\u22120.2", "0.0", "0.2", "0.4"]);
    expect(ticks(3, 3)).toEqual([3]);
    expect(ticks(-0.4, 3)).toContain(0);
  });

  test.each([
    [1e5, 1e5 + 1.5e-11],
    [-7.1232001, -7.1232],
    [1e6, 1.02e6],
    [2, 2 + 1e-5],
  ])("ticks are few, and told apart, from %d to %d", (low, high) => {
    const marks = ticks(low, high, 4);
    expect(marks.length).toBeGreaterThan(1);
    expect(marks.length).toBeLessThan(7);
    const labels = tickLabels([...new Set(marks)]);
    expect(new Set(labels).size).toBe(labels.length);
  });

  test("labels that would overlap move apart, and stay inside", () => {
    expect(spread(10, 60, 30, 0, 100)).toEqual([10, 60]);
    expect(spread(50, 52, 30, 0, 100)).toEqual([36, 66]);
    expect(spread(98, 97, 30, 0, 100)).toEqual([100, 70]);
  });

  test("path strings", () => expect(line([0, 1.25], [2, 3])).toBe("M0.0 2.0L1.3 3.0"));
});
