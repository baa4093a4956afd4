/** Small pictures, drawn once each. */
import { Surface } from "../../render/canvas.js";
import type { ReportData } from "./data.js";

export class Thumbnails {
  readonly #made = new Map<number, HTMLCanvasElement>();

  constructor(private readonly data: ReportData) {}

  /** The canvas of a picture; it can stand in one place at a time. */
  of(index: number): HTMLCanvasElement {
    const known = this.#made.get(index);
    if (known) return known;
    const canvas = document.createElement("canvas");
    canvas.setAttribute("aria-hidden", "true");
    const { width, height } = this.data.size;
    paintPicture(new Surface(canvas), this.data.picture(index), width, height);
    this.#made.set(index, canvas);
    return canvas;
  }
}

export function paintPicture(surface: Surface, rgb: Uint8Array, width: number, height: number): void {
  const out = surface.pixels(width, height);
  for (let i = 0, o = 0; i < rgb.length; i += 3, o += 4) {
    out[o] = rgb[i];
    out[o + 1] = rgb[i + 1];
    out[o + 2] = rgb[i + 2];
    out[o + 3] = 255;
  }
  surface.show();
}
