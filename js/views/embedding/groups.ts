/** What is chosen, the two groups made of it, and how they differ. */
import { html, nothing, type TemplateResult } from "lit-html";
import { percent, shorten, signed } from "../../lib/format.js";
import { react, type Signal, signal, untracked } from "../../lib/lifetime.js";
import type { Group, Groups, SelectionName } from "../../lib/map_wire.js";
import type { Blob } from "../../lib/wire.js";
import { categorical } from "../../render/points/palette.js";
import { mount } from "../../ui/mount.js";
import { button, hint } from "../../ui/parts.js";
import { swatch } from "./colours.js";
import type { Scene } from "./scene.js";
import type { Store } from "./store.js";
import { painted } from "./thumbs.js";

/** Milliseconds between a change of a group and the question how they differ. */
const PATIENCE = 120;
const MOST_CLASSES = 6;

interface Compared {
  groups: Groups;
  pictures: Map<string, Blob>;
}

export function mountGroups(element: HTMLElement, scene: Scene, life: AbortSignal): void {
  const { store } = scene;
  const found = signal<Compared | null>(null);
  const trouble = signal<string | null>(null);
  react(life, () => {
    const { group_a, group_b } = store.selections;
    const any = group_a.value.length + group_b.value.length;
    found.value = null;
    if (!any) return;
    const timer = setTimeout(() => untracked(() => void compare(store, found, trouble, life)), PATIENCE);
    return () => clearTimeout(timer);
  });
  mount(life, element, () => template(scene, found.value, trouble.value));
}

async function compare(
  store: Store,
  found: Signal<Compared | null>,
  trouble: Signal<string | null>,
  life: AbortSignal,
): Promise<void> {
  const { group_a, group_b } = store.selections;
  const asked = [group_a.value, group_b.value];
  const { status, result, error } = await store.request("groups");
  trouble.value = status === "error" ? (error?.message ?? "The kernel gave no reason.") : null;
  if (status !== "ok" || !result) return;
  const groups = result as unknown as Groups;
  const named = [groups.a, groups.b].flatMap((one) => [one?.picture_mean, one?.mean_attribution]);
  const pictures = new Map<string, Blob>();
  for (const hash of named) {
    const blob = hash ? await store.actions.onFetch(hash) : null;
    if (hash && blob) pictures.set(hash, blob);
  }
  if (life.aborted || group_a.value !== asked[0] || group_b.value !== asked[1]) return;
  found.value = { groups, pictures };
}

/** Of the selection: group A, or where there is one group B. */
export function makeGroup(store: Store): void {
  const { selection, group_a, group_b } = store.selections;
  if (!selection.value.length) {
    store.said.value = "Choose points first: with the lasso, or a box";
    return;
  }
  const name = group_a.value.length && !group_b.value.length ? "group_b" : "group_a";
  store.choose(name, selection.value);
  store.said.value = `Group ${name === "group_a" ? "A" : "B"}: ${selection.value.length} points`;
}

function template({ store, lit }: Scene, found: Compared | null, trouble: string | null): TemplateResult {
  const chosen = store.selections.selection.value;
  const none = chosen.length === 0;
  const set = (name: SelectionName) => () => store.choose(name, chosen);
  const clear = () => {
    for (const name of ["group_a", "group_b"] as const)
      if (store.selections[name].value.length) store.choose(name, new Uint32Array());
  };
  const any = store.selections.group_a.value.length + store.selections.group_b.value.length > 0;
  return html`<p data-testid="selected">
      ${none ? html`<span class="hint">Nothing selected. Draw around points with the lasso, or point out a category in the legend.</span>` : html`<strong>${chosen.length}</strong> selected`}
    </p>
    <div class="buttons">
      ${
        lit.value && lit.value.why !== "selection" && lit.value.points.length
          ? button(`Select the ${lit.value.points.length} pointed out`, "select-lit", () =>
              store.choose("selection", lit.value?.points ?? chosen),
            )
          : nothing
      }
      ${button("Selection \u2192 A", "to-a", set("group_a"), { disabled: none })}
      ${button("Selection \u2192 B", "to-b", set("group_b"), { disabled: none })}
      ${button("Clear", "clear-selection", () => store.choose("selection", new Uint32Array()), { look: "link", hidden: none })}
      ${button("Forget groups", "clear-groups", clear, { look: "link", hidden: !any })}
    </div>
    ${any ? comparison(store, found) : nothing}
    ${trouble ? html`<p class="hint" role="alert">${shorten(trouble, 300)}</p>` : nothing}`;
}

function comparison(store: Store, found: Compared | null): TemplateResult {
  const [a, b] = [store.selections.group_a.value.length, store.selections.group_b.value.length];
  const { groups } = found ?? {};
  return html`<div class="pair" data-testid="groups">
      ${column("A", a, groups?.a ?? null, found, store)} ${column("B", b, groups?.b ?? null, found, store)}
    </div>
    ${groups?.a && groups.b ? differences(groups.differs) : nothing}`;
}

function column(
  name: string,
  n: number,
  group: Group | null,
  found: Compared | null,
  store: Store,
): TemplateResult {
  if (!n) return html`<section><h4>${name}</h4>${hint("Empty")}</section>`;
  const picture = found?.pictures.get(group?.picture_mean ?? "");
  const map = found?.pictures.get(group?.mean_attribution ?? "");
  return html`<section data-testid="group-${name.toLowerCase()}">
    <h4>${name} <small class="count">${n} points</small></h4>
    ${group ? mix(group, store) : hint("Comparing")}
    ${picture ? figure("Mean picture", picture) : nothing}
    ${map ? figure("Mean attribution", coloured(map, store)) : nothing}
  </section>`;
}

/** Shares of classes as one bar, and the first few in words. */
function mix({ classes }: Group, store: Store): TemplateResult | typeof nothing {
  if (!classes.length) return nothing;
  const names = store.column("label")?.names ?? store.points.value?.classes ?? [];
  const palette = categorical(Math.max(1, names.length), store.dark.value);
  const colour = (name: string) => swatch(Math.max(0, names.indexOf(name)), palette);
  const first = classes.slice(0, MOST_CLASSES);
  return html`<div class="mix" aria-hidden="true">
      ${classes.map(([name, share]) => html`<i style="inline-size: ${100 * share}%; background: ${colour(name)}"></i>`)}
    </div>
    <ul class="shares">
      ${first.map(
        ([name, share]) =>
          html`<li><i class="dot" style="background: ${colour(name)}"></i><bdi>${shorten(name, 40)}</bdi> <span>${percent(share)}</span></li>`,
      )}
      ${classes.length > first.length ? html`<li class="hint">and ${classes.length - first.length} more</li>` : nothing}
    </ul>`;
}

function figure(caption: string, { data, shape }: Blob): TemplateResult {
  return html`<figure>
    <canvas class="mean" role="img" aria-label=${caption} ${painted(data as Uint8Array, shape[1], shape[0])}></canvas>
    <figcaption class="hint">${caption}</figcaption>
  </figure>`;
}

const paintedMaps = new WeakMap<Blob, Blob>();

/** A map of attributions as RGB, symmetric around zero. */
function coloured(map: Blob, store: Store): Blob {
  const known = paintedMaps.get(map);
  const lut = store.luts.value.diverging;
  if (known || !lut) return known ?? { ...map, data: new Uint8Array(3 * map.data.length).fill(128) };
  let limit = 0;
  for (const value of map.data) limit = Math.max(limit, Math.abs(value));
  const rgb = new Uint8Array(3 * map.data.length);
  map.data.forEach((value: number, i: number) => {
    const at = 3 * Math.round(128 + (128 * value) / (limit || 1));
    rgb.set(lut.subarray(at, at + 3), 3 * i);
  });
  const made = { ...map, data: rgb };
  paintedMaps.set(map, made);
  return made;
}

function differences(differs: Groups["differs"]): TemplateResult {
  if (!differs.length) return hint("Nothing differs that could be measured.");
  const most = Math.max(...differs.map(([, d]) => Math.abs(d)), 1e-9);
  return html`<h4>What differs <small class="count">A minus B, in standard deviations</small></h4>
    <ul class="differs" data-testid="differs">
      ${differs.map(
        ([name, d]) => html`<li>
          <bdi>${shorten(name, 60)}</bdi>
          <span class="effect"><i data-side=${d < 0 ? "b" : "a"} style="inline-size: ${(50 * Math.abs(d)) / most}%"></i></span>
          <span>${signed(d, 2)}</span>
        </li>`,
      )}
    </ul>`;
}
