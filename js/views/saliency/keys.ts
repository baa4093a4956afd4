/** Keys of the whole widget. They work, and are kept from the notebook, only while it has the focus. */
import { clamp } from "../../lib/format.js";
import type { Sign } from "../../lib/wire.js";
import { SIGNS } from "./inspector.js";
import type { Player } from "./player.js";
import type { Store } from "./store.js";

const ALPHA_STEP = 0.01;
const OPACITY_STEP = 0.05;

export function listenKeys(root: HTMLElement, store: Store, player: Player, life: AbortSignal): void {
  /** A trait that a held key has moved; sent when the key is lifted. */
  let moved: "alpha" | "opacity" | null = null;
  const nudge = (name: "alpha" | "opacity", step: number) => {
    const value = clamp(store.traits[name].value + step, 0, 1);
    store.set({ [name]: Math.round(value * 1000) / 1000 });
    moved = name;
  };
  const send = () => {
    if (moved) store.commit({ [moved]: store.traits[moved].value });
    moved = null;
  };
  const actions: Record<string, () => void> = {
    "[": () => nudge("alpha", -ALPHA_STEP),
    "]": () => nudge("alpha", ALPHA_STEP),
    "{": () => nudge("alpha", -10 * ALPHA_STEP),
    "}": () => nudge("alpha", 10 * ALPHA_STEP),
    ",": () => nudge("opacity", -OPACITY_STEP),
    ".": () => nudge("opacity", OPACITY_STEP),
    " ": () => player.toggle(),
    o: () => store.commit({ overlay: store.traits.overlay.value === "blend" ? "map" : "blend" }),
    s: () => store.commit({ sign: nextSign(store.traits.sign.value) }),
    Escape: () => store.running.value && store.request("cancel"),
  };
  const down = (event: KeyboardEvent) => {
    // Shortcuts of the notebook and the browser; but brackets need Alt on many keyboards.
    const bracket = event.altKey && "[]{}".includes(event.key);
    if ((event.ctrlKey || event.metaKey || event.altKey) && !bracket) return;
    event.stopPropagation();
    const action = actions[event.key];
    if (!action || event.defaultPrevented || (event.key !== "Escape" && keepsKeys(event))) return;
    event.preventDefault();
    action();
  };
  root.addEventListener("keydown", down, { signal: life });
  root.addEventListener("keyup", send, { signal: life });
  root.addEventListener("focusout", send, { signal: life });
}

function nextSign(sign: Sign): Sign {
  const at = SIGNS.findIndex(({ value }) => value === sign);
  return SIGNS[(at + 1) % SIGNS.length].value;
}

/** Where a letter is text, and where Space already has a meaning. */
function keepsKeys(event: KeyboardEvent): boolean {
  const target = event.target as HTMLElement;
  if (target.matches("select, textarea, input:not([type=range]):not([type=checkbox])")) return true;
  return event.key === " " && target.matches("button, input, summary");
}
