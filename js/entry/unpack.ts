/** Arrays of an exported page: deflated differences, as `saliscope.render.html.packed` writes them. */

export interface PackedBlob {
  dtype: "float16" | "uint8";
  shape: number[];
  scale: number;
  /** How often each slice was replaced by its difference from the one before. */
  order: number;
  data: string;
}

/** The bytes as the kernel would send them. */
export async function unpack({ dtype, shape, order, data }: PackedBlob): Promise<Uint8Array> {
  const planes = await inflate(bytesOf(data));
  const values = dtype === "float16" ? joined(planes) : planes;
  const [first = 1] = shape;
  unfold(values);
  for (let pass = 0; pass < order; pass++) accumulate(values, values.length / first);
  if (values instanceof Uint16Array) halves(values);
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

/** Low bytes come first, then the high ones. */
function joined(planes: Uint8Array): Uint16Array {
  const count = planes.length >> 1;
  const values = new Uint16Array(count);
  for (let i = 0; i < count; i++) values[i] = planes[i] | (planes[count + i] << 8);
  return values;
}

/** 0, 1, 2, 3 ... were 0, -1, 1, -2 ...; typed arrays wrap around by themselves. */
function unfold(values: Uint8Array | Uint16Array): void {
  for (let i = 0; i < values.length; i++) values[i] = (values[i] >> 1) ^ -(values[i] & 1);
}

function accumulate(values: Uint8Array | Uint16Array, stride: number): void {
  for (let i = stride; i < values.length; i++) values[i] += values[i - stride];
}

/** From integers in the order of the values back to the bits of half floats. */
function halves(values: Uint16Array): void {
  for (let i = 0; i < values.length; i++) if (values[i] & 0x8000) values[i] ^= 0x7fff;
}
