/** The ways out: files that the kernel makes, the view as a picture made here, the view as code. */
import { codeOf } from "../../lib/code.js";
import { equal } from "../../lib/history.js";
import { DEFAULTS, type Traits } from "../../lib/wire.js";
import type { DialogProps } from "../../ui/dialog.js";
import { codeDialog, copy, save } from "../../ui/files.js";
import type { MenuItem } from "../../ui/menu.js";
import type { Shell } from "./shell.js";
import { pictureOf } from "./snapshot.js";
import type { Store } from "./store.js";

/** What the view does not know: Python's `code()` begins with the same line. */
const YOURS = "# model and images are yours; so are transform= and labels=, if they were given";

type Format = "png" | "svg" | "html" | "json";

const FORMATS: readonly { format: Format; label: string; hint: string }[] = [
  { format: "png", label: "PNG", hint: "Figure for a slide" },
  { format: "svg", label: "SVG", hint: "Figure for a paper" },
  { format: "html", label: "HTML page", hint: "This view, alive without a kernel" },
  { format: "json", label: "JSON record", hint: "How to compute the active panel again" },
];

export function exportMenu(root: HTMLElement, store: Store, shell: Shell): MenuItem[] {
  const offline = store.offline.value || shell.deserted.value;
  const busy = shell.exporting.value !== null;
  const files = FORMATS.map(({ format, label, hint }) => ({
    label,
    testid: `export-${format}`,
    hint: offline ? "Needs a kernel, and there is none" : busy ? "After the one that is being made" : hint,
    disabled: offline || busy,
    onPick: () => void exportAs(store, shell, format, label),
  }));
  const view = {
    label: "PNG of this view",
    testid: "export-view",
    hint: "As it is on screen",
    onPick: () => void exportView(root, shell),
  };
  const code = {
    label: "Copy as code",
    testid: "copy-code",
    hint: "The call that makes this view again",
    onPick: () => void copyCode(store, shell),
  };
  return [...files, ...(offline ? [view] : []), code];
}

async function exportAs(store: Store, shell: Shell, format: Format, label: string): Promise<void> {
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
  traits.panel = store.active.value;
  return `${YOURS}\n${codeOf(traits, { models: store.info.value?.models.length ?? 1 })}`;
}

export const codeBox = (store: Store): DialogProps => codeDialog(viewCode(store));

const copyCode = (store: Store, shell: Shell) => copy(viewCode(store), shell);
