/** The two linked panels: what they draw, and the pixel under the cursor of either. */
import { html, nothing, type TemplateResult } from "lit-html";
import { named, onGrid, shorten } from "../../lib/format.js";
import { perFrame, react, untracked } from "../../lib/lifetime.js";
import type { Drawable, Result, State } from "../../lib/wire.js";
import { Surface } from "../../render/canvas.js";
import { cumulativeAt, paintInput } from "../../render/path.js";
import { Recolour, toGrey } from "../../render/recolour.js";
import { mount } from "../../ui/mount.js";
import { mountLegend, mountReadout } from "./legend.js";
import { Panel } from "./panel.js";
import type { Store } from "./store.js";

export class Pictures {
  readonly #input: Surface;
  readonly #map: Surface;
  readonly #recolour = new Recolour();
  #grey: Uint8Array = new Uint8Array(0);
  #greyOf: Uint8Array | null = null;
  #shown: Drawable | null = null;
  #alpha = 1;

  constructor(
    element: HTMLElement,
    private readonly store: Store,
    private readonly root: HTMLElement,
    life: AbortSignal,
  ) {
    const input = new Panel(element, store, { testid: "panel-input", name: "Input" }, life);
    const map = new Panel(element, store, { testid: "panel-map", name: "Attribution map" }, life);
    mount(life, input.caption, () => inputCaption(store));
    mount(life, map.caption, () => mapCaption(store));
    mount(life, map.badge, () => badge(store));
    mountReadout(input.footer, store, life);
    mountLegend(map.footer, store, life);
    this.#input = new Surface(input.canvas);
    this.#map = new Surface(map.canvas);

    react(life, () => {
      const { width, height } = store.drawable.value ?? { width: 1, height: 1 };
      root.style.setProperty("--aspect", String(width / height));
    });
    const request = perFrame(life, () => untracked(() => this.#draw()));
    react(life, () => {
      this.#touch();
      request();
    });
  }

  /** Reads everything a frame depends on, so that a change of any asks for a frame. */
  #touch(): void {
    const { opacity, threshold, sign, overlay } = this.store.traits;
    const { drawable, lut, limit, shownAlpha } = this.store;
    for (const source of [opacity, threshold, sign, overlay, drawable, lut, limit, shownAlpha]) source.value;
  }

  #draw(): void {
    const drawable = this.store.drawable.value;
    if (!drawable) return;
    // Opacity, threshold and sign leave input and sums as they are.
    const alpha = this.store.shownAlpha.value;
    const moved = drawable !== this.#shown || alpha !== this.#alpha;
    if (moved) this.#follow(drawable, alpha);
    if (this.#drawMap(drawable)) {
      this.root.dataset.stage = drawable.result.stage;
      this.root.dataset.job = String(drawable.result.job);
    }
  }

  /** Draws the input at alpha, and sums the attributions up to there. */
  #follow(drawable: Drawable, alpha: number): void {
    const { store } = this;
    const { picture, path, width, height } = drawable;
    const baseline = alpha < 1 && path ? path.baseline : null;
    paintInput(this.#input.pixels(width, height), picture, baseline, alpha);
    this.#input.show();
    const n = width * height;
    if (store.values.length !== n) store.values = new Float64Array(n);
    cumulativeAt(drawable, alpha, store.values);
    this.#shown = drawable;
    this.#alpha = alpha;
  }

  /** `false` while the colours are not here yet. */
  #drawMap(drawable: Drawable): boolean {
    const { store } = this;
    const lut = store.lut.value;
    if (!lut) return false;
    const { opacity, threshold, sign, overlay } = store.traits;
    const look = {
      lut,
      limit: store.limit.value,
      opacity: opacity.value,
      threshold: threshold.value,
      sign: sign.value,
      overlay: overlay.value,
    };
    const out = this.#map.pixels(drawable.width, drawable.height);
    this.#recolour.paint(out, this.#greyFor(drawable.picture), store.values, drawable.result.signed, look);
    this.#map.show();
    this.#publish(drawable);
    return true;
  }

  #greyFor(picture: Uint8Array): Uint8Array {
    if (this.#greyOf !== picture) {
      this.#grey = toGrey(picture);
      this.#greyOf = picture;
    }
    return this.#grey;
  }

  #publish({ map }: Drawable): void {
    const { clipped, cut } = this.#recolour.painted;
    const before = this.store.painted.value;
    const max = before.of === map ? before.max : largest(map.data);
    if (before.of !== map || before.clipped !== clipped || before.cut !== cut) {
      this.store.painted.value = { clipped, cut, max, of: map };
    }
    this.store.frame.value++;
  }
}

function largest(values: ArrayLike<number>): number {
  let size = 0;
  for (let i = 0; i < values.length; i++) size = Math.max(size, Math.abs(values[i]));
  return size;
}

function inputCaption(store: Store): TemplateResult {
  const { info, traits, drawable, shownAlpha } = store;
  const many = (info.value?.images ?? 1) > 1;
  const title = many ? `Input ${(drawable.value?.result.index ?? traits.index.value) + 1}` : "Input";
  const alpha = shownAlpha.value;
  return html`<h3>${title}</h3>
    ${alpha < 1 ? html`<span>at alpha ${onGrid(alpha, 0.01)}</span>` : nothing}`;
}

function mapCaption(store: Store): TemplateResult {
  const result = store.drawable.value?.result;
  if (!result) return html`<h3>Attribution</h3>`;
  const label = shorten(named(result.target_label, result.target));
  const layer = result.layer ? `, ${result.layer}` : "";
  return html`<h3>${result.title}</h3>
    <span title=${label}>for <bdi>${label}</bdi>${layer}</span>`;
}

/** Says what the picture is not: preview, partial, of an older setting, stopped halfway. */
function badge(store: Store): TemplateResult | typeof nothing {
  const result = store.drawable.value?.result;
  const text = result ? caveat(result, store.state.value) : "";
  return text ? html`<span class="badge" data-testid="stage">${text}</span>` : nothing;
}

function caveat({ stage, job }: Result, state: State): string {
  if (state.job > job) return state.phase === "running" ? "computing" : "of the previous setting";
  if (stage === "final") return "";
  if (stage === "cancelled" || state.phase === "cancelled") return "cancelled, incomplete";
  if (stage === "partial" && state.total) return `partial, ${state.done} of ${state.total}`;
  return stage;
}
