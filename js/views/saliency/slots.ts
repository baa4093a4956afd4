/** What each map panel draws: the kernel's result of its question, or a map made of other panels'. */
import { computed, type ReadonlySignal, signal } from "../../lib/lifetime.js";
import { type Drawable, IDLE, type PanelSpec, type State } from "../../lib/wire.js";
import { rankCorrelation } from "../../render/compare.js";
import { cumulativeAt, gradientAt } from "../../render/path.js";
import { type Own, ownOf } from "../../render/scale.js";
import { combine, derive, type Made, sourcesOf } from "./derived.js";
import type { Fed, Slot, Store } from "./store.js";

/** What is made of several panels is as far as the last of them. */
const PHASES: State["phase"][] = ["error", "running", "cancelled", "idle", "done"];
/** Of a panel that shows nothing: it widens nobody's scale. */
const NOTHING: Own = { unit: "", limit: 0 };

export class MapSlot implements Slot {
  readonly spec: ReadonlySignal<PanelSpec | null>;
  readonly drawable: ReadonlySignal<Drawable | null>;
  readonly refusal: ReadonlySignal<string | null>;
  readonly correlation = signal<number | null>(null);
  readonly state: ReadonlySignal<State>;
  readonly own: ReadonlySignal<Own>;
  readonly limit: ReadonlySignal<number>;
  readonly alpha: ReadonlySignal<number>;
  readonly fed: ReadonlySignal<Fed | null>;
  readonly painted = signal({ clipped: 0, cut: 0, max: 0, of: null as unknown });
  values = new Float64Array(0);
  /** Panels that a derived one is made of; `null` for a question. */
  readonly #sources: ReadonlySignal<readonly number[] | null>;
  #followed: unknown[] = [];

  constructor(
    private readonly store: Store,
    readonly index: number,
  ) {
    this.spec = computed(() => store.traits.compare.value[index - 1] ?? null);
    this.#sources = computed(() => sourcesOf(this.spec.value));
    const made = computed(() => this.#make());
    this.drawable = computed(() =>
      this.#sources.value ? (made.value?.drawable ?? null) : (store.drawables.value[index] ?? null),
    );
    this.refusal = computed(() => made.value?.refusal ?? null);
    this.state = computed(() => this.#state());
    this.own = computed(() => made.value?.own ?? this.#own());
    this.fed = computed(() => store.fed.value[index] ?? null);
    this.limit = computed(() => store.limits.value[index] || 1);
    this.alpha = computed(() => (this.#walks() ? store.traits.alpha.value : 1));
  }

  /** The slots of the panels that a derived one is made of; none for a question. */
  get sources(): readonly MapSlot[] {
    return (this.#sources.value ?? []).flatMap((panel) => this.store.pool[panel] ?? []);
  }

  /** Everything that `values` depend on. */
  depends(): unknown[] {
    return [this.drawable.value, this.alpha.value, this.store.traits.along.value];
  }

  /** Puts what is shown at alpha into `values`; sources have to be up to date. */
  follow(): void {
    const now = this.depends();
    const drawable = this.drawable.value;
    if (!drawable || (this.#followed.length && now.every((value, i) => value === this.#followed[i]))) return;
    this.#followed = now;
    const n = drawable.width * drawable.height;
    if (this.values.length !== n) this.values = new Float64Array(n);
    const { spec, sources, values } = this;
    const alpha = this.alpha.value;
    if (spec.value && sources.length) {
      const maps = sources.map((source) => source.values);
      combine(spec.value, maps, values);
    } else if (this.store.traits.along.value !== "gradient" || !gradientAt(drawable, alpha, values)) {
      cumulativeAt(drawable, alpha, values);
    }
  }

  /** Compares the two maps of a difference as they are on screen: too slow for every frame of a drag. */
  correlate(): void {
    const spec = this.spec.value;
    const [a, b] = this.sources;
    const there = this.drawable.value && spec && "difference" in spec && a.values.length === b.values.length;
    this.correlation.value = there ? rankCorrelation(a.values, b.values) : null;
  }

  #make(): Made | null {
    const sources = this.#sources.value;
    const { along, smoothing } = this.store.traits;
    if (!sources || !this.spec.value) return null;
    const drawables = sources.map((panel) => this.#source(panel));
    return derive(this.spec.value, drawables, along.value, smoothing.value);
  }

  #source(panel: number): Drawable | string {
    const { compare } = this.store.traits;
    if (panel > compare.value.length) return `There is no panel ${panel + 1}.`;
    if (sourcesOf(compare.value[panel - 1] ?? null)) {
      return `Panel ${panel + 1} is itself made of other panels: only panels with a question of their own can be combined.`;
    }
    return this.store.drawables.value[panel] ?? `Panel ${panel + 1} is not computed yet.`;
  }

  #own(): Own {
    const { along, smoothing } = this.store.traits;
    const drawable = this.drawable.value;
    return drawable ? ownOf(drawable, along.value, smoothing.value) : NOTHING;
  }

  #walks(): boolean {
    if (!this.#sources.value) return Boolean(this.drawable.value?.path);
    return this.sources.some(({ drawable }) => drawable.value?.path);
  }

  #state(): State {
    if (!this.#sources.value) return this.store.states.value[this.index] ?? IDLE;
    const states = this.sources.map(({ state }) => state.value);
    const phase = PHASES.find((one) => states.some((state) => state.phase === one)) ?? "idle";
    return { ...IDLE, panel: this.index, phase, job: Math.max(0, ...states.map(({ job }) => job)) };
  }
}
