/** The kernel's place in a saved page of maps: it replays what the kernel said, and computes nothing. */
import { needs } from "../host/results.js";
import {
  type Layout,
  MAP_DEFAULTS,
  type MapState,
  type MapTraits,
  type Placed,
  type PointsInfo,
  type Row,
  type SelectionName,
  type Sequence,
} from "../lib/map_wire.js";
import type { Info, Result } from "../lib/wire.js";
import { Columns, type TableAsked } from "./map_columns.js";
import { type Asked, canonical, type Found, NO_KERNEL, Replay } from "./replay.js";
import type { SavedSheets, Sheets } from "./sheets.js";
import type { PackedBlob } from "./unpack.js";

type Event =
  | { event: "points"; points: PointsInfo }
  | { event: "info"; info: Info }
  | { event: "layout"; layout: Layout }
  | { event: "sequence"; sequence: Sequence }
  | { event: "state"; state: MapState }
  | { event: "selection"; selection: { name: SelectionName; ids: string } }
  | { event: "placed"; placed: Placed };

/** What `saliscope.render.map_html.map_page` writes into the page. */
export interface MapPageData {
  traits: Partial<MapTraits>;
  events: Event[];
  /** Of rows that were explained; the index is the id of the row. */
  attributions: Result[];
  /** By request, and by what it was asked of. */
  answers: Record<string, Record<string, Record<string, unknown>>>;
  /** JSON of all rows that are known, as an array of bytes. */
  rows: string | null;
  thumbnails: SavedSheets | null;
  record: string | null;
  blobs: Record<string, PackedBlob>;
}

/** Traits whose change asks the kernel, whatever their value. */
const ASKING: ReadonlySet<keyof MapTraits> = new Set(["params", "layer", "n_steps"]);

/** What a request without an answer is told; others are told that there is no kernel. */
const WITHOUT: Record<string, string> = {
  row: "This page was saved without the neighbours of this row, and has no kernel to ask.",
  "row step":
    "This page was saved without the neighbours of this row at this step, and has no kernel to ask.",
  "distances step":
    "This page was saved without the distances at this step, and has no kernel to compute them.",
  explain: "This row was not explained before the page was saved, and there is no kernel to do it.",
  picture: "This page was saved without the picture of this row, and has no kernel to ask.",
  distances: "This page was saved without the distances from this row, and has no kernel to compute them.",
  stability: "How stable this map is was not computed before the page was saved.",
  place: "This page has no kernel: new pictures cannot be placed.",
  sweep: "This sequence was not computed before the page was saved, and there is no kernel to do it.",
};

export class MapOfflinePort extends Replay<MapTraits> {
  readonly #rows = new Map<number, Row>();
  readonly #chosen = new Map<SelectionName, Uint32Array>();
  readonly #columns: Columns | null;
  /** Reducers in the order in which the saved maps stood: what was saved by map is found by reducer. */
  readonly #saved: readonly string[];
  #job = 0;

  /** `sheets` has the thumbnails. */
  constructor(
    private readonly data: MapPageData,
    bytes: ReadonlyMap<string, Uint8Array>,
    private readonly sheets: Sheets | null = null,
  ) {
    super({ ...MAP_DEFAULTS, ...data.traits }, data.blobs, bytes);
    this.#saved = data.traits.maps ?? MAP_DEFAULTS.maps;
    const points = this.#events("points")[0]?.points;
    this.#columns = points ? new Columns(points, bytes, data.blobs) : null;
    const rows = data.rows === null ? undefined : bytes.get(data.rows);
    if (rows)
      for (const row of JSON.parse(new TextDecoder().decode(rows)) as Row[]) this.#rows.set(row.id, row);
  }

  /** Looks go their way; a question only where its answer is in the page. */
  protected allows(name: keyof MapTraits, value: unknown): boolean {
    if (canonical(value) === canonical(this.traits[name])) return true;
    if (name === "maps") return (value as string[]).every((key) => this.#layout(key));
    if (name === "sweep")
      return value === null || this.#place(this.#sequence(value)?.map ?? -1) !== undefined;
    if (name === "method") return this.data.attributions.some(({ method }) => method === value);
    return !ASKING.has(name);
  }

  protected refused(): void {
    const state = this.#events("state").at(-1)?.state;
    if (state) this.tell({ event: "state", state: { ...state, job: this.#job, text: NO_KERNEL } });
  }

  protected override taken(names: readonly (keyof MapTraits)[]): void {
    if (names.includes("maps")) this.#tellMaps();
    if (names.includes("sweep") || names.includes("maps")) this.#tellSequence();
  }

  protected welcome(known: ReadonlySet<string>): void {
    for (const { points } of this.#events("points")) {
      const arrays = points.columns.map(({ codes, values }) => codes ?? values ?? "");
      this.sendBlobs([...arrays, points.ids ?? ""], known);
      this.tell({ event: "points", points: { ...points, offline: true } });
    }
    for (const { info } of this.#events("info")) {
      this.sendBlobs(Object.values(info.luts), known);
      this.tell({ event: "info", info: { ...info, offline: true } });
    }
    this.#tellMaps(known);
    this.#tellSequence(known);
    for (const { selection } of this.#events("selection")) {
      this.sendBlobs([selection.ids], known);
      this.tell({ event: "selection", selection });
    }
    for (const { placed } of this.#events("placed")) {
      const map = this.#place(placed.map);
      if (map !== undefined) this.tell({ event: "placed", placed: { ...placed, map } });
    }
    for (const { state } of this.#events("state"))
      this.tell({ event: "state", state: { ...state, job: this.#job } });
  }

  protected find(asked: Asked): Found | string | Promise<Found | string> {
    const at = asked.step === undefined ? "" : " step";
    return this.#look(asked) ?? WITHOUT[`${asked.request}${at}`] ?? NO_KERNEL;
  }

  #look(asked: Asked): Found | Promise<Found> | undefined {
    const id = Number(asked.row);
    switch (asked.request) {
      case "row":
        return this.#row(id, asked.step);
      case "explain":
        return this.#explain(id);
      case "picture":
        return this.#picture(id);
      case "thumbnails":
        return this.sheets ? this.#thumbnails(asked.ids as number[], this.sheets) : undefined;
      case "distances":
        return this.#elsewhere(asked.step) ? undefined : this.#answered("distances", String(id));
      case "stability":
        return this.#answered("stability", this.traits.maps?.[Number(asked.map)] ?? "");
      case "select":
        this.#chosen.set(asked.name as SelectionName, idsOf(String(asked.ids)));
        return [];
      case "groups":
        return this.#groups();
      case "table":
        return this.#columns
          ? [{ ...this.#columns.page(asked as TableAsked, this.#within(asked)) }]
          : undefined;
      case "sweep":
        return this.#tellSequence() ? [] : undefined;
      case "export":
        return this.#record(asked);
      case "ack":
        return [];
    }
    return undefined;
  }

  /** What each map makes of its neighbours goes along when maps change places. */
  #row(id: number, step?: unknown): Found | undefined {
    const saved = step === undefined ? undefined : this.data.answers.row?.[`${id} ${step}`];
    const known = this.#elsewhere(step) ? undefined : this.#rows.get(id);
    // Of the same data neighbours are the same; what another map makes of them is not.
    const other = step === undefined ? known : known && { ...known, step, false: {}, missing: {} };
    const row = (saved ?? other) as Row | undefined;
    if (!row) return undefined;
    const moved = (lists: Row["false"]) =>
      Object.fromEntries(
        Object.entries(lists).flatMap(([map, ids]) => {
          const place = this.#place(Number(map));
          return place === undefined ? [] : [[place, ids]];
        }),
      );
    return [{ ...row, false: moved(row.false), missing: moved(row.missing) }];
  }

  /** Whether a step of the sequence is of other data than the maps at rest. */
  #elsewhere(step: unknown): boolean {
    return step !== undefined && this.traits.sweep === "layers";
  }

  #explain(id: number): Found | undefined {
    const found = this.#attribution(id);
    if (!found) return undefined;
    this.sendBlobs(needs(found));
    this.tell({ event: "result", result: { ...found, job: ++this.#job, can_refine: false } });
    return [];
  }

  #picture(id: number): Found | Promise<Found> | undefined {
    const found = this.#attribution(id) ?? this.data.attributions.find(({ index }) => index === id);
    if (found) {
      this.sendBlobs([found.picture]);
      return [{ picture: found.picture }];
    }
    return this.sheets?.has(id) ? this.#small(id, this.sheets) : undefined;
  }

  /** Better than none: the thumbnail takes the place of a picture that was not saved. */
  async #small(id: number, sheets: Sheets): Promise<Found> {
    const { rgb } = await sheets.read([id]);
    return [{ picture: this.#sendPictures(`thumbnail ${id}`, [sheets.size, sheets.size, 3], rgb) }];
  }

  async #thumbnails(asked: number[], sheets: Sheets): Promise<Found> {
    const { ids, rgb } = await sheets.read(asked);
    const { size } = sheets;
    const sprite = this.#sendPictures(`thumbnails ${ids.join(" ")}`, [ids.length, size, size, 3], rgb);
    return [{ ids, size, sprite }];
  }

  #sendPictures(hash: string, shape: number[], rgb: Uint8Array): string {
    this.sendArray({ hash, dtype: "uint8", shape, scale: 1 }, rgb);
    return hash;
  }

  /** The saved answer as long as the groups are the saved ones; else what columns can tell. */
  #groups(): Found | undefined {
    const [a, b] = [this.#ids("group_a"), this.#ids("group_b")];
    const saved = this.data.answers.groups?.[""];
    const same = (ids: Uint32Array, name: SelectionName) => equal(ids, this.#savedIds(name));
    if (saved && same(a, "group_a") && same(b, "group_b")) return this.#answered("groups", "");
    return this.#columns
      ? [{ a: this.#columns.group(a), b: this.#columns.group(b), differs: [] }]
      : undefined;
  }

  #answered(request: string, of: string): Found | undefined {
    const found = this.data.answers[request]?.[of];
    if (!found) return undefined;
    // Whatever names an array is sent before: a word that names none sends nothing.
    this.sendBlobs(hashesIn(found));
    return [found];
  }

  #record({ format }: Asked): Found | undefined {
    if (format !== "json" || this.data.record === null) return undefined;
    return [{ name: "record.json", type: "application/json" }, new TextEncoder().encode(this.data.record)];
  }

  #within({ within }: Asked): Uint32Array | undefined {
    return within === "selection" ? this.#ids("selection") : undefined;
  }

  #ids(name: SelectionName): Uint32Array {
    return this.#chosen.get(name) ?? this.#savedIds(name);
  }

  #savedIds(name: SelectionName): Uint32Array {
    const saved = this.#events("selection").find(({ selection }) => selection.name === name);
    const bytes = saved && this.bytes.get(saved.selection.ids);
    return bytes ? new Uint32Array(bytes.buffer, bytes.byteOffset, bytes.byteLength >> 2) : new Uint32Array();
  }

  #attribution(id: number): Result | undefined {
    const { method } = this.traits;
    return this.data.attributions.find((result) => result.index === id && result.method === method);
  }

  #events<K extends Event["event"]>(kind: K): Extract<Event, { event: K }>[] {
    return this.data.events.filter((event): event is Extract<Event, { event: K }> => event.event === kind);
  }

  #layout(reducer: string): Layout | undefined {
    return this.#events("layout").find(({ layout }) => layout.reducer === reducer)?.layout;
  }

  #sequence(sweep: unknown): Sequence | undefined {
    return this.#events("sequence").find(({ sequence }) => sequence.sweep === sweep)?.sequence;
  }

  /** Where the map that was saved at that place stands now. */
  #place(map: number): number | undefined {
    const place = (this.traits.maps ?? []).indexOf(this.#saved[map]);
    return place < 0 ? undefined : place;
  }

  /** All maps at their places, with newer numbers than what was told before. */
  #tellMaps(known: ReadonlySet<string> = new Set(this.bytes.keys())): void {
    this.#job++;
    (this.traits.maps ?? []).forEach((reducer, map) => {
      const layout = this.#layout(reducer);
      if (!layout) return;
      this.sendBlobs([layout.coords, layout.quality ?? ""], known);
      this.tell({ event: "layout", layout: { ...layout, map, job: this.#job } });
    });
  }

  #tellSequence(known: ReadonlySet<string> = new Set(this.bytes.keys())): boolean {
    const sequence = this.#sequence(this.traits.sweep);
    const map = sequence && this.#place(sequence.map);
    if (!sequence || map === undefined) return false;
    this.sendBlobs([...sequence.coords, sequence.displacement ?? ""], known);
    this.tell({ event: "sequence", sequence: { ...sequence, map, job: ++this.#job } });
    return true;
  }
}

/** Little-endian numbers in base64. */
function idsOf(base64: string): Uint32Array {
  const bytes = Uint8Array.from(atob(base64), (letter) => letter.charCodeAt(0));
  return new Uint32Array(bytes.buffer);
}

function equal(a: Uint32Array, b: Uint32Array): boolean {
  return a.length === b.length && a.every((id, i) => id === b[i]);
}

/** All words in an answer: hashes are among them. */
function hashesIn(value: unknown): string[] {
  if (typeof value === "string") return [value];
  return value && typeof value === "object" ? Object.values(value).flatMap(hashesIn) : [];
}
