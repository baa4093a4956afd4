/** Controls made from what the kernel says about a parameter. */
import type { TemplateResult } from "lit-html";
import { words } from "../../lib/format.js";
import type { Control } from "../../lib/wire.js";
import { select } from "../../ui/choice.js";
import { toggle } from "../../ui/parts.js";
import { numberField, slider } from "../../ui/slider.js";

export interface Wiring {
  testid?: string;
  layers: string[];
  onInput(value: unknown): void;
  onCommit(value: unknown): void;
}

/** The control that a description asks for. */
export function generated(control: Control, value: unknown, wiring: Wiring): TemplateResult {
  const { kind } = control;
  const label = words(control.label);
  const { testid, onInput, onCommit } = wiring;
  const now = value ?? control.default;
  if (kind === "bool") return toggle({ label, on: Boolean(now), testid, onChange: onCommit });
  if (kind === "choice" || kind === "layer") {
    const named = (control.choices ?? []).map((choice) => ({ value: choice, label: words(choice) }));
    const layers = wiring.layers.map((layer) => ({ value: layer, label: layer }));
    const options = kind === "layer" ? [{ value: "", label: "Automatic" }, ...layers] : named;
    return select({ label, testid, value: String(now ?? ""), options, onChange: onCommit });
  }
  const { min, max, step, log } = control;
  const integer = kind === "int";
  const base = { label, testid, value: Number(now ?? 0), integer, onInput, onCommit };
  const unbounded = max === null || max === undefined;
  const low = min ?? 0;
  if (unbounded) return numberField({ ...base, min: low, max: Number.MAX_SAFE_INTEGER, step: 1 });
  const fine = step ?? (integer ? 1 : (max - low) / 100);
  const reset = typeof control.default === "number" ? control.default : undefined;
  // What ends the work is an error: a share of the map.
  return slider({ ...base, min: low, max, step: fine, log: log && low > 0, reset, percent: control.stops });
}
