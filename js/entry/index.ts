/** anywidget's door to the SaliencyExplorer. */
import "../ui/index.css";
import "../views/saliency/index.css";
import { Host } from "../host/host.js";
import { atEnd, react } from "../lib/lifetime.js";
import { DEFAULTS } from "../lib/wire.js";
import { SaliencyView } from "../views/saliency/index.js";
import { door } from "./model.js";

export type { Context, Model } from "./model.js";

export default function widget() {
  return door(DEFAULTS, (port, life) => new Host(port, life), show);
}

export function show(host: Host, el: HTMLElement, life: AbortSignal): void {
  const view = new SaliencyView(el, {
    onCommit: (partial) => host.commit(partial),
    onRequest: (kind, extra) => host.request(kind, extra),
  });
  const { info, states, drawables, tried, trialState, luts, problem, traits } = host;
  const sources = { info, states, luts, drawables, tried, trialState, problem, traits };
  for (const [name, source] of Object.entries(sources))
    react(life, () => view.update({ [name]: source.value }));
  atEnd(life, () => view.destroy());
}
