/** The hand on a map: pan, zoom, point, choose. Nothing is sent before a gesture ends. */
import { listen } from "../../lib/lifetime.js";
import type { Camera as Trait } from "../../lib/map_wire.js";
import { listenPinch } from "../../lib/wheel.js";
import { type Camera, pan, type Size, WHOLE, zoomAt } from "../../render/points/camera.js";
import type { Spot } from "./overlay.js";
import type { Store } from "./store.js";

/** CSS pixels: less is a click, and further away no point is meant. */
const STILL = 4;
const NEAR = 14;
/** CSS pixels between two corners of a lasso. */
const CORNER = 3;

export interface Surface {
  readonly view: HTMLElement;
  readonly size: Size;
  /** The point there, -1 for none. */
  nearest(at: Spot, within: number): number;
  inside(corners: readonly Spot[]): Uint32Array;
  /** The id of the placed picture there. */
  star(at: Spot): number | null;
  /** Shows the lasso under the hand. */
  show(corners: readonly Spot[]): void;
}

export const cameraOf = ([zoom, x, y]: Trait): Camera => ({ zoom, x, y });
/** A hundredth of a pixel at the largest zoom is enough, and keeps the saved state small. */
export const traitOf = ({ zoom, x, y }: Camera): Trait => [
  Math.round(zoom * 1e4) / 1e4,
  Math.round(x * 1e7) / 1e7,
  Math.round(y * 1e7) / 1e7,
];

export function listenHand(surface: Surface, store: Store, life: AbortSignal): void {
  listenWheel(surface, store, life);
  const { view } = surface;
  let begun: { at: Spot; camera: Trait; moved: boolean; corners: Spot[] } | null = null;
  const spot = (event: MouseEvent): Spot => {
    const { left, top } = view.getBoundingClientRect();
    return { x: event.clientX - left - view.clientLeft, y: event.clientY - top - view.clientTop };
  };
  const down = (event: PointerEvent) => {
    if (event.button !== 0) return;
    view.setPointerCapture?.(event.pointerId);
    const at = spot(event);
    begun = { at, camera: store.traits.camera.value, moved: false, corners: [at] };
  };
  const move = (event: PointerEvent) => {
    const at = spot(event);
    if (!begun) {
      const found = surface.nearest(at, NEAR);
      store.hovered.value = found < 0 ? null : found;
      return;
    }
    begun.moved ||= Math.hypot(at.x - begun.at.x, at.y - begun.at.y) >= STILL;
    if (!begun.moved) return;
    store.hovered.value = null;
    if (store.tool.value === "look") {
      const moved = pan(cameraOf(begun.camera), surface.size, at.x - begun.at.x, at.y - begun.at.y);
      store.set({ camera: traitOf(moved) });
    } else {
      begun.corners = store.tool.value === "lasso" ? extended(begun.corners, at) : rectangle(begun.at, at);
      surface.show(begun.corners);
    }
  };
  const up = (event: PointerEvent) => {
    const ended = begun;
    begun = null;
    surface.show([]);
    if (!ended) return;
    if (event.type === "pointercancel") store.set({ camera: ended.camera });
    else if (!ended.moved) click(surface, store, ended.at);
    else if (store.tool.value === "look") store.commit({ camera: store.traits.camera.value });
    else {
      const change = event.shiftKey ? "add" : event.altKey ? "take" : "replace";
      choose(store, surface.inside(ended.corners), change);
    }
  };
  listen(life, view, {
    pointerdown: down,
    pointermove: move,
    pointerup: up,
    pointercancel: up,
    pointerleave: () => {
      if (!begun) store.hovered.value = null;
    },
    dblclick: () => store.tool.value === "look" && store.commit({ camera: traitOf(WHOLE) }),
  });
}

function listenWheel(surface: Surface, store: Store, life: AbortSignal): void {
  const { view } = surface;
  const { camera } = store.traits;
  const zoom = (factor: number, event: WheelEvent) => {
    const { left, top } = view.getBoundingClientRect();
    const [x, y] = [event.clientX - left, event.clientY - top];
    store.set({ camera: traitOf(zoomAt(cameraOf(camera.value), surface.size, x, y, factor)) });
  };
  listenPinch(life, view, zoom, () => store.commit({ camera: camera.value }));
}

function click(surface: Surface, store: Store, at: Spot): void {
  const star = surface.star(at);
  const point = surface.nearest(at, NEAR);
  if (star !== null) store.star.value = star;
  else if (point >= 0) store.look(point);
}

function extended(corners: Spot[], at: Spot): Spot[] {
  const last = corners[corners.length - 1];
  return Math.hypot(at.x - last.x, at.y - last.y) < CORNER ? corners : [...corners, at];
}

const rectangle = (from: Spot, to: Spot): Spot[] => [
  from,
  { x: to.x, y: from.y },
  to,
  { x: from.x, y: to.y },
];

/** What was chosen before stays, goes, or is replaced. */
export function choose(store: Store, found: Uint32Array, change: "add" | "take" | "replace"): void {
  const chosen = new Set(change === "replace" ? [] : store.selections.selection.value);
  for (const place of found) {
    if (change === "take") chosen.delete(place);
    else chosen.add(place);
  }
  const places = Uint32Array.from(chosen).sort();
  store.choose("selection", places);
  store.said.value = places.length ? `${places.length} selected` : "Nothing selected";
}
