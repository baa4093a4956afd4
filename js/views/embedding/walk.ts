/** From point to point by the arrow keys. */
import type { Spot } from "./overlay.js";

/**
 * The nearest point in a direction: of all within 45 degrees of it, the one for which the way there, and half as
 * much again for every step aside, is shortest; -1 for none.
 */
export function nextTowards(
  n: number,
  place: (point: number) => Spot,
  from: Spot,
  [dx, dy]: readonly [number, number],
  except: number | null,
): number {
  let best = Number.POSITIVE_INFINITY;
  let found = -1;
  for (let i = 0; i < n; i++) {
    if (i === except) continue;
    const { x, y } = place(i);
    const along = (x - from.x) * dx + (y - from.y) * dy;
    const aside = Math.abs((x - from.x) * dy - (y - from.y) * dx);
    if (along <= 0 || aside > along) continue;
    const way = along + 1.5 * aside;
    if (way >= best) continue;
    best = way;
    found = i;
  }
  return found;
}
