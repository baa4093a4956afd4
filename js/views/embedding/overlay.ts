/** What is drawn over the points of a map: spokes, rings, placed pictures, the lasso under the hand. */
import { nothing, render, svg, type TemplateResult } from "lit-html";
import type { Placed, Row } from "../../lib/map_wire.js";
import type { Store } from "./store.js";

/** CSS pixels. */
export interface Spot {
  x: number;
  y: number;
}

export interface Drawn {
  map: number;
  row: Row | null;
  /** The lasso, or the rectangle, as corners. */
  lasso: readonly Spot[];
  place(point: number): Spot;
  placeUnits(x: number, y: number): Spot;
}

const STAR = "M0-9 2.6-3.2 8.9-2.6 4.1 1.6 5.5 7.8 0 4.5-5.5 7.8-4.1 1.6-8.9-2.6-2.6-3.2z";

export function drawOverlay(element: SVGSVGElement, store: Store, drawn: Drawn): void {
  const { hovered, focus, traits } = store;
  const at = focus.value;
  const spokes = at !== null && drawn.row && traits.spokes.value ? neighbours(store, drawn, at) : nothing;
  const content = svg`${spokes}
    ${at === null ? nothing : ring(drawn.place(at), "focus", 7)}
    ${hovered.value === null || hovered.value === at ? nothing : ring(drawn.place(hovered.value), "hover", 6)}
    ${stars(store, drawn)}
    ${drawn.lasso.length > 1 ? outline(drawn.lasso) : nothing}`;
  render(content, element as unknown as HTMLElement);
}

/** Solid: near in both; dashed: torn apart by the map; a hollow ring: near on the map only. */
function neighbours(store: Store, { map, row, place }: Drawn, at: number): TemplateResult {
  const from = place(at);
  const torn = new Set(row?.missing[map] ?? []);
  const spoke = (id: number) => {
    const to = store.placeOf(id);
    if (to === null) return nothing;
    const { x, y } = place(to);
    const kind = torn.has(id) ? "torn" : "kept";
    return svg`<line class="casing" x1=${from.x} y1=${from.y} x2=${x} y2=${y} />
      <line class="spoke" data-kind=${kind} data-id=${id} x1=${from.x} y1=${from.y} x2=${x} y2=${y} />
      <circle class="end" data-kind=${kind} cx=${x} cy=${y} r="3" />`;
  };
  const strange = (id: number) => {
    const to = store.placeOf(id);
    if (to === null) return nothing;
    const { x, y } = place(to);
    return svg`<circle class="false" data-id=${id} cx=${x} cy=${y} r="5.5" />`;
  };
  return svg`${row?.neighbors.map(spoke)}${(row?.false[map] ?? []).map(strange)}`;
}

/** Between the kernel's maps, what is near is found where the points stand: `k` of `n`, as many as there are true ones. */
export function onTheWay(
  row: Row,
  map: number,
  at: number,
  n: number,
  drawn: Pick<Drawn, "place">,
  store: Store,
): Row {
  const from = drawn.place(at);
  const far = Float64Array.from({ length: n }, (_, point) => {
    const { x, y } = drawn.place(point);
    return point === at ? Infinity : (x - from.x) ** 2 + (y - from.y) ** 2;
  });
  const limit = far.slice().sort()[Math.min(row.neighbors.length, n - 1) - 1];
  const near = new Set<number>();
  far.forEach((distance, point) => {
    if (distance <= limit) near.add(store.idOf(point));
  });
  const missing = row.neighbors.filter((id) => !near.has(id));
  const strange = [...near].filter((id) => !row.neighbors.includes(id));
  return { ...row, missing: { ...row.missing, [map]: missing }, false: { ...row.false, [map]: strange } };
}

/** Placed on the map at rest: on the steps of a sequence nobody knows where they would be. */
function stars(store: Store, drawn: Drawn): TemplateResult[] {
  if (store.walkOf(drawn.map)) return [];
  return store.placed.value.filter(({ map }) => map === drawn.map).map((one) => star(one, drawn, store));
}

const ring = ({ x, y }: Spot, kind: string, r: number) =>
  svg`<circle class="casing" cx=${x} cy=${y} r=${r} /><circle class="ring" data-kind=${kind} cx=${x} cy=${y} r=${r} />`;

function star({ id, x, y, inside }: Placed, drawn: Drawn, store: Store): TemplateResult {
  const spot = drawn.placeUnits(x, y);
  return svg`<path
    class="star"
    d=${STAR}
    data-id=${id}
    data-testid="star"
    ?data-outside=${!inside}
    ?data-chosen=${store.star.value === id}
    transform="translate(${spot.x} ${spot.y})"
  />`;
}

function outline(corners: readonly Spot[]): TemplateResult {
  const path = `M${corners.map(({ x, y }) => `${x.toFixed(1)} ${y.toFixed(1)}`).join("L")}z`;
  return svg`<path class="casing" d=${path} /><path class="lasso" d=${path} />`;
}
