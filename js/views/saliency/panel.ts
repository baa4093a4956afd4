/** One picture: caption, canvas, the mark of the linked cursor. It walks by pointer and by arrow keys. */
import { react, watchWidth } from "../../lib/lifetime.js";
import type { Point, Store } from "./store.js";

export interface PanelProps {
  testid: string;
  name: string;
}

const STEP: Record<string, [number, number]> = {
  ArrowLeft: [-1, 0],
  ArrowRight: [1, 0],
  ArrowUp: [0, -1],
  ArrowDown: [0, 1],
};

export class Panel {
  readonly canvas = make("canvas", "");
  readonly caption = make("header", "caption");
  readonly badge = make("div", "badges");
  readonly footer = make("footer", "footer");
  readonly #view = make("div", "view");
  readonly #mark = make("i", "mark");
  readonly #empty = make("p", "empty");

  constructor(
    parent: HTMLElement,
    private readonly store: Store,
    props: PanelProps,
    life: AbortSignal,
  ) {
    const element = make("section", "panel");
    element.dataset.testid = props.testid;
    this.#view.append(this.canvas, this.#mark, this.badge, this.#empty);
    element.append(this.caption, this.#view, this.footer);
    parent.append(element);

    this.#view.tabIndex = 0;
    this.#view.setAttribute("role", "group");
    const options = { signal: life };
    this.#view.addEventListener("pointermove", (event) => this.#point(event), options);
    this.#view.addEventListener("pointerleave", () => this.#leave(), options);
    this.#view.addEventListener("keydown", (event) => this.#walk(event), options);
    react(life, () => this.#describe(props.name));
    react(life, () => this.#showMark(store.cursor.value));
    watchWidth(life, this.#view, (width) => this.#sharpen(width));
  }

  #describe(name: string): void {
    const drawable = this.store.drawable.value;
    this.#view.setAttribute(
      "aria-label",
      drawable
        ? `${name}, ${drawable.width} by ${drawable.height} pixels. Arrow keys read single pixels.`
        : `${name}, not computed yet`,
    );
    this.#empty.textContent = drawable ? "" : this.#waiting();
    this.#empty.hidden = drawable !== null;
    this.#sharpen(this.#view.clientWidth);
  }

  #waiting(): string {
    const { phase } = this.store.state.value;
    if (phase === "error") return "No picture";
    return phase === "running" ? "Computing" : "Waiting for the kernel";
  }

  /** Single pixels stay visible where they are large; below twice their size smoothing hides uneven columns. */
  #sharpen(width: number): void {
    const pixels = this.store.drawable.peek()?.width ?? 1;
    this.canvas.classList.toggle("pixelated", width / pixels >= 2);
  }

  #point(event: PointerEvent): void {
    const drawable = this.store.drawable.value;
    const box = this.canvas.getBoundingClientRect();
    if (!drawable || !box.width) return;
    const x = Math.floor(((event.clientX - box.left) / box.width) * drawable.width);
    const y = Math.floor(((event.clientY - box.top) / box.height) * drawable.height);
    this.#move({ x, y });
  }

  #leave(): void {
    this.store.cursor.value = null;
  }

  #walk(event: KeyboardEvent): void {
    const drawable = this.store.drawable.value;
    const step = STEP[event.key];
    if (!drawable || !step || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    const size = event.shiftKey ? 10 : 1;
    const at = this.store.cursor.value;
    if (!at) this.#move({ x: drawable.width >> 1, y: drawable.height >> 1 });
    else this.#move({ x: at.x + step[0] * size, y: at.y + step[1] * size });
  }

  #move({ x, y }: Point): void {
    const { width, height } = this.store.drawable.value ?? { width: 1, height: 1 };
    const inside = { x: Math.min(Math.max(x, 0), width - 1), y: Math.min(Math.max(y, 0), height - 1) };
    const before = this.store.cursor.value;
    if (before?.x !== inside.x || before?.y !== inside.y) this.store.cursor.value = inside;
  }

  #showMark(at: Point | null): void {
    const drawable = this.store.drawable.value;
    this.#mark.hidden = !at || !drawable;
    if (!at || !drawable) return;
    const { style } = this.#mark;
    style.left = `${((at.x + 0.5) / drawable.width) * 100}%`;
    style.top = `${((at.y + 0.5) / drawable.height) * 100}%`;
    style.width = `${100 / drawable.width}%`;
    style.height = `${100 / drawable.height}%`;
  }
}

function make<K extends keyof HTMLElementTagNameMap>(tag: K, name: string): HTMLElementTagNameMap[K] {
  const element = document.createElement(tag);
  if (name) element.className = name;
  return element;
}
