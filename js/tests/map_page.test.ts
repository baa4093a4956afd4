/** A saved page of maps: what its port answers without a kernel, and what it says where it has no answer. */
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { MapOfflinePort, type MapPageData } from "../entry/map_offline.js";
import { NO_KERNEL } from "../entry/replay.js";
import { type Pixels, type SavedSheets, Sheets } from "../entry/sheets.js";
import { EmbeddingHost } from "../host/embedding.js";
import type { Layout, PointsInfo, Row, SelectionName } from "../lib/map_wire.js";
import { INFO, RESULT, settle } from "./stubs.js";

const N = 5;
let bytes: Map<string, Uint8Array>;
let blobs: MapPageData["blobs"];

type Data = Uint8Array | Uint16Array | Uint32Array;

/** Half floats are given by their bits. */
function put(hash: string, data: Data, shape = [data.length], half = false): string {
  const wide = data instanceof Uint32Array ? "uint32" : half ? "float16" : "uint16";
  const dtype = data instanceof Uint8Array ? "uint8" : wide;
  bytes.set(hash, new Uint8Array(data.buffer));
  blobs[hash] = { dtype, shape, scale: 2, order: 0, data: "" };
  return hash;
}

const [ONE, THREE, NAN] = [0x3c00, 0x4200, 0x7e00];
const IDS = [10, 20, 30, 40, 50];

function points(): PointsInfo {
  const codes = put("codes", Uint16Array.from([0, 1, 1, 65535, 0]));
  const values = put("values", Uint16Array.from([ONE, NAN, THREE, ONE, 0]), [N], true);
  return {
    n: N,
    of: 50,
    sampling: "5 of 50 rows.",
    d: 3,
    what: "activations",
    classes: ["cat", "dog"],
    layers: ["a", "b"],
    pictures: true,
    model: "Net",
    reducers: [],
    methods: [],
    columns: [
      { name: "label", title: "Label", kind: "category", names: ["cat", "dog"], codes },
      { name: "column:age", title: "age", kind: "number", values },
    ],
    ids: put("ids", Uint32Array.from(IDS)),
    search: null,
  };
}

function layout(map: number, reducer: string): MapPageData["events"][number] {
  const coords = put(
    `${reducer} coords`,
    Uint16Array.from({ length: 2 * N }, (_, i) => i),
    [N, 2],
  );
  const quality = put(`${reducer} quality`, new Uint8Array(4 * N), [N, 4]);
  const numbers = {
    kept: 0.5,
    trustworthiness: null,
    continuity: null,
    rho: 0.3,
    kl: null,
    k: 15,
    rows: null,
  };
  const made: Layout = {
    job: 7,
    map,
    reducer,
    stage: "final",
    iteration: 300,
    total: 300,
    coords,
    box: [0, 0, 1, 1],
    quality,
    numbers,
    caution: ["Distances mean little here."],
    shepard: null,
    notes: [],
    seconds: 1,
  };
  return { event: "layout", layout: made };
}

const rowOf = (id: number): Row => ({
  id,
  neighbors: [20],
  distances: [1.5],
  false: { 0: [30], 1: [40] },
  missing: { 0: [20], 1: [] },
  values: { label: "cat" },
  top5: [],
});

function pageData(): MapPageData {
  bytes = new Map();
  blobs = {};
  const rows = new TextEncoder().encode(JSON.stringify([rowOf(10), rowOf(20)]));
  const coords = [0, 1].map((step) => put(`step ${step}`, new Uint16Array(2 * N), [N, 2]));
  const picture = put("picture", new Uint8Array(6), [1, 2, 3]);
  const map = put("map", new Uint16Array(2), [1, 2], true);
  const sequence = {
    job: 7,
    sweep: "layers" as const,
    map: 0,
    reducer: "tsne",
    names: ["a", "b"],
    coords,
    box: [0, 0, 1, 1] as [number, number, number, number],
    displacement: null,
    numbers: [{ kept: 0.5 }, { kept: 0.6 }],
    done: 2,
    total: 2,
  };
  const state = {
    what: "layout",
    phase: "done",
    job: 7,
    done: 0,
    total: 0,
    text: "Done",
    eta: null,
  } as const;
  const distances = { row: 10, values: put("far", new Uint16Array(N), [N], true) };
  const atStep = { ...rowOf(10), step: 1, neighbors: [50], missing: { 0: [50] }, false: { 0: [] } };
  const groups = { a: { n: 2, classes: [] }, b: { n: 0, classes: [] }, differs: [["age", 0.8]] };
  return {
    traits: { maps: ["tsne", "pca"], layer: "b", method: "saliency", color_by: "label" },
    events: [
      { event: "points", points: points() },
      { event: "info", info: { ...INFO, luts: { diverging: put("lut", new Uint8Array(771), [257, 3]) } } },
      layout(0, "tsne"),
      layout(1, "pca"),
      { event: "sequence", sequence },
      { event: "selection", selection: { name: "group_a", ids: put("chosen", Uint32Array.from([10, 50])) } },
      {
        event: "placed",
        placed: {
          id: -1,
          map: 1,
          x: 1,
          y: 2,
          inside: false,
          ratio: 3,
          local: 2,
          neighbors: [10],
          name: "new",
        },
      },
      { event: "state", state: { ...state, error: null } },
    ],
    attributions: [{ ...RESULT, index: 10, method: "saliency", picture, map }],
    answers: {
      row: { "10 1": atStep },
      distances: { 10: distances },
      groups: { "": groups },
      stability: { pca: { kept: 0.9 } },
    },
    rows: put("rows", rows),
    thumbnails: null,
    record: '{"format": 1}',
    blobs,
  };
}

/** Two thumbnails of 2x2 pixels, side by side: the first is all 1, the second all 2. */
async function sheets(): Promise<Sheets> {
  const zlib = await import("node:zlib");
  const ids = zlib.deflateSync(Uint8Array.from([40, 80, 0, 0, 0, 0, 0, 0])).toString("base64");
  const saved: SavedSheets = {
    ids: { dtype: "uint32", shape: [2], scale: 1, order: 0, data: ids },
    size: 2,
    columns: 16,
    type: "image/png",
    files: [btoa("png")],
  };
  const data = new Uint8ClampedArray(4 * 32 * 2);
  for (let y = 0; y < 2; y++)
    for (let x = 0; x < 4; x++) data.fill(x < 2 ? 1 : 2, 4 * (32 * y + x), 4 * (32 * y + x) + 3);
  const decode = async (file: Blob): Promise<Pixels> => {
    expect(await file.text()).toBe("png");
    return { width: 32, data };
  };
  return Sheets.open(saved, decode);
}

let life: AbortController;
let port: MapOfflinePort;
let host: EmbeddingHost;

const shown = () => host.maps.value.map((map) => map?.layout.reducer ?? null);
const base64 = (...ids: number[]) =>
  btoa(String.fromCharCode(...new Uint8Array(Uint32Array.from(ids).buffer)));
const choose = (name: SelectionName, ...ids: number[]) =>
  host.request("select", { name, ids: base64(...ids) });

beforeEach(async () => {
  life = new AbortController();
  port = new MapOfflinePort(pageData(), bytes, await sheets());
  host = new EmbeddingHost(port, life.signal);
  host.open(life.signal);
  await settle();
});
afterEach(() => life.abort());

test("a hello gets everything that the kernel had said", () => {
  expect(host.points.value).toMatchObject({ n: N, sampling: "5 of 50 rows.", offline: true });
  expect(host.points.value?.columns.map(({ name }) => name)).toEqual(["label", "column:age"]);
  expect([...(host.points.value?.ids ?? [])]).toEqual(IDS);
  expect(shown()).toEqual(["tsne", "pca"]);
  expect([...(host.maps.value[0]?.coords ?? [])]).toEqual([...Array(2 * N).keys()]);
  expect(host.maps.value[0]?.quality).toHaveLength(4 * N);
  expect([...host.selections.value.group_a]).toEqual([10, 50]);
  expect(host.placed.value).toHaveLength(1);
  expect(host.luts.value.diverging).toHaveLength(771);
  expect(host.state.value).toMatchObject({ phase: "done", text: "Done" });
  expect(host.info.value?.offline).toBe(true);
  expect(host.problem.value).toBeNull();
});

test("a sequence comes when it is walked", async () => {
  expect(host.sequence.value).toBeNull();
  host.commit({ sweep: "layers" });
  await settle();
  expect(host.sequence.value?.coords).toHaveLength(2);
  host.commit({ sweep: "perplexity" });
  await settle();
  expect(host.traits.value.sweep).toBe("layers");
});

test("a sequence goes where its map goes", async () => {
  host.commit({ maps: ["pca", "tsne"], sweep: "layers" });
  await settle();
  expect(host.sequence.value?.sequence).toMatchObject({ map: 1, reducer: "tsne" });
  host.commit({ sweep: null });
  host.commit({ maps: ["pca"] });
  await settle();
  host.commit({ sweep: "layers" });
  await settle();
  expect(host.traits.value.sweep).toBeNull();
});

describe("looks", () => {
  test("are kept, in the page only", async () => {
    host.commit({ color_by: "column:age", camera: [4, 0.2, 0.3], spokes: false, point: 20, sweep_at: 0.5 });
    await settle();
    expect(port.get("color_by")).toBe("column:age");
    expect(host.state.value.text).toBe("Done");
  });

  test("are maps in another order, with all that was said of them", async () => {
    host.commit({ maps: ["pca"] });
    await settle();
    expect(shown()).toEqual(["pca"]);
    expect(host.placed.value[0]).toMatchObject({ id: -1 });
    const { result } = await host.request("row", { id: 10 });
    expect(result).toMatchObject({ id: 10, false: { 0: [40] }, missing: { 0: [] } });
    host.commit({ maps: ["pca", "tsne"] });
    await settle();
    expect(shown()).toEqual(["pca", "tsne"]);
    expect(host.maps.value.map((map) => map?.layout.map)).toEqual([0, 1]);
  });
});

test.each([
  { params: { tsne: { perplexity: 5 } } },
  { layer: "a" },
  { maps: ["umap"] },
  { method: "grad_cam" },
  { n_steps: 64 },
])("questions are taken back, and the status says why: %o", async (asked) => {
  const [name] = Object.keys(asked) as ["layer"];
  const before = host.traits.value[name];
  host.commit({ ...asked, opacity: 0.5 });
  await settle();
  expect(host.traits.value[name]).toEqual(before);
  expect(host.traits.value.opacity).toBe(0.5);
  expect(host.state.value.text).toBe(NO_KERNEL);
});

describe("of one row", () => {
  test("its neighbours are there", async () => {
    expect((await host.request("row", { id: 20 })).result).toEqual(rowOf(20));
  });

  test("so are those at a step, if somebody had looked at them", async () => {
    host.commit({ sweep: "layers", maps: ["pca", "tsne"] });
    await settle();
    const { result } = await host.request("row", { id: 10, step: 1 });
    expect(result).toMatchObject({ id: 10, step: 1, neighbors: [50], missing: { 1: [50] } });
    const { error } = await host.request("row", { id: 20, step: 1 });
    expect(error?.message).toContain("at this step");
    expect((await host.request("distances", { id: 10, step: 1 })).error?.message).toContain("at this step");
  });

  test("its attribution is there if it was computed", async () => {
    expect(await host.request("explain", { id: 10 })).toMatchObject({ status: "ok" });
    await settle();
    expect(host.overlay.value?.result).toMatchObject({ index: 10, can_refine: false });
  });

  test("distances are there if they were asked for", async () => {
    const { result } = await host.request("distances", { id: 10 });
    expect((await host.fetch(String(result?.values)))?.data).toHaveLength(N);
  });

  test("a picture is the model's, else the thumbnail", async () => {
    const large = await host.request("picture", { id: 10 });
    expect((await host.fetch(String(large.result?.picture)))?.shape).toEqual([1, 2, 3]);
    const small = await host.request("picture", { id: 20 });
    expect((await host.fetch(String(small.result?.picture)))?.shape).toEqual([2, 2, 3]);
  });

  test.each([
    ["row", "without the neighbours"],
    ["explain", "was not explained"],
    ["picture", "without the picture"],
    ["distances", "without the distances"],
  ] as const)("what is missing is missed in words: %s", async (kind, words) => {
    const { status, error } = await host.request(kind, { id: 50 });
    expect(status).toBe("error");
    expect(error?.message).toContain(words);
  });
});

test("thumbnails are cut from their sheet; rows without one are left out", async () => {
  const { result } = await host.request("thumbnails", { ids: [40, 10, 20] });
  expect(result).toMatchObject({ ids: [40, 20], size: 2 });
  const sprite = await host.fetch(String(result?.sprite));
  expect(sprite?.shape).toEqual([2, 2, 2, 3]);
  expect([...(sprite?.data ?? [])]).toEqual([...Array(12).fill(2), ...Array(12).fill(1)]);
  expect((await host.request("thumbnails", { ids: [10] })).result).toMatchObject({ ids: [] });
});

test.each(["refine", "run", "cancel", "place", "stability"] as const)(
  "%s is refused in words",
  async (kind) => {
    const { status, error } = await host.request(kind, { map: 0 });
    expect(status).toBe("error");
    expect(error?.message).toMatch(/kernel|was not computed/);
  },
);

test("stability that was computed is known", async () => {
  expect((await host.request("stability", { map: 1 })).result).toEqual({ kept: 0.9 });
});

describe("groups", () => {
  test("as saved have the saved answer", async () => {
    expect((await host.request("groups")).result).toMatchObject({ differs: [["age", 0.8]] });
  });

  test("of the reader's own have their class mix", async () => {
    await choose("group_a", 10, 20, 30, 40);
    await choose("group_b", 50);
    const { result } = await host.request("groups");
    expect(result).toMatchObject({
      a: {
        n: 4,
        classes: [
          ["dog", 0.5],
          ["cat", 0.25],
        ],
        mean_attribution: null,
      },
      b: { n: 1, classes: [["cat", 1]] },
      differs: [],
    });
  });
});

describe("the table", () => {
  const ids = async (asked: object) => {
    const { result } = await host.request("table", { from: 0, count: 10, ...asked });
    return ((result?.rows ?? []) as { id: number }[]).map(({ id }) => id);
  };

  test("is sorted, what is missing last", async () => {
    expect(await ids({ sort: "column:age" })).toEqual([50, 10, 40, 30, 20]);
    expect(await ids({ sort: "column:age", descending: true })).toEqual([30, 10, 40, 50, 20]);
    expect(await ids({ sort: "label" })).toEqual([10, 50, 20, 30, 40]);
    expect(await ids({ sort: "id", descending: true, from: 1, count: 2 })).toEqual([40, 30]);
  });

  test("has true values, and may be only of what is selected", async () => {
    await choose("selection", 30, 40);
    const { result } = await host.request("table", { from: 0, count: 10, within: "selection" });
    expect(result).toEqual({
      rows: [
        { id: 30, values: { label: "dog", "column:age": "6.00" } },
        { id: 40, values: { label: "", "column:age": "2.00" } },
      ],
      total: 2,
    });
  });
});

test("the record can be taken along", async () => {
  const reply = await host.request("export", { format: "json" });
  expect(new TextDecoder().decode(reply.buffers[0])).toBe('{"format": 1}');
  expect((await host.request("export", { format: "svg" })).error?.message).toBe(NO_KERNEL);
});
