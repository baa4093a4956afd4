/** What the maps and the side panel both look at: thumbnails, matches, the row in focus and its distances. */
import { computed, type ReadonlySignal, react, type Signal, signal, untracked } from "../../lib/lifetime.js";
import type { Row } from "../../lib/map_wire.js";
import { type Meaning, meaningOf } from "./colours.js";
import { matching } from "./search.js";
import type { Lit, Store } from "./store.js";
import { Thumbs } from "./thumbs.js";

export class Scene {
  readonly thumbs: Thumbs;
  readonly matches: ReadonlySignal<Uint32Array | null>;
  /** What stands out on all maps. */
  readonly lit: ReadonlySignal<Lit | null>;
  /** Of the point in focus, once the kernel has told it. */
  readonly row: Signal<Row | null> = signal(null);
  /** Why there is no row, in words. */
  readonly lost: Signal<string | null> = signal(null);
  /** From the point in focus to every other, in the data. */
  readonly distances: Signal<Float32Array | null> = signal(null);
  readonly #meanings: ReadonlySignal<Meaning>[] = [];

  constructor(
    readonly store: Store,
    life: AbortSignal,
  ) {
    this.thumbs = new Thumbs(store, life);
    this.matches = matching(store);
    this.lit = computed(() => this.#standsOut());
    react(life, () => this.#askRow(life));
    react(life, () => this.#askDistances(life));
  }

  meaning(map: number): Meaning {
    this.#meanings[map] ??= computed(() => meaningOf(this.store, map, this.distances.value));
    return this.#meanings[map].value;
  }

  /** The most passing reason first. */
  #standsOut(): Lit | null {
    const { store } = this;
    const found = this.matches.value;
    if (found) return { why: "search", points: found };
    const column = store.column(store.traits.color_by.value);
    const category = store.category.value;
    if (category !== null && column?.kind === "category") {
      const points: number[] = [];
      column.data.forEach((code, place) => {
        if (code === category) points.push(place);
      });
      return { why: "legend", points: Uint32Array.from(points) };
    }
    const selection = store.selections.selection.value;
    return selection.length ? { why: "selection", points: selection } : null;
  }

  #askRow(life: AbortSignal): void {
    const { store } = this;
    const id = store.traits.point.value;
    // Neighbours on a map change with the map.
    const finished = store.maps.value.map((map) => (map?.layout.stage === "final" ? map.layout.job : 0));
    if (this.row.peek()?.id !== id) this.row.value = null;
    this.lost.value = null;
    if (id === null || !store.points.value || !finished.length) return;
    untracked(async () => {
      const { status, result, error } = await store.request("row", { row: id });
      if (life.aborted || store.traits.point.peek() !== id) return;
      if (status === "ok" && result) this.row.value = result as unknown as Row;
      else this.lost.value = error?.message ?? null;
    });
  }

  #askDistances(life: AbortSignal): void {
    const { store } = this;
    const id = store.traits.point.value;
    this.distances.value = null;
    if (id === null || store.traits.color_by.value !== "distance" || !store.points.value) return;
    untracked(async () => {
      const { result } = await store.request("distances", { row: id });
      const found = result ? await store.actions.onFetch(String(result.values)) : null;
      if (life.aborted || store.traits.point.peek() !== id || !(found?.data instanceof Float32Array)) return;
      const { scale } = found;
      this.distances.value = scale === 1 ? found.data : found.data.map((value) => value * scale);
    });
  }
}
