/**
 * A notebook model and a kernel in one, without Python: traits, messages, a streaming job for each panel
 * with newest-wins and cancel. It counts what the page sends, so that a test can say "nothing".
 */
import { progressed } from "../lib/format.js";
import {
  DEFAULTS,
  IDLE,
  type Info,
  QUESTION,
  type Question,
  type Result,
  type State,
  type Traits,
} from "../lib/wire.js";
import { makeGradients, makePredictions } from "./extras.js";
import { type Asked, FakeModel } from "./model.js";
import { adaptive, FINAL, INFO, makeResult, type Picture } from "./results.js";
import { Trials } from "./trials.js";

export interface KernelOptions {
  pictures: Picture[];
  labels: string[];
  /** Where the scripted states stop: `empty`, `preview`, `running`, `error`, or the whole way. */
  stop: string;
  zero: boolean;
  traits: Partial<Traits>;
  /** Milliseconds between two partial results. */
  pace: number;
  models: number;
  /** A panel whose question fails. */
  fail: number | null;
  /** Says that nothing can be asked, although it could. */
  offline: boolean;
  /** Where trials stop, and a panel whose map cannot be judged. */
  trialStop: string;
  trialFail: number | null;
}

interface Message extends Asked {
  hashes?: string[];
  have?: string[];
  panel?: number | null;
  what?: string;
}

/** One panel's question on its way. */
interface Job {
  panel: number;
  model: number;
  question: Question;
  asked: string;
  job: number;
  timer: number;
  /** The most there may be, and after how many it is done. */
  steps: number;
  end: number;
  last: Result | null;
  state: State;
}

export class FakeKernel extends FakeModel {
  readonly #options: KernelOptions;
  #jobs: (Job | null)[] = [];
  #numbers = 0;
  readonly #trials: Trials;

  constructor(
    options: Pick<KernelOptions, "pictures" | "labels" | "stop" | "zero" | "traits" | "pace"> &
      Partial<KernelOptions>,
  ) {
    super({ ...DEFAULTS, ...options.traits });
    this.#options = { models: 1, fail: null, offline: false, trialStop: "", trialFail: null, ...options };
    const court = {
      store: (bytes: Uint8Array, dtype: string, shape: number[], scale = 1) =>
        this.store(bytes, dtype, shape, scale),
      stored: (hash: string) => this.stored(hash),
      send: (hash: string) => this.sendBlob(hash),
      tell: (message: object) => this.message(message),
    };
    const { pace, labels, trialFail, trialStop } = this.#options;
    this.#trials = new Trials(court, { pace, labels, fail: trialFail, stop: trialStop });
  }

  protected override saved(): void {
    this.#ask();
    this.#judge();
  }

  /** Puts every finished map on trial, if that is wanted. */
  #judge(): void {
    const { pictures } = this.#options;
    const accused = this.#jobs.flatMap((job) => {
      if (job?.last?.stage !== "final") return [];
      const picture = pictures[job.last.index % pictures.length];
      return [{ panel: job.panel, result: job.last, picture }];
    });
    this.#trials.ask(this.traits.trial as Traits["trial"], accused);
  }

  protected override answer(message: Message): void {
    const { id, request, hashes, have, panel, what } = message;
    const jobs = this.#jobs.filter((job) => job && (panel ?? job.panel) === job.panel) as Job[];
    let result: object | undefined;
    let buffers: ArrayBufferView[] = [];
    if (request === "hello") this.#hello(have ?? []);
    else if (request === "blobs") for (const hash of hashes ?? []) this.sendBlob(hash, true);
    else if (request === "refine") for (const job of jobs) this.#compute(job, job.steps * 2);
    else if (request === "run" && what === "trial") {
      this.#trials.forget();
      this.#judge();
    } else if (request === "run") for (const job of jobs) this.#compute(job, job.steps);
    else if (request === "cancel") {
      this.#trials.cancel();
      if (what !== "trial") for (const job of jobs) this.#cancel(job);
    } else if (request === "gradients" && jobs[0]) result = this.#gradients(jobs[0]);
    else if (request === "predictions" && jobs[0]?.last)
      result = makePredictions(jobs[0].last, this.#options.labels);
    else if (request === "export") {
      result = { name: "explorer.txt", type: "text/plain" };
      buffers = [new TextEncoder().encode("made up")];
    }
    this.message({ answer: id, status: "ok", ...(result && { result }) }, buffers);
  }

  #gradients({ last }: Job): object | undefined {
    const found =
      last && makeGradients(last, this.#options.pictures[last.index % this.#options.pictures.length]);
    if (!found) return undefined;
    const stack = this.store(found.bytes, "float16", found.shape, found.scale);
    this.sendBlob(stack);
    return { job: last.job, stack };
  }

  #hello(have: string[]): void {
    if (this.#options.stop === "empty") return;
    for (const hash of have) this.onPage.add(hash);
    const luts: Info["luts"] = {};
    for (const [name, bytes] of Object.entries(INFO.luts)) {
      luts[name] = this.store(bytes, "uint8", [257, 3]);
      this.sendBlob(luts[name]);
    }
    const { labels, pictures, models, offline } = this.#options;
    const known = INFO.models.slice(0, models).map((model) => ({ ...model, labels }));
    const info = { ...INFO.info, models: known, images: pictures.length, luts, offline };
    this.message({ event: "info", info });
    for (const job of this.#jobs) {
      if (!job?.last) continue;
      this.#sendResult(job.last);
      this.message({ event: "state", state: job.state });
    }
    this.#trials.again();
    this.#ask();
  }

  /** Starts a job for each panel whose question has changed. */
  #ask(): void {
    const traits = this.traits as unknown as Traits;
    const before = this.#jobs;
    this.#jobs = [null, ...traits.compare].map((spec, panel) => {
      if (spec && ("difference" in spec || "average" in spec)) return null;
      const lead = Object.fromEntries(QUESTION.map((name) => [name, traits[name]])) as unknown as Question;
      const { model = 0, ...own } = (spec ?? {}) as Partial<Question> & { model?: number };
      const question = { ...lead, ...("method" in own ? { params: {} } : {}), ...own };
      const asked = JSON.stringify([model, question]);
      const old = before[panel];
      if (old?.asked === asked) return old;
      clearTimeout(old?.timer);
      const job = {
        panel,
        model,
        question,
        asked,
        job: 0,
        timer: 0,
        steps: 0,
        end: 0,
        last: null,
        state: IDLE,
      };
      this.#compute(job, Number(question.n_steps));
      return job;
    });
    for (const gone of before.slice(this.#jobs.length)) clearTimeout(gone?.timer);
  }

  #compute(job: Job, steps: number): void {
    clearTimeout(job.timer);
    job.job = ++this.#numbers;
    job.steps = steps;
    job.end = adaptive(job.question) ? Math.ceil(0.7 * steps) : steps;
    const script = [1, 4, 8, 12, 16, 20, 24, 28, FINAL];
    const { stop, fail, pace } = this.#options;
    this.#setState(job, "running", 0);
    if (stop === "error" || fail === job.panel) {
      this.#fail(job);
      return;
    }
    const tick = (at: number) => {
      const done = Math.round((job.end * script[at]) / FINAL);
      const stage = at === 0 ? "preview" : at === script.length - 1 ? "final" : "partial";
      this.#result(job, stage, done);
      this.#setState(job, stage === "final" ? "done" : "running", done);
      if (stage === "final") this.#judge();
      if (stop === stage || (stop === "running" && at === 4) || stage === "final") return;
      job.timer = window.setTimeout(() => tick(at + 1), pace);
    };
    job.timer = window.setTimeout(() => tick(0), pace / 4);
  }

  #cancel(job: Job): void {
    clearTimeout(job.timer);
    if (job.state.phase !== "running") return;
    this.#result(job, "cancelled", job.state.done);
    this.#setState(job, "cancelled", job.state.done);
  }

  #fail(job: Job): void {
    if (this.#options.stop === "error") this.#result(job, "preview", 0);
    const message =
      "`model`: got an exception in its forward pass, RuntimeError: Expected all tensors to be on the same device, " +
      "but found at least two devices, cuda:0 and cpu! (when checking argument for argument weight in method " +
      "wrapper_CUDA__cudnn_convolution); expected a model that runs on one device. Move the model with " +
      '`model.to("cpu")` and make the explorer again.\n\n  File "model.py", line 214, in forward\n    x = self.stem(x)\n' +
      '  File "model.py", line 88, in forward\n    return self.norm(self.conv(x))\n<b>this is text, not markup</b>';
    job.state = {
      ...this.#newState(job, "error", 0),
      error: { type: "ModelError", argument: "model", message },
    };
    this.message({ event: "state", state: job.state });
  }

  #newState({ steps, end, panel, job }: Job, phase: State["phase"], done: number): State {
    const at_most = end < steps;
    const text = {
      idle: "Ready",
      running: `Integrating: ${progressed({ done, total: steps, at_most })}`,
      done: `Done in ${(0.02 * steps + 0.031).toFixed(1)} s`,
      error: "The model raised",
      cancelled: "Cancelled",
    };
    const eta = phase === "running" ? ((steps - done) * this.#options.pace) / 4000 : null;
    return { panel, phase, job, done, total: steps, text: text[phase], eta, error: null, at_most };
  }

  #setState(job: Job, phase: State["phase"], done: number): void {
    job.state = this.#newState(job, phase, done);
    this.message({ event: "state", state: job.state });
  }

  #result(job: Job, stage: Result["stage"], done: number): void {
    const { pictures, labels, zero } = this.#options;
    const { question, panel, model, end: steps } = job;
    const picture = pictures[question.index % pictures.length];
    job.last = makeResult(
      { picture, labels, zero, question, panel, model, stage, done, steps, job: job.job },
      (bytes, dtype, shape, scale = 1) => this.store(bytes, dtype, shape, scale),
    );
    this.#sendResult(job.last);
  }

  #sendResult(result: Result): void {
    const { path } = result;
    for (const hash of [result.picture, result.map, ...(path ? [path.stack, path.baseline] : [])])
      this.sendBlob(hash);
    this.message({ event: "result", result });
  }
}
