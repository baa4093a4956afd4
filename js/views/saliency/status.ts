/** The bottom line: what is going on, how far it is, and the way to stop it. And the error box. */
import { nothing, type TemplateResult } from "lit-html";
import { computed } from "../../lib/lifetime.js";
import type { State } from "../../lib/wire.js";
import { mount } from "../../ui/mount.js";
import { errorBox, statusLine, stopwatch } from "../../ui/status.js";
import type { Shell } from "./shell.js";
import type { Store } from "./store.js";

export function mountStatus(element: HTMLElement, store: Store, shell: Shell, life: AbortSignal): void {
  const elapsed = stopwatch(
    computed(() => (store.running.value ? store.state.value.job : null)),
    life,
  );
  mount(life, element, () => status(store, shell, elapsed.value));
}

/** Of a page without a kernel; what was computed stands beside each map. */
const OFFLINE = "Exported: looks work here, questions need a kernel";

function status(store: Store, shell: Shell, elapsed: number): TemplateResult {
  const { panel, ...state } = watched(store);
  const where = panel !== store.active.value ? `Panel ${panel + 1}: ` : "";
  return statusLine(state, shell, elapsed, {
    where,
    told: store.offline.value ? OFFLINE : undefined,
    onCancel: () => store.request("cancel", { panel: null }),
    onRun: store.offline.value ? undefined : () => store.request("run", { panel }),
  });
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
    at_most: running.some(({ at_most }) => at_most),
    panel: own.panel,
  };
}

/** The kernel's words as they are, as text; picture and controls stay usable. */
export function mountError(element: HTMLElement, store: Store, life: AbortSignal): void {
  mount(life, element, () => {
    // Among several panels each says itself what went wrong with it.
    const error = store.slots.value.length > 1 ? null : store.state.value.error;
    const message = error?.message ?? store.problem.value;
    if (!message) return nothing;
    return errorBox(error?.type ?? (store.drawable.value ? "No answer" : "No picture"), message);
  });
}
