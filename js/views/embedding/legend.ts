/** What the colours mean: categories that can be pointed out, or a bar with its ends. */
import { html, nothing, type TemplateResult } from "lit-html";
import { shorten, withUnit } from "../../lib/format.js";
import { MISSING } from "../../lib/map_wire.js";
import { SEQUENTIAL } from "../../render/points/palette.js";
import { mount } from "../../ui/mount.js";
import { gradient, type Meaning, swatch } from "./colours.js";
import type { Scene } from "./scene.js";
import type { Store } from "./store.js";

export function mountLegend(element: HTMLElement, scene: Scene, life: AbortSignal): void {
  element.dataset.testid = "map-legend";
  mount(life, element, () => {
    const { store } = scene;
    if (!store.points.value) return nothing;
    const density = store.traits.density.value ? bar(DENSITY) : nothing;
    const meaning = scene.meaning(Math.min(store.active.value, store.shown.value.length - 1));
    return html`${density}${
      meaning.kind === "category"
        ? categories(store, meaning)
        : meaning.kind === "number"
          ? bar(meaning)
          : unset(store)
    }`;
  });
}

const DENSITY = {
  title: "Density",
  lut: SEQUENTIAL,
  ends: ["few points", "many"] as [string, string],
  unit: "",
  note: "points a cell, by their logarithm",
};

function unset(store: Store): TemplateResult | typeof nothing {
  if (store.traits.color_by.value !== "distance") return nothing;
  return html`<p class="hint">${
    store.traits.point.value === null
      ? "Click a point to colour by the distance to it."
      : "Asking for the distances."
  }</p>`;
}

function categories(store: Store, { title, names, codes }: Meaning & { kind: "category" }): TemplateResult {
  const counts = new Uint32Array(names.length + 1);
  for (const code of codes) counts[code === MISSING ? names.length : code]++;
  const chosen = store.category.value;
  const pick = (code: number) => {
    store.category.value = chosen === code ? null : code;
  };
  return html`<span class="label">${title}</span>
    <div class="categories" role="group" aria-label=${title}>
      ${names.map((name, code) =>
        counts[code]
          ? html`<button
              type="button"
              aria-pressed=${chosen === code}
              data-testid="category-${code}"
              title="Point out ${shorten(name)}"
              @click=${() => pick(code)}
            >
              <i class="dot" style="background: ${swatch(code, names.length)}"></i><bdi>${shorten(name, 40) || "no name"}</bdi>
              <small class="count">${counts[code]}</small>
            </button>`
          : nothing,
      )}
      ${counts[names.length] ? html`<span class="none"><i class="dot missing"></i>no value <small class="count">${counts[names.length]}</small></span>` : nothing}
    </div>`;
}

type Bar = Pick<Meaning & { kind: "number" }, "title" | "lut" | "ends" | "unit" | "note">;

function bar({ title, lut, ends, unit, note }: Bar): TemplateResult {
  const tails = { low: withUnit(ends[0], unit), high: withUnit(ends[1], unit) };
  return html`<div class="numbers-bar" data-testid="colour-bar">
    <span class="label">${title}</span>
    <span>${tails.low}</span>
    <i style="background: ${gradient(lut)}"></i>
    <span>${tails.high}</span>
    ${note ? html`<small>${note}</small>` : nothing}
  </div>`;
}
