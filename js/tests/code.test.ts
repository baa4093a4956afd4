/** The page's half of "copy as code": what Python writes for the same view is in tests/wire/code.json. */
import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { codeOf } from "../lib/code.js";
import { DEFAULTS, type MethodInfo, type Traits } from "../lib/wire.js";

interface Case {
  name: string;
  traits: Partial<Traits>;
  models: number;
  methods?: MethodInfo[];
  code: string;
}

const CASES = JSON.parse(readFileSync("tests/wire/code.json", "utf8")) as Case[];

describe("copy as code", () => {
  test.each(CASES.map((one) => [one.name, one] as const))(
    "%s",
    (_name, { traits, models, methods, code }) => {
      expect(codeOf(traits, { models, methods })).toBe(code);
    },
  );

  test("the whole state gives what its changes give", () => {
    for (const { traits, models, methods, code } of CASES.filter((one) => one.models === 1))
      expect(codeOf({ ...DEFAULTS, ...traits }, { models, methods })).toBe(code);
  });

  test("the cases know every trait", () => {
    const known = new Set(CASES.flatMap(({ code }) => [...code.matchAll(/(\w+)=/g)].map(([, name]) => name)));
    expect(Object.keys(DEFAULTS).filter((name) => !known.has(name))).toEqual([]);
  });

  test("whatever a string holds, the code stays one call in plain letters", () => {
    for (let code = 0; code < 0x3000; code++) {
      const lines = codeOf({ layer: `a${String.fromCodePoint(code)}b` }, { models: 1 }).split("\n");
      expect(lines).toHaveLength(1);
      expect(lines[0]).toMatch(/^[\x20-\x7e]+$/);
    }
  });
});
