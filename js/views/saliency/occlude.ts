/** What the score does without the region: the same question about a picture in which it is covered. */
import { html, nothing, type TemplateResult } from "lit-html";
import { explainedClass, number, percent, spaced } from "../../lib/format.js";
import { equal } from "../../lib/history.js";
import { react, type Signal, signal } from "../../lib/lifetime.js";
import { MOST_PANELS, type Question, type Result } from "../../lib/wire.js";
import { select } from "../../ui/choice.js";
import { button, hint } from "../../ui/parts.js";
import { fillOf, fills } from "./paint.js";
import { isQuestion } from "./specs.js";
import type { Store } from "./store.js";

/** What one panel asks, and what was answered to exactly that. */
interface Asked {
  question: Pick<Question, "occlusion" | "target" | "output" | "index">;
  model: number;
  /** The newest job when this was asked: only a later one answers it. */
  since: number;
}

interface Effect {
  /** Score of the whole picture; `null` where no panel has shown it. */
  before: number | null;
  after: Result;
}

export class Occlusion {
  readonly #fill: Signal<string> = signal("");
  readonly #effect: Signal<Effect | null> = signal(null);
  readonly #asked: (Asked | null)[] = [];
  /** Scores of whole pictures that were on screen, by model, picture, output and class. */
  readonly #whole = new Map<string, number>();

  constructor(
    private readonly store: Store,
    life: AbortSignal,
  ) {
    react(life, () => this.#look());
  }

  template(): TemplateResult | typeof nothing {
    const { store } = this;
    if (store.offline.value) return nothing;
    const region = store.traits.region.value;
    const occluded = questionOf(store, store.active.value)?.occlusion ?? null;
    if (!region && !occluded) return nothing;
    return html`<div class="occlude" role="group" aria-label="Occlusion">
      ${region ? this.#ask() : nothing}
      <div aria-live="polite">${this.#outcome()}</div>
      ${occluded ? button("Remove occlusion", "occlude-remove", () => store.ask({ occlusion: null })) : nothing}
    </div>`;
  }

  #ask(): TemplateResult {
    const { store } = this;
    const options = fills(store.info.value);
    const kinds = options.map(({ value }) => value);
    const kind = this.#fill.value || (kinds.includes("blur") ? "blur" : (kinds[0] ?? ""));
    const question = questionOf(store, store.active.value);
    const full = store.traits.compare.value.length + 1 >= MOST_PANELS;
    const disabled = !question || !kind;
    return html`${select({
      label: "Fill",
      testid: "occlude-fill",
      value: kind,
      options,
      onChange: (value) => {
        this.#fill.value = value;
      },
    })}
      <div class="buttons">
        ${button("Occlude and re-run", "occlude", () => store.ask({ occlusion: this.#occlusion(kind) }), { disabled })}
        ${button("Compare with occluded", "occlude-compare", () => this.#compare(kind), {
          title: full
            ? `There is no room for more than ${MOST_PANELS} panels`
            : "Beside the whole picture, in a panel of its own",
          disabled: disabled || full,
        })}
      </div>
      ${question ? nothing : hint("This panel is made of others: choose one with a question of its own.")}`;
  }

  #occlusion(kind: string): Question["occlusion"] {
    const region = this.store.traits.region.value;
    return region && { region, fill: fillOf(this.store.info.value, kind) };
  }

  #compare(kind: string): void {
    const { compare } = this.store.traits;
    const own = this.store.spec.value ?? {};
    this.store.commit({ compare: [...compare.value, { ...own, occlusion: this.#occlusion(kind) }] });
  }

  #outcome(): TemplateResult | typeof nothing {
    const effect = this.#effect.value;
    if (!effect) return nothing;
    const { before, after } = effect;
    // Across zero a share of the score means nothing.
    const share = before && before * after.score > 0 ? (after.score - before) / Math.abs(before) : null;
    return html`<p class="outcome" data-testid="occlude-outcome">
      <span class="label">${spaced(after.output)} of <bdi>${explainedClass(after, 60)}</bdi></span>
      <b>${before === null ? nothing : html`${number(before)} \u2192 `}${number(after.score)}</b>
      ${before === null ? "with the region covered" : share === null ? nothing : html`<span class="label">${share > 0 ? "+" : ""}${percent(share)}</span>`}
    </p>`;
  }

  /** Notes which panel's score is of the whole picture, and finds the two to be told. */
  #look(): void {
    const { slots, active } = this.store;
    const results = slots.value.map(({ index, state, drawable }) => {
      const asked = this.#note(index, state.value.job);
      const result = drawable.value?.result;
      if (!asked || !result || result.job <= asked.since) return null;
      if (!asked.question.occlusion) this.#whole.set(key(result, asked), result.score);
      return { asked, result };
    });
    const told = results.map((found): Effect | null => {
      if (!found?.asked.question.occlusion) return null;
      return { before: this.#whole.get(key(found.result, found.asked)) ?? null, after: found.result };
    });
    // A whole picture tells of the panel beside it that asks the same with the region covered.
    const here = questionOf(this.store, active.value);
    const beside = told.findIndex(
      (_, i) => here && !here.occlusion && twins(here, questionOf(this.store, i)),
    );
    this.#effect.value = told[active.value] ?? told[beside] ?? null;
  }

  #note(panel: number, job: number): Asked | null {
    const asks = questionOf(this.store, panel);
    if (!asks) {
      this.#asked[panel] = null;
      return null;
    }
    const { occlusion, target, output, index, model } = asks;
    const question = { occlusion, target, output, index };
    const before = this.#asked[panel];
    if (before && before.model === model && equal(before.question, question)) return before;
    const asked = { question, model, since: before ? job : -1 };
    this.#asked[panel] = asked;
    return asked;
  }
}

const key = ({ target, output, index }: Result, { model, question }: Asked) =>
  JSON.stringify([model, index, output, target ?? question.target]);

/** The same question, one of the whole picture and one of the covered one. */
function twins(whole: Question, other: Question | null): boolean {
  return Boolean(other?.occlusion) && equal({ ...whole, occlusion: null }, { ...other, occlusion: null });
}

/** What a panel asks; `null` for one that is made of others. */
export function questionOf(store: Store, panel: number): (Question & { model: number }) | null {
  const { compare } = store.traits;
  const there = panel <= compare.value.length;
  return there && isQuestion(compare.value[panel - 1] ?? null) ? store.askedBy(panel) : null;
}
