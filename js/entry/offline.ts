/** The kernel's place in an exported page: it replays what the kernel said, and computes nothing. */
import { needs, trialNeeds } from "../host/results.js";
import {
  type Info,
  type PanelSpec,
  QUESTION,
  type Result,
  type State,
  type Traits,
  type Trial,
} from "../lib/wire.js";
import { type Asked, canonical, type Found, NO_KERNEL, Replay } from "./replay.js";
import type { PackedBlob } from "./unpack.js";

type Event =
  | { event: "info"; info: Info }
  | { event: "state"; state: State }
  | { event: "result"; result: Result }
  | { event: "trial"; trial: Trial };

/** What `saliscope.render.html.page` writes into the page. */
export interface PageData {
  traits: Partial<Traits>;
  events: Event[];
  /** By request and panel. */
  answers: Record<string, Record<string, Record<string, unknown>>>;
  record: string | null;
  blobs: Record<string, PackedBlob>;
}

/** A question that was computed, wherever on screen its panel stands now. */
interface Computed {
  result: Result | null;
  state: State | null;
  trial: Trial | null;
  answers: Record<string, Record<string, unknown>>;
  /** Of what was last told about it. */
  job: number;
}

const ASKING: ReadonlySet<string> = new Set<keyof Traits>([...QUESTION, "trial"]);

export class OfflinePort extends Replay<Traits> {
  readonly #computed = new Map<string, Computed>();
  #job = 0;

  constructor(
    private readonly data: PageData,
    bytes: ReadonlyMap<string, Uint8Array>,
  ) {
    super(data.traits, data.blobs, bytes);
    for (const [panel, key] of this.#panels()) this.#computed.set(key, this.#recall(panel));
  }

  /** Looks go their way; a question only where its answer is in the page. */
  protected allows(name: keyof Traits, value: unknown): boolean {
    if (name === "compare")
      return (value as PanelSpec[]).every((spec) => isDerived(spec) || this.#computed.has(canonical(spec)));
    return !ASKING.has(name) || canonical(value) === canonical(this.traits[name]);
  }

  protected refused(): void {
    this.#say(NO_KERNEL);
  }

  protected override taken(names: readonly (keyof Traits)[]): void {
    if (names.includes("compare")) this.#tellAll();
  }

  protected welcome(known: ReadonlySet<string>): void {
    for (const event of this.data.events) {
      if (event.event !== "info") continue;
      this.sendBlobs(Object.values(event.info.luts), known);
      this.tell({ event: "info", info: { ...event.info, offline: true } });
    }
    this.#tellAll(known);
  }

  protected find({ request, panel, format }: Asked): Found | string {
    if (request === "export" && format === "json" && this.data.record !== null) {
      const result = { name: "record.json", type: "application/json" };
      return [result, new TextEncoder().encode(this.data.record)];
    }
    if (request === "gradients" || request === "predictions")
      return this.#lookUp(request, Number(panel ?? 0));
    return NO_KERNEL;
  }

  /** Places and keys of all panels that ask something. */
  #panels(): [number, string][] {
    const specs = [{}, ...(this.traits.compare ?? [])];
    return specs.flatMap((spec, panel) =>
      isDerived(spec) ? [] : [[panel, canonical(spec)] as [number, string]],
    );
  }

  #recall(panel: number): Computed {
    const found: Computed = { result: null, state: null, trial: null, answers: {}, job: 0 };
    for (const event of this.data.events) {
      if (event.event === "result" && event.result.panel === panel) found.result = event.result;
      if (event.event === "state" && event.state.panel === panel) found.state = event.state;
      if (event.event === "trial" && event.trial.panel === panel) found.trial = event.trial;
    }
    for (const [request, panels] of Object.entries(this.data.answers))
      if (panels[panel]) found.answers[request] = panels[panel];
    return found;
  }

  /** What is known of every panel, with newer numbers than what was told before. */
  #tellAll(known: ReadonlySet<string> = new Set(this.bytes.keys())): void {
    for (const [panel, key] of this.#panels()) {
      const found = this.#computed.get(key);
      if (!found) continue;
      const job = ++this.#job;
      found.job = job;
      if (found.result) {
        this.sendBlobs(needs(found.result), known);
        this.tell({ event: "result", result: { ...found.result, panel, job, can_refine: false } });
      }
      // That of an older map is told with a number that is nobody's.
      if (found.trial) {
        this.sendBlobs(trialNeeds(found.trial), known);
        const own = found.trial.job === found.result?.job ? job : -1;
        this.tell({ event: "trial", trial: { ...found.trial, panel, job: own } });
      }
      if (found.state) this.tell({ event: "state", state: { ...found.state, panel, job } });
    }
  }

  #lookUp(request: string, panel: number): Found | string {
    const key = this.#panels().find(([place]) => place === panel)?.[1];
    const found = key === undefined ? undefined : this.#computed.get(key);
    const result = found?.answers[request];
    if (!found || !result)
      return `This page was saved without the ${request} along the path, and has no kernel to ask.`;
    if (typeof result.stack === "string") this.sendBlobs([result.stack]);
    return [{ ...result, job: found.job }];
  }

  /** In the status line of the active panel. */
  #say(text: string): void {
    for (const [panel, key] of this.#panels()) {
      const found = this.#computed.get(key);
      if (panel === (this.traits.panel ?? 0) && found?.state)
        this.tell({ event: "state", state: { ...found.state, panel, job: found.job, text } });
    }
  }
}

function isDerived(spec: PanelSpec): boolean {
  return "difference" in spec || "average" in spec;
}
