/** The pixel under the linked cursor in numbers: under the input, and under every map. */
import { html, nothing, type TemplateResult } from "lit-html";
import { number, signed, withUnit } from "../../lib/format.js";
import { mount } from "../../ui/mount.js";
import { hint } from "../../ui/parts.js";
import type { Slot, Store } from "./store.js";

export function mountReadout(element: HTMLElement, store: Store, life: AbortSignal): void {
  element.dataset.testid = "readout";
  element.classList.add("readout");
  mount(life, element, () => readout(element, store));
}

/** Of the active panel; the others' values stand under their own maps. */
function readout(element: HTMLElement, store: Store): TemplateResult {
  const at = store.cursor.value;
  const slot = store.slot.value;
  const drawable = slot.drawable.value;
  const value = underCursor(slot, store);
  if (!at || !drawable || value === null) {
    delete element.dataset.value;
    return hint(drawable ? "Point at a pixel, or use the arrow keys on a picture." : nothing);
  }
  const { width, height, picture } = drawable;
  const [x, y] = [Math.floor(at.x * width), Math.floor(at.y * height)];
  const pixel = y * width + x;
  const rgb = [...picture.subarray(3 * pixel, 3 * pixel + 3)];
  Object.assign(element.dataset, { x, y, value, rgb: rgb.join(" ") });
  const several = store.slots.value.length > 1;
  return html`<p class="value">
      ${several ? html`<strong class="chip">${slot.index + 1}</strong>` : nothing}
      <span>${withUnit(said(slot, value), slot.own.value.unit)}</span>
    </p>
    <p>
      <span><small>x</small> ${x}</span> <span><small>y</small> ${y}</span>
      <span><i class="swatch" style="background: rgb(${rgb.join(" ")})"></i><small>RGB</small> ${rgb.join(" ")}</span>
    </p>`;
}

/** The attribution under the cursor; `null` without a cursor, or where nothing is drawn yet. */
export function underCursor({ drawable, values }: Slot, { cursor, frame }: Store): number | null {
  frame.value; // values change with every frame
  const at = cursor.value;
  const { width, height } = drawable.value ?? { width: 0, height: 0 };
  if (!at || !width || values.length !== width * height) return null;
  return values[Math.floor(at.y * height) * width + Math.floor(at.x * width)];
}

export function said(slot: Slot, value: number): string {
  return isSigned(slot) ? signed(value) : number(value);
}

/** Gradients have a sign, whatever the map that is made of them. */
export function isSigned({ drawable, own }: Slot): boolean {
  const result = drawable.value?.result;
  return Boolean(result && (result.signed || own.value.unit !== result.unit));
}
