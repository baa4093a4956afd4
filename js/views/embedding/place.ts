/** Pictures that were not among the rows: dropped on the map, shown as stars, with words about how alike they are. */
import { html, nothing, type TemplateResult } from "lit-html";
import { shorten } from "../../lib/format.js";
import { listen } from "../../lib/lifetime.js";
import { mount } from "../../ui/mount.js";
import { tile } from "./neighbours.js";
import type { Scene } from "./scene.js";
import type { Store } from "./store.js";
import { placedName, placedWords, titleOf } from "./words.js";

/** A message to the kernel may have 10 MB; a photograph has less. */
const MOST_BYTES = 8 * 2 ** 20;
const KINDS = ["image/png", "image/jpeg"];

/** Over the whole widget: a file that misses the map must not replace the notebook. */
export function listenDrop(root: HTMLElement, store: Store, life: AbortSignal): void {
  const carries = (event: DragEvent) => event.dataTransfer?.types.includes("Files") === true;
  const over = (event: DragEvent) => {
    if (!carries(event)) return;
    event.preventDefault();
    event.stopPropagation();
    root.toggleAttribute("data-dropping", true);
  };
  listen(life, root, {
    dragover: over,
    dragenter: over,
    dragleave: (event) => {
      if (!root.contains(event.relatedTarget as Node | null)) root.removeAttribute("data-dropping");
    },
    drop: (event) => {
      if (!carries(event)) return;
      event.preventDefault();
      event.stopPropagation();
      root.removeAttribute("data-dropping");
      const file = event.dataTransfer?.files[0];
      if (file) void place(store, file);
    },
  });
}

export function pickFile(root: HTMLElement, store: Store): void {
  const input = document.createElement("input");
  Object.assign(input, { type: "file", accept: KINDS.join(","), hidden: true });
  input.addEventListener("change", () => {
    const file = input.files?.[0];
    input.remove();
    if (file) void place(store, file);
  });
  root.append(input); // Safari opens nothing for an input that is nowhere
  input.click();
}

export async function place(store: Store, file: File): Promise<void> {
  if (!KINDS.includes(file.type)) {
    store.said.value = "Only PNG and JPEG pictures can be placed.";
    return;
  }
  if (file.size > MOST_BYTES) {
    store.said.value = `This file has ${Math.ceil(file.size / 2 ** 20)} MB; the most is 8 MB.`;
    return;
  }
  store.said.value = `Placing ${shorten(file.name, 40)}`;
  const bytes = new Uint8Array(await file.arrayBuffer());
  const { status, error } = await store.request("place", { name: file.name }, [bytes]);
  store.said.value = status === "ok" ? "Placed" : (error?.message ?? "It was not placed.");
}

export function mountPlaced(element: HTMLElement, scene: Scene, life: AbortSignal): void {
  element.dataset.testid = "placed";
  mount(life, element, () => template(scene));
}

function template(scene: Scene): TemplateResult | typeof nothing {
  const { store } = scene;
  const ids = [...new Set(store.placed.value.map(({ id }) => id))];
  const chosen = store.star.value ?? ids.at(-1);
  const shown = store.placed.value.filter(({ id }) => id === chosen);
  if (!shown.length) return nothing;
  const pick = (id: number) => () => {
    store.star.value = id;
  };
  const name = (id: number) => placedName(store.placed.value.find((one) => one.id === id) ?? shown[0]);
  return html`${
    ids.length > 1
      ? html`<p class="buttons">
          ${ids.map((id) => html`<button type="button" class="button" aria-pressed=${id === chosen} @click=${pick(id)}>${shorten(name(id), 24)}</button>`)}
        </p>`
      : html`<p><strong>${shorten(placedName(shown[0]), 60)}</strong></p>`
  }
  ${shown.map(
    (one) =>
      html`<p data-testid="placed-words" ?data-outside=${!one.inside}>
        ${shown.length > 1 ? html`<strong>${titleOf(store, one.map)}:</strong> ` : nothing}${placedWords(one)}
      </p>`,
  )}
  ${shown.some(({ map }) => store.walkOf(map)) ? html`<p class="hint">Its star stands on a map at rest, not on the steps of a sequence.</p>` : nothing}
  <p class="hint">Nearest rows in the data</p>
  <ul class="tiles">
    ${shown[0].neighbors.slice(0, 15).map((id) => tile(scene, id, "", ""))}
  </ul>`;
}
