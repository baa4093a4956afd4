/** The table that the page came with: columns sort, and a cell leads to its pictures. */
import { listen, react } from "../../lib/lifetime.js";
import { make } from "../../ui/mount.js";
import type { Cell } from "./data.js";
import type { Store } from "./store.js";

export function openTable(table: HTMLTableElement, store: Store, life: AbortSignal): void {
  const body = table.tBodies[0];
  for (const [column, head] of [...table.tHead!.rows[0].cells].entries()) sorter(table, head, column, life);
  for (const cell of body.querySelectorAll<HTMLTableCellElement>("td[data-measure]")) {
    const of = cellOf(cell);
    if (store.data.order(of).length) opener(cell, of, store, life);
  }
  for (const head of body.querySelectorAll<HTMLTableCellElement>("th")) naming(head, store, life);
  react(life, () => {
    const chosen = store.chosen.value;
    for (const button of body.querySelectorAll<HTMLElement>("td > button")) {
      const { method, measure } = cellOf(button.parentElement as HTMLElement);
      const own = chosen?.method === method && chosen.measure === measure;
      button.setAttribute("aria-pressed", String(own));
    }
  });
}

/** The name of a method leads to its maps of the picture that is shown. */
function naming(head: HTMLTableCellElement, store: Store, life: AbortSignal): void {
  const method = Number(head.parentElement?.dataset.method);
  if (!store.data.words.methods[method]?.maps) return;
  const button = make("button");
  button.type = "button";
  button.title = "Show its maps and curves";
  button.append(...head.childNodes);
  head.append(button);
  listen(life, button, {
    click: () => store.choose({ method, measure: store.measure }, store.picture.value, true),
  });
}

function cellOf(cell: HTMLElement): Cell {
  return { method: Number(cell.parentElement?.dataset.method), measure: Number(cell.dataset.measure) };
}

/** A cell becomes a button, with what stands in it. */
function opener(cell: HTMLTableCellElement, of: Cell, store: Store, life: AbortSignal): void {
  const button = make("button");
  button.type = "button";
  button.append(...cell.childNodes);
  cell.append(button);
  const point = () => {
    store.pointed.value = of;
  };
  const leave = () => {
    if (store.pointed.value === of) store.pointed.value = null;
  };
  listen(life, button, {
    click: () => store.choose(of),
    pointerenter: point,
    focus: point,
    pointerleave: leave,
    blur: leave,
  });
}

/** The heading becomes a button; the first click puts the best on top, in the first column the order of the page. */
function sorter(
  table: HTMLTableElement,
  head: HTMLTableCellElement,
  column: number,
  life: AbortSignal,
): void {
  const name = head.querySelector(".name");
  if (!name) return;
  const button = make("button");
  button.type = "button";
  button.title = "Sort by this column";
  name.replaceWith(button);
  button.append(name);
  listen(life, button, {
    click: () => {
      const best = head.dataset.better === "high" ? "descending" : "ascending";
      const other = best === "ascending" ? "descending" : "ascending";
      const order = head.getAttribute("aria-sort") === best ? other : best;
      for (const each of table.tHead!.rows[0].cells) each.removeAttribute("aria-sort");
      head.setAttribute("aria-sort", order);
      sort(table.tBodies[0], column, order === "ascending" ? 1 : -1);
    },
  });
}

/** What is not defined comes last, whichever way. */
function sort(body: HTMLTableSectionElement, column: number, sign: number): void {
  const rows = [...body.rows].map((row) => {
    const text = column ? row.cells[column]?.dataset.value : row.dataset.method;
    return { row, value: text ? Number(text) : null };
  });
  rows.sort((a, b) => {
    if (a.value === null || b.value === null) return Number(a.value === null) - Number(b.value === null);
    return sign * (a.value - b.value);
  });
  body.append(...rows.map(({ row }) => row));
}
