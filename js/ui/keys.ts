/**
 * Keys of a whole widget: one table, by which they work and from which the help is made. They work, and are kept
 * from the notebook, only while the widget has the focus.
 */
import { html, type TemplateResult } from "lit-html";
import { listen } from "../lib/lifetime.js";

/** `Hand` is what a key may use. */
export interface Key<Hand> {
  /** As `KeyboardEvent.key` says them, letters with Shift in upper case. */
  readonly keys: readonly string[];
  readonly says: string;
  /** Whether a held key goes on; of what asks the kernel a press is one act. */
  readonly repeats?: boolean;
  /** Without it the part in focus takes the key. */
  run?(hand: Hand, key: string): void;
  /** When the key is lifted, or the focus leaves. */
  lift?(hand: Hand): void;
}

export interface Group<Hand> {
  readonly title: string;
  readonly keys: readonly Key<Hand>[];
}

/** A row of the table; `keys` are written one after the other. */
export function row<Hand>(
  keys: string,
  says: string,
  run?: Key<Hand>["run"],
  more?: Partial<Key<Hand>>,
): Key<Hand> {
  return { keys: keys === " " ? [keys] : keys.split(" "), says, run, ...more };
}

/** A row of two keys, the first of which goes back; a held key goes on. */
export function both<Hand>(
  keys: string,
  says: string,
  act: (hand: Hand, steps: number) => void,
  size = 1,
): Key<Hand> {
  const [back] = keys;
  return row(keys, says, (hand, key) => act(hand, key === back ? -size : size), { repeats: true });
}

/** `lifted` is called when all keys are up again, `pressed` with every key before it acts. */
export function listenTable<Hand>(
  root: HTMLElement,
  table: readonly Group<Hand>[],
  hand: Hand,
  life: AbortSignal,
  { lifted, pressed }: { lifted(): void; pressed?(key: string, event: KeyboardEvent): void },
): void {
  const entries = new Map(
    table.flatMap(({ keys }) => keys).flatMap((entry) => entry.keys.map((key) => [key, entry] as const)),
  );
  const down = new Set<Key<Hand>>();
  const lift = () => {
    for (const key of down) key.lift?.(hand);
    down.clear();
    lifted();
  };
  const press = (event: KeyboardEvent) => {
    // Shortcuts of the notebook and the browser; but brackets need Alt on many keyboards.
    const bracket = event.altKey && "[]{}".includes(event.key);
    if ((event.ctrlKey || event.metaKey || event.altKey) && !bracket) return;
    event.stopPropagation();
    const key = nameOf(event);
    const entry = entries.get(key);
    pressed?.(key, event);
    if (!entry?.run || event.defaultPrevented || keepsKeys(event)) return;
    event.preventDefault();
    if (event.repeat && !entry.repeats) return;
    down.add(entry);
    entry.run(hand, key);
  };
  // Jupyter's shortcuts ask the element in focus, and Notebook 7 does so before the key comes here.
  const mark = ({ target }: FocusEvent) =>
    (target as Element).setAttribute("data-lm-suppress-shortcuts", "true");
  listen(life, root, { focusin: mark, keydown: press, keyup: lift, focusout: lift });
}

/** Shift decides about letters, not Caps Lock; `=` and `_` are `+` and `-` on the same key. */
function nameOf({ key, shiftKey }: KeyboardEvent): string {
  if (/^[a-z]$/i.test(key)) return shiftKey ? key.toUpperCase() : key.toLowerCase();
  return { "=": "+", _: "-" }[key] ?? key;
}

/** Where a letter is text, where Space has a meaning, and where a box lies over the rest. */
function keepsKeys({ key, target }: KeyboardEvent): boolean {
  const element = target as HTMLElement;
  if (element.closest("[role=dialog], [role=menu]")) return true;
  if (key === "Escape") return false;
  if (element.matches("select, textarea, input:not([type=range]):not([type=checkbox])")) return true;
  return key === " " && element.matches("button, input, summary");
}

/** What a key is called on a keyboard. */
const NAMES: Record<string, string> = {
  " ": "Space",
  Escape: "Esc",
  ArrowLeft: "\u2190",
  ArrowRight: "\u2192",
  ArrowUp: "\u2191",
  ArrowDown: "\u2193",
};

/** The table, for the help. */
export function keyList<Hand>(table: readonly Group<Hand>[]): TemplateResult {
  return html`<div class="keys">
    ${table.map(
      ({ title, keys }) => html`<section>
        <h5>${title}</h5>
        <dl>${keys.map(listed)}</dl>
      </section>`,
    )}
  </div>`;
}

function listed<Hand>({ keys, says }: Key<Hand>): TemplateResult {
  return html`<dt>${keys.map((key) => html`<kbd data-key=${key}>${written(key)}</kbd>`)}</dt>
    <dd>${says}</dd>`;
}

function written(key: string): string {
  if (/^[A-Z]$/.test(key)) return `Shift ${key}`;
  return NAMES[key] ?? (/^[a-z]$/.test(key) ? key.toUpperCase() : key);
}
