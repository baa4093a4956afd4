/** What the maps and the side panel both look at: thumbnails, matches, the row in focus and its distances. */
import { computed, type ReadonlySignal, react, type Signal, signal, untracked } from "../../lib/lifetime.js";
import type { Row } from "../../lib/map_wire.js";
import { type Meaning, meaningOf } from "./colours.js";
import { matching } from "./search.js";
import type { Lit, Store } from "./store.js";
import { Thumbs } from "./thumbs.js";

/** Milliseconds that the pointer stays on a point before the colours follow it. */
const REST = 150;
/** Rows whose distances are kept: whoever compares two goes to and fro. */
const REMEMBERED = 8;

/** Distances in the data of a step of the sequence, or in those of the maps at rest. */
interface Far {
  step: number | null;
  values: Float32Array;
}

export class Scene {
  readonly thumbs: Thumbs;
  readonly matches: ReadonlySignal<Uint32Array | null>;
  /** What stands out on all maps. */
  readonly lit: ReadonlySignal<Lit | null>;
  /** Of the point in focus, once the kernel has told it: with the data of the maps at rest. */
  readonly row: Signal<Row | null> = signal(null);
  /** The same at a step of the sequence, whose data may be others. */
  readonly #stepRow: Signal<Row | null> = signal(null);
  /** Why there is no row, in words. */
  readonly lost: Signal<string | null> = signal(null);
  /** From the point that is rested on, or else the one in focus, to every other, in the data. */
  readonly distances: Signal<Far | null> = signal(null);
  readonly #stepDistances: Signal<Far | null> = signal(null);
  readonly #meanings: ReadonlySignal<Meaning>[] = [];
  /** Distances by the row that they are from, and the step. */
  readonly #far = new Map<string, Far>();
  /** What is wanted now, in each place. */
  readonly #measured = new Map<Signal<Far | null>, string>();

  constructor(
    readonly store: Store,
    life: AbortSignal,
  ) {
    this.thumbs = new Thumbs(store, life);
    this.matches = matching(store);
    this.lit = computed(() => this.#standsOut());
    react(life, () => this.#askRow(life));
    react(life, () => this.#askStep(life));
    const rested = signal<number | null>(null);
    // Other rows, or other data of them, are as far apart as they are.
    react(life, () => {
      if (store.points.value || store.sequence.value) this.#far.clear();
    });
    react(life, () => rest(store, rested));
    const from = () => rested.value ?? store.traits.point.value;
    react(life, () => this.#askDistances(from(), null, this.distances, life));
    react(life, () => {
      const step = store.restedStep.value;
      this.#askDistances(step === null ? null : from(), step, this.#stepDistances, life);
    });
  }

  /** The row in focus, with the data that this map shows; `null` while the slider is at another step. */
  rowOf(map: number): Row | null {
    if (!this.store.walkOf(map)) return this.row.value;
    const row = this.#stepRow.value;
    return row?.step === this.store.step.value ? row : null;
  }

  #distancesOn(map: number): Float32Array | null {
    if (!this.store.walkOf(map)) return this.distances.value?.values ?? null;
    const found = this.#stepDistances.value;
    return found?.step === this.store.step.value ? found.values : null;
  }

  meaning(map: number): Meaning {
    this.#meanings[map] ??= computed(() => meaningOf(this.store, map, this.#distancesOn(map)));
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

  /** Once the slider rests, and when another step is the nearest one. */
  #askStep(life: AbortSignal): void {
    const { store } = this;
    const [id, step, walked] = [store.traits.point.value, store.restedStep.value, store.walked.value];
    this.#stepRow.value = null;
    if (id === null || step === null) return;
    untracked(async () => {
      const { status, result, error } = await store.request("row", { row: id, step });
      const same = store.traits.point.peek() === id && store.restedStep.peek() === step;
      if (life.aborted || !same || store.walked.peek() !== walked) return;
      if (status === "ok" && result) this.#stepRow.value = result as unknown as Row;
      else this.lost.value = error?.message ?? null;
    });
  }

  /** What is on screen stays until the next ones have come: a hover must not flash. */
  #askDistances(id: number | null, step: number | null, home: Signal<Far | null>, life: AbortSignal): void {
    const { store } = this;
    const key = `${id} ${step}`;
    this.#measured.set(home, key);
    if (id === null || store.traits.color_by.value !== "distance" || !store.points.value) {
      home.value = null;
      return;
    }
    untracked(async () => {
      const found = this.#far.get(key) ?? (await this.#askFar(id, step));
      if (!life.aborted && this.#measured.get(home) === key) home.value = found;
    });
  }

  async #askFar(id: number, step: number | null): Promise<Far | null> {
    const { store } = this;
    const [points, sequence] = [store.points.peek(), store.sequence.peek()];
    const { result } = await store.request("distances", { row: id, ...(step !== null && { step }) });
    const found = result ? await store.actions.onFetch(String(result.values)) : null;
    if (!(found?.data instanceof Float32Array)) return null;
    const { data, scale } = found;
    const far = { step, values: scale === 1 ? data : data.map((value) => value * scale) };
    if (points !== store.points.peek() || sequence !== store.sequence.peek()) return far;
    this.#far.set(`${id} ${step}`, far);
    const [oldest] = this.#far.keys();
    if (this.#far.size > REMEMBERED) this.#far.delete(oldest);
    return far;
  }
}

/** The row that is rested on, while the colours are distances; otherwise a hover costs nothing. */
function rest(store: Store, rested: Signal<number | null>): (() => void) | undefined {
  const at = store.hovered.value;
  const wanted = store.traits.color_by.value === "distance" && !store.offline.value;
  if (at === null || !wanted) {
    rested.value = null;
    return;
  }
  const timer = setTimeout(() => {
    rested.value = store.idOf(at);
  }, REST);
  return () => clearTimeout(timer);
}
