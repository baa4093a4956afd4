/** The numbers of a map for those who want them: figures, Shepard's diagram, and what another start would change. */
import { html, nothing, type TemplateResult } from "lit-html";
import { number, percent, shorten } from "../../lib/format.js";
import { computed, react, type Signal, signal } from "../../lib/lifetime.js";
import type { Layout, Shepard } from "../../lib/map_wire.js";
import { SEQUENTIAL } from "../../render/points/palette.js";
import { mount } from "../../ui/mount.js";
import { button, facts, hint } from "../../ui/parts.js";
import type { Store } from "./store.js";
import { painted } from "./thumbs.js";
import { figuresOf } from "./words.js";

/** What came of asking how stable a map is, in words; `null` before. */
type Answer = Signal<string | null>;

export function mountNumbers(element: HTMLElement, store: Store, map: number, life: AbortSignal): void {
  const stable: Answer = signal(null);
  const job = computed(() => store.maps.value[map]?.layout.job);
  react(life, () => {
    job.value;
    stable.value = null; // it was of another map
  });
  mount(life, element, () => {
    const layout = store.maps.value[map]?.layout;
    if (!layout?.numbers || store.walkOf(map)) return nothing;
    const figures = figuresOf(layout.numbers);
    if (!figures.length) return nothing;
    return html`<details data-testid="figures-${map}">
      <summary>Numbers</summary>
      ${facts(figures)} ${layout.shepard ? diagram(layout.shepard) : nothing}
      ${stability(store, map, layout, stable)}
    </details>`;
  });
}

function stability(
  store: Store,
  map: number,
  layout: Layout,
  stable: Answer,
): TemplateResult | typeof nothing {
  if (stable.value !== null) return html`<p data-testid="stability-words-${map}">${stable.value}</p>`;
  if (layout.reducer === "pca" || layout.stage !== "final") return nothing;
  const ask = async () => {
    stable.value = "Computing it again from random starts";
    const { status, result, error } = await store.request("stability", { map });
    if (store.maps.value[map]?.layout.job !== layout.job) return;
    stable.value =
      status === "ok" && result ? stabilityWords(result) : shorten(error?.message ?? "No answer.", 300);
  };
  return button("What would another start change?", `stability-${map}`, ask, { look: "link" });
}

function stabilityWords(result: Record<string, unknown>): string {
  const { kept, disparity, n_runs } = result as { kept: number; disparity: number; n_runs: number };
  return (
    `${n_runs} runs from random starts share ${percent(kept)} of their neighbours with each other, ` +
    `but places differ (Procrustes disparity ${number(disparity, 2)}; 0 is the same map).`
  );
}

const drawn = new WeakMap<Shepard, Uint8Array>();

/** Pairs of rows: distance in the data to the right, on the map upwards; the more pairs, the stronger. */
function diagram(shepard: Shepard): TemplateResult {
  const { counts } = shepard;
  const [rows, columns] = [counts.length, counts[0]?.length ?? 0];
  if (!rows || !columns) return html``;
  let rgb = drawn.get(shepard);
  if (!rgb) {
    rgb = new Uint8Array(3 * rows * columns).fill(255);
    const most = Math.log1p(Math.max(...counts.flat(), 1));
    for (let y = 0; y < rows; y++) {
      for (let x = 0; x < columns; x++) {
        const count = counts[rows - 1 - y][x];
        const at = 3 * Math.round(256 * (1 - Math.log1p(count) / most));
        if (count) rgb.set(SEQUENTIAL.subarray(at, at + 3), 3 * (y * columns + x));
      }
    }
    drawn.set(shepard, rgb);
  }
  const name = "Shepard diagram: distance on the map against distance in the data";
  return html`<canvas class="shepard" role="img" aria-label=${name} ${painted(rgb, columns, rows)}></canvas>
    ${hint("Pairs of rows: distance in the data to the right, on the map upwards. A map to scale would be a line.")}`;
}
