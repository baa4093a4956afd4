/** One picture: caption, canvas, the mark of the linked cursor. It walks by pointer and by arrow keys. */
import { clamp } from "../../lib/format.js";
import { ARROWS, isShortcut } from "../../lib/keys.js";
import { listen, react, watchWidth } from "../../lib/lifetime.js";
import { make } from "../../ui/mount.js";
import { listenZoom, placeOn } from "./gestures.js";
import type { Slot, Store } from "./store.js";

export interface PanelProps {
  testid: string;
  name(): string;
  /** Whose picture it shows. */
  slot(): Slot;
}

/** CSS pixels of a picture's pixel from which on it is shown as a square. */
const VISIBLE = 3;

export class Panel {
  readonly element = make("section", "panel");
  readonly canvas = make("canvas");
  readonly caption = make("header", "caption");
  readonly badge = make("div", "badges");
  readonly footer = make("footer", "footer");
  /** What is zoomed: the canvas, and whatever is drawn over it. */
  readonly stage = make("div", "stage");
  readonly view = make("div", "view");
  readonly #mark = make("i", "mark");
  readonly #empty = make("p", "empty");
  #width = 0;

  constructor(
    private readonly store: Store,
    private readonly props: PanelProps,
    life: AbortSignal,
  ) {
    const { element, view } = this;
    element.dataset.testid = props.testid;
    this.stage.append(this.canvas);
    view.append(this.stage, this.#mark, this.badge, this.#empty);
    element.append(this.caption, view, this.footer);

    view.tabIndex = 0;
    view.setAttribute("role", "group");
    listen(life, view, {
      pointermove: (event) => this.#point(event),
      pointerleave: () => {
        store.cursor.value = null;
      },
      keydown: (event) => this.#walk(event),
    });
    listenZoom(view, store, life);
    react(life, () => this.#describe());
    react(life, () => this.#showMark());
    react(life, () => this.#sharpen());
    watchWidth(life, view, (width) => {
      this.#width = width;
      this.#sharpen();
    });
  }

  get #drawable() {
    return this.props.slot().drawable.value;
  }

  #describe(): void {
    const drawable = this.#drawable;
    const name = this.props.name();
    this.view.setAttribute(
      "aria-label",
      drawable
        ? `${name}, ${drawable.width} by ${drawable.height} pixels. Arrow keys read single pixels.`
        : `${name}, not computed yet`,
    );
    this.#empty.textContent = drawable ? "" : this.#waiting();
    this.#empty.hidden = drawable !== null;
    this.view.style.setProperty("--aspect", drawable ? String(drawable.width / drawable.height) : "");
  }

  #waiting(): string {
    const slot = this.props.slot();
    if (slot.refusal.value) return slot.refusal.value;
    const { phase } = slot.state.value;
    if (phase === "error") return "No picture";
    return phase === "running" ? "Computing" : "Waiting for the kernel";
  }

  /** Single pixels stay visible where they are large; where they are small smoothing hides uneven columns. */
  #sharpen(): void {
    const [zoom] = this.store.traits.zoom.value;
    const pixels = this.#drawable?.width ?? 1;
    this.canvas.classList.toggle("pixelated", (zoom * this.#width) / pixels >= VISIBLE);
  }

  #point(event: PointerEvent): void {
    const { x, y } = placeOn(this.canvas, event);
    const { width, height } = this.#size;
    if (Number.isFinite(x)) this.#move(Math.floor(x * width), Math.floor(y * height));
  }

  #walk(event: KeyboardEvent): void {
    const step = ARROWS[event.key];
    if (!this.#drawable || !step || isShortcut(event)) return;
    event.preventDefault();
    const { width, height } = this.#size;
    const size = event.shiftKey ? 10 : 1;
    const at = this.store.cursor.value;
    if (!at) this.#move(width >> 1, height >> 1);
    else this.#move(Math.floor(at.x * width) + step[0] * size, Math.floor(at.y * height) + step[1] * size);
  }

  get #size(): { width: number; height: number } {
    return this.#drawable ?? { width: 0, height: 0 };
  }

  /** To the middle of a pixel of this picture. */
  #move(column: number, row: number): void {
    const { width, height } = this.#size;
    if (!width) return;
    const x = (clamp(column, 0, width - 1) + 0.5) / width;
    const y = (clamp(row, 0, height - 1) + 0.5) / height;
    const before = this.store.cursor.value;
    if (before?.x !== x || before?.y !== y) this.store.cursor.value = { x, y };
  }

  #showMark(): void {
    const at = this.store.cursor.value;
    const { width, height } = this.#size;
    this.#mark.hidden = !at || !width;
    if (!at || !width) return;
    const { style } = this.#mark;
    style.setProperty("--x", String((Math.floor(at.x * width) + 0.5) / width));
    style.setProperty("--y", String((Math.floor(at.y * height) + 0.5) / height));
    style.setProperty("--w", String(1 / width));
    style.setProperty("--h", String(1 / height));
  }
}
