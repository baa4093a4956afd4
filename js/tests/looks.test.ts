/** Smoothing, contours, scales, regions and comparisons: what Python and the page must agree on, and more. */
import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { decodeFloat16 } from "../lib/float16.js";
import { maskOf, outlineOf, regionOfMask } from "../lib/region.js";
import type { Blob, Drawable, Region, Result, Scale } from "../lib/wire.js";
import { average, difference, rankCorrelation } from "../render/compare.js";
import { contourPaths } from "../render/contour.js";
import { cumulativeAt, gradientAt, lookedAt } from "../render/path.js";
import { regionStats } from "../render/region.js";
import { automaticLimit, limitsOf, ownOf } from "../render/scale.js";
import { decay, kernel, Smoother } from "../render/smooth.js";

// biome-ignore lint/suspicious/noExplicitAny: cases are data; what each section holds is in make_golden.py
type Case = any;

const GOLDEN: Record<string, Case[]> = JSON.parse(readFileSync("tests/wire/golden.json", "utf8"));

const halves = (bits: number[]) => decodeFloat16(new Uint8Array(Uint16Array.from(bits).buffer));
const decoded = (bits: number[], scale = 1) => Float64Array.from(halves(bits), (value) => value * scale);
const blob = (bits: number[], scale: number): Blob => ({ shape: [], scale, data: halves(bits) });

describe("smoothing", () => {
  test.each<Case>(GOLDEN.smooth)(
    "$name, to the last bit",
    ({ map_f16, scale, width, height, sigma, expected }) => {
      const smoother = new Smoother();
      smoother.smooth(new Float64Array(width * height).fill(7), width, height, 2); // leaves no trace
      expect([...smoother.smooth(decoded(map_f16, scale), width, height, sigma)]).toEqual(expected);
    },
  );

  test("weights sum to one; the exponential is one", () => {
    for (const sigma of [0.3, 1, 20]) {
      const [centre, ...sides] = kernel(sigma);
      expect(centre + 2 * sides.reduce((sum, weight) => sum + weight, 0)).toBeCloseTo(1, 12);
      expect(sides.length).toBe(Math.ceil(3 * sigma));
    }
    for (const x of [0, 0.1, 1, 4.5, 50]) expect(decay(x) / Math.exp(-x)).toBeCloseTo(1, 10);
    expect(decay(1e4)).toBe(0);
  });

  test("the sum of a map stays, and no smoothing costs nothing", () => {
    const values = Float64Array.from({ length: 12 }, (_, i) => (i * 7) % 5);
    const smooth = new Smoother().smooth(values, 4, 3, 1.5);
    expect(smooth.reduce((a, b) => a + b)).toBeCloseTo(
      values.reduce((a, b) => a + b),
      10,
    );
    expect(new Smoother().smooth(values, 4, 3, 0)).toBe(values);
  });
});

/** A result with the alphas of a path and nothing else that matters here. */
function onPath(alphas: number[], map: Blob, stack: Blob, width: number, height: number): Drawable {
  const result = { path: { alphas }, unit: "score", limit: 5 } as unknown as Result;
  return {
    result,
    width,
    height,
    picture: new Uint8Array(0),
    map,
    path: { stack, baseline: new Uint8Array(0) },
    gradients: stack,
  };
}

describe("along the path", () => {
  test.each<Case>(GOLDEN.path)("$name, to the last bit", (one) => {
    const [stack, map] = [blob(one.stack_f16, one.stack_scale), blob(one.map_f16, one.scale)];
    const drawable = onPath(one.alphas, map, stack, one.width, one.height);
    const out = new Float64Array(one.width * one.height);
    if (one.along === "gradient") expect(gradientAt(drawable, one.alpha, out)).toBe(true);
    else cumulativeAt(drawable, one.alpha, out);
    expect([...out].map((value) => value + 0)).toEqual(one.expected.map((value: number) => value + 0));
  });

  test("gradients that are not here are not drawn", () => {
    const drawable = onPath([0, 1], blob([0], 1), blob([0, 0], 1), 1, 1);
    const out = Float64Array.of(3);
    expect(gradientAt({ ...drawable, gradients: undefined }, 0.5, out)).toBe(false);
    expect(out[0]).toBe(3);
  });
});

describe("scale", () => {
  test.each<Case>(GOLDEN.scales)("$name", ({ scale, panels, expected }) => {
    const own = panels.map(([unit, limit]: [string, number]) => ({ unit, limit }));
    expect(limitsOf(scale as Scale, own)).toEqual(expected);
  });

  test.each<Case>(GOLDEN.limits)("automatic limit: $name", ({ map_f16, scale, limit }) => {
    expect(automaticLimit(decoded(map_f16, scale))).toBe(limit);
  });

  test("several maps are one pool", () => {
    expect(automaticLimit([1, -2], [3, 0])).toBe(3);
    expect(automaticLimit(new Array(300).fill(1), [9])).toBe(1);
    expect(automaticLimit()).toBe(1);
  });

  test("of a panel: as told, that of the smoothed map, or that of the gradients", () => {
    const one = (value: number) => ({ shape: [1, 2], scale: 1, data: Float32Array.of(value, 0) });
    const gradients = { shape: [2, 1, 2], scale: 2, data: Float32Array.of(1, 0, 3, 0) };
    const drawable = { ...onPath([0, 1], one(4), gradients, 2, 1), gradients };
    expect(ownOf(drawable, "cumulative", 0)).toEqual({ unit: "score", limit: 5 });
    expect(ownOf(drawable, "cumulative", 1).limit).toBeLessThan(4);
    expect(ownOf(drawable, "gradient", 0)).toEqual({ unit: "score per unit of input", limit: 6 });
    expect(ownOf({ ...drawable, gradients: undefined }, "gradient", 0).unit).toBe("score");
    const zero = { ...drawable, map: one(0), result: { ...drawable.result, limit: 1 } };
    expect(ownOf(zero, "cumulative", 0).limit).toBe(0);
  });

  test("of a long path, both ends and some in between are looked at", () => {
    expect(lookedAt(3)).toEqual([0, 1, 2]);
    expect(lookedAt(64)).toEqual([0, 9, 18, 27, 36, 45, 54, 63]);
  });
});

describe("regions", () => {
  test.each<Case>(GOLDEN.regions)("$name", ({ region, width, height, lead, expected }) => {
    const size = lead ? { width: lead[1], height: lead[0] } : undefined;
    expect([...maskOf(region, width, height, size)]).toEqual(expected);
  });

  test.each<Case>(GOLDEN.stats)("numbers: $name", ({ map_f16, scale, mask, change, expected }) => {
    const completeness = { change: change ?? 1e-9, share: change === null ? null : 1 };
    const made: Case = regionStats(decoded(map_f16, scale), Uint8Array.from(mask), completeness);
    for (const [name, value] of Object.entries<number | null>(expected)) {
      if (value === null) expect(made[name]).toBeNull();
      else expect(made[name]).toBeCloseTo(value, 12);
    }
    expect(regionStats([1], Uint8Array.of(1), null).ofChange).toBeNull();
  });

  const painted = (width: number, height: number, inside: (x: number, y: number) => boolean) =>
    Uint8Array.from({ length: width * height }, (_, i) => +inside(i % width, Math.floor(i / width)));

  test("a full rectangle is one, an empty mask is none", () => {
    const mask = painted(9, 7, (x, y) => x >= 2 && x < 5 && y >= 1 && y < 7);
    expect(regionOfMask(mask, 9, 7)).toEqual({ rect: [2, 1, 3, 6] });
    expect(regionOfMask(new Uint8Array(63), 9, 7)).toBeNull();
  });

  test("a mask comes back from the coarsest grid that holds it", () => {
    const mask = painted(224, 112, (x, y) => x >= 56 !== y < 28);
    const region = regionOfMask(mask, 224, 112) as Region;
    expect(region).toEqual({ cells: [4, 4], bits: "h3c=" });
    expect(maskOf(region, 224, 112)).toEqual(mask);
  });

  test("a round stroke loses less than a cell at its border", () => {
    const mask = painted(224, 224, (x, y) => (x - 100) ** 2 + (y - 90) ** 2 < 50 ** 2);
    const region = regionOfMask(mask, 224, 224) as { cells: number[]; bits: string };
    expect(region.cells).toEqual([64, 64]);
    const off = maskOf(region as Region, 224, 224).filter((inside, i) => inside !== mask[i]).length;
    expect(off / mask.length).toBeLessThan(0.01);
  });

  test("a cell that is half in is in", () => {
    const region = regionOfMask(
      painted(128, 128, (_, y) => y % 2 === 0),
      128,
      128,
    ) as Region;
    expect(region).toMatchObject({ cells: [1, 64] });
    expect(maskOf(region, 128, 128).every(Boolean)).toBe(true);
    expect(
      regionOfMask(
        painted(640, 640, (x, y) => x === y),
        640,
        640,
      ),
    ).toBeNull(); // too thin for any cell
  });

  test("the border is drawn once, in runs", () => {
    const mask = painted(4, 3, (x, y) => x >= 1 && x < 3 && y === 1);
    expect(outlineOf(mask, 4, 3)).toBe("M1 1h2M1 2h2M1 1v1M3 1v1");
    expect(outlineOf(new Uint8Array(12).fill(1), 4, 3)).toBe("M0 0h4M0 3h4M0 0v3M4 0v3");
  });
});

describe("comparing", () => {
  test.each<Case>(GOLDEN.ranks)("rank correlation: $name", ({ a_f16, b_f16, expected }) => {
    const made = rankCorrelation(decoded(a_f16), decoded(b_f16));
    if (expected === null) expect(made).toBeNull();
    else expect(made).toBeCloseTo(expected, 12);
  });

  test("by hand, with ties: ranks 1 2.5 2.5 4 and 2 1 3.5 3.5", () => {
    // Deviations -1.5 0 0 1.5 and -0.5 -1.5 1 1: 2.25 / sqrt(4.5 * 4.5)
    expect(rankCorrelation([1, 2, 2, 3], [5, 4, 7, 7])).toBeCloseTo(0.5, 15);
  });

  test("difference and average, pixel by pixel", () => {
    const out = new Float64Array(2);
    difference([1, -2], [3, 5], out);
    expect([...out]).toEqual([-2, -7]);
    average(
      [
        [1, -2],
        [3, 5],
        [2, 0],
      ],
      out,
    );
    expect([...out]).toEqual([2, 1]);
  });
});

describe("contours", () => {
  /** All points of a path, each once: a ring comes back to its first. */
  const points = (d: string) => {
    const found = [...d.matchAll(/([\d.]+) ([\d.]+)/g)].map(([, x, y]) => `${+x} ${+y}`);
    return [...new Set(found)].sort();
  };

  test.each<Case>(GOLDEN.contours)("$name crosses where the definition says", (one) => {
    const made = contourPaths(decoded(one.map_f16), one.width, one.height, one.limit);
    expect(made.map(({ level }) => level)).toEqual([-0.75, -0.5, -0.25, 0.25, 0.5, 0.75]);
    for (const { level, d } of made) {
      const expected: [number, number][] = one.expected[String(level)];
      const rounded = expected.map(([x, y]) => `${Math.round(x * 100) / 100} ${Math.round(y * 100) / 100}`);
      expect(points(d)).toEqual([...new Set(rounded)].sort());
    }
  });

  test("a line ends at the border, and does not run along it", () => {
    const step = Float64Array.from({ length: 12 }, (_, i) => (i % 4 < 2 ? 1 : 0));
    const [{ d }] = contourPaths(step, 4, 3, 2).filter(({ level }) => level === 0.25);
    const xs = [...d.matchAll(/[ML]([\d.]+) /g)].map(([, x]) => +x);
    expect(new Set(xs)).toEqual(new Set([2]));
    expect(d.match(/M/g)).toHaveLength(1);
  });

  test("where two high corners meet two low ones, the middle decides", () => {
    const across = Float64Array.of(1, 0, 0, 1);
    const at = (level: number) => contourPaths(across, 2, 2, level / 0.5)[1].d;
    expect(at(0.4)).toBe("M1.1 0L1.1 0.5L1.5 0.9L2 0.9M0.9 2L0.9 1.5L0.5 1.1L0 1.1");
    expect(at(0.6)).toBe("M0.9 0L0.9 0.5L0.5 0.9L0 0.9M1.1 2L1.1 1.5L1.5 1.1L2 1.1");
  });

  test("a map without negative values has lines on one side only", () => {
    expect(contourPaths(Float64Array.of(0, 1, 0, 0), 2, 2, 1).map(({ level }) => level)).toEqual([
      0.25, 0.5, 0.75,
    ]);
    expect(contourPaths(new Float64Array(4), 2, 2, 1).map(({ d }) => d)).toEqual(["", "", ""]);
  });
});
