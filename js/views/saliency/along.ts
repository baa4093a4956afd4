/** What the maps show at alpha: the sum of the attributions so far, or the gradient at that point. */
import { html, nothing, type TemplateResult } from "lit-html";
import { shorten } from "../../lib/format.js";
import { react, untracked } from "../../lib/lifetime.js";
import type { Along } from "../../lib/wire.js";
import { type Option, segmented } from "../../ui/choice.js";
import { mount } from "../../ui/mount.js";
import { Extra } from "./extras.js";
import type { Store } from "./store.js";

const CHOICES: Option<Along>[] = [
  {
    value: "cumulative",
    label: "Sum so far",
    title: "Sum so far: attributions from the baseline up to alpha",
  },
  {
    value: "gradient",
    label: "Gradient here",
    title: "Gradient here: of the score, at this point of the path",
  },
];

export function mountAlong(element: HTMLElement, store: Store, life: AbortSignal): void {
  const gradients = new Extra(store, "gradients", life);
  react(life, () => {
    if (store.traits.along.value !== "gradient") return;
    const lacking = store.slots.value.filter((slot) => gradients.lacks(slot));
    untracked(() => {
      for (const slot of lacking) gradients.ask(slot);
    });
  });
  mount(life, element, () => template(store, gradients));
}

function template(store: Store, gradients: Extra): TemplateResult {
  const along = store.traits.along.value;
  return html`<span class="label" aria-hidden="true">Maps show</span>
    ${segmented({
      label: "What is shown at alpha",
      testid: "along",
      value: along,
      options: CHOICES,
      onChange: (value) => store.commit({ along: value }),
    })}
    ${along === "gradient" ? news(store, gradients) : nothing}`;
}

function news(store: Store, gradients: Extra): TemplateResult | typeof nothing {
  if (gradients.waiting.value)
    return html`<span class="hint busy" role="status"><i class="spinner"></i>Fetching the gradients</span>`;
  const slot = store.slots.value.find((one) => gradients.trouble(one));
  const trouble = slot && gradients.trouble(slot);
  if (trouble) return html`<span class="hint" role="status">No gradients: ${shorten(trouble, 200)}</span>`;
  const { drawable } = store.slot.value;
  if (drawable.value?.path && !drawable.value.gradients)
    return html`<span class="hint">The sum is shown until the map is finished.</span>`;
  return nothing;
}
