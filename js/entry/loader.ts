/**
 * What every widget carries, and every saved notebook with it. It asks the kernel for the front end, once for a
 * page however many widgets are on it, and hands over. anywidget imports it from a blob URL; so is the front end.
 */
import type { Context, Model } from "./index.js";

type Front = ReturnType<typeof import("./index.js").default>;

interface Loaded {
  make(): Front;
  css: string;
}

/** Written in by Python: the bundles of two installations may meet on one page. */
const BUNDLE = "__SALISCOPE_BUNDLE__";
const KEY = Symbol.for("saliscope.bundles");
const WAITING = 800;
const page = globalThis as { [KEY]?: Map<string, Promise<Loaded>> };

function fetchBundle(model: Model, life: AbortSignal): Promise<Loaded> {
  page[KEY] ??= new Map();
  const bundles = page[KEY];
  const known = bundles.get(BUNDLE);
  // If the widget that asked goes before its answer comes, the next one asks.
  if (known) return known.catch(() => (life.aborted ? known : fetchBundle(model, life)));
  const asked = ask(model, life).then(load);
  bundles.set(BUNDLE, asked);
  asked.catch(() => bundles.delete(BUNDLE));
  return asked;
}

function ask(model: Model, life: AbortSignal): Promise<DataView[]> {
  const id = `code-${BUNDLE}`;
  return new Promise((resolve, reject) => {
    const hear = (message: { answer?: string }, buffers: DataView[]) => {
      if (message.answer !== id) return;
      model.off("msg:custom", hear);
      resolve(buffers);
    };
    model.on("msg:custom", hear);
    life.addEventListener("abort", () => {
      model.off("msg:custom", hear);
      reject(new Error("closed"));
    });
    try {
      model.send({ id, request: "code" });
    } catch (error) {
      model.off("msg:custom", hear);
      reject(error);
    }
  });
}

async function load([code, css]: DataView[]): Promise<Loaded> {
  const text = (bytes: DataView) => new TextDecoder().decode(bytes);
  const url = URL.createObjectURL(new Blob([text(code)], { type: "text/javascript" }));
  try {
    const module = await import(/* webpackIgnore: true */ url);
    return { make: module.default, css: text(css) };
  } finally {
    URL.revokeObjectURL(url);
  }
}

/** One style sheet for each document or shadow root. */
function dress(el: HTMLElement, css: string): void {
  const root = el.getRootNode();
  const home = root instanceof ShadowRoot ? root : document.head;
  if (home.querySelector(`style[data-saliscope="${BUNDLE}"]`)) return;
  const style = document.createElement("style");
  style.dataset.saliscope = BUNDLE;
  style.textContent = css;
  home.append(style);
}

/** Says why there is nothing yet; text only, for there are no styles yet either. */
function words(el: HTMLElement, text: string): HTMLElement {
  const line = document.createElement("p");
  line.setAttribute("role", "status");
  line.textContent = text;
  el.append(line);
  return line;
}

export default function widget() {
  let loaded: Promise<{ front: Front; css: string }>;

  function initialize({ model, signal }: Context): () => void {
    const life = new AbortController();
    signal?.addEventListener("abort", () => life.abort(), { once: true });
    loaded = fetchBundle(model, life.signal).then(({ make, css }) => {
      const front = make();
      if (!life.signal.aborted) front.initialize({ model, signal: life.signal });
      return { front, css };
    });
    loaded.catch(() => {}); // said where there is room to say it
    return () => life.abort();
  }

  async function render({ model, el, signal }: Context & { el: HTMLElement }) {
    let ended = false;
    signal?.addEventListener("abort", () => {
      ended = true;
    });
    let line: HTMLElement | undefined;
    const timer = setTimeout(() => {
      line = words(el, "Saliscope is waiting for the kernel.");
    }, WAITING);
    try {
      const { front, css } = await loaded;
      if (ended) return;
      dress(el, css);
      return front.render({ model, el, signal });
    } catch {
      words(el, "Saliscope has no kernel to talk to. Start it and run the cell again.");
    } finally {
      clearTimeout(timer);
      line?.remove();
    }
  }

  return { initialize, render };
}
