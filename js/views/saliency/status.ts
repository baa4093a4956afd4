/** The bottom line: what is going on, how far it is, and the way to stop it. And the error box. */
import { html, nothing, type TemplateResult } from "lit-html";
import { seconds } from "../../lib/format.js";
import { computed, react, signal } from "../../lib/lifetime.js";
import type { State } from "../../lib/wire.js";
import { mount } from "../../ui/mount.js";
import { button, progress } from "../../ui/parts.js";
import type { Shell } from "./shell.js";
import type { Store } from "./store.js";

export function mountStatus(element: HTMLElement, store: Store, shell: Shell, life: AbortSignal): void {
  const elapsed = stopwatch(store, life);
  mount(life, element, () => status(store, shell, elapsed.value));
}

/** Seconds since the running job began, as this page saw it. */
function stopwatch(store: Store, life: AbortSignal) {
  const elapsed = signal(0);
  // Not the whole state: that changes ten times a second, and each change would start the clock anew.
  const job = computed(() => (store.running.value ? store.state.value.job : null));
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

/** Of a page without a kernel; what was computed stands beside each map. */
const OFFLINE = "Exported: looks work here, questions need a kernel";

function status(store: Store, shell: Shell, elapsed: number): TemplateResult {
  const { panel, phase, text, done, total, eta } = watched(store);
  const running = phase === "running";
  const stopped = phase === "cancelled" || phase === "error";
  const where = panel !== store.active.value ? `Panel ${panel + 1}: ` : "";
  const told = store.offline.value ? OFFLINE : text.replace(COUNT, "") || PHASES[phase];
  const label = where + told;
  // The one place of the widget that is read aloud. Counts stand beside it: every one of them would be read.
  return html`${running ? progress("Progress", total ? done / total : null) : nothing}
    <i class="lamp" data-phase=${phase}></i>
    <span role="status" aria-atomic="false" aria-live="polite" data-testid="status" data-phase=${phase}>
      <span>${label}</span>
      <span class="notice" data-testid="notice">${shell.exporting.value ?? shell.said.value}</span>
      <span class="unseen">${shell.spoken.value}</span>
    </span>
    <span class="time">${running ? timing(done, total, elapsed, eta) : nothing}</span>
    ${button("Cancel", "cancel", () => store.request("cancel", { panel: null }), { hidden: !running })}
    ${button("Run again", "run", () => store.request("run", { panel }), { hidden: !stopped || store.offline.value })}`;
}

/** The active panel's work, or another's where only that is running; of several that run, how far they are together. */
function watched(store: Store): State {
  const own = { ...store.state.value, panel: store.active.value };
  const running = store.states.value
    .map((state, panel) => ({ ...state, panel }))
    .filter(({ phase }) => phase === "running");
  const first = running.find(({ panel }) => panel === own.panel) ?? running[0];
  if (running.length < 2) return first ?? own;
  const sum = (name: "done" | "total") => running.reduce((all, state) => all + state[name], 0);
  return {
    ...first,
    // They take turns, so that each estimate has the others in it: the longest is that of all.
    eta: running.some(({ eta }) => eta === null) ? null : Math.max(...running.map(({ eta }) => eta ?? 0)),
    done: sum("done"),
    total: sum("total"),
    text: `Computing ${running.length} panels`,
    panel: own.panel,
  };
}

const COUNT = /:? *\d+ of \d+$/;
const PHASES = {
  idle: "Ready",
  running: "Computing",
  done: "Done",
  error: "Stopped by an error",
  cancelled: "Cancelled",
};

function timing(done: number, total: number, elapsed: number, eta: number | null): string {
  const parts = total ? [`${done} of ${total}`] : [];
  if (elapsed >= 0.5) parts.push(seconds(elapsed));
  if (eta !== null && eta >= 1) parts.push(`about ${seconds(eta)} left`);
  return parts.join(" \u00b7 ");
}

/** The kernel's words as they are, as text; picture and controls stay usable. */
export function mountError(element: HTMLElement, store: Store, life: AbortSignal): void {
  mount(life, element, () => {
    // Among several panels each says itself what went wrong with it.
    const error = store.slots.value.length > 1 ? null : store.state.value.error;
    const message = error?.message ?? store.problem.value;
    if (!message) return nothing;
    return html`<div class="error" role="alert" data-testid="error">
      <strong>${error?.type ?? (store.drawable.value ? "No answer" : "No picture")}</strong>
      <p tabindex="0">${message}</p>
    </div>`;
  });
}
