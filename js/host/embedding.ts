/**
 * Between kernel and page, one for each model of maps: assembles what came into signals, asks for what was lost,
 * and acknowledges each partial layout once it has been drawn.
 */
import { batch, type ReadonlySignal, signal } from "../lib/lifetime.js";
import {
  type Layout,
  MAP_DEFAULTS,
  MAP_IDLE,
  type MapAct,
  type MapDrawable,
  type MapState,
  type MapTraits,
  MOST_MAPS,
  type Placed,
  type PointSet,
  type PointsInfo,
  type SelectionName,
  type Sequence,
  type SequenceDrawable,
} from "../lib/map_wire.js";
import type { Answer, Blob, Drawable, Info, Luts, Result } from "../lib/wire.js";
import { addPart, type BlobPart, blob, type Claim, claim, fetchBlobs } from "./blobs.js";
import { assembleLayout, assemblePoints, assembleSequence, pointsNeed } from "./maps.js";
import { type Port, readTraits } from "./port.js";
import { Presence } from "./presence.js";
import { type Reply, Requests } from "./requests.js";
import { assemble, lutsOf, needs } from "./results.js";

type Message =
  | { event: "points"; points: PointsInfo }
  | { event: "layout"; layout: Layout }
  | { event: "sequence"; sequence: Sequence }
  | { event: "state"; state: MapState }
  | { event: "result"; result: Result }
  | { event: "info"; info: Info }
  | { event: "selection"; selection: { name: SelectionName; ids: string } }
  | { event: "placed"; placed: Placed }
  | { event: "roll" }
  | ({ event: "blob" } & BlobPart)
  | Answer;

export type Selections = Readonly<Record<SelectionName, Uint32Array>>;

const NOBODY: Selections = {
  selection: new Uint32Array(),
  group_a: new Uint32Array(),
  group_b: new Uint32Array(),
};

/** What is said where the notice would stand: elsewhere a failed request shows above the maps. */
const SAYS_ITSELF: ReadonlySet<MapAct> = new Set(["row", "thumbnails", "picture", "distances", "groups"]);

export class EmbeddingHost {
  readonly #points = signal<PointSet | null>(null);
  readonly #maps = signal<readonly (MapDrawable | null)[]>([]);
  readonly #sequence = signal<SequenceDrawable | null>(null);
  readonly #state = signal<MapState>(MAP_IDLE);
  readonly #explaining = signal<MapState>(MAP_IDLE);
  readonly #selections = signal<Selections>(NOBODY);
  readonly #placed = signal<readonly Placed[]>([]);
  readonly #info = signal<Info | null>(null);
  readonly #luts = signal<Luts>({});
  readonly #overlay = signal<Drawable | null>(null);
  readonly #problem = signal<string | null>(null);
  readonly #traits = signal<MapTraits>(MAP_DEFAULTS);

  readonly points: ReadonlySignal<PointSet | null> = this.#points;
  /** By place on screen. */
  readonly maps: ReadonlySignal<readonly (MapDrawable | null)[]> = this.#maps;
  readonly sequence: ReadonlySignal<SequenceDrawable | null> = this.#sequence;
  readonly state: ReadonlySignal<MapState> = this.#state;
  /** Of the attribution of a row. */
  readonly explaining: ReadonlySignal<MapState> = this.#explaining;
  readonly selections: ReadonlySignal<Selections> = this.#selections;
  readonly placed: ReadonlySignal<readonly Placed[]> = this.#placed;
  readonly info: ReadonlySignal<Info | null> = this.#info;
  readonly luts: ReadonlySignal<Luts> = this.#luts;
  /** The attribution of the row that was last explained. */
  readonly overlay: ReadonlySignal<Drawable | null> = this.#overlay;
  readonly problem: ReadonlySignal<string | null> = this.#problem;
  readonly traits: ReadonlySignal<MapTraits> = this.#traits;

  readonly #requests: Requests;
  readonly #claim: Claim;
  readonly #presence: Presence;
  /** Of each map, the newest layout that came: one that waited for a lost blob must not replace it. */
  readonly #newest: Layout[] = [];
  /** The newest sequence that came. */
  #walk: Sequence | null = null;
  /** Partial layouts that are on the page and not yet drawn. */
  readonly #owed = new Map<number, Layout>();

  constructor(
    private readonly port: Port<MapTraits>,
    private readonly life: AbortSignal,
  ) {
    this.#requests = new Requests((message, buffers) => port.send(message, buffers), life);
    this.#claim = claim(life);
    this.#presence = new Presence(this.#requests, life, (answer) => {
      this.#report(answer);
      void this.#loadLuts();
    });
    this.#traits.value = readTraits(port, MAP_DEFAULTS);
    port.onTrait(life, (name) => this.#traitChanged(name));
    port.onMessage(life, (message, buffers) => this.#receive(message as Message, buffers));
  }

  open(view: AbortSignal): void {
    this.#presence.open(view);
  }

  commit(partial: Partial<MapTraits>): void {
    this.#take(partial);
    this.port.write(partial);
  }

  async request(
    kind: MapAct,
    { id, ...extra }: Record<string, unknown> = {},
    buffers?: ArrayBufferView[],
  ): Promise<Reply> {
    // A request has an id of its own: that of a row goes as "row".
    const asked = id === undefined ? extra : { ...extra, row: id };
    const reply = await this.#requests.ask(kind, asked, buffers);
    if (!SAYS_ITSELF.has(kind)) this.#report(reply);
    return reply;
  }

  /** An array that an answer named; `null` when it can no longer be had. */
  async fetch(hash: string): Promise<Blob | null> {
    await fetchBlobs(this.#requests, [hash]);
    this.#claim.arriving.delete(hash);
    return blob(hash) ?? null;
  }

  /** A view has drawn this layout: the kernel may send the next one. Several views of one model say it once. */
  drawn(layout: Layout): void {
    if (this.#owed.get(layout.map) !== layout) return;
    this.#owed.delete(layout.map);
    void this.#requests.ask("ack", { job: layout.job, iteration: layout.iteration, map: layout.map });
  }

  #traitChanged(name: keyof MapTraits): void {
    const value = this.port.get(name);
    if (value === undefined || Object.is(value, this.#traits.value[name])) return;
    this.#take({ [name]: value });
  }

  #take(partial: Partial<MapTraits>): void {
    const before = this.#traits.value.maps;
    batch(() => {
      this.#traits.value = { ...this.#traits.value, ...partial };
      if (partial.maps && partial.maps !== before) this.#reseat(before, partial.maps);
    });
  }

  /** A map that moves up takes along what is drawn in it. */
  #reseat(before: string[], after: string[]): void {
    const maps = after.map((reducer, map) => {
      const known = before[map] === reducer ? map : before.indexOf(reducer);
      return this.#maps.value[known] ?? null;
    });
    this.#maps.value = maps;
    // What is still on its way is judged by its job alone.
    this.#newest.length = 0;
  }

  #receive(message: Message, buffers: ArrayBufferView[]): void {
    if ("answer" in message) this.#requests.settle(message, buffers);
    else if (message.event === "blob") addPart(message, buffers[0], this.#claim);
    else if (message.event === "points") void this.#takePoints(message.points);
    else if (message.event === "layout") void this.#takeLayout(message.layout);
    else if (message.event === "sequence") void this.#takeSequence(message.sequence);
    else if (message.event === "state") this.#takeState(message.state);
    else if (message.event === "info") this.#takeInfo(message.info);
    else if (message.event === "result") void this.#takeResult(message.result);
    else if (message.event === "selection") void this.#takeSelection(message.selection);
    else if (message.event === "placed") this.#takePlaced(message.placed);
    else if (message.event === "roll" && this.#presence.here) this.#presence.sign();
  }

  async #takePoints(points: PointsInfo): Promise<void> {
    if (!(await this.#have(pointsNeed(points)))) return;
    this.#points.value = assemblePoints(points);
    this.#pin();
  }

  async #takeLayout(layout: Layout): Promise<void> {
    if (layout.map < 0 || layout.map >= MOST_MAPS) return;
    const newest = this.#newest[layout.map];
    if (newest && layout.job < newest.job) return;
    this.#newest[layout.map] = layout;
    const here = await this.#have([layout.coords, ...(layout.quality ? [layout.quality] : [])]);
    if (this.life.aborted || this.#newest[layout.map] !== layout) return;
    const drawable = here ? assembleLayout(layout) : null;
    if (!drawable) return;
    if (layout.stage === "partial") this.#owed.set(layout.map, layout);
    const maps = Array.from(
      { length: Math.max(this.#traits.value.maps.length, layout.map + 1) },
      (_, map) => this.#maps.value[map] ?? null,
    );
    this.#maps.value = maps.with(layout.map, drawable);
    this.#pin();
  }

  async #takeSequence(sequence: Sequence): Promise<void> {
    const { coords, displacement } = sequence;
    if ((this.#walk?.job ?? 0) > sequence.job) return;
    this.#walk = sequence;
    const here = await this.#have([...coords, ...(displacement ? [displacement] : [])]);
    if (!here || this.#walk !== sequence) return;
    // Without steps there is no sequence any more.
    this.#sequence.value = coords.length ? (assembleSequence(sequence) ?? this.#sequence.value) : null;
    this.#pin();
  }

  async #takeSelection({ name, ids }: { name: SelectionName; ids: string }): Promise<void> {
    if (!(await this.#have([ids]))) return;
    const { data } = blob(ids) ?? {};
    if (data instanceof Uint32Array) this.#selections.value = { ...this.#selections.value, [name]: data };
    this.#claim.arriving.delete(ids);
  }

  async #takeResult(result: Result): Promise<void> {
    const before = this.#overlay.value?.result;
    if (before && result.job < before.job) return;
    if (!(await this.#have(needs(result)))) return;
    const drawable = assemble(result);
    if (!drawable || (this.#overlay.value?.result.job ?? 0) > result.job) return;
    batch(() => {
      this.#overlay.value = drawable;
      if (this.#info.value) this.#takeInfo(this.#info.value);
    });
    this.#pin();
  }

  #takePlaced(placed: Placed): void {
    const others = this.#placed.value.filter(({ id, map }) => id !== placed.id || map !== placed.map);
    this.#placed.value = [...others, placed];
  }

  #takeState(state: MapState): void {
    // Attributions are counted by themselves.
    const home = state.what === "attribution" ? this.#explaining : this.#state;
    if (state.job < home.value.job) return;
    home.value = state;
    if (state.phase === "running") this.#problem.value = null;
  }

  #takeInfo(info: Info): void {
    this.#info.value = info;
    const luts = lutsOf(info);
    if (Object.keys(luts).length > Object.keys(this.#luts.value).length) this.#luts.value = luts;
  }

  async #loadLuts(): Promise<void> {
    const info = this.#info.value;
    if (info && (await this.#have(Object.values(info.luts)))) this.#takeInfo(info);
  }

  /** `true` when every hash is on the page, after asking the kernel once for what is not. */
  async #have(wanted: string[]): Promise<boolean> {
    const answer = await fetchBlobs(this.#requests, wanted);
    if (answer) this.#report(answer);
    if (wanted.every((hash) => blob(hash))) return true;
    if (answer?.status === "ok") this.#problem.value = "The kernel no longer has the data of this map.";
    return false;
  }

  /** What is on screen stays in the store. */
  #pin(): void {
    const overlay = this.#overlay.value;
    const sequence = this.#sequence.value?.sequence;
    const pinned = [
      ...this.#maps.value.flatMap((map) => (map ? [map.layout.coords, map.layout.quality ?? ""] : [])),
      ...(sequence ? [...sequence.coords, sequence.displacement ?? ""] : []),
      ...(overlay ? needs(overlay.result) : []),
      ...Object.values(this.#info.value?.luts ?? {}),
    ];
    this.#claim.pinned = new Set(pinned);
    for (const hash of pinned) this.#claim.arriving.delete(hash);
  }

  #report(answer: Answer): void {
    if (answer.status === "error")
      this.#problem.value = answer.error?.message ?? "The kernel gave no reason.";
  }
}
