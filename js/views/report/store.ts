/** What the reader has chosen; all of it stays in the page. */
import { computed, type ReadonlySignal, signal } from "../../lib/lifetime.js";
import { categorical } from "../../render/points/palette.js";
import { automaticLimit } from "../../render/scale.js";
import type { Cell, ReportData } from "./data.js";

/**
 * Units differ between methods, so every map ends at a limit of its own, or all share one as shares of each map's
 * own magnitude.
 */
export type Scaling = "own" | "share";
export type Ground = "blend" | "map";

/** A map as it is drawn. */
export interface Drawn {
  values: Float64Array;
  limit: number;
  clipped: number;
  unit: string;
}

const SHARE = "of the map's magnitude";
/** Colours after which they come again with another dash. */
const COLOURS = 8;
const DASHES = ["", "7 3", "2 3", "9 3 2 3"];

export class Store {
  readonly picture = signal(0);
  /** The cell that was clicked: its measure stands under the maps. */
  readonly chosen = signal<Cell | null>(null);
  /** The cell under the pointer, or with the focus. */
  readonly pointed = signal<Cell | null>(null);
  readonly scaling = signal<Scaling>("own");
  readonly ground = signal<Ground>("blend");
  /** Counts how often the reader asked to be led to the maps. */
  readonly asked = signal(0);
  /** The maps of the picture, by method. */
  readonly drawn: ReadonlySignal<(Drawn | null)[]>;

  constructor(readonly data: ReportData) {
    this.drawn = computed(() => {
      const { methods } = data.words;
      return drawn(
        methods.map((_, method) => data.map(method, this.picture.value)),
        methods.map(({ unit }) => unit),
        this.scaling.value,
      );
    });
  }

  /** The measure that stands under the maps. */
  get measure(): number {
    return this.chosen.value?.measure ?? 0;
  }

  /** Shows the picture where a method did best by a measure, or another one; `lead` takes the reader there. */
  choose(cell: Cell, index = this.data.order(cell)[0] ?? this.picture.value, lead = false): void {
    this.chosen.value = cell;
    this.picture.value = index;
    if (lead) this.asked.value += 1;
  }
}

/** Every map as it is or as shares of the sum of its sizes, with the value at which its colours end. */
export function drawn(
  maps: readonly (Float64Array | null)[],
  units: readonly string[],
  scaling: Scaling,
): (Drawn | null)[] {
  const shown = maps.map((map) => (map && scaling === "share" ? shares(map) : map));
  const common = automaticLimit(...shown.filter((values) => values !== null));
  return shown.map((values, method) => {
    if (!values) return null;
    const limit = scaling === "share" ? common : automaticLimit(values);
    const clipped = values.reduce((n, value) => n + Number(Math.abs(value) > limit), 0) / values.length;
    return { values, limit, clipped, unit: scaling === "share" ? SHARE : units[method] };
  });
}

function shares(map: Float64Array): Float64Array {
  const sum = map.reduce((total, value) => total + Math.abs(value), 0);
  return sum > 0 ? map.map((value) => value / sum) : map;
}

/** How a method's curve is drawn: colours are few, and not for every eye. */
export function pen(method: number, dark: boolean): { colour: string; dash: string } {
  const [r, g, b] = categorical(COLOURS, dark).subarray(4 * (method % COLOURS));
  return { colour: `rgb(${r} ${g} ${b})`, dash: DASHES[Math.floor(method / COLOURS) % DASHES.length] };
}
