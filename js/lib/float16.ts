/**
 * IEEE 754 half precision to single precision. `Float16Array` is in new browsers only, so a table of
 * all 65 536 values is made once (0.3 MB, about a millisecond) and decoding is a look-up.
 */

/** The value of one half float, from its bits. */
export function halfToNumber(bits: number): number {
  const sign = bits & 0x8000 ? -1 : 1;
  const exponent = (bits >> 10) & 0x1f;
  const fraction = bits & 0x3ff;
  if (exponent === 0) return sign * fraction * 2 ** -24; // zero and the subnormals
  if (exponent === 31) return fraction ? Number.NaN : sign * Number.POSITIVE_INFINITY;
  return sign * (1 + fraction / 1024) * 2 ** (exponent - 15);
}

let table: Float32Array | undefined;

function halfTable(): Float32Array {
  if (!table) {
    table = new Float32Array(65536);
    for (let bits = 0; bits < 65536; bits++) table[bits] = halfToNumber(bits);
  }
  return table;
}

/** Decodes little-endian half floats; the bytes may start anywhere in their buffer. */
export function decodeFloat16(bytes: Uint8Array): Float32Array {
  const values = halfTable();
  const count = bytes.length >> 1;
  const decoded = new Float32Array(count);
  for (let i = 0; i < count; i++) decoded[i] = values[bytes[2 * i] | (bytes[2 * i + 1] << 8)];
  return decoded;
}
