// @vitest-environment jsdom
/** Zoom and pan: linked, and silent until the hand rests. */
import { describe, expect, test, vi } from "vitest";
import { PLAIN, zoomAt } from "../views/saliency/gestures.js";
import { open } from "./page.js";

type Zoom = [number, number, number];

async function stage(zoom: Zoom = PLAIN) {
  const page = await open({ traits: { zoom } });
  const view = page.get("panel-map").querySelector(".view") as HTMLElement;
  view.getBoundingClientRect = () => ({ left: 0, top: 0, width: 100, height: 100 }) as DOMRect;
  view.setPointerCapture = () => {};
  const wheel = (more: WheelEventInit) => {
    const event = new WheelEvent("wheel", { cancelable: true, bubbles: true, ...more });
    view.dispatchEvent(event);
    return event;
  };
  const point = (type: string, clientX: number, clientY: number) =>
    view.dispatchEvent(new MouseEvent(type, { clientX, clientY, bubbles: true }));
  return { ...page, view, wheel, point };
}

describe("zooming", () => {
  test("keeps what lies under the pointer, and no frame is left empty", () => {
    const [factor, x, y] = zoomAt(PLAIN, 4, { x: 0.25, y: 0.5 });
    // The pixel at a quarter of the picture is still at a quarter of the frame.
    expect([factor, (0.25 - x) * factor + 0.5, y]).toEqual([4, 0.25, 0.5]);
    expect(zoomAt([2, 0.25, 0.25], 0.6)).toEqual([1.2, 0.5 / 1.2, 0.5 / 1.2]);
    expect(zoomAt(PLAIN, 1000)[0]).toBe(32);
    expect(zoomAt([4, 0.9, 0.1], 1 / 1000)).toEqual(PLAIN);
  });

  test("takes the wheel only with Ctrl or Cmd", async () => {
    const { kernel, wheel, root } = await stage();
    expect(wheel({ deltaY: -240 }).defaultPrevented).toBe(false);
    expect(kernel.sent).toEqual([]);
    expect(wheel({ deltaY: -240, metaKey: true }).defaultPrevented).toBe(true);
    const panels = root.querySelector(".panels") as HTMLElement;
    expect(panels.style.getPropertyValue("--zoom")).toBe("2");
  });

  test("is sent once, when the wheel rests", async () => {
    const { kernel, wheel } = await stage();
    vi.useFakeTimers();
    try {
      for (let i = 0; i < 6; i++) wheel({ deltaY: -40, ctrlKey: true, clientX: 50, clientY: 50 });
      expect(kernel.sent).toEqual([]);
      vi.advanceTimersByTime(1000);
      expect(kernel.sent).toEqual(["save zoom"]);
      expect(kernel.get("zoom")).toEqual([2, 0.5, 0.5]);
    } finally {
      vi.useRealTimers();
    }
  });
});

describe("panning", () => {
  test("follows the hand, is sent when it lets go, and stops at the edge", async () => {
    const { kernel, point } = await stage([2, 0.5, 0.5]);
    point("pointerdown", 50, 50);
    point("pointermove", 30, 60);
    expect(kernel.sent).not.toContain("save zoom");
    point("pointerup", 30, 60);
    expect(kernel.get("zoom")).toEqual([2, 0.6, 0.45]);
    point("pointerdown", 50, 50);
    point("pointermove", -900, 50);
    point("pointerup", -900, 50);
    expect(kernel.get("zoom")).toEqual([2, 0.75, 0.45]);
  });

  test("does nothing to the whole picture, or while a tool is in the hand", async () => {
    const { kernel, point } = await stage();
    point("pointerdown", 50, 50);
    point("pointermove", 30, 60);
    point("pointerup", 30, 60);
    expect(kernel.sent).toEqual([]);
  });

  test("a double click shows the whole picture", async () => {
    const { kernel, point } = await stage([8, 0.3, 0.3]);
    point("dblclick", 10, 10);
    expect(kernel.get("zoom")).toEqual(PLAIN);
  });
});
