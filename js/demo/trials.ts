/** Maps on trial, made up: a model that sees the object of a picture, and loses it with its pixels. */
import { decodeFloat16 } from "../lib/float16.js";
import type { Randomisation, Result, State, Trial, TrialCurve, TrialSettings } from "../lib/wire.js";
import { clouds, random } from "./made_up.js";
import { baselinePicture, encode, type Picture } from "./results.js";

/** The kernel around it. */
export interface Court {
  store(bytes: Uint8Array, dtype: string, shape: number[], scale?: number): string;
  stored(hash: string): Uint8Array;
  send(hash: string): void;
  tell(message: object): void;
}

export interface TrialOptions {
  pace: number;
  labels: string[];
  /** A panel whose map cannot be judged. */
  fail: number | null;
  /** Where a trial stops: "running" half way, "error" before it begins, or nowhere. */
  stop: string;
}

/** What a panel's trial is of. */
export interface Accused {
  panel: number;
  result: Result;
  picture: Picture;
}

const BLOCKS = ["head", "layer4", "layer3", "layer2", "layer1", "stem"];
const PICTURES = 9;

export class Trials {
  readonly #timers = new Map<number, number>();
  #asked = new Map<number, string>();
  #last = new Map<number, Trial>();
  #running = false;

  constructor(
    private readonly court: Court,
    private readonly options: TrialOptions,
  ) {}

  /** Judges what has not been judged that way. */
  ask(settings: TrialSettings | null, accused: readonly Accused[]): void {
    if (!settings) {
      this.cancel();
      this.#asked.clear();
      this.#last.clear();
      return;
    }
    for (const one of accused) {
      const key = JSON.stringify([settings, one.result.job]);
      if (this.#asked.get(one.panel) === key) continue;
      this.#asked.set(one.panel, key);
      clearTimeout(this.#timers.get(one.panel));
      this.#begin(one, settings);
    }
  }

  /** What was stopped is judged after all. */
  forget(): void {
    this.#asked.clear();
  }

  cancel(): void {
    for (const timer of this.#timers.values()) clearTimeout(timer);
    this.#timers.clear();
    if (this.#running) this.#state("cancelled", 0, 0, 0);
  }

  /** All again, to a page that has just come. */
  again(): void {
    for (const trial of this.#last.values()) this.#tell(trial);
  }

  #state(phase: State["phase"], panel: number, done: number, total: number): void {
    const { pace, stop } = this.options;
    this.#running = phase === "running";
    const error =
      phase === "error"
        ? {
            type: "ModelError",
            argument: "model",
            message: "`model`: got an exception in its forward pass; expected a score for every picture.",
          }
        : null;
    const eta = stop === "running" ? 41 : ((total - done) * pace) / 1000;
    const text = phase === "running" ? `Deletion and insertion: ${done} of ${total}` : "";
    this.court.tell({
      event: "trialstate",
      trialstate: { panel, phase, job: 1, done, total, text, eta: phase === "running" ? eta : null, error },
    });
  }

  #begin(one: Accused, settings: TrialSettings): void {
    const { pace, fail, stop } = this.options;
    const { panel } = one;
    if (stop === "error") {
      this.#state("error", panel, 0, 0);
      return;
    }
    if (fail === panel) {
      this.#tell({ ...empty(one.result, panel), stage: "error", error: REFUSED });
      return;
    }
    const whole = this.#judge(one, settings);
    const strips = settings.randomise ? BLOCKS.length : 0;
    const rounds = 4 + strips;
    const tick = (round: number) => {
      this.#timers.delete(panel);
      const last = round === rounds;
      this.#tell(growing(whole, round, settings.randomise ? round - 4 : -1));
      this.#state(last ? "done" : "running", panel, round, rounds);
      if (!last && !(stop === "running" && round === 2)) next(round + 1);
    };
    const next = (round: number) => {
      this.#timers.set(
        panel,
        window.setTimeout(() => tick(round), pace),
      );
    };
    this.#state("running", panel, 0, rounds);
    next(1);
  }

  #tell(trial: Trial): void {
    this.#last.set(trial.panel, trial);
    const { court } = this;
    const maps = trial.randomisation ? [trial.randomisation, ...trial.randomisation.stages] : [];
    const names = [
      trial.ranks,
      ...trial.curves.flatMap(({ replaced, pictures }) => [replaced, pictures]),
      ...maps.map(({ map }) => map),
    ];
    for (const name of names) if (name) court.send(name);
    court.tell({ event: "trial", trial });
  }

  #judge({ panel, result, picture }: Accused, settings: TrialSettings): Trial {
    const { court } = this;
    const { width, height } = picture;
    const map = decodeFloat16(court.stored(result.map));
    const { steps } = settings;
    const codes = ranksOf(map, steps);
    const zero = map.every((value) => value === 0);
    const labels = this.options.labels;
    const other = ((result.target ?? 0) + 4) % labels.length;
    const road = settings.replacement.kind === "road";
    const kind = { zero: "grey", static: "noise" }[settings.replacement.kind as "zero"];
    const replaced = baselinePicture(picture, kind ? { kind, level: 0.49 } : settings.replacement);
    const shape = [height, width, 3];
    const name = road ? null : court.store(replaced, "uint8", shape);
    const made = (which: TrialCurve["kind"]): TrialCurve => {
      const scores = curve(codes, picture, steps, which);
      const cells = ranksOf(coarse(map, width, height), steps);
      const smooth = curve(cells, picture, steps, which);
      const band = bandOf(steps, which, settings.random);
      const auc = zero ? null : area(scores);
      const ratio = auc === null || band.auc === null ? null : auc / band.auc;
      return {
        kind: which,
        scores,
        top: scores.map((score) => (score > 0.4 ? (result.target ?? 0) : other)),
        auc,
        replaced: name,
        pictures: road
          ? court.store(fillings(picture, codes, steps, which), "uint8", [PICTURES, ...shape])
          : null,
        blurred: { scores: smooth, auc: zero ? null : area(smooth) },
        random: band,
        ratio,
        ratio_low: ratio === null ? null : ratio * 0.95,
        ratio_high: ratio === null ? null : ratio * 1.06,
        beaten: zero ? null : which === "deletion" ? 1 : 0.95,
        protocol:
          `${which}, ${steps} steps from no pixel to all, pixels ${which === "deletion" ? "become" : "come into"} ` +
          `${settings.replacement.kind}, softmax probability of the class, trapezoids over the share of the pixels, ties by seed 0; ${settings.random} random orders.`,
      };
    };
    const ranks = court.store(new Uint8Array(codes.buffer), "uint16", [height, width]);
    const curves = [made("deletion"), made("insertion")];
    const percent = Math.round(100 * (curves[0].ratio ?? 1));
    return {
      ...empty(result, panel),
      points: steps + 1,
      at: curves[0].scores.map((_, k) => k),
      fractions: curves[0].scores.map((_, k) => k / steps),
      ranks,
      labels: Object.fromEntries([result.target ?? 0, other].map((index) => [index, labels[index]])),
      curves,
      sentence: zero
        ? "The map is the same everywhere, so there is no order of pixels to judge."
        : `Taking away what ${result.title} marks costs the class its score early: the area is ${percent} % of a random order\u2019s, and all 20 random orders are beaten.`,
      notes: zero
        ? ["A constant map orders nothing: its areas are not defined."]
        : ["Beyond a tenth of the pixels the fed pictures are unlike any the model was trained on."],
      seconds: 1.4,
      randomisation: settings.randomise ? this.#forget(result, map, picture) : null,
    };
  }

  #forget(result: Result, map: Float32Array, { width, height }: Picture): Randomisation {
    const put = (values: Float64Array) => {
      const { bytes, scale } = encode(values);
      const limit = [...values.map(Math.abs)].sort((a, b) => b - a)[Math.ceil(values.length * 0.005)];
      return { map: this.court.store(bytes, "float16", [height, width], scale), limit };
    };
    const trained = Float64Array.from(map);
    const size = Math.max(...trained.map(Math.abs));
    const guided = result.method === "guided_backprop";
    const stages = BLOCKS.map((name, i) => {
      const left = guided ? 0.96 - 0.03 * i : 0.7 * 0.35 ** i - (i > 3 ? 0.06 : 0);
      const noise = clouds(width, height, 2, 31 * i + 7);
      const mixed = trained.map(
        (value, p) => Math.max(0, left) * value + (1 - left) * size * 0.5 * (noise[p] - 0.5),
      );
      return {
        name,
        layers: 1 + i,
        ...put(mixed),
        signed: left,
        absolute: left + 0.08,
        ssim: Math.max(0.02, left - 0.05),
        top: Math.max(0.05, left),
      };
    });
    const mean = stages.reduce((sum, { signed }) => sum + signed, 0) / stages.length;
    const notes = guided
      ? ["The map hardly changes as the network forgets: it says little about what was learnt."]
      : [];
    return { done: BLOCKS.length, total: BLOCKS.length, ...put(trained), stages, mean, notes };
  }
}

const REFUSED = {
  type: "MethodError",
  message:
    "`maps`: got NaN in 12 pixels; expected numbers. Compute the map again, or <b>mask</b> those pixels.",
};

function empty({ job, title, target, target_label }: Result, panel: number): Trial {
  return {
    panel,
    job,
    stage: "final",
    title,
    target,
    target_label,
    output: "probability",
    points: 0,
    at: [],
    fractions: [],
    ranks: "",
    labels: {},
    curves: [],
    sentence: "",
    notes: [],
    seconds: 0,
    error: null,
    randomisation: null,
  };
}

/** Number of the first of `steps` points at which each pixel is taken, the strongest first. */
function ranksOf(map: ArrayLike<number>, steps: number): Uint16Array {
  const order = Array.from(map, (_, i) => i).sort((a, b) => map[b] - map[a]);
  const codes = new Uint16Array(map.length);
  for (const [place, i] of order.entries()) codes[i] = Math.ceil(((place + 1) * steps) / map.length);
  return codes;
}

function coarse(map: ArrayLike<number>, width: number, height: number): Float64Array {
  const cell = Math.max(2, Math.round(width / 9));
  const sums = new Map<number, number>();
  const at = (i: number) => Math.floor(Math.floor(i / width) / cell) * width + Math.floor((i % width) / cell);
  for (let i = 0; i < width * height; i++) sums.set(at(i), (sums.get(at(i)) ?? 0) + map[i]);
  return Float64Array.from({ length: width * height }, (_, i) => sums.get(at(i)) ?? 0);
}

const seen = (share: number) => 0.97 / (1 + Math.exp(-11 * (share - 0.55)));

/** The probability at every point: what is left of the object decides. */
function curve(
  codes: Uint16Array,
  { object, width, height }: Picture,
  steps: number,
  which: TrialCurve["kind"],
): number[] {
  const at = new Float64Array(steps + 1);
  let total = 0;
  // Some parts of the object say more than others, so that maps differ.
  const telling = clouds(width, height, Math.ceil(width / 4), 3);
  for (let i = 0; i < codes.length; i++) {
    const part = object[i] * telling[i] ** 3;
    at[codes[i]] += part;
    total += part;
  }
  let taken = 0;
  return Array.from(at, (part) => {
    taken += part / total;
    return seen(which === "deletion" ? 1 - taken : taken);
  });
}

function bandOf(steps: number, which: TrialCurve["kind"], n: number): NonNullable<TrialCurve["random"]> {
  const next = random(3);
  const fractions = Array.from({ length: steps + 1 }, (_, k) => k / steps);
  const rows = Array.from({ length: n }, () => {
    const off = 0.14 * (next() - 0.5);
    return fractions.map((f) => {
      const share = (which === "deletion" ? 1 - f : f) + off * 4 * f * (1 - f);
      return seen(share);
    });
  });
  const sorted = fractions.map((_, k) => rows.map((row) => row[k]).sort((a, b) => a - b));
  const mean = sorted.map((column) => column.reduce((sum, value) => sum + value, 0) / n);
  const [low, high] = [sorted.map((column) => column[0]), sorted.map((column) => column[n - 1])];
  return {
    n,
    fractions,
    mean,
    low,
    high,
    auc: area(mean),
    auc_low: area(mean) - 0.008,
    auc_high: area(mean) + 0.009,
  };
}

function area(scores: readonly number[]): number {
  const inner = scores.slice(1, -1).reduce((sum, value) => sum + value, 0);
  return (inner + (scores[0] + scores[scores.length - 1]) / 2) / (scores.length - 1);
}

/** Pictures whose holes are filled with what is around on the whole. */
function fillings(
  { rgb, width }: Picture,
  codes: Uint16Array,
  steps: number,
  which: TrialCurve["kind"],
): Uint8Array {
  const out = new Uint8Array(PICTURES * rgb.length);
  for (let at = 0; at < PICTURES; at++) {
    const point = (at * steps) / (PICTURES - 1);
    for (let i = 0; i < codes.length; i++) {
      const gone = codes[i] <= point === (which === "deletion");
      const row = Math.floor(i / width);
      for (let c = 0; c < 3; c++)
        out[at * rgb.length + 3 * i + c] = gone ? 110 + ((row * 60) / width) * (c - 1) : rgb[3 * i + c];
    }
  }
  return out;
}

/** A band of curves that are known in part has no areas yet. */
const unweighed = (random: NonNullable<TrialCurve["random"]>) => ({
  ...random,
  auc: null,
  auc_low: null,
  auc_high: null,
});

/** As far as it is after so many rounds, coarse to fine. */
function growing(whole: Trial, round: number, blocks: number): Trial {
  const every = [8, 4, 2, 1][Math.min(3, round - 1)];
  const last = whole.points - 1;
  const known = whole.at.filter((k) => k % every === 0 || k === last);
  const strip = whole.randomisation;
  const stages = strip?.stages.slice(0, Math.max(0, blocks)) ?? [];
  const done = round >= 4 && (!strip || blocks >= strip.total);
  const pick = (values: number[]) => known.map((k) => values[k]);
  const finished = every === 1;
  return {
    ...whole,
    stage: done ? "final" : "partial",
    at: known,
    fractions: pick(whole.fractions),
    sentence: done ? whole.sentence : "",
    notes: done ? whole.notes : [],
    curves: whole.curves.map((one) => ({
      ...one,
      scores: pick(one.scores),
      top: pick(one.top),
      ratio: finished ? one.ratio : null,
      beaten: finished ? one.beaten : null,
      random: round >= 2 ? one.random && (finished ? one.random : unweighed(one.random)) : null,
      blurred: finished && one.blurred ? { ...one.blurred, scores: pick(one.blurred.scores) } : null,
    })),
    randomisation:
      strip && blocks >= 0
        ? {
            ...strip,
            done: stages.length,
            stages,
            mean: done ? strip.mean : null,
            notes: done ? strip.notes : [],
          }
        : null,
  };
}
