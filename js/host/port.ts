import type { Traits } from "../lib/wire.js";

/** What a host needs of a notebook's model: `entry` makes one from anywidget, the demo from nothing. */
export interface Port<T = Traits> {
  /** The value of a trait as the kernel last knew it. */
  get<K extends keyof T>(name: K): T[K] | undefined;
  /** Writes traits and sends them, as one message. */
  write(partial: Partial<T>): void;
  send(message: object, buffers?: ArrayBufferView[]): void;
  /** Calls back with the name of a trait that changed, until `life` ends. */
  onTrait(life: AbortSignal, changed: (name: keyof T) => void): void;
  onMessage(life: AbortSignal, arrived: (message: unknown, buffers: ArrayBufferView[]) => void): void;
}

/** All traits as the kernel last knew them. */
export function readTraits<T extends object>(port: Port<T>, defaults: Readonly<T>): T {
  const traits: T = { ...defaults };
  for (const name of Object.keys(defaults) as (keyof T)[]) {
    traits[name] = (port.get(name) ?? defaults[name]) as T[typeof name];
  }
  return traits;
}
