/** One picture, and what every method makes of it, on one scale. */
import { html, nothing, type TemplateResult } from "lit-html";
import { number, percent } from "../../lib/format.js";
import { type ReadonlySignal, react } from "../../lib/lifetime.js";
import { Surface } from "../../render/canvas.js";
import { Recolour } from "../../render/recolour.js";
import { segmented } from "../../ui/choice.js";
import { make, mount } from "../../ui/mount.js";
import { type Drawn, type Ground, pen, type Scaling, type Store } from "./store.js";
import { paintPicture, Thumbnails } from "./thumbnails.js";

const OPACITY = { blend: 0.85, map: 1 };

export function mountMaps(
  box: HTMLElement,
  store: Store,
  dark: ReadonlySignal<boolean>,
  life: AbortSignal,
): void {
  const thumbnails = new Thumbnails(store.data);
  mount(life, make("div", "", box), () => strip(store, thumbnails));
  mount(life, make("p", "caption", box), () => caption(store));
  mount(life, make("div", "looks", box), () => looks(store));
  const tiles = make("div", "tiles", box);
  const { width, height } = store.data.size;
  const input = new Tile(tiles);
  react(life, () => {
    input.paintPicture(store.data.picture(store.picture.value), width, height);
  });
  mount(life, input.words, () => html`<strong>What the model was fed</strong>`);
  for (const method of store.data.words.methods.keys()) {
    const tile = new Tile(tiles);
    tile.figure.dataset.method = String(method);
    react(life, () => {
      const drawn = store.drawn.value[method];
      tile.canvas.hidden = !drawn;
      if (drawn) tile.paint(store, drawn, width, height);
    });
    react(life, () => {
      tile.figure.toggleAttribute("data-chosen", store.chosen.value?.method === method);
    });
    mount(life, tile.words, () => words(store, method, dark.value));
  }
}

/** A canvas with words under it. */
class Tile {
  readonly figure: HTMLElement;
  readonly canvas: HTMLCanvasElement;
  readonly words: HTMLElement;
  readonly #surface: Surface;
  readonly #recolour = new Recolour();

  constructor(parent: HTMLElement) {
    this.figure = make("figure", "tile", parent);
    this.canvas = make("canvas", "", this.figure);
    this.canvas.setAttribute("role", "img");
    this.words = make("figcaption", "", this.figure);
    this.#surface = new Surface(this.canvas);
  }

  paintPicture(rgb: Uint8Array, width: number, height: number): void {
    this.canvas.setAttribute("aria-label", "The picture");
    paintPicture(this.#surface, rgb, width, height);
  }

  paint(store: Store, { values, limit }: Drawn, width: number, height: number): void {
    const overlay = store.ground.value;
    const method = Number(this.figure.dataset.method);
    this.#recolour.paint(
      this.#surface.pixels(width, height),
      store.data.picture(store.picture.value),
      values,
      store.data.words.methods[method].signed,
      { limit, lut: store.data.lut, opacity: OPACITY[overlay], threshold: 1, sign: "both", overlay },
    );
    this.canvas.setAttribute("aria-label", `Map of ${store.data.words.methods[method].title}`);
    this.#surface.show();
  }
}

function strip(store: Store, thumbnails: Thumbnails): TemplateResult {
  const { captions } = store.data.words;
  const chosen = store.picture.value;
  const order = store.chosen.value ? store.data.order(store.chosen.value) : [];
  const mark = (i: number) => {
    const cell = store.chosen.value;
    if (!cell || order.length < 2) return "";
    const [first, last] = store.data.ends(cell);
    return i === order[0] ? first : i === order[order.length - 1] ? last : "";
  };
  return html`<div class="strip" role="radiogroup" aria-label="Picture" @keydown=${(event: KeyboardEvent) => walk(event, store)}>
    ${captions.map(
      ({ target }, i) => html`<button
        type="button"
        role="radio"
        aria-checked=${i === chosen}
        aria-label="Picture ${i + 1}, ${target}${mark(i) ? `, ${mark(i)}` : ""}"
        tabindex=${i === chosen ? 0 : -1}
        @click=${() => {
          store.picture.value = i;
        }}
      >
        ${thumbnails.of(i)}<span>${i + 1}</span>${mark(i) ? html`<em>${mark(i)}</em>` : nothing}
      </button>`,
    )}
  </div>`;
}

function walk(event: KeyboardEvent, store: Store): void {
  const count = store.data.words.captions.length;
  const now = store.picture.value;
  const places: Record<string, number> = {
    ArrowRight: now + 1,
    ArrowDown: now + 1,
    ArrowLeft: now - 1 + count,
    ArrowUp: now - 1 + count,
    Home: 0,
    End: count - 1,
  };
  const next = places[event.key];
  if (next === undefined || event.ctrlKey || event.metaKey || event.altKey) return;
  event.preventDefault();
  store.picture.value = next % count;
  (event.currentTarget as HTMLElement).querySelectorAll<HTMLElement>("[role=radio]")[next % count]?.focus();
}

function caption(store: Store): TemplateResult {
  const { target, note } = store.data.words.captions[store.picture.value];
  return html`<strong>Picture ${store.picture.value + 1}</strong>: the maps explain <strong><bdi>${target}</bdi></strong>.
    ${note}`;
}

function looks(store: Store): TemplateResult {
  return html`${segmented<Scaling>({
    label: "Scale of the colours",
    value: store.scaling.value,
    options: [
      { value: "own", label: "Each to its limit" },
      { value: "share", label: "All in shares" },
    ],
    onChange: (value) => {
      store.scaling.value = value;
    },
  })}
  ${segmented<Ground>({
    label: "Ground of the maps",
    value: store.ground.value,
    options: [
      { value: "blend", label: "Over the picture" },
      { value: "map", label: "Map alone" },
    ],
    onChange: (value) => {
      store.ground.value = value;
    },
  })}
  <span>${scaleWords(store)}</span>`;
}

function scaleWords(store: Store): string {
  const sides = "Warm speaks for the class, cold against it.";
  return store.scaling.value === "own"
    ? `${sides} Each map has its own unit, and colours from minus to plus its own limit: compare places, not strengths.`
    : `${sides} A pixel has its share of its own map's total magnitude, on one scale: what spreads is pale.`;
}

function words(store: Store, method: number, dark: boolean): TemplateResult {
  const { title, signed } = store.data.words.methods[method];
  const { colour, dash } = pen(method, dark);
  const drawn = store.drawn.value[method];
  return html`<strong
      ><svg class="pen" viewBox="0 0 18 6" aria-hidden="true">
        <line x1="0" x2="18" y1="3" y2="3" style="stroke: ${colour}" stroke-dasharray=${dash || nothing}></line></svg
      >${title}</strong
    >
    ${drawn ? html`<span>${reading(store, method)}</span><span>${ends(drawn, store.scaling.value, signed)}</span>` : html`<span>No map: the method failed.</span>`}`;
}

/** The number that the table's mean is made of, and its place among the methods. */
function reading(store: Store, method: number): string {
  const { measure } = store;
  const { label, better, values } = store.data.words.measures[measure];
  const index = store.picture.value;
  const own = store.data.value({ method, measure }, index);
  if (own === null) return `${label}: not defined`;
  const known = values.flatMap((row) => row[index] ?? []);
  const before = known.filter((value) => (better === "high" ? value > own : value < own)).length;
  const place = better && known.length > 1 ? `, place ${before + 1} of ${known.length}` : "";
  return `${label} ${number(own)}${place}`;
}

function ends({ limit, clipped, unit }: Drawn, scaling: Scaling, signed: boolean): string {
  const said = scaling === "share" ? percent(limit) : number(limit);
  const share = clipped > 0 ? `${percent(clipped)} clipped` : "nothing clipped";
  const range = signed ? `\u00b1${said}` : `0 to ${said}`;
  return `${[range, unit].filter(Boolean).join(" ")}, ${share}`;
}
