/** One curve of every map on trial: drawn as far as it is known, and walked by pointer and keys. */
import { html, nothing, svg, type TemplateResult } from "lit-html";
import { clamp, explainedClass, percent, spaced } from "../../../lib/format.js";
import { ARROWS, isShortcut } from "../../../lib/keys.js";
import { computed, listen, signal, watchWidth } from "../../../lib/lifetime.js";
import { nearest } from "../../../lib/select.js";
import type { CurveKind, TrialCurve } from "../../../lib/wire.js";
import { line, linear, marginOf, TICK, tickLabels, ticks } from "../../../render/chart.js";
import { make, mount } from "../../../ui/mount.js";
import { isQuestion } from "../specs.js";
import type { Store } from "../store.js";
import { blurredOf, type Case, curveOf, DONE, leading, scored, scoreOf, shapeOf } from "./cases.js";
import { winner } from "./fed.js";

/** Of the width, within bounds in CSS pixels. */
const HEIGHT = { share: 0.46, least: 200, most: 290 };
const LEFT = 46;
const RIGHT = 14;
const TOP = 24;
const BOTTOM = 42;
/** Of the handle on the axis. */
const THUMB = 6;
/** Of the scores at the handle: the height of a row, and the room around them. */
const ROW = 15;
const PAD = 5;
const LETTER = 7;
/** Markers on a whole line. */
const MARKERS = 5;
/** Part of the points that a page moves. */
const PAGE = 1 / 8;

export const TITLES: Record<CurveKind, readonly [title: string, meaning: string]> = {
  deletion: ["Deletion", "strongest pixels first: a small area is good"],
  insertion: ["Insertion", "strongest pixels first: a large area is good"],
};

export const KINDS: readonly CurveKind[] = ["deletion", "insertion"];

interface Drawn {
  left: number;
  cases: readonly { one: Case; curve: TrialCurve }[];
  lead: Case | undefined;
  right: number;
  base: number;
  x(share: number): number;
  y(score: number): number;
  marks: number[];
}

/** Where a map's curve is met. */
interface Mark {
  panel: number;
  x: number;
  y: number;
  said: string;
}

export class Plot {
  readonly #width = signal(0);
  readonly #drawn;
  /** The share of the pixels under a pointer that has not taken hold. */
  readonly #pointed = signal<number | null>(null);
  /** Whether a key has moved the point and has not been lifted. */
  #held = false;

  constructor(
    element: HTMLElement,
    private readonly store: Store,
    private readonly kind: CurveKind,
    private readonly cases: () => readonly Case[],
    private readonly domain: (output: string) => [number, number],
    life: AbortSignal,
  ) {
    const [title, meaning] = TITLES[kind];
    const head = make("header", "", element);
    make("h4", "", head).textContent = title;
    make("p", "hint", head).textContent = meaning;
    const plot = make("div", "plot", element);
    plot.tabIndex = 0;
    plot.dataset.testid = `plot-${kind}`;
    const said = {
      role: "slider",
      "aria-label": `${title}: share of the pixels ${DONE[kind]}`,
      "aria-valuemin": "0",
      "aria-valuemax": "100",
    };
    for (const [name, value] of Object.entries(said)) plot.setAttribute(name, value);
    this.#drawn = computed(() => this.#layout());
    mount(life, plot, () => {
      this.#describe(plot);
      return this.#template();
    });
    watchWidth(life, plot, (width) => {
      this.#width.value = width;
    });
    listen(life, plot, {
      pointerdown: (event) => this.#grab(event, plot),
      pointermove: (event) => this.#move(event, plot),
      pointerleave: () => {
        this.#pointed.value = null;
      },
      pointerup: (event) => this.#drop(event, plot),
      pointercancel: (event) => this.#drop(event, plot),
      dblclick: () => this.store.commit({ taken: null }),
      keydown: (event) => this.#press(event),
      keyup: () => this.#lift(),
      blur: () => this.#lift(),
    });
  }

  /** The share of the pixels where this curve stands; `null` where the maps, or the other curve, are shown. */
  get #share(): number | null {
    const { taken, curve } = this.store.traits;
    return curve.value === this.kind ? taken.value : null;
  }

  #layout(): Drawn | null {
    const width = this.#width.value;
    if (width < 120) return null;
    const all = this.cases();
    const lead = leading(all, this.store, this.kind);
    // Of the leading one's kind of score: a probability and a price share no axis.
    const output = (lead ?? all.find((one) => curveOf(one, this.kind)))?.trial.output ?? "";
    const cases = all.flatMap((one) => {
      const curve = one.trial.output === output ? curveOf(one, this.kind) : undefined;
      return curve ? [{ one, curve }] : [];
    });
    const [low, high] = this.domain(output);
    const marks = ticks(low, high, 4);
    const left = marginOf(tickLabels(marks), LEFT);
    const base = Math.round(clamp(HEIGHT.share * width, HEIGHT.least, HEIGHT.most)) - BOTTOM;
    return {
      // The active one lies over the others.
      cases: cases.sort((a, b) => Number(this.#active(a.one)) - Number(this.#active(b.one))),
      lead,
      left,
      right: width - RIGHT,
      base,
      x: linear([0, 1], [left, width - RIGHT]),
      y: linear([low, high], [base, TOP]),
      marks,
    };
  }

  #active({ panel }: Case): boolean {
    return panel === this.store.active.value;
  }

  #template(): TemplateResult | typeof nothing {
    const drawn = this.#drawn.value;
    if (!drawn) return nothing;
    const { cases, lead } = drawn;
    return html`<p class="scored">${this.#scored(drawn)}</p>
      <svg width=${this.#width.value} height=${drawn.base + BOTTOM} aria-hidden="true">
      ${lead ? band(drawn, lead, this.kind) : nothing} ${this.#axes(drawn)}
      ${cases.map(({ one, curve }) => this.#line(drawn, one, curve))} ${this.#marker(drawn)}
    </svg>`;
  }

  #axes({ marks, x, y, left, right, base, lead }: Drawn): TemplateResult {
    const labels = tickLabels(marks);
    const shares = right > 220 ? [0, 0.25, 0.5, 0.75, 1] : [0, 0.5, 1];
    return svg`<g class="axes">
      ${marks.map(
        (
          value,
          i,
        ) => svg`<line class=${value === 0 ? "zero" : "grid"} x1=${left} x2=${right} y1=${y(value)} y2=${y(value)}></line>
        <text x=${left - TICK} y=${y(value) + 4} text-anchor="end">${labels[i]}</text>`,
      )}
      <line class=${lead ? "rail" : "grid"} x1=${left} x2=${right} y1=${base} y2=${base}></line>
      ${shares.map(
        (share) => svg`<line class="tick" x1=${x(share)} x2=${x(share)} y1=${base} y2=${base + 4}></line>
        <text x=${x(share)} y=${base + 21} text-anchor=${share === 1 ? "end" : "middle"}>${100 * share}</text>`,
      )}
      <text x=${(left + right) / 2} y=${base + 37} text-anchor="middle">pixels ${DONE[this.kind]}, %</text>
    </g>`;
  }

  /** Said above the axis. */
  #scored({ cases, lead }: Drawn): string {
    const trials = cases.map(({ one }) => one.trial);
    const first = lead?.trial ?? trials[0];
    if (!first) return "score";
    const several = new Set(trials.map((trial) => scoreOf(trial))).size > 1;
    return several ? `${spaced(first.output)}, each of its own class` : scoreOf(first);
  }

  #line({ x, y, lead }: Drawn, one: Case, curve: TrialCurve): TemplateResult {
    const { fractions, stage } = one.trial;
    const xs = fractions.map(x);
    const ys = curve.scores.map(y);
    const every = Math.max(1, Math.ceil(xs.length / MARKERS));
    // Apart from those of other panels, whose points are at the same places.
    const from = Math.round((every * (one.panel % 6)) / 6);
    const marked = xs.flatMap((_, i) => (i % every === from % every ? [i] : []));
    const active = this.#active(one);
    const blurred = one === lead ? blurredOf(one, curve) : null;
    return svg`<g class="line" ?data-active=${active} ?data-stale=${one.stale !== ""} style="--c: var(--c${one.panel})">
      ${blurred ? svg`<path class="blurred" d=${line(xs, blurred.scores.map(y))}></path>` : nothing}
      <path class="own" d=${line(xs, ys)}></path>
      ${stage === "partial" ? xs.map((at, i) => svg`<circle cx=${at} cy=${ys[i]} r="1.8"></circle>`) : nothing}
      ${marked.map((i) => svg`<path class="shape" d=${shapeOf(one.panel)} transform="translate(${xs[i]} ${ys[i]}) scale(3.4)"></path>`)}
    </g>`;
  }

  /**
   * The handle on the axis; where it has been moved, or before that where a pointer is, the score of each map at its
   * own nearest point.
   */
  #marker(drawn: Drawn): TemplateResult | typeof nothing {
    const { cases, lead, left, x, y, base } = drawn;
    if (!lead) return nothing;
    const held = this.#share;
    const share = held ?? this.#pointed.value;
    const [at, thumb] = [x(share ?? 0), x(held ?? 0)];
    const handle = svg`<g class="handle">
      <line x1=${left} x2=${thumb} y1=${base} y2=${base}></line>
      <circle class="ring" cx=${thumb} cy=${base} r=${THUMB + 1}></circle>
      <circle cx=${thumb} cy=${base} r=${THUMB - 1}></circle>
    </g>`;
    const marks: Mark[] = cases
      .filter(({ one }) => share !== null && !one.stale)
      .map(({ one: { panel, trial }, curve }) => {
        const place = nearest(trial.fractions, share ?? 0);
        const score = curve.scores[place];
        return { panel, x: x(trial.fractions[place]), y: y(score), said: scored(score, trial) };
      })
      .sort((a, b) => a.panel - b.panel);
    if (!marks.length) return handle;
    return svg`<g class="point" ?data-ahead=${held === null}>
      <line x1=${at} x2=${at} y1=${TOP - 4} y2=${held === null ? base : base - THUMB}></line>
      ${marks.map((one) => svg`<circle cx=${one.x} cy=${one.y} r="4" style="--c: var(--c${one.panel})"></circle>`)}
      ${board(drawn, at, marks, this.store.slots.value.length > 1)}
    </g>${handle}`;
  }

  #describe(plot: HTMLElement): void {
    const share = this.#share;
    const lead = leading(this.cases(), this.store, this.kind);
    const curve = lead && curveOf(lead, this.kind);
    plot.setAttribute("aria-disabled", String(!curve));
    if (!lead || !curve || share === null) {
      plot.setAttribute("aria-valuenow", "0");
      const shown =
        this.store.traits.taken.value === null ? "The maps are shown" : "The other curve is walked";
      plot.setAttribute("aria-valuetext", curve ? shown : this.#missing());
      return;
    }
    const at = nearest(lead.trial.fractions, share);
    const { output } = lead.trial;
    const words = [
      `${percent(lead.trial.fractions[at])} ${DONE[this.kind]}`,
      `${spaced(output)} of ${explainedClass(lead.trial, 40)} ${scored(curve.scores[at], lead.trial)}`,
      winner(lead, curve.top[at]),
    ];
    plot.setAttribute("aria-valuenow", String(Math.round(100 * lead.trial.fractions[at])));
    plot.setAttribute("aria-valuetext", words.filter(Boolean).join(", "));
  }

  /** Why there is no curve to walk: of the active panel, or of whoever is judged where that one is not. */
  #missing(): string {
    const { active, spec } = this.store;
    const cases = this.cases();
    const own = cases.find(({ panel }) => panel === active.value);
    const one = own ?? (isQuestion(spec.value) ? undefined : cases[0]);
    if (!one || one.stale || one.trial.stage === "partial") return "Not computed yet";
    return one.trial.stage === "error" ? "Could not be judged" : "Not defined";
  }

  /** Shows a point of the leading map's curve, in the page only. */
  #show(place: number, fractions: readonly number[]): void {
    const taken = fractions[clamp(place, 0, fractions.length - 1)];
    this.store.set({ taken, curve: this.kind });
  }

  #grab(event: PointerEvent, plot: HTMLElement): void {
    if (event.button !== 0 || !this.#fractions) return;
    plot.setPointerCapture(event.pointerId);
    this.#move(event, plot);
  }

  get #fractions(): readonly number[] | undefined {
    return leading(this.cases(), this.store, this.kind)?.trial.fractions;
  }

  /** Along the curve: a hand that holds it shows what was fed there, one that does not what the scores are. */
  #move(event: PointerEvent, plot: HTMLElement): void {
    const drawn = this.#drawn.value;
    const fractions = this.#fractions;
    if (!drawn || !fractions) return;
    const x = event.clientX - plot.getBoundingClientRect().left;
    const place = nearest(fractions, (x - drawn.left) / (drawn.right - drawn.left));
    // Also while it holds: when it lets go, the scores are told where it is by then.
    if (event.pointerType === "mouse") this.#pointed.value = fractions[place];
    if (plot.hasPointerCapture(event.pointerId)) this.#show(place, fractions);
  }

  #drop(event: PointerEvent, plot: HTMLElement): void {
    if (!plot.hasPointerCapture(event.pointerId)) return;
    plot.releasePointerCapture(event.pointerId);
    this.#commit();
  }

  #press(event: KeyboardEvent): void {
    const fractions = this.#fractions;
    if (!fractions || isShortcut(event)) return;
    const step = this.#step(event, fractions.length);
    if (!step) return;
    event.preventDefault();
    const share = this.#share;
    this.#show((share === null ? 0 : nearest(fractions, share)) + step, fractions);
    this.#held = true;
  }

  #step({ key, shiftKey }: KeyboardEvent, count: number): number {
    const page = Math.max(1, Math.round(count * PAGE));
    const far = { PageUp: page, PageDown: -page, Home: -count, End: count }[key];
    const [dx, dy] = ARROWS[key] ?? [0, 0];
    return far ?? (dx - dy) * (shiftKey ? page : 1);
  }

  #lift(): void {
    if (this.#held) this.#commit();
    this.#held = false;
  }

  #commit(): void {
    const { taken, curve } = this.store.traits;
    this.store.commit({ taken: taken.value, curve: curve.value });
  }
}

/** The scores in a box beside the point, where it hides fewer points of the curves. */
function board(
  { cases, x, y, right, base }: Drawn,
  at: number,
  marks: readonly Mark[],
  several: boolean,
): TemplateResult {
  const width = (several ? 40 : 14) + LETTER * Math.max(...marks.map(({ said }) => said.length));
  const height = ROW * marks.length + 2 * PAD - 2;
  const left = at > right - width - 10 ? at - width - 9 : at + 9;
  const heights = cases.flatMap(({ one, curve }) =>
    curve.scores.flatMap((score, i) => {
      const from = x(one.trial.fractions[i]) - left;
      return from >= 0 && from <= width ? [y(score)] : [];
    }),
  );
  const low = heights.filter((each) => each > (TOP + base) / 2).length > heights.length / 2;
  const top = low ? TOP : base - height - THUMB - 4;
  return svg`<rect x=${left} y=${top} width=${width} height=${height} rx="3"></rect>
    ${marks.map(({ panel, said }, i) => {
      const foot = top + PAD + ROW * i + 10;
      const who = svg`<path class="shape" d=${shapeOf(panel)} transform="translate(${left + 11} ${foot - 4}) scale(3.4)"></path>
        <text class="which" x=${left + 20} y=${foot}>${panel + 1}</text>`;
      return svg`<g style="--c: var(--c${panel})">
        ${several ? who : nothing}<text x=${left + width - 7} y=${foot} text-anchor="end">${said}</text>
      </g>`;
    })}`;
}

/** Where the curves of random orders lie. */
function band({ x, y }: Drawn, lead: Case, kind: CurveKind): TemplateResult | typeof nothing {
  const random = curveOf(lead, kind)?.random;
  if (!random) return nothing;
  const xs = random.fractions.map(x);
  const back = line([...xs].reverse(), random.low.map(y).reverse()).replace("M", "L");
  return svg`<g class="random">
    <path class="band" d="${line(xs, random.high.map(y))}${back}z"></path>
    <path class="mean" d=${line(xs, random.mean.map(y))}></path>
  </g>`;
}
