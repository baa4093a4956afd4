/** Under the panels: the pixel in numbers, and what the colours mean. */
import { html, nothing, type TemplateResult } from "lit-html";
import { number, percent, signed, withUnit } from "../../lib/format.js";
import { react } from "../../lib/lifetime.js";
import { oneSided, paintBar } from "../../render/bar.js";
import { Surface } from "../../render/canvas.js";
import { LUT_SIZE } from "../../render/recolour.js";
import { mount } from "../../ui/mount.js";
import type { Store } from "./store.js";

export function mountReadout(element: HTMLElement, store: Store, life: AbortSignal): void {
  element.dataset.testid = "readout";
  element.classList.add("readout");
  element.setAttribute("aria-live", "polite");
  mount(life, element, () => readout(element, store));
}

function readout(element: HTMLElement, store: Store): TemplateResult {
  const at = store.cursor.value;
  const drawable = store.drawable.value;
  store.frame.value; // the values under the cursor change with every frame
  if (!at || !drawable || store.values.length !== drawable.map.data.length) {
    delete element.dataset.value;
    const hint = "Point at a pixel, or use the arrow keys on a picture.";
    return html`<p class="hint">${drawable ? hint : nothing}</p>`;
  }
  const pixel = at.y * drawable.width + at.x;
  const rgb = [...drawable.picture.subarray(3 * pixel, 3 * pixel + 3)];
  const value = store.values[pixel];
  const { signed: isSigned, unit } = drawable.result;
  Object.assign(element.dataset, { x: at.x, y: at.y, value, rgb: rgb.join(" ") });
  return html`<p class="value">${withUnit(isSigned ? signed(value) : number(value), unit)}</p>
    <p>
      <span><small>x</small> ${at.x}</span> <span><small>y</small> ${at.y}</span>
      <span><i class="swatch" style="background: rgb(${rgb.join(" ")})"></i><small>RGB</small> ${rgb.join(" ")}</span>
    </p>`;
}

export function mountLegend(element: HTMLElement, store: Store, life: AbortSignal): void {
  const canvas = document.createElement("canvas");
  canvas.className = "bar";
  canvas.setAttribute("aria-hidden", "true");
  const text = document.createElement("div");
  element.classList.add("legend");
  element.append(canvas, text);
  const surface = new Surface(canvas);
  react(life, () => drawBar(surface, store));
  mount(life, text, () => words(store));
}

function drawBar(surface: Surface, store: Store): void {
  const lut = store.lut.value;
  const drawable = store.drawable.value;
  if (!lut || !drawable) return;
  const { cut } = store.painted.value;
  const sign = store.traits.sign.value;
  paintBar(surface.pixels(LUT_SIZE, 1), lut, store.limit.value, cut, sign, drawable.result.signed);
  surface.show();
}

function words(store: Store): TemplateResult | typeof nothing {
  const drawable = store.drawable.value;
  if (!drawable) return nothing;
  const limit = store.limit.value;
  const { unit, signed: isSigned } = drawable.result;
  const half = oneSided(store.traits.sign.value, isSigned);
  const { clipped, max } = store.painted.value;
  const locked = store.traits.scale.value !== null;
  const share = clipped > 0 ? `${percent(clipped)} clipped` : "nothing clipped";
  return html`<div class="ticks">
      ${half ? nothing : html`<span>${signed(-limit)}</span>`}
      <span>0</span>
      <span>${half ? number(limit) : signed(limit)}</span>
    </div>
    <p>
      <span>${unit}</span>
      <span>
        <span data-testid="clipped" data-share=${clipped} title="Share of the pixels beyond the ends of the scale"
          >${max === 0 ? "zero everywhere" : share}</span
        >${locked ? ", locked scale" : ""}
      </span>
    </p>`;
}
