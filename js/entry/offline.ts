/** The kernel's place in an exported page: it replays what the kernel said, and computes nothing. */
import type { Port } from "../host/port.js";
import { type Info, type PanelSpec, QUESTION, type Result, type State, type Traits } from "../lib/wire.js";
import type { PackedBlob } from "./unpack.js";

export const NO_KERNEL = "This page has no kernel: maps cannot be computed again.";

type Event =
  | { event: "info"; info: Info }
  | { event: "state"; state: State }
  | { event: "result"; result: Result };
type Asked = { id: string; request: string; [more: string]: unknown };

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
  answers: Record<string, Record<string, unknown>>;
  /** Of what was last told about it. */
  job: number;
}

type Hear = (message: unknown, buffers: ArrayBufferView[]) => void;

export class OfflinePort implements Port {
  readonly #traits: Partial<Traits>;
  readonly #computed = new Map<string, Computed>();
  readonly #bytes: ReadonlyMap<string, Uint8Array>;
  #job = 0;
  #hear: Hear = () => {};
  #changed: (name: keyof Traits) => void = () => {};

  /** `bytes` are the blobs, unpacked. */
  constructor(
    private readonly data: PageData,
    bytes: ReadonlyMap<string, Uint8Array>,
  ) {
    this.#traits = { ...data.traits };
    this.#bytes = bytes;
    for (const [panel, key] of this.#panels()) this.#computed.set(key, this.#recall(panel));
  }

  get<K extends keyof Traits>(name: K): Traits[K] | undefined {
    return this.#traits[name] as Traits[K] | undefined;
  }

  write(partial: Partial<Traits>): void {
    const refused = (Object.keys(partial) as (keyof Traits)[]).filter(
      (name) => !this.#allows(name, partial[name]),
    );
    const moved = "compare" in partial && !refused.includes("compare");
    for (const [name, value] of Object.entries(partial))
      if (!refused.includes(name as keyof Traits)) Object.assign(this.#traits, { [name]: value });
    // Not at once: whoever writes has not finished taking its own value.
    queueMicrotask(() => {
      for (const name of refused) {
        Object.assign(this.#traits, { [name]: structuredClone(this.#traits[name]) });
        this.#changed(name);
      }
      if (refused.length > 0) this.#say(NO_KERNEL);
      if (moved) this.#tellAll();
    });
  }

  send(message: object): void {
    const asked = message as Asked;
    queueMicrotask(() => this.#answer(asked));
  }

  onTrait(life: AbortSignal, changed: (name: keyof Traits) => void): void {
    this.#changed = changed;
    life.addEventListener("abort", () => {
      this.#changed = () => {};
    });
  }

  onMessage(life: AbortSignal, arrived: Hear): void {
    this.#hear = arrived;
    life.addEventListener("abort", () => {
      this.#hear = () => {};
    });
  }

  /** Looks go their way; a question only where its answer is in the page. */
  #allows(name: keyof Traits, value: unknown): boolean {
    if (name === "compare")
      return (value as PanelSpec[]).every((spec) => isDerived(spec) || this.#computed.has(canonical(spec)));
    return (
      !(QUESTION as readonly string[]).includes(name) || canonical(value) === canonical(this.#traits[name])
    );
  }

  /** Places and keys of all panels that ask something. */
  #panels(): [number, string][] {
    const specs = [{}, ...(this.#traits.compare ?? [])];
    return specs.flatMap((spec, panel) =>
      isDerived(spec) ? [] : [[panel, canonical(spec)] as [number, string]],
    );
  }

  #recall(panel: number): Computed {
    const found: Computed = { result: null, state: null, answers: {}, job: 0 };
    for (const event of this.data.events) {
      if (event.event === "result" && event.result.panel === panel) found.result = event.result;
      if (event.event === "state" && event.state.panel === panel) found.state = event.state;
    }
    for (const [request, panels] of Object.entries(this.data.answers))
      if (panels[panel]) found.answers[request] = panels[panel];
    return found;
  }

  #answer(asked: Asked): void {
    const { id, request } = asked;
    if (request === "hello" || request === "blobs") {
      if (request === "hello") this.#welcome(asked.have as string[]);
      else for (const hash of asked.hashes as string[]) this.#sendBlob(hash);
      this.#hear({ answer: id, status: "ok" }, []);
    } else if (request === "here" || request === "bye") this.#hear({ answer: id, status: "ok" }, []);
    else if (request === "export" && asked.format === "json" && this.data.record !== null) {
      const result = { name: "record.json", type: "application/json" };
      this.#hear({ answer: id, status: "ok", result }, [new TextEncoder().encode(this.data.record)]);
    } else if (request === "gradients" || request === "predictions")
      this.#lookUp(id, request, Number(asked.panel ?? 0));
    else this.#refuse(id, NO_KERNEL);
  }

  #welcome(have: string[]): void {
    const known = new Set(have);
    for (const event of this.data.events) {
      if (event.event !== "info") continue;
      for (const hash of Object.values(event.info.luts)) if (!known.has(hash)) this.#sendBlob(hash);
      this.#hear({ event: "info", info: { ...event.info, offline: true } }, []);
    }
    this.#tellAll(known);
  }

  /** What is known of every panel, with newer numbers than what was told before. */
  #tellAll(known: ReadonlySet<string> = new Set(this.#bytes.keys())): void {
    for (const [panel, key] of this.#panels()) {
      const found = this.#computed.get(key);
      if (!found) continue;
      const job = ++this.#job;
      found.job = job;
      if (found.result) {
        for (const hash of needs(found.result)) if (!known.has(hash)) this.#sendBlob(hash);
        this.#hear({ event: "result", result: { ...found.result, panel, job, can_refine: false } }, []);
      }
      if (found.state) this.#hear({ event: "state", state: { ...found.state, panel, job } }, []);
    }
  }

  #lookUp(id: string, request: string, panel: number): void {
    const key = this.#panels().find(([place]) => place === panel)?.[1];
    const found = key === undefined ? undefined : this.#computed.get(key);
    const result = found?.answers[request];
    if (!found || !result) {
      this.#refuse(
        id,
        `This page was saved without the ${request} along the path, and has no kernel to ask.`,
      );
      return;
    }
    if (typeof result.stack === "string") this.#sendBlob(result.stack);
    this.#hear({ answer: id, status: "ok", result: { ...result, job: found.job } }, []);
  }

  #refuse(id: string, message: string): void {
    this.#hear({ answer: id, status: "error", error: { type: "NoKernel", message } }, []);
  }

  /** In the status line of the active panel. */
  #say(text: string): void {
    for (const [panel, key] of this.#panels()) {
      const found = this.#computed.get(key);
      if (panel === (this.#traits.panel ?? 0) && found?.state)
        this.#hear({ event: "state", state: { ...found.state, panel, job: found.job, text } }, []);
    }
  }

  #sendBlob(hash: string): void {
    const header = this.data.blobs[hash];
    const bytes = this.#bytes.get(hash);
    if (!header || !bytes) return;
    const { dtype, shape, scale } = header;
    this.#hear({ event: "blob", hash, part: 0, parts: 1, dtype, shape, scale }, [bytes]);
  }
}

function needs({ picture, map, path }: Result): string[] {
  return [picture, map, ...(path ? [path.stack, path.baseline] : [])];
}

function isDerived(spec: PanelSpec): boolean {
  return "difference" in spec || "average" in spec;
}

/** JSON with its keys in order: equal for equal content. */
function canonical(value: unknown): string {
  return JSON.stringify(value, (_, part) =>
    part && typeof part === "object" && !Array.isArray(part)
      ? Object.fromEntries(Object.entries(part).sort())
      : part,
  );
}
