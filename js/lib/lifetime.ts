/**
 * Everything that has to end ends by one `AbortSignal`: effects, listeners, observers, frames.
 * A view makes one controller, hands its signal on, and aborts it in `destroy()`.
 */
import { effect } from "@preact/signals-core";

export { batch, computed, type ReadonlySignal, type Signal, signal, untracked } from "@preact/signals-core";

/** Calls `end` once, when `life` ends. */
export function atEnd(life: AbortSignal, end: () => void): void {
  life.addEventListener("abort", end, { once: true });
}

/** A life of its own, that ends with `outer` at the latest. */
export function lifeWithin(outer: AbortSignal | undefined): AbortController {
  const life = new AbortController();
  const end = () => life.abort();
  if (outer) {
    atEnd(outer, end);
    atEnd(life.signal, () => outer.removeEventListener("abort", end));
  }
  return life;
}

type Handlers = { [K in keyof HTMLElementEventMap]?: (event: HTMLElementEventMap[K]) => unknown };

/** Listens until `life` ends. */
export function listen(
  life: AbortSignal,
  target: EventTarget,
  handlers: Handlers,
  options?: AddEventListenerOptions,
): void {
  for (const [name, handler] of Object.entries(handlers))
    target.addEventListener(name, handler as EventListener, { ...options, signal: life });
}

/** Runs `fn` now and whenever a signal it read changes, until `life` ends; what it returns cleans up. */
// biome-ignore lint/suspicious/noConfusingVoidType: most effects have nothing to clean up
export function react(life: AbortSignal, fn: () => void | (() => void)): void {
  if (life.aborted) return;
  atEnd(life, effect(fn));
}

/** Calls `draw` at most once a frame however often it is asked for; nothing is drawn after the end. */
export function perFrame(life: AbortSignal, draw: () => void): () => void {
  let handle = 0;
  atEnd(life, () => cancelAnimationFrame(handle));
  const run = () => {
    handle = 0;
    draw();
  };
  return () => {
    if (!handle && !life.aborted) handle = requestAnimationFrame(run);
  };
}

/** Width and height of an element now and whenever they change: never the window's. */
export function watchSize(
  life: AbortSignal,
  element: Element,
  changed: (width: number, height: number) => void,
): void {
  const observer = new ResizeObserver((entries) => {
    for (const { contentRect } of entries) changed(contentRect.width, contentRect.height);
  });
  observer.observe(element);
  atEnd(life, () => observer.disconnect());
}

export function watchWidth(life: AbortSignal, element: Element, changed: (width: number) => void): void {
  watchSize(life, element, changed);
}
