/** The input and the map panels: what is there, in how many columns, and when it is drawn. */
import { atEnd, perFrame, react, untracked, watchWidth } from "../../lib/lifetime.js";
import { InputPicture } from "./input.js";
import { MapPicture } from "./map.js";
import type { Store } from "./store.js";

/** Milliseconds without a new frame after which maps are compared. */
const REST = 120;

/** CSS pixels: a picture that is narrower shows too little. */
const NARROWEST = 186;
/** Inside another view there is less room, and less to read. */
const NARROWEST_SMALL = 100;
/** Over curves: in one row, if at all, so that both are seen while a hand drags. */
const NARROWEST_JUDGED = 88;
/** Small pictures are tight in a column, or a container, of less. */
const TIGHT = [190, 560];
const GAP = 16;
/** Of the side panel, where it stands beside the pictures, and the container width from which on it does. */
const SIDE = 272;
const BESIDE = 900;
const PADDING = 32;

/** Columns for so many pictures: as few rows as fit, and rows as equal as they can be. */
export function columnsFor(pictures: number, width: number, narrowest = NARROWEST): number {
  const most = Math.max(1, Math.floor((width + GAP) / (narrowest + GAP)));
  return Math.ceil(pictures / Math.ceil(pictures / most));
}

export class Pictures {
  readonly #maps: MapPicture[] = [];
  readonly #input: InputPicture;
  readonly #redraw: () => void;
  #rest = 0;

  constructor(
    private readonly element: HTMLElement,
    private readonly store: Store,
    private readonly root: HTMLElement,
    private readonly life: AbortSignal,
  ) {
    this.#redraw = perFrame(life, () => untracked(() => this.#draw()));
    this.#input = new InputPicture(store, life);
    element.append(this.#input.element);
    react(life, () => {
      this.#input.depends();
      this.#redraw();
    });
    react(life, () => this.#count(store.slots.value.length));
    react(life, () => {
      const [factor, x, y] = store.traits.zoom.value;
      element.style.setProperty("--zoom", String(factor));
      element.style.setProperty("--zoom-x", String(x));
      element.style.setProperty("--zoom-y", String(y));
      element.toggleAttribute("data-zoomed", factor > 1);
      element.dataset.tool = store.tool.value;
      element.toggleAttribute("data-several", store.slots.value.length > 1 || store.judging.value);
    });
    atEnd(life, () => clearTimeout(this.#rest));
    this.#layout();
  }

  /** By the width of everything, which no number of columns changes. */
  #layout(): void {
    const { store, root } = this;
    let width = 800;
    const arrange = () => {
      const mode = store.traits.mode.value;
      const count = 1 + store.slots.value.length;
      const aside = mode === "guided" || (store.inspector.value && !store.folded.value);
      const room = mode === "bare" ? width : width - PADDING - (width >= BESIDE && aside ? SIDE : 0);
      const narrowest =
        mode === "bare" ? NARROWEST_SMALL : store.judging.value ? NARROWEST_JUDGED : NARROWEST;
      const columns = columnsFor(count, room, narrowest);
      root.style.setProperty("--columns", String(columns));
      root.toggleAttribute(
        "data-tight",
        store.judging.value && (room / columns < TIGHT[0] || width < TIGHT[1]),
      );
    };
    react(this.life, arrange);
    react(this.life, () => {
      const { width: columns, height } = store.slots.value[0].drawable.value ?? { width: 1, height: 1 };
      root.style.setProperty("--aspect", String(columns / height));
    });
    watchWidth(this.life, root, (now) => {
      width = now;
      untracked(arrange);
    });
  }

  #count(count: number): void {
    const { store } = this;
    while (this.#maps.length > count) this.#maps.pop()?.remove();
    while (this.#maps.length < count) {
      const map = untracked(() => new MapPicture(store, store.pool[this.#maps.length], this.life));
      this.#maps.push(map);
      this.element.append(map.element);
      react(map.life, () => {
        map.depends();
        this.#redraw();
      });
    }
  }

  #compareLater(): void {
    clearTimeout(this.#rest);
    if (!this.#maps.some(({ slot }) => slot.sources.length)) return;
    const compare = () => {
      for (const { slot } of this.#maps) slot.correlate();
    };
    this.#rest = window.setTimeout(() => untracked(compare), REST);
  }

  /** Draws what has changed: sources before what is made of them. */
  #draw(): void {
    this.#input.draw();
    const derived = (map: MapPicture) => map.slot.sources.length > 0;
    for (const map of this.#maps) if (!derived(map)) map.slot.follow();
    for (const map of this.#maps) if (derived(map)) map.slot.follow();
    let drawn = false;
    for (const map of this.#maps) drawn = map.draw() || drawn;
    if (!drawn) return;
    this.store.frame.value++;
    this.#compareLater();
    const result = this.store.slots.value[0].drawable.value?.result;
    if (result) Object.assign(this.root.dataset, { stage: result.stage, job: String(result.job) });
  }
}
