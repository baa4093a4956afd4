/** A page with maps on it, for tests of the view. */
import { expect } from "vitest";
import { FakeMapKernel, type MapKernelOptions } from "../demo/map_kernel.js";
import { mapAt } from "../demo/rows.js";
import widget from "../entry/embedding.js";
import { frame, life, until } from "./page.js";

export async function openMaps(options: Partial<MapKernelOptions> = {}) {
  const kernel = new FakeMapKernel({ n: 60, pace: 1, ...options });
  const { initialize, render } = widget();
  initialize({ model: kernel, signal: life.signal });
  const root = document.body.appendChild(document.createElement("div"));
  render({ model: kernel, el: root, signal: life.signal });
  const get = <T extends HTMLElement = HTMLElement>(id: string) =>
    root.querySelector<T>(`[data-testid="${id}"]`) as T;
  const stage = { running: "partial" }[options.stop ?? ""] ?? options.stop ?? "final";
  if (!["empty", "error"].includes(stage)) await until(() => expect(get("map-0").dataset.stage).toBe(stage));
  await frame();
  kernel.sent.length = kernel.asked.length = 0;
  const view = get("map-view-0");
  view.getBoundingClientRect = () => ({ left: 0, top: 0, width: 900, height: 900 }) as DOMRect;
  return { kernel, root, get, view };
}

/** Where a point of the first map is on the screen of the tests, 900 px wide. */
export function spotOf(kernel: FakeMapKernel, coords: Uint16Array, point: number) {
  expect(point).toBeLessThan(kernel.rows.n);
  const at = (unit: number) => 450 + (unit / 65535 - 0.5) * 0.94 * 900;
  return { x: at(coords[2 * point]), y: 900 - at(coords[2 * point + 1]) };
}

export function pointer(view: HTMLElement, type: string, x: number, y: number, more: MouseEventInit = {}) {
  const event = new MouseEvent(type, { clientX: x, clientY: y, bubbles: true, cancelable: true, ...more });
  view.dispatchEvent(event);
  return event;
}

/** Press, move, let go. */
export function dragOver(
  view: HTMLElement,
  corners: readonly (readonly [number, number])[],
  more: MouseEventInit = {},
) {
  pointer(view, "pointerdown", ...corners[0], more);
  for (const corner of corners.slice(1)) pointer(view, "pointermove", ...corner, more);
  pointer(view, "pointerup", ...corners[corners.length - 1], more);
}

export const finalMap = (kernel: Awaited<ReturnType<typeof openMaps>>["kernel"]) =>
  mapAt(kernel.rows, "tsne", 1);

/** Brings a point in focus by a click on it. */
export async function focus({ kernel, view }: Awaited<ReturnType<typeof openMaps>>, point = 0) {
  const { x, y } = spotOf(kernel, finalMap(kernel), point);
  dragOver(view, [[x, y]]);
  await until(() => expect(kernel.get("point")).not.toBeNull());
  return kernel.get("point") as number;
}
