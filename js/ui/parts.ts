/** The small ones: buttons, toggle, hint, collapsible section, list of facts, progress. */
import { html, nothing, type TemplateResult } from "lit-html";
import { live } from "./live.js";

export interface ToggleProps {
  label: string;
  on: boolean;
  testid?: string;
  disabled?: boolean;
  onChange(on: boolean): void;
}

export function toggle(props: ToggleProps): TemplateResult {
  return html`<label class="toggle">
    <input
      type="checkbox"
      role="switch"
      data-testid=${props.testid ?? nothing}
      .checked=${live(props.on)}
      ?disabled=${props.disabled}
      @change=${(event: Event) => props.onChange((event.target as HTMLInputElement).checked)}
    />
    <span>${props.label}</span>
  </label>`;
}

export interface ButtonMore {
  /** The class; "link" for one that looks like a link. */
  look?: string;
  title?: string;
  disabled?: boolean;
  hidden?: boolean;
}

export function button(
  label: string,
  testid: string,
  onClick: () => unknown,
  { look = "button", title, disabled, hidden }: ButtonMore = {},
): TemplateResult {
  return html`<button
    class=${look}
    type="button"
    data-testid=${testid}
    title=${title ?? nothing}
    ?disabled=${disabled}
    ?hidden=${hidden}
    @click=${onClick}
  >
    ${label}
  </button>`;
}

export function hint(content: unknown): TemplateResult {
  return html`<p class="hint">${content}</p>`;
}

export interface IconButtonProps {
  icon: TemplateResult;
  label: string;
  testid?: string;
  pressed?: boolean;
  expanded?: boolean;
  disabled?: boolean;
  onClick(): void;
}

export function iconButton(props: IconButtonProps): TemplateResult {
  const said = (state: boolean | undefined) => (state === undefined ? nothing : String(state));
  return html`<button
    class="ghost"
    type="button"
    title=${props.label}
    aria-label=${props.label}
    aria-pressed=${said(props.pressed)}
    aria-expanded=${said(props.expanded)}
    data-testid=${props.testid ?? nothing}
    ?disabled=${props.disabled}
    @click=${props.onClick}
  >
    ${props.icon}
  </button>`;
}

/** Several controls under one label. */
export function group(spoken: string, label: string, look: string, content: unknown): TemplateResult {
  return html`<div class="field" role="group" aria-label=${spoken}>
    <span class="label">${label}</span>
    <div class=${look}>${content}</div>
  </div>`;
}

export type Fact = readonly [name: string, value: string];

export function facts(rows: readonly Fact[]): TemplateResult {
  return html`<dl class="facts">${rows.map(([name, value]) => html`<dt>${name}</dt><dd dir="auto">${value}</dd>`)}</dl>`;
}

/** A section that folds; the browser keeps its state and its keys. */
export function collapsible(title: string, content: unknown, open = true): TemplateResult {
  return html`<details ?open=${open}>
    <summary>${title}</summary>
    <div class="section">${content}</div>
  </details>`;
}

/** `share` is what is done, `null` while that is not known. */
export function progress(label: string, share: number | null): TemplateResult {
  return html`<div
    class="progress"
    role="progressbar"
    aria-label=${label}
    aria-valuemin="0"
    aria-valuemax="100"
    aria-valuenow=${share === null ? nothing : Math.round(share * 100)}
    ?data-unknown=${share === null}
  >
    <i style=${share === null ? nothing : `inline-size: ${share * 100}%`}></i>
  </div>`;
}
