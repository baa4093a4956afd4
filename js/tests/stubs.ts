/** Stand-ins: a port that records, and the smallest result that can be drawn. */
import type { Port } from "../host/port.js";
import type { Info, Result, State, Traits } from "../lib/wire.js";

export class StubPort implements Port {
  readonly values: Partial<Traits> = {};
  readonly sent: Record<string, unknown>[] = [];
  readonly written: Partial<Traits>[] = [];
  readonly #traits = new Set<(name: keyof Traits) => void>();
  readonly #messages = new Set<(message: unknown, buffers: ArrayBufferView[]) => void>();

  get<K extends keyof Traits>(name: K): Traits[K] | undefined {
    return this.values[name];
  }
  write(partial: Partial<Traits>): void {
    this.written.push(partial);
    Object.assign(this.values, partial);
    for (const name of Object.keys(partial)) this.change(name as keyof Traits);
  }
  send(message: object): void {
    this.sent.push(message as Record<string, unknown>);
  }
  onTrait(life: AbortSignal, changed: (name: keyof Traits) => void): void {
    this.#traits.add(changed);
    life.addEventListener("abort", () => this.#traits.delete(changed));
  }
  onMessage(life: AbortSignal, arrived: (message: unknown, buffers: ArrayBufferView[]) => void): void {
    this.#messages.add(arrived);
    life.addEventListener("abort", () => this.#messages.delete(arrived));
  }

  get listening(): number {
    return this.#traits.size + this.#messages.size;
  }
  change(name: keyof Traits): void {
    for (const changed of this.#traits) changed(name);
  }
  deliver(message: object, ...buffers: ArrayBufferView[]): void {
    for (const arrived of this.#messages) arrived(message, buffers);
  }
  blob(hash: string, data: Uint8Array | Uint16Array, shape: number[], scale = 1): void {
    const dtype = data instanceof Uint16Array ? "float16" : "uint8";
    const bytes = new DataView(data.buffer, data.byteOffset, data.byteLength);
    this.deliver({ event: "blob", hash, part: 0, parts: 1, dtype, shape, scale }, bytes);
  }
  state(more: Partial<State>): void {
    this.deliver({ event: "state", state: { ...STATE, ...more } });
  }
  result(more: Partial<Result> = {}): void {
    this.deliver({ event: "result", result: { ...RESULT, ...more } });
  }
  /** The request of that name, and its answer. */
  answer(request: string, more: object = {}): void {
    const asked = this.sent.find((message) => message.request === request);
    this.deliver({ answer: asked?.id, status: "ok", ...more });
  }
}

export const STATE: State = {
  panel: 0,
  phase: "running",
  job: 1,
  done: 0,
  total: 4,
  text: "",
  eta: null,
  error: null,
};

export const RESULT: Result = {
  panel: 0,
  model: 0,
  job: 1,
  stage: "final",
  method: "saliency",
  title: "Saliency",
  target: 0,
  target_label: "fox",
  output: "logit",
  score: 2,
  signed: true,
  unit: "logit",
  index: 0,
  picture: "picture",
  map: "map",
  limit: 1,
  probabilities: [{ index: 0, label: "fox", p: 0.75 }],
  path: null,
  completeness: null,
  notes: [],
  seconds: 0.5,
  can_refine: false,
  steps: null,
  layer: null,
  grid: null,
};

export const INFO: Info = {
  methods: [],
  baselines: [],
  images: 1,
  outputs: ["logit"],
  luts: { diverging: "lut" },
  models: [{ name: "Net", device: "cpu", labels: ["fox", "owl"], layers: [], preprocessing: "" }],
  version: "0",
};

/** Picture and map of two pixels. */
export function deliverBlobs(port: StubPort): void {
  port.blob("picture", new Uint8Array(6), [1, 2, 3]);
  port.blob("map", new Uint16Array([0x3c00, 0xbc00]), [1, 2]);
}

/** Lets promises settle. */
export const settle = () => new Promise((resolve) => setTimeout(resolve, 0));
