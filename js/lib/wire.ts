/**
 * The shapes that cross the wire, as `src/saliscope/specs` writes them, and what they become in the page.
 * Names stay in Python's snake_case: one word for one thing on both sides.
 */

export type Sign = "both" | "positive" | "negative" | "absolute";
export type Overlay = "blend" | "map";
export type Theme = "auto" | "light" | "dark";
export type Output = "logit" | "probability" | "log_probability" | "margin";
export type Target = number | null | { callable: string };
export type Params = Record<string, unknown>;

export interface Baseline {
  kind: string;
  level?: number;
  sigma?: number;
  seed?: number;
}

/** View state that Python knows: small, JSON, one trait each. */
export interface Traits {
  method: string;
  params: Params;
  n_steps: number;
  baseline: Baseline;
  /** `null` is the top prediction of the picture. */
  target: Target;
  output: Output;
  layer: string | null;
  index: number;
  alpha: number;
  opacity: number;
  threshold: number;
  sign: Sign;
  overlay: Overlay;
  /** `null` is the automatic limit; a number is a locked one. */
  scale: number | null;
  colormap: string;
  theme: Theme;
}

export const DEFAULTS: Readonly<Traits> = {
  method: "integrated_gradients",
  params: {},
  n_steps: 32,
  baseline: { kind: "black" },
  target: null,
  output: "logit",
  layer: null,
  index: 0,
  alpha: 1,
  opacity: 0.85,
  threshold: 1,
  sign: "both",
  overlay: "blend",
  scale: null,
  colormap: "diverging",
  theme: "auto",
};

export interface Control {
  name: string;
  kind: "int" | "float" | "choice" | "bool" | "layer";
  label: string;
  min?: number | null;
  max?: number | null;
  step?: number | null;
  choices?: string[] | null;
  default?: unknown;
  log?: boolean;
}

export interface MethodInfo {
  key: string;
  title: string;
  path: boolean;
  controls: Control[];
  uses_baseline: boolean;
  uses_steps: boolean;
  summary: string;
}

export interface BaselineInfo {
  kind: string;
  title: string;
  controls: Control[];
}

/** What the kernel can do; sent once. */
export interface Info {
  methods: MethodInfo[];
  labels: string[];
  layers: string[];
  baselines: BaselineInfo[];
  images: number;
  outputs: Output[];
  luts: Record<string, string>;
  model: string;
  device: string;
  preprocessing: string;
}

/** What a page may ask of the kernel beside its data; "run" asks the same question again. */
export type Act = "cancel" | "refine" | "run";

export interface State {
  phase: "idle" | "running" | "done" | "error" | "cancelled";
  job: number;
  done: number;
  total: number;
  text: string;
  eta: number | null;
  error: null | { type: string; argument: string; message: string };
}

export const IDLE: Readonly<State> = {
  phase: "idle",
  job: 0,
  done: 0,
  total: 0,
  text: "",
  eta: null,
  error: null,
};

export interface Probability {
  index: number;
  label: string;
  p: number;
}

export interface PathResult {
  stack: string;
  alphas: number[];
  scores: number[];
  sums: number[];
  baseline: string;
  baseline_score: number;
  total_nodes: number;
}

export interface Completeness {
  change: number;
  sum: number;
  delta: number;
  share: number | null;
  map_change: number | null;
}

export interface Result {
  job: number;
  stage: "preview" | "partial" | "final" | "cancelled";
  method: string;
  title: string;
  target: number | null;
  target_label: string;
  output: string;
  score: number;
  signed: boolean;
  unit: string;
  index: number;
  picture: string;
  map: string;
  limit: number;
  probabilities: Probability[];
  path: PathResult | null;
  completeness: Completeness | null;
  notes: string[];
  seconds: number;
  can_refine: boolean;
  steps: number | null;
  layer: string | null;
  /** In words; absent for methods that start nowhere. */
  baseline?: string | null;
  grid: [number, number] | null;
}

/** A blob after its parts were joined; half floats are decoded to `Float32Array`. */
export interface Blob {
  shape: number[];
  /** The true value is `data[i] * scale`, in double precision. */
  scale: number;
  data: Uint8Array | Float32Array;
}

/** A result with its arrays beside it: everything a panel needs to draw. */
export interface Drawable {
  result: Result;
  height: number;
  width: number;
  /** RGB, row by row. */
  picture: Uint8Array;
  map: Blob;
  /** Cumulative maps, one after the other, and the picture at alpha = 0. */
  path: null | { stack: Blob; baseline: Uint8Array };
}

export type Luts = Readonly<Record<string, Uint8Array>>;
