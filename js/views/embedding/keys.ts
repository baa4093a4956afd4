/** Keys of the whole widget; the help shows this table. */
import { ARROWS } from "../../lib/keys.js";
import { atEnd } from "../../lib/lifetime.js";
import type { MapTraits } from "../../lib/map_wire.js";
import { WHOLE, zoomAt } from "../../render/points/camera.js";
import { both, type Group, listenTable, row } from "../../ui/keys.js";
import { colourChoices } from "./colours.js";
import { cameraOf, traitOf } from "./gestures.js";
import { makeGroup } from "./groups.js";
import type { Frame } from "./more.js";
import type { Panels } from "./panels.js";
import type { Shell } from "./shell.js";
import type { Store, Tool } from "./store.js";
import { last, move, toggle } from "./sweep.js";

/** Two presses double the size. */
const ZOOM_STEP = Math.SQRT2;
/** Of the way from one map to the next. */
const SWEEP_STEP = 0.25;
/** Milliseconds of rest after which the point under the cursor is read aloud: not every one on the way. */
const REST = 300;

export interface Hand {
  readonly store: Store;
  readonly shell: Shell;
  readonly panels: Panels;
  readonly root: HTMLElement;
  /** Changes traits in the page; they are sent when the key is lifted. */
  hold(partial: Partial<MapTraits>): void;
}

export const KEYS: readonly Group<Hand>[] = [
  {
    title: "Map",
    keys: [
      row(Object.keys(ARROWS).join(" "), "On a map: to the nearest point in that direction"),
      row("Enter", "On a map: look at the point under the cursor"),
      row("+ - 0", "Larger, smaller, the whole map", zoom, { repeats: true }),
      row("l", "Lasso, box, or look", nextTool),
      row("c C", "Next or previous colours", (hand, key) => nextColour(hand, key === "c" ? 1 : -1)),
      row("n", "Spokes to the true neighbours, or none", ({ store }) =>
        store.commit({ spokes: !store.traits.spokes.value }),
      ),
    ],
  },
  {
    title: "Rows",
    keys: [
      row("/", "Search", ({ root }) => root.querySelector<HTMLElement>("[data-testid=search]")?.focus()),
      row("g", "Make the selection group A, the next one group B", ({ store }) => makeGroup(store)),
      row("t", "Table or maps", ({ store }) => store.commit({ table: !store.traits.table.value })),
    ],
  },
  {
    title: "Sequence",
    keys: [
      both("[ ]", "Back or on towards the next map", ({ store, hold }, steps) => {
        move(store, store.traits.sweep_at.value + steps * SWEEP_STEP);
        if (last(store) > 0) hold({ sweep_at: store.traits.sweep_at.value });
      }),
      row(" ", "Play or stop", ({ store }) => toggle(store)),
    ],
  },
  {
    title: "All",
    keys: [
      row("z", "Undo", ({ store }) => store.undo()),
      row("Z", "Redo", ({ store }) => store.redo()),
      row(
        "Escape",
        "Close what is open, put the tool away, stop playing, let the search, the selection and the point go, cancel",
        stop,
      ),
      row("?", "This help", ({ shell }) => shell.open("help")),
    ],
  },
];

export function listenKeys({ root, scene, shell, panels }: Frame, life: AbortSignal): void {
  const { store } = scene;
  let held: Partial<MapTraits> = {};
  const hand: Hand = {
    store,
    shell,
    panels,
    root,
    hold(partial) {
      store.set(partial);
      held = { ...held, ...partial };
    },
  };
  let timer = 0;
  atEnd(life, () => clearTimeout(timer));
  listenTable(root, KEYS, hand, life, {
    lifted: () => {
      if (Object.keys(held).length) store.commit(held);
      held = {};
    },
    pressed: (key, { target }) => {
      if (!key.startsWith("Arrow") || !(target as Element).closest(".map")) return;
      clearTimeout(timer);
      timer = window.setTimeout(() => {
        shell.spoken.value = panels.active.spoken();
      }, REST);
    },
  });
}

function after<T>(list: readonly T[], current: T, by = 1): T {
  return list[(list.indexOf(current) + by + list.length) % list.length];
}

function zoom({ store, panels, hold }: Hand, key: string): void {
  if (key === "0") {
    hold({ camera: traitOf(WHOLE) });
    return;
  }
  const { size } = panels.active;
  const camera = cameraOf(store.traits.camera.value);
  const at = panels.active.cursor() ?? { x: size.width / 2, y: size.height / 2 };
  hold({ camera: traitOf(zoomAt(camera, size, at.x, at.y, key === "+" ? ZOOM_STEP : 1 / ZOOM_STEP)) });
}

const TOOLS: readonly Tool[] = ["look", "lasso", "rectangle"];

function nextTool({ store, shell }: Hand): void {
  store.tool.value = after(TOOLS, store.tool.value);
  shell.say({ look: "No tool", lasso: "Lasso", rectangle: "Box" }[store.tool.value]);
}

function nextColour({ store, shell }: Hand, by: number): void {
  const choices = colourChoices(store);
  const at = choices.findIndex(({ value }) => value === store.traits.color_by.value);
  const { value, label } = choices[(Math.max(0, at) + by + choices.length) % choices.length];
  store.category.value = null;
  store.commit({ color_by: value });
  shell.say(`Coloured by: ${label}`);
}

/** One thing at a time, the nearest first; boxes and lists have taken the key before it comes here. */
function stop({ store }: Hand): void {
  if (store.tool.value !== "look") store.tool.value = "look";
  else if (store.playing.value) toggle(store);
  else if (store.running.value) void store.request("cancel");
  else if (store.query.value) store.query.value = "";
  else if (store.category.value !== null) store.category.value = null;
  else if (store.selections.selection.value.length) store.choose("selection", new Uint32Array());
  else if (store.traits.point.value !== null) store.look(null);
}
