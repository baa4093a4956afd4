/** What the first map can do without: the side panel, the table, boxes, menus and keys. */
import { type DialogProps, mountDialog } from "../../ui/dialog.js";
import { cardBox } from "./card.js";
import { codeBox } from "./export.js";
import { helpBox } from "./help.js";
import { listenKeys } from "./keys.js";
import type { Panels } from "./panels.js";
import { listenDrop } from "./place.js";
import type { Scene } from "./scene.js";
import type { Shell } from "./shell.js";
import { mountSide } from "./side.js";
import { mountTable } from "./table.js";
import { mountToolbar } from "./toolbar.js";

/** The places that are kept for it, and what it works on. */
export interface Frame {
  root: HTMLElement;
  tools: HTMLElement;
  table: HTMLElement;
  side: HTMLElement;
  scene: Scene;
  shell: Shell;
  panels: Panels;
}

export function mountMore(frame: Frame, life: AbortSignal): void {
  const { root, tools, table, side, scene, shell } = frame;
  mountToolbar(tools, root, scene, shell, life);
  mountSide(side, scene, life);
  mountTable(table, scene, life);
  mountDialog(
    life,
    root,
    () => boxOf(scene, shell),
    () => shell.open(null),
  );
  listenDrop(root, scene.store, life);
  listenKeys(frame, life);
}

function boxOf(scene: Scene, shell: Shell): DialogProps | null {
  const box = shell.box.value;
  if (box === "help") return helpBox();
  if (box === "card") return cardBox(scene.store);
  return box === "code" ? codeBox(scene.store) : null;
}
