/** A kernel of maps without Python: layouts that grow, and an answer to everything that the page asks. */
import { clamp } from "../lib/format.js";
import {
  type Layout,
  MAP_DEFAULTS,
  MAP_IDLE,
  type MapState,
  type MapTraits,
  type PointsInfo,
} from "../lib/map_wire.js";
import { DEFAULTS, type Info } from "../lib/wire.js";
import { scene } from "./made_up.js";
import { MAP_METHODS, REDUCERS } from "./map_info.js";
import { type Asked, FakeModel } from "./model.js";
import { encode, FINAL, INFO, makeResult, type Picture } from "./results.js";
import { D, distance, K, makeRows, mapAt, nearest, qualityOf, type Rows, rowOf } from "./rows.js";

const SIZE = 48;
const TOTAL = 300;
const FRAMES = 12;
/** Of the pictures that are explained. */
const PICTURE = 64;

export interface MapKernelOptions {
  n: number;
  /** Rows before sampling. */
  of: number;
  /** `empty`, `start`, `running`, `error`, or the whole way. */
  stop: string;
  traits: Partial<MapTraits>;
  pace: number;
  pictures: boolean;
  /** Without one there are no methods. */
  model: boolean;
  /** Rows without a price. */
  gaps: number;
  labels: string;
}

const STEPS = Array.from({ length: 17 }, (_, i) => i / 16);
const SHEPARD = {
  x: STEPS,
  y: STEPS,
  counts: Array.from({ length: 16 }, (_, y) =>
    Array.from({ length: 16 }, (_, x) => Math.round(60 * Math.exp(-((x - y - 2) ** 2) / 12))),
  ),
};

interface Message extends Asked {
  [more: string]: unknown;
}

const USUAL: MapKernelOptions = {
  n: 800,
  of: 0,
  stop: "final",
  traits: {},
  pace: 60,
  pictures: true,
  model: true,
  gaps: 0,
  labels: "10",
};

export class FakeMapKernel extends FakeModel {
  readonly rows: Rows;
  /** Messages as they came. */
  readonly asked: Message[] = [];
  readonly #options: MapKernelOptions;
  readonly #shown = new Map<string, Picture>();
  #frames: { reducer: string; done: number; timer: number; layout: Layout | null }[] = [];
  #job = 0;
  #placed = 0;
  #state: MapState = MAP_IDLE;

  constructor(options: Partial<MapKernelOptions>) {
    const traits = { ...MAP_DEFAULTS, color_by: "label", layer: "layer4", ...options.traits };
    super(traits);
    this.#options = { ...USUAL, ...options };
    this.rows = makeRows(this.#options.n, 5, this.#options.labels);
    this.rows.price.fill(Number.NaN, 0, this.#options.gaps);
  }

  protected override saved(names: string[]): void {
    if (names.some((name) => ["maps", "params", "layer"].includes(name))) this.#compute();
  }

  protected override answer(message: Asked, buffers: ArrayBufferView[]): void {
    const asked = message as Message;
    this.asked.push(asked);
    const result = this.#answered(asked, buffers);
    const bytes = asked.request === "export" ? [new TextEncoder().encode("made up")] : [];
    this.message({ answer: asked.id, status: "ok", ...(result && { result }) }, bytes);
  }

  #answered(asked: Message, buffers: ArrayBufferView[]): object | undefined {
    const { request } = asked;
    if (request === "hello") this.#hello(asked.have as string[]);
    else if (request === "blobs") for (const hash of asked.hashes as string[]) this.sendBlob(hash, true);
    else if (request === "cancel") this.#cancel();
    else if (request === "run") this.#compute();
    else if (request === "refine") this.#compute(Number(asked.map));
    else if (request === "sweep") this.#sweep();
    else if (request === "place") this.#place(String(asked.name), buffers);
    else if (request === "export") return { name: "maps.txt", type: "text/plain" };
    else if (request === "stability") return { kept: 0.91, disparity: 0.43, n_runs: 3 };
    else if (request === "thumbnails") return this.#thumbnails(asked.ids as number[]);
    else if (request === "groups") return this.#groups();
    else if (request === "table") return this.#table(asked);
    else if (request === "select") this.#chosen.set(String(asked.name), idsOf(String(asked.ids)));
    else return this.#ofRow(request, Number(asked.row), asked.step as number | undefined);
    return undefined;
  }

  readonly #chosen = new Map<string, number[]>();

  /** The deeper the layer, the more of its dimensions a row has. */
  #atStep(id: number, step: number): object {
    const { map, reducer, names } = this.#walked();
    const maps = Array.from({ length: map + 1 }, () => mapAt(this.rows, reducer, step / (names.length - 1)));
    const { false: strange, missing, ...row } = rowOf(this.rows, id, maps, dimensionsAt(step));
    return { ...row, step, false: { [map]: strange[map] }, missing: { [map]: missing[map] } };
  }

  #ofRow(request: string, id: number, step?: number): object | undefined {
    if (request === "row")
      return step === undefined ? rowOf(this.rows, id, this.#maps()) : this.#atStep(id, step);
    if (request === "explain") this.#explain(id);
    else if (request === "picture") {
      const { rgb, width, height } = this.#pictureOf(id);
      return { picture: this.#put(rgb, "uint8", [height, width, 3]) };
    } else if (request === "distances") {
      const { n } = this.rows;
      const dims = step === undefined ? undefined : dimensionsAt(step);
      const values = Float64Array.from({ length: n }, (_, other) => distance(this.rows, id, other, dims));
      return { id, values: this.#halves(values, [n]) };
    }
    return undefined;
  }

  #maps(): Uint16Array[] {
    return this.#frames.map(({ reducer, done }) => mapAt(this.rows, reducer, done));
  }

  #put(bytes: Uint8Array, dtype: string, shape: number[], scale = 1): string {
    const hash = this.store(bytes, dtype, shape, scale);
    this.sendBlob(hash);
    return hash;
  }

  #halves(values: Float64Array, shape: number[]): string {
    const { bytes, scale } = encode(values);
    return this.#put(bytes, "float16", shape, scale);
  }

  #words(values: Uint16Array, shape: number[]): string {
    return this.#put(new Uint8Array(values.buffer), "uint16", shape);
  }

  #hello(have: string[]): void {
    if (this.#options.stop === "empty") return;
    for (const hash of have ?? []) this.onPage.add(hash);
    const luts: Info["luts"] = {};
    for (const [name, bytes] of Object.entries(INFO.luts)) luts[name] = this.#put(bytes, "uint8", [257, 3]);
    this.message({ event: "info", info: { ...INFO.info, models: [], images: this.rows.n, luts } });
    this.message({ event: "points", points: this.#points() });
    this.#compute();
  }

  #points(): PointsInfo {
    const { n, classes, label, prediction, confidence, price } = this.rows;
    const { of, pictures } = this.#options;
    const model = pictures && this.#options.model;
    const correct = Uint16Array.from(label, (code, i) => Number(code === prediction[i]));
    const category = (name: string, title: string, names: string[], codes: Uint16Array) => ({
      name,
      title,
      kind: "category" as const,
      names,
      codes: this.#words(codes, [n]),
    });
    return {
      n,
      of: of || n,
      sampling: of > n ? `${n} rows were drawn at random, seed 0.` : "",
      d: D,
      what: "activations of layer4, mean over positions",
      classes,
      layers: ["layer1", "layer2", "layer3", "layer4"],
      pictures,
      model: model ? "ResNet" : null,
      reducers: REDUCERS,
      methods: model ? MAP_METHODS : [],
      columns: [
        category("label", "True class", classes, label),
        category("prediction", "Prediction", classes, prediction),
        { name: "confidence", title: "Confidence", kind: "number", values: this.#halves(confidence, [n]) },
        category("correct", "Correct", ["wrong", "right"], correct),
        {
          name: "column:price",
          title: "Price",
          kind: "number",
          values: this.#halves(price, [n]),
          unit: "\u20ac",
        },
      ],
      ids: null,
      search: null,
    };
  }

  /** All maps anew, or one of them further. */
  #compute(only?: number): void {
    this.#job++;
    for (const { timer } of this.#frames) clearTimeout(timer);
    const maps = (this.traits as unknown as MapTraits).maps;
    this.#frames = maps.map((reducer) => ({ reducer, done: 0, timer: 0, layout: null }));
    if (this.#options.stop === "error") {
      this.#fail();
      return;
    }
    for (const map of maps.keys()) if (only === undefined || only === map) this.#frame(map, 0);
  }

  #frame(map: number, at: number): void {
    const frame = this.#frames[map];
    const { stop, pace } = this.#options;
    const done = at / FRAMES;
    frame.done = done ** 0.6;
    const stage = at === 0 ? "start" : at === FRAMES ? "final" : "partial";
    this.#layout(map, stage, Math.round(TOTAL * done));
    this.#tell(stage === "final" ? "done" : "running", Math.round(TOTAL * done));
    if (stage === "final" || stop === stage || (stop === "running" && at === 5)) return;
    frame.timer = window.setTimeout(() => this.#frame(map, at + 1), pace);
  }

  #layout(map: number, stage: Layout["stage"], iteration: number): void {
    const { reducer, done } = this.#frames[map];
    const { n } = this.rows;
    const final = stage === "final" || stage === "cancelled";
    const kept = reducer === "pca" ? 0.214 : 0.618;
    const layout: Layout = {
      job: this.#job,
      map,
      reducer,
      stage,
      iteration,
      total: TOTAL,
      coords: this.#words(mapAt(this.rows, reducer, done), [n, 2]),
      box: [-20, -20, 40, 40],
      quality: final ? this.#put(qualityOf(this.rows), "uint8", [n, 4]) : null,
      numbers: final
        ? {
            kept,
            trustworthiness: 0.984,
            continuity: 0.971,
            rho: 0.48,
            kl: 1.87,
            k: K,
            rows: Math.min(n, 2000),
          }
        : null,
      caution: final ? cautions(reducer) : [],
      shepard: final ? SHEPARD : null,
      notes: [],
      seconds: 2.3,
    };
    this.#frames[map].layout = layout;
    this.message({ event: "layout", layout });
  }

  #tell(phase: MapState["phase"], done: number): void {
    const text = {
      idle: "Ready",
      running: "t-SNE",
      done: "Done in 2.3 s",
      error: "",
      cancelled: "Cancelled",
    }[phase];
    this.#state = {
      what: "layout",
      phase,
      job: this.#job,
      done,
      total: TOTAL,
      text,
      eta: phase === "running" ? 2 : null,
      error: null,
    };
    this.message({ event: "state", state: this.#state });
  }

  #fail(): void {
    const message =
      "`n_neighbors`: got 900, expected at most 799 for 800 rows. Ask for fewer neighbours, or give more rows.\n" +
      "<b>this is text, not markup</b>";
    const error = { type: "ReductionError", argument: "n_neighbors", message };
    this.message({ event: "state", state: { ...MAP_IDLE, phase: "error", job: this.#job, error } });
  }

  #cancel(): void {
    if (this.#state.phase !== "running") return;
    for (const { timer } of this.#frames) clearTimeout(timer);
    for (const map of this.#frames.keys()) this.#layout(map, "cancelled", this.#state.done);
    this.#tell("cancelled", this.#state.done);
  }

  #walked() {
    const { sweep, maps } = this.traits as unknown as MapTraits;
    const names = {
      layers: ["layer1", "layer2", "layer3", "layer4"],
      perplexity: ["5", "15", "30", "60"],
      n_neighbors: ["5", "15", "50"],
    }[sweep ?? "layers"];
    const map = Math.max(
      0,
      maps.findIndex((key) => key !== "pca"),
    );
    return { sweep, map, reducer: maps[map], names };
  }

  #sweep(): void {
    const { sweep, map, reducer, names } = this.#walked();
    if (!sweep) return;
    const { n } = this.rows;
    const maps = names.map((_, i) => mapAt(this.rows, reducer, i / (names.length - 1)));
    const moved = new Float64Array((names.length - 1) * n);
    for (let i = 0; i < moved.length; i++) {
      const [step, row] = [Math.floor(i / n), i % n];
      const [a, b] = [maps[step], maps[step + 1]];
      moved[i] = Math.hypot(a[2 * row] - b[2 * row], a[2 * row + 1] - b[2 * row + 1]) / 32768;
    }
    const sequence = {
      job: this.#job,
      sweep,
      map,
      reducer,
      names,
      coords: maps.map((coords) => this.#words(coords, [n, 2])),
      box: [-20, -20, 40, 40],
      displacement: this.#halves(moved, [names.length - 1, n]),
      numbers: names.map((_, i) => ({ kept: 0.31 + 0.1 * i })),
      done: names.length,
      total: names.length,
    };
    this.message({ event: "sequence", sequence });
  }

  #place(name: string, buffers: ArrayBufferView[]): void {
    if (!buffers.length) return;
    const id = -++this.#placed;
    const inside = this.#placed % 2 === 1;
    for (const map of this.#frames.keys()) {
      const [x, y] = inside ? [30000, 42000] : [66500, 1000];
      const neighbors = nearest(this.rows.n, 3, (other) => distance(this.rows, 3, other));
      const [ratio, local] = inside ? [0.79, 0.9] : [0.96, 1.8];
      this.message({ event: "placed", placed: { id, map, x, y, inside, ratio, local, neighbors, name } });
    }
  }

  #pictureOf(id: number, size = PICTURE): Picture {
    const key = `${id} ${size}`;
    const known = this.#shown.get(key);
    if (known) return known;
    const picture = { width: size, height: size, ...scene(size, size, 100 * this.rows.label[id] + (id % 7)) };
    this.#shown.set(key, picture);
    return picture;
  }

  #thumbnails(ids: number[]): object {
    const sprite = new Uint8Array(ids.length * SIZE * SIZE * 3);
    ids.forEach((id, i) => {
      sprite.set(this.#pictureOf(id, SIZE).rgb, i * SIZE * SIZE * 3);
    });
    return { ids, size: SIZE, sprite: this.#put(sprite, "uint8", [ids.length, SIZE, SIZE, 3]) };
  }

  #explain(id: number): void {
    const { method } = this.traits as unknown as MapTraits;
    const question = { ...DEFAULTS, method, index: id, target: this.rows.prediction[id] };
    const found = makeResult(
      {
        picture: this.#pictureOf(id),
        labels: this.rows.classes,
        zero: false,
        question,
        panel: 0,
        model: 0,
        stage: "final",
        done: FINAL,
        steps: FINAL,
        job: ++this.#job,
      },
      (bytes, dtype, shape, scale = 1) => this.#put(bytes, dtype, shape, scale),
    );
    this.message({ event: "result", result: { ...found, path: null } });
  }

  #groups(): object {
    const group = (name: string) => {
      const ids = this.#chosen.get(name) ?? [];
      if (!ids.length) return null;
      const counts = new Map<string, number>();
      for (const id of ids) {
        const label = this.rows.classes[this.rows.label[id]];
        counts.set(label, (counts.get(label) ?? 0) + 1);
      }
      const classes = [...counts].map(([label, count]) => [label, count / ids.length] as const);
      const { rgb, object, width, height } = this.#pictureOf(ids[0]);
      return {
        n: ids.length,
        classes: classes.sort((a, b) => b[1] - a[1]),
        picture_mean: this.#put(rgb, "uint8", [height, width, 3]),
        mean_attribution: this.#halves(
          object.map((value) => value - 0.3),
          [height, width],
        ),
      };
    };
    const differs = [
      ["Price", 1.83],
      ["channel 212", -1.4],
      ["Confidence", 0.61],
      ["channel 7", -0.33],
    ];
    return { a: group("group_a"), b: group("group_b"), differs };
  }

  #table({ from, count, sort, descending, within }: Message): object {
    const { classes, label, prediction, confidence, price, n } = this.rows;
    const all = within === "selection" ? (this.#chosen.get("selection") ?? []) : [...Array(n).keys()];
    const quality = qualityOf(this.rows);
    const rows = all.map((id) => ({
      id,
      values: {
        label: classes[label[id]],
        prediction: classes[prediction[id]],
        confidence: confidence[id],
        "column:price": Number.isNaN(price[id]) ? null : price[id],
        kept: quality[4 * id] / 255,
      } as Record<string, string | number | null>,
    }));
    const by = ({ id, values }: (typeof rows)[number]) => (sort === "id" ? id : (values[String(sort)] ?? 0));
    rows.sort((a, b) => (by(a) < by(b) ? -1 : by(a) > by(b) ? 1 : 0) * (descending ? -1 : 1));
    const start = clamp(Number(from), 0, rows.length);
    return { rows: rows.slice(start, start + Number(count)), total: rows.length };
  }
}

const dimensionsAt = (step: number) => D - 3 * (3 - step);

function cautions(reducer: string): string[] {
  if (reducer === "pca")
    return ["Linear: 38 % of the variance is on this map. Distances are shortened, never stretched."];
  return [
    "Sizes of clusters and gaps between them are not to scale: distances on the map and in the data have a rank correlation of 0.48.",
    "Another random start keeps 91 % of the neighbours, but moves whole clusters.",
  ];
}

function idsOf(text: string): number[] {
  const bytes = Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
  return [...new Uint32Array(bytes.buffer)];
}
