/** What a saved page knows of its rows without a kernel: lines of the table, class mixes of groups. */
import { decodeFloat16 } from "../lib/float16.js";
import { number } from "../lib/format.js";
import { type ColumnInfo, type Group, MISSING, type PointsInfo, type TableRow } from "../lib/map_wire.js";
import type { PackedBlob } from "./unpack.js";

interface Known {
  info: ColumnInfo;
  /** Codes, or true numbers. */
  data: Uint16Array | Float32Array;
}

export interface TableAsked {
  from?: number;
  count?: number;
  /** Name of a column; by id else. */
  sort?: string | null;
  descending?: boolean;
}

export class Columns {
  readonly #known: Known[];
  readonly #ids: Uint32Array;
  readonly #places: ReadonlyMap<number, number>;

  constructor(
    points: PointsInfo,
    bytes: ReadonlyMap<string, Uint8Array>,
    headers: Record<string, PackedBlob>,
  ) {
    this.#known = points.columns.map((info) => ({ info, data: decode(info, bytes, headers) }));
    const ids = points.ids === null ? undefined : bytes.get(points.ids);
    this.#ids = ids
      ? new Uint32Array(ids.buffer, ids.byteOffset, ids.byteLength >> 2)
      : Uint32Array.from({ length: points.n }, (_, place) => place);
    this.#places = new Map(Array.from(this.#ids, (id, place) => [id, place]));
  }

  /** Lines of the table from the `from`-th on, sorted; `within` are the ids of the rows to be listed. */
  page(asked: TableAsked, within?: Uint32Array): { rows: TableRow[]; total: number } {
    const { from = 0, count = 50, sort, descending } = asked;
    const places = Array.from(within ?? this.#ids, (id) => this.#places.get(id) ?? -1).filter((p) => p >= 0);
    const by = this.#known.find(({ info }) => info.name === sort);
    const sign = descending ? -1 : 1;
    const key = (place: number) => (by ? by.data[place] : this.#ids[place]);
    places.sort((a, b) => compare(key(a), key(b), sign) || a - b);
    const rows = places.slice(from, from + count).map((place): TableRow => {
      const values = this.#known.map((known) => [known.info.name, textOf(known, place)]);
      return { id: this.#ids[place], values: Object.fromEntries(values) };
    });
    return { rows, total: places.length };
  }

  /** How many rows a group has of each class: by label, else by prediction. */
  group(ids: Uint32Array): Group {
    const by = this.#known.find(({ info }) => info.name === "label" && info.kind === "category");
    const known = by ?? this.#known.find(({ info }) => info.name === "prediction");
    const counts = new Map<string, number>();
    for (const id of known ? ids : []) {
      const name = textOf(known as Known, this.#places.get(id) ?? -1);
      if (name) counts.set(name, (counts.get(name) ?? 0) + 1);
    }
    const classes = [...counts].map(([name, n]): [string, number] => [name, n / ids.length]);
    classes.sort(([, a], [, b]) => b - a);
    return { n: ids.length, classes, mean_attribution: null, picture_mean: null };
  }
}

/** What has no value comes last, whichever way is sorted. */
function compare(a: number, b: number, sign: number): number {
  const [first, second] = [isMissing(a), isMissing(b)];
  return first || second ? Number(first) - Number(second) : sign * (a - b);
}

function isMissing(value: number): boolean {
  return Number.isNaN(value) || value === MISSING;
}

function textOf({ info, data }: Known, place: number): string {
  const value = data[place];
  if (info.kind === "category") return info.names?.[value] ?? "";
  return Number.isFinite(value) ? number(value) : "";
}

function decode(
  { codes, values }: ColumnInfo,
  bytes: ReadonlyMap<string, Uint8Array>,
  headers: Record<string, PackedBlob>,
): Known["data"] {
  const hash = codes ?? values ?? "";
  const found = bytes.get(hash) ?? new Uint8Array();
  if (codes) return new Uint16Array(found.buffer, found.byteOffset, found.byteLength >> 1);
  return decodeFloat16(found).map((value) => value * headers[hash].scale);
}
