/** The second half of the view. It travels right behind the first, which draws without waiting for it. */
import { type Signal, signal } from "../../lib/lifetime.js";

type More = typeof import("./more.js");

/** `null` until it has come; once for a page. */
export const more: Signal<More | null> = signal<More | null>(null);

let coming: Promise<void> | undefined;

/** Resolves when it is there. If it does not come, the next view asks again. */
export function fetchMore(): Promise<void> {
  coming ??= import("./more.js").then(
    (module) => {
      more.value = module;
    },
    (error) => {
      coming = undefined;
      throw error;
    },
  );
  return coming;
}
