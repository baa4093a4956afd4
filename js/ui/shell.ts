/** What the frame around the pictures keeps: the box that is open, and the words of the status line. */
import { react, type Signal, signal } from "../lib/lifetime.js";

/** Milliseconds that a passing word stays: long enough to be read aloud. */
const PATIENCE = 6000;

/** Client only, one for each view; `Box` names its boxes. */
export class Shell<Box extends string> {
  readonly box = signal<Box | null>(null);
  /** What is under the keyboard's cursor, for those who hear it. */
  readonly spoken = signal("");
  /** What is being made for download, in words. */
  readonly exporting = signal<string | null>(null);
  /** An export has found that nobody is there to make it. */
  readonly deserted = signal(false);

  constructor(
    /** A passing word beside the state of the work, such as "Copied". */
    readonly said: Signal<string>,
    life: AbortSignal,
  ) {
    react(life, () => {
      if (!said.value) return;
      const timer = setTimeout(() => this.say(""), PATIENCE);
      return () => clearTimeout(timer);
    });
  }

  open(box: Box | null): void {
    this.box.value = box;
  }

  say(text: string): void {
    this.said.value = text;
  }
}
