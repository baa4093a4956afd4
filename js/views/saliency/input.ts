/** What the active panel's model is fed, on its way from the baseline. */
import { html, nothing, type TemplateResult } from "lit-html";
import { onGrid } from "../../lib/format.js";
import { Surface } from "../../render/canvas.js";
import { paintWay } from "../../render/path.js";
import { mount } from "../../ui/mount.js";
import { mountOutline } from "./outline.js";
import { Panel } from "./panel.js";
import { mountReadout } from "./readout.js";
import type { Slot, Store } from "./store.js";

export class InputPicture {
  readonly element: HTMLElement;
  readonly #surface: Surface;
  #drawn: unknown[] = [];

  constructor(
    private readonly store: Store,
    life: AbortSignal,
  ) {
    const props = { testid: "panel-input", name: () => "Input", slot: () => pictured(store) };
    const panel = new Panel(store, props, life);
    this.element = panel.element;
    this.#surface = new Surface(panel.canvas);
    mount(life, panel.caption, () => caption(store));
    mountReadout(panel.footer, store, life);
    mountOutline(panel, store, life);
  }

  /** Everything a frame depends on. */
  depends(): unknown[] {
    const { drawable, alpha } = pictured(this.store);
    return [drawable.value, alpha.value, this.store.peeking.value];
  }

  draw(): void {
    const now = this.depends();
    if (same(now, this.#drawn)) return;
    this.#drawn = now;
    const { drawable, alpha } = pictured(this.store);
    if (!drawable.value) return;
    const { width, height } = drawable.value;
    const at = this.store.peeking.value ? 1 : alpha.value;
    paintWay(this.#surface.pixels(width, height), drawable.value, at);
    this.#surface.show();
  }
}

function caption(store: Store): TemplateResult {
  const { info, question } = store;
  const { drawable, alpha } = pictured(store);
  const many = (info.value?.images ?? 1) > 1;
  const title = many ? `Input ${(drawable.value?.result.index ?? question.index.value) + 1}` : "Input";
  const at = alpha.value < 1 && drawable.value?.path;
  return html`<h3>${title}</h3>
    ${at ? html`<span>at alpha ${onGrid(alpha.value, 0.01)}</span>` : nothing}`;
}

/** The active panel, or where nothing is there yet the lead. */
function pictured(store: Store): Slot {
  const slot = store.slot.value;
  return slot.drawable.value ? slot : store.slots.value[0];
}

/** Whether nothing has changed that was read. */
export function same(a: unknown[], b: unknown[]): boolean {
  return a.length === b.length && a.every((value, i) => Object.is(value, b[i]));
}
