/** The active map as the network forgets: what is left of it after each block that was randomised. */
import { html, nothing, type TemplateResult } from "lit-html";
import { onGrid } from "../../../lib/format.js";
import { perFrame, react, untracked } from "../../../lib/lifetime.js";
import type { Randomisation } from "../../../lib/wire.js";
import { Surface } from "../../../render/canvas.js";
import { Recolour } from "../../../render/recolour.js";
import { make, mount } from "../../../ui/mount.js";
import type { Store } from "../store.js";
import type { Case } from "./cases.js";

/** The trained network, and the stages. */
interface Shown {
  name: string;
  map: string;
  limit: number;
}

export function mountStrip(
  element: HTMLElement,
  store: Store,
  found: () => Case | undefined,
  life: AbortSignal,
): void {
  const words = make("div", "", element);
  const list = make("ol", "stages", element);
  list.setAttribute("aria-label", "The map after each block that was randomised");
  list.dataset.testid = "stages";
  const surfaces = new WeakMap<HTMLCanvasElement, Surface>();
  react(life, () => {
    element.hidden = !found()?.trial.randomisation;
  });
  mount(life, words, () => heading(store, found()));
  mount(life, list, () => stages(found()?.trial.randomisation));
  const draw = perFrame(life, () =>
    untracked(() => {
      const one = found();
      if (!one?.trial.randomisation) return;
      for (const [i, shown] of shownIn(one.trial.randomisation).entries()) {
        const canvas = list.querySelector<HTMLCanvasElement>(`[data-stage="${i}"] canvas`);
        if (!canvas) continue;
        const surface = surfaces.get(canvas) ?? new Surface(canvas);
        surfaces.set(canvas, surface);
        paint(surface, store, one, shown);
      }
    }),
  );
  react(life, () => {
    const { sign } = store.traits;
    void [found(), sign.value, store.lut.value];
    draw();
  });
}

function shownIn({ map, limit, stages }: Randomisation): Shown[] {
  return [{ name: "as trained", map, limit }, ...stages];
}

function paint(surface: Surface, store: Store, one: Case, { map, limit }: Shown): void {
  const found = one.tried.arrays.get(map);
  const lut = store.lut.value;
  if (!found || !lut) return;
  const [height, width] = found.shape;
  const values = Float64Array.from(found.data, (value) => value * found.scale);
  const signed = one.slot.drawable.value?.result.signed ?? true;
  const look = {
    lut,
    limit: limit || 1,
    opacity: 1,
    threshold: 1,
    sign: store.traits.sign.value,
    overlay: "map" as const,
  };
  const nothingBelow = new Uint8Array(3 * values.length);
  new Recolour().paint(surface.pixels(width, height), nothingBelow, values, signed, look);
  surface.show();
}

function heading(store: Store, one: Case | undefined): TemplateResult | typeof nothing {
  const found = one?.trial.randomisation;
  if (!one || !found) return nothing;
  const whose = store.slots.value.length > 1 ? ` of panel ${one.panel + 1}` : "";
  const left = found.done < found.total ? `, ${found.done} of ${found.total} so far` : "";
  return html`<h4>The map${whose} as the weights are randomised</h4>
    <p class="hint">
      Block by block from the output down${left}. A map that shows what was learnt falls apart. Each has its own scale:
      colours show where, not how much.
    </p>`;
}

function stages(found: Randomisation | null | undefined): TemplateResult | typeof nothing {
  if (!found) return nothing;
  return html`<li data-stage="0">
      <canvas role="img" aria-label="Map of the trained network"></canvas>
      <span class="name">as trained</span>
    </li>
    ${found.stages.map(({ name, layers, signed, absolute, ssim, top }, i) => {
      const said = (value: number | null) => (value === null ? "not defined" : onGrid(value, 0.01));
      const more = [
        `${layers} ${layers === 1 ? "layer" : "layers"} randomised here`,
        `rank correlation of the sizes ${said(absolute)}`,
        `of the strongest pixels, ${top === null ? "not defined" : `${Math.round(100 * top)} %`} are still among them`,
      ];
      return html`<li data-stage=${i + 1} title=${`${name}: ${more.join("; ")}`}>
        <canvas role="img" aria-label="Map after ${name} was randomised"></canvas>
        <span class="name"><bdi>${name}</bdi></span>
        ${correlation(signed)}
        <span class="figures"><span>rank ${said(signed)}</span> <span>SSIM ${said(ssim)}</span></span>
      </li>`;
    })}`;
}

/** From -1 to 1, with zero in the middle. */
function correlation(value: number | null): TemplateResult {
  const share = value === null ? 0 : Math.max(-1, Math.min(1, value)) / 2;
  const from = 100 * Math.min(0.5, 0.5 + share);
  return html`<i class="correlation" aria-hidden="true"
    ><i style="inset-inline-start: ${from}%; inline-size: ${100 * Math.abs(share)}%"></i
  ></i>`;
}
