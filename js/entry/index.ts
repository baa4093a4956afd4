/** anywidget's door: the only file that knows the notebook. */
import "../ui/index.css";
import "../views/saliency/index.css";
import { Host } from "../host/host.js";
import type { Port } from "../host/port.js";
import { atEnd, lifeWithin, react } from "../lib/lifetime.js";
import { DEFAULTS, type Traits } from "../lib/wire.js";
import { SaliencyView } from "../views/saliency/index.js";

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

function portOf(model: Model): Port {
  return {
    get: <K extends keyof Traits>(name: K) => model.get(name) as Traits[K] | undefined,
    write(partial) {
      for (const [name, value] of Object.entries(partial)) model.set(name, value);
      model.save_changes();
    },
    send: (message) => model.send(message),
    onTrait(life, changed) {
      for (const name of Object.keys(DEFAULTS) as (keyof Traits)[]) {
        listen(model, life, `change:${name}`, () => changed(name));
      }
    },
    onMessage: (life, arrived) => listen(model, life, "msg:custom", arrived),
  };
}

/** One host for all views of a model. */
export default function widget() {
  let host: Host | undefined;

  function initialize({ model, signal }: Context): () => void {
    const life = lifeWithin(signal);
    host = new Host(portOf(model), life.signal);
    return () => life.abort();
  }

  function render({ el, signal }: Context & { el: HTMLElement }): () => void {
    if (!host) throw new Error("saliscope: render was called before initialize.");
    const life = lifeWithin(signal);
    show(host, el, life.signal);
    host.open(life.signal);
    return () => life.abort();
  }

  return { initialize, render };
}

export function show(host: Host, el: HTMLElement, life: AbortSignal): void {
  const view = new SaliencyView(el, {
    onCommit: (partial) => host.commit(partial),
    onRequest: (kind, extra) => host.request(kind, extra),
  });
  const { info, states, drawables, luts, problem, traits } = host;
  const sources = { info, states, luts, drawables, problem, traits };
  for (const [name, source] of Object.entries(sources))
    react(life, () => view.update({ [name]: source.value }));
  atEnd(life, () => view.destroy());
}
