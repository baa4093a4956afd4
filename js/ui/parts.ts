/** The small ones: toggle, icon button, collapsible section, progress with cancel. */
import { html, nothing, type TemplateResult } from "lit-html";
import { live } from "lit-html/directives/live.js";

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

/** A section that folds; the browser keeps its state and its keys. */
export function collapsible(title: string, content: unknown, open = true): TemplateResult {
  return html`<details ?open=${open}>
    <summary>${title}</summary>
    <div class="section">${content}</div>
  </details>`;
}

export interface ProgressProps {
  /** Share done, or `null` while it is not known. */
  share: number | null;
  label: string;
}

export function progress(props: ProgressProps): TemplateResult {
  return html`<div
    class="progress"
    role="progressbar"
    aria-label=${props.label}
    aria-valuemin="0"
    aria-valuemax="100"
    aria-valuenow=${props.share === null ? nothing : Math.round(props.share * 100)}
    ?data-unknown=${props.share === null}
  >
    <i style=${props.share === null ? nothing : `inline-size: ${props.share * 100}%`}></i>
  </div>`;
}
