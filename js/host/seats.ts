/** What is known of the panels, by their place on screen. */
import { type Drawable, IDLE, type PanelSpec, type State, type Tried } from "../lib/wire.js";

export interface Seat {
  state: State;
  drawable: Drawable | null;
  newestJob: number;
  /** Results are numbered as they come: one that waited for a lost blob must not replace a later one. */
  arrivals: number;
  drawn: number;
  tried: Tried | null;
  /** The numbers of the last trial that came, and of the last one that is shown. */
  heard: number;
  told: number;
}

export const emptySeat = (): Seat => ({
  state: IDLE,
  drawable: null,
  newestJob: 0,
  arrivals: 0,
  drawn: 0,
  tried: null,
  heard: 0,
  told: 0,
});

/**
 * The seats after the list of further panels has changed: a panel that moves up takes along what is shown in it.
 *
 * Where the list has kept its length, questions were edited: what is shown stays until the answer comes. Of a
 * place that is new the kernel may have told already.
 */
export function reseated(
  seats: readonly Seat[],
  before: readonly PanelSpec[],
  after: readonly PanelSpec[],
): Seat[] {
  if (before.length === after.length) return [...seats];
  const known = before.map((spec) => JSON.stringify(spec));
  const [lead = emptySeat(), ...others] = seats;
  const newest = others.map(({ newestJob }) => newestJob);
  const taken = new Set<number>();
  const found = after.map((spec, i) => {
    const text = JSON.stringify(spec);
    const from = known[i] === text ? i : known.findIndex((one, k) => one === text && !taken.has(k));
    if (from >= 0) taken.add(from);
    const seat = (from >= 0 ? others[from] : i >= before.length ? others[i] : null) ?? emptySeat();
    // What is still on its way to the panel that sat here is not for the one that sits here now.
    seat.newestJob = Math.max(seat.newestJob, newest[i] ?? 0);
    return seat;
  });
  return [lead, ...found];
}
