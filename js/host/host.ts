/**
 * One per widget model, shared by its views: keeps what the kernel sent, as signals, and speaks to it.
 */
import { batch, type ReadonlySignal, signal } from "../lib/lifetime.js";
import {
  type Act,
  DEFAULTS,
  type Drawable,
  IDLE,
  type Info,
  type Luts,
  type Result,
  type State,
  type Traits,
} from "../lib/wire.js";
import { addPart, type BlobPart, blob, type Claim, claim, hashes } from "./blobs.js";
import type { Port } from "./port.js";
import { type Answer, Requests } from "./requests.js";

type Message =
  | { event: "info"; info: Info }
  | { event: "state"; state: State }
  | { event: "result"; result: Result }
  | ({ event: "blob" } & BlobPart)
  | Answer;

export class Host {
  // From the kernel; views read these.
  readonly #info = signal<Info | null>(null);
  readonly #state = signal<State>(IDLE);
  readonly #drawable = signal<Drawable | null>(null);
  readonly #luts = signal<Luts>({});
  readonly #problem = signal<string | null>(null);
  // Synced with Python, both ways.
  readonly #traits = signal<Traits>(DEFAULTS);

  readonly #requests: Requests;
  readonly #claim: Claim;
  #greeted = false;
  #newestJob = 0;
  /** Results are numbered as they come: one that waited for a lost blob must not replace a later one. */
  #arrivals = 0;
  #drawn = 0;

  constructor(
    private readonly port: Port,
    private readonly life: AbortSignal,
  ) {
    this.#requests = new Requests((message) => port.send(message), life);
    this.#claim = claim(life);
    this.#traits.value = readTraits(port);
    port.onTrait(life, (name) => this.#traitChanged(name));
    port.onMessage(life, (message, buffers) => this.#receive(message as Message, buffers));
  }

  get info(): ReadonlySignal<Info | null> {
    return this.#info;
  }
  get state(): ReadonlySignal<State> {
    return this.#state;
  }
  get drawable(): ReadonlySignal<Drawable | null> {
    return this.#drawable;
  }
  get luts(): ReadonlySignal<Luts> {
    return this.#luts;
  }
  /** What went wrong between page and kernel, in words; `null` when nothing did. */
  get problem(): ReadonlySignal<string | null> {
    return this.#problem;
  }
  get traits(): ReadonlySignal<Traits> {
    return this.#traits;
  }

  /** Says hello, once: messages that came before the page listened are lost, so the page asks. */
  open(): void {
    if (this.#greeted) return;
    this.#greeted = true;
    void this.#requests.ask("hello", { have: hashes() }).then((answer) => {
      this.#report(answer);
      void this.#loadLuts();
    });
  }

  /** Writes traits and sends them in one message. */
  commit(partial: Partial<Traits>): void {
    this.#traits.value = { ...this.#traits.value, ...partial };
    this.port.write(partial);
  }

  request(kind: Act): void {
    void this.#requests.ask(kind).then((answer) => this.#report(answer));
  }

  #traitChanged(name: keyof Traits): void {
    const value = this.port.get(name);
    if (value === undefined || Object.is(value, this.#traits.value[name])) return;
    this.#traits.value = { ...this.#traits.value, [name]: value };
  }

  #receive(message: Message, buffers: ArrayBufferView[]): void {
    if ("answer" in message) this.#requests.settle(message);
    else if (message.event === "blob") addPart(message, buffers[0]);
    else if (message.event === "info") this.#takeInfo(message.info);
    else if (message.event === "state") this.#takeState(message.state);
    else if (message.event === "result") void this.#takeResult(message.result);
  }

  #takeInfo(info: Info): void {
    this.#info.value = info;
    this.#readLuts(info);
  }

  #takeState(state: State): void {
    if (state.job < this.#newestJob) return;
    this.#newestJob = state.job;
    this.#state.value = state;
    if (state.phase === "running") this.#problem.value = null;
  }

  /** Draws a result when its arrays are here; asks again for those that were lost. */
  async #takeResult(result: Result): Promise<void> {
    if (result.job < this.#newestJob) return;
    this.#newestJob = result.job;
    const arrival = ++this.#arrivals;
    if (!(await this.#fetch(needs(result)))) return;
    if (this.life.aborted || result.job < this.#newestJob || arrival < this.#drawn) return;
    const drawable = assemble(result);
    if (!drawable) return;
    this.#drawn = arrival;
    this.#pin(result);
    batch(() => {
      this.#drawable.value = drawable;
      if (this.#info.value) this.#readLuts(this.#info.value);
    });
  }

  /** `true` when every hash is on the page, after asking the kernel once for what is not. */
  async #fetch(wanted: string[]): Promise<boolean> {
    const missing = wanted.filter((hash) => !blob(hash));
    if (missing.length === 0) return true;
    const answer = await this.#requests.ask("blobs", { hashes: missing });
    this.#report(answer);
    if (wanted.every((hash) => blob(hash))) return true;
    if (answer.status === "ok") this.#problem.value = "The kernel no longer has the data of this picture.";
    return false;
  }

  async #loadLuts(): Promise<void> {
    const info = this.#info.value;
    if (info && (await this.#fetch(Object.values(info.luts)))) this.#readLuts(info);
  }

  #readLuts(info: Info): void {
    const luts: Record<string, Uint8Array> = {};
    for (const [name, hash] of Object.entries(info.luts)) {
      const data = blob(hash)?.data;
      if (data instanceof Uint8Array) luts[name] = data;
    }
    if (Object.keys(luts).length > Object.keys(this.#luts.value).length) this.#luts.value = luts;
  }

  #pin(result: Result): void {
    this.#claim.pinned = new Set([...needs(result), ...Object.values(this.#info.value?.luts ?? {})]);
  }

  #report(answer: Answer): void {
    if (answer.status === "error")
      this.#problem.value = answer.error?.message ?? "The kernel gave no reason.";
  }
}

function readTraits(port: Port): Traits {
  const traits: Record<string, unknown> = { ...DEFAULTS };
  for (const name of Object.keys(DEFAULTS) as (keyof Traits)[])
    traits[name] = port.get(name) ?? DEFAULTS[name];
  return traits as unknown as Traits;
}

function needs(result: Result): string[] {
  const { path } = result;
  return [result.picture, result.map, ...(path ? [path.stack, path.baseline] : [])];
}

/** A result and its arrays, or nothing where their sizes contradict each other. */
function assemble(result: Result): Drawable | null {
  const picture = blob(result.picture);
  const map = blob(result.map);
  if (!picture || !map || !(picture.data instanceof Uint8Array)) return null;
  const [height, width] = picture.shape;
  if (map.data.length !== height * width) return null;
  return { result, height, width, picture: picture.data, map, path: assemblePath(result, map.data.length) };
}

function assemblePath(result: Result, pixels: number): Drawable["path"] {
  if (!result.path || result.path.alphas.length === 0) return null;
  const stack = blob(result.path.stack);
  const baseline = blob(result.path.baseline);
  if (!stack || !(baseline?.data instanceof Uint8Array)) return null;
  if (stack.data.length !== result.path.alphas.length * pixels) return null;
  return { stack, baseline: baseline.data };
}
