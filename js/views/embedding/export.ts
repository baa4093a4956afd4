/** The ways out: files that the kernel makes, and the view as code. */

import { callOf } from "../../lib/code.js";
import { equal } from "../../lib/history.js";
import { MAP_DEFAULTS, type MapTraits } from "../../lib/map_wire.js";
import type { DialogProps } from "../../ui/dialog.js";
import { codeDialog, copy, save } from "../../ui/files.js";
import type { MenuItem } from "../../ui/menu.js";
import type { Shell } from "./shell.js";
import type { Store } from "./store.js";

const FORMATS = [
  { format: "png", label: "PNG", hint: "Figure for a slide" },
  { format: "svg", label: "SVG", hint: "Figure for a paper" },
  { format: "html", label: "HTML page", hint: "This view, alive without a kernel" },
  { format: "json", label: "JSON record", hint: "How to compute these maps again" },
] as const;

export function exportMenu(store: Store, shell: Shell): MenuItem[] {
  const gone = shell.deserted.value;
  const busy = shell.exporting.value !== null;
  const files = FORMATS.map(({ format, label, hint }) => ({
    label,
    testid: `export-${format}`,
    hint: gone ? "Needs a kernel, and there is none" : busy ? "After the one that is being made" : hint,
    disabled: gone || busy,
    onPick: () => void exportAs(store, shell, format, label),
  }));
  const code = {
    label: "Copy as code",
    testid: "copy-code",
    hint: "The call that makes this view again",
    onPick: () => void copy(viewCode(store), shell),
  };
  return [...files, code];
}

async function exportAs(store: Store, shell: Shell, format: string, label: string): Promise<void> {
  shell.exporting.value = `Making the ${label}`;
  const { status, result, error, buffers } = await store.request("export", { format });
  shell.exporting.value = null;
  if (error?.type === "NoKernel") shell.deserted.value = true;
  if (status === "cancelled") return;
  if (status === "error" || !result || !buffers[0]) {
    shell.say(`${label} failed: ${error?.message ?? "the kernel sent no file."}`);
    return;
  }
  const name = String(result.name);
  save(new Blob([buffers[0] as BlobPart], { type: String(result.type) }), name);
  shell.say(`Saved ${name}`);
}

function viewCode(store: Store): string {
  const names = Object.keys(MAP_DEFAULTS) as (keyof MapTraits)[];
  const changed = names.filter((name) => !equal(store.traits[name].value, MAP_DEFAULTS[name]));
  const chosen = changed.map((name) => [name, store.traits[name].value] as const);
  const model = store.points.value?.model != null;
  return callOf("EmbeddingExplorer", model ? ["model", "images"] : ["data"], chosen);
}

/** The code, chosen already: one key copies it. */
export const codeBox = (store: Store): DialogProps => codeDialog(viewCode(store));
