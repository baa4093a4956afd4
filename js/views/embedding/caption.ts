/** Above a map: which reducer made it, with what parameters. Below it: how true it is, and what not to read from it. */
import { html, nothing, type TemplateResult } from "lit-html";
import { onGrid } from "../../lib/format.js";
import { MOST_MAPS } from "../../lib/map_wire.js";
import type { Control } from "../../lib/wire.js";
import { select } from "../../ui/choice.js";
import { icons } from "../../ui/icons.js";
import { make, mount } from "../../ui/mount.js";
import { button, iconButton, toggle } from "../../ui/parts.js";
import { slider } from "../../ui/slider.js";
import { mountNumbers } from "./numbers.js";
import type { Store } from "./store.js";
import { qualityOf, stageWords, stepName, stepWords, titleOf } from "./words.js";

type Values = Record<string, unknown>;

export function mountCaption(element: HTMLElement, store: Store, map: number, life: AbortSignal): void {
  mount(life, make("div", "map-head", element), () => head(store, map));
  mount(life, make("div", "map-settings", element), () => settings(store, map));
}

function head(store: Store, map: number): TemplateResult {
  const maps = store.shown.value;
  const drawable = store.maps.value[map];
  const walked = store.walkOf(map);
  const reducers = store.points.value?.reducers ?? [];
  const options = reducers.map(({ key, title }) => ({ value: key, label: title }));
  const change = (key: string) => store.commit({ maps: store.traits.maps.value.with(map, key) });
  const stage = walked ? stepWords(store, map) : drawable ? stageWords(drawable) : "";
  return html`${
    options.length
      ? select({
          label: "Map",
          testid: `reducer-${map}`,
          value: maps[map],
          options,
          disabled: store.offline.value,
          onChange: change,
        })
      : html`<h3>${titleOf(store, map)}</h3>`
  }
  ${stage ? html`<span class="done-so-far" data-testid="stage-${map}">${stage}</span>` : nothing}
  ${
    drawable &&
    !walked &&
    drawable.layout.stage !== "partial" &&
    drawable.layout.stage !== "start" &&
    refinable(store, map)
      ? button("Refine", `refine-${map}`, () => store.request("refine", { map }), {
          look: "link",
          title: "More iterations from here",
          disabled: store.running.value || store.offline.value,
        })
      : nothing
  }
  ${
    maps.length > 1
      ? iconButton({
          icon: icons.close,
          label: `Remove map ${map + 1}`,
          testid: `remove-${map}`,
          onClick: () => store.commit({ maps: store.traits.maps.value.filter((_, i) => i !== map) }),
        })
      : nothing
  }
  ${
    map === maps.length - 1 && maps.length < MOST_MAPS && options.length > 1 && !store.offline.value
      ? iconButton({
          icon: icons.plus,
          label: "Add a map beside these",
          testid: "add-map",
          onClick: () => store.commit({ maps: [...maps, nextReducer(store)] }),
        })
      : nothing
  }`;
}

const refinable = (store: Store, map: number) => store.traits.maps.value[map] !== "pca";

/** One that is not on screen yet. */
function nextReducer(store: Store): string {
  const reducers = store.points.value?.reducers ?? [];
  const free = reducers.find(({ key }) => !store.traits.maps.value.includes(key));
  return (free ?? reducers[0]).key;
}

function settings(store: Store, map: number): TemplateResult | typeof nothing {
  const reducer = store.reducer(store.traits.maps.value[map]);
  if (!reducer?.controls.length || store.offline.value) return nothing;
  // What is walked along has no one value.
  const swept = store.walkOf(map)?.sequence.sweep;
  const controls = reducer.controls.filter(({ name }) => name !== swept);
  const values = store.traits.params.value[reducer.key] ?? {};
  const next = (name: string, value: unknown) => ({
    params: { ...store.traits.params.value, [reducer.key]: { ...values, [name]: value } },
  });
  return html`<details data-testid="settings-${map}">
    <summary>Settings<span class="label">${summaryOf(controls, values)}</span></summary>
    <div class="settings-box">
      ${controls.map((control) =>
        controlOf(
          control,
          values,
          (value) => store.set(next(control.name, value)),
          (value) => store.commit(next(control.name, value)),
        ),
      )}
    </div>
  </details>`;
}

/** The numbers, so that the section need not be opened to be read. */
function summaryOf(controls: Control[], values: Values): string {
  const told = controls
    .filter(({ kind }) => kind === "int" || kind === "float")
    .map(({ name, label, default: usual, step }) => {
      const value = values[name] ?? usual;
      return typeof value === "number" ? `${label.toLowerCase()} ${onGrid(value, step ?? 1)}` : "";
    });
  return told.filter(Boolean).slice(0, 2).join(", ");
}

function controlOf(
  control: Control,
  values: Values,
  onInput: (value: unknown) => void,
  onChange: (value: unknown) => void,
): TemplateResult | typeof nothing {
  const { name, kind, label, default: usual } = control;
  const testid = `param-${name}`;
  const value = values[name] ?? usual;
  if (kind === "bool") return toggle({ label, testid, on: value === true, onChange });
  if (kind === "choice") {
    const options = (control.choices ?? []).map((choice) => ({ value: choice, label: choice }));
    return select({ label, testid, value: String(value), options, onChange });
  }
  if (kind === "layer" || typeof value !== "number") return nothing;
  return slider({
    label,
    testid,
    value,
    min: control.min ?? 0,
    max: control.max ?? Math.max(100, 4 * value),
    step: control.step ?? (kind === "int" ? 1 : 0.01),
    reset: typeof usual === "number" ? usual : undefined,
    log: control.log && (control.min ?? 0) > 0,
    integer: kind === "int",
    onInput,
    onCommit: onChange,
  });
}

/** Beside the map, never behind a click: what its distances and sizes do not say. */
export function mountCaution(element: HTMLElement, store: Store, map: number, life: AbortSignal): void {
  mount(life, make("div", "", element), () => {
    const drawable = store.maps.value[map];
    if (!drawable) return nothing;
    const { caution, notes } = drawable.layout;
    const walked = store.walkOf(map);
    const quality = walked ? sequenceQuality(store) : qualityOf(drawable);
    // What the kernel says of the map at rest, with its numbers, is not true of a step.
    const usual = store.reducer(drawable.layout.reducer)?.cautions ?? [];
    const told = caution.length && !walked ? caution : usual;
    return html`<p class="quality" data-testid="quality-${map}">
        <strong>${quality}</strong> <span class="axes">Axes: no unit.</span>
      </p>
      <div data-testid="caution-${map}">${told.map((sentence) => html`<p>${sentence}</p>`)}</div>
      ${(walked ? [] : notes).map((note) => html`<p class="hint">${note}</p>`)}`;
  });
  mountNumbers(make("div", "", element), store, map, life);
}

/** Of the step that the slider is nearest to. */
function sequenceQuality(store: Store): string {
  const { sequence } = store.walked.value ?? {};
  const kept = sequence?.numbers[store.step.value ?? 0]?.kept;
  if (!sequence || kept === null || kept === undefined) return "";
  return `At ${stepName(store)} it keeps ${Math.round(100 * kept)}\u00a0% of each row\u2019s nearest neighbours.`;
}
