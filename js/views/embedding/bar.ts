/** The top bar: what is mapped, what the colours mean, what the pointer does, and the search. */
import { html, nothing, type TemplateResult } from "lit-html";
import type { Sweep } from "../../lib/map_wire.js";
import { type Option, segmented, select } from "../../ui/choice.js";
import { make, mount } from "../../ui/mount.js";
import { colourChoices } from "./colours.js";
import type { Scene } from "./scene.js";
import { mountSearch } from "./search.js";
import type { Store, Tool } from "./store.js";
import { SWEEPS } from "./sweep.js";
import { stepWords, titleOf } from "./words.js";

const TOOLS: Option<Tool>[] = [
  { value: "look", label: "Look", title: "Look: drag to move, click a point", testid: "tool-look" },
  {
    value: "lasso",
    label: "Lasso",
    title: "Lasso: draw around points; Shift adds, Alt takes away",
    testid: "tool-lasso",
  },
  {
    value: "rectangle",
    label: "Box",
    title: "Rectangle: drag over points; Shift adds, Alt takes away",
    testid: "tool-rectangle",
  },
];

export function mountBar(element: HTMLElement, scene: Scene, life: AbortSignal): void {
  const { store } = scene;
  const row = make("div", "row", element);
  mount(life, make("div", "choices", row), () => choices(store));
  mountSearch(make("div", "search-box", row), store, scene.matches, life);
  mount(life, make("p", "summary", element), () => summary(store));
}

function choices(store: Store): TemplateResult {
  const { layers = [] } = store.points.value ?? {};
  const colours = colourChoices(store);
  const by = store.traits.color_by.value;
  // What Python asked for and the page does not know yet stays what it is.
  const known = colours.some(({ value }) => value === by) ? colours : [...colours, { value: by, label: by }];
  return html`${
    layers.length
      ? select({
          label: "Layer",
          testid: "layer",
          value: store.traits.layer.value ?? "",
          options: layers.map((name) => ({ value: name, label: name })),
          disabled: store.offline.value,
          onChange: (layer) => store.commit({ layer }),
        })
      : nothing
  }
  ${select({
    label: "Colour by",
    testid: "color-by",
    value: by,
    options: known,
    onChange: (color_by) => {
      store.category.value = null;
      store.commit({ color_by });
    },
  })}
  ${select<Sweep | "none">({
    label: "Walk through",
    testid: "sweep-kind",
    value: store.traits.sweep.value ?? "none",
    options: SWEEPS.filter(({ value }) => value !== "layers" || layers.length > 1),
    disabled: store.offline.value,
    onChange: (value) => store.commit({ sweep: value === "none" ? null : value, sweep_at: 0 }),
  })}
  <div class="field">
    <span class="label" aria-hidden="true">Pointer</span>
    ${segmented({
      label: "Pointer",
      testid: "tool",
      value: store.tool.value,
      options: TOOLS,
      onChange: (tool) => {
        store.tool.value = tool;
      },
    })}
  </div>`;
}

function summary(store: Store): TemplateResult | typeof nothing {
  const points = store.points.value;
  if (!points) return nothing;
  const { n, of, sampling, what, d, model } = points;
  const map = store.walked.value?.sequence.map;
  const rows = of > n ? `${n} of ${of} rows` : `${n} rows`;
  return html`<span class="which" data-testid="what"
    ><strong>${rows}</strong>, ${d} numbers each: ${what}${model ? ` of ${model}` : ""}.${
      sampling ? html` <span data-testid="sampling">${sampling}</span>` : nothing
    }${
      map === undefined
        ? nothing
        : html` <span data-testid="at-step">Walked: ${titleOf(store, map)} ${stepWords(store, map)}.</span>`
    }</span
  >`;
}
