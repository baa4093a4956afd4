import { afterEach, expect, test } from "vitest";
import { Host } from "../host/host.js";
import type { Result } from "../lib/wire.js";
import { RESULT, StubPort, settle } from "./stubs.js";

const SIDE = 1024;
const life = new AbortController();
afterEach(() => life.abort());

/** A result of 1024 x 1024 pixels, and its blobs as a kernel sends them. */
function kernel(port: StubPort, job: number, nodes: number) {
  const names = {
    picture: `picture ${job}`,
    map: `map ${job}`,
    stack: `stack ${job}`,
    baseline: `start ${job}`,
  };
  const send: Record<string, () => void> = {
    [names.picture]: () => port.blob(names.picture, new Uint8Array(3 * SIDE * SIDE), [SIDE, SIDE, 3]),
    [names.map]: () => port.blob(names.map, new Uint16Array(SIDE * SIDE), [SIDE, SIDE]),
    [names.stack]: () => port.blob(names.stack, new Uint16Array(nodes * SIDE * SIDE), [nodes, SIDE, SIDE]),
    [names.baseline]: () => port.blob(names.baseline, new Uint8Array(3 * SIDE * SIDE), [SIDE, SIDE, 3]),
  };
  const along = Array.from({ length: nodes }, (_, i) => i / (nodes - 1));
  const path = { alphas: along, scores: along, sums: along, baseline_score: 0, total_nodes: nodes };
  const { picture, map, stack, baseline } = names;
  const result: Result = { ...RESULT, job, picture, map, path: { ...path, stack, baseline } };
  return { send, result };
}

test("a large map replaces another one: what is on its way is not thrown out again", async () => {
  const port = new StubPort();
  const known: Record<string, () => void> = {};
  port.send = (message) => {
    const { id, request, hashes } = message as { id: string; request: string; hashes: string[] };
    port.sent.push({ id, request });
    if (request !== "blobs") return;
    for (const hash of hashes) known[hash]();
    port.deliver({ answer: id, status: "ok" });
  };
  const host = new Host(port, life.signal);
  for (const [job, nodes] of [
    [1, 25],
    [2, 34],
  ]) {
    const { send, result } = kernel(port, job, nodes);
    Object.assign(known, send);
    for (const deliver of Object.values(send)) deliver();
    port.deliver({ event: "result", result });
    await settle();
    await settle();
    expect(host.problem.value).toBeNull();
    expect(host.drawables.value[0]?.result.job).toBe(job);
  }
});
