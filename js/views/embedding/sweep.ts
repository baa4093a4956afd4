/** The slider over aligned maps: layers, perplexities, numbers of neighbours. Nothing is sent on the way. */
import { html, nothing, type TemplateResult } from "lit-html";
import { react, untracked } from "../../lib/lifetime.js";
import type { Sweep } from "../../lib/map_wire.js";
import { icons } from "../../ui/icons.js";
import { make, mount } from "../../ui/mount.js";
import { button, iconButton } from "../../ui/parts.js";
import { slider } from "../../ui/slider.js";
import type { Store } from "./store.js";

/** Milliseconds from one map to the next, and how long each is left alone. */
const STEP = 1400;
const PAUSE = 500;

export const SWEEPS: { value: Sweep | "none"; label: string }[] = [
  { value: "none", label: "One map" },
  { value: "layers", label: "Layers" },
  { value: "perplexity", label: "Perplexity" },
  { value: "n_neighbors", label: "Neighbours" },
];

export function mountSweep(element: HTMLElement, store: Store, life: AbortSignal): void {
  element.dataset.testid = "sweep-box";
  const body = make("div", "sweep", element);
  react(life, () => {
    element.hidden = store.traits.sweep.value === null;
  });
  mount(life, body, () => (store.traits.sweep.value ? content(store) : nothing));
  react(life, () => {
    if (store.playing.value) return untracked(() => play(store));
  });
}

export function last(store: Store): number {
  return (store.walked.value?.coords.length ?? 1) - 1;
}

function content(store: Store): TemplateResult {
  const walked = store.walked.value;
  if (!walked) {
    return html`<span class="hint">The maps of this sequence are not computed yet: each starts from the one before it.</span>
      ${button("Compute them", "sweep-run", () => store.request("sweep"), { disabled: store.running.value })}`;
  }
  const { names } = walked.sequence;
  const at = Math.min(store.traits.sweep_at.value, last(store));
  const near = Math.round(at);
  const { done, total } = walked.sequence;
  return html`${iconButton({
    icon: store.playing.value ? icons.pause : icons.play,
    label: store.playing.value ? "Stop" : "Play through the maps",
    testid: "sweep-play",
    disabled: last(store) < 1,
    onClick: () => toggle(store),
  })}
    ${slider({
      label: SWEEPS.find(({ value }) => value === store.traits.sweep.value)?.label ?? "",
      testid: "sweep",
      value: at,
      min: 0,
      max: Math.max(1, last(store)),
      step: 0.1,
      onInput: (value) => move(store, value),
      onCommit: (value) => store.commit({ sweep_at: settled(value) }),
    })}
    <output data-testid="sweep-at">
      <strong>${names[near]}</strong>${Math.abs(at - near) > 0.02 ? html` <small class="between">between two maps: interpolated</small>` : nothing}
      ${done < total ? html`<small class="between">${done} of ${total} computed</small>` : nothing}
    </output>
    <ol class="stops">
      ${names.map(
        (name, i) => html`<li>
          <button type="button" aria-current=${i === near} data-testid="stop-${i}" @click=${() => store.commit({ sweep_at: i })}>
            ${name}
          </button>
        </li>`,
      )}
    </ol>`;
}

/** A hand that means a map comes to rest on it. */
const settled = (value: number) =>
  Math.abs(value - Math.round(value)) < 0.08 ? Math.round(value) : Math.round(value * 100) / 100;

export function move(store: Store, value: number): void {
  store.playing.value = false;
  store.set({ sweep_at: Math.min(Math.max(value, 0), last(store)) });
}

export function toggle(store: Store): void {
  if (last(store) < 1) return;
  store.playing.value = !store.playing.value;
  // Where it stopped is where Python knows it to be.
  if (!store.playing.value) store.commit({ sweep_at: settled(store.traits.sweep_at.value) });
}

/** From map to map and to the end; whoever wants no motion sees one map after the other. */
function play(store: Store): () => void {
  const still = matchMedia("(prefers-reduced-motion: reduce)").matches;
  const end = last(store);
  const from = store.traits.sweep_at.value >= end ? 0 : store.traits.sweep_at.value;
  const began = performance.now();
  let frame = 0;
  const step = (now: number) => {
    const passed = Math.max(0, now - began) / (STEP + PAUSE); // a frame may be dated before its request
    const whole = Math.floor(passed);
    const moving = Math.min(1, ((passed - whole) * (STEP + PAUSE)) / STEP);
    const at = Math.min(end, from + whole + (still ? 0 : eased(moving)));
    store.set({ sweep_at: at });
    if (at >= end) toggle(store);
    else frame = requestAnimationFrame(step);
  };
  frame = requestAnimationFrame(step);
  return () => cancelAnimationFrame(frame);
}

const eased = (t: number) => t * t * (3 - 2 * t);
