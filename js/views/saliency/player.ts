import { atEnd, react } from "../../lib/lifetime.js";
import type { Store } from "./store.js";

/** Milliseconds from baseline to input: slow enough to see a part of the map grow. */
const DURATION = 4000;
/** What one press moves where animation is not wanted. */
const STEP = 0.1;

/** Moves alpha from 0 to 1 and sends it once, at the end or when stopped. */
export class Player {
  readonly #motion = matchMedia("(prefers-reduced-motion: reduce)");

  constructor(
    private readonly store: Store,
    private readonly element: HTMLElement,
    life: AbortSignal,
  ) {
    const stop = () => this.pause();
    document.addEventListener("visibilitychange", () => document.hidden && stop(), { signal: life });
    atEnd(life, stop);
    react(life, () => {
      if (!store.walks.value) store.playing.value = false;
    });
  }

  get reduced(): boolean {
    return this.#motion.matches;
  }

  toggle(): void {
    if (!this.store.walks.value) return;
    if (this.store.playing.value) this.#finish();
    else if (this.reduced) this.#step();
    else this.#play();
  }

  /** Stops without sending: the hand that takes over sends what it chooses. */
  pause(): void {
    this.store.playing.value = false;
  }

  #step(): void {
    const alpha = this.store.traits.alpha.value;
    this.store.commit({ alpha: alpha >= 1 ? 0 : Math.min(1, Math.round((alpha + STEP) * 100) / 100) });
  }

  #play(): void {
    const { alpha } = this.store.traits;
    const from = alpha.value >= 1 ? 0 : alpha.value;
    let start: number | null = null;
    this.store.playing.value = true;
    const frame = (now: number) => {
      if (!this.store.playing.value) return;
      start ??= now;
      const next = Math.min(1, from + (now - start) / DURATION);
      this.store.set({ alpha: next });
      if (next >= 1 || !this.element.isConnected) this.#finish();
      else requestAnimationFrame(frame);
    };
    requestAnimationFrame(frame);
  }

  #finish(): void {
    this.pause();
    const { alpha } = this.store.traits;
    this.store.commit({ alpha: Math.round(alpha.value * 1000) / 1000 });
  }
}
