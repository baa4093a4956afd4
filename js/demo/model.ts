/** A notebook's model without a notebook: traits, messages, blobs. It counts what the page sends. */
import type { Model } from "../entry/model.js";

type Callback = (...args: unknown[]) => void;

export interface Asked {
  id: string;
  request: string;
}

export abstract class FakeModel implements Model {
  /** Everything the page sent: requests, and "save" for each save_changes. */
  readonly sent: string[] = [];
  /** Hashes that the page has. */
  protected readonly onPage = new Set<string>();
  protected readonly traits: Record<string, unknown>;
  readonly #listeners = new Map<string, Set<Callback>>();
  readonly #blobs = new Map<string, { header: object; buffer: Uint8Array }>();
  readonly #changed = new Set<string>();

  constructor(traits: object) {
    this.traits = { ...traits };
  }

  /** The page has written traits. */
  protected abstract saved(names: string[]): void;
  protected abstract answer(message: Asked, buffers: ArrayBufferView[]): void;

  get(name: string): unknown {
    return this.traits[name];
  }

  set(name: string, value: unknown): void {
    this.traits[name] = value;
    this.#changed.add(name);
    this.emit(`change:${name}`);
  }

  save_changes(): void {
    const names = [...this.#changed];
    this.sent.push(`save ${names.join(" ")}`);
    this.#changed.clear();
    this.saved(names);
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

  send(content: object, _callbacks?: unknown, buffers: ArrayBufferView[] = []): void {
    const message = content as Asked;
    this.sent.push(message.request);
    setTimeout(() => this.answer(message, buffers), 5);
  }

  protected store(buffer: Uint8Array, dtype: string, shape: number[], scale = 1): string {
    let sum = 0x811c9dc5;
    for (const byte of buffer) sum = Math.imul(sum ^ byte, 0x01000193) >>> 0;
    const hash = `${sum.toString(16)}-${buffer.length}-${scale.toPrecision(6)}`;
    this.#blobs.set(hash, { header: { event: "blob", hash, dtype, shape, scale }, buffer });
    return hash;
  }

  /** The bytes behind a hash. */
  protected stored(hash: string): Uint8Array {
    return this.#blobs.get(hash)?.buffer ?? new Uint8Array();
  }

  protected sendBlob(hash: string, again = false): void {
    const blob = this.#blobs.get(hash);
    if (!blob || (this.onPage.has(hash) && !again)) return;
    this.onPage.add(hash);
    const size = 2 ** 20;
    const parts = Math.max(1, Math.ceil(blob.buffer.length / size));
    for (let part = 0; part < parts; part++) {
      const view = blob.buffer.subarray(part * size, (part + 1) * size);
      this.message({ ...blob.header, part, parts }, [
        new DataView(view.buffer, view.byteOffset, view.byteLength),
      ]);
    }
  }

  protected message(content: object, buffers: ArrayBufferView[] = []): void {
    this.emit("msg:custom", content, buffers);
  }
}
