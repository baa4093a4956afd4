/** What a reader of this kind of map should know, and the facts of the very map on screen. */
import { html, nothing, type TemplateResult } from "lit-html";
import { explainedClass, number, percent, signed, spaced, withUnit, words } from "../../lib/format.js";
import { converged, counted, covered } from "../../lib/sentence.js";
import type { MethodInfo, Result } from "../../lib/wire.js";
import type { DialogProps } from "../../ui/dialog.js";
import { type Fact, facts, hint } from "../../ui/parts.js";
import { isQuestion } from "./specs.js";
import type { Store } from "./store.js";

export function cardBox(store: Store): DialogProps {
  const result = store.drawable.value?.result;
  const spec = store.spec.value;
  const made = !isQuestion(spec);
  const method = made ? undefined : store.method.value;
  return {
    title: (made ? result?.title : method?.title) ?? "This map",
    testid: "card-box",
    body: html`${made ? derived(spec !== null && "difference" in spec) : about(method)} ${result ? thisMap(result) : nothing}`,
  };
}

function about(method: MethodInfo | undefined): TemplateResult {
  const card = method?.card;
  if (!card)
    return html`<p data-testid="no-card">
      ${method?.summary ?? ""} Nobody has written a card for this method: what its maps show, and where they
      fail, is for you to find out.
    </p>`;
  const { shows, assumes, costs, fails, reference } = card;
  return facts(
    told([
      ["It shows", shows],
      ["It assumes", assumes],
      ["It costs", costs],
      ["It fails", fails],
      ["Reference", reference],
    ]),
  );
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

type Maybe = readonly [name: string, value: string | false | null | undefined];

/** Those that have something to say. */
export function told(rows: readonly Maybe[]): Fact[] {
  return rows.filter((row): row is Fact => Boolean(row[1]));
}

/** What an adaptive method estimates. */
const error = ({ completeness }: Result) => completeness?.map_error;

/** What a result says of the question that it answers. */
export function answered(result: Result): Maybe[] {
  return [
    ["Explains", `${spaced(result.output)} of ${explainedClass(result)}`],
    ["Score", withUnit(number(result.score, 4), spaced(result.output))],
    [words(result.work ?? "steps"), counted(result)],
    ["Map error", error(result) != null && `about ${percent(error(result) as number)}`],
    ["Sampling error", result.sampling_error != null && `${percent(result.sampling_error)} of the map`],
    ["Baseline", result.baseline],
    ["Layer", result.layer],
  ];
}

function thisMap(result: Result): TemplateResult {
  const { completeness, unit, stage } = result;
  const { delta, change } = completeness ?? { delta: 0, change: 0 };
  const share = change ? `, ${percent(Math.abs(delta / change))} of the change` : "";
  return html`<h4>This map</h4>
    ${facts(
      told([
        ...answered(result),
        ["Gap", completeness && withUnit(signed(delta), unit) + share],
        ["Converged?", error(result) == null && converged(result)],
        ["Rules", covered(result)],
      ]),
    )}
    ${stage === "final" ? nothing : hint(`Not finished: ${stage}.`)}`;
}
