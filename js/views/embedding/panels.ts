/** The maps side by side: how many, and when they are drawn. */
import { perFrame, react, untracked } from "../../lib/lifetime.js";
import { MapPanel } from "./panel.js";
import type { Scene } from "./scene.js";

export class Panels {
  readonly #panels: MapPanel[] = [];
  readonly #redraw: () => void;

  constructor(
    private readonly element: HTMLElement,
    private readonly scene: Scene,
    private readonly life: AbortSignal,
  ) {
    const { store } = scene;
    this.#redraw = perFrame(life, () =>
      untracked(() => {
        for (const panel of this.#panels) panel.draw();
      }),
    );
    react(life, () => this.#count(Math.max(1, store.shown.value.length)));
  }

  /** The map that the keyboard walks. */
  get active(): MapPanel {
    return this.#panels[this.scene.store.active.value] ?? this.#panels[0];
  }

  #count(count: number): void {
    const { element, scene } = this;
    element.dataset.count = String(count);
    while (this.#panels.length > count) this.#panels.pop()?.remove();
    while (this.#panels.length < count) {
      const panel = untracked(() => new MapPanel(scene, this.#panels.length, this.life));
      this.#panels.push(panel);
      element.append(panel.element);
      react(panel.life, () => {
        panel.depends();
        // A layout that is like the one before it is drawn all the same: the kernel waits to hear so.
        scene.store.maps.value;
        this.#redraw();
      });
    }
  }
}
