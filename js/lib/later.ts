/** A part of the front end that travels right behind the first, which draws without waiting for it. */
import { type Signal, signal } from "./lifetime.js";

export interface Later<Part> {
  /** `null` until it has come; once for a page. */
  readonly part: Signal<Part | null>;
  /** Resolves when it is there. If it does not come, the next one who asks tries again. */
  fetch(): Promise<void>;
}

export function later<Part>(load: () => Promise<Part>): Later<Part> {
  const part = signal<Part | null>(null);
  let coming: Promise<void> | undefined;
  const fetch = () => {
    coming ??= load().then(
      (loaded) => {
        part.value = loaded;
      },
      (error) => {
        coming = undefined;
        throw error;
      },
    );
    return coming;
  };
  return { part, fetch };
}
