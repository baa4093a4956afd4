/** How maps are put on trial, and how far that is. */
import { html, nothing, type TemplateResult } from "lit-html";
import { progressed, seconds, words } from "../../../lib/format.js";
import type { Baseline, BaselineInfo, Info, Output, Params, TrialSettings } from "../../../lib/wire.js";
import { segmented, select } from "../../../ui/choice.js";
import { button, group, progress, toggle } from "../../../ui/parts.js";
import { errorBox, uncounted } from "../../../ui/status.js";
import { generated } from "../generated.js";
import { isQuestion } from "../specs.js";
import type { Store } from "../store.js";

const STEPS = [16, 32, 64, 224];

export class Settings {
  /** Client only: the last setting of each kind, so that going back to one finds it again. */
  readonly #last = new Map<string, Baseline>();

  constructor(private readonly store: Store) {}

  get #now(): TrialSettings {
    return this.store.traits.trial.value as TrialSettings;
  }

  #ask(partial: Partial<TrialSettings>): void {
    this.store.commit({ trial: { ...this.#now, ...partial } });
  }

  template(): TemplateResult | typeof nothing {
    const info = this.store.info.value;
    if (!this.store.traits.trial.value || !info) return nothing;
    return html`${this.#replacement(info)} ${this.#controls(info)} ${this.#steps()} ${this.#output(info)}
    ${toggle({
      label: "Randomise the weights too",
      testid: "randomise",
      on: this.#now.randomise,
      onChange: (randomise) => this.#ask({ randomise }),
    })}`;
  }

  #replacement(info: Info): TemplateResult {
    const { replacement } = this.#now;
    const known = (info.replacements ?? []).map(({ kind, title }) => ({ value: kind, label: title }));
    if (!known.some(({ value }) => value === replacement.kind))
      known.push({ value: replacement.kind, label: words(replacement.kind) });
    return select({
      label: "A hidden pixel becomes",
      testid: "replacement",
      value: replacement.kind,
      options: known,
      onChange: (kind) => this.#pick(kind, info),
    });
  }

  #pick(kind: string, info: Info): void {
    const { replacement } = this.#now;
    if (kind === replacement.kind) return;
    this.#last.set(replacement.kind, replacement);
    this.#ask({ replacement: this.#last.get(kind) ?? fresh(infoOf(info, kind), kind) });
  }

  #controls(info: Info): TemplateResult[] {
    const { store } = this;
    const { replacement } = this.#now;
    const controls = infoOf(info, replacement.kind)?.controls ?? [];
    return controls.map((control) => {
      const changed = (value: unknown) => ({
        trial: { ...this.#now, replacement: { ...this.#now.replacement, [control.name]: value } },
      });
      return generated(control, (replacement as unknown as Params)[control.name], {
        testid: `replacement-${control.name}`,
        layers: [],
        onInput: (value) => store.set(changed(value)),
        onCommit: (value) => store.commit(changed(value)),
      });
    });
  }

  /** A target that is a function is its own score: where all are, there is nothing to choose. */
  #output(info: Info): TemplateResult | typeof nothing {
    const { output } = this.#now;
    const { store } = this;
    const asked = store.slots.value.filter(({ spec }) => isQuestion(spec.value));
    const targets = asked.map(({ index }) => store.askedBy(index).target);
    if (targets.every((target) => target !== null && typeof target === "object")) return nothing;
    return select<Output>({
      label: "Score that is watched",
      testid: "trial-output",
      value: output,
      options: info.outputs.map((value) => ({ value, label: words(value) })),
      onChange: (value) => value !== output && this.#ask({ output: value }),
    });
  }

  #steps(): TemplateResult {
    const { steps } = this.#now;
    const offered = [...new Set([...STEPS, steps])].sort((a, b) => a - b);
    const content = segmented({
      label: "Steps from no pixel to all",
      testid: "trial-steps",
      value: String(steps),
      options: offered.map((value) => ({ value: String(value), label: String(value) })),
      onChange: (value) => Number(value) !== steps && this.#ask({ steps: Number(value) }),
    });
    return group("Steps from no pixel to all", "Steps", "", content);
  }
}

const infoOf = (info: Info, kind: string): BaselineInfo | undefined =>
  info.replacements?.find((known) => known.kind === kind);

function fresh(info: BaselineInfo | undefined, kind: string): Baseline {
  const given = (info?.controls ?? []).map((control) => [control.name, control.default]);
  return { kind, ...Object.fromEntries(given) };
}

/** How far the trial is, and the way to stop it. */
export function work(store: Store): TemplateResult | typeof nothing {
  const state = store.trialState.value;
  const { phase, text, done, total, eta, error } = state;
  if (phase === "error" && error) return errorBox(error.type, error.message);
  if (phase === "cancelled")
    return html`<p data-testid="trial-state">
      Stopped: what is drawn is what was computed.
      ${button("Go on", "go-on", () => store.request("run", { what: "trial" }))}
    </p>`;
  if (phase !== "running") return nothing;
  const left = eta !== null && eta >= 1 ? `about ${seconds(eta)} left` : "";
  const far = [total ? progressed(state) : "", left].filter(Boolean).join(" \u00b7 ");
  return html`<p data-testid="trial-state">
    ${progress("Progress of the trial", total ? done / total : null)}
    <span role="status">${uncounted(text) || "Putting the maps on trial"}</span> <span class="hint">${far}</span>
    ${button("Stop", "stop-trial", () => store.request("cancel", { what: "trial" }))}
  </p>`;
}
