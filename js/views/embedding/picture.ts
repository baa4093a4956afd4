/** The picture of the row in focus; with a model, what its prediction rests on, in a view of its own. */
import { html, nothing, type TemplateResult } from "lit-html";
import { shorten } from "../../lib/format.js";
import { atEnd, computed, react, signal, untracked } from "../../lib/lifetime.js";
import type { Blob } from "../../lib/wire.js";
import { methodOptions, select } from "../../ui/choice.js";
import { make, mount } from "../../ui/mount.js";
import { hint } from "../../ui/parts.js";
import type { Scene } from "./scene.js";
import type { Store } from "./store.js";
import { painted } from "./thumbs.js";

/** Milliseconds that a point stays in focus before it is explained: a held key walks past most of them. */
const PATIENCE = 15;

export function mountPicture(element: HTMLElement, scene: Scene, life: AbortSignal): void {
  const { store } = scene;
  const plain = signal<{ id: number; blob: Blob } | null>(null);
  const able = computed(() => store.points.value?.pictures === true && store.traits.point.value !== null);
  /** The attribution of this very row. */
  const explained = computed(() => store.overlay.value?.result.index === store.traits.point.value);
  react(life, () => {
    const id = store.traits.point.value;
    if (!able.value || id === null) return;
    untracked(
      () =>
        void fetchPlain(store, id, life).then((blob) => {
          if (blob && store.traits.point.peek() === id) plain.value = { id, blob };
        }),
    );
  });
  react(life, () => explainLater(store, able.value));
  mount(life, make("div", "", element), () => (able.value ? controls(store) : nothing));
  const place = make("div", "plain", element);
  mount(life, place, () => {
    const found = plain.value;
    if (!able.value || explained.value) return nothing;
    if (!found || found.id !== store.traits.point.value) return hint("Asking for the picture");
    const [height, width] = found.blob.shape;
    return html`<canvas
        data-testid="row-picture"
        role="img"
        aria-label="Picture of row ${found.id}"
        ${painted(found.blob.data as Uint8Array, width, height)}
      ></canvas>`;
  });
  mountSlot(make("div", "slot", element), store, () => able.value && explained.value, life);
}

async function fetchPlain(store: Store, id: number, life: AbortSignal): Promise<Blob | null> {
  const { result } = await store.request("picture", { row: id });
  const blob = result && !life.aborted ? await store.actions.onFetch(String(result.picture)) : null;
  return blob?.data instanceof Uint8Array ? blob : null;
}

/** Made when the first attribution has come, and kept. */
function mountSlot(element: HTMLElement, store: Store, wanted: () => boolean, life: AbortSignal): void {
  let empty: (() => void) | undefined;
  element.dataset.testid = "slot";
  react(life, () => {
    const on = wanted();
    element.hidden = !on;
    if (on) empty ??= untracked(() => store.actions.onSlot?.(element));
  });
  atEnd(life, () => empty?.());
}

/** Asks once the point has stayed, again when the method changes. */
function explainLater(store: Store, able: boolean): (() => void) | undefined {
  const id = store.traits.point.value;
  const { methods = [] } = store.points.value ?? {};
  const asked = [store.traits.method.value, store.traits.n_steps.value];
  if (!able || id === null || !methods.length || !asked.length) return;
  const timer = setTimeout(() => void store.request("explain", { row: id }), PATIENCE);
  return () => clearTimeout(timer);
}

function controls(store: Store): TemplateResult | typeof nothing {
  const { methods = [] } = store.points.value ?? {};
  if (!methods.length) return nothing;
  const { phase, error } = store.explaining.value;
  return html`${select({
    label: "Explained by",
    testid: "method",
    value: store.traits.method.value,
    options: methodOptions(methods),
    disabled: store.offline.value,
    onChange: (method) => store.commit({ method }),
  })}
  ${phase === "running" ? hint("Computing the attribution") : nothing}
  ${phase === "error" && error ? html`<p class="hint" role="alert">${shorten(error.message, 300)}</p>` : nothing}`;
}
