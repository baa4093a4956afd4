/** A page for tests of views: what jsdom lacks (layout, media queries, pixels), and a hand. */
import { afterEach, beforeEach, expect, vi } from "vitest";
import { FakeKernel, type KernelOptions } from "../demo/kernel.js";
import { labels, scene } from "../demo/made_up.js";
import widget from "../entry/index.js";

/** Observers that nobody has disconnected yet. */
export const observing = new Set<object>();

class FixedWidth {
  static width = 900;
  constructor(private readonly changed: ResizeObserverCallback) {}
  observe(target: Element): void {
    observing.add(this);
    const entry = { target, contentRect: { width: FixedWidth.width } };
    this.changed([entry as unknown as ResizeObserverEntry], this as unknown as ResizeObserver);
  }
  unobserve(): void {}
  disconnect(): void {
    observing.delete(this);
  }
}

export const media = { reducedMotion: false, dark: false };

/** The bytes last put on a canvas. */
export const shown = new WeakMap<HTMLCanvasElement, Uint8ClampedArray>();

function context(this: HTMLCanvasElement) {
  return {
    createImageData: (width: number, height: number) => ({
      width,
      height,
      data: new Uint8ClampedArray(4 * width * height),
    }),
    putImageData: (image: ImageData) => shown.set(this, image.data.slice()),
  };
}

globalThis.ResizeObserver = FixedWidth as unknown as typeof ResizeObserver;
globalThis.matchMedia = ((query: string) => ({
  get matches() {
    return query.includes("reduced-motion") ? media.reducedMotion : media.dark;
  },
  addEventListener() {},
  removeEventListener() {},
})) as unknown as typeof matchMedia;
HTMLCanvasElement.prototype.getContext = context as unknown as HTMLCanvasElement["getContext"];

beforeEach(() => {
  media.reducedMotion = false;
  media.dark = false;
});
afterEach(() => {
  document.body.replaceChildren();
});

/** Lets one frame be drawn, and promises settle. */
export async function frame(): Promise<void> {
  await new Promise((resolve) => requestAnimationFrame(resolve));
  await new Promise((resolve) => setTimeout(resolve, 0));
}

export let life = new AbortController();
afterEach(() => {
  life.abort();
  life = new AbortController();
});

export const pictures = Array.from({ length: 2 }, (_, i) => ({ width: 12, height: 8, ...scene(12, 8, i) }));

/** A page with the explorer on it, when the job has come to where it stops. */
export async function open(options: Partial<KernelOptions> = {}, views = 1) {
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
export const until = (condition: () => void) => vi.waitFor(condition, { timeout: 20_000 });

export const pixels = (panel: HTMLElement) => shown.get(panel.querySelector("canvas") as HTMLCanvasElement);

export function drag(slider: HTMLInputElement, position: number) {
  slider.value = String(position);
  slider.dispatchEvent(new Event("input", { bubbles: true }));
}
export const release = (slider: HTMLInputElement) =>
  slider.dispatchEvent(new Event("change", { bubbles: true }));

export function press(target: Element, key: string, more: KeyboardEventInit = {}) {
  const event = new KeyboardEvent("keydown", { key, bubbles: true, cancelable: true, ...more });
  target.dispatchEvent(event);
  target.dispatchEvent(new KeyboardEvent("keyup", { key, bubbles: true }));
  return event;
}
