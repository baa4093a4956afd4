/** What the colours mean: categories that can be pointed out, or a bar with its ends. */
import { html, nothing, type TemplateResult } from "lit-html";
import { shorten, withUnit } from "../../lib/format.js";
import { type Signal, signal } from "../../lib/lifetime.js";
import { MISSING } from "../../lib/map_wire.js";
import { SEQUENTIAL } from "../../render/points/palette.js";
import { mount } from "../../ui/mount.js";
import { gradient, type Meaning, swatch, TITLES } from "./colours.js";
import type { Scene } from "./scene.js";
import type { Store } from "./store.js";
import { stepName } from "./words.js";

/** Categories named at first: a hundred of them are no legend. */
const MOST = 40;

export function mountLegend(element: HTMLElement, scene: Scene, life: AbortSignal): void {
  element.dataset.testid = "map-legend";
  const whole = signal(false);
  mount(life, element, () => {
    const { store } = scene;
    if (!store.points.value) return nothing;
    const density = store.traits.density.value ? bar(DENSITY) : nothing;
    const map = Math.min(store.active.value, store.shown.value.length - 1);
    const here = scene.meaning(map);
    // Of quality another map may have colours where the active one, which walks, has none.
    const others =
      store.traits.color_by.value in TITLES ? store.shown.value.map((_, i) => scene.meaning(i)) : [];
    const meaning = [here, ...others].find(({ kind }) => kind !== "none") ?? here;
    const words = here.kind === "none" ? unset(store, map) : nothing;
    return html`${density}${
      meaning.kind === "category"
        ? categories(store, meaning, whole)
        : meaning.kind === "number"
          ? bar(meaning)
          : nothing
    }${words}`;
  });
}

const DENSITY = {
  title: "Density",
  lut: SEQUENTIAL,
  ends: ["few points", "many"] as [string, string],
  unit: "",
  note: "points a cell, by their logarithm",
};

function unset(store: Store, map: number): TemplateResult | typeof nothing {
  const by = store.traits.color_by.value;
  const walked = store.walkOf(map);
  if (walked && by in TITLES)
    return html`<p class="hint" data-testid="no-colours">
      No colours: row by row, quality is known of the map at rest, not of the steps of a sequence.
    </p>`;
  if (by !== "distance") return nothing;
  if (walked && store.traits.point.value !== null && store.step.value !== store.restedStep.value)
    return html`<p class="hint">The distances at ${stepName(store)} are asked for when the slider rests.</p>`;
  return html`<p class="hint">${
    store.traits.point.value === null
      ? "Click a point to colour by the distance to it."
      : "Asking for the distances."
  }</p>`;
}

function categories(
  store: Store,
  { title, names, codes, palette }: Meaning & { kind: "category" },
  whole: Signal<boolean>,
): TemplateResult {
  const counts = new Uint32Array(names.length + 1);
  for (const code of codes) counts[code === MISSING ? names.length : code]++;
  const chosen = store.category.value;
  const found = names.map((name, code) => ({ name, code })).filter(({ code }) => counts[code]);
  const shown = whole.value ? found : found.filter(({ code }, i) => i < MOST || code === chosen);
  const rest = found.length - shown.length;
  const pick = (code: number) => {
    store.category.value = chosen === code ? null : code;
  };
  return html`<span class="label">${title}</span>
    <div class="categories" role="group" aria-label=${title}>
      ${shown.map(
        ({ name, code }) => html`<button
              type="button"
              aria-pressed=${chosen === code}
              data-testid="category-${code}"
              title="Point out ${shorten(name)}"
              @click=${() => pick(code)}
            >
              <i class="dot" style="background: ${swatch(code, palette)}"></i><bdi>${shorten(name, 40) || "no name"}</bdi>
              <small class="count">${counts[code]}</small>
            </button>`,
      )}
      ${
        rest
          ? html`<button type="button" class="link" data-testid="more-categories" @click=${() => {
              whole.value = true;
            }}>and ${rest} more</button>`
          : nothing
      }
      ${counts[names.length] ? html`<span class="none"><i class="dot missing"></i>no value <small class="count">${counts[names.length]}</small></span>` : nothing}
    </div>`;
}

type Numbers = Meaning & { kind: "number" };
type Bar = Pick<Numbers, "title" | "lut" | "ends" | "unit" | "note"> & Partial<Pick<Numbers, "values">>;

function bar({ title, lut, ends, unit, note, values }: Bar): TemplateResult {
  const missing = values?.reduce((sum, value) => sum + Number(Number.isNaN(value)), 0);
  const tails = { low: withUnit(ends[0], unit), high: withUnit(ends[1], unit) };
  return html`<div class="numbers-bar" data-testid="colour-bar">
    <span class="label">${title}</span>
    <span>${tails.low}</span>
    <i style="background: ${gradient(lut)}"></i>
    <span>${tails.high}</span>
    ${missing ? html`<span class="none"><i class="dot missing"></i>missing <small class="count">${missing}</small></span>` : nothing}
    ${note ? html`<small>${note}</small>` : nothing}
  </div>`;
}
