/** Panels made of other panels; the twin of `saliscope/render/compare.py`. */

/** `a - b`, pixel by pixel; it has a sign whatever they are. */
export function difference(a: ArrayLike<number>, b: ArrayLike<number>, out: Float64Array): void {
  for (let i = 0; i < out.length; i++) out[i] = a[i] - b[i];
}

/** Mean of the maps, added up in their order. */
export function average(maps: readonly ArrayLike<number>[], out: Float64Array): void {
  for (let i = 0; i < out.length; i++) {
    let sum = maps[0][i];
    for (let k = 1; k < maps.length; k++) sum += maps[k][i];
    out[i] = sum / maps.length;
  }
}

/** Spearman's rank correlation, ties sharing their mean rank; `null` where a map is constant. */
export function rankCorrelation(a: ArrayLike<number>, b: ArrayLike<number>): number | null {
  const first = ranks(a);
  const second = ranks(b);
  let both = 0;
  let one = 0;
  let two = 0;
  for (let i = 0; i < first.length; i++) {
    both += first[i] * second[i];
    one += first[i] * first[i];
    two += second[i] * second[i];
  }
  return one > 0 && two > 0 ? both / Math.sqrt(one * two) : null;
}

/** Twice the distance of every rank from the middle one: a whole number, so that sums are exact. */
function ranks(values: ArrayLike<number>): Float64Array {
  const n = values.length;
  // Typed arrays sort numbers without a callback; looking ranks up in the result is faster than sorting indices.
  const sorted = Float64Array.from(values).sort();
  const out = new Float64Array(n);
  for (let i = 0; i < n; i++) {
    const first = place(sorted, values[i], false);
    const last = sorted[first + 1] === values[i] ? place(sorted, values[i], true) - 1 : first;
    out[i] = first + last + 1 - n;
  }
  return out;
}

/** Where a value, or with `after` what is larger, begins in ascending order. */
function place(sorted: Float64Array, value: number, after: boolean): number {
  let low = 0;
  let high = sorted.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (sorted[middle] < value || (after && sorted[middle] === value)) low = middle + 1;
    else high = middle;
  }
  return low;
}
