/** The bottom line: what is going on, how far it is, and the way to stop it. And the error box. */
import { html, nothing, type TemplateResult } from "lit-html";
import { seconds } from "../../lib/format.js";
import { computed, react, signal } from "../../lib/lifetime.js";
import { mount } from "../../ui/mount.js";
import { progress } from "../../ui/parts.js";
import type { Store } from "./store.js";

export function mountStatus(element: HTMLElement, store: Store, life: AbortSignal): void {
  const elapsed = stopwatch(store, life);
  mount(life, element, () => status(store, elapsed.value));
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

function status(store: Store, elapsed: number): TemplateResult {
  const { phase, text, done, total, eta } = store.state.value;
  const running = phase === "running";
  // Counts stand beside the announced text: a screen reader would read every one of them.
  const label = text.replace(COUNT, "") || PHASES[phase];
  return html`${running ? progress({ share: total ? done / total : null, label: "Progress" }) : nothing}
    <i class="lamp" data-phase=${phase}></i>
    <span role="status" aria-live="polite" data-testid="status" data-phase=${phase}>${label}</span>
    <span class="time">${running ? timing(done, total, elapsed, eta) : nothing}</span>
    <button
      class="button"
      type="button"
      data-testid="cancel"
      ?hidden=${!running}
      @click=${() => store.request("cancel")}
    >
      Cancel
    </button>
    <button
      class="button"
      type="button"
      data-testid="run"
      ?hidden=${phase !== "cancelled" && phase !== "error"}
      @click=${() => store.request("run")}
    >
      Run again
    </button>`;
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
    const { error } = store.state.value;
    const message = error?.message ?? store.problem.value;
    if (!message) return nothing;
    return html`<div class="error" role="alert" data-testid="error">
      <strong>${error?.type ?? (store.drawable.value ? "No answer" : "No picture")}</strong>
      <p tabindex="0">${message}</p>
    </div>`;
  });
}
