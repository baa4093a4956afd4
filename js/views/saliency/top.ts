/** The classes that the model finds most probable, moving along the path with alpha. */
import { html, nothing, render, type TemplateResult } from "lit-html";
import { clamp, named, onGrid, probability, shorten } from "../../lib/format.js";
import { computed, react, untracked } from "../../lib/lifetime.js";
import { between } from "../../lib/select.js";
import type { Drawable, Predictions, Probability } from "../../lib/wire.js";
import { make, mount } from "../../ui/mount.js";
import { hint } from "../../ui/parts.js";
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
  const list = make("ol", "top5", element);
  list.dataset.testid = "top5";
  const rows = new Map<number, HTMLElement>();
  react(life, () => {
    const { drawable, alpha } = store.slot.value;
    list.hidden = !drawable.value;
    if (drawable.value) arrange(list, rows, ranked(drawable.value, alpha.value), store);
  });
  mount(life, make("div", "", element), () => notes(store, predictions));
}

/** One row for each class, whatever its place: a row is moved, and keeps the focus and its glide. */
function arrange(
  list: HTMLElement,
  rows: Map<number, HTMLElement>,
  found: readonly Ranked[],
  store: Store,
): void {
  const count = found.filter(({ rank }) => rank < MOST).length;
  list.style.setProperty("--rows", String(count));
  for (const [index, row] of rows) {
    if (found.some((one) => one.index === index)) continue;
    row.remove();
    rows.delete(index);
  }
  for (const [i, one] of found.entries()) {
    const row = rows.get(one.index) ?? make("li");
    rows.set(one.index, row);
    place(row, one.rank, count);
    render(line(one, store), row);
    if (list.children[i] !== row) list.insertBefore(row, list.children[i] ?? null);
  }
}

/** Those beyond the first few stay in reach of a glide, and out of sight. */
function place(row: HTMLElement, rank: number, count: number): void {
  row.style.setProperty("--rank", String(Math.min(rank, count)));
  row.toggleAttribute("data-out", rank >= MOST);
  for (const [name, value] of Object.entries({ "aria-posinset": rank + 1, "aria-setsize": count })) {
    if (rank < MOST) row.setAttribute(name, String(value));
    else row.removeAttribute(name);
  }
}

function notes(store: Store, predictions: Extra): TemplateResult {
  const { drawable } = store.slot.value;
  if (!drawable.value) return hint("Not computed yet");
  const sources = sourcesOf(store.spec.value);
  return html`${sources ? hint(`of panel ${sources[0] + 1}`) : nothing}
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
  const usual = (index: number) => order.get(index) ?? MOST;
  return at
    .sort((a, b) => usual(a.index) - usual(b.index))
    .map((entry) => ({ ...entry, rank: places.indexOf(entry.index) }));
}

/** Linear between the kept points of the path; beyond the first or the last, theirs. */
function along({ alphas, p }: Predictions, column: number, alpha: number): number {
  const { before, after, t } = between(alphas, alpha);
  return p[before][column] + (p[after][column] - p[before][column]) * t;
}

function line({ index, label, p }: Ranked, store: Store): TemplateResult {
  const explained = index === store.drawable.value?.result.target;
  const name = shorten(named(label, index));
  return html`<button
    type="button"
    aria-pressed=${explained}
    title="Explain ${name}"
    ?disabled=${store.offline.value || !isQuestion(store.spec.value)}
    @click=${() => store.ask({ target: index })}
  >
    <span class="name"><i style="inline-size: ${clamp(p * 100, 0, 100)}%"></i><bdi>${name}</bdi></span>
    <span>${probability(p)}</span>
  </button>`;
}

function whereabouts(store: Store, predictions: Extra): string {
  const { drawable, alpha } = store.slot.value;
  if (alpha.value >= 1) return "for the input at alpha 1";
  const at = `at alpha ${onGrid(alpha.value, 0.01)}`;
  if (drawable.value?.predictions) return at;
  const trouble = predictions.trouble(store.slot.value);
  if (trouble) return `for the input at alpha 1; none ${at}: ${shorten(trouble, 200)}`;
  if (drawable.value?.result.stage !== "final")
    return `for the input at alpha 1; ${at} when the map is finished`;
  // A drag sends nothing.
  const asks = store.playing.value || store.keptAlpha.value < 1;
  return `for the input at alpha 1; ${asks ? "asking for those" : "let go for those"} ${at}`;
}
