// @vitest-environment jsdom
/** What the reader can do beside looking: occlude, paint a baseline, follow the path, undo. */
import { describe, expect, test, vi } from "vitest";
import type { FakeKernel } from "../demo/kernel.js";
import type { Baseline, Drawable, PanelSpec, Region } from "../lib/wire.js";
import { Smoother } from "../render/smooth.js";
import { ranked } from "../views/saliency/top.js";
import { drag, frame, media, open, pixels, press, release, until } from "./page.js";

const region: Region = { rect: [2, 2, 6, 4] };
const final = (get: (id: string) => HTMLElement, id: string) =>
  until(() => expect(get(id).dataset.stage).toBe("final"));

/** Lets every request of this kind fail with these words. */
function refuse(kernel: FakeKernel, kind: string, message: string) {
  const send = kernel.send.bind(kernel);
  vi.spyOn(kernel, "send").mockImplementation((content) => {
    const { id, request } = content as { id: string; request: string };
    if (request !== kind) return send(content);
    kernel.sent.push(request);
    kernel.emit("msg:custom", { answer: id, status: "error", error: { type: "Error", message } }, []);
  });
}

describe("occlusion", () => {
  test("asks the active panel's question again, and says what the score did", async () => {
    const { kernel, get } = await open({ traits: { region } });
    const before = get("explorer").dataset.job;
    get("occlude").click();
    expect(kernel.sent).toEqual(["save occlusion"]);
    expect(kernel.get("occlusion")).toEqual({ region, fill: { kind: "blur", sigma: 12 } });
    expect(get("occlude-outcome")).toBeNull(); // what is on screen is still the whole picture's
    await until(() => expect(get("explorer").dataset.job).not.toBe(before));
    await until(() => expect(get("explorer").dataset.stage).toBe("final"));
    await until(() => expect(get("occlude-outcome").textContent).toMatch(/11\.6\s+\u2192\s+\d/));
    get("occlude-remove").click();
    expect(kernel.get("occlusion")).toBeNull();
    await until(() => expect(get("occlude-outcome")).toBeNull());
  });

  test("of a further panel is an override of its own", async () => {
    const { kernel, get } = await open({ traits: { region, compare: [{ n_steps: 4 }], panel: 1 } });
    const fill = get("occlude-fill");
    fill.value = "white";
    fill.dispatchEvent(new Event("change"));
    get("occlude").click();
    expect(kernel.get("compare")).toEqual([{ n_steps: 4, occlusion: { region, fill: { kind: "white" } } }]);
    expect(kernel.get("occlusion")).toBeNull();
  });

  test("beside the whole picture: a panel more, and both scores", async () => {
    const { kernel, get } = await open({ traits: { region } });
    get("occlude-compare").click();
    expect(kernel.get("compare")).toEqual([{ occlusion: { region, fill: { kind: "blur", sigma: 12 } } }]);
    await final(get, "panel-map-1");
    await until(() => expect(get("occlude-outcome").textContent).toMatch(/11\.6\s+\u2192\s+\d/));
  });

  test("where the whole picture was never shown there is only the score after", async () => {
    const occlusion = { region, fill: { kind: "black" } };
    const { get } = await open({ traits: { region, occlusion } });
    expect(get("occlude-outcome").textContent).not.toContain("\u2192");
    expect(get("occlude-outcome").textContent).toContain("with the region covered");
  });

  test("a map made of others cannot be asked; nor is there room for a seventh panel", async () => {
    const compare: PanelSpec[] = [{ n_steps: 4 }, { difference: [0, 1] }];
    const { kernel, get } = await open({ traits: { region, compare, panel: 2 } });
    expect(get("occlude").disabled).toBe(true);
    kernel.set("panel", 0);
    kernel.set("compare", Array(5).fill({ n_steps: 4 }));
    await frame();
    expect(get("occlude").disabled).toBe(false);
    expect(get("occlude-compare").disabled).toBe(true);
  });
});

describe("a painted baseline", () => {
  test("takes the region that is there; the rest is the baseline before", async () => {
    const { kernel, get } = await open({ traits: { region } });
    get("baseline-painted").click();
    expect(kernel.get("baseline")).toEqual({
      kind: "painted",
      region,
      fill: { kind: "white" },
      rest: { kind: "black" },
    });
    const change = (id: string, value: string) => {
      get(id).value = value;
      get(id).dispatchEvent(new Event("change"));
      return kernel.get("baseline") as Baseline;
    };
    expect(change("painted-fill", "grey").fill).toEqual({ kind: "grey", level: 0.5 });
    expect(change("painted-rest", "picture").rest).toBeNull();
  });

  test("without a region lets one be painted, and follows the brush from then on", async () => {
    const { kernel, root, get } = await open();
    get("baseline-painted").click();
    expect(kernel.sent).toEqual([]);
    expect(get("tool").dataset.value).toBe("brush");
    expect(root.textContent).toContain("what is painted gets filled");
    const view = get("panel-map").querySelector(".view") as HTMLElement;
    press(view, "ArrowRight");
    press(view, "Enter");
    expect(kernel.sent).toEqual(["save baseline region"]);
    const first = kernel.get("baseline") as Baseline;
    expect(first.kind).toBe("painted");
    for (let i = 0; i < 3; i++) press(view, "ArrowRight");
    press(view, "Enter");
    const second = kernel.get("baseline") as Baseline;
    expect(second.region).not.toEqual(first.region);
    expect(second.region).toEqual(kernel.get("region"));
    expect(second.rest).toEqual({ kind: "black" });
  });

  test("lets the brush go, and takes its region when asked to", async () => {
    const { kernel, get } = await open({ traits: { region } });
    get("baseline-painted").click();
    get("painted-follow").click();
    const view = get("panel-map").querySelector(".view") as HTMLElement;
    get("tool-rectangle").click();
    press(view, "ArrowRight");
    expect((kernel.get("baseline") as Baseline).region).toEqual(region);
    get("painted-take").click();
    expect((kernel.get("baseline") as Baseline).region).toEqual({ rect: [3, 2, 6, 4] });
  });

  test("that Python replaces is not painted over by the next stroke", async () => {
    const { kernel, get } = await open({ traits: { region } });
    get("baseline-painted").click();
    get("tool-brush").click();
    kernel.set("baseline", { kind: "white" });
    const view = get("panel-map").querySelector(".view") as HTMLElement;
    press(view, "ArrowRight");
    press(view, "Enter");
    expect(kernel.get("baseline")).toEqual({ kind: "white" });
  });

  test("is not painted for another panel by a stroke over its picture", async () => {
    const { kernel, get } = await open({ traits: { region, compare: [{ n_steps: 4 }] } });
    get("baseline-painted").click();
    get("tool-eraser").click();
    const view = get("panel-map-1").querySelector(".view") as HTMLElement;
    view.focus();
    press(view, "ArrowRight");
    press(view, "Enter");
    expect(kernel.get("panel")).toBe(0);
    expect(kernel.get("compare")).toEqual([{ n_steps: 4 }]);
    expect((kernel.get("baseline") as Baseline).region).toEqual(kernel.get("region"));
    expect(kernel.get("region")).not.toEqual(region);
  });

  test("another chip ends it", async () => {
    const { kernel, get } = await open({ traits: { region } });
    get("baseline-painted").click();
    get("baseline-white").click();
    expect(kernel.get("baseline")).toEqual({ kind: "white" });
    kernel.sent.length = 0;
    press(get("panel-map").querySelector(".view") as HTMLElement, "Delete");
    expect(kernel.sent).toEqual(["save region"]);
  });
});

describe("along the path", () => {
  const gradient = (root: HTMLElement) =>
    root.querySelectorAll<HTMLElement>('[data-testid="along"] [role=radio]')[1];

  test("gradients are asked for once for each map, and drawn", async () => {
    const compare: PanelSpec[] = [{ n_steps: 4 }, { method: "saliency" }];
    const { kernel, root, get } = await open({ traits: { compare } });
    await final(get, "panel-map-1");
    const before = pixels(get("panel-map"));
    gradient(root).click();
    expect(kernel.sent).toEqual(["gradients", "gradients", "save along"]);
    expect(root.textContent).toContain("Fetching the gradients");
    await until(() => expect(root.textContent).toContain("logit per unit of input"));
    await until(() => expect(pixels(get("panel-map"))).not.toEqual(before));
    expect(root.textContent).not.toContain("Fetching");
    kernel.sent.length = 0;
    get("refine").click();
    await until(() => expect(kernel.sent).toContain("gradients"));
    expect(kernel.sent.filter((kind) => kind === "gradients")).toHaveLength(1);
  });

  test("without them the reason stands beside the choice, and nowhere else", async () => {
    const { kernel, root, get } = await open();
    refuse(kernel, "gradients", "No memory for <b>that</b>.");
    gradient(root).click();
    await until(() => expect(root.textContent).toContain("No gradients: No memory for <b>that</b>."));
    expect(get("error")).toBeNull();
    root.querySelector<HTMLElement>('[data-testid="along"] [role=radio]')?.click();
    gradient(root).click();
    await frame();
    expect(kernel.sent.filter((kind) => kind === "gradients")).toHaveLength(1);
  });
});

describe("top predictions", () => {
  const probabilities = [3, 1, 2].map((index, i) => ({ index, label: `c${index}`, p: 0.5 - i / 5 }));
  const predictions = {
    job: 1,
    alphas: [0.25, 0.75],
    indices: [1, 2, 3, 4],
    labels: ["c1", "c2", "c3", "c4"],
    p: [
      [0.125, 0.2, 0.0, 0.7],
      [0.5, 0.0, 0.5, 0.0],
    ],
  };
  const drawable = { result: { probabilities }, predictions } as unknown as Drawable;
  const order = (alpha: number) =>
    [...ranked(drawable, alpha)].sort((a, b) => a.rank - b.rank).map(({ index }) => index);

  test("are linear between the kept points, and held beyond them", () => {
    const at = (alpha: number) => ranked(drawable, alpha).find(({ index }) => index === 1)?.p;
    expect([at(0), at(0.25), at(0.5), at(0.75), at(0.9)]).toEqual([0.125, 0.125, 0.3125, 0.5, 0.5]);
    expect(ranked(drawable, 1).map(({ p }) => p)).toEqual(probabilities.map(({ p }) => p));
  });

  test("change their places, never the order in which they are written", () => {
    expect(order(0.25)).toEqual([4, 2, 1, 3]);
    expect(order(0.7)[0]).toBe(1);
    for (const alpha of [0, 0.3, 0.6, 0.99])
      expect(ranked(drawable, alpha).map(({ index }) => index)).toEqual([3, 1, 2, 4]);
  });

  test("are asked for once when alpha rests below one, and said to be at alpha", async () => {
    const { kernel, get } = await open();
    expect(get("top5-at").textContent).toBe("for the input at alpha 1");
    for (const position of [900, 700, 100]) {
      drag(get("alpha"), position);
      await frame();
    }
    await new Promise((resolve) => setTimeout(resolve, 300));
    expect(kernel.sent).toEqual([]);
    expect(get("top5-at").textContent).toContain("let go for those at alpha 0.10");
    release(get("alpha"));
    await until(() => expect(kernel.sent).toContain("predictions"));
    await until(() => expect(get("top5-at").textContent).toBe("at alpha 0.10"));
    const shares = [...get("top5").querySelectorAll<HTMLElement>("i")].map((bar) =>
      parseFloat(bar.style.inlineSize),
    );
    expect(Math.max(...shares)).toBeCloseTo(29.2, 0);
    drag(get("alpha"), 300);
    release(get("alpha"));
    await new Promise((resolve) => setTimeout(resolve, 300));
    expect(kernel.sent.filter((kind) => kind === "predictions")).toHaveLength(1);
  });

  test("are asked for while alpha plays", async () => {
    const { kernel, get } = await open();
    get("play").click();
    await until(() => expect(kernel.sent).toEqual(["predictions"]));
  });

  test("that cannot be had leave those of the input, and say why", async () => {
    media.reducedMotion = true;
    const { kernel, get } = await open();
    refuse(kernel, "predictions", "Nobody there.");
    drag(get("alpha"), 500);
    release(get("alpha"));
    await until(() => expect(get("top5-at").textContent).toContain("none at alpha 0.50: Nobody there."));
    expect(get("top5").querySelectorAll("li")).toHaveLength(5);
    expect(get("error")).toBeNull();
  });

  test("a click asks about a class, in the active panel's own question", async () => {
    const { kernel, get } = await open({ traits: { compare: [{ n_steps: 4 }], panel: 1 } });
    await final(get, "panel-map-1");
    get("top5").querySelectorAll("button")[1].click();
    expect(kernel.get("compare")).toEqual([{ n_steps: 4, target: 5 }]);
  });

  test("of a map made of others are those of the first, and ask nothing", async () => {
    const compare: PanelSpec[] = [{ n_steps: 4 }, { difference: [1, 0] }];
    const { get } = await open({ traits: { compare, panel: 2 } });
    await final(get, "panel-map-1");
    await until(() => expect(get("top5").parentElement?.textContent).toContain("of panel 2"));
    expect(get("top5").querySelector("button")?.disabled).toBe(true);
  });
});

describe("undo", () => {
  test("goes back and forth, and the kernel hears of it as of any change", async () => {
    const { kernel, get } = await open();
    drag(get("opacity"), 200);
    release(get("opacity"));
    get("baseline-white").click();
    kernel.sent.length = 0;
    press(get("explorer"), "z");
    expect(kernel.get("baseline")).toEqual({ kind: "black" });
    press(get("explorer"), "z");
    expect(kernel.get("opacity")).toBe(0.85);
    press(get("explorer"), "Z", { shiftKey: true });
    expect(kernel.get("opacity")).toBe(0.2);
    expect(kernel.sent).toEqual(["save baseline", "save opacity", "save opacity"]);
  });

  test("undoes what Python did; the theme and the active panel are left alone", async () => {
    const { kernel, get } = await open({ traits: { compare: [{ n_steps: 4 }] } });
    kernel.set("sign", "positive");
    await frame();
    kernel.set("theme", "dark");
    kernel.set("panel", 1);
    await frame();
    press(get("explorer"), "z");
    expect([kernel.get("sign"), kernel.get("theme"), kernel.get("panel")]).toEqual(["both", "dark", 1]);
  });

  test("of a painted baseline takes its region along", async () => {
    const { kernel, get } = await open();
    get("baseline-painted").click();
    const view = get("panel-map").querySelector(".view") as HTMLElement;
    press(view, "ArrowRight");
    press(view, "Enter");
    press(get("explorer"), "z");
    expect([kernel.get("baseline"), kernel.get("region")]).toEqual([{ kind: "black" }, null]);
    expect(get("baseline-black").getAttribute("aria-checked")).toBe("true");
  });
});

describe("the side panel", () => {
  test("smoothing redraws without a message, and the legend says so", async () => {
    const { kernel, get } = await open();
    const before = pixels(get("panel-map"));
    drag(get("smoothing"), 200);
    await frame();
    expect(kernel.sent).toEqual([]);
    expect(pixels(get("panel-map"))).not.toEqual(before);
    expect(get("smoothed").textContent).toBe("smoothed, sigma 4.0 px");
    release(get("smoothing"));
    expect(kernel.get("smoothing")).toBe(4);
  });

  test("a map is smoothed once for its limit and its picture, and again only on its way", async () => {
    const difference: PanelSpec[] = [{ n_steps: 4 }, { difference: [0, 1] }];
    const { get } = await open({ traits: { compare: difference } });
    await final(get, "panel-map-2");
    const smooth = vi.spyOn(Smoother.prototype, "smooth");
    const sigmas = () => smooth.mock.calls.map(([, , , sigma]) => sigma).filter(Boolean);
    drag(get("smoothing"), 200);
    await frame();
    expect(sigmas()).toEqual([4, 4, 4]);
    drag(get("opacity"), 300);
    await frame();
    expect(sigmas()).toHaveLength(3);
    const shown = pixels(get("panel-map"));
    drag(get("alpha"), 500);
    await frame();
    expect(sigmas().length).toBeGreaterThan(3);
    expect(pixels(get("panel-map"))).not.toEqual(shown);
  });

  test.each(["map", "multiply", "contour"])("overlay %s is one click away", async (overlay) => {
    const { kernel, get } = await open();
    const at = ["blend", "map", "multiply", "contour"].indexOf(overlay);
    get("overlay").querySelectorAll("button")[at].click();
    expect(kernel.get("overlay")).toBe(overlay);
  });

  test("the plain picture is there exactly while the button is held", async () => {
    const { kernel, get } = await open();
    const map = pixels(get("panel-map"));
    const held = async (type: string) => {
      get("peek").dispatchEvent(new MouseEvent(type, { bubbles: true }));
      await frame();
      return get("peek").getAttribute("aria-pressed");
    };
    expect(await held("pointerdown")).toBe("true");
    expect(pixels(get("panel-map"))).toEqual(pixels(get("panel-input")));
    expect(await held("pointerup")).toBe("false");
    expect(pixels(get("panel-map"))).toEqual(map);
    get("peek").dispatchEvent(new KeyboardEvent("keydown", { key: " ", bubbles: true, cancelable: true }));
    expect(get("peek").getAttribute("aria-pressed")).toBe("true");
    get("peek").dispatchEvent(new FocusEvent("blur"));
    expect(get("peek").getAttribute("aria-pressed")).toBe("false");
    expect(kernel.sent).toEqual([]);
  });

  test("each colour map shows its colours and says its name", async () => {
    const { kernel, get } = await open();
    const strips = [...get("colormap").querySelectorAll<HTMLElement>("[role=radio]")];
    expect(strips.map((strip) => strip.getAttribute("aria-label"))).toEqual(["diverging", "purple green"]);
    const colours = strips.map((strip) => strip.querySelector<HTMLElement>(".strip")?.getAttribute("style"));
    expect(colours[1]).toContain("rgb(64 0 75)");
    expect(new Set(colours).size).toBe(2);
    strips[1].click();
    expect(kernel.get("colormap")).toBe("purple_green");
  });

  test("a score is told in its own unit, which need not be the map's", async () => {
    const { root } = await open({ traits: { output: "probability" } });
    const terms = [...root.querySelectorAll(".inspector dt")];
    const score = terms.find((term) => term.textContent === "Score")?.nextElementSibling?.textContent;
    expect(score).toMatch(/^[\d.,\u2212]+\s+probability$/);
  });

  test("the facts name model, seed and occlusion of the active panel", async () => {
    const occlusion = { region, fill: { kind: "grey", level: 0.5 } };
    const noise = { kind: "noise", level: 0.2, seed: 7 };
    const compare: PanelSpec[] = [{ model: 1, baseline: noise, occlusion }];
    const { kernel, root, get } = await open({ models: 2, traits: { compare } });
    await final(get, "panel-map-1");
    const fact = (name: string) => {
      const term = [...root.querySelectorAll("dt")].find((dt) => dt.textContent === name);
      return term?.nextElementSibling?.textContent;
    };
    expect([fact("Model"), fact("Seed"), fact("Occluded")]).toEqual(["ResNet on cpu", undefined, undefined]);
    kernel.set("panel", 1);
    await frame();
    expect(fact("Model")).toBe("ConvNeXt on cpu");
    expect(fact("Seed")).toBe("7");
    expect(fact("Occluded")).toBe("6 \u00d7 4 px at 2, 2, filled with grey");
  });
});
