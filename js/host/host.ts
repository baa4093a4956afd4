/**
 * One per widget model, shared by its views: keeps what the kernel sent, as signals, and speaks to it.
 */
import { equal } from "../lib/history.js";
import { batch, type ReadonlySignal, signal } from "../lib/lifetime.js";
import {
  type Act,
  type Answer,
  DEFAULTS,
  type Drawable,
  IDLE,
  type Info,
  type Luts,
  MOST_PANELS,
  type Predictions,
  type Result,
  type State,
  type Traits,
  type Trial,
  type TrialSettings,
  type Tried,
} from "../lib/wire.js";
import { addPart, type BlobPart, blob, type Claim, claim, fetchBlobs } from "./blobs.js";
import { type Port, readTraits } from "./port.js";
import { Presence } from "./presence.js";
import { type Reply, Requests } from "./requests.js";
import { arraysOf, assemble, lutsOf, needs, trialNeeds, whole } from "./results.js";
import { emptySeat, reseated, type Seat } from "./seats.js";

type Message =
  | { event: "info"; info: Info }
  | { event: "state"; state: State }
  | { event: "result"; result: Result }
  | { event: "trial"; trial: Trial }
  | { event: "trialstate"; trialstate: State }
  | { event: "roll" }
  | ({ event: "blob" } & BlobPart)
  | Answer;

/** The place whose data are missing, and what they were to show there. */
interface Lack {
  seat: Seat;
  of: "map" | "trial";
}

export class Host {
  // From the kernel; views read these. Lists are by panel, the lead first.
  readonly #info = signal<Info | null>(null);
  readonly #states = signal<readonly State[]>([IDLE]);
  readonly #drawables = signal<readonly (Drawable | null)[]>([null]);
  readonly #tried = signal<readonly (Tried | null)[]>([null]);
  readonly #trialState = signal<State>(IDLE);
  readonly #luts = signal<Luts>({});
  readonly #problem = signal<string | null>(null);
  // Synced with Python, both ways.
  readonly #traits = signal<Traits>(DEFAULTS);

  readonly info: ReadonlySignal<Info | null> = this.#info;
  readonly states: ReadonlySignal<readonly State[]> = this.#states;
  readonly drawables: ReadonlySignal<readonly (Drawable | null)[]> = this.#drawables;
  readonly tried: ReadonlySignal<readonly (Tried | null)[]> = this.#tried;
  readonly trialState: ReadonlySignal<State> = this.#trialState;
  readonly luts: ReadonlySignal<Luts> = this.#luts;
  /** What went wrong between page and kernel, in words; `null` when nothing did. */
  readonly problem: ReadonlySignal<string | null> = this.#problem;
  readonly traits: ReadonlySignal<Traits> = this.#traits;

  readonly #requests: Requests;
  readonly #claim: Claim;
  readonly #presence: Presence;
  #seats: Seat[] = [];
  /** How many trials have come. */
  #trials = 0;
  /** What is missing, if that is the problem. */
  #lacking: Lack | null = null;

  constructor(
    private readonly port: Port,
    private readonly life: AbortSignal,
  ) {
    this.#requests = new Requests((message) => port.send(message), life);
    this.#claim = claim(life);
    this.#presence = new Presence(this.#requests, life, (answer) => {
      this.#report(answer);
      void this.#loadLuts();
    });
    this.#traits.value = readTraits(port, DEFAULTS);
    port.onTrait(life, (name) => this.#traitChanged(name));
    port.onMessage(life, (message, buffers) => this.#receive(message as Message, buffers));
    this.#tell();
  }

  /** A view begins; the first one says hello. */
  open(view: AbortSignal): void {
    this.#presence.open(view);
  }

  /** Writes traits and sends them in one message. */
  commit(partial: Partial<Traits>): void {
    this.#take(partial);
    this.port.write(partial);
  }

  /** Asks the kernel; what was asked about a panel's map is shown with it. */
  async request(kind: Act, extra: Record<string, unknown> = {}): Promise<Reply> {
    const reply = await this.#requests.ask(kind, extra);
    // What goes along with a map is missed where it would stand, and said there.
    if (kind !== "gradients" && kind !== "predictions") this.#report(reply);
    if (reply.status === "ok" && reply.result)
      await this.#enrich(kind, Number(extra.panel ?? 0), reply.result);
    return reply;
  }

  async #enrich(kind: Act, panel: number, result: Record<string, unknown>): Promise<void> {
    const more: Partial<Drawable> = {};
    if (kind === "predictions") more.predictions = result as unknown as Predictions;
    else if (kind === "gradients" && typeof result.stack === "string" && (await this.#fetch([result.stack])))
      more.gradients = blob(result.stack);
    if (typeof result.stack === "string") this.#arrived(result.stack);
    const seat = this.#seats[panel];
    if (!seat?.drawable || seat.drawable.result.job !== result.job) return;
    seat.drawable = { ...seat.drawable, ...more };
    this.#tell();
  }

  #traitChanged(name: keyof Traits): void {
    const value = this.port.get(name);
    if (value === undefined || Object.is(value, this.#traits.value[name])) return;
    this.#take({ [name]: value });
  }

  #take(partial: Partial<Traits>): void {
    const { compare: before, trial } = this.#traits.value;
    batch(() => {
      this.#traits.value = { ...this.#traits.value, ...partial };
      if (partial.trial !== undefined && !equal(curvesOf(partial.trial), curvesOf(trial)))
        this.#outdate(partial.trial);
      if (!partial.compare || partial.compare === before) return;
      this.#seats = reseated(this.#seats, before, partial.compare);
      this.#tell();
    });
  }

  /** Curves of another question stay, marked, until those of this one come. */
  #outdate(asked: TrialSettings | null): void {
    for (const seat of this.#seats) seat.tried = asked && seat.tried && { ...seat.tried, outdated: true };
    this.#tell();
  }

  #receive(message: Message, buffers: ArrayBufferView[]): void {
    if ("answer" in message) this.#requests.settle(message, buffers);
    else if (message.event === "blob") addPart(message, buffers[0], this.#claim);
    else if (message.event === "info") this.#takeInfo(message.info);
    else if (message.event === "state") this.#takeState(message.state);
    else if (message.event === "result") this.#keep(() => this.#takeResult(message.result));
    else if (message.event === "trial") this.#keep(() => this.#takeTrial(whole(message.trial)));
    else if (message.event === "trialstate") this.#trialState.value = message.trialstate;
    else if (message.event === "roll" && this.#presence.here) this.#presence.sign();
  }

  /** Blobs come before what names them: whatever is here by now was for it, or for something older. */
  #keep(take: () => Promise<void>): void {
    const came = [...this.#claim.arriving];
    const done = () => this.#arrived(...came);
    void take().then(done, done);
  }

  #takeInfo(info: Info): void {
    this.#info.value = info;
    this.#readLuts(info);
  }

  /** A panel's place; one is made for whatever the kernel tells of, shown once the panel is there. */
  #seat(panel: number): Seat {
    while (this.#seats.length <= panel && this.#seats.length < MOST_PANELS) {
      this.#seats.push(emptySeat());
    }
    return this.#seats[Math.min(panel, MOST_PANELS - 1)];
  }

  /** Lets the views know: a place for each panel, whether something is known of it or not. */
  #tell(): void {
    const count = Math.min(MOST_PANELS, 1 + this.#traits.value.compare.length);
    const seats = Array.from({ length: count }, (_, panel) => this.#seat(panel));
    batch(() => {
      this.#states.value = seats.map(({ state }) => state);
      this.#drawables.value = seats.map(({ drawable }) => drawable);
      this.#tried.value = seats.map(({ tried }) => tried);
    });
  }

  #takeState(state: State): void {
    const seat = this.#seat(state.panel ?? 0);
    if (state.job < seat.newestJob) return;
    seat.newestJob = state.job;
    seat.state = state;
    if (state.phase === "running") this.#say(null);
    this.#tell();
  }

  /** What came for a result is shown now, or never will be. */
  #arrived(...names: string[]): void {
    for (const name of names) this.#claim.arriving.delete(name);
  }

  /** Draws a result when its arrays are here; asks again for those that were lost. */
  async #takeResult(result: Result): Promise<void> {
    const seat = this.#seat(result.panel ?? 0);
    if (result.job < seat.newestJob) return;
    seat.newestJob = result.job;
    const arrival = ++seat.arrivals;
    const lack: Lack = { seat, of: "map" };
    this.#relieve(lack);
    const newest = () => result.job >= seat.newestJob && arrival === seat.arrivals;
    if (!(await this.#fetch(needs(result), lack, newest))) return;
    if (this.life.aborted || result.job < seat.newestJob || arrival < seat.drawn) return;
    const drawable = assemble(result);
    if (!drawable) return;
    seat.drawn = arrival;
    seat.drawable = drawable;
    this.#pin();
    batch(() => {
      this.#tell();
      if (this.#info.value) this.#readLuts(this.#info.value);
    });
  }

  /** Shows a trial when its arrays are here, unless nobody wants it any more. */
  async #takeTrial(trial: Trial): Promise<void> {
    const seat = this.#seat(trial.panel);
    const arrival = ++this.#trials;
    seat.heard = arrival;
    const lack: Lack = { seat, of: "trial" };
    this.#relieve(lack);
    const names = trialNeeds(trial);
    const newest = () => this.#traits.value.trial !== null && arrival === seat.heard;
    if (!(await this.#fetch(names, lack, newest))) return;
    if (this.life.aborted || !this.#traits.value.trial || arrival < seat.told) return;
    seat.told = arrival;
    seat.tried = { trial, arrays: arraysOf(names), outdated: false };
    this.#pin();
    this.#tell();
  }

  /** What was missing is of no matter any more: something newer has come in its place. */
  #relieve({ seat, of }: Lack): void {
    if (this.#lacking?.seat === seat && this.#lacking.of === of) this.#say(null);
  }

  /**
   * `true` when every hash is on the page, after asking the kernel once for what is not. That it has none of it is
   * no problem where something newer has come in the meantime: then it need not have.
   */
  async #fetch(wanted: string[], lack: Lack | null = null, newest = () => true): Promise<boolean> {
    const answer = await fetchBlobs(this.#requests, wanted);
    if (!answer) return true;
    const whole = wanted.every((hash) => blob(hash));
    if (!newest()) return whole;
    if (answer.status === "error") this.#report(answer, lack);
    else if (!whole && answer.status === "ok")
      this.#say("The kernel no longer has the data of this picture.", lack);
    return whole;
  }

  async #loadLuts(): Promise<void> {
    const info = this.#info.value;
    if (info && (await this.#fetch(Object.values(info.luts)))) this.#readLuts(info);
  }

  #readLuts(info: Info): void {
    const luts = lutsOf(info);
    if (Object.keys(luts).length > Object.keys(this.#luts.value).length) this.#luts.value = luts;
  }

  #pin(): void {
    const shown = this.#seats.flatMap(({ drawable, tried }) => [
      ...(drawable ? needs(drawable.result) : []),
      ...(tried ? trialNeeds(tried.trial) : []),
    ]);
    this.#claim.pinned = new Set([...shown, ...Object.values(this.#info.value?.luts ?? {})]);
  }

  #report(answer: Answer, lacking: Lack | null = null): void {
    if (answer.status === "error") this.#say(answer.error?.message ?? "The kernel gave no reason.", lacking);
  }

  #say(problem: string | null, lacking: Lack | null = null): void {
    this.#problem.value = problem;
    this.#lacking = lacking;
  }
}

/** What the curves of a trial depend on. */
const curvesOf = (trial: TrialSettings | null) => trial && { ...trial, randomise: false };
