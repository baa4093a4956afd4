/** Under the table: where a method did best and worst by a measure. */
import { html, nothing, type TemplateResult } from "lit-html";
import { number } from "../../lib/format.js";
import { mount } from "../../ui/mount.js";
import type { Cell } from "./data.js";
import type { Store } from "./store.js";
import { Thumbnails } from "./thumbnails.js";

export function mountExtremes(box: HTMLElement, store: Store, life: AbortSignal): void {
  const thumbnails = new Thumbnails(store.data);
  mount(life, box, () => {
    const cell = store.pointed.value ?? store.chosen.value;
    return cell ? extremes(store, cell, thumbnails) : invitation();
  });
}

function invitation(): TemplateResult {
  return html`<p>Choose a cell to see the pictures where a method did best and worst; its name leads to its maps.</p>`;
}

function extremes(store: Store, cell: Cell, thumbnails: Thumbnails): TemplateResult {
  const { methods, measures, captions } = store.data.words;
  const order = store.data.order(cell);
  const missing = captions.length - order.length;
  const [best, worst] = [order[0], order[order.length - 1]];
  const ends = store.data.ends(cell);
  const figure = (word: string, index: number) => html`<button
    type="button"
    @click=${() => store.choose(cell, index, true)}
  >
    ${thumbnails.of(index)}<span>${word}: picture ${index + 1}, ${number(store.data.value(cell, index) as number)}</span>
  </button>`;
  return html`<p>
      <strong>${methods[cell.method].title}, ${measures[cell.measure].label}</strong>${missing ? html`: not defined on ${missing} of ${captions.length} pictures` : nothing}
    </p>
    ${figure(ends[0], best)} ${worst === best ? nothing : figure(ends[1], worst)}`;
}
