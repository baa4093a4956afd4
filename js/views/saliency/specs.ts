/** Arithmetic on the list of further panels, and their differences from the lead in words. */
import { named, number, onGrid, shorten, spaced } from "../../lib/format.js";
import type { Baseline, Control, Info, MethodInfo, PanelSpec, Params, Question } from "../../lib/wire.js";
import { sourcesOf, titleOf } from "./derived.js";
import { baselineInfo } from "./paint.js";
import type { Store } from "./store.js";

export type Override = Partial<Question> & { model?: number };

/** A panel with a question of its own; a derived one has none. */
export function isQuestion(spec: PanelSpec | null): spec is Override | null {
  return sourcesOf(spec) === null;
}

/** The list without a panel: the others keep referring to the same panels, and what was its difference goes too. */
export function without(compare: readonly PanelSpec[], panel: number): PanelSpec[] {
  const shift = (at: number) => (at > panel ? at - 1 : at);
  const left = compare.filter((_, i) => i + 1 !== panel);
  const kept = left.map((spec): PanelSpec | null => {
    if ("difference" in spec) {
      const [a, b] = spec.difference;
      return a === panel || b === panel ? null : { difference: [shift(a), shift(b)] };
    }
    if (!("average" in spec)) return spec;
    const average = spec.average.filter((at) => at !== panel).map(shift);
    return average.length ? { average } : null;
  });
  return kept.filter((spec) => spec !== null);
}

/** Takes a panel away, and what was made of it. */
export function remove(store: Store, panel: number): void {
  const { active } = store;
  const compare = without(store.traits.compare.value, panel);
  const next = active.value >= panel ? active.value - 1 : active.value;
  store.commit({ compare, panel: Math.min(next, compare.length) });
}

/** What a further panel has of its own, a few words each. */
export function differences(store: Store, spec: PanelSpec): string[] {
  if (!isQuestion(spec)) return [titleOf(spec)];
  const { traits } = store;
  const info = store.info.value;
  const found: string[] = [];
  const model = info?.models[spec.model ?? 0];
  const own = <K extends keyof Question>(name: K, say: (value: Question[K]) => string) => {
    const value = spec[name];
    if (value !== undefined && JSON.stringify(value) !== JSON.stringify(traits[name].value)) {
      found.push(say(value as Question[K]));
    }
  };
  if (spec.model) found.push(modelWords(spec.model, info));
  own("method", (key) => store.methodOf(key)?.title ?? key);
  own("layer", (layer) => layer ?? "automatic layer");
  own("target", (target) => {
    if (target === null) return "for the top prediction";
    if (typeof target === "object") return `for ${target.callable}`;
    return `for ${shorten(named(model?.labels[target] ?? "", target), 60)}`;
  });
  own("baseline", (baseline) => baselineWords(baseline, info));
  own("output", (output) => spaced(output));
  own("index", (index) => `picture ${index + 1}`);
  const method = store.methodOf(spec?.method ?? traits.method.value);
  const params = spec?.params ?? (spec?.method === undefined ? traits.params.value : {});
  own("n_steps", (steps) => `${mayStop(method, params) ? "at most " : ""}${steps} steps`);
  own("params", (params) => {
    const said = Object.entries(params).filter(([name, value]) => {
      const control = method?.controls.find((one) => one.name === name);
      const before = spec.method ? control?.default : traits.params.value[name];
      return value !== before && !(method && control && !acts(control, method, params));
    });
    return said.map(([name, value]) => `${spaced(name)} ${value}`).join(", ") || "default parameters";
  });
  own("occlusion", (occlusion) => (occlusion ? "occluded" : "not occluded"));
  return found;
}

/** Whether a control has an effect, as the others are set. */
export function acts({ when }: Control, { controls }: MethodInfo, params: Params): boolean {
  if (!when) return true;
  const usual = controls.find(({ name }) => name === when[0])?.default;
  return (params[when[0]] ?? usual) === when[1];
}

/** Whether a method ends when its map is good enough: its steps are then the most there may be. */
export function mayStop(method: MethodInfo | undefined, params: Params): boolean {
  return Boolean(
    method?.controls.some((control) => {
      const value = Number(params[control.name] ?? control.default);
      return control.stops && value > 0 && acts(control, method, params);
    }),
  );
}

/** A model by its number: two that are compared often have one name. */
export function modelWords(model: number, info: Info | null): string {
  const name = info?.models[model]?.name;
  return name ? `Model ${model + 1}: ${name}` : `Model ${model + 1}`;
}

/** A baseline as a caption says it: "Blur 12". */
function baselineWords({ kind, level, sigma, of }: Baseline, info: Info | null): string {
  if (kind === "average") return `average of ${of?.length ?? 0} baselines`;
  const title = baselineInfo(info, kind)?.title ?? kind;
  const size = sigma ?? level;
  if (size === undefined) return title;
  return `${title} ${sigma === undefined ? onGrid(size, 0.01) : number(size, 2)}`;
}
