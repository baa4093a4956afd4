import { atEnd, listen, react } from "../lib/lifetime.js";

/** Milliseconds after which the browser has taken the focus from what was hidden or switched off. */
const SETTLED = 60;

/**
 * A control that goes, or is switched off, leaves the focus to the page: then the widget takes it, and keeps the
 * keys. `changes` reads what hides controls or switches them off; `heirs` names, by test ids, those who take the place
 * of one that goes, the first that is there: one that comes later gets the focus as long as nobody else has it.
 */
export function keepFocus(
  root: HTMLElement,
  changes: () => unknown,
  life: AbortSignal,
  heirs: (gone: string) => readonly string[] = () => [],
): void {
  let inside = false;
  /** The control that had the focus before it was left to the widget. */
  let last: HTMLElement | null = null;
  const focusin = ({ target }: FocusEvent) => {
    inside = true;
    if (target !== root) last = target as HTMLElement;
  };
  const focusout = ({ target, relatedTarget }: FocusEvent) => {
    const left = target as HTMLElement;
    if (relatedTarget) inside = root.contains(relatedTarget as Node);
    // While a control is being removed it is still there.
    else
      queueMicrotask(() => {
        // Whoever leaves a control that is still there has gone elsewhere.
        if (left.isConnected && left.offsetParent && !left.matches(":disabled")) inside = false;
      });
  };
  listen(life, root, { focusin, focusout });
  const heirOf = (gone: HTMLElement | null) =>
    (gone && !gone.isConnected ? heirs(gone.dataset.testid ?? "") : [])
      .map((id) => root.querySelector<HTMLElement>(`[data-testid="${id}"]`))
      .find((one) => one?.offsetParent);
  let timer = 0;
  const look = () => {
    const { activeElement } = root.getRootNode() as Document | ShadowRoot;
    const nobody = !activeElement || activeElement === document.body;
    if (!inside || !(nobody || activeElement === root)) return;
    const heir = heirOf(last);
    if (heir) heir.focus({ preventScroll: true });
    else if (nobody) root.focus({ preventScroll: true });
  };
  react(life, () => {
    changes();
    clearTimeout(timer);
    timer = window.setTimeout(look, SETTLED);
  });
  atEnd(life, () => clearTimeout(timer));
}
