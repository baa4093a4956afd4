/**
 * A notebook model and a kernel in one, without Python: traits, messages, a streaming job with
 * newest-wins and cancel. It counts what the page sends, so that a test can say "nothing".
 */
import type { Model } from "../entry/index.js";
import { DEFAULTS, type Info, type Result, type State, type Traits } from "../lib/wire.js";
import { FINAL, INFO, makeResult, type Picture } from "./results.js";

type Callback = (...args: unknown[]) => void;

/** Traits that ask for a new computation. */
const COMPUTE = new Set(["method", "params", "n_steps", "baseline", "target", "output", "layer", "index"]);

export interface KernelOptions {
  pictures: Picture[];
  labels: string[];
  /** Where the scripted states stop: `empty`, `preview`, `running`, `error`, or the whole way. */
  stop: string;
  zero: boolean;
  traits: Partial<Traits>;
  /** Milliseconds between two partial results. */
  pace: number;
}

interface Message {
  id: string;
  request: string;
  hashes?: string[];
  have?: string[];
}

export class FakeKernel implements Model {
  /** Everything the page sent: requests, and "save" for each save_changes. */
  readonly sent: string[] = [];
  readonly #traits: Record<string, unknown>;
  readonly #listeners = new Map<string, Set<Callback>>();
  readonly #blobs = new Map<string, { header: object; buffer: Uint8Array }>();
  readonly #onPage = new Set<string>();
  readonly #changed = new Set<string>();
  #job = 0;
  #timer = 0;
  #steps = 0;
  #last: Result | null = null;
  #state: State | null = null;

  constructor(private readonly options: KernelOptions) {
    this.#traits = { ...DEFAULTS, ...options.traits };
  }

  get(name: string): unknown {
    return this.#traits[name];
  }

  set(name: string, value: unknown): void {
    this.#traits[name] = value;
    this.#changed.add(name);
    this.emit(`change:${name}`);
  }

  save_changes(): void {
    this.sent.push(`save ${[...this.#changed].join(" ")}`);
    const compute = [...this.#changed].some((name) => COMPUTE.has(name));
    this.#changed.clear();
    if (compute) this.#compute(Number(this.#traits.n_steps));
  }

  on(name: string, callback: Callback): void {
    if (!this.#listeners.has(name)) this.#listeners.set(name, new Set());
    this.#listeners.get(name)?.add(callback);
  }

  off(name: string, callback: Callback): void {
    this.#listeners.get(name)?.delete(callback);
  }

  /** Listeners still attached: zero after the last view and host are gone. */
  get listening(): number {
    return [...this.#listeners.values()].reduce((sum, set) => sum + set.size, 0);
  }

  emit(name: string, ...args: unknown[]): void {
    for (const callback of this.#listeners.get(name) ?? []) callback(...args);
  }

  send(content: object): void {
    const message = content as Message;
    this.sent.push(message.request);
    setTimeout(() => this.#answer(message), 5);
  }

  #answer({ id, request, hashes, have }: Message): void {
    if (request === "hello") this.#hello(have ?? []);
    else if (request === "blobs") for (const hash of hashes ?? []) this.#sendBlob(hash, true);
    else if (request === "refine") this.#compute(this.#steps * 2);
    else if (request === "run") this.#compute(this.#steps);
    else if (request === "cancel") this.#cancel();
    this.#message({ answer: id, status: "ok" });
  }

  #hello(have: string[]): void {
    if (this.options.stop === "empty") return;
    for (const hash of have) this.#onPage.add(hash);
    const luts: Info["luts"] = {};
    for (const [name, bytes] of Object.entries(INFO.luts)) {
      luts[name] = this.#store(bytes, "uint8", [257, 3]);
      this.#sendBlob(luts[name]);
    }
    const { labels, pictures } = this.options;
    this.#message({ event: "info", info: { ...INFO.info, labels, images: pictures.length, luts } });
    if (this.#last && this.#state) {
      this.#sendResult(this.#last);
      this.#message({ event: "state", state: this.#state });
    } else this.#compute(Number(this.#traits.n_steps));
  }

  #compute(steps: number): void {
    clearTimeout(this.#timer);
    this.#job++;
    this.#steps = steps;
    const script = [1, 4, 8, 12, 16, 20, 24, 28, FINAL];
    const { stop } = this.options;
    this.#setState("running", 0);
    if (stop === "error") {
      this.#fail();
      return;
    }
    const tick = (at: number) => {
      const done = Math.round((steps * script[at]) / FINAL);
      const stage = at === 0 ? "preview" : at === script.length - 1 ? "final" : "partial";
      this.#result(stage, done);
      this.#setState(stage === "final" ? "done" : "running", done);
      if (stop === stage || (stop === "running" && at === 4) || stage === "final") return;
      this.#timer = window.setTimeout(() => tick(at + 1), this.options.pace);
    };
    this.#timer = window.setTimeout(() => tick(0), this.options.pace / 4);
  }

  #cancel(): void {
    clearTimeout(this.#timer);
    if (this.#state?.phase !== "running") return;
    this.#result("cancelled", this.#state.done);
    this.#setState("cancelled", this.#state.done);
  }

  #fail(): void {
    this.#result("preview", 0);
    const message =
      "`model`: got an exception in its forward pass, RuntimeError: Expected all tensors to be on the same device, " +
      "but found at least two devices, cuda:0 and cpu! (when checking argument for argument weight in method " +
      "wrapper_CUDA__cudnn_convolution); expected a model that runs on one device. Move the model with " +
      '`model.to("cpu")` and make the explorer again.\n\n  File "model.py", line 214, in forward\n    x = self.stem(x)\n' +
      '  File "model.py", line 88, in forward\n    return self.norm(self.conv(x))\n<b>this is text, not markup</b>';
    this.#state = {
      ...this.#newState("error", 0),
      error: { type: "ModelError", argument: "model", message },
    };
    this.#message({ event: "state", state: this.#state });
  }

  #newState(phase: State["phase"], done: number): State {
    const total = this.#steps;
    const text = {
      idle: "Ready",
      running: `Integrating: ${done} of ${total}`,
      done: `Done in ${(0.02 * total + 0.031).toFixed(1)} s`,
      error: "The model raised",
      cancelled: "Cancelled",
    };
    const eta = phase === "running" ? ((total - done) * this.options.pace) / 4000 : null;
    return { phase, job: this.#job, done, total, text: text[phase], eta, error: null };
  }

  #setState(phase: State["phase"], done: number): void {
    this.#state = this.#newState(phase, done);
    this.#message({ event: "state", state: this.#state });
  }

  #result(stage: Result["stage"], done: number): void {
    const { pictures, labels, zero } = this.options;
    const traits = this.#traits as unknown as Traits;
    const put = (bytes: Uint8Array, dtype: string, shape: number[], scale = 1) =>
      this.#store(bytes, dtype, shape, scale);
    const picture = pictures[traits.index % pictures.length];
    this.#last = makeResult(
      { picture, labels, zero, traits, stage, done, steps: this.#steps, job: this.#job },
      put,
    );
    this.#sendResult(this.#last);
  }

  #sendResult(result: Result): void {
    const { path } = result;
    for (const hash of [result.picture, result.map, ...(path ? [path.stack, path.baseline] : [])])
      this.#sendBlob(hash);
    this.#message({ event: "result", result });
  }

  #store(buffer: Uint8Array, dtype: string, shape: number[], scale = 1): string {
    let sum = 0x811c9dc5;
    for (const byte of buffer) sum = Math.imul(sum ^ byte, 0x01000193) >>> 0;
    const hash = `${sum.toString(16)}-${buffer.length}-${scale.toPrecision(6)}`;
    this.#blobs.set(hash, { header: { event: "blob", hash, dtype, shape, scale }, buffer });
    return hash;
  }

  #sendBlob(hash: string, again = false): void {
    const blob = this.#blobs.get(hash);
    if (!blob || (this.#onPage.has(hash) && !again)) return;
    this.#onPage.add(hash);
    const size = 2 ** 20;
    const parts = Math.max(1, Math.ceil(blob.buffer.length / size));
    for (let part = 0; part < parts; part++) {
      const view = blob.buffer.subarray(part * size, (part + 1) * size);
      this.#message({ ...blob.header, part, parts }, [
        new DataView(view.buffer, view.byteOffset, view.byteLength),
      ]);
    }
  }

  #message(content: object, buffers: ArrayBufferView[] = []): void {
    this.emit("msg:custom", content, buffers);
  }
}
