/** The pictures alone, inside another view, which has controls, status and keys of its own. */
import { make } from "../../ui/mount.js";
import { Pictures } from "./pictures.js";
import type { Store } from "./store.js";
import { type ExplorerProps, View } from "./view.js";

export class BareView extends View {
  constructor(element: HTMLElement, props: ExplorerProps) {
    super(element, props, { label: "Attribution", testid: "overlay", build });
  }
}

function build(root: HTMLElement, store: Store, life: AbortSignal): void {
  const centre = make("div", "centre", root);
  new Pictures(make("div", "panels", centre), store, root, life);
}
