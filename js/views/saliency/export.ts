/** The ways out: files that the kernel makes, the view as a picture made here, the view as code. */
import { codeOf } from "../../lib/code.js";
import { equal } from "../../lib/history.js";
import { DEFAULTS, type Traits, type TrialSettings } from "../../lib/wire.js";
import type { DialogProps } from "../../ui/dialog.js";
import { codeDialog, codeItem, copy, fileItems, save } from "../../ui/files.js";
import type { MenuItem } from "../../ui/menu.js";
import type { Shell } from "./shell.js";
import { pictureOf } from "./snapshot.js";
import type { Store } from "./store.js";
import { USUAL } from "./trial/fold.js";

/** What the view does not know: Python's `code()` begins with the same line. */
const YOURS = "# model and images are yours; so are transform= and labels=, if they were given";

export function exportMenu(root: HTMLElement, store: Store, shell: Shell): MenuItem[] {
  const offline = store.offline.value || shell.deserted.value;
  const ask = (format: string) => store.request("export", { format });
  const files = fileItems(shell, ask, offline, "How to compute the active panel again");
  const view = {
    label: "PNG of this view",
    testid: "export-view",
    hint: "As it is on screen",
    onPick: () => void exportView(root, shell),
  };
  return [...files, ...(offline ? [view] : []), codeItem(() => void copyCode(store, shell))];
}

async function exportView(root: HTMLElement, shell: Shell): Promise<void> {
  const blob = await pictureOf(root);
  if (blob) save(blob, "saliscope.png");
  shell.say(blob ? "Saved saliscope.png" : "There is no picture yet");
}

function viewCode(store: Store): string {
  const names = Object.keys(DEFAULTS) as (keyof Traits)[];
  const traits = Object.fromEntries(
    names.map((name) => [name, store.traits[name].value]),
  ) as unknown as Traits;
  // Nobody chose what a method brings along, nor the limits of others on the same scale.
  const usual = new Map(
    store.methodOf(traits.method)?.controls.map((control) => [control.name, control.default]),
  );
  const chosen = Object.entries(traits.params).filter(([name, value]) => !equal(usual.get(name), value));
  traits.params = Object.fromEntries(chosen);
  if (traits.scale.mode !== "fixed") traits.scale = { ...traits.scale, limits: {} };
  if (traits.trial) {
    const asked = Object.entries(traits.trial).filter(
      ([name, value]) => !equal(value, USUAL[name as keyof TrialSettings]),
    );
    traits.trial = (asked.length ? Object.fromEntries(asked) : true) as unknown as TrialSettings;
  }
  traits.panel = store.active.value;
  const info = store.info.value;
  return `${YOURS}\n${codeOf(traits, { models: info?.models.length ?? 1, methods: info?.methods })}`;
}

export const codeBox = (store: Store): DialogProps => codeDialog(viewCode(store));

const copyCode = (store: Store, shell: Shell) => copy(viewCode(store), shell);
