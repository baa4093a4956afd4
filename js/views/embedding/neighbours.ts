/** The rows that are truly nearest to the one in focus, and what the active map made of them. */
import { html, nothing, type TemplateResult } from "lit-html";
import { number } from "../../lib/format.js";
import type { Row } from "../../lib/map_wire.js";
import { segmented } from "../../ui/choice.js";
import { mount } from "../../ui/mount.js";
import { button, hint } from "../../ui/parts.js";
import type { Scene } from "./scene.js";
import type { Store } from "./store.js";
import { thumbnail } from "./thumbs.js";
import { labelOf, nameOf, stepName, titleOf } from "./words.js";

export function mountNeighbours(element: HTMLElement, scene: Scene, life: AbortSignal): void {
  element.dataset.testid = "neighbours";
  mount(life, element, () => {
    const { store } = scene;
    if (store.traits.point.value === null) return nothing;
    if (!scene.rowOf(judged(store))) return html`${which(store)}${hint(waiting(scene))}`;
    return html`${which(store)}${content(scene)}`;
  });
}

/** The map that is judged: the one that was last pointed at, or chosen here. */
const judged = (store: Store) => Math.min(store.active.value, store.shown.value.length - 1);

function waiting({ store, lost }: Scene): string {
  if (store.walkOf(judged(store)) && store.step.value !== store.restedStep.value)
    return `The neighbours at ${stepName(store)} are asked for when the slider rests.`;
  return lost.value === null ? "Asking for the neighbours" : "The neighbours are not known.";
}

function which(store: Store): TemplateResult | typeof nothing {
  const maps = store.shown.value;
  if (maps.length < 2) return nothing;
  return segmented({
    label: "On map",
    testid: "judged",
    value: String(judged(store)),
    options: maps.map((_, map) => ({
      value: String(map),
      label: `${map + 1} ${titleOf(store, map)}`,
      testid: `judged-${map}`,
    })),
    onChange: (map) => {
      store.active.value = Number(map);
    },
  });
}

function content(scene: Scene): TemplateResult {
  const { store } = scene;
  const map = judged(store);
  const row = scene.rowOf(map);
  if (!row) return html``;
  const torn = new Set(row.missing[map] ?? []);
  const strange = row.false[map] ?? [];
  return html`<p class="hint" data-testid="neighbour-words">
      ${verdict(scene, map, row)}
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

/** What the map made of them, in numbers; of a step, in the data of that step. */
function verdict({ store }: Scene, map: number, row: Row): string {
  const at = store.walkOf(map) ? `At ${stepName(store)} ` : "";
  const data = at ? "the data of this step" : "the data";
  if (at && !row.missing[map]) return `${at}these are nearest. Distances are in ${data}.`;
  const [torn, strange] = [row.missing[map]?.length ?? 0, row.false[map]?.length ?? 0];
  const total = row.neighbors.length;
  const are = strange === 1 ? "is no true neighbour" : "are not true neighbours";
  return (
    `${at}${titleOf(store, map)} tears ${torn || "none"} of its ${total} true neighbours apart; ` +
    `${strange || "none"} of the ${total} nearest on the map ${are}. Distances are in ${data}.`
  );
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
