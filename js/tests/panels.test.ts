// @vitest-environment jsdom
/** Several panels: what each asks and shows, what is made of others, and what one does not do to the rest. */
import { describe, expect, test, vi } from "vitest";
import type { PanelSpec, Traits } from "../lib/wire.js";
import { Surface } from "../render/canvas.js";
import { columnsFor } from "../views/saliency/pictures.js";
import { without } from "../views/saliency/specs.js";
import { drag, frame, open, pictures, pixels, release, until } from "./page.js";

const IG_AND_CAM: PanelSpec[] = [{ method: "grad_cam" }];

async function panels(compare: PanelSpec[], traits: Partial<Traits> = {}, more = {}) {
  const page = await open({ pictures, traits: { compare, ...traits }, ...more });
  const questions = compare.flatMap((spec, i) => ("difference" in spec || "average" in spec ? [] : [i + 1]));
  await until(() => {
    for (const panel of questions) expect(page.get(`panel-map-${panel}`).dataset.stage).toBe("final");
  });
  await frame();
  page.kernel.sent.length = 0;
  return page;
}

async function pick(page: Awaited<ReturnType<typeof open>>, item: string) {
  page.get("compare").click();
  page.get(item).click();
  await frame();
}

const caption = (panel: HTMLElement) =>
  (panel.querySelector(".caption") as HTMLElement).textContent?.replace(/\s+/g, " ").trim();

describe("adding and removing", () => {
  test.each([
    ["compare-method", { method: "saliency" }],
    ["compare-target", { target: 5 }],
    ["compare-baseline", { baseline: { kind: "white" } }],
    ["compare-picture", { index: 1 }],
    ["compare-model", { model: 1 }],
  ])("%s adds one override, active, in one message", async (item, override) => {
    const page = await panels([], {}, { models: 2 });
    await pick(page, item);
    expect(page.kernel.sent).toEqual(["save compare panel"]);
    expect(page.kernel.get("compare")).toEqual([override]);
    expect(page.kernel.get("panel")).toBe(1);
    expect(page.get("panel-map-1").hasAttribute("data-active")).toBe(true);
    await until(() => expect(page.get("panel-map-1").dataset.stage).toBe("final"));
  });

  test("each says whose class it explains, where the models or the pictures choose different ones", async () => {
    const page = await panels([{ index: 1 }, { model: 1, target: 2 }], { index: 0 }, { models: 2 });
    const [first, second, third] = ["", "-1", "-2"].map((n) => caption(page.get(`panel-map${n}`)) ?? "");
    expect(first).toMatch(/for .+, Model 1: \w+/);
    const own = /for ([^,]+)/.exec(first)?.[1] ?? "";
    const other = page.get("panel-map-1").querySelector(".caption span")?.textContent ?? "";
    expect(second).toContain("picture 2");
    expect(other).toMatch(/^for /);
    expect(other).not.toContain(own);
    expect(third).toMatch(/Model 2: \w+.*for /);
  });

  test("all baselines fill the panels that are left, and then there is no room", async () => {
    const page = await panels([]);
    await pick(page, "compare-baselines");
    const compare = page.kernel.get("compare") as { baseline: { kind: string } }[];
    expect(compare.map(({ baseline }) => baseline.kind)).toEqual(["white", "grey", "blur", "noise", "mean"]);
    page.get("compare").click();
    expect(page.get("compare-method").getAttribute("aria-disabled")).toBe("true");
    expect(page.get("compare-method").textContent).toContain("no room");
  });

  test("what cannot be added says why", async () => {
    const page = await panels([], { method: "saliency" });
    page.get("compare").click();
    expect(page.get("compare-baseline").textContent).toContain("has no baseline");
    expect(page.get("compare-occluded").textContent).toContain("Mark a region");
    expect(page.get("compare-difference").textContent).toContain("It takes two panels");
    page.get("compare-difference").click();
    expect(page.kernel.sent).toEqual([]);
  });

  test("a panel goes, with what was made of it; the others keep their sources", async () => {
    const page = await panels([...IG_AND_CAM, { target: 5 }, { difference: [0, 1] }, { average: [0, 1, 2] }]);
    page.get("remove-1").click();
    expect(page.kernel.sent).toEqual(["save compare panel"]);
    expect(page.kernel.get("compare")).toEqual([{ target: 5 }, { average: [0, 1] }]);
    await frame();
    expect(page.get("panel-map-3")).toBeNull();
  });

  test.each([
    [[{}, {}, { difference: [1, 2] }], 1, [{}]],
    [[{}, {}, { difference: [0, 2] }], 1, [{}, { difference: [0, 1] }]],
    [[{}, { average: [1] }], 1, []],
    [[{}, { average: [0, 1] }, {}], 3, [{}, { average: [0, 1] }]],
  ] as [PanelSpec[], number, PanelSpec[]][])("%j without panel %i", (compare, panel, left) => {
    expect(without(compare, panel)).toEqual(left);
  });
});

describe("a panel's own question", () => {
  test("the controls ask for the active panel, and the lead stays", async () => {
    const { kernel, get } = await panels(IG_AND_CAM, { panel: 1 });
    const select = get<HTMLSelectElement>("layer");
    select.value = "layer2";
    select.dispatchEvent(new Event("change"));
    expect(kernel.get("compare")).toEqual([{ method: "grad_cam", layer: "layer2" }]);
    expect(kernel.get("layer")).toBeNull();
    await until(() => expect(caption(get("panel-map-1"))).toBe("2 Grad-CAM layer2"));
  });

  test("another method takes the old one's parameters along to nowhere", async () => {
    const { kernel, get } = await panels([{ method: "smooth_grad", params: { n_samples: 50 } }], {
      panel: 1,
    });
    const select = get<HTMLSelectElement>("method");
    select.value = "saliency";
    select.dispatchEvent(new Event("change"));
    expect(kernel.get("compare")).toEqual([{ method: "saliency" }]);
  });

  test("one button lets it ask what the lead asks", async () => {
    const { kernel, get } = await panels(IG_AND_CAM, { panel: 1 });
    get("reset-panel").click();
    expect(kernel.get("compare")).toEqual([{}]);
    await frame();
    expect(get("reset-panel")).toBeNull();
    expect(caption(get("panel-map-1"))).toBe("2 Same as panel 1");
  });

  test("a click on a panel makes it the active one, once", async () => {
    const { kernel, get } = await panels(IG_AND_CAM);
    const view = get("panel-map-1").querySelector(".view") as HTMLElement;
    for (let i = 0; i < 2; i++) view.dispatchEvent(new MouseEvent("pointerdown", { bubbles: true }));
    expect(kernel.sent).toEqual(["save panel"]);
    expect(get<HTMLSelectElement>("method").value).toBe("grad_cam");
    expect(get("panel-map").hasAttribute("data-active")).toBe(false);
  });

  test("several that compute are one line of progress, and one Cancel stops them all", async () => {
    const { kernel, get } = await open({ traits: { compare: IG_AND_CAM }, stop: "running" });
    await until(() => expect(get("panel-map-1").dataset.stage).toBe("partial"));
    await until(() => expect(get("status").parentElement?.textContent).toContain("28 of at most 64"));
    expect(get("status").textContent).toContain("Computing 2 panels");
    get("cancel").click();
    expect(kernel.sent).toEqual(["cancel"]);
    await until(() => {
      for (const panel of ["panel-map", "panel-map-1"]) expect(get(panel).dataset.stage).toBe("cancelled");
    });
  });

  test("one that fails says so in its own place", async () => {
    const page = await open({ traits: { compare: IG_AND_CAM, panel: 1 }, fail: 1 });
    await until(() => expect(page.get("panel-error")).not.toBeNull());
    expect(page.get("panel-map-1").contains(page.get("panel-error"))).toBe(true);
    expect(page.get("error")).toBeNull();
    expect(page.get("panel-map").dataset.stage).toBe("final");
    expect(page.get("panel-error").textContent).toContain("<b>this is text, not markup</b>");
  });
});

describe("baselines", () => {
  test("an average starts with what is there and one other, and keeps at least one", async () => {
    const { kernel, get } = await panels([], { baseline: { kind: "white" } });
    get("baseline-average").click();
    expect(kernel.get("baseline")).toEqual({ kind: "average", of: [{ kind: "white" }, { kind: "black" }] });
    await frame();
    get("average-of-blur").click();
    await frame();
    get("average-of-white").click();
    await frame();
    get("average-of-black").click();
    const blur = { kind: "blur", sigma: 12 };
    expect(kernel.get("baseline")).toEqual({ kind: "average", of: [blur] });
    await frame();
    expect(get("average-of-blur").disabled).toBe(true);
    get("baseline-white").click();
    await frame();
    expect(get("average-of-blur")).toBeNull();
  });

  test("the user's own numbers have a chip while they are there", async () => {
    const { get } = await panels([], { baseline: { kind: "custom" } });
    expect(get("baseline-custom").getAttribute("aria-checked")).toBe("true");
  });
});

describe("without a kernel", () => {
  test("looks work, questions do not and say why; panels can still be combined", async () => {
    const page = await panels([{ target: 5 }], {}, { offline: true });
    const fields = [...page.root.querySelectorAll<HTMLFieldSetElement>(".top fieldset")];
    expect(fields.map(({ disabled }) => disabled)).toEqual([true, true]);
    expect(fields[0].title).toContain("no kernel");
    page.get("compare").click();
    expect(page.get("compare-method").textContent).toContain("no kernel");
    page.get("compare-difference").click();
    expect(page.kernel.get("compare")).toEqual([{ target: 5 }, { difference: [0, 1] }]);
  });
});

describe("made of others", () => {
  test("a difference is what one panel shows minus what the other does, along alpha too", async () => {
    const { kernel, get } = await panels([{ target: 5 }, { difference: [0, 1] }], { panel: 2 });
    const value = () => Number(get("readout").dataset.value);
    const read = async () => {
      const found: number[] = [];
      for (const panel of [0, 1, 2]) {
        kernel.set("panel", panel);
        await frame();
        found.push(value());
      }
      return found;
    };
    get("panel-map")
      .querySelector(".view")
      ?.dispatchEvent(new KeyboardEvent("keydown", { key: "ArrowRight", bubbles: true }));
    const [a, b, difference] = await read();
    expect(a).not.toBe(b);
    expect(difference).toBe(a - b);
    kernel.set("alpha", 0.3);
    await frame();
    const [early, other, between] = await read();
    expect(early).not.toBe(a);
    expect(between).toBe(early - other);
  });

  test("its caption names the panels, and how alike they rank the pixels", async () => {
    const { get } = await panels([{ target: 5 }, { difference: [0, 1] }]);
    await until(() =>
      expect(caption(get("panel-map-2"))).toMatch(/^3 Difference: 1 − 2 rank correlation 0\.\d/),
    );
    expect(get("panel-map-2").textContent).toContain("more in 2");
  });

  test("a question in a difference's place is told by its own words", async () => {
    const { kernel, get } = await panels([{ target: 5 }, { difference: [0, 1] }]);
    await until(() => expect(caption(get("panel-map-2"))).toContain("rank correlation"));
    kernel.set("compare", [{ target: 5 }, { target: 6, baseline: { kind: "white" } }]);
    kernel.save_changes();
    await until(() => expect(get("panel-map-2").dataset.stage).toBe("final"));
    await frame();
    expect(caption(get("panel-map-2"))).toMatch(/White$/);
    expect(caption(get("panel-map-2"))).not.toContain("correlation");
  });

  test("only maps of one unit are offered to be combined", async () => {
    const { kernel, get } = await panels([{ output: "probability" }, { target: 5 }], { panel: 0 });
    get("compare").click();
    expect(get("compare-difference").textContent).toContain("panel 1 minus panel 3");
    expect(get("compare-average").textContent).toContain("of panels 1, 3");
    get("compare-difference").click();
    expect((kernel.get("compare") as PanelSpec[]).at(-1)).toEqual({ difference: [0, 2] });
  });

  test("where the active one's unit is its own, nothing can be", async () => {
    const { kernel, get } = await panels([{ output: "probability" }, { target: 5 }], { panel: 1 });
    get("compare").click();
    expect(get("compare-difference").textContent).toContain("No other panel has the unit of this one");
    get("compare-difference").click();
    expect(kernel.sent).toEqual([]);
  });

  test("what cannot be combined says why", async () => {
    const { get } = await panels([
      { output: "probability" },
      { difference: [0, 1] },
      { difference: [0, 2] },
      { average: [0, 7] },
    ]);
    const said = (panel: number) => get(`panel-map-${panel}`).querySelector(".empty")?.textContent;
    expect(said(2)).toBe(
      "Panels 1 and 2 have different units (logit and no unit): their values cannot be combined.",
    );
    expect(said(3)).toContain("Panel 3 is itself made of other panels");
    expect(said(4)).toBe("There is no panel 8.");
  });

  test("its sources are chosen at the top", async () => {
    const { kernel, get } = await panels([{ target: 5 }, { index: 1 }, { average: [0, 1] }], { panel: 3 });
    expect(get("method")).toBeNull();
    get("average-2").click();
    expect(kernel.get("compare")).toEqual([{ target: 5 }, { index: 1 }, { average: [0, 1, 2] }]);
  });
});

describe("one scale", () => {
  const limits = (root: HTMLElement) =>
    [...root.querySelectorAll(".ticks:not(.ends) span:last-child")].map((end) => end.textContent);

  test("for each unit, unless each panel has its own: then that is said", async () => {
    const { kernel, get, root } = await panels([{ method: "grad_cam" }, { output: "probability" }]);
    const [a, b, other] = limits(root);
    expect(a).toBe(b);
    expect(get("scale-warning").hidden).toBe(true);
    get("scale-each").click();
    expect(kernel.get("scale")).toEqual({ mode: "each", limits: {} });
    await frame();
    expect(limits(root)[0]).not.toBe(limits(root)[1]);
    expect(limits(root)[2]).toBe(other);
    expect(get("scale-warning").hidden).toBe(false);
    expect(get("scale-warning").textContent).toContain("colours cannot be compared");
  });

  test("locks at what is on screen, unit by unit", async () => {
    const { kernel, get, root } = await panels([{ output: "probability" }]);
    const before = limits(root);
    get("scale-lock").click();
    const { mode, limits: locked } = kernel.get("scale") as Traits["scale"];
    expect([mode, Object.keys(locked).sort()]).toEqual(["fixed", ["", "logit"]]);
    await frame();
    expect(limits(root)).toEqual(before);
  });

  test("a number is the limit of the active panel's unit", async () => {
    const { kernel, get, root } = await panels([{ output: "probability" }], { panel: 1 });
    const other = limits(root)[0];
    get("scale").value = "0.5";
    get("scale").dispatchEvent(new Event("change", { bubbles: true }));
    await frame();
    expect((kernel.get("scale") as Traits["scale"]).limits[""]).toBe(0.5);
    expect(limits(root)).toEqual([other, "+0.500"]);
  });
});

describe("a scale that is none", () => {
  test.each(["0", "-1", "abc"])("%s is refused, and the field shows what holds", async (text) => {
    const { kernel, get } = await panels([]);
    const field = get<HTMLInputElement>("scale");
    const before = field.value;
    const told = vi.spyOn(field, "reportValidity");
    field.value = text;
    field.dispatchEvent(new Event("change", { bubbles: true }));
    await frame();
    expect(kernel.sent).toEqual([]);
    expect(field.value).toBe(before);
    expect(told).toHaveBeenCalledOnce();
    expect(field.validationMessage).toBe("A number above zero.");
  });
});

describe("frames", () => {
  test("only what has changed is drawn", async () => {
    const { kernel, get } = await panels([{ method: "grad_cam" }, { target: 5 }]);
    const draw = vi.spyOn(Surface.prototype, "show");
    drag(get("alpha"), 500);
    await frame();
    expect(draw).toHaveBeenCalledTimes(3); // the input and the two maps that walk a path
    draw.mockClear();
    drag(get("opacity"), 500);
    await frame();
    expect(draw).toHaveBeenCalledTimes(3); // the maps
    expect(kernel.sent).toEqual([]);
    release(get("opacity"));
  });

  test("while peeking every panel is the plain picture", async () => {
    const { kernel, get } = await panels(IG_AND_CAM, { overlay: "map" });
    const before = pixels(get("panel-map"));
    get("explorer").dispatchEvent(new KeyboardEvent("keydown", { key: "p", bubbles: true }));
    await frame();
    for (const panel of ["panel-map", "panel-map-1"]) {
      expect([...(pixels(get(panel)) ?? [])].slice(0, 3)).toEqual([...pictures[0].rgb.slice(0, 3)]);
    }
    get("explorer").dispatchEvent(new KeyboardEvent("keyup", { key: "p", bubbles: true }));
    await frame();
    expect(pixels(get("panel-map"))).toEqual(before);
    expect(kernel.sent).toEqual([]);
  });

  test("lines are drawn over the picture, and go with their overlay", async () => {
    const { kernel, get } = await panels([], { overlay: "contour" });
    const lines = () => get("panel-map").querySelectorAll(".contour path").length;
    expect(lines()).toBeGreaterThan(1);
    kernel.set("overlay", "blend");
    await frame();
    expect(lines()).toBe(0);
  });
});

test.each([
  [2, 800, 2],
  [3, 800, 3],
  [4, 640, 2],
  [7, 816, 4],
  [7, 448, 2],
  [2, 320, 1],
])("%i pictures in %i px stand in %i columns", (count, width, columns) => {
  expect(columnsFor(count, width)).toBe(columns);
});
