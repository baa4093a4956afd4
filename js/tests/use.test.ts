// @vitest-environment jsdom
/** The whole widget against the demo's kernel: errors, keys, play, and what is left behind. */
import { describe, expect, test, vi } from "vitest";
import widget from "../entry/index.js";
import { drag, frame, life, media, observing, open, pixels, press, release, until } from "./page.js";

describe("errors and cancel", () => {
  test("an error is shown as text; picture and controls stay", async () => {
    const { kernel, get } = await open({ stop: "error" });
    expect(get("error").textContent).toContain("<b>this is text, not markup</b>");
    expect(get("error").querySelector("b")).toBeNull();
    expect(pixels(get("panel-map"))).toBeDefined();
    drag(get("opacity"), 200);
    release(get("opacity"));
    expect(kernel.sent).toEqual(["save opacity"]);
  });

  test("Cancel and Escape send one request; the incomplete map is marked", async () => {
    const { kernel, get } = await open({ stop: "running" });
    press(get("alpha"), "Escape");
    expect(kernel.sent).toEqual(["cancel"]);
    await until(() => expect(get("explorer").dataset.stage).toBe("cancelled"));
    expect(get("stage").textContent).toContain("cancelled");
    press(get("alpha"), "Escape");
    expect(kernel.sent).toEqual(["cancel"]);
    get("run").click();
    expect(kernel.sent).toEqual(["cancel", "run"]);
    await until(() => expect(get("run").hidden).toBe(true));
  });

  test("a picture that is not of the present setting says so", async () => {
    const { kernel, get } = await open();
    const state = { phase: "running", job: 9, done: 0, total: 4, text: "", eta: null, error: null };
    kernel.emit("msg:custom", { event: "state", state }, []);
    expect(get("stage").textContent).toBe("computing");
    kernel.emit("msg:custom", { event: "state", state: { ...state, phase: "cancelled" } }, []);
    expect(get("stage").textContent).toBe("of the previous setting");
    expect(get("explorer").dataset.job).toBe("1");
  });

  test("an open list takes Escape for itself", async () => {
    const { kernel, get, root } = await open({ stop: "running" });
    get("target").dispatchEvent(new MouseEvent("mousedown", { bubbles: true }));
    press(get("target"), "Escape");
    expect(root.querySelector(".option")).toBeNull();
    expect(kernel.sent).toEqual([]);
  });

  test("the page is usable before the kernel says anything", async () => {
    const { root, get } = await open({ stop: "empty" });
    expect(root.textContent).toContain("Waiting for the kernel");
    expect(get("status").getAttribute("aria-live")).toBe("polite");
  });
});

describe("keys", () => {
  test.each([
    ["o", "overlay", "map"],
    ["s", "sign", "positive"],
    [",", "opacity", 0.8],
    ["[", "alpha", 0.99],
  ])("%s changes %s", async (key, trait, value) => {
    const { kernel, get } = await open();
    press(get("explorer"), key);
    expect(kernel.sent).toEqual([`save ${trait}`]);
    expect(kernel.get(trait)).toBe(value);
  });

  test("stay inside, but leave the browser's and the notebook's own alone", async () => {
    const { get } = await open();
    const outside = vi.fn();
    document.body.addEventListener("keydown", outside, { signal: life.signal });
    press(get("explorer"), "d");
    expect(outside).not.toHaveBeenCalled();
    press(get("explorer"), "s", { ctrlKey: true });
    expect(outside).toHaveBeenCalledOnce();
    expect(get("explorer").dataset.lmSuppressShortcuts).toBe("true");
  });

  test("do nothing where a letter is text", async () => {
    const { kernel, get } = await open();
    press(get("target"), "o");
    press(get("scale"), "s");
    expect(kernel.sent).toEqual([]);
  });

  test("Space on a button presses the button only", async () => {
    const { get } = await open();
    press(get("scale-lock"), " ");
    expect(get("play").getAttribute("aria-label")).toContain("Play");
    press(get("explorer"), " ");
    expect(get("play").getAttribute("aria-label")).toBe("Pause");
  });
});

describe("play", () => {
  test("moves without messages and sends alpha when stopped", async () => {
    const { kernel, get } = await open();
    get("play").click();
    await frame();
    await frame();
    expect(kernel.sent).toEqual([]);
    get("play").click();
    expect(kernel.sent).toEqual(["save alpha"]);
    expect(kernel.get("alpha")).toBeLessThan(1);
  });

  test("steps where motion is not wanted", async () => {
    media.reducedMotion = true;
    const { kernel, get } = await open({ traits: { alpha: 0.5 } });
    get("play").click();
    expect(kernel.get("alpha")).toBe(0.6);
    await frame();
    expect(kernel.get("alpha")).toBe(0.6);
  });

  test("stops when the page is hidden", async () => {
    const { get } = await open();
    get("play").click();
    vi.spyOn(document, "hidden", "get").mockReturnValue(true);
    document.dispatchEvent(new Event("visibilitychange"));
    expect(get("play").getAttribute("aria-label")).toContain("Play");
  });
});

describe("the end", () => {
  test("two views share one host and one hello; the second follows", async () => {
    const { kernel, elements } = await open({}, 2);
    const second = elements[1].querySelector('[data-testid="alpha"]') as HTMLInputElement;
    const first = elements[0].querySelector('[data-testid="alpha"]') as HTMLInputElement;
    drag(first, 400);
    release(first);
    expect(second.getAttribute("aria-valuetext")).toBe("0.40");
    expect(kernel.sent).toEqual(["save alpha"]);
  });

  test("a second page asks with what it has and gets the rest", async () => {
    const { kernel } = await open();
    const { initialize, render } = widget();
    initialize({ model: kernel, signal: life.signal });
    const el = document.body.appendChild(document.createElement("div"));
    render({ model: kernel, el, signal: life.signal });
    expect(kernel.sent).toEqual(["hello"]);
    await until(() => expect(el.querySelector("[data-stage=final]")).not.toBeNull());
  });

  test("nothing stays: listeners, observers, frames, elements, blobs", async () => {
    const added = vi.spyOn(EventTarget.prototype, "addEventListener");
    const { kernel, elements, get } = await open();
    get("play").click();
    const unsignalled = added.mock.calls.filter(([, , options], i) => {
      const target = added.mock.contexts[i];
      return (target === document || target === window || target === document.body) && !hasSignal(options);
    });
    expect(unsignalled).toEqual([]);
    expect(kernel.listening).toBeGreaterThan(0);
    expect(observing.size).toBeGreaterThan(0);
    const mutations = vi.spyOn(MutationObserver.prototype, "disconnect");
    life.abort();
    await frame();
    expect(kernel.listening).toBe(0);
    expect(observing.size).toBe(0);
    expect(mutations).toHaveBeenCalledOnce();
    expect(elements[0].childElementCount).toBe(0);
    expect((globalThis as Record<symbol, unknown>)[Symbol.for("saliscope")]).toBeUndefined();
    kernel.sent.length = 0;
    kernel.set("alpha", 0.1);
    await frame();
    expect(kernel.sent).toEqual([]);
  });

  test("the theme follows the notebook, or the trait", async () => {
    const { kernel, get } = await open();
    document.body.setAttribute("data-jp-theme-light", "false");
    await until(() => expect(get("explorer").dataset.theme).toBe("dark"));
    kernel.set("theme", "light");
    expect(get("explorer").dataset.theme).toBe("light");
    document.body.removeAttribute("data-jp-theme-light");
  });
});

const hasSignal = (options: unknown) =>
  typeof options === "object" && options !== null && "signal" in options;
