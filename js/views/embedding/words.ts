/** Rows, maps and their quality in words. */
import { clamp, number, percent, shorten } from "../../lib/format.js";
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

/** Where a placed picture stands to the rows, with both numbers, and what they do not say. */
export function placedWords({ inside, ratio, local }: Placed): string {
  const limit = "of the distance beyond which 1 % of the rows have theirs";
  const far = `its neighbours are at ${number(ratio, 2)} ${limit}, ${number(local, 2)} relative to the rows around`;
  if (!inside) return `Unlike the rows: ${far}. Its place says little.`;
  if (Math.max(ratio, local) > 1) return `Like the rows: one of them is the same. Elsewhere, ${far}.`;
  return `Like the rows: ${far}. Only the mapped numbers are compared: it may still show something else.`;
}

/** By the order in which they came, where Python gave no name. */
export const placedName = ({ id, name }: Placed): string => name || `new picture ${-id}`;

/** Where the slider stands, of the map that walks; empty for one at rest. */
export function stepWords(store: Store, map: number): string {
  const walked = store.walkOf(map);
  if (!walked) return "";
  const at = clamp(store.traits.sweep_at.value, 0, walked.coords.length - 1);
  const { names } = walked.sequence;
  const [before, after] = [names[Math.floor(at)], names[Math.ceil(at)]];
  return before === after ? `at ${before}` : `between ${before} and ${after}`;
}

/** The step whose neighbours and numbers are told. */
export const stepName = (store: Store): string =>
  store.walked.value?.sequence.names[store.step.value ?? 0] ?? "";

export function stageWords({ layout }: MapDrawable): string {
  const { stage, iteration, total } = layout;
  if (stage === "start") return "start: the first two principal components";
  if (stage === "partial") return `iteration ${iteration} of ${total}`;
  return stage === "cancelled" ? `stopped at iteration ${iteration} of ${total}` : "";
}
