/**
 * What the parts of the explorer share. Each field says whose it is; only `commit`, `ask` and `request`
 * reach the kernel.
 */
import type { TemplateResult } from "lit-html";
import { History, type Values } from "../../lib/history.js";
import { batch, computed, type ReadonlySignal, type Signal, signal } from "../../lib/lifetime.js";
import {
  type Act,
  type Answer,
  DEFAULTS,
  type Drawable,
  IDLE,
  type Info,
  type Luts,
  type MethodInfo,
  MOST_PANELS,
  type ModelInfo,
  type PanelSpec,
  type Params,
  QUESTION,
  type Question,
  type State,
  type Traits,
  type Tried,
} from "../../lib/wire.js";
import type { Painted } from "../../render/recolour.js";
import { limitsOf, type Own } from "../../render/scale.js";
import { MapSlot } from "./slots.js";

/** A place on a picture, as shares of width and height: panels may have different sizes. */
export interface Point {
  x: number;
  y: number;
}

export interface Actions {
  /** Writes traits and sends them to the kernel. */
  onCommit(partial: Partial<Traits>): void;
  /** Asks the kernel; the answer may carry bytes. */
  onRequest(kind: Act, extra?: Record<string, unknown>): Promise<Answer & { buffers: ArrayBufferView[] }>;
}

/** Choices about the window, not about the picture: undo leaves them alone. */
const NOT_UNDONE: ReadonlySet<string> = new Set<keyof Traits>(["theme", "panel", "mode"]);

const NO_PARAMS: Params = {};

type TraitSignals = { readonly [K in keyof Traits]: Signal<Traits[K]> };
type QuestionSignals = { readonly [K in keyof Question]: ReadonlySignal<Question[K]> };

/** What the model is fed at a point of a map's trial: it stands in the place of the map, and of its legend. */
export interface Fed {
  /** Writes RGBA. */
  paint(out: Uint8ClampedArray): void;
  readonly words: TemplateResult;
}

/** A map panel: what it draws now. */
export interface Slot {
  readonly index: number;
  /** Of a question panel from the kernel, of a derived one made here; `null` before there is one. */
  readonly drawable: ReadonlySignal<Drawable | null>;
  /** Why a derived panel cannot be made, in words. */
  readonly refusal: ReadonlySignal<string | null>;
  /** Spearman's rank correlation of the two maps of a difference, a moment after they were drawn. */
  readonly correlation: ReadonlySignal<number | null>;
  readonly spec: ReadonlySignal<PanelSpec | null>;
  /** Where on its path the panel is; 1 where it has none. */
  readonly alpha: ReadonlySignal<number>;
  readonly state: ReadonlySignal<State>;
  /** Unit and automatic limit of what it shows. */
  readonly own: ReadonlySignal<Own>;
  /** Where its colours end. */
  readonly limit: ReadonlySignal<number>;
  readonly fed: ReadonlySignal<Fed | null>;
  /** What the last drawn frame found out; the legend prints it. */
  readonly painted: Signal<Painted & { max: number; of: unknown }>;
  /** The attributions on screen, before smoothing, sign and threshold; rewritten in place by every frame. */
  values: Float64Array;
}

export class Store {
  // From the kernel; lists by panel, the lead first.
  readonly info = signal<Info | null>(null);
  readonly states = signal<readonly State[]>([IDLE]);
  readonly drawables = signal<readonly (Drawable | null)[]>([null]);
  readonly luts = signal<Luts>({});
  readonly tried = signal<readonly (Tried | null)[]>([null]);
  readonly trialState = signal<State>(IDLE);
  readonly problem = signal<string | null>(null);

  // Synced with Python; a drag changes them here first and commits when the hand lets go.
  readonly traits: TraitSignals;

  // Client only.
  /** The linked cursor. */
  readonly cursor = signal<Point | null>(null);
  readonly playing = signal(false);
  /** Alpha as the kernel knows it: a drag has not moved it yet. */
  readonly keptAlpha = signal(DEFAULTS.alpha);
  readonly inspector = signal(true);
  /** Whether the controls are out, where they are folded away at first. */
  readonly controls = signal(false);
  /** By panel; what a trial shows, as long as it shows anything. */
  readonly fed = signal<readonly (Fed | null)[]>([]);
  /** While held, every panel shows the plain picture. */
  readonly peeking = signal(false);
  /** What the pointer does on a picture. */
  readonly tool = signal<"look" | "rectangle" | "brush" | "eraser">("look");
  /** Counts frames, for those who read `values`. */
  readonly frame = signal(0);

  /** Diameter of the brush, as a share of the picture's shorter side. */
  readonly brush = signal(0.12);
  /** What a key did to the region, for those who do not see it. */
  readonly said = signal("");
  /** The panel whose painted baseline takes over what the brush paints. */
  readonly painting = signal<number | null>(null);

  readonly history = new History({ ...DEFAULTS }, NOT_UNDONE);

  /** Every place for a map panel, and those in use. */
  readonly pool: readonly MapSlot[];
  readonly slots: ReadonlySignal<readonly Slot[]>;

  /** The active panel's own question: its overrides over the lead's. */
  readonly question: QuestionSignals;
  readonly method: ReadonlySignal<MethodInfo | undefined>;
  readonly model: ReadonlySignal<ModelInfo | undefined>;
  /** The active panel. */
  readonly running = computed(() => this.states.value.some(({ phase }) => phase === "running"));
  /** Whether curves stand under the pictures: those are small then, so that both are seen at once. */
  readonly judging = computed(() => {
    const { trial, mode } = this.traits;
    return mode.value === "trial" || (mode.value === "full" && trial.value !== null);
  });
  readonly folded = computed(() => this.traits.mode.value === "trial" && !this.controls.value);
  readonly offline = computed(() => this.info.value?.offline === true);
  readonly lut = computed(
    () => this.luts.value[this.traits.colormap.value] ?? this.luts.value[DEFAULTS.colormap] ?? null,
  );

  constructor(private readonly actions: Actions) {
    const entries = Object.entries(DEFAULTS).map(([name, value]) => [name, signal<unknown>(value)]);
    this.traits = Object.fromEntries(entries) as TraitSignals;
    const own = QUESTION.map((name) => [name, computed(() => this.askedBy(this.active.value)[name])]);
    this.question = Object.fromEntries(own) as QuestionSignals;
    this.method = computed(() => this.methodOf(this.question.method.value));
    this.pool = Array.from({ length: MOST_PANELS }, (_, index) => new MapSlot(this, index));
    this.slots = computed(() => this.pool.slice(0, 1 + this.traits.compare.value.length));
    this.model = computed(() => this.info.value?.models[this.askedBy(this.active.value).model]);
  }

  /** Index of the active panel that is on screen. */
  readonly active = computed(() =>
    Math.max(0, Math.min(this.traits.panel.value, this.traits.compare.value.length, MOST_PANELS - 1)),
  );

  /** The active panel's entry in `compare`; `null` for the lead. */
  readonly spec = computed<PanelSpec | null>(() => this.traits.compare.value[this.active.value - 1] ?? null);

  // Of the active panel.
  readonly slot: ReadonlySignal<Slot> = computed(() => this.pool[this.active.value]);
  readonly state = computed(() => this.slot.value.state.value);
  readonly drawable: ReadonlySignal<Drawable | null> = computed(() => this.slot.value.drawable.value);
  readonly limit = computed(() => this.slot.value.limit.value);

  /** Where the colours of each panel end. */
  readonly limits = computed(() =>
    limitsOf(
      this.traits.scale.value,
      this.slots.value.map(({ own }) => own.value),
    ),
  );

  /** Whether any panel has a path for alpha to walk. */
  readonly walks = computed(() => this.slots.value.some(({ drawable }) => drawable.value?.path));

  methodOf(key: string): MethodInfo | undefined {
    return this.info.value?.methods.find((method) => method.key === key);
  }

  /** What a panel asks: what it has of its own, over what the lead asks. */
  askedBy(panel: number): Question & { model: number } {
    const spec = this.traits.compare.value[panel - 1] ?? {};
    const lead = Object.fromEntries(
      QUESTION.map((name) => [name, this.traits[name].value]),
    ) as unknown as Question;
    // Another method's parameters are no parameters of this one.
    return { ...lead, ...("method" in spec && { params: NO_PARAMS }), model: 0, ...spec };
  }

  /** Changes the active panel's question in the page only. */
  draft(partial: Partial<Question>): void {
    this.set(this.#placed(partial));
  }

  /** Changes the active panel's question: the lead's own traits, or an override of its own. */
  ask(partial: Partial<Question>, looks: Partial<Traits> = {}): void {
    this.commit({ ...this.#placed(partial), ...looks });
  }

  #placed(partial: Partial<Question>): Partial<Traits> {
    const at = this.active.value - 1;
    const spec = this.traits.compare.value[at];
    if (!spec || "difference" in spec || "average" in spec) return partial;
    const changed: Partial<Question> = { ...spec, ...partial };
    if ("method" in partial && !("params" in partial)) delete changed.params;
    return { compare: this.traits.compare.value.with(at, changed) };
  }

  /** Asks another model in the active panel; the lead always asks the first. */
  askModel(model: number): void {
    const at = this.active.value - 1;
    const spec = this.traits.compare.value[at];
    if (spec) this.commit({ compare: this.traits.compare.value.with(at, { ...spec, model }) });
  }

  /** Lets the active panel ask what the lead asks. */
  resetPanel(): void {
    const at = this.active.value - 1;
    if (at >= 0) this.commit({ compare: this.traits.compare.value.with(at, {}) });
  }

  /** Changes traits in the page only. */
  set(partial: Partial<Traits>): void {
    const signals = this.traits as Record<string, Signal<unknown>>;
    batch(() => {
      for (const [name, value] of Object.entries(partial)) if (signals[name]) signals[name].value = value;
    });
  }

  /** Takes over what the kernel says. */
  take(partial: Partial<Traits>): void {
    this.history.take(partial as Values);
    this.keptAlpha.value = partial.alpha ?? this.keptAlpha.value;
    this.set(partial);
  }

  commit(partial: Partial<Traits>): void {
    this.history.commit(partial as Values);
    this.#write(partial);
  }

  undo(): void {
    this.#rest();
    this.#write(this.history.undo() as Partial<Traits> | null);
  }

  redo(): void {
    this.#rest();
    this.#write(this.history.redo() as Partial<Traits> | null);
  }

  /** Nothing that goes on by itself may undo the undoing. */
  #rest(): void {
    this.playing.value = false;
    this.painting.value = null;
  }

  #write(partial: Partial<Traits> | null): void {
    if (!partial) return;
    this.keptAlpha.value = partial.alpha ?? this.keptAlpha.value;
    this.set(partial);
    this.actions.onCommit(partial);
  }

  request(kind: Act, extra: Record<string, unknown> = {}) {
    return this.actions.onRequest(kind, extra);
  }

  /** Handlers of a slider whose every move may cost nothing: drawn at once, sent on release. */
  local(name: "alpha" | "opacity" | "threshold" | "smoothing") {
    return {
      onInput: (value: number) => this.set({ [name]: value }),
      onCommit: (value: number) => this.commit({ [name]: value }),
    };
  }
}
