/** Requests to the kernel: each has an id and gets exactly one answer. */
import { atEnd } from "../lib/lifetime.js";
import type { Answer } from "../lib/wire.js";

/** What came with an answer: bytes of a file, for example. */
export type Reply = Answer & { buffers: ArrayBufferView[] };

const GONE = {
  type: "NoKernel",
  message: "The kernel is gone. Start it and run the cell again; what is on screen can still be looked at.",
};

export class Requests {
  readonly #open = new Map<string, (answer: Reply) => void>();

  constructor(
    private readonly send: (message: object, buffers?: ArrayBufferView[]) => void,
    life: AbortSignal,
  ) {
    atEnd(life, () => this.#cancelAll());
  }

  /** Resolves with the kernel's answer, or as cancelled when the page lets go first. */
  ask(request: string, extra: object = {}, buffers?: ArrayBufferView[]): Promise<Reply> {
    const id = newId();
    return new Promise((resolve) => {
      this.#open.set(id, resolve);
      try {
        this.send({ ...extra, id, request }, buffers);
      } catch {
        // A notebook without a kernel cannot send, and throws.
        this.settle({ answer: id, status: "error", error: GONE });
      }
    });
  }

  /** `false` for an answer to nothing: a second one, or another page's. */
  settle(answer: Answer, buffers: ArrayBufferView[] = []): boolean {
    const resolve = this.#open.get(answer.answer);
    if (!resolve) return false;
    this.#open.delete(answer.answer);
    resolve({ ...answer, buffers });
    return true;
  }

  #cancelAll(): void {
    for (const [id, resolve] of this.#open) resolve({ answer: id, status: "cancelled", buffers: [] });
    this.#open.clear();
  }
}

/** 128 random bits; `crypto.randomUUID` is missing where a notebook is served by plain http. */
function newId(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}
