/** Who may import whom. Read from the import lines, so that no build option can hide one. */
import { readdirSync, readFileSync } from "node:fs";
import { join, posix } from "node:path";
import { describe, expect, test } from "vitest";

const ROOT = "js";
/** Rooms that a room may import from, besides itself. */
const MAY: Record<string, string[]> = {
  lib: [],
  render: ["lib"],
  ui: ["lib"],
  views: ["render", "ui", "lib"],
  host: ["lib"],
  entry: ["host", "views", "ui", "lib"],
  demo: ["entry", "lib"],
};

/** `views` is a corridor: each folder in it is a room of its own. */
function roomOf(path: string): { room: string; view: string } {
  const [room, second] = path.split("/");
  return { room, view: room === "views" ? second : "" };
}

function violations(files: Record<string, string>): string[] {
  const found: string[] = [];
  for (const [path, text] of Object.entries(files)) {
    const from = roomOf(path);
    for (const [, target] of text.matchAll(/(?:from|import)\s*\(?\s*["'](\.[^"']+)["']/g)) {
      const to = roomOf(posix.join(posix.dirname(path), target));
      const allowed = from.room === to.room ? from.view === to.view : MAY[from.room]?.includes(to.room);
      if (!allowed) found.push(`${path} imports ${target}`);
    }
  }
  return found;
}

function sources(): Record<string, string> {
  const files: Record<string, string> = {};
  for (const name of readdirSync(ROOT, { recursive: true, encoding: "utf8" })) {
    const path = name.replaceAll("\\", "/");
    if (!path.endsWith(".ts") || path.startsWith("tests/")) continue;
    files[path] = readFileSync(join(ROOT, path), "utf8");
  }
  return files;
}

/** Every file whose code comes along with one, what is fetched later included; types weigh nothing. */
function carried(entry: string, files: Record<string, string>): Set<string> {
  const found = new Set([entry]);
  for (const path of found)
    for (const [, target] of (files[path] ?? "").matchAll(
      /^(?!import type|export type)[^\n]*?(?:from|import)\s*\(?\s*"(\.[^"]+)\.js"/gm,
    ))
      found.add(`${posix.join(posix.dirname(path), target)}.ts`);
  return found;
}

describe("rooms", () => {
  test("every import stays within what its room may use", () => {
    const files = sources();
    expect(Object.keys(files).length).toBeGreaterThan(25);
    expect(violations(files)).toEqual([]);
  });

  test("a page of maps carries the pictures of an attribution, and nothing that judges or asks", () => {
    const files = sources();
    const code = carried("entry/map_page.ts", files);
    expect(code).toContain("views/saliency/pictures.ts");
    expect([...code].filter((path) => !(path in files))).toEqual([]);
    expect([...code].filter((path) => /saliency\/(trial\/|more|controls|inspector)/.test(path))).toEqual([]);
    // As the explorer does, so that the names are right.
    expect([...carried("entry/page.ts", files)]).toEqual(
      expect.arrayContaining(["views/saliency/trial/bench.ts", "views/saliency/inspector.ts"]),
    );
  });

  test("only entry and the demo name the notebook's save_changes", () => {
    const knowing = Object.entries(sources()).filter(([, text]) => text.includes("save_changes"));
    expect(knowing.map(([path]) => roomOf(path).room).sort()).toEqual(["demo", "entry"]);
  });

  test.each([
    ["lib/a.ts", 'import { b } from "../render/b.js";'],
    ["render/a.ts", 'import { b } from "../ui/b.js";'],
    ["views/one/a.ts", 'import type { Host } from "../../host/host.js";'],
    ["views/one/a.ts", 'export { b } from "../two/b.js";'],
    ["host/a.ts", 'const view = await import("../views/one/index.js");'],
    ["ui/a.ts", 'import "../views/one/one.css";'],
  ])("the checker sees %s: %s", (path, text) => {
    expect(violations({ [path]: text })).toHaveLength(1);
  });

  test("the checker lets neighbours in one room, and the rooms below, through", () => {
    const text = 'import { a } from "./a.js";\nimport { b } from "../../lib/b.js";';
    expect(violations({ "views/one/c.ts": text })).toEqual([]);
  });
});
