// @vitest-environment jsdom
import { execFileSync } from "node:child_process";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { until } from "./page.js";

const FILES = {
  entry: "door-1.js",
  style: "door-1.css",
  first: ["shared-1.js", "door-1.js", "door-1.css"],
  rest: ["more-1.js"],
};

const TEXTS: Record<string, string> = {
  "shared-1.js": 'export const seen=globalThis.seen;seen.push("shared");',
  "door-1.js":
    'import{seen as s}from"./shared-1.js";export default()=>({initialize(){s.push("door");' +
    'import("./more-1.js").then(m=>m.go())},render({el}){el.append("drawn")}});',
  "more-1.js": 'import{seen}from"./shared-1.js";export const go=()=>seen.push("more");',
  "door-1.css": ".saliscope{color:red}",
};

type Hear = (message: object, buffers: DataView[]) => void;

/** anywidget's model, and a kernel that answers when it is told to. */
class Kernel {
  readonly asked: { id: string; files: string[] }[] = [];
  #hear: Hear[] = [];

  readonly model = {
    on: (_: string, hear: Hear) => this.#hear.push(hear),
    off: (_: string, hear: Hear) => {
      this.#hear = this.#hear.filter((other) => other !== hear);
    },
    send: (message: { id: string; files: string[] }) => this.asked.push(message),
  };

  answer(number: number, status = "ok"): void {
    const { id, files } = this.asked[number];
    const buffers = files.map((name) => new DataView(new TextEncoder().encode(TEXTS[name]).buffer));
    for (const hear of [...this.#hear]) hear({ answer: id, status }, status === "ok" ? buffers : []);
  }
}

type Loader = {
  default(): {
    initialize(context: object): () => void;
    render(context: object): Promise<unknown>;
  };
};

let loader: Loader;
let seen: string[];

/** Node imports from data URLs, not from those of blobs. */
class Text {
  constructor(readonly parts: string[]) {}
}
const urlOf = (text: string) => `data:text/javascript,${encodeURIComponent(text)}`;

// Not esbuild's own function: it wants Node's arrays, and here are jsdom's.
const BUILD = ["js/entry/loader.ts", "--format=esm", "--minify"];
const source = execFileSync("node_modules/.bin/esbuild", BUILD, { encoding: "utf8" });

beforeEach(async () => {
  seen = [];
  vi.stubGlobal("seen", seen);
  vi.stubGlobal("Blob", Text);
  // Other tests' modules would be found under the same address.
  const mark = `//${Math.random()}\n`;
  vi.stubGlobal("URL", Object.assign(URL, { createObjectURL: (blob: Text) => urlOf(mark + blob.parts[0]) }));
  expect(source).toContain('"__SALISCOPE_FILES__"');
  const written = source.replace('"__SALISCOPE_FILES__"', JSON.stringify(FILES));
  loader = await import(/* @vite-ignore */ urlOf(mark + written));
});

afterEach(() => {
  Reflect.deleteProperty(globalThis, "saliscope1");
  document.head.replaceChildren();
});

function open(kernel: Kernel, signal?: AbortSignal) {
  const widget = loader.default();
  widget.initialize({ model: kernel.model, signal });
  const el = document.body.appendChild(document.createElement("div"));
  return { el, drawn: widget.render({ model: kernel.model, el, signal }) };
}

describe("the loader", () => {
  it("asks for both halves at once, and draws when the first is there", async () => {
    const kernel = new Kernel();
    const { el, drawn } = open(kernel);
    expect(kernel.asked.map(({ files }) => files)).toEqual([FILES.first, FILES.rest]);
    kernel.answer(0);
    await drawn;
    expect(el.textContent).toBe("drawn");
    expect(seen).toEqual(["shared", "door"]);
    kernel.answer(1);
    await until(() => expect(seen).toEqual(["shared", "door", "more"]));
    expect(document.head.querySelectorAll("style")).toHaveLength(1);
  });

  it("fetches once for a page", async () => {
    const [one, two] = [new Kernel(), new Kernel()];
    const opened = [open(one), open(two)];
    one.answer(0);
    await Promise.all(opened.map(({ drawn }) => drawn));
    expect(opened.map(({ el }) => el.textContent)).toEqual(["drawn", "drawn"]);
    expect([one.asked.length, two.asked.length]).toEqual([2, 0]);
    expect(seen).toEqual(["shared", "door", "door"]);
    expect(document.head.querySelectorAll("style")).toHaveLength(1);
  });

  it("has the next widget ask where the one that did has gone", async () => {
    const [one, two] = [new Kernel(), new Kernel()];
    const leaving = new AbortController();
    const gone = open(one, leaving.signal);
    const stays = open(two);
    leaving.abort();
    await gone.drawn;
    await until(() => expect(two.asked).toHaveLength(2));
    two.answer(1); // whatever the order
    two.answer(0);
    await stays.drawn;
    await until(() => expect(seen).toEqual(["shared", "door", "more"]));
  });

  it("says so where the kernel has no such files", async () => {
    const kernel = new Kernel();
    const { el, drawn } = open(kernel);
    kernel.answer(0, "error");
    await drawn;
    expect(el.textContent).toContain("run the cell again");
    expect(open(kernel).el.textContent).toBe("");
    await until(() => expect(kernel.asked).toHaveLength(3));
  });
});
