/**
 * A combobox: a text field that filters a list of up to thousands of labels.
 *
 * The list is built when it opens and dropped when it closes. Labels are data: they are only ever
 * bound as text.
 */
import { html, nothing, type TemplateResult } from "lit-html";
import { clamp, shorten } from "../lib/format.js";
import { batch, react, signal } from "../lib/lifetime.js";
import { live } from "./live.js";
import { mount } from "./mount.js";

export interface Choice {
  value: number | null;
  label: string;
  /** Written smaller behind the label. */
  hint?: string;
}

export interface PickerProps {
  label: string;
  testid: string;
  choices: readonly Choice[];
  /** What the closed field says. */
  current: string;
  value: number | null | undefined;
  onChange(value: number | null): void;
}

/** More than this is not read but searched. */
const MOST_SHOWN = 1000;

export class Picker {
  readonly #props;
  readonly #open = signal(false);
  readonly #query = signal<string | null>(null);
  readonly #active = signal(0);
  /** Random: each widget of a page loads its own copy of this module, and ids are the page's. */
  readonly #id = `saliscope-${Math.random().toString(36).slice(2)}`;

  constructor(
    readonly element: HTMLElement,
    props: PickerProps,
    life: AbortSignal,
  ) {
    this.#props = signal(props);
    mount(life, element, () => this.#template());
    react(life, () => {
      const index = this.#active.value;
      if (this.#open.value) queueMicrotask(() => this.#scrollTo(index)); // after the list is drawn
    });
  }

  update(props: PickerProps): void {
    this.#props.value = props;
  }

  #matches(): readonly Choice[] {
    const query = this.#query.value?.trim().toLocaleLowerCase();
    const { choices } = this.#props.value;
    if (!query) return choices;
    return choices.filter(
      ({ label, value }) => label.toLocaleLowerCase().includes(query) || String(value) === query,
    );
  }

  #template(): TemplateResult {
    const { label, testid, current } = this.#props.value;
    const open = this.#open.value;
    return html`<label class="label" for=${this.#id}>${label}</label>
      <div class="combobox" @focusout=${(event: FocusEvent) => this.#left(event)}>
        <input
          id=${this.#id}
          type="text"
          role="combobox"
          autocomplete="off"
          spellcheck="false"
          aria-autocomplete="list"
          aria-expanded=${open}
          aria-controls="${this.#id}-list"
          aria-activedescendant=${open ? `${this.#id}-${this.#active.value}` : nothing}
          data-testid=${testid}
          title=${shorten(current)}
          dir="auto"
          .value=${live(this.#query.value ?? shorten(current))}
          @mousedown=${() => this.#show()}
          @focus=${(event: Event) => (event.target as HTMLInputElement).select()}
          @input=${(event: Event) => this.#typed((event.target as HTMLInputElement).value)}
          @keydown=${(event: KeyboardEvent) => this.#key(event)}
        />
        ${open ? this.#list(this.#matches()) : nothing}
      </div>`;
  }

  #list(matches: readonly Choice[]): TemplateResult {
    const rest = matches.length - MOST_SHOWN;
    const { value, label } = this.#props.value;
    return html`<div class="list" id="${this.#id}-list" role="listbox" aria-label=${label}>
      ${matches.slice(0, MOST_SHOWN).map(
        (choice, i) => html`<div
          class="option"
          role="option"
          id="${this.#id}-${i}"
          aria-selected=${choice.value === value}
          ?data-active=${i === this.#active.value}
          title=${shorten(choice.label)}
          @mousedown=${(event: Event) => event.preventDefault()}
          @click=${() => this.#choose(choice)}
        >
          <bdi>${shorten(choice.label)}</bdi>${choice.hint ? html`<small>${choice.hint}</small>` : nothing}
        </div>`,
      )}
      ${rest > 0 ? html`<div class="more">${rest} more: type to search</div>` : nothing}
      ${matches.length === 0 ? html`<div class="more">No class has this in its name</div>` : nothing}
    </div>`;
  }

  #show(): void {
    if (this.#open.value) return;
    const { choices, value } = this.#props.value;
    batch(() => {
      this.#open.value = true;
      const at = choices.findIndex((choice) => choice.value === value);
      this.#active.value = Math.max(0, at);
    });
  }

  #hide(): void {
    batch(() => {
      this.#open.value = false;
      this.#query.value = null;
    });
  }

  #typed(query: string): void {
    batch(() => {
      this.#query.value = query;
      this.#active.value = 0;
      this.#open.value = true;
    });
  }

  #choose(choice: Choice | undefined): void {
    this.#hide();
    if (choice) this.#props.value.onChange(choice.value);
  }

  #left(event: FocusEvent): void {
    if (!(event.currentTarget as Element).contains(event.relatedTarget as Node | null)) this.#hide();
  }

  #key(event: KeyboardEvent): void {
    const step = { ArrowDown: 1, ArrowUp: -1, PageDown: 8, PageUp: -8 }[event.key];
    const open = this.#open.value;
    if (step && !open) this.#show();
    else if (step) this.#move(step);
    else if (event.key === "Enter" && open) this.#choose(this.#matches()[this.#active.value]);
    else if (event.key === "Escape" && open) this.#hide();
    else return;
    event.preventDefault(); // which also says that it is used: Escape must not cancel the job as well
  }

  #move(step: number): void {
    const last = Math.min(this.#matches().length, MOST_SHOWN) - 1;
    this.#active.value = clamp(this.#active.value + step, 0, Math.max(0, last));
  }

  #scrollTo(index: number): void {
    const option = this.element.querySelector<HTMLElement>(`[id="${this.#id}-${index}"]`);
    const list = option?.parentElement;
    if (!option || !list) return;
    // Not scrollIntoView: that would scroll the notebook too.
    const top = option.offsetTop;
    const bottom = top + option.offsetHeight;
    if (top < list.scrollTop) list.scrollTop = top;
    else if (bottom > list.scrollTop + list.clientHeight) list.scrollTop = bottom - list.clientHeight;
  }
}
