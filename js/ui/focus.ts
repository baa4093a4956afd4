import { atEnd, listen, react } from "../lib/lifetime.js";

/** Milliseconds after which the browser has taken the focus from what was hidden or switched off. */
const SETTLED = 60;

/**
 * A control that goes, or is switched off, leaves the focus to the page: then the widget takes it, and keeps the
 * keys. `changes` reads what hides controls or switches them off.
 */
export function keepFocus(root: HTMLElement, changes: () => unknown, life: AbortSignal): void {
  let inside = false;
  const focusin = () => {
    inside = true;
  };
  const focusout = ({ target, relatedTarget }: FocusEvent) => {
    const left = target as HTMLElement;
    const there = left.isConnected && left.offsetParent && !left.matches(":disabled");
    // Whoever leaves a control that is still there has gone elsewhere.
    if (relatedTarget ? !root.contains(relatedTarget as Node) : there) inside = false;
  };
  listen(life, root, { focusin, focusout });
  let timer = 0;
  const look = () => {
    const { activeElement } = root.getRootNode() as Document | ShadowRoot;
    if (inside && (!activeElement || activeElement === document.body)) root.focus({ preventScroll: true });
  };
  react(life, () => {
    changes();
    clearTimeout(timer);
    timer = window.setTimeout(look, SETTLED);
  });
  atEnd(life, () => clearTimeout(timer));
}
