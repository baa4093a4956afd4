/** Arrays of an exported page: deflated differences, as `saliscope.render.packing.packed` writes them. */
import type { BlobPart } from "../host/blobs.js";

export interface PackedBlob {
  dtype: BlobPart["dtype"];
  shape: number[];
  scale: number;
  /** How often each slice was replaced by its difference from the one before. */
  order: number;
  data: string;
}

type Integers = Uint8Array | Uint16Array | Uint32Array;

/** The bytes as the kernel would send them. */
export async function unpack({ dtype, shape, order, data }: PackedBlob): Promise<Uint8Array> {
  const planes = await inflate(bytesOf(data));
  const values = joined(planes, dtype);
  const [first = 1] = shape;
  unfold(values);
  for (let pass = 0; pass < order; pass++) accumulate(values, values.length / first);
  if (dtype === "float16") halves(values);
  return new Uint8Array(values.buffer);
}

function bytesOf(base64: string): Uint8Array<ArrayBuffer> {
  const text = atob(base64);
  const bytes = new Uint8Array(text.length);
  for (let i = 0; i < text.length; i++) bytes[i] = text.charCodeAt(i);
  return bytes;
}

async function inflate(bytes: Uint8Array<ArrayBuffer>): Promise<Uint8Array> {
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate"));
  return new Uint8Array(await new Response(stream).arrayBuffer());
}

/** The lowest byte of all numbers comes first, then the next higher ones. */
function joined(planes: Uint8Array, dtype: PackedBlob["dtype"]): Integers {
  if (dtype === "uint8") return planes;
  const size = dtype === "uint32" ? 4 : 2;
  const count = Math.floor(planes.length / size);
  const values = size === 4 ? new Uint32Array(count) : new Uint16Array(count);
  for (let byte = 0; byte < size; byte++)
    for (let i = 0; i < count; i++) values[i] |= planes[byte * count + i] << (8 * byte);
  return values;
}

/** 0, 1, 2, 3 ... were 0, -1, 1, -2 ...; typed arrays wrap around by themselves. */
function unfold(values: Integers): void {
  for (let i = 0; i < values.length; i++) values[i] = (values[i] >>> 1) ^ -(values[i] & 1);
}

function accumulate(values: Integers, stride: number): void {
  for (let i = stride; i < values.length; i++) values[i] += values[i - stride];
}

/** From integers in the order of the values back to the bits of half floats. */
function halves(values: Integers): void {
  for (let i = 0; i < values.length; i++) if (values[i] & 0x8000) values[i] ^= 0x7fff;
}
