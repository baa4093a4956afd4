/** The side panel: the row in focus, its true neighbours, groups, and how points are drawn. */
import { html, nothing, type TemplateResult } from "lit-html";
import { react } from "../../lib/lifetime.js";
import { make, mount } from "../../ui/mount.js";
import { collapsible, toggle } from "../../ui/parts.js";
import { slider } from "../../ui/slider.js";
import { mountGroups } from "./groups.js";
import { mountNeighbours } from "./neighbours.js";
import { mountPicture } from "./picture.js";
import { mountPlaced } from "./place.js";
import { mountRow } from "./row.js";
import type { Scene } from "./scene.js";
import type { Store } from "./store.js";

export function mountSide(element: HTMLElement, scene: Scene, life: AbortSignal): void {
  const { store } = scene;
  // Beside the maps it scrolls, also by keys.
  element.tabIndex = 0;
  element.setAttribute("aria-label", "Point, neighbours and groups");
  const section = (title: string, open = true) => {
    const part = make("div", "", element);
    mount(life, part, () => collapsible(title, nothing, open));
    return { part, body: part.querySelector(".section") as HTMLElement };
  };
  const star = section("Placed picture");
  mountPlaced(star.body, scene, life);
  const row = section("Point in focus");
  mountRow(make("div", "", row.body), scene, life);
  mountPicture(make("div", "picture", row.body), scene, life);
  const near = section("True neighbours");
  mountNeighbours(near.body, scene, life);
  const groups = section("Selection and groups");
  mountGroups(groups.body, scene, life);
  const looks = section("Points");
  mount(life, looks.body, () => pointLooks(store));
  react(life, () => {
    star.part.hidden = !store.placed.value.length;
    near.part.hidden = store.traits.point.value === null;
  });
}

function pointLooks(store: Store): TemplateResult {
  const { point_size, opacity, density, spokes } = store.traits;
  const drag = (name: "point_size" | "opacity") => ({
    onInput: (value: number) => store.set({ [name]: value }),
    onCommit: (value: number) => store.commit({ [name]: value }),
  });
  return html`${slider({
    label: "Size",
    testid: "point-size",
    value: point_size.value,
    min: 0,
    max: 16,
    step: 0.5,
    reset: 0,
    unit: "px",
    lowest: "auto",
    ...drag("point_size"),
  })}
    ${slider({
      label: "Opacity",
      testid: "point-opacity",
      value: opacity.value,
      min: 0.05,
      max: 1,
      step: 0.01,
      reset: 0.85,
      percent: true,
      ...drag("opacity"),
    })}
    ${toggle({ label: "Density instead of points", testid: "density", on: density.value, onChange: (on) => store.commit({ density: on }) })}
    ${toggle({ label: "Spokes to the true neighbours", testid: "spokes", on: spokes.value, onChange: (on) => store.commit({ spokes: on }) })}`;
}
