/** Rows, maps and their quality in words. */
import { number, percent, shorten } from "../../lib/format.js";
import { type Column, type MapDrawable, type MapNumbers, MISSING, type Placed } from "../../lib/map_wire.js";
import type { Store } from "./store.js";

/** What a row has in a column; empty where it has nothing. */
export function valueIn(column: Column, place: number): string {
  const value = column.data[place];
  if (column.kind === "number") return Number.isFinite(value) ? number(value * column.scale) : "";
  return value === MISSING ? "" : (column.names?.[value] ?? "");
}

/** The class of a row, if any is known. */
export function labelOf(store: Store, place: number): string {
  const column = store.column("label") ?? store.column("prediction");
  return column ? valueIn(column, place) : "";
}

export function nameOf(store: Store, place: number): string {
  const label = labelOf(store, place);
  return label ? `${store.idOf(place)} ${shorten(label, 60)}` : `Row ${store.idOf(place)}`;
}

export function titleOf(store: Store, map: number): string {
  const key = store.traits.maps.value[map];
  return store.reducer(key)?.title ?? key ?? "";
}

/** How true a map is, in one sentence. */
export function qualityOf({ layout }: MapDrawable): string {
  const { numbers, stage } = layout;
  if (!numbers || numbers.kept === null) return stage === "final" ? "Its quality was not measured." : "";
  return `It keeps ${percent(numbers.kept)} of each row\u2019s ${numbers.k} nearest neighbours.`;
}

/** The other numbers, each with what it is. */
export function figuresOf(numbers: MapNumbers): [name: string, value: string][] {
  const { trustworthiness, continuity, rho, kl, kl_of, rows } = numbers;
  const told = (value: number | null) => (value === null ? "" : number(value));
  const sampled = rows ? `on ${rows} rows` : "";
  const list: [string, string][] = [
    ["Trustworthiness", [told(trustworthiness), sampled].filter(Boolean).join(" ")],
    ["Continuity", [told(continuity), sampled].filter(Boolean).join(" ")],
    ["Rank correlation of distances", told(rho)],
    [kl_of ? `KL divergence (${kl_of})` : "KL divergence", told(kl)],
  ];
  const values = [trustworthiness, continuity, rho, kl];
  return list.filter((_, i) => values[i] !== null && values[i] !== undefined);
}

/** Where a placed picture stands to the rows, with the number. */
export function placedWords({ inside, ratio }: Placed): string {
  const far = `${number(ratio, 2)} times as far from its neighbours as they are from theirs`;
  return inside ? `Like the rows: ${far}.` : `Unlike the rows: ${far}. Its place says little.`;
}

export function stageWords({ layout }: MapDrawable): string {
  const { stage, iteration, total } = layout;
  if (stage === "start") return "start: the first two principal components";
  if (stage === "partial") return `iteration ${iteration} of ${total}`;
  return stage === "cancelled" ? `stopped at iteration ${iteration} of ${total}` : "";
}
