/** Made-up results in the shape of real ones. */
import { maskOf } from "../lib/region.js";
import type {
  Baseline,
  Control,
  Info,
  MethodInfo,
  ModelInfo,
  PathResult,
  Question,
  Region,
  Result,
} from "../lib/wire.js";
import { clouds, divergingLut, lutOf, toHalf } from "./made_up.js";

export interface Picture {
  width: number;
  height: number;
  rgb: Uint8Array;
  object: Float64Array;
}

/** Nodes of a finished path that the page keeps. */
export const FINAL = 32;

const control = (
  name: string,
  kind: Control["kind"],
  label: string,
  more: Partial<Control> = {},
): Control => ({
  name,
  kind,
  label,
  ...more,
});

const method = (key: string, title: string, summary: string, more: Partial<MethodInfo> = {}): MethodInfo => ({
  key,
  title,
  summary,
  path: false,
  uses_baseline: false,
  uses_steps: false,
  controls: [],
  ...more,
});

const RULES = ["midpoint", "right", "trapezoid", "gauss_legendre", "adaptive"];
const LUTS = {
  diverging: divergingLut(),
  purple_green: lutOf([
    [64, 0, 75],
    [153, 112, 171],
    [243, 243, 243],
    [90, 174, 97],
    [0, 68, 27],
  ]),
};

const BASELINES: Info["baselines"] = [
  { kind: "black", title: "Black", controls: [] },
  { kind: "white", title: "White", controls: [] },
  {
    kind: "grey",
    title: "Grey",
    controls: [control("level", "float", "Grey level", { min: 0, max: 1, step: 0.01, default: 0.5 })],
  },
  {
    kind: "blur",
    title: "Blur",
    controls: [
      control("sigma", "float", "Blur sigma", { min: 0.5, max: 64, step: 0.5, default: 12, log: true }),
    ],
  },
  {
    kind: "noise",
    title: "Noise",
    controls: [
      control("level", "float", "Noise level", { min: 0, max: 1, step: 0.01, default: 0.2 }),
      control("seed", "int", "Seed", { min: 0, max: null, default: 0 }),
    ],
  },
  { kind: "mean", title: "Mean", controls: [] },
];
const REPLACEMENTS: Info["replacements"] = [
  { kind: "zero", title: "Zero", controls: [] },
  ...["mean", "blur", "noise", "black", "grey", "white"].flatMap((kind) =>
    BASELINES.filter((one) => one.kind === kind),
  ),
  { kind: "static", title: "Random pixels", controls: [] },
  { kind: "road", title: "ROAD infill", controls: [] },
];

export const INFO: {
  info: Omit<Info, "models" | "images" | "luts">;
  models: Omit<ModelInfo, "labels">[];
  luts: Record<string, Uint8Array>;
} = {
  luts: LUTS,
  models: [
    {
      name: "ResNet",
      device: "cpu",
      preprocessing: "Resized to 224, centre crop, ImageNet mean and standard deviation.",
      layers: ["layer1", "layer2", "layer3", "layer4"],
    },
    { name: "ConvNeXt", device: "cpu", preprocessing: "", layers: ["stages.0", "stages.1", "stages.2"] },
  ],
  info: {
    version: "0",
    outputs: ["logit", "probability", "log_probability", "margin"],
    methods: [
      method("saliency", "Saliency", "Size of the gradient of the score at each pixel.", {
        family: "Gradients",
        controls: [control("absolute", "bool", "Absolute", { default: true })],
      }),
      method("input_x_gradient", "Input \u00d7 Gradient", "Gradient of the score times the input.", {
        family: "Gradients",
      }),
      method(
        "integrated_gradients",
        "Integrated Gradients",
        "Gradients summed on the straight path from a baseline to the input; they add up to the change in score.",
        {
          family: "Paths",
          path: true,
          uses_baseline: true,
          uses_steps: true,
          controls: [
            control("rule", "choice", "Rule", { choices: RULES, default: "adaptive" }),
            control("tolerance", "float", "Tolerance", {
              ...{ min: 0.005, max: 0.5, step: 0.005, default: 0.05, log: true },
              when: ["rule", "adaptive"],
              stops: true,
            }),
          ],
          card: {
            shows: "How much each pixel adds to the change in score between baseline and picture.",
            assumes: "That the straight path from the baseline says something about the picture.",
            costs: "One gradient for each step.",
            fails: "Where a pixel equals the baseline it is zero, whatever the model makes of it.",
            reference: "Sundararajan, Taly and Yan 2017, arXiv:1703.01365",
          },
        },
      ),
      method("smooth_grad", "SmoothGrad", "Mean of a method over noisy copies of the input.", {
        family: "Noise",
        controls: [
          control("n_samples", "int", "Samples", { min: 1, max: 200, step: 1, default: 25, log: true }),
          control("noise_level", "float", "Noise level", { min: 0, max: 1, step: 0.01, default: 0.15 }),
          control("seed", "int", "Seed", { min: 0, max: null, default: 0 }),
        ],
      }),
      method("grad_cam", "Grad-CAM", "Channels of a layer, weighted by their mean gradient.", {
        family: "Class activation maps",
        controls: [control("layer", "layer", "Layer")],
      }),
      method(
        "guided_backprop",
        "Guided backprop",
        "The gradient through rectifiers that let only support pass.",
        {
          family: "Rules",
        },
      ),
    ],
    baselines: BASELINES,
    replacements: REPLACEMENTS,
  },
};

/** The adaptive rule, as it is where nobody chose another: done before its steps are used up. */
export function adaptive({ method, params }: Question): boolean {
  return method === "integrated_gradients" && (params.rule ?? "adaptive") === "adaptive";
}

export interface Request {
  picture: Picture;
  labels: string[];
  zero: boolean;
  question: Question;
  panel: number;
  model: number;
  stage: Result["stage"];
  done: number;
  steps: number;
  job: number;
}

export type Put = (bytes: Uint8Array, dtype: string, shape: number[], scale?: number) => string;

export function makeResult(request: Request, put: Put): Result {
  const { labels, zero, question, stage, done, steps, job, panel, model } = request;
  const picture = question.occlusion ? covered(request.picture, question.occlusion.region) : request.picture;
  const { width, height } = picture;
  const shape = [height, width];
  const info = INFO.info.methods.find(({ key }) => key === question.method) ?? INFO.info.methods[2];
  const signed = info.key !== "saliency";
  const values = zero
    ? new Float64Array(width * height)
    : attributions(picture, info.key, stage, done / steps, question, model);
  const left = total(picture.object) / total(request.picture.object);
  for (let i = 0; i < values.length; i++) values[i] *= left;
  if (!signed) for (let i = 0; i < values.length; i++) values[i] = Math.abs(values[i]);
  const hasPath = info.path && stage !== "preview" && !zero;
  const target = typeof question.target === "number" ? question.target : 3 + question.index;
  const sum = total(values);
  const share = zero ? null : 1 - 0.45 / Math.max(4, done);
  const start = 0.0214;
  const score = zero ? start : start + sum / (share ?? 1);
  const path = hasPath ? makePath(request, values, put, start, score) : null;
  const half = encode(values);
  return {
    panel,
    model,
    job,
    stage,
    method: info.key,
    title: info.title,
    target,
    target_label: labels[target] ?? "a callable",
    output: question.output,
    score,
    signed,
    unit: question.output === "logit" || question.output === "margin" ? "logit" : "",
    index: question.index,
    picture: put(picture.rgb, "uint8", [height, width, 3]),
    map: put(half.bytes, "float16", shape, half.scale),
    limit: quantile(values),
    probabilities: [0.8125, 0.0934, 0.0402, 0.0108, 0.00042].map((p, i) => {
      const index = (3 + i * 2) % labels.length;
      return { index, label: labels[index], p };
    }),
    path,
    completeness:
      info.path && stage !== "preview"
        ? {
            change: score - start,
            sum,
            delta: sum - (score - start),
            share,
            map_change: zero || adaptive(question) ? null : 0.7 / done,
            map_error: !zero && adaptive(question) && stage === "final" ? 0.9 / done : null,
          }
        : null,
    coverage: info.family === "Rules" ? { ruled: 16, gaps: { gelu: 2, softmax: 1 } } : null,
    sampling_error: info.family === "Noise" ? 0.042 : null,
    notes: zero
      ? ["The map is zero everywhere: the score does not depend on this picture."]
      : [
          "A black baseline cannot highlight what is black in the picture.",
          "1 of 32 nodes is beyond the range of half floats.",
        ],
    seconds: 0.02 * done + 0.031,
    can_refine: info.path && stage === "final",
    steps: info.uses_steps ? done : null,
    layer: info.key === "grad_cam" ? (question.layer ?? "layer4") : null,
    baseline: info.uses_baseline ? question.baseline.kind : null,
    grid: info.key === "grad_cam" ? [7, 7] : null,
  };
}

const total = (values: Float64Array) => values.reduce((sum, value) => sum + value, 0);

/** What is under a grey patch speaks for nothing, whatever it was to be filled with. */
function covered({ width, height, rgb, object }: Picture, region: Region): Picture {
  const mask = maskOf(region, width, height);
  return {
    width,
    height,
    rgb: rgb.map((value, i) => (mask[Math.floor(i / 3)] ? 128 : value)),
    object: object.map((value, i) => (mask[i] ? 0 : value)),
  };
}

/** The object speaks for the class, the ground a little against it; a baseline shifts the balance. */
function attributions(
  picture: Picture,
  key: string,
  stage: string,
  share: number,
  question: Question,
  model: number,
): Float64Array {
  const { width, height, object, rgb } = picture;
  const seed = (typeof question.target === "number" ? question.target : 3) - 3 + key.length - 20;
  const fine = clouds(
    width,
    height,
    key === "grad_cam" ? Math.ceil(width / 7) : 2,
    11 + question.index + 7 * model + 3 * seed,
  );
  const coarse = clouds(width, height, Math.ceil(width / 6), 5 + seed);
  const level = question.baseline.level ?? (question.baseline.kind === "white" ? 1 : 0);
  const noise = stage === "preview" ? 2.4 : 1 + 0.8 * (1 - share);
  const values = new Float64Array(width * height);
  for (let i = 0; i < values.length; i++) {
    const distance = 0.25 + Math.abs(rgb[3 * i] / 255 - level);
    const local = object[i] * (0.35 + coarse[i]) - 0.16 * (1 - object[i]) * coarse[i] * 0.6;
    values[i] = (local + noise * (fine[i] - 0.5) * (0.12 + 0.9 * object[i])) * distance;
  }
  const sum = total(values);
  const scale = 11.38 / Math.max(Math.abs(sum), 1e-6);
  return values.map((value) => value * scale * Math.sign(sum || 1));
}

function makePath(
  request: Request,
  values: Float64Array,
  put: Put,
  start: number,
  score: number,
): PathResult {
  const { picture, done, question } = request;
  const nodes = Math.max(2, Math.min(FINAL, done));
  const alphas = Array.from({ length: nodes }, (_, k) => (k + 1) / nodes);
  const n = values.length;
  const stack = new Float64Array(n * nodes);
  const sums: number[] = [];
  for (let k = 0; k < nodes; k++) {
    let sum = 0;
    for (let i = 0; i < n; i++) {
      const speed = 1.2 + 5 * picture.object[i];
      const grown = (1 - Math.exp(-speed * alphas[k])) / (1 - Math.exp(-speed));
      stack[k * n + i] = values[i] * grown;
      sum += stack[k * n + i];
    }
    sums.push(sum);
  }
  const last = sums[nodes - 1] || 1;
  const scores = sums.map(
    (sum, k) => start + (sum / last) * (score - start) + 0.25 * Math.sin(7 * alphas[k]) * (1 - alphas[k]),
  );
  const half = encode(stack);
  return {
    stack: put(half.bytes, "float16", [nodes, picture.height, picture.width], half.scale),
    alphas,
    scores,
    sums,
    baseline: put(baselinePicture(picture, question.baseline), "uint8", [picture.height, picture.width, 3]),
    baseline_score: start,
    total_nodes: done,
  };
}

export function baselinePicture(picture: Picture, baseline: Baseline): Uint8Array {
  const { rgb, width, height } = picture;
  const { kind, region, fill, rest } = baseline;
  if (region && fill) {
    const mask = maskOf(region, width, height);
    const inside = baselinePicture(picture, fill);
    const outside = rest ? baselinePicture(picture, rest) : rgb;
    return rgb.map((_, i) => (mask[Math.floor(i / 3)] ? inside[i] : outside[i]));
  }
  if (kind === "noise")
    return clouds(width * 3, height, 1, baseline.seed ?? 0).reduce((out, v, i) => {
      out[i] = rgb[i] + (v - 0.5) * 510 * (baseline.level ?? 0.2);
      return out;
    }, new Uint8ClampedArray(rgb.length)) as unknown as Uint8Array;
  const level = kind === "white" ? 255 : kind === "black" ? 0 : Math.round(255 * (baseline.level ?? 0.5));
  return new Uint8Array(rgb.length).fill(level);
}

/** Half floats after division by the maximum: small numbers would vanish without it. */
export function encode(values: Float64Array): { bytes: Uint8Array; scale: number } {
  let scale = 0;
  for (const value of values) scale = Math.max(scale, Math.abs(value || 0)); // a gap has no size
  scale ||= 1;
  const halves = Uint16Array.from(values, (value) => toHalf(value / scale));
  return { bytes: new Uint8Array(halves.buffer), scale };
}

function quantile(values: Float64Array): number {
  const sizes = values.map(Math.abs).sort();
  return sizes[Math.ceil(0.995 * sizes.length) - 1] || sizes[sizes.length - 1] || 1;
}
