import { nothing, render, type TemplateResult } from "lit-html";
import { atEnd, react } from "../lib/lifetime.js";

/** Keeps `element` equal to `template()` whenever a signal that it reads changes; empties it at the end. */
export function mount(
  life: AbortSignal,
  element: HTMLElement | SVGElement,
  template: () => TemplateResult | typeof nothing,
): void {
  react(life, () => {
    render(template(), element as HTMLElement);
  });
  atEnd(life, () => render(nothing, element as HTMLElement));
}

/** A new element, the last child of `parent` if there is one. */
export function make<K extends keyof HTMLElementTagNameMap>(
  tag: K,
  name = "",
  parent?: Element,
): HTMLElementTagNameMap[K] {
  const element = document.createElement(tag);
  if (name) element.className = name;
  parent?.append(element);
  return element;
}
