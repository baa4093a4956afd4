/** The classes that the model finds most probable, moving along the path with alpha. */
import { html, nothing, type TemplateResult } from "lit-html";
import { repeat } from "lit-html/directives/repeat.js";
import { clamp, named, onGrid, probability, shorten } from "../../lib/format.js";
import { computed, react, untracked } from "../../lib/lifetime.js";
import { lastAtMost } from "../../lib/select.js";
import type { Drawable, Predictions, Probability } from "../../lib/wire.js";
import { mount } from "../../ui/mount.js";
import { sourcesOf } from "./derived.js";
import { Extra } from "./extras.js";
import { isQuestion } from "./specs.js";
import type { Store } from "./store.js";

const MOST = 5;
/** Milliseconds between a let go of alpha, or the begin of play, and the question: a slip is soon reset. */
const PATIENCE = 200;

export function mountTop(element: HTMLElement, store: Store, life: AbortSignal): void {
  const predictions = new Extra(store, "predictions", life);
  const below = computed(() =>
    store.playing.value ? store.traits.alpha.value < 1 : store.keptAlpha.value < 1,
  );
  react(life, () => {
    const slot = store.slot.value;
    if (!below.value || !predictions.lacks(slot)) return;
    const timer = setTimeout(() => untracked(() => predictions.ask(slot)), PATIENCE);
    return () => clearTimeout(timer);
  });
  mount(life, element, () => template(store, predictions));
}

function template(store: Store, predictions: Extra): TemplateResult {
  const { drawable, alpha } = store.slot.value;
  if (!drawable.value) return html`<p class="hint">Not computed yet</p>`;
  const sources = sourcesOf(store.spec.value);
  const found = ranked(drawable.value, alpha.value);
  const rows = found.filter(({ rank }) => rank < MOST).length;
  return html`<ol class="top5" data-testid="top5" style="--rows: ${rows}">
      ${repeat(
        found,
        ({ index }) => index,
        (row) => line(row, rows, store),
      )}
    </ol>
    ${sources ? html`<p class="hint">of panel ${sources[0] + 1}</p>` : nothing}
    ${drawable.value.path ? html`<p class="hint" data-testid="top5-at">${whereabouts(store, predictions)}</p>` : nothing}`;
}

export interface Ranked extends Probability {
  rank: number;
}

/**
 * The classes with their places at alpha, always in the same order: what is on screen moves to its place and is
 * never swapped under the reader's eyes, or hands.
 */
export function ranked({ result, predictions }: Drawable, alpha: number): Ranked[] {
  const final = result.probabilities.slice(0, MOST);
  if (!predictions || alpha >= 1) return final.map((entry, rank) => ({ ...entry, rank }));
  const at = predictions.indices.map((index, i) => ({
    index,
    label: predictions.labels[i] ?? "",
    p: along(predictions, i, alpha),
  }));
  const places = [...at].sort((a, b) => b.p - a.p).map(({ index }) => index);
  const order = new Map(final.map(({ index }, i) => [index, i]));
  const place = (index: number) => order.get(index) ?? MOST;
  return at
    .sort((a, b) => place(a.index) - place(b.index))
    .map((entry) => ({ ...entry, rank: places.indexOf(entry.index) }));
}

/** Linear between the kept points of the path; beyond the first or the last, theirs. */
function along({ alphas, p }: Predictions, column: number, alpha: number): number {
  const before = Math.max(0, lastAtMost(alphas, alpha));
  const after = Math.min(before + 1, alphas.length - 1);
  const span = alphas[after] - alphas[before];
  const t = span > 0 ? clamp((alpha - alphas[before]) / span, 0, 1) : 0;
  return p[before][column] + (p[after][column] - p[before][column]) * t;
}

function line({ index, label, p, rank }: Ranked, rows: number, store: Store): TemplateResult {
  const explained = index === store.drawable.value?.result.target;
  const name = shorten(named(label, index));
  const out = rank >= MOST;
  return html`<li
    style="--rank: ${Math.min(rank, rows)}"
    aria-posinset=${out ? nothing : rank + 1}
    aria-setsize=${out ? nothing : rows}
    ?data-out=${out}
  >
    <button
      type="button"
      aria-pressed=${explained ? "true" : "false"}
      title="Explain ${name}"
      ?disabled=${store.offline.value || !isQuestion(store.spec.value)}
      @click=${() => store.ask({ target: index })}
    >
      <span class="name"><i style="inline-size: ${clamp(p * 100, 0, 100)}%"></i><bdi>${name}</bdi></span>
      <span>${probability(p)}</span>
    </button>
  </li>`;
}

function whereabouts(store: Store, predictions: Extra): string {
  const { drawable, alpha } = store.slot.value;
  if (alpha.value >= 1) return "for the whole input";
  const at = `at alpha ${onGrid(alpha.value, 0.01)}`;
  if (drawable.value?.predictions) return at;
  const trouble = predictions.trouble(store.slot.value);
  if (trouble) return `for the whole input; none ${at}: ${shorten(trouble, 200)}`;
  if (drawable.value?.result.stage !== "final") return `for the whole input; ${at} when the map is finished`;
  // A drag sends nothing.
  const asks = store.playing.value || store.keptAlpha.value < 1;
  return `for the whole input; ${asks ? "asking for those" : "let go for those"} ${at}`;
}
