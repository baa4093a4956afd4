/**
 * A slider with keyboard, text field and reset.
 *
 * `onInput` follows the hand; `onCommit` comes once, when it lets go: a pointer released, a key
 * lifted, a typed number entered. What costs a message belongs in `onCommit`.
 */
import { html, nothing, type TemplateResult } from "lit-html";
import { clamp, number, onGrid, parseNumber } from "../lib/format.js";
import { ARROWS, isShortcut } from "../lib/keys.js";
import { icons } from "./icons.js";
import { live } from "./live.js";

export interface SliderProps {
  label: string;
  value: number;
  min: number;
  max: number;
  /** What an arrow key moves; Shift moves ten times that. */
  step: number;
  /** Value of the reset button; none without it. */
  reset?: number;
  /** Equal distances are equal ratios; `min` must be > 0. */
  log?: boolean;
  integer?: boolean;
  /** Shown and typed in per cent, kept as a share. */
  percent?: boolean;
  /** Zero is refused, in words. */
  positive?: boolean;
  unit?: string;
  /** What the lowest value is called, where it is no amount. */
  lowest?: string;
  testid?: string;
  disabled?: boolean;
  onInput(value: number): void;
  onCommit(value: number): void;
}

const POSITIONS = 1000;
/** Inputs that a key moved and that have not been committed yet. */
const moved = new WeakSet<EventTarget>();

export function slider(props: SliderProps): TemplateResult {
  const position = toPosition(props);
  const resettable = props.reset !== undefined && props.value !== props.reset;
  return html`<div class="slider" ?data-disabled=${props.disabled}>
    <span class="label">${props.label}</span>
    <input
      class="track"
      type="range"
      min="0"
      max=${POSITIONS}
      step="any"
      data-testid=${props.testid ?? nothing}
      aria-label=${props.label}
      aria-valuetext=${shown(props)}
      ?disabled=${props.disabled}
      style="--fill: ${(position / POSITIONS) * 100}%"
      .value=${live(String(position))}
      @input=${(event: Event) => props.onInput(fromPosition(props, Number(input(event).value)))}
      @change=${(event: Event) => props.onCommit(fromPosition(props, Number(input(event).value)))}
      @keydown=${(event: KeyboardEvent) => keyDown(event, props)}
      @keyup=${(event: Event) => commitMoved(event, props)}
      @blur=${(event: Event) => commitMoved(event, props)}
    />
    ${field(props)}
    ${
      props.reset === undefined
        ? nothing
        : html`<button
          class="reset ghost"
          type="button"
          title="Reset to ${shown({ ...props, value: props.reset })}"
          aria-label="Reset ${props.label}"
          ?disabled=${props.disabled || !resettable}
          @click=${() => props.onCommit(props.reset ?? props.min)}
        >
          ${icons.reset}
        </button>`
    }
  </div>`;
}

/** The text field alone, for a number without an upper end, such as a seed. */
export function numberField(props: SliderProps): TemplateResult {
  return html`<label class="field"><span class="label">${props.label}</span>${field(props, props.testid)}</label>`;
}

function field(props: SliderProps, testid?: string): TemplateResult {
  return html`<input
    class="number"
    type="text"
    inputmode="decimal"
    autocomplete="off"
    spellcheck="false"
    data-testid=${testid ?? nothing}
    aria-label="${props.label}, value"
    ?disabled=${props.disabled}
    .value=${shown(props)}
    @change=${(event: Event) => typed(event, props)}
    @input=${(event: Event) => input(event).setCustomValidity("")}
    @focus=${(event: Event) => input(event).select()}
  />`;
}

const input = (event: Event) => event.target as HTMLInputElement;

function shown(props: SliderProps): string {
  if (props.lowest && props.value <= props.min) return props.lowest;
  if (props.percent) return `${Math.round(props.value * 1000) / 10}\u00a0%`;
  const text = props.integer
    ? String(Math.round(props.value))
    : props.log || props.reset === undefined
      ? number(props.value)
      : onGrid(props.value, props.step);
  return props.unit ? `${text}\u00a0${props.unit}` : text;
}

function toPosition({ value, min, max, log }: SliderProps): number {
  const inside = clamp(value, min, max);
  const share = log ? Math.log(inside / min) / Math.log(max / min) : (inside - min) / (max - min);
  return Number.isFinite(share) ? share * POSITIONS : 0;
}

/** The value at a position, rounded to the step: a share of 0.30000000000000004 helps nobody. */
function fromPosition(props: SliderProps, position: number): number {
  const { min, max, log } = props;
  const share = position / POSITIONS;
  if (!log) return rounded(props, min + share * (max - min));
  const value = min * (max / min) ** share;
  // On a log scale the step is right at no place; three digits are right at every one.
  return props.integer ? rounded(props, value) : clamp(Number(value.toPrecision(3)), min, max);
}

function rounded({ min, max, step, integer }: SliderProps, value: number): number {
  const grid = integer ? Math.max(1, Math.round(step)) : step;
  const steps = Math.round((value - min) / grid);
  return clamp(Number((min + steps * grid).toPrecision(12)), min, max);
}

function keyDown(event: KeyboardEvent, props: SliderProps): void {
  if (isShortcut(event)) return;
  const target = keyTarget(event, props);
  if (target === null) return;
  event.preventDefault();
  const value = clamp(target, props.min, props.max);
  if (value === props.value) return;
  if (event.target) moved.add(event.target);
  props.onInput(value);
}

function keyTarget(event: KeyboardEvent, props: SliderProps): number | null {
  if (event.key === "Home") return props.min;
  if (event.key === "End") return props.max;
  const page = { PageUp: 10, PageDown: -10 }[event.key];
  const [dx, dy] = ARROWS[event.key] ?? [0, 0];
  const direction = page ?? (dx - dy) * (event.shiftKey ? 10 : 1);
  return direction ? Number((props.value + direction * props.step).toPrecision(12)) : null;
}

function commitMoved(event: Event, props: SliderProps): void {
  if (event.target && moved.delete(event.target)) props.onCommit(props.value);
}

function typed(event: Event, props: SliderProps): void {
  const typedNumber = parseNumber(input(event).value);
  const refused = typedNumber === null || (props.positive && typedNumber <= 0);
  let value = props.value;
  if (typedNumber !== null && !refused) {
    const inside = clamp(props.percent ? typedNumber / 100 : typedNumber, props.min, props.max);
    value = props.integer ? Math.round(inside) : inside;
  }
  // The field shows the value in force, also after text that could not be read.
  input(event).value = shown({ ...props, value });
  if (refused) {
    input(event).setCustomValidity(props.positive ? "A number above zero." : "A number.");
    input(event).reportValidity();
  }
  if (value !== props.value) props.onCommit(value);
}
