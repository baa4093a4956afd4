/** Round marks, made once for a radius: which pixels one covers, and how much of each. */

/** A mark is made for this many places within a pixel, across and down: points move smoothly. */
export const STEPS = 4;

export interface Stamp {
  readonly radius: number;
  /** Where the pixels of each place begin; place `dy * STEPS + dx`. */
  readonly starts: Int32Array;
  /** From the pixel that the point lies in, in a picture of a certain width. */
  readonly offsets: Int32Array;
  /** Of 256. */
  readonly shares: Int32Array;
}

/** How much of a pixel is inside a circle, by the distance of their centres; the edge is a pixel wide. */
function covered(radius: number, distance: number): number {
  return Math.round(256 * Math.min(Math.max(radius + 0.5 - distance, 0), 1));
}

export function stampOf(radius: number, stride: number): Stamp {
  const reach = Math.ceil(radius + 0.5);
  const starts = [0];
  const offsets: number[] = [];
  const shares: number[] = [];
  for (let place = 0; place < STEPS * STEPS; place++) {
    const cx = ((place % STEPS) + 0.5) / STEPS - 0.5;
    const cy = (Math.floor(place / STEPS) + 0.5) / STEPS - 0.5;
    for (let y = -reach; y <= reach; y++) {
      for (let x = -reach; x <= reach; x++) {
        const share = covered(radius, Math.hypot(x - cx, y - cy));
        if (!share) continue;
        offsets.push(y * stride + x);
        shares.push(share);
      }
    }
    starts.push(offsets.length);
  }
  return {
    radius,
    starts: Int32Array.from(starts),
    offsets: Int32Array.from(offsets),
    shares: Int32Array.from(shares),
  };
}
