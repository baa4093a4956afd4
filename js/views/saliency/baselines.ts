/** The start of a path: chips for the named ones, for an average of them, and for a painted one. */
import { html, nothing, type TemplateResult } from "lit-html";
import { words } from "../../lib/format.js";
import { perFrame } from "../../lib/lifetime.js";
import type { Baseline, Control, Info, Params } from "../../lib/wire.js";
import { type Option, segmented } from "../../ui/choice.js";
import { group, toggle } from "../../ui/parts.js";
import { generated } from "./generated.js";
import {
  awaitsPaint,
  baselineInfo,
  choosePainted,
  fillOf,
  fills,
  paintedSettings,
  stopPainting,
} from "./paint.js";
import type { Store } from "./store.js";

const AVERAGE = "average";
const PAINTED = "painted";

export class Baselines {
  /** Client only: the last setting of each kind, so that going back to one finds it again. */
  readonly #last = new Map<string, Baseline>();
  /** A baseline is recomputed while its slider moves: the newest value wins, once a frame at most. */
  readonly #send: () => void;

  constructor(
    private readonly store: Store,
    life: AbortSignal,
  ) {
    this.#send = perFrame(life, () => store.ask({ baseline: this.#current }));
  }

  get #current(): Baseline {
    return this.store.question.baseline.value;
  }

  template(info: Info): TemplateResult {
    const { kind } = this.#current;
    const value = awaitsPaint(this.store) ? PAINTED : kind;
    return html`<div class="field baseline">
        <span class="label">Baseline</span>
        ${segmented(
          {
            label: "Baseline",
            value,
            options: this.#chips(info),
            onChange: (chosen) => this.#pick(chosen, info),
          },
          "chips",
        )}
      </div>
      ${value === AVERAGE ? this.#members(info) : nothing}
      ${awaitsPaint(this.store) ? nothing : this.#controls(info)} ${paintedSettings(this.store)}`;
  }

  #chips(info: Info): Option<string>[] {
    const made = [
      { value: AVERAGE, label: "Average", title: "Average over several baselines" },
      { value: PAINTED, label: "Painted", title: "Painted: fill a region of the picture" },
    ];
    const known: Option<string>[] = [...fills(info), ...made];
    const { kind } = this.#current;
    // The user's own numbers have no chip until they are there.
    if (!known.some(({ value }) => value === kind)) known.push({ value: kind, label: words(kind) });
    return known.map((chip) => ({
      ...chip,
      swatch: `swatch-${chip.value}`,
      testid: `baseline-${chip.value}`,
    }));
  }

  #pick(kind: string, info: Info): void {
    const { store } = this;
    const now = this.#current;
    this.#last.set(now.kind, now);
    if (kind === PAINTED) {
      choosePainted(store);
      return;
    }
    stopPainting(store);
    const fresh = kind === AVERAGE ? { kind, of: this.#first(info) } : fillOf(info, kind);
    store.ask({ baseline: this.#last.get(kind) ?? fresh });
  }

  /** An average starts with what is there and one other. */
  #first(info: Info): Baseline[] {
    const kinds = fills(info).map(({ value }) => value);
    const now = this.#current;
    const start = kinds.includes(now.kind) ? now : fillOf(info, kinds[0]);
    const other = kinds.find((kind) => kind !== start.kind);
    return other ? [start, fillOf(info, other)] : [start];
  }

  #members(info: Info): TemplateResult {
    const of = this.#current.of ?? [];
    const has = (kind: string) => of.some((one) => one.kind === kind);
    const flip = (kind: string, on: boolean) => {
      const kept = of.filter((one) => one.kind !== kind);
      const next = on ? [...kept, this.#last.get(kind) ?? fillOf(info, kind)] : kept;
      this.store.ask({ baseline: { kind: AVERAGE, of: next } });
    };
    const members = fills(info).map(({ value, label }) =>
      toggle({
        label,
        testid: `average-of-${value}`,
        on: has(value),
        disabled: has(value) && of.length === 1, // an average of nothing is no baseline
        onChange: (on) => flip(value, on),
      }),
    );
    return group("Baselines to average", "Average of", "checks", members);
  }

  #controls(info: Info): TemplateResult[] {
    const controls = baselineInfo(info, this.#current.kind)?.controls ?? [];
    return controls.map((control, i) => this.#control(control, i === 0 ? "baseline-slider" : undefined));
  }

  #control(control: Control, testid?: string): TemplateResult {
    const { store } = this;
    const current = this.#current as unknown as Params;
    const change = (value: unknown) => store.draft({ baseline: { ...this.#current, [control.name]: value } });
    return generated(control, current[control.name], {
      testid,
      layers: [],
      onInput: (value) => {
        change(value);
        this.#send();
      },
      onCommit: (value) => {
        if (current[control.name] !== value) change(value);
        this.#send();
      },
    });
  }
}
