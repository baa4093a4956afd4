// @vitest-environment jsdom
/** The region: the hand that draws it, and what the side panel says of it. */
import { beforeEach, describe, expect, test, vi } from "vitest";
import { Brush, middle, moved, rectBetween, resized } from "../lib/brush.js";
import { maskOf } from "../lib/region.js";
import type { Region } from "../lib/wire.js";
import { frame, open, press } from "./page.js";

const SIZE = { width: 12, height: 8 };
const count = (region: Region | null, { width, height } = SIZE) =>
  region ? maskOf(region, width, height).reduce((sum, bit) => sum + bit, 0) : 0;

describe("rectangles", () => {
  test("hold both corners, whichever is first", () => {
    expect(rectBetween({ x: 0.5, y: 0.5 }, { x: 0.25, y: 0.25 }, SIZE)).toEqual([3, 2, 4, 3]);
    expect(rectBetween({ x: 0.5, y: 0.5 }, { x: 0.5, y: 0.5 }, SIZE)).toEqual([6, 4, 1, 1]);
  });

  test("stay in the picture", () => {
    expect(rectBetween({ x: -2, y: 0 }, { x: 1, y: 3 }, SIZE)).toEqual([0, 0, 12, 8]);
    expect(moved([8, 5, 4, 3], 5, -9, SIZE)).toEqual([8, 0, 4, 3]);
    expect(resized([8, 5, 4, 3], 5, -9, SIZE)).toEqual([8, 5, 4, 1]);
    expect(middle(SIZE)).toEqual([3, 2, 6, 4]);
  });
});

describe("the brush", () => {
  const dot = { x: 0.5, y: 0.5 };

  test("hits at least the cell under it, and wipes it out again", () => {
    const brush = new Brush(SIZE, null);
    expect(brush.region()).toBeNull();
    brush.stroke(dot, dot, 0.001, true);
    expect(brush.region()).toEqual({ rect: [6, 4, 1, 1] });
    brush.stroke(dot, dot, 0.001, false);
    expect(brush.region()).toBeNull();
  });

  test("is round, and covers the whole way between two places", () => {
    const size = { width: 64, height: 64 };
    const disc = new Brush(size, null);
    disc.stroke(dot, dot, 0.5, true);
    const area = count(disc.region(), size);
    expect(Math.abs(area / (Math.PI * 16 * 16) - 1)).toBeLessThan(0.02);
    const way = new Brush(size, null);
    way.stroke({ x: 0.25, y: 0.5 }, { x: 0.75, y: 0.5 }, 0.25, true);
    expect(Math.abs(count(way.region(), size) / (Math.PI * 64 + 32 * 16) - 1)).toBeLessThan(0.04);
  });

  test("goes on from what is there", () => {
    const brush = new Brush(SIZE, { rect: [0, 0, 3, 2] });
    brush.stroke({ x: 0.99, y: 0.99 }, { x: 0.99, y: 0.99 }, 0.001, true);
    const mask = maskOf(brush.region() as Region, 12, 8);
    expect([mask[0], mask[2], mask[3], mask[95]]).toEqual([1, 1, 0, 1]);
  });

  test("of a large picture fits the wire", () => {
    const brush = new Brush({ width: 1000, height: 600 }, null);
    brush.stroke({ x: 0.1, y: 0.2 }, { x: 0.9, y: 0.7 }, 0.2, true);
    const region = brush.region();
    expect(region && "cells" in region && Math.max(...region.cells)).toBeLessThanOrEqual(64);
    expect(JSON.stringify(region).length).toBeLessThan(760);
  });
});

/** jsdom has no layout: every picture is 120 by 80 at the corner of the page. */
beforeEach(() => {
  vi.spyOn(HTMLCanvasElement.prototype, "getBoundingClientRect").mockReturnValue({
    left: 0,
    top: 0,
    width: 120,
    height: 80,
  } as DOMRect);
  Element.prototype.setPointerCapture = () => {};
});

const view = (root: HTMLElement, panel = "panel-map") =>
  root.querySelector(`[data-testid="${panel}"] .view`) as HTMLElement;

function point(target: Element, type: string, x: number, y: number) {
  const event = new MouseEvent(type, { clientX: x, clientY: y, button: 0, bubbles: true });
  target.dispatchEvent(Object.assign(event, { pointerId: 1 }));
}

describe("the hand", () => {
  test("draws without a message and sends the region once", async () => {
    const { kernel, root, get } = await open();
    get("tool-rectangle").click();
    point(view(root), "pointerdown", 30, 20);
    for (const x of [40, 50, 60]) point(view(root), "pointermove", x, 40);
    await frame();
    expect(kernel.sent).toEqual([]);
    const early = get("region-area").dataset.value;
    point(view(root), "pointermove", 75, 45);
    point(view(root), "pointerup", 75, 45);
    expect(kernel.sent).toEqual(["save region"]);
    expect(kernel.get("region")).toEqual({ rect: [3, 2, 5, 3] });
    await frame();
    expect(get("region-area").dataset.value).not.toBe(early);
    expect(Number(get("region-area").dataset.value)).toBeCloseTo(15 / 96);
  });

  test("the outline is on every picture", async () => {
    const { root } = await open({ traits: { region: { rect: [1, 2, 3, 4] }, compare: [{ n_steps: 4 }] } });
    const outlines = [...root.querySelectorAll(".outline .edge:not(.under)")];
    expect(outlines.map((path) => path.getAttribute("d"))).toEqual(Array(3).fill("M1 2h3v4h-3z"));
  });

  test("with the plain tool nothing is drawn", async () => {
    const { kernel, root } = await open();
    point(view(root), "pointerdown", 30, 20);
    point(view(root), "pointermove", 75, 45);
    point(view(root), "pointerup", 75, 45);
    expect(kernel.sent).toEqual([]);
  });

  test("a slip of the hand leaves the rectangle as it is", async () => {
    const { kernel, root, get } = await open({ traits: { region: { rect: [1, 2, 3, 4] } } });
    get("tool-rectangle").click();
    point(view(root), "pointerdown", 30, 20);
    point(view(root), "pointermove", 31, 21);
    point(view(root), "pointerup", 31, 21);
    expect(kernel.sent).toEqual([]);
    expect(kernel.get("region")).toEqual({ rect: [1, 2, 3, 4] });
  });

  test("paints, wipes out, and a wiped out region is none", async () => {
    const { kernel, root, get } = await open();
    get("tool-brush").click();
    point(view(root), "pointerdown", 30, 20);
    point(view(root), "pointerup", 30, 20);
    expect(count(kernel.get("region") as Region)).toBeGreaterThan(0);
    get("tool-eraser").click();
    point(view(root, "panel-input"), "pointerdown", 0, 20);
    point(view(root, "panel-input"), "pointermove", 120, 20);
    point(view(root, "panel-input"), "pointerup", 120, 20);
    expect(kernel.get("region")).toBeNull();
    expect(get("region-numbers")).toBeNull();
  });

  test("Escape gives the stroke up, then puts the tool away", async () => {
    const { kernel, root, get } = await open();
    get("tool-rectangle").click();
    point(view(root), "pointerdown", 30, 20);
    point(view(root), "pointermove", 75, 45);
    await frame();
    press(view(root), "Escape");
    expect(get("region-numbers")).toBeNull();
    point(view(root), "pointerup", 75, 45);
    expect(kernel.sent).toEqual([]);
    expect(get("tool").dataset.value).toBe("rectangle");
    press(view(root), "Escape");
    expect(get("tool").dataset.value).toBe("look");
  });
});

describe("by keyboard", () => {
  const down = (target: Element, key: string, more: KeyboardEventInit = {}) =>
    target.dispatchEvent(new KeyboardEvent("keydown", { key, bubbles: true, cancelable: true, ...more }));
  const up = (target: Element, key: string) =>
    target.dispatchEvent(new KeyboardEvent("keyup", { key, bubbles: true }));

  test("arrows move the rectangle, Shift resizes it; it is said, and sent when the key is lifted", async () => {
    const { kernel, root, get } = await open();
    get("tool-rectangle").click();
    const outside = vi.fn();
    document.body.addEventListener("keydown", outside, { once: true });
    down(view(root), "ArrowLeft");
    down(view(root), "ArrowLeft");
    down(view(root), "ArrowDown", { shiftKey: true });
    expect(kernel.sent).toEqual([]);
    up(view(root), "ArrowDown");
    expect(kernel.sent).toEqual(["save region"]);
    expect(kernel.get("region")).toEqual({ rect: [2, 2, 6, 5] });
    expect(root.textContent).toContain("Rectangle of 6 by 5 pixels at 2, 2");
    expect(outside).not.toHaveBeenCalled();
    expect(get("readout").textContent).toContain("Point at a pixel"); // the cursor has not walked along
  });

  test("Enter paints under the cursor; Delete removes the region", async () => {
    const { kernel, root, get } = await open();
    get("tool-brush").click();
    press(view(root), "ArrowRight"); // puts the cursor into the middle
    press(view(root), "Enter");
    expect(count(kernel.get("region") as Region)).toBeGreaterThan(0);
    press(view(root), "Delete");
    expect(kernel.get("region")).toBeNull();
  });

  test("the picture says what its keys do", async () => {
    const { root, get } = await open();
    expect(view(root).hasAttribute("aria-description")).toBe(false);
    get("tool-rectangle").click();
    expect(view(root).getAttribute("aria-description")).toContain("Shift and arrow keys resize");
  });
});

describe("the numbers", () => {
  const whole: Region = { rect: [0, 0, 12, 8] };

  test("of the whole picture are the map's own", async () => {
    const { get } = await open({ traits: { region: whole } });
    expect(Number(get("region-area").dataset.value)).toBe(1);
    expect(Number(get("region-density").dataset.value)).toBe(1);
    expect(get("region-sum").textContent).toContain("+11.4\u00a0logit");
    expect(Number(get("region-share").dataset.value)).toBeCloseTo(1 - 0.45 / 23, 2);
  });

  test("follow alpha without a message", async () => {
    const { kernel, get } = await open({ traits: { region: whole } });
    const sum = Number(get("region-sum").dataset.value);
    get("alpha").value = "200";
    get("alpha").dispatchEvent(new Event("input", { bubbles: true }));
    await frame();
    expect(kernel.sent).toEqual([]);
    expect(Number(get("region-sum").dataset.value)).toBeLessThan(0.9 * sum);
  });

  test("a share that is none is said to be none, for each reason", async () => {
    const compare = [{ method: "saliency" }, { difference: [0, 0] as [number, number] }];
    const { kernel, get } = await open({ traits: { region: whole, compare } });
    for (const [panel, reason] of [
      [1, "Saliency does not add up"],
      [2, "a map made of others"],
    ] as const) {
      kernel.set("panel", panel);
      await frame();
      expect(get("region-share").textContent).toContain(reason);
      expect(get("region-share").dataset.value).toBe("");
    }
    kernel.set("panel", 0);
    kernel.set("along", "gradient");
    await vi.waitFor(() => expect(get("region-share").textContent).toContain("a gradient is no part"));
  });

  test("where the score does not change there is no share, and where the map is zero no density", async () => {
    const { get } = await open({ zero: true, traits: { region: whole } });
    expect(get("region-share").textContent).toContain("not defined");
    expect(get("region-density").textContent).toContain("not defined");
  });

  test("of the other panels stand beside them, on a line each", async () => {
    const { root } = await open({ traits: { region: whole, compare: [{ method: "grad_cam" }] } });
    await vi.waitFor(() => {
      const lines = [...root.querySelectorAll('[data-testid="region-other"]')];
      expect(lines).toHaveLength(1);
      expect(lines[0].textContent).toMatch(/2\s+Grad-CAM/);
    });
  });

  test("Clear clears", async () => {
    const { kernel, get } = await open({ traits: { region: whole } });
    get("region-clear").click();
    expect(kernel.sent).toEqual(["save region"]);
    expect(kernel.get("region")).toBeNull();
  });
});
