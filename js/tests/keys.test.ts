// @vitest-environment jsdom
/** The keys, and the help that lists them. */
import { describe, expect, test, vi } from "vitest";
import type { FakeKernel } from "../demo/kernel.js";
import { KEYS } from "../views/saliency/keys.js";
import { frame, life, open, press, shown, until } from "./page.js";

const hold = (target: Element, key: string, times: number) => {
  for (let i = 0; i < times; i++)
    target.dispatchEvent(
      new KeyboardEvent("keydown", { key, bubbles: true, cancelable: true, repeat: i > 0 }),
    );
};
const lift = (target: Element, key: string) =>
  target.dispatchEvent(new KeyboardEvent("keyup", { key, bubbles: true }));

/** Everything that a reader could notice: the page, its pixels, what was sent. */
function noticed(root: HTMLElement, kernel: FakeKernel): string {
  const pixels = [...root.querySelectorAll("canvas")].map((canvas) => shown.get(canvas)?.join() ?? "");
  return [root.innerHTML, ...pixels, ...kernel.sent].join("\n");
}

/** Six panels, half way along the path, enlarged, with steps to take back and again, and a tool in hand. */
async function busy() {
  const compare = [{ target: 1 }, { target: 2 }, { target: 4 }, { target: 5 }, { target: 6 }];
  const page = await open({ traits: { compare, panel: 1, alpha: 0.5, opacity: 0.5, zoom: [2, 0.5, 0.5] } });
  await until(() => expect(page.root.querySelectorAll(".panel[data-stage=final]")).toHaveLength(6));
  press(page.get("explorer"), "s");
  press(page.get("explorer"), "o");
  press(page.get("explorer"), "z");
  page.get("tool-brush").click();
  // What is asked for at this alpha comes by itself, and late.
  await until(() => expect(page.get("top5-at").textContent).toMatch(/^\s*at alpha/));
  await frame();
  return page;
}

describe("the table of keys", () => {
  const all = KEYS.flatMap(({ keys }) => keys).flatMap(({ keys }) => keys);

  test("names no key twice", () => {
    expect(new Set(all).size).toBe(all.length);
  });

  test("is what the help shows", async () => {
    const { root, get } = await open();
    press(get("explorer"), "?");
    const listed = [...root.querySelectorAll<HTMLElement>("[data-testid=help-box] kbd")];
    expect(listed.map(({ dataset }) => dataset.key)).toEqual(all);
    for (const { says } of KEYS.flatMap(({ keys }) => keys))
      expect(root.querySelector("[data-testid=help-box]")?.textContent).toContain(says);
  });

  test.each(all)("%j does something", async (key) => {
    const { root, get, kernel } = await busy();
    const view = get("panel-map").querySelector(".view") as HTMLElement;
    const before = noticed(root, kernel);
    const event = new KeyboardEvent("keydown", {
      key,
      bubbles: true,
      cancelable: true,
      shiftKey: /[A-Z]$/.test(key) && key.length === 1,
    });
    view.dispatchEvent(event);
    await frame();
    expect(event.defaultPrevented).toBe(true);
    expect(noticed(root, kernel)).not.toBe(before);
  });

  test("what it does not list does nothing", async () => {
    const { root, get, kernel } = await busy();
    const before = noticed(root, kernel);
    for (const key of "acdefghijkqtuvwxyABCDEFGHIJKLNOPQRSTUVWXY789!@#$%^&*()/;:'\"<>|~`".split(""))
      press(get("explorer"), key, { shiftKey: /[A-Z]/.test(key) });
    await frame();
    expect(noticed(root, kernel)).toBe(before);
  });
});

describe("a question by keys", () => {
  test("b goes through the baselines, with their settings", async () => {
    const { kernel, get } = await open();
    for (const kind of ["white", "grey", "blur", "noise", "mean", "black"]) {
      press(get("explorer"), "b");
      expect(kernel.get("baseline")).toMatchObject({ kind });
    }
    expect(kernel.sent).toEqual(Array(6).fill("save baseline"));
  });

  test("m goes through the methods, Shift m back", async () => {
    const { kernel, get } = await open();
    press(get("explorer"), "m");
    expect(kernel.get("method")).toBe("smooth_grad");
    press(get("explorer"), "M", { shiftKey: true });
    press(get("explorer"), "M", { shiftKey: true });
    expect(kernel.get("method")).toBe("input_x_gradient");
    press(get("explorer"), "M"); // Caps Lock
    expect(kernel.get("method")).toBe("integrated_gradients");
  });

  test.each(["b", "m", "z"])("%s held down is one act", async (key) => {
    const { kernel, get } = await open();
    press(get("explorer"), "s");
    press(get("explorer"), "o");
    kernel.sent.length = 0;
    hold(get("explorer"), key, 20);
    lift(get("explorer"), key);
    expect(kernel.sent).toHaveLength(1);
  });

  test("they ask for the active panel only", async () => {
    const { kernel, get } = await open({ traits: { compare: [{ target: 1 }], panel: 1 } });
    press(get("explorer"), "b");
    expect(kernel.get("compare")).toEqual([{ target: 1, baseline: { kind: "white" } }]);
    expect(kernel.get("baseline")).toEqual({ kind: "black" });
  });

  test.each([
    ["a method without one", { method: "saliency" }, "b", "Saliency has no baseline"],
    [
      "a panel made of others",
      { compare: [{ target: 1 }, { difference: [0, 1] }], panel: 2 },
      "m",
      "made of others",
    ],
  ])("%s says so", async (_name, traits, key, words) => {
    const { kernel, get } = await open({ traits: traits as object });
    press(get("explorer"), key);
    expect(get("notice").textContent).toContain(words);
    expect(kernel.sent).toEqual([]);
  });

  test("a page without a kernel says so", async () => {
    const { kernel, get } = await open({ offline: true });
    press(get("explorer"), "m");
    expect(get("notice").textContent).toContain("no kernel");
    expect(kernel.sent).toEqual([]);
  });
});

describe("looks by keys", () => {
  test.each([
    ["]", { alpha: 0.5 }, "alpha", 0.7],
    ["{", { alpha: 0.5 }, "alpha", 0],
    [".", { opacity: 0.1 }, "opacity", 1],
  ])("%s held down moves %j at once and is sent once", async (key, traits, name, value) => {
    const { kernel, get } = await open({ traits: traits as object });
    hold(get("explorer"), key, 20);
    expect(kernel.sent).toEqual([]);
    expect(get(name).getAttribute("aria-valuetext")).not.toBeNull();
    lift(get("explorer"), key);
    expect(kernel.sent).toEqual([`save ${name}`]);
    expect(kernel.get(name)).toBeCloseTo(value, 9);
  });

  test("o and s go round", async () => {
    const { kernel, get } = await open();
    for (const overlay of ["map", "multiply", "contour", "blend"]) {
      press(get("explorer"), "o");
      expect(kernel.get("overlay")).toBe(overlay);
    }
    for (const sign of ["positive", "negative", "absolute", "both"]) {
      press(get("explorer"), "s");
      expect(kernel.get("sign")).toBe(sign);
    }
  });

  test("l keeps the limits on screen, and lets them go", async () => {
    const { kernel, get } = await open();
    press(get("explorer"), "l");
    expect(kernel.get("scale")).toEqual({ mode: "fixed", limits: { logit: expect.any(Number) } });
    press(get("explorer"), "l");
    expect(kernel.get("scale")).toEqual({ mode: "auto", limits: {} });
  });

  test("p shows the picture while it is held, or until the focus leaves", async () => {
    const { kernel, get } = await open();
    const canvas = get("panel-map").querySelector("canvas") as HTMLCanvasElement;
    const map = shown.get(canvas)?.join();
    for (const end of ["keyup", "focusout"]) {
      hold(get("explorer"), "p", 3);
      await frame();
      expect(shown.get(canvas)?.join()).not.toBe(map);
      get("explorer").dispatchEvent(
        end === "keyup" ? new KeyboardEvent(end, { key: "p" }) : new FocusEvent(end),
      );
      await frame();
      expect(shown.get(canvas)?.join()).toBe(map);
    }
    expect(kernel.sent).toEqual([]);
  });

  test("plus and minus zoom, zero shows all", async () => {
    const { kernel, get } = await open();
    press(get("explorer"), "+");
    press(get("explorer"), "="); // the same key without Shift
    expect(kernel.get("zoom")).toEqual([2, 0.5, 0.5]);
    press(get("explorer"), "-");
    expect((kernel.get("zoom") as number[])[0]).toBeCloseTo(Math.SQRT2, 3);
    press(get("explorer"), "0");
    expect(kernel.get("zoom")).toEqual([1, 0.5, 0.5]);
  });

  test("r takes rectangle and brush, and Escape puts them away before it cancels", async () => {
    const { kernel, get } = await open({ stop: "running" });
    const tool = () => get("tool").dataset.value;
    press(get("explorer"), "r");
    expect(tool()).toBe("rectangle");
    press(get("explorer"), "r");
    expect(tool()).toBe("brush");
    press(get("explorer"), "Escape");
    expect(tool()).toBe("look");
    expect(kernel.sent).toEqual([]);
    press(get("explorer"), "Escape");
    expect(kernel.sent).toEqual(["cancel"]);
  });

  test("z and Shift z go back and forth", async () => {
    const { kernel, get } = await open();
    press(get("explorer"), "s");
    press(get("explorer"), "z");
    expect(kernel.get("sign")).toBe("both");
    press(get("explorer"), "Z", { shiftKey: true });
    expect(kernel.get("sign")).toBe("positive");
  });
});

describe("whose keys they are", () => {
  const letters = ["b", "m", "o", "s", "l", "r", "z", "1", "+", "?", "Escape", "[", " "];

  test("outside they do nothing", async () => {
    const { root, kernel } = await open();
    const before = noticed(root, kernel);
    for (const key of letters) press(document.body, key);
    await frame();
    expect(noticed(root, kernel)).toBe(before);
  });

  test.each(["ctrlKey", "metaKey", "altKey"])(
    "with %s they are the notebook's and the browser's",
    async (modifier) => {
      const { root, kernel, get } = await open();
      const outside = vi.fn();
      document.body.addEventListener("keydown", outside, { signal: life.signal });
      const before = noticed(root, kernel);
      const keys = letters.filter((key) => key !== "[");
      for (const key of keys)
        expect(press(get("explorer"), key, { [modifier]: true }).defaultPrevented).toBe(false);
      expect(outside).toHaveBeenCalledTimes(keys.length);
      await frame();
      expect(noticed(root, kernel)).toBe(before);
    },
  );

  test("inside none goes further, not even one that means nothing", async () => {
    const { get } = await open();
    const outside = vi.fn();
    document.body.addEventListener("keydown", outside, { signal: life.signal });
    for (const key of [...letters, "d", "x", "Enter", "ArrowDown"]) press(get("explorer"), key);
    expect(outside).not.toHaveBeenCalled();
  });

  test("a box over the widget keeps them", async () => {
    const { kernel, get } = await open();
    press(get("explorer"), "?");
    for (const key of letters.filter((one) => one !== "Escape")) press(get("help-box"), key);
    expect(kernel.sent).toEqual([]);
    press(get("help-box"), "Escape");
    expect(get("help-box")).toBeNull();
  });

  test("what a picture's arrows reach is read aloud, at rest", async () => {
    const { root, get } = await open();
    const view = get("panel-map").querySelector(".view") as HTMLElement;
    hold(view, "ArrowRight", 5);
    const spoken = () => root.querySelector("[data-testid=status] .unseen")?.textContent ?? "";
    expect(spoken()).toBe("");
    await until(() => expect(spoken()).toMatch(/logit.*x 10.*y 4/));
  });
});
