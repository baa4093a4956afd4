/** Further panels: what can be set beside the lead, and how a panel is made of others. */
import { html, nothing, type TemplateResult } from "lit-html";
import { named, shorten } from "../../lib/format.js";
import { MOST_PANELS, type ModelInfo, type PanelSpec } from "../../lib/wire.js";
import { select } from "../../ui/choice.js";
import { icons } from "../../ui/icons.js";
import { type MenuItem, mountMenu } from "../../ui/menu.js";
import { group, toggle } from "../../ui/parts.js";
import { fillOf, fills } from "./paint.js";
import { isQuestion, type Override } from "./specs.js";
import type { Store } from "./store.js";

const NO_OTHER = "There is no other";

export function mountCompare(element: HTMLElement, store: Store, life: AbortSignal): void {
  mountMenu(life, element, () => ({
    label: "Add a panel beside the others",
    text: "Panel",
    testid: "compare",
    icon: icons.plus,
    items: items(store),
  }));
}

/** Adds panels and makes the first of them the active one. */
function add(store: Store, specs: PanelSpec[]): void {
  const compare = store.traits.compare.value;
  const room = MOST_PANELS - 1 - compare.length;
  if (room < 1) return;
  store.commit({ compare: [...compare, ...specs.slice(0, room)], panel: compare.length + 1 });
}

/** The panels with a question of their own. */
function questions(store: Store): number[] {
  return store.slots.value.filter(({ spec }) => isQuestion(spec.value)).map(({ index }) => index);
}

/** The overrides that a new panel starts from: those of the active panel. */
function start(store: Store): Override {
  const spec = store.spec.value;
  return isQuestion(spec) ? { ...spec } : {};
}

interface Offer {
  label: string;
  testid: string;
  /** Panels to add, and in words what is added; or why there is nothing to add. */
  specs: PanelSpec[] | string;
  hint?: string;
  /** Made here in the page: it takes no kernel. */
  derived?: boolean;
}

function items(store: Store): MenuItem[] {
  const full =
    store.slots.value.length >= MOST_PANELS ? `There are ${MOST_PANELS} panels, and no room for more` : "";
  const offline = store.offline.value ? "This page has no kernel to ask" : "";
  return offers(store).map(({ label, testid, specs, hint, derived }) => {
    const why = full || (derived ? "" : offline) || (typeof specs === "string" ? specs : "");
    return {
      label,
      testid: `compare-${testid}`,
      hint: why || hint,
      disabled: why !== "",
      onPick: () => typeof specs !== "string" && add(store, specs),
    };
  });
}

function offers(store: Store): Offer[] {
  const own = start(store);
  const region = store.traits.region.value;
  const { images = 1, models = [] } = store.info.value ?? {};
  const [oneBaseline, allBaselines] = baselines(store, own);
  return [
    method(store, own),
    target(store, own),
    oneBaseline,
    layer(store, own),
    ...(images > 1 ? [picture(store, own, images)] : []),
    ...(models.length > 1 ? [model(store, own, models)] : []),
    {
      label: "With the region covered",
      testid: "occluded",
      specs: region
        ? [{ ...own, occlusion: { region, fill: fillOf(store.info.value, "blur") } }]
        : "Mark a region on a picture first",
      hint: "filled with its blurred self",
    },
    ...derived(store),
    allBaselines,
  ];
}

function method(store: Store, own: Override): Offer {
  const now = store.question.method.value;
  const others = store.info.value?.methods.filter(({ key }) => key !== now) ?? [];
  const used = store.slots.value.map(({ drawable }) => drawable.value?.result.method);
  const next = others.find(({ key }) => !used.includes(key)) ?? others[0];
  const { params: _, ...rest } = own;
  return {
    label: "Another method",
    testid: "method",
    specs: next ? [{ ...rest, method: next.key }] : NO_OTHER,
    hint: next?.title,
  };
}

function target(store: Store, own: Override): Offer {
  const results = store.slots.value.map(({ drawable }) => drawable.value?.result);
  const { active, spec } = store;
  const result = results[isQuestion(spec.value) ? active.value : 0];
  const others = result?.probabilities.filter(({ index }) => index !== result.target) ?? [];
  const next = others.find(({ index }) => !results.some((one) => one?.target === index)) ?? others[0];
  return {
    label: "Another target",
    testid: "target",
    specs: next ? [{ ...own, target: next.index }] : "No other class is known yet",
    hint: next && shorten(named(next.label, next.index), 40),
  };
}

/** The next baseline, and all of them. */
function baselines(store: Store, own: Override): [one: Offer, all: Offer] {
  const info = store.info.value;
  const now = store.question.baseline.value.kind;
  const others = fills(info).filter(({ value }) => value !== now);
  const panels = (some: typeof others) => {
    if (!store.method.value?.uses_baseline) return "This method has no baseline";
    return some.length ? some.map(({ value }) => ({ ...own, baseline: fillOf(info, value) })) : NO_OTHER;
  };
  return [
    {
      label: "Another baseline",
      testid: "baseline",
      specs: panels(others.slice(0, 1)),
      hint: others[0]?.label,
    },
    {
      label: "All baselines",
      testid: "baselines",
      specs: panels(others),
      hint: "a panel each, as far as there is room",
    },
  ];
}

function layer(store: Store, own: Override): Offer {
  const layers = store.model.value?.layers ?? [];
  const now = store.question.layer.value ?? store.drawable.value?.result.layer;
  const at = layers.indexOf(now ?? "");
  const next = layers[at > 0 ? at - 1 : at + 1];
  const uses = store.method.value?.controls.some(({ kind }) => kind === "layer");
  const none = uses ? NO_OTHER : "This method looks at no layer";
  return {
    label: "Another layer",
    testid: "layer",
    specs: uses && next ? [{ ...own, layer: next }] : none,
    hint: next,
  };
}

function picture(store: Store, own: Override, images: number): Offer {
  const index = (store.question.index.value + 1) % images;
  return {
    label: "The next picture",
    testid: "picture",
    specs: [{ ...own, index }],
    hint: `picture ${index + 1} of the batch`,
  };
}

function model(store: Store, own: Override, models: readonly ModelInfo[]): Offer {
  const next = (store.askedBy(store.active.value).model + 1) % models.length;
  return {
    label: "The other model",
    testid: "model",
    specs: [{ ...own, model: next }],
    hint: models[next].name,
  };
}

function derived(store: Store): Offer[] {
  const active = store.active.value;
  const all = questions(store);
  // Only maps of one unit can be combined: those of the active panel's, or the lead's.
  const unitOf = (panel: number) => store.drawables.value[panel]?.result.unit;
  const unit = unitOf(all.includes(active) ? active : 0);
  const from = all.filter((panel) => unitOf(panel) === unit);
  const none = all.length > 1 ? "No other panel has the unit of this one" : "It takes two panels";
  const first = from[0] ?? 0;
  const second = active !== first && from.includes(active) ? active : (from.at(-1) ?? 0);
  const made = (label: string, testid: string, spec: PanelSpec, hint: string): Offer => ({
    label,
    testid,
    specs: from.length > 1 ? [spec] : none,
    hint,
    derived: true,
  });
  const numbers = from.map((panel) => panel + 1).join(", ");
  return [
    made(
      "Difference of two panels",
      "difference",
      { difference: [first, second] },
      `panel ${first + 1} minus panel ${second + 1}`,
    ),
    made("Average of panels", "average", { average: from }, `of panels ${numbers}`),
  ];
}

/** In the top bar while a derived panel is the active one: which panels it is made of. */
export function sourcesControls(store: Store): TemplateResult | typeof nothing {
  const spec = store.spec.value;
  if (!spec || isQuestion(spec)) return nothing;
  const from = questions(store);
  const change = (next: PanelSpec) =>
    store.commit({ compare: store.traits.compare.value.with(store.active.value - 1, next) });
  if ("average" in spec) {
    const toggles = from.map((panel) =>
      toggle({
        label: String(panel + 1),
        testid: `average-${panel}`,
        on: spec.average.includes(panel),
        onChange: (on) => {
          const average = from.filter((one) => (one === panel ? on : spec.average.includes(one)));
          if (average.length) change({ average });
        },
      }),
    );
    return group("Panels to average", "Average of panels", "checks", toggles);
  }
  const [a, b] = spec.difference;
  const options = [...new Set([...from, a, b])]
    .sort()
    .map((panel) => ({ value: String(panel), label: `Panel ${panel + 1}` }));
  const panel = (label: string, testid: string, value: number, pick: (panel: number) => [number, number]) =>
    select({
      label,
      testid: `difference-${testid}`,
      value: String(value),
      options,
      onChange: (chosen) => change({ difference: pick(Number(chosen)) }),
    });
  return html`${panel("Difference of", "from", a, (panel) => [panel, b])} ${panel("minus", "minus", b, (panel) => [a, panel])}`;
}
