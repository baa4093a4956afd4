/** Whether any view of a model is on the page, and what the kernel hears of it. */
import { atEnd } from "../lib/lifetime.js";
import type { Answer } from "../lib/wire.js";
import { hashes } from "./blobs.js";
import type { Requests } from "./requests.js";

/** Milliseconds without a view until the kernel is told. */
const MOVING = 2000;

export class Presence {
  #greeted = false;
  #views = 0;

  constructor(
    private readonly requests: Requests,
    private readonly life: AbortSignal,
    private readonly greeted: (answer: Answer) => void,
  ) {}

  get here(): boolean {
    return this.#views > 0;
  }

  /**
   * A view begins. The first one says hello: messages that came before the page listened are lost, so the page
   * asks. When the last one has ended, the kernel hears it, and lets go of what nobody else holds.
   */
  open(view: AbortSignal): void {
    this.#views++;
    atEnd(view, () => this.#left());
    if (this.#greeted) {
      if (this.#views === 1) this.sign();
      return;
    }
    this.#greeted = true;
    void this.requests.ask("hello", { have: hashes() }).then(this.greeted);
  }

  #left(): void {
    this.#views--;
    // A cell that is moved ends its view and begins another one.
    const timer = setTimeout(() => {
      if (this.#views === 0) this.sign("bye");
    }, MOVING);
    atEnd(this.life, () => clearTimeout(timer));
  }

  /** Says something that needs no answer, if there is anybody to hear it. */
  sign(request: "here" | "bye" = "here"): void {
    if (!this.life.aborted) void this.requests.ask(request);
  }
}
