/** Small pictures of rows: asked for in batches, and only when somebody looks; kept as long as the view. */
import { html, noChange, type TemplateResult } from "lit-html";
import { Directive, directive, type ElementPart } from "lit-html/directive.js";
import { atEnd, signal } from "../../lib/lifetime.js";
import { Surface } from "../../render/canvas.js";
import type { Store } from "./store.js";

/** Of a thumbnail: RGB, `size` squared. */
export interface Thumb {
  size: number;
  rgb: Uint8Array;
}

/** Most in one question, and milliseconds that questions wait for others. */
const BATCH = 256;
const PATIENCE = 60;
/** More are forgotten, the oldest first: 4000 of 48 px are 28 MB. */
const MOST = 4000;

export class Thumbs {
  readonly #known = new Map<number, Thumb | null>();
  readonly #wanted = new Set<number>();
  /** Changes whenever some have come. */
  readonly arrived = signal(0);
  #timer = 0;

  constructor(
    private readonly store: Store,
    private readonly life: AbortSignal,
  ) {
    atEnd(life, () => clearTimeout(this.#timer));
  }

  /** The picture of a row, if it is here. Without `want` nothing is asked. */
  get(id: number, want = true): Thumb | null {
    this.arrived.value; // whoever looks is told
    if (want && !this.#known.has(id) && this.store.points.value?.pictures) this.#want(id);
    return this.#known.get(id) ?? null;
  }

  #want(id: number): void {
    this.#wanted.add(id);
    if (!this.#timer) this.#timer = window.setTimeout(() => void this.#ask(), PATIENCE);
  }

  async #ask(): Promise<void> {
    this.#timer = 0;
    const ids = [...this.#wanted].slice(0, BATCH);
    for (const id of ids) {
      this.#wanted.delete(id);
      this.#known.set(id, null); // on its way: not asked again
    }
    if (this.#wanted.size) this.#timer = window.setTimeout(() => void this.#ask(), PATIENCE);
    const { status, result } = await this.store.request("thumbnails", { ids });
    const sprite = result ? await this.store.actions.onFetch(String(result.sprite)) : null;
    if (this.life.aborted) return;
    if (status !== "ok" || !result || !(sprite?.data instanceof Uint8Array)) {
      for (const id of ids) this.#known.delete(id); // who looks again asks again
      return;
    }
    this.#keep(result.ids as number[], Number(result.size), sprite.data);
  }

  #keep(ids: number[], size: number, sprite: Uint8Array): void {
    const bytes = 3 * size * size;
    ids.forEach((id, i) => {
      const rgb = sprite.slice(i * bytes, (i + 1) * bytes);
      if (rgb.length === bytes) this.#known.set(id, { size, rgb });
    });
    for (const id of this.#known.keys()) {
      if (this.#known.size <= MOST) break;
      this.#known.delete(id);
    }
    this.arrived.value++;
  }
}

const surfaces = new WeakMap<Element, { surface: Surface; drawn: Uint8Array | null }>();

/** Draws RGB bytes on the canvas it stands on. */
class Painted extends Directive {
  render(_rgb: Uint8Array, _width: number, _height: number) {
    return noChange;
  }

  override update({ element }: ElementPart, [rgb, width, height]: [Uint8Array, number, number]) {
    let entry = surfaces.get(element);
    if (!entry) {
      entry = { surface: new Surface(element as HTMLCanvasElement), drawn: null };
      surfaces.set(element, entry);
    }
    if (entry.drawn === rgb) return noChange;
    entry.drawn = rgb;
    const pixels = entry.surface.pixels(width, height);
    for (let i = 0, o = 0; i < width * height; i++, o += 4) {
      pixels[o] = rgb[3 * i];
      pixels[o + 1] = rgb[3 * i + 1];
      pixels[o + 2] = rgb[3 * i + 2];
      pixels[o + 3] = 255;
    }
    entry.surface.show();
    return noChange;
  }
}

export const painted = directive(Painted);

/** The thumbnail, or the place that it will take. */
export function thumbnail(thumb: Thumb | null, look = "thumb"): TemplateResult {
  return thumb
    ? html`<canvas class=${look} aria-hidden="true" ${painted(thumb.rgb, thumb.size, thumb.size)}></canvas>`
    : html`<i class=${look}></i>`;
}
