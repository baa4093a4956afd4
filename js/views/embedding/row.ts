/** The row in focus in words: its values, and what the model makes of it. */
import { html, nothing, type TemplateResult } from "lit-html";
import { clamp, named, probability, shorten } from "../../lib/format.js";
import { mount } from "../../ui/mount.js";
import { button, facts, hint } from "../../ui/parts.js";
import type { Scene } from "./scene.js";
import type { Store } from "./store.js";
import { labelOf, valueIn } from "./words.js";

export function mountRow(element: HTMLElement, scene: Scene, life: AbortSignal): void {
  element.dataset.testid = "row";
  mount(life, element, () => {
    const id = scene.store.traits.point.value;
    if (id === null) return hint("Click a point, or walk to one with the arrow keys and press Enter.");
    return content(scene, id);
  });
}

function content({ store, row, lost }: Scene, id: number): TemplateResult {
  const place = store.focus.value;
  const label = place === null ? "" : labelOf(store, place);
  return html`<p class="who">
      <strong data-testid="row-id">${id}</strong> <bdi>${shorten(label, 120)}</bdi>
      ${button("Let go", "row-close", () => store.look(null), { look: "link" })}
    </p>
    ${place === null ? hint("This row is not among the points shown.") : values(store, place)}
    ${lost.value ? html`<p class="hint" role="alert">${shorten(lost.value, 300)}</p>` : nothing}
    ${top5(row.value?.id === id ? row.value.top5 : [])}`;
}

function values(store: Store, place: number): TemplateResult | typeof nothing {
  const columns = store.points.value?.columns.filter(({ name }) => name !== "label") ?? [];
  const told = columns.map((column) => [column.title, shorten(valueIn(column, place), 120)] as const);
  const known = told.filter(([, value]) => value);
  return known.length ? facts(known) : nothing;
}

function top5(
  found: readonly { index: number; label: string; p: number }[],
): TemplateResult | typeof nothing {
  if (!found.length) return nothing;
  return html`<ol class="best" data-testid="best" aria-label="Top predictions">
    ${found.slice(0, 5).map(
      ({ index, label, p }) => html`<li>
        <span class="name"><i style="inline-size: ${clamp(100 * p, 0, 100)}%"></i><bdi>${shorten(named(label, index))}</bdi></span>
        <span>${probability(p)}</span>
      </li>`,
    )}
  </ol>`;
}
