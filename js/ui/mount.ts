import { nothing, render, type TemplateResult } from "lit-html";
import { react } from "../lib/lifetime.js";

/** Keeps `element` equal to `template()` whenever a signal that it reads changes; empties it at the end. */
export function mount(
  life: AbortSignal,
  element: HTMLElement | SVGElement,
  template: () => TemplateResult | typeof nothing,
): void {
  react(life, () => {
    render(template(), element as HTMLElement);
  });
  life.addEventListener("abort", () => render(nothing, element as HTMLElement), { once: true });
}
