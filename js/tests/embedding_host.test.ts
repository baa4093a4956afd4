/** The host of maps: what has come, in which order, and what the kernel hears of it. */
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { blob } from "../host/blobs.js";
import { EmbeddingHost } from "../host/embedding.js";
import type { Port } from "../host/port.js";
import { Requests } from "../host/requests.js";
import { type Layout, MAP_DEFAULTS, MAP_IDLE, type MapTraits, type PointsInfo } from "../lib/map_wire.js";
import { RESULT, StubPort, settle } from "./stubs.js";

const POINTS: PointsInfo = {
  n: 2,
  of: 2,
  sampling: "",
  d: 3,
  what: "input data",
  classes: [],
  layers: [],
  pictures: false,
  model: null,
  reducers: [],
  methods: [],
  columns: [{ name: "label", title: "Label", kind: "category", names: ["a", "b"], codes: "codes" }],
  ids: null,
  search: null,
};

const LAYOUT: Layout = {
  job: 1,
  map: 0,
  reducer: "tsne",
  stage: "partial",
  iteration: 10,
  total: 300,
  coords: "one",
  box: [0, 0, 1, 1],
  quality: null,
  numbers: null,
  caution: [],
  shepard: null,
  notes: [],
  seconds: 0,
};

let life: AbortController;
let port: StubPort;
let host: EmbeddingHost;

function put(hash: string, values: Uint16Array | Uint32Array, shape = [values.length]): void {
  const dtype = values instanceof Uint16Array ? "uint16" : "uint32";
  const bytes = new DataView(values.buffer);
  port.deliver({ event: "blob", hash, part: 0, parts: 1, dtype, shape, scale: 1 }, bytes);
}

const layout = (more: Partial<Layout> = {}) =>
  port.deliver({ event: "layout", layout: { ...LAYOUT, ...more } });
const acks = () => port.sent.filter(({ request }) => request === "ack");

beforeEach(() => {
  life = new AbortController();
  port = new StubPort();
  host = new EmbeddingHost(port as unknown as Port<MapTraits>, life.signal);
  put("one", Uint16Array.of(1, 2, 65535, 4), [2, 2]);
});
afterEach(() => life.abort());

describe("layouts", () => {
  test("are assembled from 16-bit coordinates", async () => {
    layout();
    await settle();
    expect([...(host.maps.value[0]?.coords ?? [])]).toEqual([1, 2, 65535, 4]);
  });

  test("partial ones are acknowledged once, after they were drawn; others never", async () => {
    layout();
    await settle();
    expect(acks()).toEqual([]);
    const drawn = host.maps.value[0]?.layout as Layout;
    host.drawn(drawn);
    host.drawn(drawn); // a second view of the same model
    expect(acks()).toMatchObject([{ job: 1, iteration: 10, map: 0 }]);
    layout({ stage: "final" });
    await settle();
    host.drawn(host.maps.value[0]?.layout as Layout);
    expect(acks()).toHaveLength(1);
  });

  test("of an older job are dropped, also when they waited for a lost array", async () => {
    layout({ coords: "lost" });
    layout({ job: 2, iteration: 20 });
    layout({ job: 1, iteration: 30 });
    await settle();
    expect(host.maps.value[0]?.layout).toMatchObject({ job: 2, iteration: 20 });
    put("lost", Uint16Array.of(9, 9, 9, 9), [2, 2]);
    port.answer("blobs");
    await settle();
    expect(host.maps.value[0]?.layout.iteration).toBe(20);
  });

  test("ask once for an array that was lost, and are drawn when it has come", async () => {
    layout({ coords: "lost" });
    expect(port.sent).toMatchObject([{ request: "blobs", hashes: ["lost"] }]);
    put("lost", Uint16Array.of(9, 9, 9, 9), [2, 2]);
    port.answer("blobs");
    await settle();
    expect(host.maps.value[0]?.coords[0]).toBe(9);
  });

  test("a map that moves up takes along what is drawn in it", async () => {
    port.values.compare = undefined;
    host.commit({ maps: ["tsne", "pca"] });
    layout({ map: 1, reducer: "pca", stage: "final" });
    await settle();
    host.commit({ maps: ["pca"] });
    expect(host.maps.value.map((map) => map?.layout.reducer)).toEqual(["pca"]);
  });
});

describe("the rest", () => {
  test("columns of the wrong length are not taken", async () => {
    put("codes", Uint16Array.of(0, 1, 1));
    port.deliver({ event: "points", points: POINTS });
    await settle();
    expect(host.points.value).toMatchObject({ n: 2, columns: [] });
  });

  test("codes and sampled ids arrive as whole numbers", async () => {
    put("codes", Uint16Array.of(0, 65535));
    put("ids", Uint32Array.of(7, 4_000_000_000));
    port.deliver({ event: "points", points: { ...POINTS, ids: "ids" } });
    await settle();
    expect([...(host.points.value?.columns[0].data ?? [])]).toEqual([0, 65535]);
    expect([...(host.points.value?.ids ?? [])]).toEqual([7, 4_000_000_000]);
  });

  test("a selection of Python's becomes ids", async () => {
    put("chosen", Uint32Array.of(1));
    port.deliver({ event: "selection", selection: { name: "group_b", ids: "chosen" } });
    await settle();
    expect([...host.selections.value.group_b]).toEqual([1]);
    expect(blob("chosen")).toBeDefined();
  });

  test("the work on an attribution does not replace that on the maps", () => {
    const state = { ...MAP_IDLE, phase: "running" };
    port.deliver({ event: "state", state: { ...state, what: "layout", job: 5 } });
    port.deliver({ event: "state", state: { ...state, what: "attribution", job: 1, phase: "done" } });
    expect(host.state.value.phase).toBe("running");
    expect(host.explaining.value.phase).toBe("done");
  });

  test("an attribution that is older than the one shown is dropped", async () => {
    port.blob("picture", new Uint8Array(6), [1, 2, 3]);
    port.blob("map", new Uint16Array([0x3c00, 0xbc00]), [1, 2]);
    port.result({ job: 3, index: 8 });
    port.result({ job: 2, index: 9 });
    await settle();
    expect(host.overlay.value?.result.index).toBe(8);
    expect(RESULT.index).toBe(0);
  });

  test("one place for each picture and map", () => {
    const placed = { id: -1, map: 0, x: 1, y: 1, inside: true, ratio: 1, local: 1, neighbors: [], name: "a" };
    port.deliver({ event: "placed", placed });
    port.deliver({ event: "placed", placed: { ...placed, map: 1 } });
    port.deliver({ event: "placed", placed: { ...placed, x: 9 } });
    expect(host.placed.value.map(({ map, x }) => [map, x])).toEqual([
      [1, 1],
      [0, 9],
    ]);
  });

  test("traits begin as the kernel knows them", () => {
    expect(host.traits.value).toEqual(MAP_DEFAULTS);
  });

  test("what is asked cannot replace the id of the question", () => {
    const requests = new Requests((message) => port.send(message), life.signal);
    void requests.ask("row", { id: 7, request: "bye" });
    expect(port.sent.at(-1)).toMatchObject({ request: "row" });
    expect(port.sent.at(-1)?.id).not.toBe(7);
  });

  test("nothing listens after the end", () => {
    expect(port.listening).toBeGreaterThan(0);
    life.abort();
    expect(port.listening).toBe(0);
  });
});
