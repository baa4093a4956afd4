/** One map: caption, points, what lies over them, and how far to believe it. */
import { html, nothing } from "lit-html";
import { clamp } from "../../lib/format.js";
import { ARROWS, isShortcut } from "../../lib/keys.js";
import { lifeWithin, listen, react, signal, watchSize } from "../../lib/lifetime.js";
import type { MapDrawable, Row } from "../../lib/map_wire.js";
import { toMap, toScreen, UNITS } from "../../render/points/camera.js";
import { Points } from "../../render/points/scatter.js";
import { make, mount } from "../../ui/mount.js";
import { mountCaption, mountCaution } from "./caption.js";
import { meaningFrom } from "./colours.js";
import { cameraOf, listenHand, type Surface, traitOf } from "./gestures.js";
import { drawOverlay, onTheWay, type Spot } from "./overlay.js";
import type { Scene } from "./scene.js";
import { mountTooltip } from "./tooltip.js";
import { nextTowards } from "./walk.js";
import { labelOf, nameOf, stageWords, stepWords, titleOf } from "./words.js";

/** CSS pixels around a placed picture that belong to it. */
const STAR = 11;

export class MapPanel implements Surface {
  readonly element = make("section", "map-panel");
  readonly view = make("div", "map");
  readonly life: AbortSignal;
  readonly #own: AbortController;
  readonly #points: Points;
  readonly #overlay = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  readonly #tip = make("div", "tooltip");
  readonly #size = signal({ width: 0, height: 0 });
  /** Whether the pointer, or the keyboard's cursor, is on this map. */
  readonly #pointed = signal(false);
  readonly #lasso = signal<readonly Spot[]>([]);
  #shown: unknown[] = [];
  #coloured: unknown[] = [];

  constructor(
    private readonly scene: Scene,
    readonly index: number,
    life: AbortSignal,
  ) {
    this.#own = lifeWithin(life);
    this.life = this.#own.signal;
    const { element, view } = this;
    element.dataset.testid = `map-${index}`;
    const canvas = make("canvas", "", view);
    this.#points = new Points(canvas, this.life);
    canvas.setAttribute("aria-hidden", "true");
    this.#overlay.classList.add("over");
    this.#overlay.setAttribute("aria-hidden", "true");
    this.#tip.dataset.testid = "tooltip";
    const empty = make("p", "empty");
    view.append(this.#overlay, this.#tip, empty);
    const caption = make("header", "map-caption");
    const caution = make("footer", "caution");
    element.append(caption, view, caution);
    view.tabIndex = 0;
    view.dataset.testid = `map-view-${index}`;
    view.setAttribute("role", "group");
    mountCaption(caption, scene.store, index, this.life);
    mountCaution(caution, scene.store, index, this.life);
    mountTooltip(this.#tip, scene, this.#pointed, this.life);
    mount(this.life, empty, () => this.#waiting());
    this.#listen();
  }

  get size() {
    return this.#size.value;
  }

  remove(): void {
    this.#own.abort();
    this.element.remove();
  }

  nearest({ x, y }: Spot, within: number): number {
    return this.#points.n ? this.#points.nearest(x, y, within) : -1;
  }

  inside(corners: readonly Spot[]): Uint32Array {
    if (!this.#points.n) return new Uint32Array();
    if (this.scene.store.tool.value === "rectangle") {
      const [from, , to] = corners;
      return this.#points.inRectangle(from.x, from.y, to.x, to.y);
    }
    return this.#points.inPolygon(Float32Array.from(corners.flatMap(({ x, y }) => [x, y])));
  }

  star(at: Spot): number | null {
    if (this.scene.store.walkOf(this.index)) return null;
    const found = this.scene.store.placed.value.find(({ map, x, y }) => {
      const spot = this.#placeUnits(x, y);
      return map === this.index && Math.hypot(spot.x - at.x, spot.y - at.y) <= STAR;
    });
    return found?.id ?? null;
  }

  show(corners: readonly Spot[]): void {
    if (corners.length || this.#lasso.value.length) this.#lasso.value = corners;
  }

  #listen(): void {
    const { view, life } = this;
    const { store } = this.scene;
    listenHand(this, store, life);
    const here = (pointed: boolean) => () => {
      this.#pointed.value = pointed;
      if (pointed) store.active.value = this.index;
    };
    listen(life, view, {
      pointerenter: here(true),
      pointerleave: here(false),
      focus: here(true),
      blur: () => {
        this.#pointed.value = false;
        store.hovered.value = null;
      },
      keydown: (event) => this.#walk(event),
    });
    watchSize(life, view, (width, height) => {
      this.#size.value = { width, height: height || width };
    });
    react(life, () => {
      const { n = 0 } = store.points.value ?? {};
      const at = stepWords(store, this.index);
      const name = `Map ${this.index + 1}, ${titleOf(store, this.index)}${at && ` ${at}`}, ${n} points`;
      view.setAttribute(
        "aria-label",
        `${name}. Arrow keys walk from point to point, Enter looks at one. Axes have no unit.`,
      );
      view.dataset.tool = store.tool.value;
    });
  }

  #waiting() {
    const { store } = this.scene;
    if (this.#drawable()) return nothing;
    const points = store.points.value;
    if (points && points.n === 0) return html`No rows were given.`;
    const { phase } = store.state.value;
    if (phase === "error") return html`No map`;
    return phase === "running"
      ? html`Computing`
      : html`${points ? "Waiting for the map" : "Waiting for the kernel"}`;
  }

  /** The map, if it is of the points that are known. */
  #drawable(): MapDrawable | null {
    const { store } = this.scene;
    const found = store.maps.value[this.index];
    return found && found.coords.length === 2 * (store.points.value?.n ?? 0) && found.coords.length
      ? found
      : null;
  }

  /** A map that walks the sequence is where the slider stands. */
  #place(): [Uint16Array, Uint16Array, number] | null {
    const { store } = this.scene;
    const walked = store.walkOf(this.index);
    if (walked && walked.coords[0].length === 2 * (store.points.value?.n ?? 0)) {
      const at = clamp(store.traits.sweep_at.value, 0, walked.coords.length - 1);
      const before = Math.min(Math.floor(at), walked.coords.length - 1);
      return [
        walked.coords[before],
        walked.coords[Math.min(before + 1, walked.coords.length - 1)],
        at - before,
      ];
    }
    const drawable = this.#drawable();
    return drawable ? [drawable.coords, drawable.coords, 0] : null;
  }

  /** Everything a frame depends on. */
  depends(): unknown[] {
    const { store, lit } = this.scene;
    const { camera, point_size, opacity, density, spokes } = store.traits;
    return [
      this.#size.value,
      ...(this.#place() ?? []),
      this.scene.meaning(this.index),
      lit.value,
      camera.value,
      point_size.value,
      opacity.value,
      density.value,
      // Over the points:
      spokes.value,
      this.scene.rowOf(this.index),
      store.walkOf(this.index),
      store.hovered.value,
      store.focus.value,
      store.placed.value,
      store.star.value,
      this.#lasso.value,
    ];
  }

  draw(): void {
    const { store } = this.scene;
    const place = this.#place();
    const size = this.#size.value;
    const points = this.#points;
    this.view.toggleAttribute("data-empty", !place);
    if (!place || !size.width) return;
    const { camera, point_size, opacity, density } = store.traits;
    const lit = this.scene.lit.value;
    const meaning = this.scene.meaning(this.index);
    const now = [size, ...place, meaning, lit, camera.value, point_size.value, opacity.value, density.value];
    if (now.some((value, i) => !Object.is(value, this.#shown[i]))) {
      const others = 2 * points.n !== place[0].length; // other points take the highlight away
      if (place.some((value, i) => value !== this.#shown[i + 1])) points.tween(...place);
      if (this.#coloured[0] !== meaning || this.#coloured[1] !== points.n) {
        points.colour(meaningFrom(meaning, points.n));
        this.#coloured = [meaning, points.n];
      }
      points.resize(size.width, size.height, window.devicePixelRatio || 1);
      if (lit !== this.#shown[5] || others) points.highlight(lit?.points ?? null);
      Object.assign(points, { camera: cameraOf(camera.value), radius: point_size.value / 2 });
      Object.assign(points, { opacity: opacity.value, density: density.value });
      points.draw();
      this.#shown = now;
    }
    this.#drawOver();
    this.#tell();
  }

  #drawOver(): void {
    const { store } = this.scene;
    drawOverlay(this.#overlay, store, {
      map: this.index,
      row: this.#row(),
      lasso: this.#lasso.value,
      place: (point) => this.#points.place(point),
      placeUnits: (x, y) => this.#placeUnits(x, y),
    });
    const at = store.hovered.value;
    if (at === null) return;
    const { x, y } = this.#points.place(at);
    const { width, height } = this.size;
    this.#tip.style.setProperty("--x", `${x}px`);
    this.#tip.style.setProperty("--y", `${y}px`);
    this.#tip.dataset.side = `${y > height / 2 ? "above" : "below"} ${x > width / 2 ? "left" : "right"}`;
  }

  /** The row in focus, and what this map made of its neighbours. */
  #row(): Row | null {
    const { store } = this.scene;
    const at = store.focus.value;
    const known = this.scene.rowOf(this.index);
    if (!known || at === null || !store.traits.spokes.value || !store.walkOf(this.index)) return known;
    if (known.missing[this.index] && store.traits.sweep_at.value === known.step) return known;
    return onTheWay(
      known,
      this.index,
      at,
      this.#points.n,
      { place: (point) => this.#points.place(point) },
      store,
    );
  }

  /** Says that the layout is on screen, and tests what stands there. */
  #tell(): void {
    const drawable = this.#drawable();
    if (!drawable) return;
    const { stage, job, iteration } = drawable.layout;
    Object.assign(this.element.dataset, { stage, job, iteration, words: stageWords(drawable) });
    this.scene.store.actions.onDrawn(drawable.layout);
  }

  #placeUnits(x: number, y: number): Spot {
    return toScreen(this.#points.camera, this.size, x / UNITS, y / UNITS);
  }

  #walk(event: KeyboardEvent): void {
    const direction = ARROWS[event.key];
    const { store } = this.scene;
    if (!this.#points.n || isShortcut(event)) return;
    if (event.key === "Enter" && store.hovered.value !== null) {
      event.preventDefault();
      store.look(store.hovered.value);
    }
    if (!direction) return;
    event.preventDefault();
    const at = store.hovered.value ?? store.focus.value;
    const { width, height } = this.size;
    const from = at === null ? { x: width / 2, y: height / 2 } : this.#points.place(at);
    const next =
      at === null
        ? this.#points.nearest(from.x, from.y, Math.hypot(width, height))
        : nextTowards(this.#points.n, (point) => this.#points.place(point), from, direction, at);
    if (next < 0) return;
    this.#pointed.value = true;
    store.hovered.value = next;
    this.#follow(next);
  }

  /** What is walked to is seen. */
  #follow(point: number): void {
    const { store } = this.scene;
    const { x, y } = this.#points.place(point);
    const { width, height } = this.size;
    if (x >= 0 && y >= 0 && x <= width && y <= height) return;
    const camera = cameraOf(store.traits.camera.value);
    store.set({ camera: traitOf({ ...camera, ...toMap(camera, this.size, x, y) }) });
  }

  /** Where the cursor is, of the pointer or of the keyboard. */
  cursor(): Spot | null {
    const at = this.scene.store.hovered.value;
    return at === null || !this.#points.n ? null : this.#points.place(at);
  }

  /** What is under the keyboard's cursor, for those who hear it. */
  spoken(): string {
    const { store } = this.scene;
    const at = store.hovered.value;
    return at === null ? "" : `Point ${nameOf(store, at)}${labelOf(store, at) ? "" : ", no label"}`;
  }
}
