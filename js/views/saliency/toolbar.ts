/** The row of small buttons in the top bar: what concerns the whole view. */
import { html } from "lit-html";
import { icons } from "../../ui/icons.js";
import { mountMenu } from "../../ui/menu.js";
import { make, mount } from "../../ui/mount.js";
import { iconButton } from "../../ui/parts.js";
import { exportMenu } from "./export.js";
import type { Shell } from "./shell.js";
import type { Store } from "./store.js";

export function mountToolbar(
  element: HTMLElement,
  root: HTMLElement,
  store: Store,
  shell: Shell,
  life: AbortSignal,
): void {
  element.setAttribute("role", "group");
  element.setAttribute("aria-label", "Whole view");
  const [history, files, rest] = ["set", "set", "set"].map((name) => make("div", name, element));
  mount(life, history, () => {
    const { canUndo, canRedo } = store.history;
    return html`${iconButton({
      icon: icons.undo,
      label: "Undo",
      testid: "undo",
      disabled: !canUndo.value,
      onClick: () => store.undo(),
    })}
    ${iconButton({
      icon: icons.redo,
      label: "Redo",
      testid: "redo",
      disabled: !canRedo.value,
      onClick: () => store.redo(),
    })}`;
  });
  mountMenu(life, files, () => ({
    label: "Export",
    testid: "export",
    icon: icons.save,
    items: exportMenu(root, store, shell),
  }));
  mount(life, rest, () => {
    const open = store.inspector.value;
    const away = store.folded.value || store.traits.mode.value === "guided";
    return html`${iconButton({
      icon: icons.card,
      label: "About this method",
      testid: "card",
      onClick: () => shell.open("card"),
    })}
    ${iconButton({
      icon: icons.help,
      label: "Help and keys",
      testid: "help",
      onClick: () => shell.open("help"),
    })}
    ${iconButton({
      icon: icons.panel,
      label: open ? "Hide the side panel" : "Show the side panel",
      testid: "side",
      expanded: open,
      disabled: away,
      onClick: () => {
        store.inspector.value = !open;
      },
    })}`;
  });
}
