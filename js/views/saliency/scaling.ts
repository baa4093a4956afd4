/** Where the colours end: following the maps, locked, or for each panel by itself. */
import { html, type TemplateResult } from "lit-html";
import { number } from "../../lib/format.js";
import type { Scale } from "../../lib/wire.js";
import { icons } from "../../ui/icons.js";
import { iconButton, toggle } from "../../ui/parts.js";
import { numberField } from "../../ui/slider.js";
import type { Store } from "./store.js";

const AUTO: Scale = { mode: "auto", limits: {} };

/** The limits on screen, by unit. */
function limitsNow(store: Store): Record<string, number> {
  const limits: Record<string, number> = {};
  for (const { drawable, own, limit } of store.slots.value) {
    const { unit } = own.value;
    if (drawable.value) limits[unit] = Math.max(limits[unit] ?? 0, limit.value);
  }
  return limits;
}

/** Keeps the limits that are on screen, or lets them follow the maps again. */
export function toggleLock(store: Store): void {
  const locked = store.traits.scale.value.mode === "fixed";
  store.commit({ scale: locked ? AUTO : { mode: "fixed", limits: limitsNow(store) } });
}

export function scaleControls(store: Store): TemplateResult {
  const { mode, limits } = store.traits.scale.value;
  const { own, limit } = store.slot.value;
  const locked = mode === "fixed";
  const { unit } = own.value;
  const set = (value: number) =>
    store.commit({
      scale: { mode: "fixed", limits: { ...(locked ? limits : limitsNow(store)), [unit]: value } },
    });
  return html`<div class="line scale">
      ${numberField({
        label: "Scale \u00b1",
        testid: "scale",
        value: limit.value,
        min: 0,
        positive: true,
        max: Number.MAX_VALUE,
        step: limit.value / 10,
        unit,
        onInput: () => {},
        onCommit: set,
      })}
      ${iconButton({
        icon: locked ? icons.locked : icons.unlocked,
        label: locked ? `Scale locked at ${number(limit.value)}: let it follow the maps` : "Lock the scale",
        testid: "scale-lock",
        pressed: locked,
        onClick: () => toggleLock(store),
      })}
    </div>
    ${toggle({
      label: "Each panel its own scale",
      testid: "scale-each",
      on: mode === "each",
      onChange: (on) => store.commit({ scale: on ? { mode: "each", limits: {} } : AUTO }),
    })}`;
}
