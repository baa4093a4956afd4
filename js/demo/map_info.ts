/** What the fake kernel of maps can do. */
import type { ReducerInfo } from "../lib/map_wire.js";

const seed = {
  name: "random_state",
  kind: "int",
  label: "Random state",
  min: 0,
  max: 100,
  step: 1,
  default: 0,
} as const;

export const REDUCERS: ReducerInfo[] = [
  {
    key: "tsne",
    title: "t-SNE",
    summary: "Keeps each row's nearest neighbours together; gaps and sizes are free.",
    cautions: ["Sizes of clusters and gaps between them are not to scale."],
    controls: [
      {
        name: "perplexity",
        kind: "float",
        label: "Perplexity",
        min: 2,
        max: 200,
        step: 1,
        default: 30,
        log: true,
      },
      {
        name: "affinity",
        kind: "choice",
        label: "Affinity",
        choices: ["uniform", "perplexity"],
        default: "uniform",
      },
      seed,
    ],
  },
  {
    key: "umap",
    title: "UMAP",
    summary: "Keeps neighbours together, and packs clusters tighter than t-SNE.",
    cautions: ["Distances between clusters say little."],
    controls: [
      {
        name: "n_neighbors",
        kind: "int",
        label: "Neighbours",
        min: 2,
        max: 200,
        step: 1,
        default: 15,
        log: true,
      },
      { name: "min_dist", kind: "float", label: "Least distance", min: 0, max: 1, step: 0.01, default: 0.1 },
      seed,
    ],
  },
  {
    key: "pca",
    title: "PCA",
    summary: "The two directions in which the data varies most; a linear projection.",
    cautions: ["What varies in other directions is not seen."],
    controls: [],
  },
];

export const MAP_METHODS = [
  { key: "integrated_gradients", title: "Integrated Gradients" },
  { key: "input_x_gradient", title: "Input \u00d7 Gradient" },
  { key: "grad_cam", title: "Grad-CAM" },
];
