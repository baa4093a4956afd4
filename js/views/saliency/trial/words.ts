/** What the numbers of a trial come to, what to keep in mind, and what they depend on. */
import { html, nothing, type TemplateResult } from "lit-html";
import type { CurveKind } from "../../../lib/wire.js";
import { hint } from "../../../ui/parts.js";
import { isQuestion } from "../specs.js";
import type { Store } from "../store.js";
import type { Case } from "./cases.js";
import { KINDS, TITLES } from "./plot.js";

/** What to keep in mind. */
export const notesOf = ({ trial }: Case) => [...trial.notes, ...(trial.randomisation?.notes ?? [])];

export function notes(all: readonly string[]): TemplateResult | typeof nothing {
  return all.length ? html`<ul class="notes">${all.map((note) => html`<li>${note}</li>`)}</ul>` : nothing;
}

/** Of a page without a kernel, where nothing more will come. */
export const OVER = "the page was exported before the trial was over";

/** In the place where a kernel says how far it is. */
export function cutShort(store: Store, cases: readonly Case[]): TemplateResult | typeof nothing {
  const judged = (panel: number) => cases.find((one) => one.panel === panel)?.trial.stage ?? "partial";
  const open = store.slots.value.some(
    ({ index, spec, state }) =>
      isQuestion(spec.value) && state.value.phase !== "error" && judged(index) === "partial",
  );
  if (!open) return nothing;
  return html`<p class="hint" role="note" data-testid="cut-short">
    Cut short: ${OVER}, so that there is no more than what was computed by then.
  </p>`;
}

const chip = (store: Store, panel: number) =>
  store.slots.value.length > 1 ? html`<strong class="chip">${panel + 1}</strong>` : nothing;

/** Of the active map, above all else. */
export function summary(store: Store, one: Case | undefined): TemplateResult | typeof nothing {
  const { phase } = store.trialState.value;
  const { sentence = "", stage = "partial" } = one?.trial ?? {};
  if (one && sentence)
    return html`<p class="sum" ?data-stale=${one.stale}>
      ${chip(store, one.panel)} <span class="sentence" data-testid="verdict-${one.panel}">${sentence}</span>
    </p>`;
  return stage === "partial" && phase === "running" && !store.offline.value
    ? hint("What the curves come to is said here when they are whole.")
    : nothing;
}

/** Of another map; notes that stand beside the active one are not said again. */
export function verdict(store: Store, one: Case, active?: Case): TemplateResult | typeof nothing {
  const { trial, panel, stale } = one;
  const known = active ? notesOf(active) : [];
  const more = notesOf(one).filter((note) => !known.includes(note));
  if (!trial.sentence && !more.length) return nothing;
  return html`<div class="verdict" ?data-stale=${stale}>
    ${chip(store, panel)}
    <div>
      ${trial.sentence ? html`<p data-testid="verdict-${panel}">${trial.sentence}</p>` : nothing} ${notes(more)}
    </div>
  </div>`;
}

/** What the numbers depend on: once, where it is the same for all. */
export function protocols(cases: readonly Case[]): TemplateResult | typeof nothing {
  const said = (kind: CurveKind) =>
    new Set(
      cases.flatMap(({ trial }) =>
        trial.curves.filter((one) => one.kind === kind && one.protocol).map((one) => one.protocol),
      ),
    );
  const found = KINDS.flatMap((kind) => [...said(kind)].map((text) => [TITLES[kind][0], text] as const));
  if (!found.length) return nothing;
  return html`<details class="protocol">
    <summary>What these numbers depend on</summary>
    <dl class="facts">
      ${found.map(([title, text]) => html`<dt>${title}</dt><dd>${text}</dd>`)}
    </dl>
  </details>`;
}
