/**
 * Undo and redo over committed values.
 *
 * A page and its kernel each keep one by the same rules and tell each other nothing about it: an undo
 * of one side arrives at the other as a change that leads back, and counts as an undo there too.
 */
import { type ReadonlySignal, signal } from "./lifetime.js";

export type Values = Readonly<Record<string, unknown>>;

interface Step {
  before: Values;
  after: Values;
  at: number;
}

export const MOST_STEPS = 50;
/** Milliseconds in which changes of the same values are one: a slider whose every move is sent. */
export const PAUSE = 400;

export class History {
  readonly #past: Step[] = [];
  readonly #future: Step[] = [];
  /** Values as both sides know them: what is dragged but not committed is not among them. */
  readonly #known: Record<string, unknown>;
  #arrived: Record<string, unknown> | null = null;
  #begun = false;
  readonly #canUndo = signal(false);
  readonly #canRedo = signal(false);
  readonly canUndo: ReadonlySignal<boolean> = this.#canUndo;
  readonly canRedo: ReadonlySignal<boolean> = this.#canRedo;

  constructor(
    initial: Values,
    /** Names of values that are not undone. */
    private readonly apart: ReadonlySet<string> = new Set(),
    private readonly now: () => number = () => performance.now(),
  ) {
    this.#known = { ...initial };
  }

  /** The page changed these. */
  commit(partial: Values): void {
    this.#settle();
    this.note(this.#learn(partial), partial);
  }

  /** The kernel changed these. One message of it may come in several calls, the first tells the state. */
  take(partial: Values): void {
    if (!this.#begun) {
      this.#begun = true;
      this.#learn(partial);
      return;
    }
    if (!this.#arrived) queueMicrotask(() => this.#settle());
    this.#arrived = { ...this.#arrived, ...partial };
  }

  /** What to commit to go one step back; `null` where there is none. */
  undo(): Values | null {
    this.#settle();
    const step = this.#move(this.#past, this.#future);
    if (step) this.#learn(step.before);
    return step?.before ?? null;
  }

  redo(): Values | null {
    this.#settle();
    const step = this.#move(this.#future, this.#past);
    if (step) this.#learn(step.after);
    return step?.after ?? null;
  }

  /** Takes note of a change; `answered` is one that the kernel made, perhaps in answer to the page's. */
  note(before: Values, after: Values, answered = false): void {
    const names = Object.keys(after).filter(
      (name) => !this.apart.has(name) && !equal(before[name], after[name]),
    );
    if (!names.length) return;
    const step = { before: pick(before, names), after: pick(after, names), at: this.now() };
    const last = this.#past.at(-1);
    const next = this.#future.at(-1);
    if (last && equal(last.after, step.before) && equal(last.before, step.after)) {
      this.#move(this.#past, this.#future);
    } else if (next && equal(next.before, step.before) && equal(next.after, step.after)) {
      this.#move(this.#future, this.#past);
    } else {
      this.#future.length = 0;
      if (last && belongs(step, last, answered)) this.#join(last, step);
      else this.#past.push(step);
      if (this.#past.length > MOST_STEPS) this.#past.shift();
      this.#tell();
    }
  }

  #settle(): void {
    const arrived = this.#arrived;
    this.#arrived = null;
    if (arrived) this.note(this.#learn(arrived), arrived, true);
  }

  /** Remembers the new values and returns the old ones. */
  #learn(partial: Values): Values {
    const before = pick(this.#known, Object.keys(partial));
    Object.assign(this.#known, partial);
    return before;
  }

  #join(last: Step, step: Step): void {
    last.before = { ...step.before, ...last.before };
    last.after = { ...last.after, ...step.after };
    last.at = step.at;
    if (equal(last.before, last.after)) this.#past.pop();
  }

  #move(from: Step[], to: Step[]): Step | undefined {
    const step = from.pop();
    if (step) to.push({ ...step, at: Number.NEGATIVE_INFINITY }); // nothing joins what was undone
    this.#tell();
    return step;
  }

  #tell(): void {
    this.#canUndo.value = this.#past.length > 0;
    this.#canRedo.value = this.#future.length > 0;
  }
}

/** Whether a change is the same act as the one before it. */
function belongs(step: Step, last: Step, answered: boolean): boolean {
  const soon = step.at - last.at <= PAUSE;
  if (Object.keys(step.after).every((name) => name in last.after)) return soon;
  // A method brings its own parameters, from the kernel, which may be busy for a while.
  return answered && (soon || ("method" in last.after && "params" in step.after));
}

const pick = (values: Values, names: string[]): Values =>
  Object.fromEntries(names.map((name) => [name, values[name]]));

/** Equality of JSON values, whatever the order of their keys. */
export function equal(a: unknown, b: unknown): boolean {
  if (Object.is(a, b)) return true;
  if (typeof a !== "object" || typeof b !== "object" || !a || !b) return false;
  if (Array.isArray(a) !== Array.isArray(b)) return false;
  const names = Object.keys(a);
  const other = b as Record<string, unknown>;
  return (
    names.length === Object.keys(b).length &&
    names.every((name) => name in b && equal((a as Record<string, unknown>)[name], other[name]))
  );
}
