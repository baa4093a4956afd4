/** Deletion and insertion of the chosen picture: a line for every method, and where random orders lie. */
import { html, nothing, svg, type TemplateResult } from "lit-html";
import { number, percent } from "../../lib/format.js";
import { type ReadonlySignal, signal, watchWidth } from "../../lib/lifetime.js";
import { nearest } from "../../lib/select.js";
import { domainOf, line, linear, marginOf, TICK, tickLabels, ticks } from "../../render/chart.js";
import { make, mount } from "../../ui/mount.js";
import type { CurveWords } from "./data.js";
import { pen, type Store } from "./store.js";

const HEIGHT = 200;
/** Beside the chart; on the left no less than this. */
const ROOM = { left: 40, right: 8, top: 8, bottom: 32 };

export function mountCurves(
  box: HTMLElement,
  store: Store,
  dark: ReadonlySignal<boolean>,
  life: AbortSignal,
): void {
  for (const curve of store.data.words.curves) {
    const figure = make("figure", "curve", box);
    const width = signal(0);
    watchWidth(life, figure, (found) => {
      width.value = Math.floor(found);
    });
    mount(life, figure, () => chart(curve, store, width.value, dark.value));
  }
}

function chart(curve: CurveWords, store: Store, width: number, dark: boolean): TemplateResult {
  const good =
    curve.better === "low" ? "the sooner a line falls, the better" : "the sooner it rises, the better";
  return html`<figcaption>
      <strong>${curve.label}</strong> of picture ${store.picture.value + 1}: ${curve.score} as pixels
      ${curve.better === "low" ? "go" : "come"} in the order of each map; ${good}.
      ${curve.band ? "Grey: the middle 95 % of random orders." : nothing}
      ${curve.blurred && store.chosen.value ? "Dotted: the blurred copy of the chosen map." : nothing}
    </figcaption>
    ${width > ROOM.left + ROOM.right + 40 ? drawing(curve, store, width, dark) : nothing}`;
}

function drawing(curve: CurveWords, store: Store, width: number, dark: boolean): TemplateResult {
  const { data } = store;
  const index = store.picture.value;
  const chosen = store.chosen.value?.method ?? null;
  const band = data.band(curve, index);
  const lines = data.words.methods.map((_, method) => data.curve(curve, method, index, "scores"));
  const blurred = chosen === null ? null : data.curve(curve, chosen, index, "blurred");
  const all = [...lines, blurred, ...(band ?? [])].flatMap((values) => (values ? [...values] : []));
  if (!all.length) return html`<p>Not measured for this picture.</p>`;
  const domain = domainOf(all, curve.score.startsWith("probability of "));
  const marks = ticks(...domain, 4);
  const x = linear([0, 1], [marginOf(tickLabels(marks), ROOM.left), width - ROOM.right]);
  const y = linear(domain, [HEIGHT - ROOM.bottom, ROOM.top]);
  const xs = curve.fractions.map(x);
  const path = (values: ArrayLike<number>) => line(xs, Array.from(values, y));
  const order = [...lines.keys()].sort((a, b) => Number(a === chosen) - Number(b === chosen));
  return html`<svg width=${width} height=${HEIGHT} role="img" aria-label=${spoken(curve, store, lines)}>
    ${axes(x, y, marks)}
    ${
      band
        ? svg`<path class="band" d=${`${path(band[0])}L${path(band[1]).slice(1).split("L").reverse().join("L")}Z`}></path>`
        : nothing
    }
    ${order.map((method) => {
      const values = lines[method];
      if (!values) return nothing;
      const { colour, dash } = pen(method, dark);
      const faint = chosen !== null && chosen !== method;
      return svg`<path class="line" data-method=${method} ?data-faint=${faint} style="stroke: ${colour}" stroke-dasharray=${dash || nothing} d=${path(values)}><title>${data.words.methods[method].title}</title></path>`;
    })}
    ${
      blurred && chosen !== null
        ? svg`<path class="line copy" style="stroke: ${pen(chosen, dark).colour}" d=${path(blurred)}></path>`
        : nothing
    }
  </svg>`;
}

function axes(x: (at: number) => number, y: (at: number) => number, marks: number[]): TemplateResult {
  const labels = tickLabels(marks);
  const base = HEIGHT - ROOM.bottom;
  return svg`<g class="axes">
    ${marks.map(
      (mark, i) => svg`<line x1=${x(0)} x2=${x(1)} y1=${y(mark)} y2=${y(mark)}></line>
      <text x=${x(0) - TICK} y=${y(mark) + 4} text-anchor="end">${labels[i]}</text>`,
    )}
    ${[0, 0.25, 0.5, 0.75, 1].map(
      (at) =>
        svg`<text x=${x(at)} y=${base + 16} text-anchor=${at === 1 ? "end" : at ? "middle" : "start"}>${percent(at)}</text>`,
    )}
    <text x=${x(0.5)} y=${base + 30} text-anchor="middle">share of the pixels</text>
  </g>`;
}

/** The drawing in words, for who does not see it. */
function spoken(curve: CurveWords, store: Store, lines: (Float64Array | null)[]): string {
  const at = nearest(curve.fractions, 0.25);
  const said = lines.flatMap((values, i) =>
    values ? `${store.data.words.methods[i].title} ${number(values[at])}` : [],
  );
  return `${curve.label}, score after ${percent(curve.fractions[at])} of the pixels: ${said.join(", ") || "none was measured"}`;
}
