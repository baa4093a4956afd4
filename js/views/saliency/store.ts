/**
 * What the parts of the explorer share. Each field says whose it is; only `commit` and `request`
 * reach the kernel.
 */
import { batch, computed, type Signal, signal } from "../../lib/lifetime.js";
import {
  type Act,
  DEFAULTS,
  type Drawable,
  IDLE,
  type Info,
  type Luts,
  type MethodInfo,
  type State,
  type Traits,
} from "../../lib/wire.js";
import type { Painted } from "../../render/recolour.js";

export interface Point {
  x: number;
  y: number;
}

export interface Actions {
  /** Writes traits and sends them to the kernel. */
  onCommit(partial: Partial<Traits>): void;
  onRequest(kind: Act): void;
}

type TraitSignals = { readonly [K in keyof Traits]: Signal<Traits[K]> };

export class Store {
  // From the kernel.
  readonly info = signal<Info | null>(null);
  readonly state = signal<State>(IDLE);
  readonly drawable = signal<Drawable | null>(null);
  readonly luts = signal<Luts>({});
  readonly problem = signal<string | null>(null);

  // Synced with Python; a drag changes them here first and commits when the hand lets go.
  readonly traits: TraitSignals;

  // Client only.
  readonly cursor = signal<Point | null>(null);
  readonly playing = signal(false);
  readonly inspector = signal(true);
  /** What the last drawn frame found out; the legend prints it. */
  readonly painted = signal<Painted & { max: number; of: unknown }>({ clipped: 0, cut: 0, max: 0, of: null });
  /** The attributions on screen, before sign and threshold; rewritten in place by every frame. */
  values = new Float64Array(0);
  /** Counts frames, for those who read `values`. */
  readonly frame = signal(0);

  readonly method = computed<MethodInfo | undefined>(() =>
    this.info.value?.methods.find(({ key }) => key === this.traits.method.value),
  );
  readonly running = computed(() => this.state.value.phase === "running");
  /** Alpha of what is drawn: a map without a path is always whole. */
  readonly shownAlpha = computed(() => (this.drawable.value?.path ? this.traits.alpha.value : 1));
  readonly limit = computed(() => {
    const locked = this.traits.scale.value;
    const automatic = this.drawable.value?.result.limit ?? 1;
    const limit = locked ?? automatic;
    return limit > 0 && Number.isFinite(limit) ? limit : 1;
  });
  readonly lut = computed(
    () => this.luts.value[this.traits.colormap.value] ?? this.luts.value[DEFAULTS.colormap] ?? null,
  );

  constructor(private readonly actions: Actions) {
    const entries = Object.entries(DEFAULTS).map(([name, value]) => [name, signal<unknown>(value)]);
    this.traits = Object.fromEntries(entries) as TraitSignals;
  }

  /** Changes traits in the page only. */
  set(partial: Partial<Traits>): void {
    const signals = this.traits as Record<string, Signal<unknown>>;
    batch(() => {
      for (const [name, value] of Object.entries(partial)) if (signals[name]) signals[name].value = value;
    });
  }

  commit(partial: Partial<Traits>): void {
    this.set(partial);
    this.actions.onCommit(partial);
  }

  request(kind: Act): void {
    this.actions.onRequest(kind);
  }

  /** Handlers of a slider whose every move may cost nothing: drawn at once, sent on release. */
  local(name: "alpha" | "opacity" | "threshold") {
    return {
      onInput: (value: number) => this.set({ [name]: value }),
      onCommit: (value: number) => this.commit({ [name]: value }),
    };
  }
}
