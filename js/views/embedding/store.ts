/**
 * What the parts of the view share. Points are meant by their place in the arrays; ids of rows are for the kernel
 * and the reader. Only `commit`, `request` and what is built on them reach the kernel.
 */
import { clamp } from "../../lib/format.js";
import { History, type Values } from "../../lib/history.js";
import { batch, computed, type ReadonlySignal, type Signal, signal } from "../../lib/lifetime.js";
import {
  type Column,
  type Layout,
  MAP_DEFAULTS,
  MAP_IDLE,
  type MapAct,
  type MapDrawable,
  type MapState,
  type MapTraits,
  MOST_MAPS,
  type Placed,
  type PointSet,
  type ReducerInfo,
  type SelectionName,
  type SequenceDrawable,
} from "../../lib/map_wire.js";
import type { Answer, Blob, Drawable, Luts } from "../../lib/wire.js";

/** Everything that comes from outside; `update` takes any part of it. */
export interface EmbeddingValues {
  points: PointSet | null;
  /** By place on screen. */
  maps: readonly (MapDrawable | null)[];
  sequence: SequenceDrawable | null;
  state: MapState;
  /** Of the attribution of a row. */
  explaining: MapState;
  /** Ids of rows. */
  selections: Readonly<Record<SelectionName, Uint32Array>>;
  placed: readonly Placed[];
  luts: Luts;
  /** The attribution of the row that was last explained. */
  overlay: Drawable | null;
  problem: string | null;
  traits: MapTraits;
}

export type Reply = Answer & { buffers: ArrayBufferView[] };

export interface Actions {
  /** Writes traits and sends them to the kernel. */
  onCommit(partial: Partial<MapTraits>): void;
  onRequest(kind: MapAct, extra?: Record<string, unknown>, buffers?: ArrayBufferView[]): Promise<Reply>;
  /** An array that an answer named. */
  onFetch(hash: string): Promise<Blob | null>;
  /** This layout is on screen. */
  onDrawn(layout: Layout): void;
  /** Fills the place for the picture with its attribution; what it returns empties it. */
  onSlot?(element: HTMLElement): () => void;
}

export type Tool = "look" | "lasso" | "rectangle";

/** Choices about the window: undo leaves them alone. */
const NOT_UNDONE: ReadonlySet<string> = new Set<keyof MapTraits>(["theme", "table"]);
const NOBODY = new Uint32Array();

type TraitSignals = { readonly [K in keyof MapTraits]: Signal<MapTraits[K]> };

/** What stands out, and why. */
export interface Lit {
  why: "search" | "legend" | "selection";
  points: Uint32Array;
}

export class Store {
  // From the kernel.
  readonly points = signal<PointSet | null>(null);
  readonly maps = signal<readonly (MapDrawable | null)[]>([]);
  readonly sequence = signal<SequenceDrawable | null>(null);
  readonly state = signal<MapState>(MAP_IDLE);
  readonly explaining = signal<MapState>(MAP_IDLE);
  readonly placed = signal<readonly Placed[]>([]);
  readonly luts = signal<Luts>({});
  readonly overlay = signal<Drawable | null>(null);
  readonly problem = signal<string | null>(null);
  /** Places of the points that are chosen; the page changes them first. */
  readonly selections: Readonly<Record<SelectionName, Signal<Uint32Array>>> = {
    selection: signal(NOBODY),
    group_a: signal(NOBODY),
    group_b: signal(NOBODY),
  };

  // Synced with Python; a drag changes them here first and commits when the hand lets go.
  readonly traits: TraitSignals;

  // Client only.
  /** The point under the pointer or the keyboard's cursor, on all maps. */
  readonly hovered = signal<number | null>(null);
  /** The map that the keyboard walks, and whose neighbours the inspector marks. */
  readonly active = signal(0);
  readonly tool = signal<Tool>("look");
  readonly side = signal(true);
  /** Of the theme in force. */
  readonly dark = signal(false);
  readonly playing = signal(false);
  readonly query = signal("");
  /** The category of the legend that stands out. */
  readonly category = signal<number | null>(null);
  /** The placed picture that is looked at, by its id. */
  readonly star = signal<number | null>(null);
  /** A passing word for the status line. */
  readonly said = signal("");

  readonly #rested = signal(0);

  readonly history = new History({ ...MAP_DEFAULTS }, NOT_UNDONE);

  /** Place of the point in focus; `null` when it is not among those shown. */
  readonly focus: ReadonlySignal<number | null>;
  /** The maps' work; while there is none, that of an attribution. */
  readonly work = computed(() => {
    const [maps, other] = [this.state.value, this.explaining.value];
    return maps.phase !== "running" && other.phase === "running" ? other : maps;
  });
  readonly running = computed(() => this.work.value.phase === "running");
  /** A saved page, which has nobody to ask. */
  readonly offline = computed(() => this.points.value?.offline === true);

  readonly #placeOf = computed(() => {
    const ids = this.points.value?.ids;
    return ids ? new Map(Array.from(ids, (id, place) => [id, place])) : null;
  });

  constructor(readonly actions: Actions) {
    const entries = Object.entries(MAP_DEFAULTS).map(([name, value]) => [name, signal<unknown>(value)]);
    this.traits = Object.fromEntries(entries) as TraitSignals;
    this.focus = computed(() => {
      const id = this.traits.point.value;
      return id === null ? null : this.placeOf(id);
    });
  }

  /** Keys of the reducers on screen. */
  readonly shown = computed(() => this.traits.maps.value.slice(0, MOST_MAPS));

  reducer(key: string): ReducerInfo | undefined {
    return this.points.value?.reducers.find((reducer) => reducer.key === key);
  }

  idOf(place: number): number {
    return this.points.value?.ids?.[place] ?? place;
  }

  /** `null` for a row that was sampled away. */
  placeOf(id: number): number | null {
    const table = this.#placeOf.value;
    if (table) return table.get(id) ?? null;
    return id >= 0 && id < (this.points.value?.n ?? 0) ? id : null;
  }

  placesOf(ids: ArrayLike<number>): Uint32Array {
    const places = Array.from(ids, (id) => this.placeOf(id)).filter((place) => place !== null);
    return Uint32Array.from(places);
  }

  column(name: string): Column | undefined {
    return this.points.value?.columns.find((column) => column.name === name);
  }

  /** The sequence that one of the maps walks now. */
  readonly walked = computed(() => {
    const found = this.sequence.value;
    if (found?.sequence.sweep !== this.traits.sweep.value) return null;
    const { map, reducer } = found.sequence;
    return this.traits.maps.value[map] === reducer ? found : null;
  });
  /** The step that the slider is nearest to. */
  readonly step = computed(() => this.#nearest(this.traits.sweep_at.value));
  /** The one where it was when the hand let go: what the kernel is asked about. */
  readonly restedStep = computed(() => this.#nearest(this.#rested.value));

  /** What this map walks; `null` for one at rest. */
  walkOf(map: number): SequenceDrawable | null {
    const walked = this.walked.value;
    return walked?.sequence.map === map ? walked : null;
  }

  #nearest(at: number): number | null {
    const walked = this.walked.value;
    return walked && clamp(Math.round(at), 0, walked.coords.length - 1);
  }

  set(partial: Partial<MapTraits>): void {
    const signals = this.traits as Record<string, Signal<unknown>>;
    batch(() => {
      for (const [name, value] of Object.entries(partial)) if (signals[name]) signals[name].value = value;
    });
  }

  /** Sets what no hand holds. */
  #rest(partial: Partial<MapTraits>): void {
    batch(() => {
      this.set(partial);
      if (partial.sweep_at !== undefined) this.#rested.value = partial.sweep_at;
    });
  }

  /** Takes over what the kernel says. */
  take(partial: Partial<MapTraits>): void {
    this.history.take(partial as Values);
    this.#rest(partial);
  }

  commit(partial: Partial<MapTraits>): void {
    this.history.commit(partial as Values);
    this.#write(partial);
  }

  undo(): void {
    this.playing.value = false;
    this.#write(this.history.undo() as Partial<MapTraits> | null);
  }

  redo(): void {
    this.playing.value = false;
    this.#write(this.history.redo() as Partial<MapTraits> | null);
  }

  #write(partial: Partial<MapTraits> | null): void {
    if (!partial) return;
    this.#rest(partial);
    this.actions.onCommit(partial);
  }

  request(kind: MapAct, extra: Record<string, unknown> = {}, buffers?: ArrayBufferView[]): Promise<Reply> {
    return this.actions.onRequest(kind, extra, buffers);
  }

  /** Brings the point in focus; the same one again lets it go. */
  look(place: number | null): void {
    const point = place === null ? null : this.idOf(place);
    this.star.value = null;
    if (point !== this.traits.point.value) this.commit({ point });
  }

  /** Chooses points: drawn at once, sent as one message. */
  choose(name: SelectionName, places: Uint32Array): void {
    this.selections[name].value = places;
    const ids = Uint32Array.from(places, (place) => this.idOf(place));
    void this.request("select", { name, ids: base64(ids) });
  }
}

/** Little-endian bytes in base64. */
export function base64(ids: Uint32Array): string {
  const bytes = new Uint8Array(ids.buffer, ids.byteOffset, ids.byteLength);
  let text = "";
  // In pieces: a call takes only so many arguments.
  for (let at = 0; at < bytes.length; at += 8192)
    text += String.fromCharCode(...bytes.subarray(at, at + 8192));
  return btoa(text);
}
