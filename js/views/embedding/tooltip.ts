/** Beside the point under the pointer: who it is, its value, and after a moment its picture. */
import { html, nothing, type TemplateResult } from "lit-html";
import { shorten } from "../../lib/format.js";
import { computed, react, type Signal, signal } from "../../lib/lifetime.js";
import { mount } from "../../ui/mount.js";
import type { Scene } from "./scene.js";
import { thumbnail } from "./thumbs.js";
import { labelOf, valueIn } from "./words.js";

/** Milliseconds of rest before a picture is asked for: whoever sweeps over a thousand points asks for none. */
const REST = 160;

/** `shown` is whether this map has the pointer, or the keyboard's cursor. */
export function mountTooltip(
  element: HTMLElement,
  scene: Scene,
  shown: Signal<boolean>,
  life: AbortSignal,
): void {
  const { store } = scene;
  const rested = signal<number | null>(null);
  const point = computed(() => (shown.value ? store.hovered.value : null));
  react(life, () => {
    const at = point.value;
    rested.value = null;
    element.hidden = at === null;
    if (at === null) return;
    const timer = setTimeout(() => {
      rested.value = at;
    }, REST);
    return () => clearTimeout(timer);
  });
  mount(life, element, () =>
    point.value === null ? nothing : content(scene, point.value, rested.value === point.value),
  );
}

function content(scene: Scene, place: number, rested: boolean): TemplateResult {
  const { store, thumbs } = scene;
  const id = store.idOf(place);
  const label = labelOf(store, place);
  const by = store.column(store.traits.color_by.value);
  const value = by && by.name !== "label" ? valueIn(by, place) : "";
  const picture = store.points.value?.pictures ? thumbs.get(id, rested) : null;
  return html`${store.points.value?.pictures && (picture || rested) ? thumbnail(picture) : nothing}
    <span>
      <strong data-testid="tooltip-id">${id}</strong>
      ${label ? html`<bdi>${shorten(label, 80)}</bdi>` : nothing}
      ${value ? html`<small>${by?.title}: ${shorten(value, 60)}</small>` : nothing}
    </span>`;
}
