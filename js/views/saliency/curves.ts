/** The completeness chart: the score on its way from baseline to input, and the attributions' sum. */
import { html, nothing, svg, type TemplateResult } from "lit-html";
import { clamp, signed } from "../../lib/format.js";
import { computed, signal } from "../../lib/lifetime.js";
import { explained } from "../../lib/sentence.js";
import type { Result } from "../../lib/wire.js";
import { line, linear, spread, tickLabels, ticks } from "../../render/chart.js";
import { heightAt, type Series, series } from "../../render/path.js";
import { mount } from "../../ui/mount.js";
import { hint } from "../../ui/parts.js";
import type { Store } from "./store.js";

const HEIGHT = 144;
const TOP = 20;
const BOTTOM = 20;
const LABEL = 32;
/** Pixels of a plot that has no room for a long title. */
const NARROW = 180;

interface Plot {
  result: Result;
  curves: Series;
  left: number;
  right: number;
  x(alpha: number): number;
  y(value: number): number;
  low: number;
  high: number;
}

/** Room beside the plot, the same for the alpha slider above it, so that thumb and marker are in line. */
export function margins(width: number): { left: number; right: number } {
  return { left: 78, right: width < 560 ? 76 : 136 };
}

export class Curves {
  readonly #width = signal(0);
  readonly #plot;

  constructor(
    element: HTMLElement,
    private readonly store: Store,
    life: AbortSignal,
  ) {
    element.dataset.testid = "curves";
    this.#plot = computed(() =>
      layout(store.drawable.value?.path ? store.drawable.value.result : null, this.#width.value),
    );
    mount(life, element, () => this.#frame());
  }

  resize(width: number): void {
    this.#width.value = width;
  }

  #frame(): TemplateResult {
    const plot = this.#plot.value;
    if (!plot) {
      return hint(this.store.drawable.value?.path ? nothing : "The path is being computed");
    }
    const width = this.#width.value;
    return html`<svg
      width=${width}
      height=${HEIGHT}
      role="img"
      aria-label=${explained(plot.result) || "Score along the path and sum of the attributions"}
      @pointerdown=${(event: PointerEvent) => this.#grab(event, plot)}
      @pointermove=${(event: PointerEvent) => this.#drag(event, plot)}
      @pointerup=${(event: PointerEvent) => this.#drop(event)}
    >
      ${axes(plot)} ${lines(plot)} ${marker(plot, clamp(this.store.traits.alpha.value, 0, 1), width)}
    </svg>`;
  }

  #grab(event: PointerEvent, plot: Plot): void {
    const svgElement = event.currentTarget as SVGSVGElement;
    if (event.button !== 0 || event.offsetX > plot.right + 8) return;
    svgElement.setPointerCapture(event.pointerId);
    this.#drag(event, plot);
  }

  #drag(event: PointerEvent, plot: Plot): void {
    const element = event.currentTarget as SVGSVGElement;
    if (!element.hasPointerCapture(event.pointerId)) return;
    const x = event.clientX - element.getBoundingClientRect().left;
    const alpha = clamp((x - plot.left) / (plot.right - plot.left), 0, 1);
    this.store.playing.value = false;
    this.store.set({ alpha: Math.round(alpha * 100) / 100 });
  }

  #drop(event: PointerEvent): void {
    const element = event.currentTarget as SVGSVGElement;
    if (!element.hasPointerCapture(event.pointerId)) return;
    element.releasePointerCapture(event.pointerId);
    this.store.commit({ alpha: this.store.traits.alpha.value });
  }
}

function layout(result: Result | null, width: number): Plot | null {
  if (!result?.path || width < 200) return null;
  const curves = series(result, result.path);
  const values = [...curves.scores, ...curves.sums, 0].filter(Number.isFinite);
  let low = Math.min(...values);
  let high = Math.max(...values);
  if (high - low < 1e-12) high = low + 1; // a flat path still needs an axis
  const pad = (high - low) * 0.04;
  low -= low < 0 ? pad : 0;
  high += high > 0 ? pad : 0;
  const room = margins(width);
  const [left, right] = [room.left, width - room.right];
  return {
    result,
    curves,
    left,
    right,
    low,
    high,
    x: linear([0, 1], [left, right]),
    y: linear([low, high], [HEIGHT - BOTTOM, TOP]),
  };
}

function axes(plot: Plot): TemplateResult {
  const { left, right, low, high, x, y, result } = plot;
  const base = HEIGHT - BOTTOM;
  const marks = ticks(low, high, 4);
  const labels = tickLabels(marks);
  // In the narrowest place the end of the line has its own words there.
  const kind = right - left < NARROW ? "" : ` (${result.output.replaceAll("_", " ")})`;
  return svg`<g class="axes">
    <text x=${left} y="10">change of the score${kind}</text>
    ${marks.map(
      (
        value,
        i,
      ) => svg`<line class=${value === 0 ? "zero" : "grid"} x1=${left} x2=${right} y1=${y(value)} y2=${y(value)}></line>
      <text x=${left - 8} y=${y(value) + 4} text-anchor="end">${labels[i]}</text>`,
    )}
    ${(right - left > 240 ? [0.25, 0.5, 0.75] : right - left > 140 ? [0.5] : []).map(
      (alpha) => svg`<line class="tick" x1=${x(alpha)} x2=${x(alpha)} y1=${base} y2=${base + 4}></line>
      <text x=${x(alpha)} y=${base + 16} text-anchor="middle">${alpha}</text>`,
    )}
    <text x=${left} y=${base + 16}>baseline</text>
    <text x=${right} y=${base + 16} text-anchor="end">input</text>
  </g>`;
}

function lines({ curves, x, y }: Plot): TemplateResult {
  const xs = curves.alphas.map(x);
  const last = xs.length - 1;
  const [score, sum] = [y(curves.scores[last]), y(curves.sums[last])];
  return svg`<g class="lines">
    <path class="sum" d=${line(xs, curves.sums.map(y))}></path>
    <path class="score" d=${line(xs, curves.scores.map(y))}></path>
    ${Math.abs(score - sum) > 3 ? svg`<line class="gap" x1=${xs[last]} x2=${xs[last]} y1=${score} y2=${sum}></line>` : nothing}
  </g>`;
}

/** The line at alpha, and the two labels at the ends of their curves with the heights at alpha. */
function marker(plot: Plot, alpha: number, width: number): TemplateResult {
  const { curves, x, y, right } = plot;
  const score = heightAt(curves.alphas, curves.scores, alpha);
  const sum = heightAt(curves.alphas, curves.sums, alpha);
  const last = curves.alphas.length - 1;
  const ends = [y(curves.scores[last]), y(curves.sums[last])] as const;
  const [scoreAt, sumAt] = spread(ends[0], ends[1], LABEL, TOP, HEIGHT - BOTTOM);
  const wide = width >= 560;
  return svg`<g class="marker">
    <line x1=${x(alpha)} x2=${x(alpha)} y1=${TOP - 4} y2=${HEIGHT - BOTTOM}></line>
    <circle class="sum" cx=${x(alpha)} cy=${y(sum)} r="3.5"></circle>
    <circle class="score" cx=${x(alpha)} cy=${y(score)} r="3.5"></circle>
    ${endLabel("score", wide ? "score \u2212 start" : "score", score, right + 12, scoreAt)}
    ${endLabel("sum", wide ? "sum of attributions" : "sum", sum, right + 12, sumAt)}
  </g>`;
}

function endLabel(name: string, words: string, value: number, x: number, y: number): TemplateResult {
  return svg`<g class="end ${name}">
    <text x=${x} y=${y - 2}>${words}</text>
    <text class="figure" x=${x} y=${y + 12}>${signed(value)}</text>
  </g>`;
}
