/** The ways out: files that the kernel makes, and the view as code. */

import { callOf } from "../../lib/code.js";
import { equal } from "../../lib/history.js";
import { MAP_DEFAULTS, type MapTraits } from "../../lib/map_wire.js";
import type { DialogProps } from "../../ui/dialog.js";
import { codeDialog, codeItem, copy, fileItems } from "../../ui/files.js";
import type { MenuItem } from "../../ui/menu.js";
import type { Shell } from "./shell.js";
import type { Store } from "./store.js";

export function exportMenu(store: Store, shell: Shell): MenuItem[] {
  const ask = (format: string) => store.request("export", { format });
  const offline = store.offline.value || shell.deserted.value;
  const files = fileItems(shell, ask, offline, "How to compute these maps again");
  return [...files, codeItem(() => void copy(viewCode(store), shell))];
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
