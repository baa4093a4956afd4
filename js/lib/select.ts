/** Order statistics without a full sort: a threshold must follow the hand at 60 frames a second. */

/**
 * The k-th largest of the first `n` values, k from 1. Reorders `values`.
 *
 * Hoare's partition: both scans stop at values equal to the pivot, so a map that is mostly zero
 * (Grad-CAM after its ReLU) still splits in halves.
 */
export function kthLargest(values: Float64Array, n: number, k: number): number {
  const rank = n - k; // position in ascending order
  let low = 0;
  let high = n - 1;
  while (low < high) {
    const pivot = values[(low + high) >> 1];
    let left = low;
    let right = high;
    while (left <= right) {
      while (values[left] < pivot) left++;
      while (values[right] > pivot) right--;
      if (left <= right) {
        const swap = values[left];
        values[left++] = values[right];
        values[right--] = swap;
      }
    }
    if (rank <= right) high = right;
    else if (rank >= left) low = left;
    else break;
  }
  return values[rank];
}

/** Position between sorted `nodes`: the last index whose node is <= `at`, or -1 before the first. */
export function lastAtMost(nodes: ArrayLike<number>, at: number): number {
  let index = -1;
  while (index + 1 < nodes.length && nodes[index + 1] <= at) index++;
  return index;
}

/** The two neighbours of `at` among sorted `nodes`, and how far it is from one to the other; none beyond the ends. */
export function between(nodes: ArrayLike<number>, at: number): { before: number; after: number; t: number } {
  const before = Math.max(0, lastAtMost(nodes, at));
  const after = Math.min(before + 1, nodes.length - 1);
  const span = nodes[after] - nodes[before];
  return { before, after, t: span > 0 ? Math.max(0, (at - nodes[before]) / span) : 0 };
}

/** Place of the node that is nearest to `at`; the first where there is none. */
export function nearest(nodes: readonly number[], at: number): number {
  let best = 0;
  for (let i = 1; i < nodes.length; i++) if (Math.abs(nodes[i] - at) < Math.abs(nodes[best] - at)) best = i;
  return best;
}
