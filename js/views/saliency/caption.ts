/** Around a map: whose it is, what it is not, and what went wrong with it. */
import { html, nothing, type TemplateResult } from "lit-html";
import { explainedClass, number, progressed } from "../../lib/format.js";
import type { Result, State } from "../../lib/wire.js";
import { icons } from "../../ui/icons.js";
import type { MapSlot } from "./slots.js";
import { differences, isQuestion, modelWords, remove } from "./specs.js";
import type { Store } from "./store.js";

export function caption(slot: MapSlot, store: Store): TemplateResult {
  const several = store.slots.value.length > 1;
  return html`${several ? html`<strong class="chip">${slot.index + 1}</strong>` : nothing}
  ${slot.spec.value ? further(slot, store) : lead(slot, store)}
  ${slot.index ? remover(slot, store) : nothing}`;
}

function lead(slot: MapSlot, store: Store): TemplateResult {
  const result = slot.drawable.value?.result;
  if (!result) return html`<h3>Attribution</h3>`;
  const label = explainedClass(result);
  const info = store.info.value;
  const model = info && info.models.length > 1 ? modelWords(0, info) : "";
  const tail = [model, result.layer].map((words) => (words ? `, ${words}` : "")).join("");
  return html`<h3 title=${result.title}>${result.title}</h3>
    <span title=${label}>for <bdi>${label}</bdi>${tail}</span>`;
}

/** The class that a panel without a target of its own explains, where the model or the picture chose another one. */
function ownClass(slot: MapSlot, store: Store): string {
  const [result, first] = [slot, store.slots.value[0]].map(({ drawable }) => drawable.value?.result);
  if (!result || !first || result.target_label === first.target_label) return "";
  return `for ${explainedClass(result)}`;
}

/** What differs from the lead; the rest is in its caption. */
function further(slot: MapSlot, store: Store): TemplateResult {
  const spec = slot.spec.value ?? {};
  const words = differences(store, spec);
  const [first = "Same as panel 1", ...rest] = words;
  const correlation = isQuestion(spec) ? null : slot.correlation.value;
  const more = correlation === null ? rest.join(", ") : `rank correlation ${number(correlation, 2)}`;
  const asks = isQuestion(spec);
  const layer = asks && !spec?.layer && slot.drawable.value?.result.layer;
  const target = asks && spec?.target === undefined && ownClass(slot, store);
  const tail = [more, target, layer].filter(Boolean).join(", ");
  const whole = [...words, ...(words.length ? [] : [first])].join(", ");
  return html`<h3 title=${whole}>${first}</h3>
    <span title=${correlation === null ? tail : "Spearman's rank correlation of the two maps"}>${tail}</span>`;
}

function remover(slot: MapSlot, store: Store): TemplateResult {
  const label = `Remove panel ${slot.index + 1}`;
  return html`<button
    class="ghost remove"
    type="button"
    data-removes
    data-testid="remove-${slot.index}"
    title=${label}
    aria-label=${label}
    @click=${() => remove(store, slot.index)}
  >
    ${icons.close}
  </button>`;
}

/** Says what the picture is not: preview, partial, of an older setting, stopped halfway, with gaps. */
export function badge(slot: MapSlot): TemplateResult | typeof nothing {
  const result = slot.drawable.value?.result;
  const text =
    result && !slot.fed.value
      ? [caveat(result, slot.state.value), uncovered(result)].filter(Boolean).join(" · ")
      : "";
  return text ? html`<span class="badge" data-testid="stage">${text}</span>` : nothing;
}

/** A map with gaps looks like one without; which they are stands among the facts. */
function uncovered({ coverage }: Result): string {
  const gaps = Object.values(coverage?.gaps ?? {}).reduce((sum, n) => sum + n, 0);
  if (!gaps) return "";
  return `${gaps} ${gaps === 1 ? "operation" : "operations"} without a rule`;
}

function caveat({ stage, job }: Result, state: State): string {
  if (state.job > job) return state.phase === "running" ? "computing" : "of the previous setting";
  if (stage === "final") return "";
  if (stage === "cancelled" || state.phase === "cancelled") return "cancelled, incomplete";
  if (stage === "partial" && state.total) return `partial, ${progressed(state)}`;
  return stage;
}

/** Of one panel among several; alone, a panel has the whole width above it for that. */
export function trouble(slot: MapSlot, store: Store): TemplateResult | typeof nothing {
  const { error } = slot.state.value;
  if (!error || store.slots.value.length === 1) return nothing;
  return html`<div class="trouble" role="alert" data-testid="panel-error">
    <strong>${error.type}</strong>
    <p tabindex="0">${error.message}</p>
  </div>`;
}
