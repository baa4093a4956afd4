/**
 * In which order points are drawn. The rows often come class by class: drawn as they come, the last class would lie
 * over all others. So the order is random, and the same each time.
 */

/** Any number will do; the map must look the same each time. */
const SEED = 0x9e3779b9;

let last = new Uint32Array(0);

/** The numbers 0..n-1, shuffled; the maps of one explorer share them. Not to be written to. */
function shuffled(n: number): Uint32Array {
  if (last.length === n) return last;
  const order = new Uint32Array(n);
  let state = SEED;
  for (let i = 1; i < n; i++) {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    const j = (state >>> 0) % (i + 1);
    order[i] = order[j];
    order[j] = i;
  }
  last = order;
  return order;
}

/** Ids from the back to the front; what is `lifted` is drawn last, and there are `front` of them. */
export function drawOrder(n: number, lifted: Uint32Array | null): { order: Uint32Array; front: number } {
  const all = shuffled(n);
  if (!lifted) return { order: all, front: 0 };
  const marked = new Uint8Array(n);
  for (const id of lifted) if (id < n) marked[id] = 1;
  let front = 0;
  for (let i = 0; i < n; i++) front += marked[i];
  const order = new Uint32Array(n);
  let [back, top] = [0, n - front];
  for (let i = 0; i < n; i++) order[marked[all[i]] ? top++ : back++] = all[i];
  return { order, front };
}
