/** The rows as a table: sorted and cut into pages by the kernel, so that a million of them cost nothing here. */
import { html, nothing, type TemplateResult } from "lit-html";
import { number, shorten } from "../../lib/format.js";
import { react, signal, untracked } from "../../lib/lifetime.js";
import type { TablePage, TableRow } from "../../lib/map_wire.js";
import { segmented } from "../../ui/choice.js";
import { icons } from "../../ui/icons.js";
import { mount } from "../../ui/mount.js";
import { hint, iconButton } from "../../ui/parts.js";
import { TITLES } from "./colours.js";
import type { Scene } from "./scene.js";
import { thumbnail } from "./thumbs.js";
import { titleOf } from "./words.js";

const PAGE = 50;

interface Order {
  from: number;
  sort: string;
  descending: boolean;
  within: "all" | "selection";
}

export function mountTable(element: HTMLElement, scene: Scene, life: AbortSignal): void {
  const { store } = scene;
  const order = signal<Order>({ from: 0, sort: "id", descending: false, within: "all" });
  const page = signal<TablePage | null>(null);
  const trouble = signal<string | null>(null);
  let asked = 0;
  react(life, () => {
    if (!store.traits.table.value || !store.points.value) return;
    const { from, sort, descending, within } = order.value;
    store.selections.selection.value; // another selection is another table
    const mine = ++asked;
    untracked(async () => {
      const extra = { from, count: PAGE, sort, descending, within };
      const { status, result, error } = await store.request("table", extra);
      if (mine !== asked || life.aborted) return;
      trouble.value = status === "error" ? (error?.message ?? "The kernel gave no reason.") : null;
      if (status === "ok" && result) page.value = result as unknown as TablePage;
    });
  });
  const change = (partial: Partial<Order>) => {
    order.value = { ...order.value, from: 0, ...partial };
  };
  mount(life, element, () => {
    if (!store.traits.table.value) return nothing;
    return html`${trouble.value ? html`<p class="hint" role="alert">${trouble.value}</p>` : nothing}
    ${head(scene, order.value, page.value, change)}
    ${page.value ? table(scene, page.value.rows, order.value, change) : hint("Asking for the rows")}`;
  });
}

type Change = (partial: Partial<Order>) => void;

function head(
  { store }: Scene,
  { from, within }: Order,
  page: TablePage | null,
  change: Change,
): TemplateResult {
  const chosen = store.selections.selection.value.length;
  const all = store.points.value?.n ?? 0;
  const total = page?.total ?? (within === "selection" ? chosen : all);
  const to = Math.min(from + PAGE, total);
  return html`<div class="table-head">
    ${segmented({
      label: "Rows",
      testid: "within",
      value: within,
      options: [
        { value: "all", label: `All ${all}` },
        { value: "selection", label: `Selected ${chosen}` },
      ],
      onChange: (value) => change({ within: value }),
    })}
    <span class="pages">
      ${iconButton({ icon: icons.previous, label: "Rows before", testid: "page-previous", disabled: from === 0, onClick: () => change({ from: Math.max(0, from - PAGE) }) })}
      <span data-testid="page">${total ? `${from + 1}\u2013${to} of ${total}` : "no rows"}</span>
      ${iconButton({ icon: icons.next, label: "Rows after", testid: "page-next", disabled: to >= total, onClick: () => change({ from: from + PAGE }) })}
    </span>
  </div>`;
}

function table(scene: Scene, rows: TableRow[], order: Order, change: Change): TemplateResult {
  const { store, thumbs } = scene;
  const known = store.points.value?.columns ?? [];
  // A map's own columns are those of the first map.
  const titles = new Map([
    ...Object.entries(TITLES).map(([name, title]) => [name, `${title}, ${titleOf(store, 0)}`] as const),
    ...known.map(({ name, title }) => [name, title] as const),
  ]);
  const columns = Object.keys(rows[0]?.values ?? {}).filter((name) => name !== "id");
  const pictures = store.points.value?.pictures;
  const numeric = new Set(
    columns.filter((name) => rows.some(({ values }) => typeof values[name] === "number")),
  );
  return html`<div class="table" tabindex="0" role="group" aria-label="Rows, scrolls">
    <table data-testid="rows">
      <thead>
        <tr>
          ${pictures ? html`<th scope="col"><span class="unseen">Picture</span></th>` : nothing}
          ${["id", ...columns].map((name) => header(name, titles.get(name) ?? name, numeric.has(name), order, change))}
        </tr>
      </thead>
      <tbody>
        ${rows.map(({ id, values }) => {
          const place = store.placeOf(id);
          return html`<tr
            data-testid="row-${id}"
            aria-selected=${store.traits.point.value === id}
            @click=${() => place !== null && store.look(place)}
          >
            ${pictures ? html`<td>${thumbnail(thumbs.get(id), "thumb low")}</td>` : nothing}
            <td><button type="button" class="link" ?disabled=${place === null}>${id}</button></td>
            ${columns.map((name) => html`<td ?data-number=${numeric.has(name)}>${cell(values[name])}</td>`)}
          </tr>`;
        })}
      </tbody>
    </table>
  </div>`;
}

function header(
  name: string,
  title: string,
  numeric: boolean,
  { sort, descending }: Order,
  change: Change,
): TemplateResult {
  const sorted = sort === name ? (descending ? "descending" : "ascending") : "none";
  return html`<th scope="col" aria-sort=${sorted} ?data-number=${numeric}>
    <button
      type="button"
      class="sorter"
      data-testid="sort-${name}"
      @click=${() => change({ sort: name, descending: sort === name && !descending })}
    >
      ${shorten(title, 40)}<i aria-hidden="true">${{ none: "", ascending: "\u2191", descending: "\u2193" }[sorted]}</i>
    </button>
  </th>`;
}

const cell = (value: string | number | null | undefined) =>
  typeof value === "number" ? number(value) : shorten(String(value ?? ""), 120);
