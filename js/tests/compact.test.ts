// biome-ignore-all lint/suspicious/noTemplateCurlyInString: pieces of source are data here
/** What the build takes out of the sources, and what it must leave. */
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { compact } from "../compact.mjs";

describe("markup in the bundle", () => {
  test("has one space for a line break, and none at the end of a tag", () => {
    const source = "const a = html`<p\n    class=${name}\n  >\n    Two  words\n  </p>`;";
    expect(compact(source)).toBe("const a = html`<p class=${name}> Two  words </p>`;");
  });

  test("is found inside expressions of markup, and the code around it is left alone", () => {
    const source = "svg`<g>\n${list.map((one) => {\n  return html`<i>\n</i>`;\n})}\n</g>`";
    expect(compact(source)).toBe("svg`<g> ${list.map((one) => {\n  return html`<i> </i>`;\n})} </g>`");
  });

  test.each([
    ["another template", "const text = `a\n  b ${`c\n  d`}`;"],
    ["a name that only ends like it", "const text = outerhtml`a\n  b`;"],
    ["a string", "const text = 'html`a\\\n  b`';"],
    ["comments", "// html`a\n/* svg`b\n */ const c = 1;"],
    ["a regular expression", "const found = /[`'\"/]\\//.test(text);\nconst half = a / b / c;"],
    ["an escaped end", "const text = html`a \\` b`;\nconst c = `d\n  e`;"],
  ])("does not touch %s", (_, source) => {
    expect(compact(source)).toBe(source);
  });

  test("loses nothing but white space in any source", () => {
    const names = readdirSync("js", { recursive: true, encoding: "utf8" }).filter((name) =>
      name.endsWith(".ts"),
    );
    expect(names.length).toBeGreaterThan(50);
    for (const name of names) {
      const source = readFileSync(join("js", name), "utf8");
      expect(compact(source).replace(/\s+/g, ""), name).toBe(source.replace(/\s+/g, ""));
    }
  });
});
