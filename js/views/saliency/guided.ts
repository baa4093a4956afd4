/** The guided mode: five cards beside the pictures, of which one is open, and a veil over the map until its turn. */
import { html, nothing, type TemplateResult } from "lit-html";
import { computed, react, signal } from "../../lib/lifetime.js";
import { maskOf } from "../../lib/region.js";
import type { Drawable, Region } from "../../lib/wire.js";
import { rankCorrelation } from "../../render/compare.js";
import { type RegionStats, regionStats } from "../../render/region.js";
import { mount } from "../../ui/mount.js";
import { button } from "../../ui/parts.js";
import { LESSONS } from "./lessons.js";
import type { Store } from "./store.js";

/** Number of the card that lifts the veil. */
const REVEAL = 2;
/** From this card on baselines are compared. */
const EXPLAIN = 3;

/** What the map was like from one baseline. */
export interface Try {
  baseline: string;
  /** Of the reader's mark; `null` without one. */
  stats: RegionStats | null;
  /** Spearman's, with the map of the first baseline. */
  correlation: number | null;
}

/** Client only: how far the reader has come, and what was marked on the way. */
export class Guide {
  readonly step = signal(0);
  readonly reached = signal(0);
  /** The mark made before the map was seen. */
  readonly mark = signal<Region | null>(null);
  readonly tries = signal<readonly Try[]>([]);
  /** Of the leading panel. */
  readonly drawable = computed(() => this.store.slots.value[0].drawable.value);
  readonly method = computed(() => this.store.methodOf(this.store.traits.method.value));
  readonly veiled = computed(() => this.store.traits.mode.value === "guided" && this.reached.value < REVEAL);
  #first: { key: string; drawable: Drawable } | null = null;

  constructor(
    readonly store: Store,
    private readonly element: HTMLElement,
    life: AbortSignal,
  ) {
    react(life, () => {
      const drawable = this.drawable.value;
      if (this.step.value >= EXPLAIN && drawable?.result.stage === "final") this.#compare(drawable);
    });
  }

  go(step: number): void {
    const { store } = this;
    if (this.step.value === 0) this.mark.value = store.traits.region.value;
    this.step.value = step;
    this.reached.value = Math.max(this.reached.value, step);
    store.tool.value = "look";
    // The whole map first; from where the reader left alpha it would be a part of it.
    if (step === REVEAL && store.traits.alpha.value < 1) store.commit({ alpha: 1 });
    queueMicrotask(() => this.element.querySelector<HTMLElement>("[aria-current] .head")?.focus());
  }

  restart(): void {
    this.reached.value = 0;
    this.tries.value = [];
    this.#first = null;
    this.store.commit({ region: null, compare: [], panel: 0 });
    this.go(0);
    this.mark.value = null;
  }

  leave(): void {
    this.store.tool.value = "look";
    this.store.commit({ mode: "full" });
  }

  /** What lies in a mark, by size without sign. */
  stats(drawable: Drawable | null, mark = this.mark.value): RegionStats | null {
    if (!mark || !drawable) return null;
    const { map, width, height } = drawable;
    return regionStats(map.data, maskOf(mark, width, height), null);
  }

  /** Keeps what this map is like beside those of other baselines; another question begins anew. */
  #compare(drawable: Drawable): void {
    const { method, target, output, layer, index, baseline } = drawable.result;
    const key = JSON.stringify([method, target, output, layer, index]);
    const known = this.#first?.key === key ? this.tries.peek() : [];
    if (!known.length) this.#first = { key, drawable };
    const name = baseline ?? "none";
    const correlation = this.#first && rankCorrelation(this.#first.drawable.map.data, drawable.map.data);
    const now: Try = { baseline: name, stats: this.stats(drawable), correlation };
    const at = known.findIndex((one) => one.baseline === name);
    this.tries.value = at < 0 ? [...known, now] : known.with(at, now);
  }
}

export function mountGuide(element: HTMLElement, root: HTMLElement, store: Store, life: AbortSignal): void {
  const guide = new Guide(store, element, life);
  element.setAttribute("aria-label", "Guided tour");
  react(life, () => {
    const guided = store.traits.mode.value === "guided";
    root.toggleAttribute("data-veiled", guide.veiled.value);
    if (guided) root.dataset.step = String(guide.step.value + 1);
    else delete root.dataset.step;
  });
  mount(life, element, () => (store.traits.mode.value === "guided" ? cards(guide) : nothing));
}

function cards(guide: Guide): TemplateResult {
  return html`<header>
      <h3>Guided tour</h3>
      ${button("Full mode", "full-mode", () => guide.leave(), { look: "link" })}
    </header>
    <ol>
      ${LESSONS.map((_, number) => card(guide, number))}
    </ol>`;
}

function card(guide: Guide, number: number): TemplateResult {
  const { title, body, next } = LESSONS[number];
  const open = guide.step.value === number;
  const reached = guide.reached.value >= number;
  return html`<li aria-current=${open ? "step" : nothing} ?data-done=${reached && !open}>
    <button
      class="head"
      type="button"
      aria-expanded=${open}
      ?disabled=${!reached}
      @click=${() => guide.go(number)}
    >
      <i>${number + 1}</i>${title}
    </button>
    ${
      open
        ? html`<div class="lesson" data-testid="lesson-${number + 1}">
            ${body(guide)}
            <div class="steps">
              ${number > 0 ? button("Back", "back", () => guide.go(number - 1)) : nothing}
              ${
                next
                  ? button(next, "next", () => guide.go(number + 1), { look: "button strong" })
                  : button("Start over", "restart", () => guide.restart())
              }
            </div>
          </div>`
        : nothing
    }
  </li>`;
}
