/** From messages about maps to what can be drawn: nothing where sizes contradict each other. */
import type {
  Column,
  ColumnInfo,
  Layout,
  MapDrawable,
  PointSet,
  PointsInfo,
  Sequence,
  SequenceDrawable,
} from "../lib/map_wire.js";
import { blob } from "./blobs.js";

export function pointsNeed({ columns, ids }: PointsInfo): string[] {
  const arrays = columns.map(({ codes, values }) => codes ?? values ?? "");
  return [...arrays, ids ?? ""].filter(Boolean);
}

export function assemblePoints({ columns, ids, ...info }: PointsInfo): PointSet {
  const known = columns.map((column) => assembleColumn(column, info.n)).filter((column) => column !== null);
  const data = ids ? blob(ids)?.data : null;
  return { ...info, columns: known, ids: data instanceof Uint32Array ? data : null };
}

function assembleColumn(info: ColumnInfo, n: number): Column | null {
  const found = blob(info.codes ?? info.values ?? "");
  const { data, scale = 1 } = found ?? {};
  const right = info.kind === "category" ? data instanceof Uint16Array : data instanceof Float32Array;
  if (!right || data?.length !== n) return null;
  return { ...info, data: data as Column["data"], scale };
}

export function assembleLayout(layout: Layout): MapDrawable | null {
  const coords = blob(layout.coords)?.data;
  if (!(coords instanceof Uint16Array)) return null;
  const quality = layout.quality ? blob(layout.quality)?.data : null;
  const whole = quality instanceof Uint8Array && quality.length === 2 * coords.length;
  return { layout, coords, quality: whole ? quality : null };
}

export function assembleSequence(sequence: Sequence): SequenceDrawable | null {
  const coords = sequence.coords.map((hash) => blob(hash)?.data);
  if (!coords.every((data): data is Uint16Array => data instanceof Uint16Array)) return null;
  if (!coords.length || coords.some(({ length }) => length !== coords[0].length)) return null;
  const found = sequence.displacement ? blob(sequence.displacement) : null;
  const moved = found?.data instanceof Float32Array ? found.data : null;
  return { sequence, coords, displacement: moved?.map((value) => value * (found?.scale ?? 1)) ?? null };
}
