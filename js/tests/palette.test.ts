/** Points have the colours that figures have: `tests/wire/palette.json` holds both languages to them. */
import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { byCode, categorical, luminance, MISSING, SEQUENTIAL, sequential } from "../render/points/palette.js";

const GOLDEN = JSON.parse(readFileSync("tests/wire/palette.json", "utf8")) as {
  categorical: number[][];
  ramp: number[][];
  missing: number[];
  codes: { codes: number[]; of: number; expected: number[][] };
  numbers: { values: (number | null)[]; expected: number[][] };
};

const opaque = (colours: number[][]) => colours.flatMap((colour) => [...colour, 255]);

test("of classes", () => {
  expect([...categorical(GOLDEN.categorical.length)]).toEqual(opaque(GOLDEN.categorical));
});

test("of classes on a dark ground: none vanishes, none is another, light ones stay", () => {
  const ground = luminance([0x25, 0x25, 0x25]);
  const [plain, dark] = [categorical(20), categorical(60, true)];
  const found = Array.from({ length: 60 }, (_, i) => [...dark.subarray(4 * i, 4 * i + 3)]);
  for (const colour of found) expect((luminance(colour) + 0.05) / (ground + 0.05)).toBeGreaterThan(3);
  expect(new Set(found.slice(0, 40).map(String)).size).toBe(40);
  expect(found[1]).toEqual([...plain.subarray(4, 7)]);
});

test("of numbers", () => {
  expect([...SEQUENTIAL]).toEqual(GOLDEN.ramp.flat());
  const values = Float32Array.from(GOLDEN.numbers.values, (value) => value ?? Number.NaN);
  expect([...sequential(values, SEQUENTIAL, [0, 1])]).toEqual(opaque(GOLDEN.numbers.expected));
});

test("of what is missing", () => {
  expect([...MISSING]).toEqual([...GOLDEN.missing, 255]);
  const { codes, of, expected } = GOLDEN.codes;
  expect([...byCode(Uint16Array.from(codes), categorical(of))]).toEqual(opaque(expected));
});
