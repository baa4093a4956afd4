/** A view of attributions on any page: it takes plain values and says what the reader wants. */
import { batch, react, type Signal } from "../../lib/lifetime.js";
import { watchShade } from "../../lib/theme.js";
import type { Drawable, Info, Luts, State, Traits, Tried } from "../../lib/wire.js";
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

/** What one view is called, and what it is made of. */
interface Kind {
  label: string;
  testid: string;
  build(root: HTMLElement, store: Store, life: AbortSignal): void;
}

export class View {
  readonly #store: Store;
  readonly #root = document.createElement("div");
  readonly #life = new AbortController();
  #traits: Partial<Traits> = {};

  constructor(element: HTMLElement, props: ExplorerProps, kind: Kind) {
    this.#store = new Store(props);
    this.update(props);
    this.#build(kind);
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

  #build({ label, testid, build }: Kind): void {
    const life = this.#life.signal;
    const store = this.#store;
    const root = this.#root;
    root.className = "saliscope";
    root.tabIndex = -1; // a click anywhere inside makes the keys work
    root.setAttribute("role", "group");
    root.setAttribute("aria-label", label);
    Object.assign(root.dataset, { testid, lmSuppressShortcuts: "true" });
    build(root, store, life);
    const shade = watchShade(life);
    react(life, () => {
      const wanted = store.traits.theme.value;
      root.dataset.theme = wanted === "auto" ? shade.value : wanted;
      root.toggleAttribute("data-forced", wanted !== "auto");
      root.dataset.mode = store.traits.mode.value;
      root.setAttribute("aria-busy", String(store.running.value));
    });
  }
}
