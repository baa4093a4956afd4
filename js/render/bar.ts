import type { Sign } from "../lib/wire.js";
import { applySign, LUT_SIZE, NEUTRAL } from "./recolour.js";

/** A map has one side when nothing on screen can be below zero: then the bar starts at zero. */
export function oneSided(sign: Sign, signed: boolean): boolean {
  return !signed || sign === "absolute";
}

/**
 * The legend, one pixel a colour, drawn by the rules of the map: what the sign or the threshold
 * leaves out is neutral here too. `cut` is in the unit of the limit.
 */
export function paintBar(
  out: Uint8ClampedArray,
  lut: Uint8Array,
  limit: number,
  cut: number,
  sign: Sign,
  signed: boolean,
): void {
  const half = oneSided(sign, signed);
  for (let i = 0, o = 0; i < LUT_SIZE; i++, o += 4) {
    const t = half ? i / (LUT_SIZE - 1) : (i - NEUTRAL) / NEUTRAL;
    const value = applySign(t * limit, sign, signed);
    const shown = Math.abs(value) < cut ? 0 : value / limit;
    const colour = 3 * Math.floor((shown + 1) * NEUTRAL + 0.5);
    out[o] = lut[colour];
    out[o + 1] = lut[colour + 1];
    out[o + 2] = lut[colour + 2];
    out[o + 3] = 255;
  }
}
