/** Numbers as a reader wants them: a true minus sign, few digits, a hard space before the unit. */

import type { State } from "./wire.js";

const MINUS = "\u2212";
const SPACE = "\u00a0";

const plain = (text: string) => text.replaceAll("-", MINUS);

/** Three significant digits by default; very small and very large numbers in powers of ten. */
export function number(value: number, digits = 3): string {
  if (Number.isNaN(value)) return "not a number";
  if (!Number.isFinite(value)) return value < 0 ? `${MINUS}\u221e` : "\u221e";
  if (value === 0) return "0";
  const size = Math.abs(value);
  if (size < 1e-3 || size >= 1e6) return plain(value.toExponential(digits - 1));
  const decimals = Math.max(0, digits - 1 - Math.floor(Math.log10(size)));
  return plain(value.toFixed(decimals));
}

/** As `number`, with the plus sign written out: a signed quantity says so. */
export function signed(value: number, digits = 3): string {
  return value > 0 ? `+${number(value, digits)}` : number(value, digits);
}

/** Share of one in per cent: one decimal, more where that would print a false zero. */
export function percent(share: number): string {
  const value = share * 100;
  const size = Math.abs(value);
  if (size > 0 && size < 0.05) return `${number(value, 1)}${SPACE}%`;
  const text = value.toFixed(size >= 99.95 || Number.isInteger(value) ? 0 : 1);
  return `${plain(text)}${SPACE}%`;
}

/** A probability: what is neither certain nor impossible is not rounded to it, and noise gets no digits. */
export function probability(p: number): string {
  if (p > 0 && p < 0.0005) return `< 0.1${SPACE}%`;
  if (p < 1 && p > 0.9995) return `> 99.9${SPACE}%`;
  return percent(p);
}

export function withUnit(text: string, unit: string): string {
  return unit ? `${text}${SPACE}${unit}` : text;
}

/** How far a job is, of which it may be known only that it takes no more. */
export function progressed({ done, total, at_most }: Pick<State, "done" | "total" | "at_most">): string {
  return `${done} of ${at_most ? "at most " : ""}${total}`;
}

export function seconds(value: number): string {
  if (value < 0.1) return `${Math.max(1, Math.round(value * 1000))}${SPACE}ms`;
  if (value < 10) return `${value.toFixed(1)}${SPACE}s`;
  if (value < 60) return `${Math.round(value)}${SPACE}s`;
  const whole = Math.round(value);
  return `${Math.floor(whole / 60)}${SPACE}min ${whole % 60}${SPACE}s`;
}

/** Reads what a person typed: decimal comma or point, true minus, a trailing unit or per cent sign. */
export function parseNumber(text: string): number | null {
  const cleaned = text.trim().replaceAll(MINUS, "-").replace(",", ".");
  const match = /^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?/i.exec(cleaned);
  return match ? Number(match[0]) : null;
}

/** Long text for a place that cannot hold it; a label of 10 000 characters must not slow layout down. */
export function shorten(text: string, most = 160): string {
  return text.length > most ? `${text.slice(0, most - 1)}\u2026` : text;
}

/** A class without a name still needs something to point at. */
export function named(label: string, index: number | null): string {
  return label.trim() || (index === null ? "the target" : `Class ${index}`);
}

/** Long labels are cut: the class that a result explains. */
export function explainedClass(
  result: { target_label: string; target: number | null },
  most?: number,
): string {
  return shorten(named(result.target_label, result.target), most);
}

/** Text as a browser shows it: line breaks of its source are single spaces. */
export function oneLine(text: string): string {
  return text.replace(/\s+/g, " ").trim();
}

/** `gauss_legendre` in the middle of a sentence. */
export function spaced(name: string): string {
  return name.replaceAll("_", " ");
}

/** `gauss_legendre` as a person writes it. */
export function words(name: string): string {
  const text = spaced(name);
  return text.charAt(0).toUpperCase() + text.slice(1);
}

/** As many decimals as tell two neighbours on a grid of `step` apart. */
export function onGrid(value: number, step: number): string {
  const decimals = step >= 1 ? 0 : Math.min(6, Math.ceil(-Math.log10(step) - 1e-9));
  return plain(value.toFixed(decimals));
}

export function clamp(value: number, low: number, high: number): number {
  return Math.min(Math.max(value, low), high);
}
