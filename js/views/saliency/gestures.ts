/** Zoom and pan, linked over all panels: nothing is sent before a gesture ends. */
import { clamp } from "../../lib/format.js";
import { listen } from "../../lib/lifetime.js";
import { listenPinch } from "../../lib/wheel.js";
import type { Point, Store } from "./store.js";

type Zoom = [number, number, number];

const MOST = 32;

export const PLAIN: Zoom = [1, 0.5, 0.5];

/** The nearest view in which the picture fills its frame. */
function inside([factor, x, y]: Zoom): Zoom {
  const zoom = clamp(factor, 1, MOST);
  const edge = 0.5 / zoom;
  return [zoom, clamp(x, edge, 1 - edge), clamp(y, edge, 1 - edge)];
}

/** Zooms by `ratio` so that what lies at a place of the frame stays there. */
export function zoomAt([factor, x, y]: Zoom, ratio: number, at = { x: 0.5, y: 0.5 }): Zoom {
  const next = clamp(factor * ratio, 1, MOST);
  const shift = 1 / factor - 1 / next;
  return inside([next, x + (at.x - 0.5) * shift, y + (at.y - 0.5) * shift]);
}

/** A hundredth of a pixel is enough, and keeps the saved state small. */
const rounded = (zoom: Zoom) => zoom.map((value) => Math.round(value * 1e5) / 1e5) as Zoom;

/** Where on an element the pointer is, as shares of its width and height. */
export function placeOn(element: Element, event: MouseEvent): Point {
  const box = element.getBoundingClientRect();
  return { x: (event.clientX - box.left) / box.width, y: (event.clientY - box.top) / box.height };
}

export function listenZoom(view: HTMLElement, store: Store, life: AbortSignal): void {
  const { zoom } = store.traits;
  const turned = (factor: number, event: WheelEvent) =>
    store.set({ zoom: zoomAt(zoom.value, factor, placeOn(view, event)) });
  listenPinch(life, view, turned, () => store.commit({ zoom: rounded(zoom.value) }));

  let from: (Point & { zoom: Zoom }) | null = null;
  const down = (event: PointerEvent) => {
    if (event.button !== 0 || zoom.value[0] === 1 || store.tool.value !== "look") return;
    view.setPointerCapture(event.pointerId);
    from = { ...placeOn(view, event), zoom: zoom.value };
  };
  const move = (event: PointerEvent) => {
    if (!from) return;
    const [factor, x, y] = from.zoom;
    const at = placeOn(view, event);
    store.set({ zoom: inside([factor, x - (at.x - from.x) / factor, y - (at.y - from.y) / factor]) });
  };
  const up = () => {
    if (from && from.zoom !== zoom.value) store.commit({ zoom: rounded(zoom.value) });
    from = null;
  };
  listen(life, view, {
    dblclick: () => store.tool.value === "look" && store.commit({ zoom: PLAIN }),
    pointerdown: down,
    pointermove: move,
    pointerup: up,
    pointercancel: up,
  });
}
