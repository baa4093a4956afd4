import { describe, expect, test } from "vitest";
import { toHalf } from "../demo/made_up.js";
import { decodeFloat16, halfToNumber } from "../lib/float16.js";
import {
  named,
  number,
  onGrid,
  parseNumber,
  percent,
  probability,
  seconds,
  shorten,
  signed,
} from "../lib/format.js";
import { kthLargest, lastAtMost } from "../lib/select.js";
import { converged, explained } from "../lib/sentence.js";
import type { Completeness, Result } from "../lib/wire.js";

describe("float16", () => {
  // IEEE 754-2008, table of the format: sign 1 bit, exponent 5, fraction 10.
  test.each([
    [0x0000, 0],
    [0x8000, -0],
    [0x0001, 2 ** -24],
    [0x03ff, 1023 * 2 ** -24],
    [0x83ff, -1023 * 2 ** -24],
    [0x0400, 2 ** -14],
    [0x3555, 0.333251953125],
    [0x3c00, 1],
    [0xc000, -2],
    [0x7bff, 65504],
    [0x7c00, Number.POSITIVE_INFINITY],
    [0xfc00, Number.NEGATIVE_INFINITY],
    [0x7e00, Number.NaN],
  ])("0x%s is %d", (bits, value) => {
    expect(halfToNumber(bits)).toBe(value);
  });

  test("every finite half survives coding and decoding", () => {
    for (let bits = 0; bits < 0x7c00; bits++) expect(toHalf(halfToNumber(bits))).toBe(bits);
  });

  test("bytes at an odd offset are little-endian", () => {
    const memory = new Uint8Array([9, 0x00, 0x3c, 0x01, 0x80]);
    expect([...decodeFloat16(memory.subarray(1))]).toEqual([1, -(2 ** -24)]);
  });
});

describe("numbers for people", () => {
  test.each([
    [0, "0"],
    [11.376, "11.4"],
    [-0.02144, "\u22120.0214"],
    [1234, "1234"],
    [-0.000596, "\u22125.96e\u22124"],
    [-2.5e7, "\u22122.50e+7"],
    [Number.NaN, "not a number"],
    [Number.NEGATIVE_INFINITY, "\u2212\u221e"],
  ])("number(%d)", (value, text) => expect(number(value)).toBe(text));

  test("a signed quantity carries its sign, zero carries none", () => {
    expect([signed(0.5), signed(-0.5), signed(0)]).toEqual(["+0.500", "\u22120.500", "0"]);
  });

  test.each([
    [0.986, "98.6\u00a0%"],
    [1, "100\u00a0%"],
    [0.9999, "100\u00a0%"],
    [0.00042, "0.04\u00a0%"],
    [0, "0\u00a0%"],
    [-0.031, "\u22123.1\u00a0%"],
  ])("percent(%d)", (value, text) => expect(percent(value)).toBe(text));

  test.each([
    [0, "0\u00a0%"],
    [2e-6, "< 0.1\u00a0%"],
    [0.093, "9.3\u00a0%"],
    [0.99997, "> 99.9\u00a0%"],
    [1, "100\u00a0%"],
  ])("probability(%d)", (value, text) => expect(probability(value)).toBe(text));

  test.each([
    [0.031, "31\u00a0ms"],
    [2.34, "2.3\u00a0s"],
    [42.4, "42\u00a0s"],
    [119.8, "2\u00a0min 0\u00a0s"],
  ])("seconds(%d)", (value, text) => expect(seconds(value)).toBe(text));

  test.each([
    ["85 %", 85],
    ["0,25", 0.25],
    ["\u22121.5e\u22123", -0.0015],
    ["12\u00a0px", 12],
    ["", null],
    ["many", null],
  ])("reads %j", (text, value) => expect(parseNumber(text)).toBe(value));

  test("neighbours on a grid look different", () => {
    expect([onGrid(0.3, 0.01), onGrid(0.3, 0.1), onGrid(7, 5), onGrid(2.5, 0.5)]).toEqual([
      "0.30",
      "0.3",
      "7",
      "2.5",
    ]);
  });

  test("long and empty labels", () => {
    expect(shorten("x".repeat(10_000))).toHaveLength(160);
    expect([named("  ", 8), named("", null), named("fox", 3)]).toEqual(["Class 8", "the target", "fox"]);
  });
});

describe("order statistics", () => {
  test.each([1, 2, 17, 499, 500])("the %d-th largest, as a full sort finds it", (k) => {
    const values = Float64Array.from({ length: 500 }, (_, i) => ((i * 7919) % 101) - 50);
    const sorted = [...values].sort((a, b) => b - a);
    expect(kthLargest(values.slice(), 500, k)).toBe(sorted[k - 1]);
  });

  test("mostly equal values", () => {
    const values = new Float64Array(50_176);
    values.fill(3, 0, 5);
    expect([kthLargest(values, values.length, 5), kthLargest(values, values.length, 6)]).toEqual([3, 0]);
  });

  test("the node before alpha", () => {
    expect([-1, 0, 0, 1].map((_, i) => lastAtMost([0.25, 0.5], [0.1, 0.25, 0.4, 0.9][i]))).toEqual([
      -1, 0, 0, 1,
    ]);
  });
});

describe("the sentence", () => {
  const result = (completeness: Completeness | null, steps: number | null = 32) =>
    ({
      completeness,
      steps,
      score: 11.4,
      unit: "logit",
      path: { baseline_score: 0.02 },
    }) as unknown as Result;

  test("says what the two curves mean", () => {
    const c = { change: 11.38, sum: 11.22, delta: -0.16, share: 0.986, map_change: 0.032 };
    expect(explained(result(c))).toBe(
      "The attributions explain 98.6\u00a0% of the change in score (0.0200 \u2192 11.4); gap 1.4\u00a0%.",
    );
    expect(converged(result(c))).toBe("From 16 to 32 steps the map changed by 3.2\u00a0%.");
  });

  test("tells an adaptive method's own estimate, and of how many gradients it is", () => {
    const c = { change: 1, sum: 1, delta: 0, share: 1, map_change: null, map_error: 0.021 };
    expect(converged(result(c, 25))).toBe("The map's own error is about 2.1\u00a0%, after 25 gradients.");
    const several = { ...result(c, 25), path: null };
    expect(converged(several)).toContain("after up to 25 gradients on each path.");
  });

  test("gives no share where none is defined", () => {
    const c = { change: 0, sum: 0.003, delta: 0.003, share: null, map_change: null };
    const text = explained(result(c));
    expect(text).toContain("no share of it can be given");
    expect(text).not.toContain("%");
    expect(text).not.toMatch(/NaN|Infinity|null/);
    expect(converged(result(c))).toBe("");
  });

  test("more than the whole is a sum, not an explanation", () => {
    const c = { change: 10, sum: 11, delta: 1, share: 1.1, map_change: null };
    expect(explained(result(c))).toContain("add up to 110.0\u00a0%");
  });

  test("nothing for a method without completeness", () => {
    expect(explained(result(null)) + converged(result(null))).toBe("");
  });
});
