/** The exported page: arrays unpacked to the byte, and a port that answers without a kernel. */
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { OfflinePort, type PageData } from "../entry/offline.js";
import { NO_KERNEL } from "../entry/replay.js";
import { type PackedBlob, unpack } from "../entry/unpack.js";
import { Host } from "../host/host.js";
import type { PanelSpec, Result, State } from "../lib/wire.js";
import { INFO, RESULT, STATE, settle } from "./stubs.js";

const PACKED = JSON.parse(readFileSync("tests/wire/packed.json", "utf8")) as Record<
  string,
  PackedBlob & { sha256: string }
>;

test.each(Object.entries(PACKED))("unpacks %s", async (_, packed) => {
  const bytes = await unpack(packed);
  expect(createHash("sha256").update(bytes).digest("hex")).toBe(packed.sha256);
});

test("a damaged array is an error", async () => {
  const [packed] = Object.values(PACKED);
  await expect(unpack({ ...packed, data: packed.data.slice(0, 40) })).rejects.toThrow();
});

const GRAD_CAM: PanelSpec = { method: "grad_cam" };
const BLUR: PanelSpec = { baseline: { kind: "blur", sigma: 8 }, n_steps: 16 };
const DIFFERENCE: PanelSpec = { difference: [0, 2] };

const bytes = new Map<string, Uint8Array>();
const blobs: PageData["blobs"] = {};

function put(hash: string, dtype: "uint8" | "float16", shape: number[]): string {
  const count = shape.reduce((product, length) => product * length, 1);
  bytes.set(hash, new Uint8Array(dtype === "uint8" ? count : 2 * count));
  blobs[hash] = { dtype, shape, scale: 1, order: 0, data: "" };
  return hash;
}

function result(panel: number, more: Partial<Result> = {}): PageData["events"][number] {
  const map = put(`map ${panel}`, "float16", [2, 2]);
  const picture = put("picture", "uint8", [2, 2, 3]);
  return {
    event: "result",
    result: { ...RESULT, panel, job: 40 + panel, map, picture, title: `panel ${panel}`, ...more },
  };
}

function state(panel: number, more: Partial<State> = {}): PageData["events"][number] {
  return {
    event: "state",
    state: { ...STATE, panel, job: 40 + panel, phase: "done", text: "Done", ...more },
  };
}

function pageData(): PageData {
  const path = {
    stack: put("stack", "float16", [2, 2, 2]),
    alphas: [0, 1],
    scores: [0, 1],
    sums: [0, 1],
    baseline: put("start", "uint8", [2, 2, 3]),
    baseline_score: 0,
    total_nodes: 2,
  };
  put("slopes", "float16", [2, 2, 2]);
  const luts = { diverging: put("lut", "uint8", [257, 3]) };
  return {
    traits: { method: "integrated_gradients", compare: [GRAD_CAM, DIFFERENCE, BLUR], alpha: 0.5 },
    events: [
      { event: "info", info: { ...INFO, luts } },
      result(0, { path, can_refine: true }),
      state(0),
      result(1),
      state(1),
      result(3),
      state(3),
    ],
    answers: { gradients: { 3: { job: 43, stack: "slopes" } } },
    record: '{"format": 1}',
    blobs,
  };
}

let life: AbortController;
let port: OfflinePort;
let host: Host;

const titles = () => host.drawables.value.map((drawable) => drawable?.result.title ?? null);
const texts = () => host.states.value.map(({ text }) => text);

beforeEach(async () => {
  life = new AbortController();
  port = new OfflinePort(pageData(), bytes);
  host = new Host(port, life.signal);
  host.open(life.signal);
  await settle();
});
afterEach(() => life.abort());

test("a hello gets everything that the kernel had said", () => {
  expect(host.info.value).toMatchObject({ offline: true, version: INFO.version });
  expect(titles()).toEqual(["panel 0", "panel 1", null, "panel 3"]);
  expect(host.states.value.map(({ phase }) => phase)).toEqual(["done", "done", "idle", "done"]);
  expect(host.luts.value.diverging).toHaveLength(257 * 3);
  expect(host.traits.value.alpha).toBe(0.5);
  expect(host.problem.value).toBeNull();
});

test("nothing is offered that would need a kernel", () => {
  expect(host.drawables.value[0]?.result.can_refine).toBe(false);
});

test("looks are kept, in the page only", async () => {
  host.commit({ opacity: 0.25, scale: { mode: "fixed", limits: { "*": 2 } } });
  await settle();
  expect(port.get("opacity")).toBe(0.25);
  expect(host.traits.value.scale.limits["*"]).toBe(2);
  expect(texts()[0]).toBe("Done");
});

describe("questions", () => {
  test("are taken back, and the status says why", async () => {
    host.commit({ method: "saliency", opacity: 0.5 });
    await settle();
    expect(host.traits.value.method).toBe("integrated_gradients");
    expect(host.traits.value.opacity).toBe(0.5);
    expect(texts()).toEqual([NO_KERNEL, "Done", "", "Done"]);
  });

  test("that change nothing are none", async () => {
    host.commit({ method: "integrated_gradients" });
    await settle();
    expect(texts()[0]).toBe("Done");
  });

  test.each(["refine", "run", "cancel"] as const)("%s is refused in words", async (kind) => {
    expect(await host.request(kind)).toMatchObject({
      status: "error",
      error: { type: "NoKernel", message: NO_KERNEL },
    });
    expect(host.problem.value).toBe(NO_KERNEL);
    expect(titles()[0]).toBe("panel 0");
  });
});

describe("panels", () => {
  test("close, and those behind them move up", async () => {
    const jobs = host.drawables.value.map((drawable) => drawable?.result.job ?? 0);
    host.commit({ compare: [DIFFERENCE, BLUR] });
    await settle();
    expect(titles()[2]).toBe("panel 3");
    host.commit({ compare: [BLUR] });
    await settle();
    expect(titles()).toEqual(["panel 0", "panel 3"]);
    expect(host.drawables.value[1]?.result.panel).toBe(1);
    // What was asked about the panel that had this place before is no answer about this one.
    expect(host.drawables.value[1]?.result.job).toBeGreaterThan(Math.max(...jobs));
  });

  test("come back as they were, whatever the order of their keys", async () => {
    host.commit({ compare: [] });
    await settle();
    host.commit({ compare: [{ n_steps: 16, baseline: { sigma: 8, kind: "blur" } }, GRAD_CAM] });
    await settle();
    expect(titles()).toEqual(["panel 0", "panel 3", "panel 1"]);
  });

  test("made of others may be new", async () => {
    host.commit({ compare: [GRAD_CAM, { average: [0, 3] }, BLUR] });
    await settle();
    expect(port.get("compare")).toEqual([GRAD_CAM, { average: [0, 3] }, BLUR]);
  });

  test("with a new question are refused", async () => {
    host.commit({ compare: [GRAD_CAM, DIFFERENCE, BLUR, { method: "saliency" }] });
    await settle();
    expect(host.traits.value.compare).toEqual([GRAD_CAM, DIFFERENCE, BLUR]);
    expect(texts()[0]).toBe(NO_KERNEL);
    expect(titles()).toEqual(["panel 0", "panel 1", null, "panel 3"]);
  });
});

describe("what was saved beside the maps", () => {
  test("is answered for the map that is shown", async () => {
    await host.request("gradients", { panel: 3 });
    expect(host.drawables.value[3]?.gradients?.shape).toEqual([2, 2, 2]);
    host.commit({ compare: [BLUR] });
    await settle();
    await host.request("gradients", { panel: 1 });
    expect(host.drawables.value[1]?.gradients?.shape).toEqual([2, 2, 2]);
  });

  test.each([
    ["gradients", 0],
    ["predictions", 3],
    ["gradients", 2],
    ["gradients", 9],
  ] as const)("is missed in words: %s of panel %i", async (kind, panel) => {
    const { status, error } = await host.request(kind, { panel });
    expect(status).toBe("error");
    expect(error?.message).toContain(`saved without the ${kind}`);
    expect(host.problem.value).toBeNull();
  });

  test("the record can be taken along", async () => {
    const reply = await host.request("export", { format: "json" });
    expect(reply.result).toEqual({ name: "record.json", type: "application/json" });
    expect(new TextDecoder().decode(reply.buffers[0])).toBe('{"format": 1}');
    expect((await host.request("export", { format: "svg" })).error?.message).toBe(NO_KERNEL);
  });
});

test("after the end nothing is said", async () => {
  const before = host.drawables.value;
  life.abort();
  port.write({ compare: [BLUR] });
  port.write({ method: "saliency" });
  await settle();
  expect(host.drawables.value).toBe(before);
});
