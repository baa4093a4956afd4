/** Below the pictures: alpha with play, the two curves, and the sentence that says what they mean. */
import { html, nothing, type TemplateResult } from "lit-html";
import { react, watchWidth } from "../../lib/lifetime.js";
import { converged, explained } from "../../lib/sentence.js";
import { icons } from "../../ui/icons.js";
import { make, mount } from "../../ui/mount.js";
import { button, iconButton } from "../../ui/parts.js";
import { slider } from "../../ui/slider.js";
import { mountAlong } from "./along.js";
import { Curves, margins } from "./curves.js";
import { Player } from "./player.js";
import type { Store } from "./store.js";

export class Path {
  readonly player: Player;

  constructor(element: HTMLElement, store: Store, life: AbortSignal) {
    this.player = new Player(store, element, life);
    const block = make("div", "path", element);
    mountAlong(make("div", "along", block), store, life);
    const scrub = make("div", "scrub", block);
    const chart = make("div", "curves", block);
    const curves = new Curves(chart, store, life);
    const words = make("div", "words", element);
    react(life, () => {
      // While a path is computed its place is kept, so that nothing jumps when it comes.
      const coming = Boolean(store.method.value?.path && store.running.value);
      block.hidden = !store.walks.value && !coming;
      chart.hidden = !store.drawable.value?.path && !coming;
    });
    watchWidth(life, element, (width) => {
      const { left, right } = margins(width);
      block.style.setProperty("--left", `${left}px`);
      block.style.setProperty("--right", `${right}px`);
      curves.resize(width);
    });
    mount(life, scrub, () => this.#scrub(store));
    mount(life, words, () => sentence(store));
  }

  #scrub(store: Store): TemplateResult {
    const playing = store.playing.value;
    const { reduced } = this.player;
    const label = reduced ? "Step along the path" : playing ? "Pause" : "Play along the path";
    const disabled = !store.walks.value;
    return html`${iconButton({
      icon: reduced ? icons.step : playing ? icons.pause : icons.play,
      label,
      testid: "play",
      disabled,
      onClick: () => this.player.toggle(),
    })}
    ${slider({
      label: "alpha",
      testid: "alpha",
      value: store.traits.alpha.value,
      min: 0,
      max: 1,
      step: 0.01,
      reset: 1,
      disabled,
      onInput: (value) => {
        this.player.pause();
        store.set({ alpha: value });
      },
      onCommit: (value) => store.commit({ alpha: value }),
    })}`;
  }
}

function sentence(store: Store): TemplateResult | typeof nothing {
  const result = store.drawable.value?.result;
  if (!result || (!result.completeness && !result.can_refine)) return nothing;
  return html`<p class="sentence" data-testid="sentence">${explained(result)} ${converged(result)}</p>
    ${
      result.can_refine
        ? button("Refine \u00d72", "refine", () => store.request("refine", { panel: store.active.value }), {
            title: `Compute with ${result.completeness?.map_error == null ? "twice the steps" : "half the tolerance"}, keeping what is there`,
            disabled: store.running.value || store.offline.value,
          })
        : nothing
    }`;
}
