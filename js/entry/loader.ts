/**
 * What every widget carries, and every saved notebook with it. It asks the kernel for the front end, once for a
 * page however many widgets are on it, and hands over. anywidget imports it from a blob URL; so are the files of
 * the front end, where a relative import leads nowhere: each of them is written anew with the URLs of the others.
 */
import type { Context, Model } from "./model.js";

type Front = ReturnType<typeof import("./index.js").default>;
type Module = { default: () => Front };

/** Names of files; each has a digest of its content in it, so that two installations may meet on one page. */
interface Files {
  entry: string;
  style: string;
  /** What the first picture takes. */
  first: readonly string[];
  /** The rest, on its way right behind. */
  rest: readonly string[];
}

/** Written in by Python, from what the build says. */
const FILES = "__SALISCOPE_FILES__" as unknown as Files;
const WAITING = 800;

/** What has come to this page, in whatever version. */
interface Page {
  /** By names. */
  asked: Map<string, Promise<void>>;
  /** URLs of code, styles themselves. */
  here: Record<string, string>;
  waiting: Set<() => void>;
  /** The module, as soon as it has arrived: what `import("./name")` becomes. */
  open(name: string): Promise<unknown>;
}

const home = globalThis as { saliscope1?: Page };
home.saliscope1 ??= {
  asked: new Map(),
  here: {},
  waiting: new Set(),
  open: (name) =>
    new Promise((resolve) => {
      const look = () => {
        const url = page.here[name];
        if (url) resolve(import(/* webpackIgnore: true */ url));
        return url && page.waiting.delete(look);
      };
      if (!look()) page.waiting.add(look);
    }),
};
const page = home.saliscope1;

/** Of what other files are named in a file; only those named before it. */
const IMPORTS = /\b(from|import)\s*(\(?)"\.\/([\w.-]+\.js)"/g;

/** Keeps files that have come, each after those that it imports. Never revoked: others import it by the same URL. */
function take(name: string, bytes: DataView): void {
  const text = new TextDecoder().decode(bytes);
  const linked = () =>
    text.replace(IMPORTS, (_, word, later, other) =>
      later ? `saliscope1.open("${other}"` : `${word}"${page.here[other]}"`,
    );
  const isCode = name.endsWith("js");
  page.here[name] ??= isCode ? URL.createObjectURL(new Blob([linked()], { type: "text/javascript" })) : text;
  for (const look of page.waiting) look();
}

/** If the widget that asked goes before its answer comes, the next one asks. */
function fetchFiles(
  names: readonly string[],
  model: Model,
  life: AbortSignal,
  after?: Promise<void>,
): Promise<void> {
  const { asked } = page;
  const key = names.join();
  const known = asked.get(key);
  if (known) return known.catch(() => (life.aborted ? known : fetchFiles(names, model, life, after)));
  const coming = ask(key, names, model, life).then(async (buffers) => {
    await after;
    for (const [i, name] of names.entries()) take(name, buffers[i]);
  });
  asked.set(key, coming);
  coming.catch(() => asked.delete(key));
  return coming;
}

function ask(id: string, files: readonly string[], model: Model, life: AbortSignal): Promise<DataView[]> {
  return new Promise((resolve, reject) => {
    const end = () => {
      model.off("msg:custom", hear);
      reject(); // a promise that is resolved stays so
    };
    const hear = (message: { answer?: string }, buffers: DataView[]) => {
      if (message.answer !== id) return;
      if (buffers.length) resolve(buffers);
      end();
    };
    model.on("msg:custom", hear);
    life.addEventListener("abort", end);
    try {
      model.send({ id, request: "code", files });
    } catch {
      end();
    }
  });
}

async function load(model: Model, life: AbortSignal): Promise<Front> {
  const first = fetchFiles(FILES.first, model, life);
  fetchFiles(FILES.rest, model, life, first).catch(() => {}); // the next widget asks again
  await first;
  return ((await page.open(FILES.entry)) as Module).default();
}

/** One style sheet for each document or shadow root. */
function dress(el: HTMLElement): void {
  const root = el.getRootNode();
  const home = root instanceof ShadowRoot ? root : document.head;
  if (home.querySelector(`style[data-saliscope="${FILES.style}"]`)) return;
  const style = document.createElement("style");
  style.dataset.saliscope = FILES.style;
  style.textContent = page.here[FILES.style];
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
  let loaded: Promise<Front>;

  function initialize({ model, signal }: Context): () => void {
    const life = new AbortController();
    signal?.addEventListener("abort", () => life.abort(), { once: true });
    loaded = load(model, life.signal).then((front) => {
      if (!life.signal.aborted) front.initialize({ model, signal: life.signal });
      return front;
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
      const front = await loaded;
      if (ended) return;
      dress(el);
      return front.render({ model, el, signal });
    } catch {
      words(el, "Saliscope's kernel does not answer. Start it and run the cell again.");
    } finally {
      clearTimeout(timer);
      line?.remove();
    }
  }

  return { initialize, render };
}
