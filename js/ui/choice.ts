/** One of a few (segmented control, chips) or one of many (select). */
import { html, nothing, type TemplateResult } from "lit-html";
import { ARROWS, isShortcut } from "../lib/keys.js";

export interface Option<T extends string> {
  value: T;
  label: string;
  /** Spoken and shown on hover where the label is a sign. */
  title?: string;
  testid?: string;
  /** Class of a small swatch before the label. */
  swatch?: string;
  /** Background of a strip that stands for the label. */
  strip?: string;
  /** Heading of a part of a list. */
  group?: string;
}

export interface ChoiceProps<T extends string> {
  label: string;
  value: T;
  options: Option<T>[];
  testid?: string;
  /** Of a list only; a row of buttons leaves out what cannot be. */
  disabled?: boolean;
  onChange(value: T): void;
}

/** A radio group in a row: one tab stop, arrows move the choice. */
export function segmented<T extends string>(props: ChoiceProps<T>, look = "segmented"): TemplateResult {
  const chosen = props.options.findIndex((option) => option.value === props.value);
  return html`<div
    class=${look}
    role="radiogroup"
    aria-label=${props.label}
    data-testid=${props.testid ?? nothing}
    data-value=${props.value}
    @keydown=${(event: KeyboardEvent) => walk(event, props, chosen)}
  >
    ${props.options.map(
      (option, i) => html`<button
        type="button"
        role="radio"
        aria-checked=${i === chosen}
        aria-label=${option.title ?? nothing}
        title=${option.title ?? nothing}
        tabindex=${i === Math.max(0, chosen) ? 0 : -1}
        data-testid=${option.testid ?? nothing}
        @click=${() => props.onChange(option.value)}
      >
        ${option.swatch ? html`<i class="swatch ${option.swatch}"></i>` : nothing}${option.strip ? html`<i class="strip" style="background: ${option.strip}"></i>` : nothing}${option.label}
      </button>`,
    )}
  </div>`;
}

function walk<T extends string>(event: KeyboardEvent, props: ChoiceProps<T>, chosen: number): void {
  const arrow = ARROWS[event.key];
  if (!arrow || isShortcut(event)) return;
  event.preventDefault();
  const count = props.options.length;
  const next = (Math.max(0, chosen) + arrow[0] + arrow[1] + count) % count;
  props.onChange(props.options[next].value);
  (event.currentTarget as HTMLElement).querySelectorAll<HTMLElement>("[role=radio]")[next]?.focus();
}

export function select<T extends string>(props: ChoiceProps<T>): TemplateResult {
  return html`<label class="field">
    <span class="label">${props.label}</span>
    <select
      data-testid=${props.testid ?? nothing}
      ?disabled=${props.disabled}
      @change=${(event: Event) => props.onChange((event.target as HTMLSelectElement).value as T)}
    >
      ${[...new Set(props.options.map(({ group }) => group))].map((group) => {
        const rows = props.options
          .filter((option) => option.group === group)
          .map(
            ({ value, label }) =>
              html`<option value=${value} .selected=${value === props.value}>${label}</option>`,
          );
        return group ? html`<optgroup label=${group}>${rows}</optgroup>` : rows;
      })}
    </select>
  </label>`;
}

/** Methods as a list, under the headings of their families. */
export const methodOptions = (methods: readonly { key: string; title: string; family?: string }[]) =>
  methods.map(({ key, title, family }) => ({ value: key, label: title, group: family }));
