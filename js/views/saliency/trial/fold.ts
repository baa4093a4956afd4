/** "Is it true?": one line while no map is on trial; what is behind it comes when one is. */
import { html, nothing, type TemplateResult } from "lit-html";
import { computed, lifeWithin, react, untracked } from "../../../lib/lifetime.js";
import type { TrialSettings } from "../../../lib/wire.js";
import { icons } from "../../../ui/icons.js";
import { make, mount } from "../../../ui/mount.js";
import { button, hint, iconButton } from "../../../ui/parts.js";
import type { Store } from "../store.js";
import { bench, fetchBench } from "./behind.js";

/** What a trial begins with. */
export const USUAL: Readonly<TrialSettings> = {
  replacement: { kind: "mean" },
  steps: 32,
  random: 20,
  randomise: false,
  output: "probability",
};

export function mountTrial(element: HTMLElement, store: Store, life: AbortSignal): void {
  const { trial, mode } = store.traits;
  const on = computed(() => trial.value !== null);
  const offered = computed(() => !store.offline.value && Boolean(store.info.value?.replacements?.length));
  element.dataset.testid = "trial";
  element.setAttribute("aria-label", "Is it true?");
  const header = make("header", "", element);
  mount(life, make("div", "", header), () => offer(store));
  const head = make("div", "work", header);
  mount(life, make("div", "end", header), () => (on.value ? way(store) : nothing));
  const body = make("div", "judged", element);
  react(life, () => {
    element.hidden = mode.value === "guided" || !(on.value || offered.value);
  });
  react(life, () => {
    if (!on.value) return;
    fetchBench().catch(() => {
      store.problem.value ??= "A part of Saliscope did not arrive. Run the cell again.";
    });
    const mountBench = bench.value?.mountBench;
    if (!mountBench) return;
    const open = lifeWithin(life);
    untracked(() => mountBench(body, head, store, open.signal));
    return () => open.abort();
  });
}

function offer(store: Store): TemplateResult {
  const title = html`<h3>Is it true?</h3>`;
  if (store.traits.trial.value) return title;
  return html`${title}
    ${button("Put on trial", "put-on-trial", () => store.commit({ trial: { ...USUAL } }))}
    ${hint("Takes pixels away in each map\u2019s own order, and watches the score.")}`;
}

function way(store: Store): TemplateResult | typeof nothing {
  const { taken, mode } = store.traits;
  if (mode.value === "trial") return nothing;
  return iconButton({
    icon: icons.close,
    label: "End the trial",
    testid: "end-trial",
    disabled: store.offline.value,
    onClick: () => store.commit({ trial: null, ...(taken.value !== null && { taken: null }) }),
  });
}

/** Where curves stand first, what a map is asked with is folded away. */
export function disclosure(store: Store): TemplateResult | typeof nothing {
  if (store.traits.mode.value !== "trial") return nothing;
  const open = store.controls.value;
  return html`<button
    class="button"
    type="button"
    data-testid="controls"
    aria-expanded=${open}
    @click=${() => {
      store.controls.value = !open;
    }}
  >
    ${open ? "Hide the controls" : "Controls"}
  </button>`;
}
