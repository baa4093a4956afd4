/** The ways out of the page: a file for download, text for the clipboard. */
import { html } from "lit-html";
import type { DialogProps } from "./dialog.js";
import type { MenuItem } from "./menu.js";
import type { Shell } from "./shell.js";

export function save(blob: Blob, name: string): void {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(blob);
  link.download = name;
  link.click();
  // Not at once: some browsers read it after the click is over.
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
}

interface Answer {
  status: string;
  result?: Record<string, unknown>;
  error?: { type: string; message: string };
  buffers: ArrayBufferView[];
}

/** Asks the kernel for a file in a format. */
export type AskFile = (format: string) => Promise<Answer>;

/** What the kernel can make, one at a time; `record` says what the JSON is good for. */
export function fileItems(
  shell: Pick<Shell<string>, "exporting" | "deserted" | "say">,
  ask: AskFile,
  offline: boolean,
  record: string,
): MenuItem[] {
  const formats = [
    ["png", "PNG", "Figure for a slide"],
    ["svg", "SVG", "Figure for a paper"],
    ["html", "HTML page", "This view, alive without a kernel"],
    ["json", "JSON record", record],
  ] as const;
  const busy = shell.exporting.value !== null;
  return formats.map(([format, label, hint]) => ({
    label,
    testid: `export-${format}`,
    hint: offline ? "Needs a kernel, and there is none" : busy ? "After the one that is being made" : hint,
    disabled: offline || busy,
    onPick: () => void exportAs(shell, ask, format, label),
  }));
}

async function exportAs(
  shell: Pick<Shell<string>, "exporting" | "deserted" | "say">,
  ask: AskFile,
  format: string,
  label: string,
): Promise<void> {
  shell.exporting.value = `Making the ${label}`;
  const { status, result, error, buffers } = await ask(format);
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

export function codeItem(onPick: () => void): MenuItem {
  const hint = "The call that makes this view again";
  return { label: "Copy as code", testid: "copy-code", hint, onPick };
}

/** The code, chosen already: one key copies it. */
export function codeDialog(code: string): DialogProps {
  const rows = Math.min(24, code.split("\n").length + 1);
  return {
    title: "Copy as code",
    testid: "code-box",
    focus: "textarea",
    body: html`<p>This page may not write to the clipboard. Copy it with Ctrl+C or \u2318C.</p>
      <textarea
        class="code"
        readonly
        spellcheck="false"
        aria-label="Code of this view"
        rows=${rows}
        .value=${code}
        @focus=${(event: Event) => (event.target as HTMLTextAreaElement).select()}
      ></textarea>`,
  };
}

/** Where the page may not write to the clipboard, the reader gets the text to copy by hand, in the box "code". */
export async function copy(
  code: string,
  shell: { say(text: string): void; open(box: "code"): void },
): Promise<void> {
  try {
    // Missing where a notebook is served by plain http.
    await navigator.clipboard.writeText(code);
    shell.say("Copied");
  } catch {
    shell.open("code");
  }
}
