/** The region over a picture: its border, and the hand that draws it. The colours beside it stay true. */
import { html, svg } from "lit-html";
import { Brush, middle, moved, rectBetween, resized } from "../../lib/brush.js";
import { words } from "../../lib/format.js";
import { ARROWS, isShortcut } from "../../lib/keys.js";
import { listen, perFrame, react, signal } from "../../lib/lifetime.js";
import { maskOf, outlineOf, type Size } from "../../lib/region.js";
import type { Region } from "../../lib/wire.js";
import { make, mount } from "../../ui/mount.js";
import { placeOn } from "./gestures.js";
import { isPainting, paintBaseline } from "./paint.js";
import type { Panel } from "./panel.js";
import type { Point, Store } from "./store.js";

/** What one press of an arrow moves: a hundredth of the side. */
const PRESS = 0.01;
/** A press that moves less than this many pixels of the screen draws no rectangle. */
const SLIP = 3;
/** What the keys do on a picture, with a tool in the hand. */
export const HOWTO = {
  look: "",
  rectangle: "arrow keys move the rectangle, Shift and arrow keys resize it, Delete removes the region.",
  brush: "arrow keys move the brush, Enter paints, Delete removes the region.",
  eraser: "arrow keys move the eraser, Enter wipes out, Delete removes the region.",
};

export function mountOutline(panel: Panel, store: Store, life: AbortSignal): void {
  const layer = make("div", "outline", panel.stage);
  layer.setAttribute("aria-hidden", "true");
  const hovered = signal(false);
  const { view } = panel;
  const hover = ({ type }: Event) => {
    hovered.value = type === "pointerenter";
  };
  listen(life, view, { pointerenter: hover, pointerleave: hover });
  mount(life, layer, () => {
    const shown = !store.peeking.value;
    const region = store.traits.region.value;
    return html`${shown && region ? drawn(region, leadSize(store)) : ""}
    ${shown && hovered.value ? footprint(store) : ""}`;
  });
  react(life, () => {
    const tool = store.tool.value;
    view.dataset.tool = tool;
    if (HOWTO[tool]) view.setAttribute("aria-description", words(HOWTO[tool]));
    else view.removeAttribute("aria-description");
    layer.style.setProperty("--thin", String(1 / store.traits.zoom.value[0]));
  });
  new Hand(panel, store, life);
}

/** Size of the picture in whose pixels a rectangle is. */
export function leadSize(store: Store): Size {
  return store.pool[0].drawable.value ?? store.drawable.value ?? { width: 1, height: 1 };
}

/** A mask is drawn by its own cells: it is the same on every picture, and there are few of them. */
function drawn(region: Region, lead: Size) {
  let [width, height] = [lead.width, lead.height];
  let edge = "";
  if ("rect" in region) {
    const [x, y, across, down] = region.rect;
    edge = `M${x} ${y}h${across}v${down}h${-across}z`;
  } else {
    [width, height] = region.cells;
    const mask = maskOf(region, width, height);
    edge = outlineOf(mask, width, height);
  }
  return html`<svg viewBox="0 0 ${width} ${height}" preserveAspectRatio="none">
    ${svg`<path class="edge under" d=${edge}></path><path class="edge" d=${edge}></path>`}
  </svg>`;
}

/** What the brush would cover. */
function footprint(store: Store) {
  const tool = store.tool.value;
  const at = store.cursor.value;
  if (!at || (tool !== "brush" && tool !== "eraser")) return "";
  const { width, height } = leadSize(store);
  const radius = (store.brush.value * Math.min(width, height)) / 2;
  return html`<svg viewBox="0 0 ${width} ${height}" preserveAspectRatio="none">
    ${svg`<circle class="edge under" cx=${at.x * width} cy=${at.y * height} r=${radius}></circle>
    <circle class="edge" cx=${at.x * width} cy=${at.y * height} r=${radius}></circle>`}
  </svg>`;
}

interface Stroke {
  pointer: number;
  /** The region before, for a stroke that is given up. */
  before: Region | null;
  from: Point;
  last: Point;
  x: number;
  y: number;
  brush: Brush | null;
}

/** Draws while it moves, commits once when it lets go. */
class Hand {
  #stroke: Stroke | null = null;
  /** A region that keys have changed and that is not committed yet. */
  #pending = false;
  readonly #show: () => void;

  constructor(
    private readonly panel: Panel,
    private readonly store: Store,
    life: AbortSignal,
  ) {
    this.#show = perFrame(life, () => this.#draft());
    const settle = () => this.#settle();
    listen(life, panel.view, {
      pointerdown: (event) => this.#down(event),
      pointermove: (event) => this.#move(event),
      pointerup: (event) => this.#up(event),
      pointercancel: () => this.#giveUp(),
      keyup: settle,
      focusout: settle,
    });
    // Before the keys that read single pixels.
    listen(life, panel.view, { keydown: (event) => this.#key(event) }, { capture: true });
  }

  #place(event: PointerEvent): Point {
    return placeOn(this.panel.canvas, event);
  }

  #down(event: PointerEvent): void {
    const { store, panel } = this;
    const tool = store.tool.value;
    if (tool === "look" || event.button !== 0 || !store.drawable.value) return;
    panel.view.setPointerCapture(event.pointerId);
    const before = store.traits.region.value;
    const brush = tool === "rectangle" ? null : new Brush(leadSize(store), before);
    const from = this.#place(event);
    this.#stroke = {
      pointer: event.pointerId,
      before,
      from,
      last: from,
      x: event.clientX,
      y: event.clientY,
      brush,
    };
    if (brush) this.#drag(from);
  }

  #move(event: PointerEvent): void {
    const stroke = this.#stroke;
    if (!stroke || stroke.pointer !== event.pointerId) return;
    const slip = Math.hypot(event.clientX - stroke.x, event.clientY - stroke.y) < SLIP;
    if (!stroke.brush && slip && this.store.traits.region.value === stroke.before) return;
    this.#drag(this.#place(event));
  }

  #drag(to: Point): void {
    const stroke = this.#stroke;
    if (!stroke) return;
    stroke.brush?.stroke(stroke.last, to, this.store.brush.value, this.store.tool.value !== "eraser");
    stroke.last = to;
    this.#show();
  }

  /** In the page only; once a frame, because a mask is turned into a region for it. */
  #draft(): void {
    if (this.#stroke) this.store.set({ region: this.#region(this.#stroke) });
  }

  #region({ from, last, brush }: Stroke): Region | null {
    return brush ? brush.region() : { rect: rectBetween(from, last, leadSize(this.store)) };
  }

  #up(event: PointerEvent): void {
    const stroke = this.#stroke;
    if (!stroke || stroke.pointer !== event.pointerId) return;
    this.#stroke = null;
    const moved = stroke.brush || stroke.last !== stroke.from;
    if (moved) keep(this.store, this.#region(stroke));
  }

  #giveUp(): void {
    if (this.#stroke) this.store.set({ region: this.#stroke.before });
    this.#stroke = null;
  }

  #key(event: KeyboardEvent): void {
    const { store } = this;
    if (store.tool.value === "look" || isShortcut(event)) return;
    if (event.key === "Escape") {
      if (this.#stroke) this.#giveUp();
      else store.tool.value = "look";
    } else if (event.key === "Delete" || event.key === "Backspace") {
      if (store.traits.region.value) keep(store, null);
      store.said.value = "Region removed";
    } else if (event.key === "Enter" && store.tool.value !== "rectangle") this.#dab();
    else if (ARROWS[event.key] && store.tool.value === "rectangle")
      this.#push(ARROWS[event.key], event.shiftKey);
    else return;
    event.preventDefault();
    event.stopImmediatePropagation();
  }

  #push([dx, dy]: readonly [number, number], resize: boolean): void {
    const { store } = this;
    const size = leadSize(store);
    const region = store.traits.region.value;
    const step = (share: number, side: number) => share * Math.max(1, Math.round(side * PRESS));
    const by = [step(dx, size.width), step(dy, size.height)] as const;
    let rect = middle(size);
    if (region && "rect" in region) rect = (resize ? resized : moved)(region.rect, ...by, size);
    store.set({ region: { rect } });
    const [x, y, across, down] = rect;
    store.said.value = `Rectangle of ${across} by ${down} pixels at ${x}, ${y}`;
    this.#pending = true;
  }

  #dab(): void {
    const { store } = this;
    const at = store.cursor.value ?? { x: 0.5, y: 0.5 };
    const brush = new Brush(leadSize(store), store.traits.region.value);
    const paints = store.tool.value === "brush";
    brush.stroke(at, at, store.brush.value, paints);
    keep(store, brush.region());
    store.said.value = paints ? "Painted" : "Wiped out";
  }

  #settle(): void {
    if (this.#pending) keep(this.store, this.store.traits.region.value);
    this.#pending = false;
  }
}

/** Commits a region, and the painted baseline with it while that follows the brush. */
function keep(store: Store, region: Region | null): void {
  if (region && isPainting(store)) paintBaseline(store, region);
  else store.commit({ region });
}
