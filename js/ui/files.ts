/** The ways out of the page: a file for download, text for the clipboard. */
import { html } from "lit-html";
import type { DialogProps } from "./dialog.js";

export function save(blob: Blob, name: string): void {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(blob);
  link.download = name;
  link.click();
  // Not at once: some browsers read it after the click is over.
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
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
