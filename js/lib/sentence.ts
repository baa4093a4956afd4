/** The completeness of a path method in words: two curves need a sentence that says what they mean. */
import { number, percent, signed, withUnit } from "./format.js";
import type { Result } from "./wire.js";

export function explained(result: Result): string {
  const { completeness: c, unit } = result;
  if (!c) return "";
  const start = result.path ? result.path.baseline_score : result.score - c.change;
  const change = `${number(start)} \u2192 ${number(result.score)}`;
  if (c.share === null) {
    return (
      `The score hardly changes along the path (${change}), so no share of it can be given. ` +
      `The attributions sum to ${signed(c.sum)}; gap ${withUnit(signed(c.delta), unit)}.`
    );
  }
  const gap = c.change === 0 ? Math.abs(1 - c.share) : Math.abs(c.delta / c.change);
  const verb = c.share > 1.0005 ? "add up to" : "explain";
  const share = `${(100 * c.share).toFixed(1)}\u00a0%`;
  return `The attributions ${verb} ${share} of the change in score (${change}); gap ${percent(gap)}.`;
}

/** Which operations a rule was found for, and which fell back to the gradient; empty where there are no rules. */
export function covered({ coverage }: Result): string {
  if (!coverage) return "";
  const gaps = Object.entries(coverage.gaps).map(([name, n]) => (n > 1 ? `${name} (${n} times)` : name));
  const rest = gaps.length ? `; by the gradient, for want of one: ${gaps.join(", ")}` : "";
  return `for ${coverage.ruled} ${coverage.ruled === 1 ? "operation" : "operations"}${rest}`;
}

/** How much was computed, in words; empty where nobody counted. */
export function counted({ steps, path, completeness, stage }: Result): string {
  if (!steps || stage === "preview") return "";
  if (completeness?.map_error == null) return String(steps);
  return `${path ? "" : "up to "}${steps} gradients${path ? "" : " on each path"}`;
}

/** Whether more steps would still change the map; empty where that was not measured. */
export function converged(result: Result): string {
  const error = result.completeness?.map_error;
  if (error !== null && error !== undefined) {
    return `The map's own error is about ${percent(error)}, after ${counted(result)}.`;
  }
  const change = result.completeness?.map_change;
  if (change === null || change === undefined) return "";
  const steps = result.steps;
  if (!steps || steps < 2) return `Twice the steps changed the map by ${percent(change)}.`;
  return `From ${Math.floor(steps / 2)} to ${steps} steps the map changed by ${percent(change)}.`;
}
