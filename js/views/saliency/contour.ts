/** Lines of equal value over a picture, in the colours of the map. */
import { nothing, render, svg } from "lit-html";
import { contourPaths } from "../../render/contour.js";
import { type Look, NEUTRAL } from "../../render/recolour.js";

const SVG = "http://www.w3.org/2000/svg";

export class Contour {
  readonly #lines = document.createElementNS(SVG, "svg");
  #empty = true;

  constructor(stage: HTMLElement) {
    this.#lines.setAttribute("class", "contour");
    this.#lines.setAttribute("aria-hidden", "true");
    this.#lines.setAttribute("preserveAspectRatio", "none");
    stage.append(this.#lines);
  }

  draw(shown: Float64Array, width: number, height: number, look: Look): void {
    this.#empty = false;
    this.#lines.setAttribute("viewBox", `0 0 ${width} ${height}`);
    this.#lines.style.opacity = String(look.opacity);
    const lines = contourPaths(shown, width, height, look.limit).filter(({ d }) => d);
    // The wider line beneath keeps every colour apart from a picture that happens to have it.
    render(
      svg`${lines.map(({ d }) => svg`<path class="casing" d=${d}></path>`)}
      ${lines.map(({ d, level }) => svg`<path d=${d} stroke=${colour(look.lut, level)}></path>`)}`,
      this.#lines as unknown as HTMLElement,
    );
  }

  clear(): void {
    if (this.#empty) return;
    this.#empty = true;
    render(nothing, this.#lines as unknown as HTMLElement);
  }
}

function colour(lut: Uint8Array, level: number): string {
  const at = 3 * Math.floor((level + 1) * NEUTRAL + 0.5);
  return `rgb(${lut[at]} ${lut[at + 1]} ${lut[at + 2]})`;
}
