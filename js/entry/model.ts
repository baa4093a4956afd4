/** The part of the notebook that every door knows: anywidget's model, and what a door makes of it. */
import type { Port } from "../host/port.js";
import { atEnd, lifeWithin } from "../lib/lifetime.js";

// biome-ignore lint/suspicious/noExplicitAny: Backbone's events carry what they like
type Listener = (...args: any[]) => void;

/** The part of anywidget's model that is used. */
export interface Model {
  get(name: string): unknown;
  set(name: string, value: unknown): void;
  save_changes(): void;
  on(name: string, callback: Listener): void;
  off(name: string, callback: Listener): void;
  send(content: object, callbacks?: unknown, buffers?: ArrayBufferView[]): void;
}

export interface Context {
  model: Model;
  signal?: AbortSignal;
}

function listen(model: Model, life: AbortSignal, name: string, callback: Listener): void {
  model.on(name, callback);
  atEnd(life, () => model.off(name, callback));
}

/** `defaults` names the traits. */
function portOf<T extends object>(model: Model, defaults: Readonly<T>): Port<T> {
  return {
    get: <K extends keyof T>(name: K) => model.get(String(name)) as T[K] | undefined,
    write(partial) {
      for (const [name, value] of Object.entries(partial)) model.set(name, value);
      model.save_changes();
    },
    send: (message, buffers) => model.send(message, undefined, buffers),
    onTrait(life, changed) {
      for (const name of Object.keys(defaults) as (keyof T & string)[]) {
        listen(model, life, `change:${name}`, () => changed(name));
      }
    },
    onMessage: (life, arrived) => listen(model, life, "msg:custom", arrived),
  };
}

/** A door: one host for all views of a model. */
export function door<T extends object, Host extends { open(view: AbortSignal): void }>(
  defaults: Readonly<T>,
  makeHost: (port: Port<T>, life: AbortSignal) => Host,
  show: (host: Host, el: HTMLElement, life: AbortSignal) => void,
) {
  let host: Host | undefined;

  function initialize({ model, signal }: Context): () => void {
    const life = lifeWithin(signal);
    host = makeHost(portOf(model, defaults), life.signal);
    return () => life.abort();
  }

  function render({ el, signal }: Context & { el: HTMLElement }): () => void {
    if (!host) throw new Error("saliscope: render was called before initialize.");
    const life = lifeWithin(signal);
    el.classList.add("saliscope-host");
    show(host, el, life.signal);
    host.open(life.signal);
    return () => life.abort();
  }

  return { initialize, render };
}
