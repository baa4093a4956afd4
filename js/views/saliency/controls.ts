/** The top bar: what is explained, and how. Controls of a method are made from what the kernel says. */
import { html, nothing, type TemplateResult } from "lit-html";
import { named } from "../../lib/format.js";
import { computed, perFrame } from "../../lib/lifetime.js";
import type { Baseline, Control, Info, Output, Params, Target } from "../../lib/wire.js";
import { segmented, select } from "../../ui/choice.js";
import { icons } from "../../ui/icons.js";
import { mount } from "../../ui/mount.js";
import { iconButton, toggle } from "../../ui/parts.js";
import { type Choice, Picker } from "../../ui/picker.js";
import { numberField, slider } from "../../ui/slider.js";
import type { Store } from "./store.js";

/** Fields of a method that are traits of their own. */
const OWN_TRAIT = new Set(["n_steps", "baseline"]);
const MOST_STEPS = 1024;

export class Controls {
  readonly #store: Store;
  /** Client only: the last setting of each baseline, so that going back to one finds it again. */
  readonly #baselines = new Map<string, Baseline>();
  readonly #sendBaseline: () => void;
  readonly #choices;

  constructor(element: HTMLElement, store: Store, life: AbortSignal) {
    this.#store = store;
    // A baseline is recomputed while its slider moves: the newest value wins, once a frame at most.
    this.#sendBaseline = perFrame(life, () => store.commit({ baseline: store.traits.baseline.value }));
    this.#choices = computed(() => {
      const labels = store.info.value?.labels ?? [];
      const top: Choice = { value: null, label: "Top prediction" };
      return [
        top,
        ...labels.map(
          (label, value): Choice => ({
            value,
            label: named(label, value),
            hint: String(value),
          }),
        ),
      ];
    });
    const main = element.appendChild(div("row main"));
    const target = div("field target");
    const picker = new Picker(target, this.#target(), life);
    mount(life, main, () => {
      picker.update(this.#target());
      return this.#main(target);
    });
    mount(life, element.appendChild(div("summary")), () => html`${store.method.value?.summary ?? ""}`);
    mount(life, element.appendChild(div("row settings")), () => this.#settings());
  }

  #main(target: HTMLElement): TemplateResult {
    const store = this.#store;
    const { method, output } = store.traits;
    const info = store.info.value;
    const methods = info?.methods ?? [{ key: method.value, title: words(method.value) }];
    return html`${target}
      ${select<Output>({
        label: "Score",
        testid: "output",
        value: output.value,
        options: (info?.outputs ?? [output.value]).map((value) => ({ value, label: words(value) })),
        onChange: (value) => store.commit({ output: value }),
      })}
      ${select({
        label: "Method",
        testid: "method",
        value: method.value,
        options: methods.map(({ key, title }) => ({ value: key, label: title })),
        onChange: (key) => store.commit({ method: key }),
      })}
      ${(info?.images ?? 1) > 1 ? this.#images(info?.images ?? 1) : nothing}
      <div class="end">
        ${iconButton({
          icon: icons.panel,
          label: store.inspector.value ? "Hide the side panel" : "Show the side panel",
          expanded: store.inspector.value,
          onClick: () => {
            store.inspector.value = !store.inspector.value;
          },
        })}
      </div>`;
  }

  #images(count: number): TemplateResult {
    const index = this.#store.traits.index.value;
    const go = (to: number) => this.#store.commit({ index: (to + count) % count });
    return html`<div class="field" role="group" aria-label="Picture of the batch">
      <span class="label">Picture</span>
      <div class="stepper">
        ${iconButton({ icon: icons.previous, label: "Previous picture", onClick: () => go(index - 1) })}
        <span data-testid="index">${index + 1} of ${count}</span>
        ${iconButton({ icon: icons.next, label: "Next picture", onClick: () => go(index + 1) })}
      </div>
    </div>`;
  }

  #target() {
    const store = this.#store;
    const target = store.traits.target.value;
    const labels = store.info.value?.labels ?? [];
    const top = store.drawable.value?.result.probabilities[0];
    return {
      label: "Target",
      testid: "target",
      choices: this.#choices.value,
      current: nameOf(target, labels, top && named(top.label, top.index)),
      value: typeof target === "object" && target !== null ? undefined : target,
      onChange: (value: number | null) => store.commit({ target: value }),
    };
  }

  #settings(): TemplateResult | typeof nothing {
    const method = this.#store.method.value;
    const info = this.#store.info.value;
    if (!method || !info) return nothing;
    const own = method.controls.filter(({ name }) => !OWN_TRAIT.has(name));
    return html`${method.uses_baseline ? this.#baseline(info) : nothing}
    ${method.uses_steps ? this.#steps() : nothing} ${own.map((control) => this.#parameter(control, info))}`;
  }

  #steps(): TemplateResult {
    const { n_steps } = this.#store.traits;
    return slider({
      label: "Steps",
      testid: "steps",
      value: n_steps.value,
      min: 1,
      max: MOST_STEPS,
      step: 1,
      reset: 32,
      log: true,
      integer: true,
      onInput: (value) => this.#store.set({ n_steps: value }),
      onCommit: (value) => this.#store.commit({ n_steps: value }),
    });
  }

  #baseline(info: Info): TemplateResult {
    const current = this.#store.traits.baseline.value;
    const known = info.baselines.map(({ kind, title }) => ({ kind, title }));
    if (!known.some(({ kind }) => kind === current.kind))
      known.push({ kind: current.kind, title: words(current.kind) });
    const options = known.map(({ kind, title }) => ({
      value: kind,
      label: title,
      swatch: `swatch-${kind}`,
      testid: `baseline-${kind}`,
    }));
    const controls = info.baselines.find(({ kind }) => kind === current.kind)?.controls ?? [];
    return html`<div class="field baseline">
        <span class="label">Baseline</span>
        ${segmented(
          {
            label: "Baseline",
            value: current.kind,
            options,
            onChange: (kind) => this.#pickBaseline(kind, info),
          },
          "chips",
        )}
      </div>
      ${controls.map((control, i) => this.#baselineControl(control, i === 0 ? "baseline-slider" : undefined))}`;
  }

  #pickBaseline(kind: string, info: Info): void {
    const { baseline } = this.#store.traits;
    this.#baselines.set(baseline.value.kind, baseline.value);
    const controls = info.baselines.find((known) => known.kind === kind)?.controls ?? [];
    const defaults = Object.fromEntries(controls.map((control) => [control.name, control.default]));
    this.#store.commit({ baseline: this.#baselines.get(kind) ?? { kind, ...defaults } });
  }

  #baselineControl(control: Control, testid?: string): TemplateResult {
    const { baseline } = this.#store.traits;
    const current = baseline.value as unknown as Params;
    const change = (value: unknown) => ({ baseline: { ...baseline.value, [control.name]: value } });
    return generated(control, current[control.name], {
      testid,
      layers: [],
      onInput: (value) => {
        this.#store.set(change(value));
        this.#sendBaseline();
      },
      onCommit: (value) => {
        if (current[control.name] !== value) this.#store.set(change(value));
        this.#sendBaseline();
      },
    });
  }

  #parameter(control: Control, info: Info): TemplateResult {
    const store = this.#store;
    const { params, layer } = store.traits;
    if (control.kind === "layer") {
      return generated(control, layer.value, {
        testid: "layer",
        layers: info.layers,
        onInput: () => {},
        onCommit: (value) => store.commit({ layer: (value as string) || null }),
      });
    }
    const change = (value: unknown) => ({ params: { ...params.value, [control.name]: value } });
    return generated(control, params.value[control.name], {
      testid: `param-${control.name}`,
      layers: info.layers,
      onInput: (value) => store.set(change(value)),
      onCommit: (value) => store.commit(change(value)),
    });
  }
}

interface Wiring {
  testid?: string;
  layers: string[];
  onInput(value: unknown): void;
  onCommit(value: unknown): void;
}

/** The control that a description asks for. */
function generated(control: Control, value: unknown, wiring: Wiring): TemplateResult {
  const { kind } = control;
  const label = words(control.label);
  const { testid, onInput, onCommit } = wiring;
  const now = value ?? control.default;
  if (kind === "bool") return toggle({ label, on: Boolean(now), testid, onChange: onCommit });
  if (kind === "choice" || kind === "layer") {
    const named = (control.choices ?? []).map((choice) => ({ value: choice, label: words(choice) }));
    const layers = wiring.layers.map((layer) => ({ value: layer, label: layer }));
    const options = kind === "layer" ? [{ value: "", label: "Automatic" }, ...layers] : named;
    return select({ label, testid, value: String(now ?? ""), options, onChange: onCommit });
  }
  const { min, max, step, log } = control;
  const integer = kind === "int";
  const base = { label, testid, value: Number(now ?? 0), integer, onInput, onCommit };
  const unbounded = max === null || max === undefined;
  const low = min ?? 0;
  if (unbounded) return numberField({ ...base, min: low, max: Number.MAX_SAFE_INTEGER, step: 1 });
  const fine = step ?? (integer ? 1 : (max - low) / 100);
  const reset = typeof control.default === "number" ? control.default : undefined;
  return slider({ ...base, min: low, max, step: fine, log: log && low > 0, reset });
}

function nameOf(target: Target, labels: string[], top: string | undefined): string {
  if (target === null) return top === undefined ? "Top prediction" : `Top prediction: ${top}`;
  if (typeof target === "object") return target.callable;
  return named(labels[target] ?? "", target);
}

/** `gauss_legendre` as a person writes it. */
function words(name: string): string {
  const text = name.replaceAll("_", " ");
  return text.charAt(0).toUpperCase() + text.slice(1);
}

function div(name: string): HTMLElement {
  const element = document.createElement("div");
  element.className = name;
  return element;
}
