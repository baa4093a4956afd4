/** One map panel: what it draws, and what is written around it. */
import { lifeWithin, listen, react } from "../../lib/lifetime.js";
import { Surface } from "../../render/canvas.js";
import { paintInput } from "../../render/path.js";
import { Recolour } from "../../render/recolour.js";
import { Smoother } from "../../render/smooth.js";
import { make, mount } from "../../ui/mount.js";
import { badge, caption, trouble } from "./caption.js";
import { Contour } from "./contour.js";
import { same } from "./input.js";
import { mountLegend } from "./legend.js";
import { mountOutline } from "./outline.js";
import { Panel } from "./panel.js";
import { isSigned } from "./readout.js";
import type { MapSlot } from "./slots.js";
import type { Store } from "./store.js";

export class MapPicture {
  readonly element: HTMLElement;
  readonly life: AbortSignal;
  readonly #own: AbortController;
  readonly #surface: Surface;
  readonly #recolour = new Recolour();
  readonly #smoother = new Smoother();
  readonly #contour: Contour;
  #drawn: unknown[] = [];

  constructor(
    private readonly store: Store,
    readonly slot: MapSlot,
    life: AbortSignal,
  ) {
    this.#own = lifeWithin(life);
    this.life = this.#own.signal;
    const { index } = slot;
    const props = {
      testid: index ? `panel-map-${index}` : "panel-map",
      name: () => (store.slots.value.length > 1 ? `Attribution map ${index + 1}` : "Attribution map"),
      slot: () => slot,
    };
    const panel = new Panel(store, props, this.life);
    this.element = panel.element;
    this.#surface = new Surface(panel.canvas);
    this.#contour = new Contour(panel.stage);
    mount(this.life, panel.caption, () => caption(slot, store));
    mount(this.life, panel.badge, () => badge(slot));
    mount(this.life, make("div", "troubles", panel.view), () => trouble(slot, store));
    mountLegend(panel.footer, slot, store, this.life);
    mountOutline(panel, store, this.life);
    this.#activate();
  }

  remove(): void {
    this.#own.abort();
    this.element.remove();
  }

  #activate(): void {
    const { store, slot, element, life } = this;
    const activate = (event: Event) => {
      // A panel that is taken away is not looked at first, and a stroke over a picture chooses no panel.
      const target = event.target as Element;
      const strokes = store.tool.peek() !== "look" && target.closest(".view");
      if (!strokes && !target.closest("[data-removes]") && store.active.peek() !== slot.index)
        store.commit({ panel: slot.index });
    };
    listen(life, element, { pointerdown: activate, focusin: activate });
    react(life, () => {
      const marked = store.slots.value.length > 1 && store.active.value === slot.index;
      element.toggleAttribute("data-active", marked);
    });
  }

  /** Everything a frame depends on. */
  depends(): unknown[] {
    const { opacity, threshold, sign, overlay, smoothing } = this.store.traits;
    const { lut, peeking } = this.store;
    const looks = [lut, peeking, opacity, threshold, sign, overlay, smoothing];
    const { limit, fed } = this.slot;
    return [...this.slot.depends(), limit.value, fed.value, ...looks.map((source) => source.value)];
  }

  /** `true` when something was drawn. */
  draw(): boolean {
    const now = this.depends();
    const drawable = this.slot.drawable.value;
    const lut = this.store.lut.value;
    if (!drawable || !lut || same(now, this.#drawn)) return false;
    this.#drawn = now;
    this.#paint(lut);
    this.#surface.show();
    Object.assign(this.element.dataset, { stage: drawable.result.stage, job: drawable.result.job });
    return true;
  }

  #paint(lut: Uint8Array): void {
    const drawable = this.slot.drawable.value;
    if (!drawable) return;
    const { width, height, picture } = drawable;
    const { opacity, threshold, sign, overlay, smoothing } = this.store.traits;
    const out = this.#surface.pixels(width, height);
    const fed = this.slot.fed.value;
    if (fed || this.store.peeking.value) {
      if (fed && !this.store.peeking.value) fed.paint(out);
      else paintInput(out, picture, null, 1);
      this.#contour.clear();
      return;
    }
    const look = {
      lut,
      limit: this.slot.limit.value,
      opacity: opacity.value,
      threshold: threshold.value,
      sign: sign.value,
      overlay: overlay.value,
    };
    const { own, alpha } = this.slot;
    // At the end of the path the map is the one that its limit was found in: it is smoothed already.
    const whole = alpha.value === 1 ? own.value.smoothed : undefined;
    const values = whole ?? this.#smoother.smooth(this.slot.values, width, height, smoothing.value);
    this.#recolour.paint(out, picture, values, isSigned(this.slot), look);
    if (look.overlay === "contour") this.#contour.draw(this.#recolour.shown, width, height, look);
    else this.#contour.clear();
    this.#publish();
  }

  #publish(): void {
    const map = this.slot.drawable.value?.map;
    const { clipped, cut } = this.#recolour.painted;
    const before = this.slot.painted.value;
    const max = before.of === map ? before.max : largest(map?.data ?? []);
    if (before.of !== map || before.clipped !== clipped || before.cut !== cut) {
      this.slot.painted.value = { clipped, cut, max, of: map };
    }
  }
}

function largest(values: ArrayLike<number>): number {
  let size = 0;
  for (let i = 0; i < values.length; i++) size = Math.max(size, Math.abs(values[i]));
  return size;
}
