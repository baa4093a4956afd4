/** The numbers of every map on trial, a row each, and those of the random orders below. */
import { html, nothing, type TemplateResult } from "lit-html";
import { number } from "../../../lib/format.js";
import type { CurveKind, RandomBand, Trial, TrialCurve } from "../../../lib/wire.js";
import { button } from "../../../ui/parts.js";
import type { Slot, Store } from "../store.js";
import { type Case, isFaint, nameOf, shapeOf } from "./cases.js";
import { KINDS, TITLES } from "./plot.js";
import { OVER } from "./words.js";

/** Of what is known when all of a curve is. */
const LATER = "\u2026";

/** How a map's line looks, beside its name. */
export function sample(panel: number): TemplateResult {
  return html`<svg class="sample" viewBox="-13 -5 26 10" aria-hidden="true" style="--c: var(--c${panel})">
    <path class="own" d="M-12 0h24"></path>
    <path class="shape" d=${shapeOf(panel)} transform="scale(3.4)"></path>
  </svg>`;
}

export const SAMPLE_OF_RANDOM = html`<svg class="sample" viewBox="-13 -5 26 10" aria-hidden="true">
  <path class="band" d="M-12-5h24v10h-24z"></path>
  <path class="mean" d="M-12 0h24"></path>
</svg>`;

interface Column {
  title: string;
  /** What the number is, in words. */
  meaning: string;
  cell(one: Case, curve: TrialCurve): TemplateResult | string;
}

const COLUMNS: readonly Column[] = [
  { title: "area", meaning: "Area under the curve", cell: areaCell },
  {
    title: "\u00f7 random",
    meaning: "The area over that of the random orders; below, where that lies for 95 % of them",
    cell: ratioCell,
  },
  {
    title: "beaten",
    meaning: "How many of the random orders do worse; one that does as well counts half",
    cell: beatenCell,
  },
  {
    title: "blurred",
    meaning:
      "Area of the map\u2019s blurred copy: where it does as well, the place counts, not the single pixel",
    cell: blurredCell,
  },
];

export function table(store: Store, cases: readonly Case[]): TemplateResult {
  const strip = cases.some(({ trial }) => trial.randomisation);
  const total = KINDS.length * COLUMNS.length + Number(strip);
  return html`<table data-testid="trial-table" aria-label="Areas under the curves">
    <thead>
      <tr>
        <th scope="col" rowspan="2">Method</th>
        ${KINDS.map(
          (kind) => html`<th scope="colgroup" class="first" colspan=${COLUMNS.length}>
            <b>${TITLES[kind][0]}</b> \u00b7 ${kind === "deletion" ? "small" : "large"} is good
          </th>`,
        )}
        ${strip ? html`<th scope="col" class="first" rowspan="2"><b>Randomised</b> rank corr.</th>` : nothing}
      </tr>
      <tr>
        ${KINDS.map(() => COLUMNS.map(({ title, meaning }, i) => html`<th scope="col" class=${i ? "" : "first"} title=${meaning}>${title}</th>`))}
      </tr>
    </thead>
    <tbody>
      ${store.slots.value.map((slot) => {
        const one = cases.find(({ panel }) => panel === slot.index);
        const several = store.slots.value.length > 1;
        return html`<tr ?data-active=${several && slot === store.slot.value} ?data-stale=${one?.stale}>
          <th scope="row">${name(store, slot, one)}</th>
          ${
            one && one.trial.stage !== "error"
              ? html`${KINDS.map((kind) => cells(one, kind))} ${strip ? stripCell(one) : nothing}`
              : html`<td class="none" colspan=${total}>${missing(store, slot, one)}</td>`
          }
        </tr>`;
      })}
      ${bandsOf(cases).map((band) => randomRow(store, band, strip))}
    </tbody>
  </table>`;
}

function name(store: Store, slot: Slot, one: Case | undefined): TemplateResult {
  const several = store.slots.value.length > 1;
  return html`<span class="who">
      ${sample(slot.index)} ${several ? html`<strong class="chip">${slot.index + 1}</strong>` : nothing}
      <span>${nameOf(store, slot, one?.trial)}</span>
    </span>
    ${one?.stale ? html`<small class="stale">${one.stale}</small>` : nothing}`;
}

/** Why a panel has no numbers. */
function missing(store: Store, { index, spec, state }: Slot, one: Case | undefined): TemplateResult {
  if (one?.trial.error)
    return html`<div class="refused" role="note" data-testid="trial-error-${index}">
      <strong>${one.trial.error.type}</strong> ${one.trial.error.message}
      ${
        store.offline.value
          ? nothing
          : button("Try again", `try-again-${index}`, () => store.request("run", { what: "trial" }))
      }
    </div>`;
  const made = spec.value && ("difference" in spec.value || "average" in spec.value);
  const { phase } = store.trialState.value;
  const why = made
    ? "Made of other panels, which are judged themselves"
    : state.value.phase === "error"
      ? "There is no map to judge"
      : store.offline.value
        ? `Not computed: ${OVER}`
        : phase === "cancelled"
          ? "Stopped before its turn"
          : "Not computed yet";
  return html`<span class="hint">${why}</span>`;
}

function cells(one: Case, kind: CurveKind): TemplateResult | TemplateResult[] {
  const { trial, panel } = one;
  const curve = trial.curves.find((each) => each.kind === kind);
  // One word for all four numbers: without an area there is none of the others.
  if (trial.stage === "final" && (!curve || curve.auc === null))
    return html`<td class="first none" colspan=${COLUMNS.length} data-label=${TITLES[kind][0]}>
      <span data-testid="auc-${kind}-${panel}">${absent(trial)}</span>
    </td>`;
  return COLUMNS.map(
    ({ title, cell }, i) => html`<td class=${i ? "" : "first"} data-label=${i ? title : TITLES[kind][0]}>
      ${curve ? cell(one, curve) : LATER}
    </td>`,
  );
}

/** Of a curve that is known in part there is no area yet. */
const whole = ({ at, points }: Trial) => at.length === points;

/** Areas of probabilities stand below each other to the digit. */
function area(value: number, trial: Trial): string {
  return trial.output === "probability" && !isFaint(trial) ? value.toFixed(3) : number(value);
}

function areaCell({ trial, panel }: Case, { kind, auc }: TrialCurve): TemplateResult {
  return html`<b data-testid="auc-${kind}-${panel}">${auc === null || !whole(trial) ? absent(trial) : area(auc, trial)}</b>`;
}

/** Two digits, and two decimals beside one: there methods differ by some per cent. */
const times = (ratio: number) => (ratio >= 0.1 && ratio < 10 ? ratio.toFixed(2) : number(ratio, 2));

function ratioCell({ trial }: Case, { ratio, ratio_low, ratio_high }: TrialCurve): TemplateResult | string {
  if (ratio === null) return absent(trial);
  const between =
    ratio_low === null || ratio_high === null ? "" : `${times(ratio_low)} to ${times(ratio_high)}`;
  return html`${times(ratio)}<small>${between}</small>`;
}

/** Halves are counted, and what a share lost to rounding is not. */
const counted = (value: number) => Number(value.toPrecision(6));

function beatenCell({ trial }: Case, { beaten, random }: TrialCurve): TemplateResult | string {
  return beaten === null || !random ? absent(trial) : `${counted(beaten * random.n)} of ${random.n}`;
}

function blurredCell({ trial }: Case, { blurred }: TrialCurve): TemplateResult | string {
  const auc = blurred?.auc ?? null;
  return auc === null || !whole(trial) ? absent(trial) : area(auc, trial);
}

function absent({ stage, notes }: Trial): TemplateResult | string {
  return stage === "partial" ? LATER : html`<i class="undefined" title=${notes.join(" ")}>not defined</i>`;
}

function stripCell({ trial, panel }: Case): TemplateResult {
  const found = trial.randomisation;
  if (!found) return html`<td class="first" data-label="Randomised">${absent({ ...trial, notes: [] })}</td>`;
  const { mean, done, total, notes } = found;
  const growing = done < total;
  const said = mean === null ? (growing ? LATER : absent({ ...trial, notes })) : number(mean, 2);
  return html`<td class="first" data-label="Randomised">
    <b data-testid="mean-${panel}">${said}</b>
    <small>${growing ? `${done} of ${total} blocks` : `${total} blocks`}</small>
  </td>`;
}

/** Random orders, and the maps that they stand beside. */
interface Bands {
  cases: readonly Case[];
  of: Partial<Record<CurveKind, RandomBand>>;
}

/** Maps of one question share their random orders. */
function bandsOf(cases: readonly Case[]): Bands[] {
  const found = new Map<string, Case[]>();
  const of = ({ trial }: Case) =>
    Object.fromEntries(trial.curves.flatMap(({ kind, random }) => (random ? [[kind, random]] : [])));
  for (const one of cases.filter(({ stale }) => !stale)) {
    const key = JSON.stringify(Object.values(of(one)).map(({ n, mean }) => [n, mean]));
    if (key !== "[]") found.set(key, [...(found.get(key) ?? []), one]);
  }
  return [...found.values()].map((several) => ({ cases: several, of: of(several[0]) }));
}

function randomRow(store: Store, { cases, of }: Bands, strip: boolean): TemplateResult {
  const [{ trial }] = cases;
  const own = cases.length < store.slots.value.length;
  const count = Object.values(of)[0]?.n;
  const middle = (auc: number | null) => (auc === null ? absent(trial) : area(auc, trial));
  return html`<tr class="of-random">
    <th scope="row">
      <span class="who">
        ${SAMPLE_OF_RANDOM} ${own ? cases.map(({ panel }) => html`<strong class="chip">${panel + 1}</strong>`) : nothing}
        <span>${count} random orders</span>
      </span>
    </th>
    ${KINDS.map((kind) => {
      const band = of[kind];
      return html`<td class="first" data-label=${TITLES[kind][0]}>${middle(band?.auc ?? null)}</td>
        <td class="beside" colspan=${COLUMNS.length - 1}>
          ${
            band && band.auc_low !== null && band.auc_high !== null
              ? html`<small>95 % from ${area(band.auc_low, trial)} to ${area(band.auc_high, trial)}</small>`
              : nothing
          }
        </td>`;
    })}
    ${strip ? html`<td class="first"></td>` : nothing}
  </tr>`;
}
