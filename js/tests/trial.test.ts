// @vitest-environment jsdom
/** Is it true? What the page makes of a map on trial: curves, numbers, and the pictures behind them. */
import { beforeEach, describe, expect, test } from "vitest";
import { OfflinePort } from "../entry/offline.js";
import { Host } from "../host/host.js";
import { nearest } from "../lib/select.js";
import type { PanelSpec, Traits, Trial, TrialCurve } from "../lib/wire.js";
import { luminance } from "../render/points/palette.js";
import { colourOf } from "../views/saliency/trial/cases.js";
import { paintMasked } from "../views/saliency/trial/fed.js";
import { USUAL } from "../views/saliency/trial/fold.js";
import { frame, life, open, pictures, pixels, press, until } from "./page.js";
import { deliverBlobs, INFO, RESULT, StubPort, settle } from "./stubs.js";

const SETTINGS = { ...USUAL, steps: 8 };
const CAM: PanelSpec[] = [{ method: "grad_cam" }];

/** A page with maps on trial; by default until all is judged. */
async function judged(traits: Partial<Traits> = {}, more: Parameters<typeof open>[0] = {}) {
  const page = await open({ traits: { trial: SETTINGS, method: "saliency", ...traits }, ...more });
  const maps =
    1 + (traits.compare ?? []).filter((spec) => !("difference" in spec || "average" in spec)).length;
  const text = (id: string) => page.get(id)?.textContent?.replace(/\s+/g, " ").trim() ?? "";
  if (!more.trialStop)
    await until(() => {
      const known = page.root.querySelectorAll('[data-testid^="auc-"], [data-testid^="trial-error"]');
      expect(known.length).toBeGreaterThanOrEqual(maps);
      expect(text("trial-table")).not.toContain("\u2026");
      expect(page.get("trial-state")).toBeNull();
    });
  await frame();
  page.kernel.sent.length = 0;
  return { ...page, text, line: (kind: string, panel: number) => lineOf(page.get(`plot-${kind}`), panel) };
}

const lineOf = (plot: HTMLElement, panel: number) => plot.querySelector(`.line[style*="--c${panel})"]`);

async function key(page: { get(id: string): HTMLElement }, kind: string, ...keys: string[]) {
  for (const each of keys) press(page.get(`plot-${kind}`), each);
  await frame();
}

describe("a point of the curve", () => {
  test("takes the pixels whose rank has come", () => {
    const out = new Uint8ClampedArray(12);
    const [taken, rest] = [Uint8Array.from({ length: 9 }, () => 7), Uint8Array.from({ length: 9 }, () => 9)];
    paintMasked(out, taken, rest, [0, 2, 3], 2);
    expect([...out]).toEqual([7, 7, 7, 255, 7, 7, 7, 255, 9, 9, 9, 255]);
  });

  test.each([
    [0.2, 0],
    [0.3, 1],
    [0.9, 2],
  ])("is the nearest one: %d", (share, place) => {
    expect(nearest([0, 0.5, 1], share)).toBe(place);
  });

  test("is what every panel shows, with its score and class", async () => {
    const page = await judged({ compare: CAM });
    const before = pixels(page.get("panel-map"));
    await key(page, "deletion", "ArrowRight", "ArrowRight");
    expect(page.kernel.get("taken")).toBe(0.25);
    expect(page.kernel.get("curve")).toBe("deletion");
    const picture = pictures[0].rgb;
    const hidden = ["panel-map", "panel-map-1"].map((id) => {
      const shown = pixels(page.get(id)) as Uint8ClampedArray;
      const same = Array.from({ length: picture.length / 3 }, (_, i) =>
        [0, 1, 2].every((c) => shown[4 * i + c] === picture[3 * i + c]),
      );
      return same.flatMap((kept, i) => (kept ? [] : [i]));
    });
    // What is hidden is a quarter, in each map's own order.
    expect(hidden.map(({ length }) => length)).toEqual([24, 24]);
    expect(hidden[0]).not.toEqual(hidden[1]);
    const plot = page.get("plot-deletion");
    expect(plot.getAttribute("aria-valuenow")).toBe("25");
    expect(plot.getAttribute("aria-valuetext")).toMatch(
      /^25\s% taken away, probability of .+ (0\.\d\d|< 0\.01), /,
    );
    expect(page.get("plot-insertion").getAttribute("aria-valuetext")).toBe("The other curve is walked");
    expect(page.root.querySelectorAll(".plot .point")).toHaveLength(1);
    const fed = page.root.querySelectorAll('[data-testid="fed"]');
    expect(fed[1].textContent?.trim().replace(/\s+/g, " ")).toMatch(/^25 % taken away .+ (now .+|on top)$/);

    await key(page, "insertion", "End");
    expect(page.kernel.get("curve")).toBe("insertion");
    expect([...(pixels(page.get("panel-map")) ?? [])].filter((_, i) => i % 4 < 3)).toEqual([...picture]);
    press(page.get("explorer"), "Escape");
    await frame();
    expect(page.kernel.get("taken")).toBeNull();
    expect(pixels(page.get("panel-map"))).toEqual(before);
  });

  test("is the fed picture itself where the filling depends on what is hidden", async () => {
    const page = await judged({ trial: { ...SETTINGS, replacement: { kind: "road" } } });
    await key(page, "deletion", "ArrowRight", "ArrowRight");
    expect(page.get("fed").textContent).not.toContain("nearest");
    const [first] = pixels(page.get("panel-map")) as Uint8ClampedArray;
    const { rgb } = pictures[0];
    const shown = pixels(page.get("panel-map")) as Uint8ClampedArray;
    const filled = Array.from({ length: rgb.length / 3 }, (_, i) => i).filter(
      (i) => shown[4 * i] !== rgb[3 * i],
    );
    expect(first).toBeDefined();
    expect(filled.length).toBeGreaterThan(18);
    expect(filled.length).toBeLessThan(28);
  });

  test("is committed when the key is lifted, and not before", async () => {
    const page = await judged();
    const plot = page.get("plot-deletion");
    for (let i = 0; i < 3; i++)
      plot.dispatchEvent(new KeyboardEvent("keydown", { key: "ArrowRight", bubbles: true }));
    await frame();
    expect(page.kernel.sent).toEqual([]);
    expect(page.text("fed")).toContain("37.5 % taken away");
    plot.dispatchEvent(new KeyboardEvent("keyup", { key: "ArrowRight", bubbles: true }));
    expect(page.kernel.sent).toHaveLength(1);
    expect(page.kernel.get("taken")).toBe(0.375);
  });

  test("is left by a double click and by the button", async () => {
    const page = await judged();
    for (const leave of [
      () => page.get("plot-deletion").dispatchEvent(new MouseEvent("dblclick", { bubbles: true })),
      () => page.get("show-maps").click(),
    ]) {
      await key(page, "deletion", "ArrowRight");
      expect(page.get("fed")).not.toBeNull();
      leave();
      await frame();
      expect(page.kernel.get("taken")).toBeNull();
      expect(page.get("fed")).toBeNull();
    }
  });
});

describe("what is drawn", () => {
  test("each method has a line and a row; the random orders have one for all", async () => {
    const page = await judged({ compare: CAM });
    const lines = [0, 1].flatMap((panel) =>
      ["deletion", "insertion"].map((kind) =>
        page.line(kind, panel)?.querySelector(".own")?.getAttribute("d"),
      ),
    );
    expect(new Set(lines).size).toBe(4);
    expect(page.get("plot-deletion").querySelectorAll(".random .band")).toHaveLength(1);
    expect(page.get("trial-table").querySelectorAll(".of-random")).toHaveLength(1);
    // Of the active one alone: two dashed lines more would be too many.
    expect(page.get("plot-deletion").querySelectorAll(".blurred")).toHaveLength(1);
    for (const panel of [0, 1]) expect(page.text(`auc-deletion-${panel}`)).toMatch(/^0\.\d{3}$/);
  });

  test("from coarse to fine, without numbers before the end", async () => {
    const page = await judged({}, { trialStop: "running" });
    await until(() => expect(page.line("deletion", 0)?.querySelectorAll("circle").length).toBe(3));
    expect(page.text("auc-deletion-0")).toBe("\u2026");
    expect(page.get("verdict-0")).toBeNull();
    expect(page.text("trial-state")).toContain("Deletion and insertion");
    page.get("stop-trial").click();
    await until(() => expect(page.text("trial-state")).toContain("Stopped"));
    expect(page.line("deletion", 0)).not.toBeNull();
    page.get("go-on").click();
    await until(() => expect(page.text("trial-state")).toContain("Deletion and insertion"));
  });

  test("a map that orders nothing has words, and no number", async () => {
    const page = await judged({ method: "saliency" }, { zero: true });
    const cells = [...page.get("trial-table").querySelectorAll("tbody tr:first-child td")];
    expect(cells.map((cell) => cell.textContent?.trim())).toEqual(["not defined", "not defined"]);
    expect(page.text("verdict-0")).toContain("no order of pixels");
    // Nothing is drawn, so there is nothing to name, and nothing to drag.
    expect(page.root.querySelector(".keys-of-lines")?.textContent?.trim()).toBe("");
  });

  test("a map that cannot be judged says why, as text, and the others are judged", async () => {
    const page = await judged({ compare: CAM }, { trialFail: 1 });
    expect(page.text("trial-error-1")).toContain("got NaN in 12 pixels");
    expect(page.get("trial-error-1").querySelector("b")).toBeNull();
    expect(page.get("auc-deletion-1")).toBeNull();
    expect(page.line("deletion", 1)).toBeNull();
    expect(page.text("auc-deletion-0")).toMatch(/^0\./);
  });

  test("a map that could not be judged can be tried again", async () => {
    const page = await judged({}, { trialFail: 0 });
    const asked: unknown[] = [];
    const send = page.kernel.send.bind(page.kernel);
    page.kernel.send = (message: never, ...rest: never[]) => {
      asked.push(message);
      return send(message, ...rest);
    };
    page.get("try-again-0").click();
    expect(asked).toMatchObject([{ request: "run", what: "trial" }]);
  });

  test("a page without a kernel says that its trial was cut short", async () => {
    const page = await judged({}, { trialStop: "running" });
    await until(() => expect(page.line("deletion", 0)).not.toBeNull());
    expect(page.get("cut-short")).toBeNull();
    page.kernel.emit("msg:custom", { event: "info", info: { ...INFO, offline: true } }, []);
    await frame();
    expect(page.text("cut-short")).toContain("exported before the trial was over");
    expect(page.get("stop-trial")).toBeNull();
  });

  test("a panel made of others is not judged itself", async () => {
    const page = await judged({ compare: [...CAM, { difference: [0, 1] }] });
    const rows = page.get("trial-table").querySelectorAll("tbody tr");
    expect(rows[2].textContent).toContain("Made of other panels");
  });

  test("the map as the weights are randomised", async () => {
    const page = await judged({ trial: { ...SETTINGS, randomise: true } });
    await until(() => expect(page.get("stages").children).toHaveLength(7));
    expect(page.text("mean-0")).toMatch(/^0\.\d/);
    expect(page.text("stages")).toContain("as trained");
    expect(page.text("stages")).toMatch(/layer4.+rank 0\.24 SSIM 0\.19/);
    expect(page.get("stages").querySelectorAll("canvas")).toHaveLength(7);
  });
});

describe("how it is asked", () => {
  test("it opens and closes with one commit each, and loads nothing before", async () => {
    const page = await open({ traits: { method: "saliency" } });
    expect(page.get("plot-deletion")).toBeNull();
    await until(() => expect(page.get("put-on-trial")).not.toBeNull());
    page.get("put-on-trial").click();
    expect(page.kernel.sent).toEqual(["save trial"]);
    expect(page.kernel.get("trial")).toEqual(USUAL);
    await until(() => expect(page.get("verdict-0")).not.toBeNull());
    page.get("end-trial").click();
    await frame();
    expect(page.kernel.get("trial")).toBeNull();
    expect(page.get("plot-deletion")).toBeNull();
  });

  test("another replacement brings its own controls, and finds them again", async () => {
    const page = await judged();
    const pick = (kind: string) => {
      const select = page.get<HTMLSelectElement & HTMLInputElement>("replacement");
      select.value = kind;
      select.dispatchEvent(new Event("change", { bubbles: true }));
    };
    const now = () => (page.kernel.get("trial") as Trial["curves"] & typeof SETTINGS).replacement;
    pick("blur");
    await frame();
    expect(now()).toEqual({ kind: "blur", sigma: 12 });
    expect(page.kernel.sent).toEqual(["save trial"]);
    page.kernel.set("trial", { ...SETTINGS, replacement: { kind: "blur", sigma: 3 } });
    await frame();
    pick("mean");
    await frame();
    expect(now()).toEqual({ kind: "mean" });
    pick("blur");
    expect(now()).toEqual({ kind: "blur", sigma: 3 });
  });

  test("steps and randomisation keep the rest", async () => {
    const page = await judged();
    page.get("trial-steps").querySelectorAll("button")[2].click();
    await frame();
    page.get("randomise").click();
    expect(page.kernel.get("trial")).toEqual({ ...SETTINGS, steps: 32, randomise: true });
  });

  test("a kernel that puts nothing on trial offers nothing", async () => {
    const { kernel, get } = await open({ traits: { method: "saliency" } });
    await until(() => expect(get("put-on-trial")).not.toBeNull());
    const { replacements: _, ...info } = { ...INFO, replacements: [] };
    kernel.emit("msg:custom", { event: "info", info }, []);
    await frame();
    expect(get("trial").hidden).toBe(true);
  });

  test("curves are told apart on either ground", () => {
    for (const dark of [false, true]) {
      const colours = [0, 1, 2, 3, 4, 5].map((panel) => colourOf(panel, dark));
      expect(new Set(colours).size).toBe(6);
      // White, and the lighter of the dark grounds, that of JupyterLab.
      const ground = luminance(dark ? [33, 33, 33] : [255, 255, 255]);
      for (const colour of colours) {
        const own = luminance((colour.match(/\d+/g) ?? []).map(Number));
        const [low, high] = [own, ground].sort((a, b) => a - b);
        expect((high + 0.05) / (low + 0.05), colour).toBeGreaterThanOrEqual(3);
      }
    }
  });
});

const CURVE: TrialCurve = {
  kind: "deletion",
  scores: [1, 0],
  top: [0, 1],
  auc: 0.5,
  replaced: "white",
  pictures: null,
  blurred: null,
  random: null,
  ratio: null,
  ratio_low: null,
  ratio_high: null,
  beaten: null,
  protocol: "",
};
const TRIAL: Trial = {
  panel: 0,
  job: 1,
  stage: "final",
  title: "Saliency",
  target: 0,
  target_label: "fox",
  output: "probability",
  points: 2,
  at: [0, 1],
  fractions: [0, 1],
  ranks: "ranks",
  labels: {},
  curves: [CURVE],
  sentence: "It passes.",
  notes: [],
  seconds: 0,
  error: null,
  randomisation: null,
};

describe("the host", () => {
  let port: StubPort;
  let host: Host;
  const deliver = (more: Partial<Trial> = {}) =>
    port.deliver({ event: "trial", trial: { ...TRIAL, ...more } });
  const set = (trial: Traits["trial"]) => {
    port.values.trial = trial;
    port.change("trial");
  };

  beforeEach(() => {
    port = new StubPort();
    port.values.trial = SETTINGS;
    host = new Host(port, life.signal);
    deliverBlobs(port);
    port.blob("ranks", new Uint8Array(4), [2, 2]);
    port.blob("white", new Uint8Array(12), [2, 2, 3]);
  });

  test("keeps a trial with its arrays", async () => {
    deliver();
    await settle();
    expect(host.tried.value[0]?.trial.sentence).toBe("It passes.");
    expect([...(host.tried.value[0]?.arrays.keys() ?? [])]).toEqual(["ranks", "white"]);
  });

  test("is not told of what is gone when a newer trial has come", async () => {
    deliver({ ranks: "early", stage: "partial" });
    deliver();
    port.answer("blobs", { status: "error", error: { type: "SaliscopeError", message: "gone" } });
    await settle();
    expect(host.problem.value).toBeNull();
    expect(host.tried.value[0]?.trial.stage).toBe("final");
    port.sent.length = 0;
    deliver({ ranks: "lost" });
    port.answer("blobs", { status: "error", error: { type: "SaliscopeError", message: "gone" } });
    await settle();
    expect(host.problem.value).toBe("gone");
    deliver();
    expect(host.problem.value).toBeNull();
  });

  test("does not take a trial for the map that is gone", async () => {
    port.result({ map: "lost" });
    port.answer("blobs", { status: "error", error: { type: "SaliscopeError", message: "gone" } });
    await settle();
    deliver();
    await settle();
    expect(host.problem.value).toBe("gone");
    port.result();
    expect(host.problem.value).toBeNull();
  });

  test("takes the work's state under the event's own name", () => {
    port.deliver({
      event: "trialstate",
      trialstate: { ...host.trialState.value, phase: "running", done: 3 },
    });
    expect(host.trialState.value).toMatchObject({ phase: "running", done: 3 });
  });

  test("a trial that nobody wants any more is not shown", async () => {
    set(null);
    deliver();
    await settle();
    expect(host.tried.value).toEqual([null]);
  });

  test("other settings outdate the curves, until theirs come; the strip is no other question", async () => {
    deliver();
    await settle();
    set({ ...SETTINGS, randomise: true });
    expect(host.tried.value[0]?.outdated).toBe(false);
    set({ ...SETTINGS, steps: 64 });
    expect(host.tried.value[0]?.outdated).toBe(true);
    deliver({ sentence: "Again." });
    await settle();
    expect(host.tried.value[0]).toMatchObject({ outdated: false, trial: { sentence: "Again." } });
    set(null);
    expect(host.tried.value).toEqual([null]);
  });
});

test("a trial of an earlier map is marked, and its pictures are not shown", async () => {
  const page = await judged();
  await key(page, "deletion", "ArrowRight");
  expect(page.get("fed")).not.toBeNull();
  page.kernel.set("trial", { ...SETTINGS, steps: 16 });
  await frame();
  expect(page.line("deletion", 0)?.hasAttribute("data-stale")).toBe(true);
  expect(page.text("trial-table")).toContain("of the previous setting");
  expect(page.get("plot-deletion").innerHTML).not.toMatch(/NaN|Infinity/);
  expect(page.get("fed")).toBeNull();
});

describe("a page without a kernel", () => {
  async function saved(trial: Trial) {
    const bytes = new Map<string, Uint8Array>();
    const blobs: Record<string, object> = {};
    const put = (hash: string, dtype: string, shape: number[], size: number) => {
      bytes.set(hash, new Uint8Array(size));
      blobs[hash] = { dtype, shape, scale: 1, order: 0, data: "" };
    };
    put("picture", "uint8", [2, 2, 3], 12);
    put("map", "float16", [2, 2], 8);
    put("ranks", "uint16", [2, 2], 8);
    put("white", "uint8", [2, 2, 3], 12);
    const events = [
      { event: "info", info: { ...INFO, luts: {} } },
      { event: "result", result: { ...RESULT, job: 41 } },
      { event: "trial", trial },
    ];
    const traits = { trial: SETTINGS, compare: [] };
    const data = { traits, events, answers: {}, record: null, blobs };
    const port = new OfflinePort(data as never, bytes);
    const host = new Host(port, life.signal);
    host.open(life.signal);
    await settle();
    return host;
  }

  test("tells its trial, of the map that it shows", async () => {
    const host = await saved({ ...TRIAL, job: 41 });
    const job = host.drawables.value[0]?.result.job;
    expect(job).toBeGreaterThan(0);
    expect(host.tried.value[0]?.trial).toMatchObject({ job, sentence: "It passes." });
  });

  test("does not give an older map's trial to a newer one", async () => {
    const host = await saved({ ...TRIAL, job: 40 });
    expect(host.tried.value[0]?.trial.job).not.toBe(host.drawables.value[0]?.result.job);
  });

  test("walks its curves, and asks for no others", async () => {
    const host = await saved({ ...TRIAL, job: 41 });
    host.commit({ taken: 1, curve: "insertion" });
    host.commit({ trial: { ...SETTINGS, steps: 64 } });
    await settle();
    expect(host.traits.value).toMatchObject({ taken: 1, curve: "insertion", trial: SETTINGS });
    expect(host.tried.value[0]).not.toBeNull();
  });
});
