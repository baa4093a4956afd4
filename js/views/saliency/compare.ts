/** Further panels: what can be set beside the lead, and how a panel is made of others. */
import { html, nothing, type TemplateResult } from "lit-html";
import { named, shorten } from "../../lib/format.js";
import { type Baseline, MOST_PANELS, type PanelSpec } from "../../lib/wire.js";
import { select } from "../../ui/choice.js";
import { icons } from "../../ui/icons.js";
import { type MenuItem, mountMenu } from "../../ui/menu.js";
import { toggle } from "../../ui/parts.js";
import { fillOf } from "./paint.js";
import { isQuestion, type Override, without } from "./specs.js";
import type { Store } from "./store.js";

/** Baselines that are made of other ones: nothing to try them all with. */
const COMPOSED: ReadonlySet<string> = new Set(["painted", "average", "custom"]);

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

/** Takes a panel away, and what was made of it. */
export function remove(store: Store, panel: number): void {
  const { active } = store;
  const compare = without(store.traits.compare.value, panel);
  const next = active.value >= panel ? active.value - 1 : active.value;
  store.commit({ compare, panel: Math.min(next, compare.length) });
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
}

function items(store: Store): MenuItem[] {
  const full =
    store.slots.value.length >= MOST_PANELS ? `There are ${MOST_PANELS} panels, and no room for more` : "";
  const offline = store.offline.value ? "This page has no kernel to ask" : "";
  return offers(store).map(({ label, testid, specs, hint }) => {
    const derived = testid === "compare-difference" || testid === "compare-average";
    const why = full || (derived ? "" : offline) || (typeof specs === "string" ? specs : "");
    return {
      label,
      testid,
      hint: why || hint,
      disabled: why !== "",
      onPick: () => typeof specs !== "string" && add(store, specs),
    };
  });
}

function offers(store: Store): Offer[] {
  const info = store.info.value;
  const own = start(store);
  const { question } = store;
  const wanted = info?.models.length ?? 1;
  return [
    method(store, own),
    target(store, own),
    baseline(store, own),
    layer(store, own),
    ...((info?.images ?? 1) > 1 ? [picture(store, own)] : []),
    ...(wanted > 1 ? [model(store, own)] : []),
    {
      label: "With the region covered",
      testid: "compare-occluded",
      specs: store.traits.region.value
        ? [{ ...own, occlusion: { region: store.traits.region.value, fill: fillOf(info, "blur") } }]
        : "Mark a region on a picture first",
      hint: "filled with its blurred self",
    },
    ...derived(store),
    {
      label: "All baselines",
      testid: "compare-baselines",
      specs: store.method.value?.uses_baseline
        ? plain(store)
            .filter(({ kind }) => kind !== question.baseline.value.kind)
            .map((value) => ({ ...own, baseline: value }))
        : "This method has no baseline",
      hint: "a panel each, as far as there is room",
    },
  ];
}

function method(store: Store, own: Override): Offer {
  const methods = store.info.value?.methods ?? [];
  const used = store.slots.value.map(({ drawable }) => drawable.value?.result.method);
  const now = store.question.method.value;
  const next =
    methods.find(({ key }) => key !== now && !used.includes(key)) ?? methods.find(({ key }) => key !== now);
  const { params: _, ...rest } = own;
  return {
    label: "Another method",
    testid: "compare-method",
    specs: next ? [{ ...rest, method: next.key }] : "There is no other",
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
    testid: "compare-target",
    specs: next ? [{ ...own, target: next.index }] : "No other class is known yet",
    hint: next && shorten(named(next.label, next.index), 40),
  };
}

function baseline(store: Store, own: Override): Offer {
  const now = store.question.baseline.value.kind;
  const next = plain(store).find(({ kind }) => kind !== now);
  const title = store.info.value?.baselines.find(({ kind }) => kind === next?.kind)?.title;
  const none = store.method.value?.uses_baseline ? "There is no other" : "This method has no baseline";
  return {
    label: "Another baseline",
    testid: "compare-baseline",
    specs: next && store.method.value?.uses_baseline ? [{ ...own, baseline: next }] : none,
    hint: title,
  };
}

function layer(store: Store, own: Override): Offer {
  const layers = store.model.value?.layers ?? [];
  const now = store.question.layer.value ?? store.drawable.value?.result.layer;
  const at = layers.indexOf(now ?? "");
  const next = layers[at > 0 ? at - 1 : at + 1];
  const uses = store.method.value?.controls.some(({ kind }) => kind === "layer");
  const none = uses ? "There is no other" : "This method looks at no layer";
  return {
    label: "Another layer",
    testid: "compare-layer",
    specs: uses && next ? [{ ...own, layer: next }] : none,
    hint: next,
  };
}

function picture(store: Store, own: Override): Offer {
  const index = (store.question.index.value + 1) % (store.info.value?.images ?? 1);
  return {
    label: "The next picture",
    testid: "compare-picture",
    specs: [{ ...own, index }],
    hint: `picture ${index + 1} of the batch`,
  };
}

function model(store: Store, own: Override): Offer {
  const models = store.info.value?.models ?? [];
  const next = (store.modelOf(store.active.value) + 1) % models.length;
  return {
    label: "The other model",
    testid: "compare-model",
    specs: [{ ...own, model: next }],
    hint: models[next]?.name,
  };
}

function derived(store: Store): Offer[] {
  const from = questions(store);
  const enough = from.length > 1;
  const none = "It takes two panels";
  const second =
    from.includes(store.active.value) && store.active.value > 0 ? store.active.value : (from.at(-1) ?? 0);
  return [
    {
      label: "Difference of two panels",
      testid: "compare-difference",
      specs: enough ? [{ difference: [0, second] }] : none,
      hint: `panel 1 minus panel ${second + 1}`,
    },
    {
      label: "Average of panels",
      testid: "compare-average",
      specs: enough ? [{ average: from }] : none,
      hint: `of panels ${from.map((panel) => panel + 1).join(", ")}`,
    },
  ];
}

/** Every baseline that is not made of others, as the menu starts it. */
function plain(store: Store): Baseline[] {
  const info = store.info.value;
  const kinds = (info?.baselines ?? []).filter(({ kind }) => !COMPOSED.has(kind));
  return kinds.map(({ kind }) => fillOf(info, kind));
}

/** In the top bar while a derived panel is the active one: which panels it is made of. */
export function sourcesControls(store: Store): TemplateResult | typeof nothing {
  const spec = store.spec.value;
  if (!spec || isQuestion(spec)) return nothing;
  const from = questions(store);
  const change = (next: PanelSpec) =>
    store.commit({ compare: store.traits.compare.value.with(store.active.value - 1, next) });
  if ("average" in spec) {
    const flip = (panel: number, on: boolean) => {
      const average = from.filter((one) => (one === panel ? on : spec.average.includes(one)));
      if (average.length) change({ average });
    };
    return html`<div class="field" role="group" aria-label="Panels to average">
      <span class="label">Average of panels</span>
      <div class="checks">
        ${from.map((panel) => toggle({ label: String(panel + 1), testid: `average-${panel}`, on: spec.average.includes(panel), onChange: (on) => flip(panel, on) }))}
      </div>
    </div>`;
  }
  const [a, b] = spec.difference;
  const options = [...new Set([...from, a, b])]
    .sort()
    .map((panel) => ({ value: String(panel), label: `Panel ${panel + 1}` }));
  return html`${select({
    label: "Difference of",
    testid: "difference-from",
    value: String(a),
    options,
    onChange: (value) => change({ difference: [Number(value), b] }),
  })}
  ${select({
    label: "minus",
    testid: "difference-minus",
    value: String(b),
    options,
    onChange: (value) => change({ difference: [a, Number(value)] }),
  })}`;
}
