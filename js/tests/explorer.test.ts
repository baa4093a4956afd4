// @vitest-environment jsdom
/** The whole widget against the demo's kernel: what is sent, and what is shown. */
import { describe, expect, test, vi } from "vitest";
import { labels } from "../demo/made_up.js";
import type { Traits } from "../lib/wire.js";
import { Surface } from "../render/canvas.js";
import { drag, frame, open, pictures, pixels, press, release } from "./page.js";

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
    const draw = vi.spyOn(Surface.prototype, "show");
    for (let position = 900; position > 100; position -= 10) drag(get("alpha"), position);
    await frame();
    expect(draw).toHaveBeenCalledTimes(2); // the input and the map
    drag(get("opacity"), 300);
    await frame();
    expect(draw).toHaveBeenCalledTimes(3); // only the map
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

  test("a new method is one word; its parameters are the kernel's to choose", async () => {
    const { kernel, get } = await open({ traits: { params: { rule: "right" } } });
    const select = get<HTMLSelectElement>("method");
    select.value = "grad_cam";
    select.dispatchEvent(new Event("change"));
    expect(kernel.sent).toEqual(["save method"]);
    expect(get("layer")).not.toBeNull();
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

  test("a map with gaps says so where it is seen, and which they are", async () => {
    const { get, root } = await open({ traits: { method: "guided_backprop" } });
    expect(get("stage").textContent).toBe("3 operations without a rule");
    get("card").click();
    await frame();
    const words = "for 16 operations; by the gradient, for want of one: gelu (2 times), softmax";
    expect(fact(root, "Rules")).toBe(words);
    expect(fact(root, "Sampling error")).toBeUndefined();
  });

  test("the error of sampling stands among the facts", async () => {
    const { get, root } = await open({ traits: { method: "smooth_grad" } });
    get("card").click();
    await frame();
    expect(fact(root, "Sampling error")).toBe("4.2\u00a0% of the map");
    expect(fact(root, "Rules")).toBeUndefined();
  });

  test("a control without effect is not there", async () => {
    const { kernel, get } = await open({ traits: { params: { rule: "midpoint" } } });
    expect(get("param-tolerance")).toBeNull();
    expect(get("steps").getAttribute("aria-label")).toBe("Steps");
    kernel.set("params", { rule: "adaptive" });
    await frame();
    expect(get("steps").getAttribute("aria-label")).toBe("Steps at most");
    expect(get("param-tolerance").getAttribute("aria-valuetext")).toBe("5\u00a0%");
  });

  test("methods stand under the headings of their families", async () => {
    const { get } = await open({ traits: { method: "grad_cam" } });
    const groups = [...get("method").querySelectorAll("optgroup")];
    expect(groups.map(({ label }) => label)).toEqual([
      "Gradients",
      "Paths",
      "Noise",
      "Class activation maps",
      "Rules",
    ]);
    expect([...groups[0].children].map(({ textContent }) => textContent)).toEqual([
      "Saliency",
      "Input × Gradient",
    ]);
    expect((get("method") as HTMLSelectElement).value).toBe("grad_cam");
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
    const { mode, limits } = kernel.get("scale") as Traits["scale"];
    expect([mode, limits.logit > 0]).toEqual(["fixed", true]);
    get("scale-lock").click();
    expect(kernel.get("scale")).toEqual({ mode: "auto", limits: {} });
  });
});

/** What stands beside a name among the facts of the dialog. */
function fact(root: HTMLElement, name: string): string | null | undefined {
  const term = [...root.querySelectorAll("[role=dialog] dt")].find(({ textContent }) => textContent === name);
  return term?.nextElementSibling?.textContent;
}
