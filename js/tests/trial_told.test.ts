// @vitest-environment jsdom
/** What the page makes of the messages of a trial, of those on the way and of those that lack something. */
import { describe, expect, test } from "vitest";
import { whole } from "../host/results.js";
import type { PanelSpec, Trial, TrialCurve } from "../lib/wire.js";
import { USUAL } from "../views/saliency/trial/fold.js";
import { frame, open, press, until } from "./page.js";

const CURVE: TrialCurve = {
  kind: "deletion",
  scores: [1, 0.4, 0],
  top: [0, 0, 1],
  auc: 0.5,
  replaced: null,
  pictures: null,
  blurred: { scores: [1, 0.5, 0], auc: 0.6 },
  random: {
    n: 20,
    fractions: [0, 1],
    mean: [1, 0],
    low: [1, 0],
    high: [1, 0],
    auc: 0.5,
    auc_low: 0.4,
    auc_high: 0.6,
  },
  ratio: 1,
  ratio_low: 0.9,
  ratio_high: null,
  beaten: 0.5,
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
  points: 3,
  at: [0, 1, 2],
  fractions: [0, 0.5, 1],
  ranks: "",
  labels: null,
  curves: [CURVE, { ...CURVE, kind: "insertion" }],
  sentence: "",
  notes: [],
  seconds: 0,
  error: null,
  randomisation: null,
};
/** Of a panel that could not be judged. */
const FAILED: Partial<Trial> = {
  stage: "error",
  points: 0,
  at: [],
  fractions: [],
  curves: [],
  error: { type: "ValueError", message: "no" },
};
/** As JSON says what is not a number. */
const NOTHING = null as unknown as number;

const both = (more: Partial<TrialCurve>) => TRIAL.curves.map((curve) => ({ ...curve, ...more }));

/** A page whose kernel judges nothing by itself. */
async function asked(compare: PanelSpec[] = []) {
  const traits = { trial: USUAL, method: "saliency", compare };
  const page = await open({ traits, trialStop: "error" });
  await until(() => expect(page.get("trial-table")).not.toBeNull());
  const tell = async (more: Partial<Trial> = {}) => {
    const job = Number(page.get("explorer").dataset.job) + (more.panel ?? 0);
    page.kernel.emit("msg:custom", { event: "trial", trial: { ...TRIAL, job, ...more } }, []);
    await frame();
  };
  const plot = (kind = "deletion") => page.get(`plot-${kind}`);
  const keys = () => page.root.querySelector(".keys-of-lines")?.textContent ?? "";
  const row = (panel = 0) => page.get("trial-table").querySelectorAll("tbody tr")[panel].textContent ?? "";
  return { ...page, tell, plot, keys, row };
}

describe("a message", () => {
  test("that says all is taken as it is", () => {
    expect(whole(TRIAL)).toEqual(TRIAL);
    const begun = {
      ...TRIAL,
      stage: "partial" as const,
      at: [],
      fractions: [],
      curves: both({ scores: [], blurred: null }),
    };
    expect(whole(begun)).toEqual(begun);
  });

  test.each<[string, Partial<Trial>]>([
    ["a score is no number", { curves: both({ scores: [1, NOTHING, 0] }) }],
    ["scores are fewer than points", { curves: both({ scores: [1, 0] }) }],
    ["scores are more than points", { curves: both({ scores: [1, 1, 0, 0] }) }],
    ["a share is no number", { fractions: [0, NOTHING, 1] }],
    ["shares are fewer than points", { fractions: [0, 1] }],
  ])("loses its curves where %s", (_, more) => {
    expect(whole({ ...TRIAL, ...more }).curves).toEqual([]);
  });

  test("keeps its curve without what cannot be drawn beside it", () => {
    const { random } = CURVE;
    const found = whole({
      ...TRIAL,
      curves: both({ blurred: { scores: [1], auc: null }, random: random && { ...random, low: [1] } }),
    });
    expect(found.curves).toEqual(both({ blurred: null, random: null }));
  });
});

describe("the page", () => {
  test.each<[string, number, Partial<Trial>]>([
    [
      "no points",
      0,
      { at: [], fractions: [], curves: both({ scores: [], top: [], auc: null, blurred: null }) },
    ],
    [
      "one point",
      1,
      { at: [0], fractions: [0], curves: both({ scores: [1], top: [0], auc: null, blurred: null }) },
    ],
    ["no numbers", 0, { curves: both({ scores: [1, NOTHING, 0] }) }],
    ["too few numbers", 0, { curves: both({ scores: [1] }) }],
    ["nothing but its name", 0, { points: 0, at: [], fractions: [], curves: [] }],
  ])("goes on after a message with %s", async (_, lines, more) => {
    const page = await asked();
    await page.tell({ stage: "partial", ...more });
    expect(page.plot().querySelectorAll(".own")).toHaveLength(lines);
    expect(page.plot().getAttribute("aria-disabled")).toBe(String(!lines));
    for (const key of ["ArrowRight", "End"]) press(page.plot(), key);
    await frame();
    const drawn = page.root.querySelector(".judged")?.innerHTML ?? "";
    expect(drawn).not.toMatch(/NaN|Infinity|undefined"|\u221e/);
    expect(page.row()).not.toContain("not defined");
    await page.tell();
    expect(page.plot().querySelector(".own")?.getAttribute("d")?.split("L")).toHaveLength(3);
    expect(page.row()).toContain("0.500");
  });

  test("calls what a finished trial lacks not defined", async () => {
    const page = await asked();
    await page.tell({ curves: TRIAL.curves.slice(0, 1) });
    expect(page.get("auc-deletion-0").textContent).toBe("0.500");
    expect(page.get("auc-insertion-0").textContent).toBe("not defined");
    expect(page.row()).not.toContain("\u2026");
  });

  test("gives random orders no area before their curves are complete", async () => {
    const page = await asked();
    const { random } = CURVE;
    const growing = random && { ...random, auc: null, auc_low: null, auc_high: null };
    await page.tell({ stage: "partial", curves: both({ random: growing, auc: null }) });
    const cells = [...page.get("trial-table").querySelectorAll(".of-random td")];
    expect(cells.map((cell) => cell.textContent?.trim())).toEqual(["\u2026", "", "\u2026", ""]);
    await page.tell();
    expect(page.row(1)).toMatch(/0\.500\s+95 % from 0\.400 to 0\.600/);
  });

  test("counts halves of the random orders, as the sentence does", async () => {
    const page = await asked();
    await page.tell({ curves: both({ beaten: 0.975 }) });
    expect(page.row()).toContain("19.5 of 20");
    await page.tell({ curves: both({ beaten: 19 / 20 }) });
    expect(page.row()).toContain("19 of 20");
  });

  test("shows probabilities that are small throughout on an axis of their own", async () => {
    const page = await asked();
    const { random } = CURVE;
    const band = random && { ...random, mean: [0, 0], low: [0, 0], high: [0.0012, 0] };
    const small = { scores: [0.0015, 0.0004, 0], auc: 0.000512, blurred: null, random: band };
    await page.tell({ curves: both(small) });
    const path = page.plot().querySelector(".own")?.getAttribute("d") ?? "";
    const heights = [...path.matchAll(/[ML]\S+ ([\d.]+)/g)].map(([, y]) => Number(y));
    expect(heights[2] - heights[0]).toBeGreaterThan(100);
    expect(page.row()).toContain("5.12e\u22124");
    press(page.plot(), "ArrowRight");
    await frame();
    expect(page.plot().querySelector(".point")?.textContent?.trim()).toBe("4.0e\u22124");
    // One without scores yet has no say in it.
    page.kernel.set("compare", [{ method: "grad_cam" }]);
    const begun = both({ scores: [], top: [], auc: null, blurred: null, random: null });
    await page.tell({ panel: 1, stage: "partial", at: [], fractions: [], curves: begun });
    expect(page.plot().querySelector(".own")?.getAttribute("d")).toBe(path);
    page.kernel.set("compare", []);
    // Beside one that is not small, the axis is the usual one.
    await page.tell({ curves: both({ ...small, scores: [0.3, 0.0004, 0] }) });
    expect(page.plot().querySelector(".axes")?.textContent).toContain("1.0");
    expect(page.plot().querySelector(".point")?.textContent?.trim()).toBe("< 0.01");
  });

  test("draws no curve of another score beside the leading one's", async () => {
    const page = await asked([{ method: "grad_cam" }]);
    await page.tell();
    await page.tell({
      panel: 1,
      output: "price",
      curves: both({ scores: [-81, -82, -83], blurred: null, random: null }),
    });
    expect(page.plot().querySelectorAll(".line")).toHaveLength(1);
    expect(page.plot().querySelector(".scored")?.textContent).toBe("probability of fox");
    expect(page.keys()).toMatch(/2.+another score/s);
    page.kernel.set("panel", 1);
    await frame();
    expect(page.plot().querySelector(".scored")?.textContent).toBe("price of fox");
    expect(page.plot().querySelector(".axes")?.textContent).toContain("\u221282");
  });

  test("keeps curves of the previous setting beside a panel that could not be judged", async () => {
    const page = await asked([{ method: "grad_cam" }]);
    await page.tell({ panel: 1 });
    page.kernel.set("trial", { ...USUAL, steps: 64 });
    await page.tell({ ...FAILED, output: "score" });
    expect(page.plot().querySelectorAll(".line[data-stale]")).toHaveLength(1);
  });

  test.each<[string, Partial<Trial>]>([
    ["Not computed yet", { stage: "partial", at: [], fractions: [], curves: [] }],
    ["Not defined", { curves: both({ auc: null }) }],
    ["Could not be judged", FAILED],
  ])("says that a curve is missing: %s", async (said, more) => {
    const page = await asked();
    expect(page.plot().getAttribute("aria-valuetext")).toBe("Not computed yet");
    await page.tell(more);
    expect(page.plot().getAttribute("aria-valuetext")).toBe(said);
  });

  test("draws a curve that is level, whatever its height", async () => {
    const page = await asked();
    for (const height of [0, 0.3, -1e20, 1e-14]) {
      // As far as rounding lets it be.
      const level = { scores: [height, height * (1 + 1e-15), height], blurred: null, random: null };
      await page.tell({ output: "logit", curves: both(level) });
      const path = page.plot().querySelector(".own")?.getAttribute("d") ?? "";
      const heights = [...path.matchAll(/[ML]\S+ ([\d.]+)/g)].map(([, y]) => Number(y));
      expect(new Set(heights).size).toBe(1);
      expect(heights).toHaveLength(3);
      expect(heights[0]).toBeGreaterThan(20);
      expect(heights[0]).toBeLessThan(Number(page.plot().querySelector("svg")?.getAttribute("height")));
    }
  });

  test("names the blurred copy where its line is drawn, and only there", async () => {
    const page = await asked([{ method: "grad_cam" }, { difference: [0, 1] }]);
    await page.tell();
    for (const panel of [0, 2, 1]) {
      page.kernel.set("panel", panel);
      await frame();
      expect(page.plot().querySelectorAll(".blurred")).toHaveLength(1);
      expect(page.keys()).toContain("blurred");
    }
    // Its order is the seed's: as with the map's own curve, there is nothing to draw.
    await page.tell({ curves: both({ blurred: { scores: [1, 0.5, 0], auc: null } }) });
    expect(page.plot().querySelector(".blurred")).toBeNull();
    expect(page.keys()).not.toContain("blurred");
  });

  test("tells the scores where a pointer is, and shows nothing else yet", async () => {
    const page = await asked();
    await page.tell();
    page.kernel.sent.length = 0;
    const plot = page.plot();
    let held = false;
    Object.assign(plot, { hasPointerCapture: () => held, setPointerCapture: () => (held = true) });
    // The middle of a plot that is 900 wide, between its two margins.
    const pointer = async (kind: string, pointerType = "mouse", clientX = 466) => {
      plot.dispatchEvent(Object.assign(new MouseEvent(kind, { clientX }), { pointerType }));
      await frame();
      return plot.querySelector(".point");
    };
    expect(await pointer("pointermove", "touch")).toBeNull();
    expect((await pointer("pointermove"))?.textContent?.trim()).toBe("0.40");
    expect(plot.querySelector(".point")?.hasAttribute("data-ahead")).toBe(true);
    expect(plot.querySelector(".handle circle")?.getAttribute("cx")).toBe("46");
    expect(page.get("show-maps")).toBeNull();
    expect(await pointer("pointerleave")).toBeNull();
    expect((await pointer("pointerdown"))?.hasAttribute("data-ahead")).toBe(false);
    expect(plot.querySelector(".handle circle")?.getAttribute("cx")).toBe("466");
    expect(page.get("show-maps")).not.toBeNull();
    expect(page.kernel.sent).toEqual([]);
    // Let go elsewhere, and left: the scores are those of where the pointer is by then.
    await pointer("pointermove", "mouse", 886);
    held = false;
    await pointer("dblclick");
    expect(plot.querySelector(".point")?.textContent?.trim()).toBe("0.00");
  });

  test("offers no handle where there is nothing to hold", async () => {
    const page = await asked();
    expect(page.plot().querySelector(".handle, .rail")).toBeNull();
    await page.tell();
    expect(page.plot().querySelectorAll(".handle, .rail")).toHaveLength(2);
    page.kernel.set("trial", { ...USUAL, steps: 64 });
    await frame();
    expect(page.plot().querySelector(".handle, .rail")).toBeNull();
  });

  test("gives no curve to a panel that is made of others by now", async () => {
    const page = await asked([{ method: "grad_cam" }, { method: "occlusion" }]);
    await page.tell();
    await page.tell({ panel: 2 });
    expect(page.plot().querySelectorAll(".line")).toHaveLength(2);
    page.kernel.set("compare", [{ method: "grad_cam" }, { difference: [0, 1] }]);
    await frame();
    expect(page.plot().querySelectorAll(".line")).toHaveLength(1);
    expect(page.row(2)).toContain("Made of other panels");
  });
});
