import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { addPart, blob, hashes } from "../host/blobs.js";
import { Host } from "../host/host.js";
import { Requests } from "../host/requests.js";
import { deliverBlobs, INFO, StubPort, settle } from "./stubs.js";

const KEY = Symbol.for("saliscope");
const page = globalThis as { [KEY]?: { claims: Set<unknown>; parts: Map<string, unknown> } };

let life: AbortController;
let port: StubPort;
let host: Host;

beforeEach(() => {
  life = new AbortController();
  port = new StubPort();
  host = new Host(port, life.signal);
});
afterEach(() => life.abort());

describe("requests", () => {
  test("hello goes out once, with the blobs that the page has", () => {
    deliverBlobs(port);
    host.open(life.signal);
    host.open(life.signal);
    expect(port.sent).toHaveLength(1);
    expect(port.sent[0]).toMatchObject({ request: "hello", have: ["picture", "map"] });
    expect(port.sent[0].id).toMatch(/^[0-9a-f]{32}$/);
  });

  test("an answer is taken once, and only by its own request", async () => {
    host.request("cancel");
    host.request("refine");
    expect(new Set(port.sent.map(({ id }) => id)).size).toBe(2);
    port.answer("cancel", { status: "error", error: { type: "X", message: "first" } });
    await settle();
    port.answer("cancel", { status: "error", error: { type: "X", message: "second" } });
    port.deliver({ answer: "nobody", status: "error", error: { type: "X", message: "third" } });
    await settle();
    expect(host.problem.value).toBe("first");
  });

  test("a second answer finds no request", () => {
    const requests = new Requests((message) => port.send(message), life.signal);
    void requests.ask("refine");
    const answer = { answer: String(port.sent[0].id), status: "ok" as const };
    expect([requests.settle(answer), requests.settle(answer)]).toEqual([true, false]);
  });

  test("the end cancels what is not answered", async () => {
    const requests = new Requests((message) => port.send(message), life.signal);
    const asked = requests.ask("refine");
    life.abort();
    expect((await asked).status).toBe("cancelled");
  });

  test("a kernel that cannot be reached is said to be gone", async () => {
    port.send = () => {
      throw new Error("no comm");
    };
    host.request("refine");
    await settle();
    expect(host.problem.value).toContain("The kernel is gone");
  });

  test("a cancelled request is no problem", async () => {
    host.request("refine");
    port.answer("refine", { status: "cancelled" });
    await settle();
    expect(host.problem.value).toBeNull();
  });
});

describe("results", () => {
  test("a result with its blobs is drawn", async () => {
    deliverBlobs(port);
    port.result();
    await settle();
    const drawable = host.drawables.value[0];
    expect([drawable?.width, drawable?.height]).toEqual([2, 1]);
    expect([...(drawable?.map.data ?? [])]).toEqual([1, -1]);
    expect(port.sent).toEqual([]);
  });

  test("a lost blob is asked for again, and the result drawn when it came", async () => {
    port.blob("picture", new Uint8Array(6), [1, 2, 3]);
    port.result();
    expect(port.sent).toMatchObject([{ request: "blobs", hashes: ["map"] }]);
    expect(host.drawables.value[0]).toBeNull();
    deliverBlobs(port);
    port.answer("blobs");
    await settle();
    expect(host.drawables.value[0]?.result.map).toBe("map");
  });

  test("a blob that is gone for good leaves the last picture and says so", async () => {
    deliverBlobs(port);
    port.result();
    await settle();
    port.result({ job: 2, map: "gone" });
    port.answer("blobs");
    await settle();
    expect(host.drawables.value[0]?.result.job).toBe(1);
    expect(host.problem.value).toContain("no longer has the data");
  });

  test("a blob that is gone is no problem once a newer result has come, shown or on its way", async () => {
    const gone = { status: "error", error: { type: "SaliscopeError", message: "got 1 blobs that are gone" } };
    port.result({ stage: "preview", map: "early" });
    deliverBlobs(port);
    port.result({ stage: "final" });
    port.answer("blobs", gone);
    await settle();
    expect(host.problem.value).toBeNull();
    expect(host.drawables.value[0]?.result.stage).toBe("final");

    port.sent.length = 0;
    port.result({ job: 2, map: "lost" });
    port.answer("blobs", gone);
    await settle();
    expect(host.problem.value).toBe("got 1 blobs that are gone");
    port.result({ job: 2, panel: 1 });
    expect(host.problem.value).not.toBeNull();
    port.result({ job: 2, stage: "final" });
    expect(host.problem.value).toBeNull();
  });

  test("what else went wrong stays, whatever comes", async () => {
    host.request("refine");
    port.answer("refine", { status: "error", error: { type: "X", message: "no memory" } });
    await settle();
    deliverBlobs(port);
    port.result();
    await settle();
    expect(host.problem.value).toBe("no memory");
  });

  test("a blob of the wrong size counts as lost", () => {
    port.blob("picture", new Uint8Array(6), [1, 2, 3]);
    port.blob("map", new Uint16Array(3), [1, 2]);
    port.result();
    expect(port.sent).toMatchObject([{ request: "blobs", hashes: ["map"] }]);
  });

  test("results and states of an older job are ignored", async () => {
    deliverBlobs(port);
    port.state({ job: 5 });
    port.result({ job: 4 });
    port.state({ job: 4, text: "old" });
    await settle();
    expect(host.drawables.value[0]).toBeNull();
    expect(host.states.value[0]).toMatchObject({ job: 5, text: "" });
    port.result({ job: 5 });
    await settle();
    expect(host.drawables.value[0]?.result.job).toBe(5);
  });

  test("a preview that waited for its blob does not replace the later result", async () => {
    deliverBlobs(port);
    port.result({ stage: "preview", map: "late" });
    port.result({ stage: "final" });
    await settle();
    port.blob("late", new Uint16Array(2), [1, 2]);
    port.answer("blobs");
    await settle();
    expect(host.drawables.value[0]?.result.stage).toBe("final");
  });

  test("a job that ended while its blob was fetched is not drawn", async () => {
    port.blob("picture", new Uint8Array(6), [1, 2, 3]);
    port.result();
    port.state({ job: 2 });
    deliverBlobs(port);
    port.answer("blobs");
    await settle();
    expect(host.drawables.value[0]).toBeNull();
  });

  test("colour maps come with the info, or are asked for after the hello", async () => {
    host.open(life.signal);
    port.deliver({ event: "info", info: INFO });
    expect(host.luts.value).toEqual({});
    port.answer("hello");
    await settle();
    expect(port.sent[1]).toMatchObject({ request: "blobs", hashes: ["lut"] });
    port.blob("lut", new Uint8Array(771), [257, 3]);
    port.answer("blobs");
    await settle();
    expect(Object.keys(host.luts.value)).toEqual(["diverging"]);
  });
});

describe("traits", () => {
  test("Python's changes arrive, the page's go out as one message", () => {
    port.values.alpha = 0.4;
    port.change("alpha");
    expect(host.traits.value.alpha).toBe(0.4);
    host.commit({ alpha: 0.5, sign: "positive" });
    expect(port.written).toEqual([{ alpha: 0.5, sign: "positive" }]);
    expect(host.traits.value).toMatchObject({ alpha: 0.5, sign: "positive" });
  });
});

describe("panels", () => {
  const shown = () => host.drawables.value.map((drawable) => drawable?.result.title ?? null);
  const three = async () => {
    deliverBlobs(port);
    host.commit({ compare: [{ method: "a" }, { method: "b" }] });
    for (const [panel, title] of ["lead", "A", "B"].entries()) port.result({ panel, title, job: 3 - panel });
    await settle();
    expect(shown()).toEqual(["lead", "A", "B"]);
  };

  test("one that moves up takes its picture along, and what was on its way to the old one is not for it", async () => {
    await three();
    port.state({ panel: 1, job: 8 });
    host.commit({ compare: [{ method: "b" }] });
    expect(shown()).toEqual(["lead", "B"]);
    port.result({ panel: 1, title: "late", job: 7 });
    await settle();
    expect(shown()).toEqual(["lead", "B"]);
    port.result({ panel: 1, title: "B again", job: 9 });
    await settle();
    expect(shown()).toEqual(["lead", "B again"]);
  });

  test("a place that was given up is empty when it is taken again", async () => {
    await three();
    host.commit({ compare: [{ method: "a" }] });
    host.commit({ compare: [{ method: "a" }, { method: "c" }] });
    expect(shown()).toEqual(["lead", "A", null]);
  });

  test("an edited question keeps its old picture until the answer comes", async () => {
    await three();
    host.commit({ compare: [{ method: "c" }, { method: "b" }] });
    expect(shown()).toEqual(["lead", "A", "B"]);
  });

  test("news of a panel may come before the panel", async () => {
    deliverBlobs(port);
    port.result({ panel: 1, title: "A" });
    await settle();
    expect(shown()).toEqual([null]);
    port.values.compare = [{ method: "a" }];
    port.change("compare");
    expect(shown()).toEqual([null, "A"]);
  });

  test("a result and a state are of one panel only", async () => {
    await three();
    port.state({ panel: 2, job: 9, text: "of B" });
    expect(host.states.value.map(({ text }) => text)).toEqual(["", "", "of B"]);
  });
});

describe("the blob store", () => {
  const header = { hash: "h", dtype: "uint8" as const, shape: [4], scale: 1, parts: 2 };

  test("joins parts in their order, however they come, from unaligned memory", () => {
    const memory = new Uint8Array([0, 1, 2, 3, 4]);
    expect(addPart({ ...header, part: 1 }, memory.subarray(3))).toBe(false);
    expect(blob("h")).toBeUndefined();
    expect(addPart({ ...header, part: 0 }, memory.subarray(1, 3))).toBe(true);
    expect([...(blob("h")?.data ?? [])]).toEqual([1, 2, 3, 4]);
  });

  test("is one for the page, and goes with its last user", () => {
    const second = new AbortController();
    const other = new StubPort();
    const otherHost = new Host(other, second.signal);
    deliverBlobs(port);
    other.result();
    expect(other.sent).toEqual([]);
    expect(page[KEY]?.claims.size).toBe(2);
    second.abort();
    expect(otherHost.problem.value).toBeNull();
    expect(hashes()).toEqual(expect.arrayContaining(["picture", "map"]));
    life.abort();
    expect(page[KEY]).toBeUndefined();
    expect(hashes()).toEqual([]);
  });

  test("drops what nobody shows when it grows too large, and nothing else", async () => {
    deliverBlobs(port);
    port.result();
    await settle();
    const big = 60 * 2 ** 20;
    for (const hash of ["a", "b", "c"]) port.blob(hash, new Uint8Array(big), [big]);
    port.result();
    await settle();
    port.blob("d", new Uint8Array(big), [big]);
    expect(hashes().sort()).toEqual(["b", "c", "d", "map", "picture"]);
  });
});

test("the end releases every listener and settles every request", async () => {
  host.open(life.signal);
  expect(port.listening).toBe(2);
  life.abort();
  await settle();
  expect(port.listening).toBe(0);
  deliverBlobs(port);
  port.result();
  await settle();
  expect(host.drawables.value[0]).toBeNull();
});
