/** The top bar: what the active panel asks, and how. */
import { html, nothing, type TemplateResult } from "lit-html";
import { named, words } from "../../lib/format.js";
import { computed, react } from "../../lib/lifetime.js";
import type { Control, Info, Output, Target } from "../../lib/wire.js";
import { methodOptions, select } from "../../ui/choice.js";
import { icons } from "../../ui/icons.js";
import { make, mount } from "../../ui/mount.js";
import { button, group, iconButton } from "../../ui/parts.js";
import { type Choice, Picker } from "../../ui/picker.js";
import { slider } from "../../ui/slider.js";
import { Baselines } from "./baselines.js";
import { generated } from "./generated.js";
import { acts, differences, isQuestion, mayStop } from "./specs.js";
import type { Store } from "./store.js";

/** Fields of a method that are traits of their own. */
const OWN_TRAIT = new Set(["n_steps", "baseline"]);
const MOST_STEPS = 1024;
const OFFLINE =
  "This page has no kernel: what it shows can be looked at in every way, but nothing new is computed.";

export class Controls {
  /** Places for what comes behind: for what brings folded controls out, of a panel made of others, and for making more panels. */
  readonly fold: HTMLElement;
  readonly sources: HTMLElement;
  readonly compare: HTMLElement;
  readonly #store: Store;
  readonly #baselines: Baselines;
  readonly #choices;

  /** `end` stands at the end of the first row. */
  constructor(element: HTMLElement, store: Store, end: HTMLElement, life: AbortSignal) {
    this.#store = store;
    this.#baselines = new Baselines(store, life);
    this.#choices = computed(() => this.#classes());
    const main = make("div", "row main", element);
    this.fold = make("div", "question", main);
    const question = make("fieldset", "question asks", main);
    this.sources = make("div", "question asks", main);
    this.compare = make("div", "compare", main);
    main.append(end);
    const target = make("div", "field target");
    const picker = new Picker(target, this.#target(), life);
    mount(life, question, () => {
      picker.update(this.#target());
      return isQuestion(store.spec.value) ? this.#main(target) : nothing;
    });
    mount(life, make("div", "summary", element), () => this.#summary());
    const settings = make("fieldset", "row settings", element);
    mount(life, settings, () => (isQuestion(store.spec.value) ? this.#settings() : nothing));
    react(life, () => {
      for (const part of [question, settings]) {
        part.disabled = store.offline.value;
        part.title = store.offline.value ? OFFLINE : "";
      }
      element.toggleAttribute("data-several", store.slots.value.length > 1);
    });
  }

  #classes(): Choice[] {
    const labels = this.#store.model.value?.labels ?? [];
    const top: Choice = { value: null, label: "Top prediction" };
    const all = labels.map((label, value) => ({ value, label: named(label, value), hint: String(value) }));
    return [top, ...all];
  }

  #main(target: HTMLElement): TemplateResult {
    const store = this.#store;
    const { method, output } = store.question;
    const info = store.info.value;
    const methods = info?.methods ?? [{ key: method.value, title: words(method.value) }];
    return html`${target}
      ${select<Output>({
        label: "Score",
        testid: "output",
        value: output.value,
        options: (info?.outputs ?? [output.value]).map((value) => ({ value, label: words(value) })),
        onChange: (value) => store.ask({ output: value }),
      })}
      ${select({
        label: "Method",
        testid: "method",
        value: method.value,
        options: methodOptions(methods),
        onChange: (key) => store.ask({ method: key }),
      })}
      ${(info?.models.length ?? 1) > 1 ? this.#models(info as Info) : nothing}
      ${(info?.images ?? 1) > 1 ? this.#images(info?.images ?? 1) : nothing}`;
  }

  /** The lead asks the first model; a panel may ask another. */
  #models({ models }: Info): TemplateResult | typeof nothing {
    const store = this.#store;
    const panel = store.active.value;
    if (!panel) return nothing;
    return select({
      label: "Model",
      testid: "model",
      value: String(store.askedBy(panel).model),
      options: models.map(({ name }, i) => ({ value: String(i), label: name })),
      onChange: (value) => store.askModel(Number(value)),
    });
  }

  #images(count: number): TemplateResult {
    const index = this.#store.question.index.value;
    const go = (to: number) => this.#store.ask({ index: (to + count) % count });
    const content = html`${iconButton({ icon: icons.previous, label: "Previous picture", onClick: () => go(index - 1) })}
      <span data-testid="index">${index + 1} of ${count}</span>
      ${iconButton({ icon: icons.next, label: "Next picture", onClick: () => go(index + 1) })}`;
    return group("Picture of the batch", "Picture", "stepper", content);
  }

  #target() {
    const store = this.#store;
    const target = store.question.target.value;
    const labels = store.model.value?.labels ?? [];
    const top = store.drawable.value?.result.probabilities[0];
    return {
      label: "Target",
      testid: "target",
      choices: this.#choices.value,
      current: nameOf(target, labels, top && named(top.label, top.index)),
      value: typeof target === "object" && target !== null ? undefined : target,
      onChange: (value: number | null) => store.ask({ target: value }),
    };
  }

  /** What the method does; of a further panel first what it has of its own. */
  #summary(): TemplateResult {
    const store = this.#store;
    const { active } = store;
    const spec = store.spec.value;
    const summary = isQuestion(spec) ? (store.method.value?.summary ?? "") : MADE;
    if (!spec) return html`<span>${summary}</span>`;
    const own = differences(store, spec);
    const differs = own.length ? `differs from panel 1: ${own.join(", ")}` : "asks the same as panel 1";
    return html`<strong class="chip">${active.value + 1}</strong>
      <span class="which">
        ${isQuestion(spec) ? html`<strong>Panel ${active.value + 1} ${differs}.</strong>` : nothing} ${summary}
      </span>
      ${
        isQuestion(spec) && own.length
          ? button("Reset to panel 1", "reset-panel", () => store.resetPanel(), {
              look: "link",
              disabled: store.offline.value,
            })
          : nothing
      }`;
  }

  #settings(): TemplateResult | typeof nothing {
    const method = this.#store.method.value;
    const info = this.#store.info.value;
    if (!method || !info) return nothing;
    const params = this.#store.question.params.value;
    const own = method.controls.filter(
      (control) => !OWN_TRAIT.has(control.name) && acts(control, method, params),
    );
    return html`${method.uses_baseline ? this.#baselines.template(info) : nothing}
    ${method.uses_steps ? this.#steps(mayStop(method, params)) : nothing} ${own.map((control) => this.#parameter(control))}`;
  }

  #steps(atMost: boolean): TemplateResult {
    const { n_steps } = this.#store.question;
    return slider({
      label: atMost ? "Steps at most" : "Steps",
      testid: "steps",
      value: n_steps.value,
      min: 1,
      max: MOST_STEPS,
      step: 1,
      reset: 32,
      log: true,
      integer: true,
      onInput: (value) => this.#store.draft({ n_steps: value }),
      onCommit: (value) => this.#store.ask({ n_steps: value }),
    });
  }

  #parameter(control: Control): TemplateResult {
    const store = this.#store;
    const { params, layer } = store.question;
    const layers = store.model.value?.layers ?? [];
    if (control.kind === "layer") {
      return generated(control, layer.value, {
        testid: "layer",
        layers,
        onInput: () => {},
        onCommit: (value) => store.ask({ layer: (value as string) || null }),
      });
    }
    const change = (value: unknown) => ({ params: { ...params.value, [control.name]: value } });
    return generated(control, params.value[control.name], {
      testid: `param-${control.name}`,
      layers,
      onInput: (value) => store.draft(change(value)),
      onCommit: (value) => store.ask(change(value)),
    });
  }
}

const MADE = "Made of other panels, here in the page: choose which.";

function nameOf(target: Target, labels: string[], top: string | undefined): string {
  if (target === null) return top === undefined ? "Top prediction" : `Top prediction: ${top}`;
  if (typeof target === "object") return target.callable;
  return named(labels[target] ?? "", target);
}
