/** A map made of other panels' maps, as a result of its own, or the reason why it cannot be made. */
import type { Along, Drawable, PanelSpec, Result } from "../../lib/wire.js";
import { average, difference } from "../../render/compare.js";
import { cumulativeAt, gradientAt, gradientUnit } from "../../render/path.js";
import { automaticLimit, type Own } from "../../render/scale.js";
import { Smoother } from "../../render/smooth.js";

export interface Made {
  drawable: Drawable | null;
  refusal: string | null;
  own: Own | null;
}

/** Points of the path at which a derived panel's gradients are looked at for its limit. */
const PLACES = 8;

/** The panels that a derived one is made of; `null` for a panel with a question of its own. */
export function sourcesOf(spec: PanelSpec | null): readonly number[] | null {
  if (spec && "difference" in spec) return spec.difference;
  return spec && "average" in spec ? spec.average : null;
}

/** What a derived panel is called: numbers as on screen, from 1. */
export function titleOf(spec: PanelSpec): string {
  const numbers = (sourcesOf(spec) ?? []).map((panel) => panel + 1);
  if ("difference" in spec) return `Difference: ${numbers.join(" \u2212 ")}`;
  return `Average of ${numbers.join(", ")}`;
}

/** Makes the whole map of `sources`, each a panel's arrays or the reason why there are none. */
export function derive(
  spec: PanelSpec,
  sources: readonly (Drawable | string)[],
  along: Along,
  sigma: number,
): Made {
  const parts = sources.filter((source) => typeof source !== "string");
  const unit = parts.length ? unitOf(parts[0], along) : "";
  const refusal = sources.find((source) => typeof source === "string") ?? mismatch(spec, parts, along);
  if (refusal || !parts.length) {
    return { drawable: null, refusal: refusal ?? "It is made of no panel.", own: null };
  }
  const maps = parts.map(whole);
  const values = new Float64Array(maps[0].length);
  combine(spec, maps, values);
  const on = shown(spec, parts, values, along, sigma);
  const smoothed = sigma > 0 && on.length === 1 ? on[0] : undefined;
  // A map that is zero everywhere has no size: it must not set that of the others.
  const limit = on.some((map) => map.some(Boolean)) ? automaticLimit(...on) : 0;
  return { drawable: drawn(spec, parts, values), refusal: null, own: { unit, limit, smoothed } };
}

/** The maps whose values make the automatic limit: the whole one, or some of the gradients on the way. */
function shown(
  spec: PanelSpec,
  parts: readonly Drawable[],
  values: Float64Array,
  along: Along,
  sigma: number,
): Float64Array[] {
  const [{ width, height }] = parts;
  const smooth = (map: Float64Array) => new Smoother().smooth(map, width, height, sigma);
  if (!parts.some((part) => showsGradient(part, along))) return [smooth(values)];
  return Array.from({ length: PLACES }, (_, i) => {
    const maps = parts.map((part) => {
      const map = new Float64Array(values.length);
      if (!gradientAt(part, i / (PLACES - 1), map)) cumulativeAt(part, i / (PLACES - 1), map);
      return map;
    });
    const out = new Float64Array(values.length);
    combine(spec, maps, out);
    return smooth(out);
  });
}

/** Writes what the panel shows, from what its sources show. */
export function combine(spec: PanelSpec, maps: readonly Float64Array[], out: Float64Array): void {
  if ("difference" in spec) difference(maps[0], maps[1], out);
  else average(maps, out);
}

function whole({ map }: Drawable): Float64Array {
  return Float64Array.from(map.data, (value) => value * map.scale);
}

function mismatch(spec: PanelSpec, parts: readonly Drawable[], along: Along): string | null {
  const panels = (sourcesOf(spec) ?? []).map((panel) => panel + 1);
  for (const [i, part] of parts.entries()) {
    const pair = `Panels ${panels[0]} and ${panels[i]}`;
    const [a, b] = [parts[0], part].map((one) => unitOf(one, along) || "no unit");
    if (a !== b) return `${pair} have different units (${a} and ${b}): their values cannot be combined.`;
    if (part.width !== parts[0].width || part.height !== parts[0].height) {
      return `${pair} have different sizes (${size(parts[0])} and ${size(part)}): their pixels do not match.`;
    }
  }
  return null;
}

/** Of what a panel shows now: where the gradients are not here, it shows the map. */
function unitOf(drawable: Drawable, along: Along): string {
  const { unit } = drawable.result;
  return showsGradient(drawable, along) ? gradientUnit(unit) : unit;
}

function showsGradient({ gradients, path }: Drawable, along: Along): boolean {
  return along === "gradient" && Boolean(gradients && path);
}

const size = ({ width, height }: Drawable) => `${width} \u00d7 ${height}`;

/** Furthest from the end first: what is made of several is as far as the last of them. */
const STAGES: Result["stage"][] = ["cancelled", "preview", "partial", "final"];

function drawn(spec: PanelSpec, parts: readonly Drawable[], values: Float64Array): Drawable {
  const results = parts.map(({ result }) => result);
  const [first] = results;
  const same = results.every(({ target }) => target === first.target);
  const result: Result = {
    ...first,
    job: Math.max(...results.map(({ job }) => job)),
    stage: STAGES.find((stage) => results.some((one) => one.stage === stage)) ?? "final",
    method: "",
    title: titleOf(spec),
    target: same ? first.target : null,
    target_label: same ? first.target_label : "",
    signed: "difference" in spec || results.some(({ signed }) => signed),
    limit: automaticLimit(values),
    path: null,
    completeness: null,
    notes: [],
    seconds: Math.max(...results.map(({ seconds }) => seconds)),
    can_refine: false,
    steps: null,
    layer: null,
    baseline: null,
    grid: null,
  };
  const map = { shape: [parts[0].height, parts[0].width], scale: 1, data: Float32Array.from(values) };
  return { ...parts[0], result, map, path: null, gradients: undefined, predictions: undefined };
}
