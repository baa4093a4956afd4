/** What is computed only where somebody looks at it: asked for once for each finished map. */
import { computed, signal } from "../../lib/lifetime.js";
import type { Drawable } from "../../lib/wire.js";
import { isQuestion } from "./specs.js";
import type { Slot, Store } from "./store.js";

export class Extra {
  /** By panel: the job that was asked about, and why there is no answer. */
  readonly #asked = signal<ReadonlyMap<number, { job: number; trouble: string | null; waiting: boolean }>>(
    new Map(),
  );
  readonly waiting = computed(() => [...this.#asked.value.values()].some(({ waiting }) => waiting));

  constructor(
    private readonly store: Store,
    private readonly kind: "gradients" | "predictions",
    private readonly life: AbortSignal,
  ) {}

  /** Whether a panel can be asked and has not been: a path that is finished, and not a map made of others. */
  lacks({ index, drawable, spec }: Slot): boolean {
    const now = drawable.value;
    if (!isQuestion(spec.value) || !now?.path || now.result.stage !== "final" || now[this.kind]) return false;
    return this.#asked.value.get(index)?.job !== now.result.job;
  }

  /** Why there is nothing to show, in words. */
  trouble({ index, drawable }: Slot): string | null {
    const asked = this.#asked.value.get(index);
    return asked && asked.job === drawable.value?.result.job && !drawable.value[this.kind]
      ? asked.trouble
      : null;
  }

  ask(slot: Slot): void {
    if (!this.lacks(slot)) return;
    const { job } = (slot.drawable.peek() as Drawable).result;
    this.#note(slot.index, job, true, null);
    void this.store.request(this.kind, { panel: slot.index }).then(({ status, error }) => {
      if (this.life.aborted || this.#asked.peek().get(slot.index)?.job !== job) return;
      const there = status === "cancelled" || slot.drawable.peek()?.[this.kind];
      this.#note(slot.index, job, false, there ? null : (error?.message ?? "The kernel sent none."));
    });
  }

  #note(panel: number, job: number, waiting: boolean, trouble: string | null): void {
    this.#asked.value = new Map(this.#asked.peek()).set(panel, { job, waiting, trouble });
  }
}
