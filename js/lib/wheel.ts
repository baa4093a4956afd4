/** Zoom by the wheel: the plain one scrolls the notebook, and a pinch comes as a wheel with Ctrl. */
import { atEnd, listen } from "./lifetime.js";

/** Wheel distance that doubles the size. */
const DOUBLE = 240;
/** Milliseconds without a turn of the wheel after which it is at rest. */
const REST = 250;
/** Pixels of a line, for wheels that count in lines. */
const LINE = 24;

export function listenPinch(
  life: AbortSignal,
  view: HTMLElement,
  zoom: (factor: number, event: WheelEvent) => void,
  rested: () => void,
): void {
  let rest = 0;
  atEnd(life, () => clearTimeout(rest));
  const wheel = (event: WheelEvent) => {
    if (!event.ctrlKey && !event.metaKey) return;
    event.preventDefault();
    const pixels = event.deltaY * (event.deltaMode === 0 ? 1 : LINE);
    zoom(2 ** (-pixels / DOUBLE), event);
    clearTimeout(rest);
    rest = window.setTimeout(rested, REST);
  };
  listen(life, view, { wheel }, { passive: false });
}
