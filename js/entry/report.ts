/** The door of an exported report: what its words and its table are linked to. */
import "./page.css";
import "../views/report/report.css";
import { decodeFloat16 } from "../lib/float16.js";
import { type Numbers, ReportData, type ReportWords } from "../views/report/data.js";
import { openReport } from "../views/report/index.js";
import { openSaved } from "./saved.js";
import type { PackedBlob } from "./unpack.js";

interface ReportPage extends ReportWords {
  blobs: Record<string, PackedBlob>;
}

openSaved<ReportPage>((words, bytes, box) => {
  const life = new AbortController().signal;
  const table = document.querySelector<HTMLTableElement>("#methods");
  if (!table) throw new Error("it has no table");
  const data = new ReportData(words, arraysOf(words.blobs, bytes));
  openReport(data, { table, extremes: document.querySelector("#extremes"), box }, life);
});

/** Decoded when they are first looked at. */
function arraysOf(blobs: ReportPage["blobs"], bytes: ReadonlyMap<string, Uint8Array>) {
  const known = new Map<string, Numbers>();
  return (name: string): Numbers => {
    const found = known.get(name);
    if (found) return found;
    const raw = bytes.get(name);
    if (!raw) throw new Error(`an array is missing: ${name}`);
    const { dtype, shape, scale } = blobs[name];
    const made = { shape, scale, data: dtype === "float16" ? decodeFloat16(raw) : raw };
    known.set(name, made);
    return made;
  };
}
