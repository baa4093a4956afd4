/** The bottom line of an explorer: what is going on, how far it is, and the way to stop it. And its error box. */
import { html, nothing, type TemplateResult } from "lit-html";
import { progressed, seconds } from "../lib/format.js";
import { type ReadonlySignal, react, signal } from "../lib/lifetime.js";
import type { State } from "../lib/wire.js";
import { button, progress } from "./parts.js";
import type { Shell } from "./shell.js";

/** Seconds since the running job began, as this page saw it; `job` is `null` while none runs. */
export function stopwatch(job: ReadonlySignal<number | null>, life: AbortSignal): ReadonlySignal<number> {
  const elapsed = signal(0);
  react(life, () => {
    elapsed.value = 0;
    if (job.value === null) return;
    const began = performance.now();
    const timer = setInterval(() => {
      elapsed.value = (performance.now() - began) / 1000;
    }, 200);
    return () => clearInterval(timer);
  });
  return elapsed;
}

export interface StatusMore {
  /** Said before the state. */
  where?: string;
  /** Said in its place. */
  told?: string;
  onCancel(): unknown;
  /** After a stop; without it there is no button. */
  onRun?: () => unknown;
}

export function statusLine<Box extends string>(
  state: Omit<State, "panel">,
  shell: Shell<Box>,
  elapsed: number,
  { where = "", told, onCancel, onRun }: StatusMore,
): TemplateResult {
  const { phase, text, done, total } = state;
  const running = phase === "running";
  const stopped = phase === "cancelled" || phase === "error";
  const label = where + (told ?? (uncounted(text) || PHASES[phase]));
  // The one place of the widget that is read aloud. Counts stand beside it: every one of them would be read.
  return html`${running ? progress("Progress", total ? done / total : null) : nothing}
    <i class="lamp" data-phase=${phase}></i>
    <span role="status" aria-atomic="false" aria-live="polite" data-testid="status" data-phase=${phase}>
      <span>${label}</span>
      <span class="notice" data-testid="notice">${shell.exporting.value ?? shell.said.value}</span>
      <span class="unseen">${shell.spoken.value}</span>
    </span>
    <span class="time">${running ? timing(state, elapsed) : nothing}</span>
    ${button("Cancel", "cancel", onCancel, { hidden: !running })}
    ${button("Run again", "run", onRun ?? (() => {}), { hidden: !stopped || !onRun })}`;
}

/** Without the counts, which have a place of their own. */
export const uncounted = (text: string) => text.replace(/:? *\d+ of (at most )?\d+$/, "");
const PHASES = {
  idle: "Ready",
  running: "Computing",
  done: "Done",
  error: "Stopped by an error",
  cancelled: "Cancelled",
};

function timing(state: Omit<State, "panel">, elapsed: number): string {
  const { total, eta, at_most } = state;
  const parts = total ? [progressed(state)] : [];
  if (elapsed >= 0.5) parts.push(seconds(elapsed));
  if (eta !== null && eta >= 1) parts.push(`${at_most ? "at most" : "about"} ${seconds(eta)} left`);
  return parts.join(" \u00b7 ");
}

/** The kernel's words as they are, as text. */
export function errorBox(title: string, message: string): TemplateResult {
  return html`<div class="error" role="alert" data-testid="error">
    <strong>${title}</strong>
    <p tabindex="0">${message}</p>
  </div>`;
}
