/**
 * What crosses the wire for maps of embeddings, as `src/saliscope/specs/embedding.py` writes it, and what it
 * becomes in the page. Arrays are named by hashes until the host has joined them to what names them.
 */
import type { Control, Probability, State, Theme } from "./wire.js";

/** What the slider walks. */
export type Sweep = "layers" | "perplexity" | "n_neighbors";
/** Factor, and the centre as shares of the map's box. */
export type Camera = [zoom: number, x: number, y: number];

/** View state that Python knows: small, JSON, one trait each. */
export interface MapTraits {
  /** Reducers shown side by side. */
  maps: string[];
  /** Of each reducer, what differs from its usual parameters. */
  params: Record<string, Record<string, unknown>>;
  sweep: Sweep | null;
  /** Position in the sequence; between two whole numbers the maps are interpolated. */
  sweep_at: number;
  layer: string | null;
  color_by: string;
  /** Id of the row in focus. */
  point: number | null;
  method: string;
  n_steps: number;
  camera: Camera;
  /** CSS pixels; 0 is automatic. */
  point_size: number;
  opacity: number;
  density: boolean;
  spokes: boolean;
  table: boolean;
  theme: Theme;
}

export const MAP_DEFAULTS: Readonly<MapTraits> = {
  maps: ["tsne"],
  params: {},
  sweep: null,
  sweep_at: 0,
  layer: null,
  color_by: "none",
  point: null,
  method: "integrated_gradients",
  n_steps: 32,
  camera: [1, 0.5, 0.5],
  point_size: 0,
  opacity: 0.85,
  density: false,
  spokes: true,
  table: false,
  theme: "auto",
};

export const MOST_MAPS = 4;
/** Of a category that a row has no value for. */
export const MISSING = 65535;

export interface ReducerInfo {
  key: string;
  title: string;
  summary: string;
  cautions: string[];
  controls: Control[];
}

export interface ColumnInfo {
  name: string;
  title: string;
  kind: "category" | "number";
  names?: string[];
  codes?: string;
  values?: string;
  unit?: string;
}

/** What is mapped; told once, and when columns are added. */
export interface PointsInfo {
  n: number;
  /** Rows before sampling. */
  of: number;
  sampling: string;
  d: number;
  what: string;
  classes: string[];
  layers: string[];
  pictures: boolean;
  model: string | null;
  reducers: ReducerInfo[];
  methods: { key: string; title: string }[];
  columns: ColumnInfo[];
  ids: string | null;
  search: string[] | null;
  /** A page without a kernel: looks work, questions do not. */
  offline?: boolean;
}

export interface Column extends ColumnInfo {
  /** A code or a number for each row. */
  data: Uint16Array | Float32Array;
  /** True values are `data` times this. */
  scale: number;
}

/** Rows with their columns, ready to be drawn. */
export interface PointSet extends Omit<PointsInfo, "columns" | "ids"> {
  columns: Column[];
  /** Row ids; absent where they are 0..n-1. */
  ids: Uint32Array | null;
}

export interface MapNumbers {
  kept: number | null;
  trustworthiness: number | null;
  continuity: number | null;
  rho: number | null;
  kl: number | null;
  kl_of?: string | null;
  /** Neighbours that were looked at. */
  k: number;
  /** Rows that the costly numbers were taken from. */
  rows: number | null;
}

export interface Shepard {
  x: number[];
  y: number[];
  counts: number[][];
}

export interface Layout {
  job: number;
  map: number;
  reducer: string;
  stage: "start" | "partial" | "final" | "cancelled";
  iteration: number;
  total: number;
  coords: string;
  box: [number, number, number, number];
  quality: string | null;
  numbers: MapNumbers | null;
  caution: string[];
  shepard: Shepard | null;
  notes: string[];
  seconds: number;
}

/** A layout with its arrays. */
export interface MapDrawable {
  layout: Layout;
  /** x and y of each row over the box, 0..65535. */
  coords: Uint16Array;
  /** Of each row: shares kept, false and missing, and stretch. */
  quality: Uint8Array | null;
}

export interface Sequence {
  job: number;
  sweep: Sweep;
  /** The map whose place it takes, which is one of this reducer. */
  map: number;
  reducer: string;
  names: string[];
  coords: string[];
  box: [number, number, number, number];
  displacement: string | null;
  numbers: { kept: number | null }[];
  done: number;
  total: number;
}

export interface SequenceDrawable {
  sequence: Sequence;
  coords: Uint16Array[];
  /** How far each row moves from one step to the next, step by step. */
  displacement: Float32Array | null;
}

export interface MapState extends Omit<State, "panel"> {
  what: string;
}

export const MAP_IDLE: Readonly<MapState> = {
  what: "",
  phase: "idle",
  job: 0,
  done: 0,
  total: 0,
  text: "",
  eta: null,
  error: null,
};

/** What the kernel knows of one row, at a step of the sequence if it has one. Lists by map have its index as key. */
export interface Row {
  id: number;
  neighbors: number[];
  distances: number[];
  false: Record<string, number[]>;
  missing: Record<string, number[]>;
  values: Record<string, string>;
  top5: Probability[];
  step?: number | null;
}

export type SelectionName = "selection" | "group_a" | "group_b";
export const SELECTIONS: readonly SelectionName[] = ["selection", "group_a", "group_b"];

/** A picture that was not among the rows, on one of the maps. */
export interface Placed {
  id: number;
  map: number;
  x: number;
  y: number;
  inside: boolean;
  /** Distance of its neighbours over the one beyond which 1 % of the rows have theirs. */
  ratio: number;
  /** The same relative to the rows around it. */
  local: number;
  neighbors: number[];
  name: string;
}

export interface Group {
  n: number;
  classes: [name: string, share: number][];
  mean_attribution: string | null;
  picture_mean: string | null;
}

export interface Groups {
  a: Group | null;
  b: Group | null;
  /** Largest standardised differences of means, A minus B. */
  differs: [name: string, effect: number][];
}

export interface TableRow {
  id: number;
  values: Record<string, string | number | null>;
}

export interface TablePage {
  rows: TableRow[];
  total?: number;
}

/** What a page of maps may ask the kernel. */
export type MapAct =
  | "cancel"
  | "run"
  | "refine"
  | "row"
  | "explain"
  | "thumbnails"
  | "picture"
  | "distances"
  | "select"
  | "groups"
  | "sweep"
  | "place"
  | "stability"
  | "table"
  | "export";
