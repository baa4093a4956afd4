/** anywidget's door to the EmbeddingExplorer. In its side panel the attributions have a view of their own. */
import "../ui/index.css";
import "../views/saliency/index.css";
import "../views/embedding/index.css";
import { EmbeddingHost } from "../host/embedding.js";
import { atEnd, lifeWithin, react, signal } from "../lib/lifetime.js";
import { MAP_DEFAULTS } from "../lib/map_wire.js";
import { DEFAULTS, IDLE, type Traits } from "../lib/wire.js";
import { EmbeddingView } from "../views/embedding/index.js";
import { door } from "./model.js";

export type { Context, Model } from "./model.js";

export default function widget() {
  return door(MAP_DEFAULTS, (port, life) => new EmbeddingHost(port, life), show);
}

export function show(host: EmbeddingHost, el: HTMLElement, life: AbortSignal): void {
  const view = new EmbeddingView(el, {
    onCommit: (partial) => host.commit(partial),
    onRequest: (kind, extra, buffers) => host.request(kind, extra, buffers),
    onFetch: (hash) => host.fetch(hash),
    onDrawn: (layout) => host.drawn(layout),
    onSlot: (element) => fill(element, host, life),
  });
  const { points, maps, sequence, state, explaining, selections, placed, luts, overlay, problem, traits } =
    host;
  const sources = {
    traits,
    points,
    maps,
    sequence,
    state,
    explaining,
    selections,
    placed,
    luts,
    overlay,
    problem,
  };
  for (const [name, source] of Object.entries(sources))
    react(life, () => view.update({ [name]: source.value }));
  atEnd(life, () => view.destroy());
}

/** The attribution over its picture; the code for it comes when somebody first looks. */
function fill(element: HTMLElement, host: EmbeddingHost, outer: AbortSignal): () => void {
  const life = lifeWithin(outer);
  void import("../views/saliency/bare.js").then(
    ({ BareView }) => {
      if (life.signal.aborted) return;
      const traits = signal<Traits>({ ...DEFAULTS, mode: "bare" });
      const view = new BareView(element, {
        traits: traits.value,
        onCommit: (partial) => {
          traits.value = { ...traits.value, ...partial };
        },
        // It has no controls, so it asks nothing.
        onRequest: async () => ({ answer: "", status: "cancelled", buffers: [] }),
      });
      react(life.signal, () => {
        const info = host.info.value;
        // Rows count from 0 here, pictures of an explorer from 1: this one has no number.
        view.update({ info: info && { ...info, images: 1 }, luts: host.luts.value });
      });
      react(life.signal, () => {
        const { theme } = host.traits.value;
        view.update({ traits: { ...traits.value, theme } });
      });
      react(life.signal, () => {
        const drawable = host.overlay.value;
        view.update({ drawables: [drawable], states: [{ ...IDLE, phase: drawable ? "done" : "idle" }] });
      });
      atEnd(life.signal, () => view.destroy());
    },
    () => {
      element.textContent = "The view of attributions did not arrive. Run the cell again.";
    },
  );
  return () => life.abort();
}
