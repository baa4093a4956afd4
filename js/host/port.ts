import type { Traits } from "../lib/wire.js";

/** What the host needs of a notebook's model: `entry` makes one from anywidget, the demo from nothing. */
export interface Port {
  /** The value of a trait as the kernel last knew it. */
  get<K extends keyof Traits>(name: K): Traits[K] | undefined;
  /** Writes traits and sends them, as one message. */
  write(partial: Partial<Traits>): void;
  send(message: object): void;
  /** Calls back with the name of a trait that changed, until `life` ends. */
  onTrait(life: AbortSignal, changed: (name: keyof Traits) => void): void;
  onMessage(life: AbortSignal, arrived: (message: unknown, buffers: ArrayBufferView[]) => void): void;
}
