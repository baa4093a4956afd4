/** What the first picture can do without: the side panel, the tour, boxes, menus and keys. */
import { type DialogProps, mountDialog } from "../../ui/dialog.js";
import { mount } from "../../ui/mount.js";
import { cardBox } from "./card.js";
import { mountCompare, sourcesControls } from "./compare.js";
import type { Controls } from "./controls.js";
import { codeBox } from "./export.js";
import { mountGuide } from "./guided.js";
import { helpBox } from "./help.js";
import { mountInspector } from "./inspector.js";
import { listenKeys } from "./keys.js";
import type { Player } from "./player.js";
import type { Shell } from "./shell.js";
import type { Store } from "./store.js";
import { mountToolbar } from "./toolbar.js";
import { disclosure, mountTrial } from "./trial/fold.js";

/** The places that are kept for it, and what it works on. */
export interface Frame {
  root: HTMLElement;
  controls: Controls;
  tools: HTMLElement;
  inspector: HTMLElement;
  guide: HTMLElement;
  trial: HTMLElement;
  store: Store;
  shell: Shell;
  player: Player;
}

export function mountMore(frame: Frame, life: AbortSignal) {
  const { root, controls, tools, inspector, guide, trial, store, shell, player } = frame;
  mount(life, controls.sources, () => sourcesControls(store));
  mountCompare(controls.compare, store, life);
  mountToolbar(tools, root, store, shell, life);
  mountInspector(inspector, store, life);
  mountGuide(guide, root, store, life);
  mountTrial(trial, store, life);
  mount(life, controls.fold, () => disclosure(store));
  mountDialog(
    life,
    root,
    () => boxOf(store, shell),
    () => shell.open(null),
  );
  listenKeys(root, store, shell, player, life);
}

function boxOf(store: Store, shell: Shell): DialogProps | null {
  const box = shell.box.value;
  if (box === "help") return helpBox(store, shell);
  if (box === "card") return cardBox(store);
  return box === "code" ? codeBox(store) : null;
}
