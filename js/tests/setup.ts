/** What jsdom lacks: layout, media queries, a canvas that remembers its pixels. */
import { afterEach, beforeEach } from "vitest";

class FixedWidth {
  static width = 900;
  constructor(private readonly changed: ResizeObserverCallback) {}
  observe(target: Element): void {
    const entry = { target, contentRect: { width: FixedWidth.width } };
    this.changed([entry as unknown as ResizeObserverEntry], this as unknown as ResizeObserver);
  }
  unobserve(): void {}
  disconnect(): void {}
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
