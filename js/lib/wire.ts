/**
 * The shapes that cross the wire, as `src/saliscope/specs` writes them, and what they become in the page.
 * Names stay in Python's snake_case: one word for one thing on both sides.
 */

export type Sign = "both" | "positive" | "negative" | "absolute";
export type Overlay = "blend" | "map" | "multiply" | "contour";
/** What the map shows at alpha: the sum so far, or the gradient at that point. */
export type Along = "cumulative" | "gradient";
export type Theme = "auto" | "light" | "dark";
export type Output = "logit" | "probability" | "log_probability" | "margin";
export type Target = number | null | { callable: string };
export type Params = Record<string, unknown>;

export interface Baseline {
  kind: string;
  level?: number;
  sigma?: number;
  seed?: number;
  /** Of a painted one: filled from `fill` inside, from `rest` outside; `null` is the picture itself. */
  region?: Region;
  fill?: Baseline;
  rest?: Baseline | null;
  /** Of an average: its members. */
  of?: Baseline[];
}

/** Part of a picture: a rectangle in pixels, or a brush mask on a coarse grid, one bit a cell. */
export type Region = { rect: [number, number, number, number] } | { cells: [number, number]; bits: string };

/** One scale for each unit. */
export interface Scale {
  mode: "auto" | "fixed" | "each";
  /** By unit; "*" stands for all. */
  limits: Record<string, number>;
}

/** What is asked of the kernel. */
export interface Question {
  method: string;
  params: Params;
  n_steps: number;
  baseline: Baseline;
  /** `null` is the top prediction of the picture. */
  target: Target;
  output: Output;
  layer: string | null;
  index: number;
  /** A region that is filled from a baseline before anything is computed. */
  occlusion: { region: Region; fill: Baseline } | null;
}

/** A further panel: where its question differs from the lead's, or what it is made of. */
export type PanelSpec =
  | (Partial<Question> & { model?: number })
  | { difference: [number, number] }
  | { average: number[] };

/** How the maps on screen are put on trial. */
export interface TrialSettings {
  /** What stands where a pixel is not; "road" is an infill from what is left. */
  replacement: Baseline;
  /** From no pixel to all. */
  steps: number;
  /** Orders that are drawn at random. */
  random: number;
  /** Whether the method runs again while the network's weights are randomised. */
  randomise: boolean;
  /** Kind of score that is watched. */
  output: Output;
}

export type CurveKind = "deletion" | "insertion";

/** View state that Python knows: small, JSON, one trait each. */
export interface Traits extends Question {
  /** Panels beside the lead. */
  compare: PanelSpec[];
  /** The active panel, 0 the lead. */
  panel: number;
  alpha: number;
  along: Along;
  opacity: number;
  threshold: number;
  sign: Sign;
  overlay: Overlay;
  /** Standard deviation in pixels of the model's input. */
  smoothing: number;
  scale: Scale;
  colormap: string;
  /** Factor, and the centre as shares of width and height. */
  zoom: [number, number, number];
  region: Region | null;
  /** `null`: no map is on trial. */
  trial: TrialSettings | null;
  /** Share of the pixels that are taken: every panel shows what its model was fed there. `null`: the maps. */
  taken: number | null;
  /** Which curve `taken` walks. */
  curve: CurveKind;
  theme: Theme;
  /** "bare" is the page's own: pictures, legend and read-out, inside another view. */
  mode: "full" | "guided" | "trial" | "bare";
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
  occlusion: null,
  compare: [],
  panel: 0,
  alpha: 1,
  along: "cumulative",
  opacity: 0.85,
  threshold: 1,
  sign: "both",
  overlay: "blend",
  smoothing: 0,
  scale: { mode: "auto", limits: {} },
  colormap: "diverging",
  zoom: [1, 0.5, 0.5],
  region: null,
  trial: null,
  taken: null,
  curve: "deletion",
  theme: "auto",
  mode: "full",
};

/** Traits whose change asks the kernel; a panel may have its own value of each. */
export const QUESTION = [
  "method",
  "params",
  "n_steps",
  "baseline",
  "target",
  "output",
  "layer",
  "index",
  "occlusion",
] as const satisfies readonly (keyof Question)[];

export const MOST_PANELS = 6;

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
  /** Name and value of another control without which this one has no effect. */
  when?: [name: string, value: string] | null;
  /** A value above zero ends the work when the map is that good. */
  stops?: boolean;
}

export interface MethodInfo {
  key: string;
  title: string;
  /** Heading in menus; "" for none. */
  family?: string;
  path: boolean;
  controls: Control[];
  uses_baseline: boolean;
  uses_steps: boolean;
  summary: string;
  card?: Card | null;
  /** Python source that makes it where its key is not known, "{model}" being the model; and the lines before. */
  code?: string;
  before?: string[];
}

/** What a reader of a method's maps should know. */
export interface Card {
  shows: string;
  assumes: string;
  costs: string;
  fails: string;
  reference: string;
}

export interface ModelInfo {
  name: string;
  device: string;
  labels: string[];
  layers: string[];
  preprocessing: string;
}

export interface BaselineInfo {
  kind: string;
  title: string;
  controls: Control[];
}

/** What the kernel can do; sent once. */
export interface Info {
  methods: MethodInfo[];
  baselines: BaselineInfo[];
  images: number;
  outputs: Output[];
  luts: Record<string, string>;
  models: ModelInfo[];
  version: string;
  /** A page without a kernel: looks work, questions do not. */
  offline?: boolean;
  /** What may stand for a pixel that a trial hides; a kernel without them puts no map on trial. */
  replacements?: BaselineInfo[];
}

/** What a page may ask of the kernel beside its data; "run" asks the same question again, or goes on with a stopped trial. */
export type Act = "cancel" | "refine" | "run" | "gradients" | "predictions" | "export";

export interface Failure {
  type: string;
  message: string;
}

/** The kernel's answer to a request. */
export interface Answer {
  answer: string;
  status: "ok" | "error" | "cancelled";
  result?: Record<string, unknown>;
  error?: Failure;
}

/** Probabilities along the path: a row for each alpha, a column for each class that is ever among the first. */
export interface Predictions {
  job: number;
  alphas: number[];
  indices: number[];
  labels: string[];
  p: number[][];
}

export interface State {
  /** Of which panel this is told. */
  panel: number;
  phase: "idle" | "running" | "done" | "error" | "cancelled";
  job: number;
  done: number;
  total: number;
  text: string;
  eta: number | null;
  error: null | { type: string; argument: string; message: string };
  /** It may be done before `total`. */
  at_most?: boolean;
}

export const IDLE: Readonly<State> = {
  panel: 0,
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
  /** Of a path that is not straight: the pictures at `alphas`, one after the other. */
  pictures?: string | null;
}

export interface Completeness {
  change: number;
  sum: number;
  delta: number;
  share: number | null;
  map_change: number | null;
  /** Of an adaptive method: its own estimate of the map's relative error. */
  map_error?: number | null;
}

export interface Result {
  panel: number;
  /** Index of the model. */
  model: number;
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
  /** Of methods that replace gradients: operations that had a rule, and how many of each name had none. */
  coverage?: { ruled: number; gaps: Record<string, number> } | null;
  /** Of methods that sample: norm of the map's standard error as a share of the map's. */
  sampling_error?: number | null;
  notes: string[];
  seconds: number;
  can_refine: boolean;
  steps: number | null;
  /** What `steps` counts: steps, samples, masks, coalitions. */
  work?: string;
  layer: string | null;
  /** In words; absent for methods that start nowhere. */
  baseline?: string | null;
  grid: [number, number] | null;
}

/** Of the curve of the map's blurred copy, at the points of its own. */
export interface BlurredCurve {
  scores: number[];
  auc: number | null;
}

/** Where the curves of random orders lie: their mean, and the interval that holds most of them. */
export interface RandomBand {
  n: number;
  fractions: number[];
  mean: number[];
  low: number[];
  high: number[];
  /** Areas: `null` before the curves are complete. */
  auc: number | null;
  auc_low: number | null;
  auc_high: number | null;
}

/** `null` for every number that is not defined; the trial's notes say why. */
export interface TrialCurve {
  kind: CurveKind;
  /** At the points that are known. */
  scores: number[];
  /** The class with the highest score there; -1 where there are no classes. */
  top: number[];
  auc: number | null;
  /** Blob (H, W, 3): what stands where a pixel is not. */
  replaced: string | null;
  /** Blob (P, H, W, 3), where the filling depends on what is hidden: what was fed, spread evenly over the curve. */
  pictures: string | null;
  blurred: BlurredCurve | null;
  random: RandomBand | null;
  /** The area over that of the random orders. */
  ratio: number | null;
  ratio_low: number | null;
  ratio_high: number | null;
  /** Share of the random orders that the map beats. */
  beaten: number | null;
  protocol: string;
}

/** The map after one more block of the network was randomised, and how alike it still is; 1 is the same map. */
export interface RandomisedStage {
  name: string;
  layers: number;
  map: string;
  limit: number;
  /** Spearman's rank correlation, with the sign and of the sizes. */
  signed: number | null;
  absolute: number | null;
  ssim: number | null;
  /** Share of the strongest pixels that are still among the strongest. */
  top: number | null;
}

export interface Randomisation {
  done: number;
  total: number;
  /** Of the trained network. */
  map: string;
  limit: number;
  stages: RandomisedStage[];
  /** Of `signed`. */
  mean: number | null;
  notes: string[];
}

/** A panel's map on trial. */
export interface Trial {
  panel: number;
  /** Of the map's own result. */
  job: number;
  stage: "partial" | "final" | "error";
  title: string;
  target: number | null;
  target_label: string;
  output: string;
  /** How many points a whole curve has. */
  points: number;
  /** Those that are known, ascending, and the share of the pixels that is taken there. */
  at: number[];
  fractions: number[];
  /** Blob (H, W): number of the first point at which a pixel is taken. */
  ranks: string;
  /** Names of the classes in `top`. */
  labels?: Record<string, string> | null;
  curves: TrialCurve[];
  sentence: string;
  notes: string[];
  seconds: number;
  error: Failure | null;
  randomisation: Randomisation | null;
}

/** A trial with its arrays beside it. */
export interface Tried {
  trial: Trial;
  /** By the names that the trial says. */
  arrays: ReadonlyMap<string, Blob>;
  /** It was asked otherwise than it is asked now. */
  outdated: boolean;
}

/** A blob after its parts were joined; half floats are decoded to `Float32Array`. */
export interface Blob {
  shape: number[];
  /** The true value is `data[i] * scale`, in double precision. */
  scale: number;
  data: Uint8Array | Uint16Array | Uint32Array | Float32Array;
}

/** A result with its arrays beside it: everything a panel needs to draw. */
export interface Drawable {
  result: Result;
  height: number;
  width: number;
  /** RGB, row by row. */
  picture: Uint8Array;
  map: Blob;
  /** Cumulative maps, one after the other, the picture at alpha = 0, and those on a path that is not straight. */
  path: null | { stack: Blob; baseline: Uint8Array; pictures?: Uint8Array };
  /** Gradients at the same points of the path, once they were asked for. */
  gradients?: Blob;
  predictions?: Predictions;
}

export type Luts = Readonly<Record<string, Uint8Array>>;
