/** A button with a menu of acts. */
import { html, nothing, type TemplateResult } from "lit-html";
import { ARROWS } from "../lib/keys.js";
import { listen, signal } from "../lib/lifetime.js";
import { mount } from "./mount.js";

export interface MenuItem {
  label: string;
  testid: string;
  /** Written smaller under the label: where it leads, or why it cannot be chosen. */
  hint?: string;
  disabled?: boolean;
  onPick(): void;
}

export interface MenuProps {
  label: string;
  /** Written beside the icon; without it the icon stands alone. */
  text?: string;
  testid: string;
  icon: TemplateResult;
  items: readonly MenuItem[];
}

export function mountMenu(life: AbortSignal, element: HTMLElement, props: () => MenuProps): void {
  const open = signal(false);
  element.classList.add("menu");
  const items = () => [...element.querySelectorAll<HTMLElement>("[role=menuitem]")];
  const close = () => {
    open.value = false;
    element.querySelector("button")?.focus();
  };
  mount(life, element, () => template(props(), open.value, (to) => (to ? show() : close()), close));
  const show = () => {
    open.value = true;
    items()[0]?.focus();
  };
  listen(life, element, {
    keydown: (event) => open.value && walk(event, items(), close),
    focusout: ({ relatedTarget }) => {
      if (!element.contains(relatedTarget as Node | null)) open.value = false;
    },
  });
}

function template(props: MenuProps, open: boolean, toggle: (to: boolean) => void, close: () => void) {
  const { label, text, testid, icon, items } = props;
  return html`<button
      class=${text ? "button" : "ghost"}
      type="button"
      title=${label}
      aria-label=${label}
      aria-haspopup="menu"
      aria-expanded=${open}
      data-testid=${testid}
      @click=${() => toggle(!open)}
    >
      ${icon}${text ?? nothing}
    </button>
    ${
      open
        ? html`<div role="menu" aria-label=${label} @mousedown=${(event: Event) => event.preventDefault()}>
          ${items.map((item) => row(item, close))}
        </div>`
        : nothing
    }`;
}

function row({ label, testid, hint, disabled, onPick }: MenuItem, close: () => void): TemplateResult {
  const pick = () => {
    if (disabled) return;
    close(); // before the act: what it opens must come back to the button
    onPick();
  };
  return html`<button
    type="button"
    role="menuitem"
    tabindex="-1"
    data-testid=${testid}
    aria-disabled=${disabled ? "true" : nothing}
    @click=${pick}
  >
    ${label}${hint ? html`<small>${hint}</small>` : nothing}
  </button>`;
}

function walk(event: KeyboardEvent, items: HTMLElement[], close: () => void): void {
  const at = items.indexOf(document.activeElement as HTMLElement);
  const step = ARROWS[event.key]?.[1];
  const end = { Home: 0, End: items.length - 1 }[event.key];
  if (step) items[(at + step + items.length) % items.length].focus();
  else if (end !== undefined) items[end].focus();
  else if (event.key === "Escape") close();
  else return;
  event.preventDefault();
}
