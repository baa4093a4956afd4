/** The open trial: curves, what they say, and how they are made. */
import { html, nothing, type TemplateResult } from "lit-html";
import { atEnd, computed, react } from "../../../lib/lifetime.js";
import { MOST_PANELS, type Trial } from "../../../lib/wire.js";
import { domainOf } from "../../../render/chart.js";
import { make, mount } from "../../../ui/mount.js";
import { button, hint } from "../../../ui/parts.js";
import type { Fed, Store } from "../store.js";
import { blurredOf, type Case, casesOf, colourOf, curveOf, leading, nameOf, scoresOf } from "./cases.js";
import { fedAt } from "./fed.js";
import { KINDS, Plot } from "./plot.js";
import { Settings, work } from "./settings.js";
import { mountStrip } from "./strip.js";
import { SAMPLE_OF_RANDOM, sample, table } from "./table.js";
import css from "./trial.css?inline";
import { cutShort, notes, notesOf, protocols, summary, verdict } from "./words.js";

/** `head` is the place for how far it is. */
export function mountBench(element: HTMLElement, head: HTMLElement, store: Store, life: AbortSignal): void {
  const cases = computed(() => casesOf(store));
  const style = make("style", "", element);
  style.textContent = css + palette();
  const active = () => cases.value.find(({ panel }) => panel === store.active.value);
  mount(life, head, () => {
    const { phase } = store.trialState.value;
    return store.offline.value && phase !== "error" ? cutShort(store, cases.value) : work(store);
  });
  // Right under the pictures: on a small screen both are seen while a hand drags.
  const keys = make("div", "keys-of-lines", element);
  mount(life, make("div", "", keys), () => legend(store, cases.value));
  mount(life, make("div", "back", keys), () => (cases.value.some(isDrawn) ? back(store) : nothing));
  const plots = make("div", "plots", element);
  for (const kind of KINDS)
    new Plot(
      make("div", "", plots),
      store,
      kind,
      () => cases.value,
      (output) => {
        const trials = cases.value.map(({ trial }) => trial).filter((trial) => trial.output === output);
        return domainOf(trials.flatMap(scoresOf), output === "probability");
      },
      life,
    );
  const settings = new Settings(store);
  const form = make("fieldset", "row asked", element);
  mount(life, form, () => settings.template());
  react(life, () => {
    form.disabled = store.offline.value;
  });
  mount(life, make("div", "summing-up", element), () => summary(store, active()));
  mount(life, make("div", "table", element), () => table(store, cases.value));
  mount(life, make("div", "verdicts", element), () => {
    const one = active();
    const others = cases.value.filter(({ panel }) => panel !== store.active.value);
    return html`${one ? notes(notesOf(one)) : nothing} ${others.map((each) => verdict(store, each, one))}
    ${protocols(cases.value)}`;
  });
  mountStrip(make("div", "strip-of-stages", element), store, active, life);
  show(store, () => cases.value, life);
  atEnd(life, () => {
    store.fed.value = [];
    element.replaceChildren();
  });
}

/** Every panel shows the picture at its own point of the curve that is walked. */
function show(store: Store, cases: () => readonly Case[], life: AbortSignal): void {
  const { taken, curve, mode } = store.traits;
  react(life, () => {
    const share = mode.value === "guided" ? null : taken.value;
    const fed: (Fed | null)[] = new Array(MOST_PANELS).fill(null);
    if (share !== null) for (const one of cases()) fed[one.panel] = fedAt(one, curve.value, share);
    store.fed.value = share === null ? [] : fed;
  });
}

/** Colours by panel, for either ground; the number over a picture has the colour of its line. */
function palette(): string {
  const panels = Array.from({ length: MOST_PANELS }, (_, panel) => panel);
  const colours = (dark: boolean) => panels.map((panel) => `--c${panel}:${colourOf(panel, dark)}`).join(";");
  // The input comes first.
  const chips = panels.map(
    (panel) => `.panel:nth-child(${panel + 2}) .caption .chip{box-shadow:0 3px var(--c${panel})}`,
  );
  return `.saliscope{${colours(false)}}.saliscope[data-theme=dark]{${colours(true)}}
    .saliscope[data-judging] .panels{${chips.join("")}}`;
}

/** What a hand can do with the curves, and the way back to the maps. */
function back(store: Store): TemplateResult {
  return store.traits.taken.value === null
    ? hint("Drag along a curve to see what the model was fed there.")
    : button("Show the maps again", "show-maps", () => store.commit({ taken: null }));
}

const isDrawn = (one: Case) => KINDS.some((kind) => curveOf(one, kind));

function legend(store: Store, cases: readonly Case[]): TemplateResult | typeof nothing {
  const lead = leading(cases, store, "deletion") ?? leading(cases, store, "insertion");
  const curve = lead && (curveOf(lead, "deletion") ?? curveOf(lead, "insertion"));
  const several = store.slots.value.length > 1;
  const other = ({ output }: Trial) => lead && output !== lead.trial.output;
  return html`${cases.filter(isDrawn).map(({ panel, slot, trial, stale }) => {
    const content = html`${sample(panel)} ${several ? html`<strong class="chip">${panel + 1}</strong>` : nothing}
      <span>${nameOf(store, slot, trial)}${other(trial) ? ", another score: not drawn beside this one" : nothing}</span>`;
    if (!several) return html`<span class="key" ?data-stale=${stale}>${content}</span>`;
    const active = panel === store.active.value;
    return html`<button
      type="button"
      class="key"
      aria-pressed=${active}
      ?data-stale=${stale}
      @click=${() => panel !== store.active.value && store.commit({ panel })}
    >
      ${content}
    </button>`;
  })}
  ${
    curve?.random
      ? html`<span class="key"
          >${SAMPLE_OF_RANDOM} ${curve.random.n} random orders: mean, and where 95 % lie</span
        >`
      : nothing
  }
  ${
    lead && curve && blurredOf(lead, curve)
      ? html`<span class="key"
          ><svg class="sample" viewBox="-13 -5 26 10" aria-hidden="true" style="--c: var(--c${lead.panel})">
            <path class="blurred" d="M-12 0h24"></path></svg
          >the map, blurred</span
        >`
      : nothing
  }`;
}
