/** The kernel's place in a saved page, whichever explorer's: traits that are only kept, requests that are looked up. */
import type { BlobPart } from "../host/blobs.js";
import type { Port } from "../host/port.js";
import type { PackedBlob } from "./unpack.js";

export const NO_KERNEL = "This page has no kernel: maps cannot be computed again.";

export type Asked = { id: string; request: string; [more: string]: unknown };
/** A request's result, as the kernel gave it, and buffers that go with it. */
export type Found = [result?: Record<string, unknown>, ...buffers: ArrayBufferView[]];

type Hear = (message: unknown, buffers: ArrayBufferView[]) => void;

export abstract class Replay<T extends object> implements Port<T> {
  protected readonly traits: Partial<T>;
  #hear: Hear = () => {};
  #changed: (name: keyof T) => void = () => {};

  /** `bytes` are the blobs, unpacked. */
  constructor(
    traits: Partial<T>,
    private readonly headers: Record<string, PackedBlob>,
    protected readonly bytes: ReadonlyMap<string, Uint8Array>,
  ) {
    this.traits = { ...traits };
  }

  /** Whether the page can show what the trait asks for. */
  protected abstract allows(name: keyof T, value: unknown): boolean;
  /** What was not allowed has been taken back: it is said where the reader looks. */
  protected abstract refused(): void;
  /** These traits have new values. */
  protected taken(_names: readonly (keyof T)[]): void {}
  /** All that is known, to a page which has these blobs. */
  protected abstract welcome(known: ReadonlySet<string>): void;
  /** The answer to any other request; a sentence where there is none. */
  protected abstract find(asked: Asked): Found | string | Promise<Found | string>;

  get<K extends keyof T>(name: K): T[K] | undefined {
    return this.traits[name];
  }

  write(partial: Partial<T>): void {
    const names = Object.keys(partial) as (keyof T)[];
    const refused = names.filter((name) => !this.allows(name, partial[name]));
    const taken = names.filter((name) => !refused.includes(name));
    for (const name of taken) this.traits[name] = partial[name];
    // Not at once: whoever writes has not finished taking its own value.
    queueMicrotask(() => {
      for (const name of refused) {
        this.traits[name] = structuredClone(this.traits[name]);
        this.#changed(name);
      }
      if (refused.length > 0) this.refused();
      this.taken(taken);
    });
  }

  send(message: object): void {
    const asked = message as Asked;
    queueMicrotask(() => void this.#answer(asked));
  }

  onTrait(life: AbortSignal, changed: (name: keyof T) => void): void {
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

  protected tell(message: object, ...buffers: ArrayBufferView[]): void {
    this.#hear(message, buffers);
  }

  /** Only those that the page does not have. */
  protected sendBlobs(hashes: Iterable<string>, known: ReadonlySet<string> = new Set()): void {
    for (const hash of hashes) {
      const { dtype, shape, scale } = this.headers[hash] ?? {};
      const bytes = this.bytes.get(hash);
      if (bytes && !known.has(hash)) this.sendArray({ hash, dtype, shape, scale }, bytes);
    }
  }

  protected sendArray(header: Omit<BlobPart, "part" | "parts">, bytes: Uint8Array): void {
    this.tell({ event: "blob", part: 0, parts: 1, ...header }, bytes);
  }

  async #answer(asked: Asked): Promise<void> {
    const { id, request } = asked;
    const found = KNOWN.has(request) ? this.#greet(asked) : this.find(asked);
    // What can be answered at once is: a page's first picture does not wait for another turn.
    const settled = found instanceof Promise ? await found.catch(String) : found;
    if (typeof settled === "string")
      this.tell({ answer: id, status: "error", error: { type: "NoKernel", message: settled } });
    else {
      const [result, ...buffers] = settled;
      this.tell({ answer: id, status: "ok", ...(result && { result }) }, ...buffers);
    }
  }

  #greet({ request, have, hashes }: Asked): Found {
    if (request === "hello") this.welcome(new Set(have as string[]));
    if (request === "blobs") this.sendBlobs(hashes as string[]);
    return [];
  }
}

const KNOWN: ReadonlySet<string> = new Set(["hello", "blobs", "here", "bye"]);

/** JSON with its keys in order: equal for equal content. */
export function canonical(value: unknown): string {
  return JSON.stringify(value, (_, part) =>
    part && typeof part === "object" && !Array.isArray(part)
      ? Object.fromEntries(Object.entries(part).sort())
      : part,
  );
}
