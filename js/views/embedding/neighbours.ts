/** The rows that are truly nearest to the one in focus, and what the active map made of them. */
import { html, nothing, type TemplateResult } from "lit-html";
import { number } from "../../lib/format.js";
import { mount } from "../../ui/mount.js";
import { button, hint } from "../../ui/parts.js";
import type { Scene } from "./scene.js";
import { thumbnail } from "./thumbs.js";
import { labelOf, nameOf, titleOf } from "./words.js";

export function mountNeighbours(element: HTMLElement, scene: Scene, life: AbortSignal): void {
  element.dataset.testid = "neighbours";
  mount(life, element, () => {
    const { store, row } = scene;
    if (store.traits.point.value === null) return nothing;
    if (!row.value) return hint("Asking for the neighbours");
    return content(scene);
  });
}

function content(scene: Scene): TemplateResult {
  const { store } = scene;
  const row = scene.row.value;
  if (!row) return html``;
  const map = Math.min(store.active.value, store.shown.value.length - 1);
  const torn = new Set(row.missing[map] ?? []);
  const strange = row.false[map] ?? [];
  const kept = row.neighbors.length - torn.size;
  return html`<p class="hint" data-testid="neighbour-words">
      ${titleOf(store, map)} keeps ${kept} of ${row.neighbors.length} near${
        strange.length ? html`; ${strange.length} on the map are none` : nothing
      }. Distances are in the data.
    </p>
    <ul class="tiles">
      ${row.neighbors.map((id, i) => tile(scene, id, torn.has(id) ? "torn" : "kept", number(row.distances[i])))}
    </ul>
    ${
      strange.length
        ? html`<p class="hint">False neighbours: near on the map, not in the data</p>
            <ul class="tiles">
              ${strange.map((id) => tile(scene, id, "false", ""))}
            </ul>`
        : nothing
    }
    ${
      store.traits.color_by.value === "distance"
        ? nothing
        : button("Colour all by real distance to this point", "by-distance", () =>
            store.commit({ color_by: "distance" }),
          )
    }`;
}

const KINDS = { kept: "near in both", torn: "torn apart by the map", false: "false neighbour" };

/** A row as a small picture, or as its number where there are none; a click brings it in focus. */
export function tile(
  { store, thumbs }: Scene,
  id: number,
  kind: keyof typeof KINDS | "",
  distance: string,
): TemplateResult {
  const place = store.placeOf(id);
  const name = place === null ? `Row ${id}` : nameOf(store, place);
  const what = kind ? `${name}: ${KINDS[kind]}${distance ? `, distance ${distance}` : ""}` : name;
  const hover = (on: boolean) => () => {
    store.hovered.value = on ? place : null;
  };
  return html`<li>
    <button
      type="button"
      data-kind=${kind || nothing}
      data-testid="tile-${id}"
      title=${what}
      aria-label=${what}
      ?disabled=${place === null}
      @click=${() => store.look(place)}
      @pointerenter=${hover(true)}
      @pointerleave=${hover(false)}
      @focus=${hover(true)}
      @blur=${hover(false)}
    >
      ${store.points.value?.pictures ? thumbnail(thumbs.get(id)) : html`<b>${id}</b>`}
      <small>${place === null ? "" : labelOf(store, place)}</small>
    </button>
  </li>`;
}
