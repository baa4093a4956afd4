/** The EmbeddingExplorer on any page: it takes plain values and says what the reader wants. */
import { nothing } from "lit-html";
import { batch, computed, react, untracked } from "../../lib/lifetime.js";
import { type MapTraits, SELECTIONS } from "../../lib/map_wire.js";
import { watchShade } from "../../lib/theme.js";
import { keepFocus } from "../../ui/focus.js";
import { make, mount } from "../../ui/mount.js";
import { errorBox, statusLine, stopwatch } from "../../ui/status.js";
import { mountBar } from "./bar.js";
import { fetchMore, more } from "./behind.js";
import { mountLegend } from "./legend.js";
import { Panels } from "./panels.js";
import { Scene } from "./scene.js";
import { Shell } from "./shell.js";
import { type Actions, type EmbeddingValues, Store } from "./store.js";
import { mountSweep } from "./sweep.js";

export interface EmbeddingProps extends Partial<EmbeddingValues>, Actions {}

export class EmbeddingView {
  readonly #store: Store;
  readonly #root = document.createElement("div");
  readonly #life = new AbortController();
  #traits: Partial<MapTraits> = {};
  #selections: Partial<EmbeddingValues["selections"]> = {};

  constructor(element: HTMLElement, props: EmbeddingProps) {
    this.#store = new Store(props);
    this.update(props);
    this.#build();
    element.append(this.#root);
  }

  update({ traits, selections, ...values }: Partial<EmbeddingValues>): void {
    const { points, maps, sequence, state, explaining, placed, luts, overlay, problem } = values;
    const store = this.#store;
    batch(() => {
      if (points !== undefined) store.points.value = points;
      if (maps !== undefined) store.maps.value = maps;
      if (sequence !== undefined) store.sequence.value = sequence;
      if (state !== undefined) store.state.value = state;
      if (explaining !== undefined) store.explaining.value = explaining;
      if (placed !== undefined) this.#takePlaced(placed);
      if (luts !== undefined) store.luts.value = luts;
      if (overlay !== undefined) store.overlay.value = overlay;
      if (problem !== undefined) store.problem.value = problem;
      if (traits) this.#takeTraits(traits);
      if (selections) this.#takeSelections(selections);
    });
  }

  destroy(): void {
    this.#life.abort();
    this.#root.remove();
  }

  /** Only what changed outside: a slider under the hand must not jump because another trait was written. */
  #takeTraits(traits: MapTraits): void {
    const changed = Object.entries(traits).filter(
      ([name, value]) => this.#traits[name as keyof MapTraits] !== value,
    );
    this.#traits = traits;
    this.#store.take(Object.fromEntries(changed));
  }

  #takeSelections(selections: EmbeddingValues["selections"]): void {
    for (const name of SELECTIONS) {
      if (this.#selections[name] === selections[name]) continue;
      this.#store.selections[name].value = this.#store.placesOf(selections[name]);
    }
    this.#selections = selections;
  }

  /** The newest one is looked at. */
  #takePlaced(placed: EmbeddingValues["placed"]): void {
    const store = this.#store;
    const known = new Set(store.placed.value.map(({ id }) => id));
    store.placed.value = placed;
    const fresh = placed.find(({ id }) => !known.has(id));
    if (fresh) store.star.value = fresh.id;
  }

  #build(): void {
    const life = this.#life.signal;
    const store = this.#store;
    const root = this.#root;
    root.className = "saliscope embedding";
    root.tabIndex = -1; // a click anywhere inside makes the keys work
    root.setAttribute("role", "group");
    root.setAttribute("aria-label", "Embedding explorer");
    Object.assign(root.dataset, { testid: "embedding", lmSuppressShortcuts: "true" });

    const shell = new Shell(store.said, life);
    const scene = new Scene(store, life);
    const top = make("header", "top", root);
    const tools = make("div", "toolbar", top);
    mountBar(top, scene, life);
    mountProblem(make("div", "problem", root), store, life);
    const body = make("div", "body", root);
    const centre = make("div", "charts", body);
    const panels = new Panels(make("div", "maps", centre), scene, life);
    mountLegend(make("div", "map-legend", centre), scene, life);
    mountSweep(make("div", "sequence", centre), store, life);
    const table = make("div", "table-box", body);
    const side = make("aside", "side", body);
    mountStatus(make("footer", "status", root), store, shell, life);
    keepFocus(root, () => [store.state.value, store.maps.value, store.traits.table.value], life);
    react(life, () => {
      const { mountMore } = more.value ?? {};
      if (mountMore) untracked(() => mountMore({ root, tools, table, side, scene, shell, panels }, life));
    });
    fetchMore().catch(() => {
      store.problem.value ??= "A part of Saliscope did not arrive. Run the cell again.";
    });
    react(life, () => {
      const asTable = store.traits.table.value;
      centre.hidden = asTable;
      table.hidden = !asTable;
      side.hidden = !store.side.value;
      root.setAttribute("aria-busy", String(store.running.value));
    });
    this.#followTheme();
  }

  #followTheme(): void {
    const life = this.#life.signal;
    const shade = watchShade(life);
    react(life, () => {
      const wanted = this.#store.traits.theme.value;
      const theme = wanted === "auto" ? shade.value : wanted;
      this.#root.dataset.theme = theme;
      this.#store.dark.value = theme === "dark";
      this.#root.toggleAttribute("data-forced", wanted !== "auto");
    });
  }
}

function mountProblem(element: HTMLElement, store: Store, life: AbortSignal): void {
  mount(life, element, () => {
    const { error } = store.state.value;
    const message = error?.message ?? store.problem.value;
    if (!message) return nothing;
    return errorBox(error?.type ?? (store.maps.value.some(Boolean) ? "No answer" : "No map"), message);
  });
}

function mountStatus(element: HTMLElement, store: Store, shell: Shell, life: AbortSignal): void {
  const elapsed = stopwatch(
    computed(() => (store.running.value ? store.work.value.job : null)),
    life,
  );
  mount(life, element, () =>
    statusLine(store.work.value, shell, elapsed.value, {
      onCancel: () => store.request("cancel"),
      onRun: () => store.request("run", { map: null }),
    }),
  );
}
