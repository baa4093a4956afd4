/** Under a map: what its colours mean, and where they end. */
import { html, nothing, type TemplateResult } from "lit-html";
import { clamp, number, percent, words as sentence, signed } from "../../lib/format.js";
import { react } from "../../lib/lifetime.js";
import { oneSided, paintBar } from "../../render/bar.js";
import { Surface } from "../../render/canvas.js";
import { applySign, LUT_SIZE } from "../../render/recolour.js";
import { EACH } from "../../render/scale.js";
import { make, mount } from "../../ui/mount.js";
import { isSigned, said, underCursor } from "./readout.js";
import type { Slot, Store } from "./store.js";

export function mountLegend(element: HTMLElement, slot: Slot, store: Store, life: AbortSignal): void {
  element.classList.add("legend");
  const scale = make("div", "scale-bar", element);
  const canvas = make("canvas", "bar", scale);
  canvas.setAttribute("aria-hidden", "true");
  const needle = make("i", "needle", scale);
  const text = make("div", "", element);
  const surface = new Surface(canvas);
  react(life, () => {
    canvas.hidden = !slot.drawable.value || slot.fed.value !== null;
    drawBar(surface, slot, store);
  });
  react(life, () => point(needle, slot, store));
  mount(life, text, () => words(slot, store));
}

/** Puts the needle at the value under the linked cursor. */
function point(needle: HTMLElement, slot: Slot, store: Store): void {
  const value = underCursor(slot, store);
  needle.hidden = value === null || slot.fed.value !== null;
  if (value === null) return;
  const sign = store.traits.sign.value;
  const half = oneSided(sign, isSigned(slot));
  const share = clamp(applySign(value, sign, isSigned(slot)) / slot.limit.value, -1, 1);
  needle.style.insetInlineStart = `${100 * (half ? share : (share + 1) / 2)}%`;
}

/** Once for all panels: that their colours cannot be compared. */
export function mountWarning(element: HTMLElement, store: Store, life: AbortSignal): void {
  element.dataset.testid = "scale-warning";
  element.setAttribute("role", "note");
  react(life, () => {
    element.hidden = store.traits.scale.value.mode !== "each";
    element.textContent = `${sentence(EACH)}.`;
  });
}

function drawBar(surface: Surface, slot: Slot, store: Store): void {
  const lut = store.lut.value;
  if (!lut || !slot.drawable.value) return;
  const { cut } = slot.painted.value;
  const sign = store.traits.sign.value;
  paintBar(surface.pixels(LUT_SIZE, 1), lut, slot.limit.value, cut, sign, isSigned(slot));
  surface.show();
}

function words(slot: Slot, store: Store): TemplateResult | typeof nothing {
  if (!slot.drawable.value) return nothing;
  if (slot.fed.value) return slot.fed.value.words;
  const limit = slot.limit.value;
  const smoothing = store.traits.smoothing.value;
  const { clipped, max } = slot.painted.value;
  const half = oneSided(store.traits.sign.value, isSigned(slot));
  const [low, high] = ends(slot, half);
  const share = clipped > 0 ? `${percent(clipped)} clipped` : "nothing clipped";
  const mode = { auto: "", fixed: ", locked scale", each: ", own scale" }[store.traits.scale.value.mode];
  const value = underCursor(slot, store);
  return html`<div class="ticks">
      <span>${half ? "0" : signed(-limit)}</span>
      <span>${half ? nothing : "0"}</span>
      <span>${half ? number(limit) : signed(limit)}</span>
    </div>
    <div class="ticks ends">
      <span>${low}</span>
      <strong>${value === null ? nothing : said(slot, value)}</strong>
      <span>${high}</span>
    </div>
    <p>
      <span>${slot.own.value.unit}</span>
      ${smoothing > 0 ? html`<span data-testid="smoothed">smoothed, sigma ${number(smoothing, 2)} px</span>` : nothing}
      <span>
        <span data-testid="clipped" data-share=${clipped} title="Share of the pixels beyond the ends of the scale"
          >${max === 0 ? "zero everywhere" : share}</span
        >${mode}
      </span>
    </p>`;
}

/** What the two ends of the colours stand for: of the score, if nothing else is named. */
function ends(slot: Slot, half: boolean): [string, string] {
  const spec = slot.spec.value;
  if (spec && "difference" in spec && !half) {
    const [a, b] = spec.difference;
    return [`more in ${b + 1}`, `more in ${a + 1}`];
  }
  return half ? ["none", "strong"] : ["lowers", "raises"];
}
