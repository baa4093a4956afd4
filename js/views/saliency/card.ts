/** What a reader of this kind of map should know, and the facts of the very map on screen. */
import { html, nothing, type TemplateResult } from "lit-html";
import { named, number, percent, shorten, signed, withUnit } from "../../lib/format.js";
import { converged } from "../../lib/sentence.js";
import type { MethodInfo, Result } from "../../lib/wire.js";
import type { DialogProps } from "../../ui/dialog.js";
import { isQuestion } from "./specs.js";
import type { Store } from "./store.js";

type Fact = [name: string, value: string];

export function cardBox(store: Store): DialogProps {
  const result = store.drawable.value?.result;
  const spec = store.spec.value;
  const made = !isQuestion(spec);
  const method = made ? undefined : store.method.value;
  return {
    title: (made ? result?.title : method?.title) ?? "This map",
    testid: "card-box",
    body: html`${made ? derived(spec !== null && "difference" in spec) : about(method)} ${result ? factsOf(result) : nothing}`,
  };
}

function about(method: MethodInfo | undefined): TemplateResult {
  const card = method?.card;
  if (!card)
    return html`<p data-testid="no-card">
      ${method?.summary ?? ""} Nobody has written a card for this method: what its maps show, and where they
      fail, is for you to find out.
    </p>`;
  const rows: Fact[] = [
    ["It shows", card.shows],
    ["It assumes", card.assumes],
    ["It costs", card.costs],
    ["It fails", card.fails],
    ["Reference", card.reference],
  ];
  return list(rows.filter(([, text]) => text));
}

function derived(difference: boolean): TemplateResult {
  return difference
    ? html`<p>
        The values of one panel minus those of another, pixel by pixel. Where it is zero both agree; it does not
        say which of them is right.
      </p>`
    : html`<p>
        The mean of several maps, pixel by pixel. What only one of them shows is fainter here; what all share
        stays.
      </p>`;
}

function factsOf(result: Result): TemplateResult {
  const { completeness, unit } = result;
  const facts: Fact[] = [
    [
      "Explains",
      `${result.output.replaceAll("_", " ")} of ${shorten(named(result.target_label, result.target))}`,
    ],
    ["Score", withUnit(number(result.score, 4), unit)],
  ];
  if (result.steps && result.stage !== "preview") facts.push(["Steps", String(result.steps)]);
  if (result.baseline) facts.push(["Baseline", result.baseline]);
  if (result.layer) facts.push(["Layer", result.layer]);
  if (completeness) {
    const share = completeness.change
      ? `, ${percent(Math.abs(completeness.delta / completeness.change))} of the change`
      : "";
    facts.push(["Gap", withUnit(signed(completeness.delta), unit) + share]);
  }
  const change = converged(result);
  if (change) facts.push(["Converged?", change]);
  return html`<h4>This map</h4>
    ${list(facts)} ${result.stage === "final" ? nothing : html`<p class="hint">Not finished: ${result.stage}.</p>`}`;
}

function list(rows: readonly Fact[]): TemplateResult {
  return html`<dl class="facts">${rows.map(([name, text]) => html`<dt>${name}</dt><dd dir="auto">${text}</dd>`)}</dl>`;
}
