/** Keys of the whole widget; the help shows this table. */
import { clamp, oneLine } from "../../lib/format.js";
import { ARROWS } from "../../lib/keys.js";
import { atEnd } from "../../lib/lifetime.js";
import type { Overlay, Sign, Traits } from "../../lib/wire.js";
import { both, type Group, listenTable, row } from "../../ui/keys.js";
import { PLAIN, zoomAt } from "./gestures.js";
import { fillOf, fills, stopPainting } from "./paint.js";
import type { Player } from "./player.js";
import { toggleLock } from "./scaling.js";
import type { Shell } from "./shell.js";
import { isQuestion } from "./specs.js";
import type { Store } from "./store.js";

const ALPHA_STEP = 0.01;
const OPACITY_STEP = 0.05;
/** Milliseconds of rest after which the pixel under the cursor is read aloud: not every one on the way. */
const REST = 300;
/** Two presses double the size. */
const ZOOM_STEP = Math.SQRT2;

const SIGNS: readonly Sign[] = ["both", "positive", "negative", "absolute"];
const OVERLAYS: readonly Overlay[] = ["blend", "map", "multiply", "contour"];

/** What a key may use. */
export interface Hand {
  readonly store: Store;
  readonly shell: Shell;
  readonly player: Player;
  readonly root: HTMLElement;
  /** Changes traits in the page; they are sent when the key is lifted. */
  hold(partial: Partial<Traits>): void;
}

export const KEYS: readonly Group<Hand>[] = [
  {
    title: "Question",
    keys: [
      row("b", "Next baseline", nextBaseline),
      row("m M", "Next or previous method", (hand, key) => nextMethod(hand, key === "m" ? 1 : -1)),
      row(
        "Escape",
        "Close what is open, put the tool away, stop playing, show the maps again, cancel the work",
        stop,
      ),
    ],
  },
  {
    title: "Path",
    keys: [
      both("[ ]", "Alpha back or on", moveAlpha),
      both("{ }", "Ten times as far", moveAlpha, 10),
      row(" ", "Play or stop", ({ player }) => player.toggle()),
    ],
  },
  {
    title: "View",
    keys: [
      row("o", "Next overlay", ({ store }) =>
        store.commit({ overlay: after(OVERLAYS, store.traits.overlay.value) }),
      ),
      both(", .", "Less or more opacity", moveOpacity),
      row("s", "Next sign", ({ store }) => store.commit({ sign: after(SIGNS, store.traits.sign.value) })),
      row("l", "Lock the scale, or let it go", lock),
      row("p", "While held: the plain picture", ({ store }) => peek(store, true), {
        lift: ({ store }) => peek(store, false),
      }),
    ],
  },
  {
    title: "Pictures",
    keys: [
      row(Object.keys(ARROWS).join(" "), "On a picture: from pixel to pixel; with Shift ten"),
      row("+ - 0", "Larger, smaller, whole picture", zoom, { repeats: true }),
      row("n", "Add a panel", addPanel),
      row("1 2 3 4 5 6", "Make this panel the active one", (hand, key) => activate(hand, Number(key) - 1)),
      row("r", "Region tool: rectangle, brush, none", nextTool),
    ],
  },
  {
    title: "All",
    keys: [
      row("z", "Undo", ({ store }) => store.undo()),
      row("Z", "Redo", ({ store }) => store.redo()),
      row("?", "This help", ({ shell }) => shell.open("help")),
    ],
  },
];

export function listenKeys(
  root: HTMLElement,
  store: Store,
  shell: Shell,
  player: Player,
  life: AbortSignal,
): void {
  let held: Partial<Traits> = {};
  const hand: Hand = {
    store,
    shell,
    player,
    root,
    hold(partial) {
      store.set(partial);
      held = { ...held, ...partial };
    },
  };
  const lift = () => {
    if (Object.keys(held).length) store.commit(held);
    held = {};
  };
  const speak = whenAtRest(life, () => {
    shell.spoken.value = oneLine(root.querySelector("[data-testid=readout]")?.textContent ?? "");
  });
  listenTable(root, KEYS, hand, life, {
    lifted: lift,
    pressed: (key, { target }) => {
      if (key.startsWith("Arrow") && (target as Element).closest(".view")) speak();
    },
  });
}

function whenAtRest(life: AbortSignal, act: () => void): () => void {
  let timer = 0;
  atEnd(life, () => clearTimeout(timer));
  return () => {
    clearTimeout(timer);
    timer = window.setTimeout(act, REST);
  };
}

function after<T>(list: readonly T[], current: T): T {
  return list[(list.indexOf(current) + 1) % list.length];
}

function moveAlpha({ store, player, hold }: Hand, steps: number): void {
  player.pause();
  hold({ alpha: moved(store.traits.alpha.value, steps * ALPHA_STEP) });
}

function moveOpacity({ store, hold }: Hand, steps: number): void {
  hold({ opacity: moved(store.traits.opacity.value, steps * OPACITY_STEP) });
}

const moved = (value: number, step: number) => Math.round(clamp(value + step, 0, 1) * 1000) / 1000;

function addPanel({ store, root }: Hand): void {
  if (store.traits.mode.value === "full")
    root.querySelector<HTMLElement>("[data-testid=compare][aria-expanded=false]")?.click();
}

/** Whether the active panel can ask anything; if not, the reader is told. */
function asks({ store, shell }: Hand): boolean {
  if (store.offline.value) shell.say("This page has no kernel to ask");
  else if (!isQuestion(store.spec.value)) shell.say("This panel is made of others: it asks nothing");
  else return true;
  return false;
}

function nextBaseline(hand: Hand): void {
  const { store, shell } = hand;
  if (!asks(hand)) return;
  const known = fills(store.info.value);
  if (!store.method.value?.uses_baseline || !known.length) {
    shell.say(`${store.method.value?.title ?? "This method"} has no baseline`);
    return;
  }
  const at = known.findIndex(({ value }) => value === store.question.baseline.value.kind);
  const { value, label } = known[(at + 1) % known.length];
  stopPainting(store);
  store.ask({ baseline: fillOf(store.info.value, value) });
  shell.say(`Baseline: ${label}`);
}

function nextMethod(hand: Hand, step: number): void {
  const { store, shell } = hand;
  const methods = store.info.value?.methods ?? [];
  if (!asks(hand) || !methods.length) return;
  const at = methods.findIndex(({ key }) => key === store.question.method.value);
  const { key, title } = methods[(at + step + methods.length) % methods.length];
  store.ask({ method: key });
  shell.say(`Method: ${title}`);
}

function lock({ store, shell }: Hand): void {
  toggleLock(store);
  shell.say(store.traits.scale.value.mode === "fixed" ? "The scale is locked" : "The scale follows the maps");
}

function peek(store: Store, on: boolean): void {
  store.peeking.value = on;
}

function zoom({ store, hold }: Hand, key: string): void {
  if (key === "0") {
    hold({ zoom: PLAIN });
    return;
  }
  const [factor, x, y] = store.traits.zoom.value;
  const { cursor } = store;
  // What lies under the cursor stays there.
  const place = (at: number, centre: number) => clamp((at - centre) * factor + 0.5, 0, 1);
  const at = cursor.value ? { x: place(cursor.value.x, x), y: place(cursor.value.y, y) } : undefined;
  const next = zoomAt(store.traits.zoom.value, key === "+" ? ZOOM_STEP : 1 / ZOOM_STEP, at);
  hold({ zoom: next.map((value) => Math.round(value * 1e4) / 1e4) as Traits["zoom"] });
}

function activate({ store, shell }: Hand, panel: number): void {
  const slot = store.slots.value[panel];
  if (!slot) return;
  if (store.active.value !== panel) store.commit({ panel });
  shell.say(`Panel ${panel + 1}: ${slot.drawable.value?.result.title ?? "not computed yet"}`);
}

function nextTool({ store, shell }: Hand): void {
  const { tool } = store;
  const next = { look: "rectangle", rectangle: "brush", brush: "look", eraser: "look" } as const;
  tool.value = next[tool.value];
  shell.say({ rectangle: "Rectangle", brush: "Brush", look: "No tool" }[tool.value as "look"]);
}

/** One thing at a time, the nearest first; boxes and lists have taken the key before it comes here. */
function stop({ store, player }: Hand): void {
  if (store.tool.value !== "look") store.tool.value = "look";
  else if (store.playing.value) player.toggle();
  else if (store.traits.taken.value !== null) store.commit({ taken: null });
  else if (store.running.value) void store.request("cancel", { panel: null });
  else if (store.trialState.value.phase === "running") void store.request("cancel", { what: "trial" });
}
