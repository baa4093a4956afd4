/**
 * Arrays by the hash of their content, shared by every widget of the page.
 *
 * Jupyter loads this module once per widget, so the store cannot be a module variable: it hangs on
 * `globalThis` as plain data (no classes: the modules may be of different versions), and goes with
 * its last user.
 */
import { decodeFloat16 } from "../lib/float16.js";
import { atEnd } from "../lib/lifetime.js";
import type { Answer, Blob } from "../lib/wire.js";
import type { Requests } from "./requests.js";

/** Above this, arrays that nobody shows are dropped, oldest first; the kernel can send them again. */
const MOST_BYTES = 192 * 2 ** 20;

export interface BlobPart {
  hash: string;
  part: number;
  parts: number;
  dtype: "float16" | "uint8" | "uint16" | "uint32";
  shape: number[];
  scale: number;
}

/** A host's claim on the store: what it shows stays. */
export interface Claim {
  pinned: Set<string>;
  /** What has come for a result that has not: next to a large map on screen it must not be thrown out again. */
  arriving: Set<string>;
}

interface Shared {
  claims: Set<Claim>;
  blobs: Map<string, Blob>;
  parts: Map<string, (Uint8Array | undefined)[]>;
}

const KEY = Symbol.for("saliscope");
const page = globalThis as { [KEY]?: Shared };

function shared(): Shared {
  page[KEY] ??= { claims: new Set(), blobs: new Map(), parts: new Map() };
  return page[KEY];
}

export function claim(life: AbortSignal): Claim {
  const mine: Claim = { pinned: new Set(), arriving: new Set() };
  shared().claims.add(mine);
  atEnd(life, () => release(mine));
  return mine;
}

function release(mine: Claim): void {
  const store = page[KEY];
  if (!store) return;
  store.claims.delete(mine);
  if (store.claims.size === 0) delete page[KEY];
}

/** Asks the kernel once for what is not on the page; `null` when there was nothing to ask for. */
export async function fetchBlobs(requests: Requests, wanted: readonly string[]): Promise<Answer | null> {
  const missing = wanted.filter((hash) => !blob(hash));
  return missing.length ? requests.ask("blobs", { hashes: missing }) : null;
}

export function hashes(): string[] {
  return [...(page[KEY]?.blobs.keys() ?? [])];
}

export function blob(hash: string): Blob | undefined {
  const store = page[KEY];
  const found = store?.blobs.get(hash);
  if (store && found) {
    store.blobs.delete(hash); // a Map keeps insertion order: reading makes an entry the newest
    store.blobs.set(hash, found);
  }
  return found;
}

/** Takes one part; `true` once the whole array is there. It stays until `mine` says what it shows. */
export function addPart(header: BlobPart, buffer: ArrayBufferView, mine?: Claim): boolean {
  const store = shared();
  mine?.arriving.add(header.hash);
  if (store.blobs.has(header.hash)) return true;
  let parts = store.parts.get(header.hash);
  if (!parts || parts.length !== header.parts) {
    parts = new Array<Uint8Array | undefined>(header.parts).fill(undefined);
    store.parts.set(header.hash, parts);
  }
  parts[header.part] = new Uint8Array(buffer.buffer, buffer.byteOffset, buffer.byteLength).slice();
  if (!parts.every((part) => part !== undefined)) return false;
  store.parts.delete(header.hash);
  const bytes = join(parts as Uint8Array[]);
  const data = decode(header.dtype, bytes);
  const expected = header.shape.reduce((product, length) => product * length, 1);
  if (data.length !== expected) return false; // damaged on the way: it counts as lost and is asked for again
  store.blobs.set(header.hash, { shape: header.shape, scale: header.scale, data });
  evict(store);
  return true;
}

/** Little-endian bytes as numbers; what a page runs on is little-endian, too. */
function decode(dtype: BlobPart["dtype"], bytes: Uint8Array): Blob["data"] {
  if (dtype === "float16") return decodeFloat16(bytes);
  if (dtype === "uint8") return bytes;
  const { buffer, byteLength } = bytes; // owned and whole: it begins at 0
  return dtype === "uint16"
    ? new Uint16Array(buffer, 0, byteLength >> 1)
    : new Uint32Array(buffer, 0, byteLength >> 2);
}

function join(parts: Uint8Array[]): Uint8Array {
  if (parts.length === 1) return parts[0];
  const bytes = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    bytes.set(part, at);
    at += part.length;
  }
  return bytes;
}

function evict(store: Shared): void {
  let bytes = 0;
  for (const { data } of store.blobs.values()) bytes += data.byteLength;
  if (bytes <= MOST_BYTES) return;
  const newest = [...store.blobs.keys()].at(-1);
  for (const [hash, { data }] of store.blobs) {
    if (bytes <= MOST_BYTES) return;
    if (
      hash === newest ||
      [...store.claims].some((user) => user.pinned.has(hash) || user.arriving?.has(hash))
    )
      continue;
    store.blobs.delete(hash);
    bytes -= data.byteLength;
  }
}
