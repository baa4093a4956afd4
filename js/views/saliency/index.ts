/** The SaliencyExplorer on any page: it takes plain values and says what the reader wants. */
import { batch, react, type Signal, untracked } from "../../lib/lifetime.js";
import { watchShade } from "../../lib/theme.js";
import type { Drawable, Info, Luts, State, Traits, Tried } from "../../lib/wire.js";
import { keepFocus } from "../../ui/focus.js";
import { make } from "../../ui/mount.js";
import { fetchMore, more } from "./behind.js";
import { Controls } from "./controls.js";
import { mountWarning } from "./legend.js";
import { Path } from "./path.js";
import { Pictures } from "./pictures.js";
import { Shell } from "./shell.js";
import { mountError, mountStatus } from "./status.js";
import { type Actions, Store } from "./store.js";

/** Everything that comes from outside; `update` takes any part of it. */
export interface ExplorerValues {
  info: Info | null;
  /** By panel, the lead first. */
  states: readonly State[];
  drawables: readonly (Drawable | null)[];
  tried: readonly (Tried | null)[];
  trialState: State;
  luts: Luts;
  problem: string | null;
  traits: Traits;
}

export interface ExplorerProps extends Partial<ExplorerValues>, Actions {}

export class SaliencyView {
  readonly #store: Store;
  readonly #root = document.createElement("div");
  readonly #life = new AbortController();
  #traits: Partial<Traits> = {};

  constructor(element: HTMLElement, props: ExplorerProps) {
    this.#store = new Store(props);
    this.update(props);
    this.#build();
    element.append(this.#root);
  }

  update({ traits, ...values }: Partial<ExplorerValues>): void {
    const store = this.#store;
    batch(() => {
      for (const [name, value] of Object.entries(values))
        if (value !== undefined && name in store) (store[name as "problem"] as Signal<unknown>).value = value;
      if (traits) this.#takeTraits(traits);
    });
  }

  destroy(): void {
    this.#life.abort();
    this.#root.remove();
  }

  /** Only what changed outside: a slider under the hand must not jump because another trait was written. */
  #takeTraits(traits: Traits): void {
    const changed = Object.entries(traits).filter(
      ([name, value]) => this.#traits[name as keyof Traits] !== value,
    );
    this.#traits = traits;
    this.#store.take(Object.fromEntries(changed));
  }

  #build(): void {
    const life = this.#life.signal;
    const store = this.#store;
    const root = this.#root;
    root.className = "saliscope";
    root.tabIndex = -1; // a click anywhere inside makes the keys work
    const bare = store.traits.mode.value === "bare";
    root.setAttribute("role", "group");
    root.setAttribute("aria-label", bare ? "Attribution" : "Saliency explorer");
    Object.assign(root.dataset, { testid: bare ? "overlay" : "explorer", lmSuppressShortcuts: "true" });

    if (bare) this.#buildBare();
    else this.#buildWhole();
    const shade = watchShade(life);
    react(life, () => {
      const wanted = store.traits.theme.value;
      root.dataset.theme = wanted === "auto" ? shade.value : wanted;
      root.toggleAttribute("data-forced", wanted !== "auto");
      root.dataset.mode = store.traits.mode.value;
      root.setAttribute("aria-busy", String(store.running.value));
    });
  }

  /** Inside another view, which has controls, status and keys of its own. */
  #buildBare(): void {
    const centre = make("div", "centre", this.#root);
    new Pictures(make("div", "panels", centre), this.#store, this.#root, this.#life.signal);
  }

  #buildWhole(): void {
    const life = this.#life.signal;
    const store = this.#store;
    const root = this.#root;
    const shell = new Shell(store.said, life);
    const top = make("header", "top", root);
    const tools = make("div", "toolbar", top);
    const controls = new Controls(top, store, tools, life);
    mountError(make("div", "problem", root), store, life);
    const body = make("div", "body", root);
    const centre = make("div", "centre", body);
    new Pictures(make("div", "panels", centre), store, root, life);
    mountWarning(make("p", "warning", centre), store, life);
    const trial = make("section", "trial", centre);
    const { player } = new Path(make("div", "below", centre), store, life);
    const inspector = make("aside", "inspector", body);
    const guide = make("aside", "guide", body);
    mountStatus(make("footer", "status", root), store, shell, life);
    const { states, drawables, traits } = store;
    keepFocus(
      root,
      () => [
        states.value,
        drawables.value,
        traits.compare.value,
        traits.mode.value,
        traits.trial.value,
        traits.taken.value,
      ],
      life,
    );
    react(life, () => {
      const { mountMore } = more.value ?? {};
      if (mountMore)
        untracked(() =>
          mountMore({ root, controls, tools, inspector, guide, trial, store, shell, player }, life),
        );
    });
    fetchMore().catch(() => {
      store.problem.value ??= "A part of Saliscope did not arrive. Run the cell again.";
    });

    react(life, () => {
      const guided = store.traits.mode.value === "guided";
      inspector.hidden = guided || store.folded.value || !store.inspector.value;
      root.toggleAttribute("data-folded", store.folded.value);
      root.toggleAttribute("data-judging", store.judging.value);
      guide.hidden = !guided;
      // The tour lifts its veil itself, once it is there.
      if (!more.value) root.toggleAttribute("data-veiled", guided);
    });
  }
}
