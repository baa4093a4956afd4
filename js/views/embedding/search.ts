/** The search box: finds rows by id, by the names of their categories, and by their texts. */
import { html, nothing, type TemplateResult } from "lit-html";
import { computed, type ReadonlySignal } from "../../lib/lifetime.js";
import { MISSING } from "../../lib/map_wire.js";
import { icons } from "../../ui/icons.js";
import { live } from "../../ui/live.js";
import { mount } from "../../ui/mount.js";
import { iconButton } from "../../ui/parts.js";
import type { Store } from "./store.js";

/** Places of the rows that match, in order; `null` without a query. */
export function matching(store: Store): ReadonlySignal<Uint32Array | null> {
  return computed(() => {
    const points = store.points.value;
    const query = store.query.value.trim().toLocaleLowerCase();
    if (!query || !points) return null;
    const number = /^#?\d+$/.test(query) ? Number(query.replace("#", "")) : null;
    const columns = points.columns.filter(({ kind }) => kind === "category");
    const hits = columns.map(({ names = [] }) =>
      names.map((name) => name.toLocaleLowerCase().includes(query)),
    );
    const texts = points.search;
    const found: number[] = [];
    for (let i = 0; i < points.n; i++) {
      const yes =
        store.idOf(i) === number ||
        columns.some(({ data }, c) => data[i] !== MISSING && hits[c][data[i]]) ||
        texts?.[i]?.toLocaleLowerCase().includes(query);
      if (yes) found.push(i);
    }
    return Uint32Array.from(found);
  });
}

export function mountSearch(
  element: HTMLElement,
  store: Store,
  matches: ReadonlySignal<Uint32Array | null>,
  life: AbortSignal,
): void {
  mount(life, element, () => template(store, matches.value));
}

function template(store: Store, found: Uint32Array | null): TemplateResult {
  const step = (by: number) => walk(store, found, by);
  const key = (event: KeyboardEvent) => {
    if (event.key === "Enter") step(event.shiftKey ? -1 : 1);
    else if (event.key === "Escape" && store.query.value) store.query.value = "";
    else return;
    event.preventDefault();
  };
  const at = found && store.focus.value !== null ? found.indexOf(store.focus.value) : -1;
  return html`<label class="field search">
      <span class="label">Search</span>
      <input
        type="text"
        autocomplete="off"
        spellcheck="false"
        placeholder="label, column or id"
        data-testid="search"
        .value=${live(store.query.value)}
        @input=${(event: Event) => {
          store.query.value = (event.target as HTMLInputElement).value;
        }}
        @keydown=${key}
      />
    </label>
    ${
      found
        ? html`<span class="found">
            ${iconButton({ icon: icons.previous, label: "Previous match", testid: "search-previous", disabled: !found.length, onClick: () => step(-1) })}
            <span role="status" data-testid="search-count"
              >${found.length ? `${at >= 0 ? `${at + 1} of ` : ""}${found.length}` : "no match"}</span
            >
            ${iconButton({ icon: icons.next, label: "Next match", testid: "search-next", disabled: !found.length, onClick: () => step(1) })}
          </span>`
        : nothing
    }`;
}

/** Brings the next match in focus, after that the first again. */
function walk(store: Store, found: Uint32Array | null, by: number): void {
  if (!found?.length) return;
  const at = store.focus.value === null ? -1 : found.indexOf(store.focus.value);
  const next = at < 0 ? (by > 0 ? 0 : found.length - 1) : (at + by + found.length) % found.length;
  store.look(found[next]);
}
