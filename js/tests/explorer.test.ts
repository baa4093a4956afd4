/** The whole widget against the demo's kernel: what is sent, what is shown, what is left behind. */
import { afterEach, describe, expect, test, vi } from "vitest";
import { FakeKernel, type KernelOptions } from "../demo/kernel.js";
import { labels, scene } from "../demo/made_up.js";
import widget from "../entry/index.js";
import { Surface as CanvasPixels } from "../render/canvas.js";
import { media, shown } from "./setup.js";
import { frame } from "./stubs.js";

let life = new AbortController();
afterEach(() => {
  life.abort();
  life = new AbortController();
});

const pictures = Array.from({ length: 2 }, (_, i) => ({ width: 12, height: 8, ...scene(12, 8, i) }));

/** A page with the explorer on it, when the job has come to where it stops. */
async function open(options: Partial<KernelOptions> = {}, views = 1) {
  const kernel = new FakeKernel({
    pictures: pictures.slice(0, 1),
    labels: labels("10"),
    stop: "final",
    zero: false,
    traits: {},
    pace: 1,
    ...options,
  });
  const { initialize, render } = widget();
  initialize({ model: kernel, signal: life.signal });
  const elements = Array.from({ length: views }, () =>
    document.body.appendChild(document.createElement("div")),
  );
  for (const el of elements) render({ model: kernel, el, signal: life.signal });
  const root = elements[0];
  const get = <T extends HTMLElement = HTMLInputElement>(id: string) =>
    root.querySelector<T>(`[data-testid="${id}"]`) as T;
  const stage = { running: "partial", error: "preview" }[options.stop ?? ""] ?? options.stop ?? "final";
  if (stage !== "empty") await until(() => expect(get("explorer").dataset.stage).toBe(stage));
  await frame();
  kernel.sent.length = 0;
  return { kernel, root, elements, get };
}

/** A machine under load may take seconds; what is awaited still has to come. */
const until = (condition: () => void) => vi.waitFor(condition, { timeout: 20_000 });

const pixels = (panel: HTMLElement) => shown.get(panel.querySelector("canvas") as HTMLCanvasElement);

function drag(slider: HTMLInputElement, position: number) {
  slider.value = String(position);
  slider.dispatchEvent(new Event("input", { bubbles: true }));
}
const release = (slider: HTMLInputElement) => slider.dispatchEvent(new Event("change", { bubbles: true }));

function press(target: Element, key: string, more: KeyboardEventInit = {}) {
  const event = new KeyboardEvent("keydown", { key, bubbles: true, cancelable: true, ...more });
  target.dispatchEvent(event);
  target.dispatchEvent(new KeyboardEvent("keyup", { key, bubbles: true }));
  return event;
}

describe("dragging", () => {
  test.each(["alpha", "opacity", "threshold"] as const)(
    "%s redraws without a message, and is sent once",
    async (name) => {
      const { kernel, get } = await open();
      const before = pixels(get("panel-map"));
      for (const position of [900, 700, 500]) {
        drag(get(name), position);
        await frame();
      }
      expect(kernel.sent).toEqual([]);
      expect(pixels(get("panel-map"))).not.toEqual(before);
      release(get(name));
      expect(kernel.sent).toEqual([`save ${name}`]);
      expect(kernel.get(name)).toBeCloseTo(0.5, 2);
    },
  );

  test("many moves between two frames are one frame", async () => {
    const { get } = await open();
    const draw = vi.spyOn(CanvasPixels.prototype, "show");
    for (let position = 900; position > 100; position -= 10) drag(get("alpha"), position);
    await frame();
    expect(draw).toHaveBeenCalledTimes(2); // the input and the map
  });

  test("a baseline is sent while its slider moves, once a frame", async () => {
    const { kernel, get } = await open({ traits: { baseline: { kind: "grey", level: 0.5 } } });
    for (const position of [600, 650, 700]) drag(get("baseline-slider"), position);
    await frame();
    expect(kernel.sent).toEqual(["save baseline"]);
    expect(kernel.get("baseline")).toEqual({ kind: "grey", level: 0.7 });
  });

  test("a held arrow key is one message, when it is lifted", async () => {
    const { kernel, get } = await open();
    const slider = get("alpha");
    for (let i = 0; i < 5; i++) {
      slider.dispatchEvent(new KeyboardEvent("keydown", { key: "ArrowLeft", bubbles: true }));
    }
    expect(kernel.sent).toEqual([]);
    slider.dispatchEvent(new KeyboardEvent("keyup", { key: "ArrowLeft", bubbles: true }));
    expect(kernel.sent).toEqual(["save alpha"]);
    expect(kernel.get("alpha")).toBe(0.95);
    press(slider, "ArrowLeft", { shiftKey: true });
    expect(kernel.get("alpha")).toBe(0.85);
  });

  test("another trait written meanwhile does not move the slider under the hand", async () => {
    const { kernel, get } = await open();
    drag(get("alpha"), 300);
    kernel.set("sign", "positive");
    await frame();
    expect(get("alpha").getAttribute("aria-valuetext")).toBe("0.30");
  });
});

describe("what is shown", () => {
  test("a trait set in Python moves the view", async () => {
    const { kernel, get } = await open();
    const before = pixels(get("panel-input"));
    kernel.set("alpha", 0.25);
    await frame();
    expect(get("alpha").getAttribute("aria-valuetext")).toBe("0.25");
    expect(pixels(get("panel-input"))).not.toEqual(before);
    expect(kernel.sent).toEqual([]);
  });

  test("at alpha = 0 the map is zero: grey everywhere", async () => {
    const { kernel, get } = await open();
    kernel.set("alpha", 0);
    await frame();
    const rgba = pixels(get("panel-map")) as Uint8ClampedArray;
    for (let i = 0; i < rgba.length; i += 4)
      expect([rgba[i], rgba[i + 1]]).toEqual([rgba[i + 1], rgba[i + 2]]);
  });

  test("hovering reads both panels and sends nothing", async () => {
    const { kernel, get, root } = await open();
    const view = get("panel-map").querySelector(".view") as HTMLElement;
    const canvas = view.querySelector("canvas") as HTMLCanvasElement;
    canvas.getBoundingClientRect = () => ({ left: 0, top: 0, width: 120, height: 80 }) as DOMRect;
    view.dispatchEvent(new MouseEvent("pointermove", { clientX: 35, clientY: 79.5 }));
    expect(get("readout").dataset).toMatchObject({ x: "3", y: "7" });
    const [r, g, b] = pictures[0].rgb.subarray(3 * (7 * 12 + 3));
    expect(get("readout").dataset.rgb).toBe(`${r} ${g} ${b}`);
    expect(get("readout").textContent).toContain("logit");
    expect([...root.querySelectorAll<HTMLElement>(".mark")].map((mark) => mark.hidden)).toEqual([
      false,
      false,
    ]);
    view.dispatchEvent(new MouseEvent("pointerleave"));
    expect(get("readout").dataset.value).toBeUndefined();
    expect(kernel.sent).toEqual([]);
  });

  test("arrow keys walk the pixels and stop at the edge", async () => {
    const { get } = await open();
    const view = get("panel-input").querySelector(".view") as HTMLElement;
    press(view, "ArrowRight");
    expect(get("readout").dataset).toMatchObject({ x: "6", y: "4" });
    press(view, "ArrowRight", { shiftKey: true });
    press(view, "ArrowUp");
    expect(get("readout").dataset).toMatchObject({ x: "11", y: "3" });
  });

  test("a method without a path hides alpha, curves and sentence", async () => {
    const { get, root } = await open({ traits: { method: "saliency" } });
    expect(root.querySelector<HTMLElement>(".path")?.hidden).toBe(true);
    expect(get("sentence")).toBeNull();
    expect(get("baseline-black")).toBeNull();
    expect(get("steps")).toBeNull();
  });

  test("controls come from their descriptions", async () => {
    const { kernel, get } = await open({ traits: { method: "smooth_grad" } });
    drag(get("param-noise_level"), 500);
    expect(kernel.sent).toEqual([]);
    release(get("param-noise_level"));
    expect(kernel.get("params")).toEqual({ noise_level: 0.5 });
  });

  test("a new method starts with its own parameters, in one message", async () => {
    const { kernel, get } = await open({ traits: { params: { rule: "right" } } });
    const select = get<HTMLSelectElement>("method");
    select.value = "grad_cam";
    select.dispatchEvent(new Event("change"));
    expect(kernel.sent).toEqual(["save method params"]);
    expect(kernel.get("params")).toEqual({});
  });

  test("labels are text, whatever is in them", async () => {
    const { get, root } = await open({ labels: labels("hostile") });
    get("target").dispatchEvent(new MouseEvent("mousedown", { bubbles: true }));
    const options = [...root.querySelectorAll(".option bdi")].map((option) => option.textContent);
    expect(options).toContain("<img src=x onerror=\"document.title='taken'\">");
    expect(options).toContain("Class 8");
    expect(Math.max(...options.map((text) => text?.length ?? 0))).toBeLessThanOrEqual(160);
    expect(root.querySelector("img, script, b")).toBeNull();
    expect(document.title).not.toBe("taken");
  });

  test("a preview is marked as one, and the result on screen is named on the root", async () => {
    const { get } = await open({ stop: "preview" });
    expect(get("stage").textContent).toBe("preview");
    expect(get("explorer").dataset.job).toBe("1");
  });

  test("an all-zero map says so, and gives no share", async () => {
    const { get } = await open({ zero: true });
    expect(get("clipped").textContent).toContain("zero everywhere");
    expect(get("sentence").textContent).toContain("no share of it can be given");
  });

  test("1000 classes are found by typing", async () => {
    const { kernel, get, root } = await open({ labels: labels("1000") });
    const field = get("target");
    field.value = "OTTER 3";
    field.dispatchEvent(new Event("input", { bubbles: true }));
    expect(root.querySelectorAll(".option")).toHaveLength(11); // otter 3, otter 30 ... otter 39
    press(field, "ArrowDown");
    press(field, "Enter");
    expect(kernel.get("target")).toBe(296); // otter 30 is label 29 * 10 + 6
    expect(root.querySelector(".option")).toBeNull();
  });

  test("the scale locks at what is shown, and lets go", async () => {
    const { kernel, get } = await open();
    get("scale-lock").click();
    expect(kernel.get("scale")).toBeGreaterThan(0);
    get("scale-lock").click();
    expect(kernel.get("scale")).toBeNull();
  });
});

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
    life.abort();
    await frame();
    expect(kernel.listening).toBe(0);
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
