/**
 * A box over the widget, not over the notebook: what lies under it is inert until it is closed, and the
 * focus goes back to where it was.
 */
import { html, nothing, type TemplateResult } from "lit-html";
import { isShortcut } from "../lib/keys.js";
import { computed, listen, react } from "../lib/lifetime.js";
import { icons } from "./icons.js";
import { make, mount } from "./mount.js";
import { iconButton } from "./parts.js";

export interface DialogProps {
  title: string;
  testid: string;
  body: TemplateResult;
  /** What takes the focus; the button that closes without it. */
  focus?: string;
}

const REACHABLE = "a[href], button:enabled, input:enabled, select:enabled, textarea:enabled, [tabindex='0']";

export function mountDialog(
  life: AbortSignal,
  root: HTMLElement,
  wanted: () => DialogProps | null,
  close: () => void,
): void {
  const backdrop = make("div", "backdrop", root);
  const props = computed(wanted);
  const open = computed(() => props.value !== null);
  mount(life, backdrop, () => (props.value ? box(props.value, close) : nothing));
  let before: HTMLElement | null = null;
  react(life, () => {
    backdrop.hidden = !open.value;
    if (open.value) before = document.activeElement as HTMLElement | null;
    for (const part of root.children) if (part !== backdrop) part.toggleAttribute("inert", open.value);
    const first = props.peek()?.focus ?? "button";
    if (open.value) queueMicrotask(() => backdrop.querySelector<HTMLElement>(first)?.focus());
    else if (before) comeBack(before, root);
  });
  listen(life, backdrop, {
    keydown: (event) => keyDown(event, backdrop, close),
    pointerdown: (event) => event.target === backdrop && close(),
  });
}

function comeBack(before: HTMLElement, root: HTMLElement): void {
  const place = before.isConnected && before !== document.body ? before : root;
  // Whoever has gone elsewhere in the meantime stays there.
  if (root.contains(document.activeElement) || document.activeElement === document.body) place.focus();
}

function box({ title, testid, body }: DialogProps, close: () => void): TemplateResult {
  return html`<div class="dialog" role="dialog" aria-modal="true" aria-label=${title} data-testid=${testid}>
    <header>
      <h3>${title}</h3>
      ${iconButton({ icon: icons.close, label: "Close", testid: "close", onClick: close })}
    </header>
    <div class="content" tabindex="0" role="group" aria-label=${title}>${body}</div>
  </div>`;
}

function keyDown(event: KeyboardEvent, backdrop: HTMLElement, close: () => void): void {
  if (isShortcut(event)) return;
  if (event.key === "Escape") {
    event.preventDefault();
    close();
  } else if (event.key === "Tab") {
    const stops = [...backdrop.querySelectorAll<HTMLElement>(REACHABLE)];
    const [first, last] = [stops[0], stops[stops.length - 1]];
    if (document.activeElement !== (event.shiftKey ? first : last)) return;
    event.preventDefault();
    (event.shiftKey ? last : first).focus();
  }
}
