// @vitest-environment jsdom
/** A point in focus, and a map that walks: what is said of them is true of what is shown. */
import { describe, expect, test } from "vitest";
import { mapAt, rowOf } from "../demo/rows.js";
import type { Row } from "../lib/map_wire.js";
import { onTheWay } from "../views/embedding/overlay.js";
import type { Store } from "../views/embedding/store.js";
import { dragOver, finalMap, focus, openMaps, pointer, spotOf } from "./maps.js";
import { drag, frame, press, release, until } from "./page.js";

describe("a map that walks beside one at rest", () => {
  /** PCA at rest, t-SNE on its way through the layers, a row in focus. */
  async function walking(traits: object = {}) {
    const page = await openMaps({
      traits: { maps: ["pca", "tsne"], sweep: "layers", point: 5, ...traits },
    });
    await until(() => expect(page.get("map-1").dataset.stage).toBe("final"));
    page.get("sweep-run").click();
    await until(() => expect(page.get("sweep")).not.toBeNull());
    page.get("map-view-1").dispatchEvent(new Event("focus"));
    await until(() => expect(page.get("neighbour-words")).not.toBeNull());
    page.kernel.sent.length = page.kernel.asked.length = 0;
    const spokes = (map: number) =>
      [...page.get(`map-${map}`).querySelectorAll<SVGElement>(".spoke")].map(({ dataset }) =>
        Number(dataset.id),
      );
    const rows = () => page.kernel.asked.filter(({ request }) => request === "row").map(({ step }) => step);
    const words = () => page.get("neighbour-words")?.textContent?.replace(/\s+/g, " ") ?? "";
    return { ...page, spokes, rows, words };
  }
  const near = ({ rows }: Awaited<ReturnType<typeof openMaps>>["kernel"], dims?: number) =>
    rowOf(rows, 5, [], dims).neighbors;

  test("is drawn in its own place, and says which step it shows", async () => {
    const { kernel, get } = await walking();
    const view = get("map-view-1");
    view.getBoundingClientRect = () => ({ left: 0, top: 0, width: 900, height: 900 }) as DOMRect;
    const { x, y } = spotOf(kernel, mapAt(kernel.rows, "tsne", 0), 33);
    dragOver(view, [[x, y]]);
    await until(() => expect(kernel.get("point")).toBe(33));
    const still = spotOf(kernel, mapAt(kernel.rows, "pca", 1), 21);
    dragOver(get("map-view-0"), [[still.x, still.y]]);
    await until(() => expect(kernel.get("point")).toBe(21));
    expect([get("stage-0"), get("stage-1").textContent]).toEqual([null, "at layer1"]);
    expect(get("at-step").textContent).toBe("Walked: t-SNE at layer1.");
    expect([get("refine-1"), get("figures-1")]).toEqual([null, null]);
    expect(get("figures-0")).not.toBeNull();
    expect(get("quality-0").textContent).toContain("21.4");
    expect(get("quality-1").textContent).toContain("At layer1 it keeps 31");
  });

  test("is cautioned against without the numbers of the map at rest", async () => {
    const { get } = await walking({ maps: ["pca", "tsne"] });
    expect(get("caution-1").textContent).toBe("Sizes of clusters and gaps between them are not to scale.");
    expect(get("caution-0").textContent).toContain("38 % of the variance");
  });

  test("has the neighbours of its step, asked for when the slider rests at another", async () => {
    const { kernel, get, spokes, rows, words } = await walking();
    await until(() => expect(spokes(1)).toEqual(near(kernel, 7)));
    expect(spokes(0)).toEqual(near(kernel));
    expect(words()).toMatch(
      /^ ?At layer1 t-SNE tears \w+ of its 15 .* Distances are in the data of this step/,
    );
    const slider = get<HTMLInputElement>("sweep");
    for (const value of [100, 300, 500]) drag(slider, value);
    await frame();
    // Thumbnails of the neighbours that were shown before may only now be asked for.
    const sent = kernel.sent.filter((what) => what !== "thumbnails");
    expect([spokes(1), spokes(0).length, sent]).toEqual([[], 15, []]);
    expect(get("neighbours").textContent).toContain("are asked for when the slider rests");
    release(slider);
    await until(() => expect(words()).toContain("At layer3 t-SNE"));
    expect(rows()).toEqual([2]);
    await until(() => expect(spokes(1)).toEqual(near(kernel, 13)));
    expect(spokes(0)).toEqual(near(kernel));
  });

  test("has no colours of a quality that is not its own, and says why; distances are its own", async () => {
    const { kernel, get } = await walking({ color_by: "kept" });
    expect(get("colour-bar").textContent).toContain("%"); // of the map that rests
    expect(get("no-colours").textContent).toContain("of the map at rest");
    const select = get<HTMLSelectElement>("color-by");
    select.value = "distance";
    select.dispatchEvent(new Event("change", { bubbles: true }));
    await until(() => expect(get("colour-bar")).not.toBeNull());
    const asked = kernel.asked.filter(({ request }) => request === "distances");
    expect(asked.map(({ step }) => step)).toEqual([undefined, 0]);
    const there = get("colour-bar").textContent;
    get("judged-0").click();
    await until(() => expect(get("colour-bar").textContent).not.toBe(there));
  });

  test("has no stars: they were placed on the map at rest", async () => {
    const { root, get } = await walking();
    const data = { types: ["Files"], files: [new File(["x"], "new.png", { type: "image/png" })] };
    const drop = Object.assign(new Event("drop", { bubbles: true, cancelable: true }), {
      dataTransfer: data,
    });
    root.querySelector(".embedding")?.dispatchEvent(drop);
    await until(() => expect(root.querySelectorAll("[data-testid=map-0] .star")).toHaveLength(1));
    expect(root.querySelectorAll("[data-testid=map-1] .star")).toHaveLength(0);
    expect(get("placed").textContent).toContain("stands on a map at rest");
  });

  test("rests in no other's place when its own map goes", async () => {
    const { get } = await walking();
    get("remove-1").click();
    await until(() => expect(get("sweep-run")).not.toBeNull());
    expect(get("quality-0").textContent).not.toContain("layer1");
  });
});

describe("a point in focus", () => {
  test("on the way between two layers, spokes are judged by where the points stand", () => {
    const store = { idOf: (place: number) => place + 10 } as unknown as Store;
    const row = { neighbors: [11, 12], missing: { 0: [11] }, false: {} } as unknown as Row;
    const at = [0, 1, 9, 2]; // the second true neighbour is far, the last point is none
    const place = (point: number) => ({ x: at[point], y: 0 });
    const found = onTheWay(row, 0, 0, 4, { place }, store);
    expect([found.missing[0], found.false[0]]).toEqual([[12], [13]]);
  });

  test("a click asks for the row, draws spokes, and shows its neighbours", async () => {
    const page = await openMaps();
    const id = await focus(page, 5);
    const { root, get, kernel } = page;
    await until(() => expect(root.querySelectorAll(".spoke")).toHaveLength(15));
    expect(get("row-id").textContent).toBe(String(id));
    expect(root.querySelectorAll(".tiles [data-kind=torn]").length).toBe(
      root.querySelectorAll(".spoke[data-kind=torn]").length,
    );
    expect(kernel.asked.find(({ request }) => request === "row")).toMatchObject({ row: id });
  });

  test("thumbnails are asked for together, once", async () => {
    const page = await openMaps();
    await focus(page);
    await until(() => expect(page.root.querySelector(".tiles canvas")).not.toBeNull());
    const asked = page.kernel.asked.filter(({ request }) => request === "thumbnails");
    expect(asked.flatMap(({ ids }) => ids as number[]).length).toBe(
      new Set(asked.flatMap(({ ids }) => ids as number[])).size,
    );
    expect(asked.length).toBeLessThanOrEqual(2);
  });

  test("its attribution comes into the place that is kept for it, without another set of controls", async () => {
    const page = await openMaps();
    await focus(page);
    await until(() => expect(page.get("overlay")?.dataset.stage).toBe("final"));
    expect(page.get("overlay").querySelector(".toolbar, .top, .status")).toBeNull();
    expect(page.get("overlay").querySelector(".legend")).not.toBeNull();
    expect(page.get("slot").hidden).toBe(false);
  });

  test("the colours become real distances, asked for once", async () => {
    const page = await openMaps();
    await focus(page);
    await until(() => expect(page.get("by-distance")).not.toBeNull());
    page.get("by-distance").click();
    await until(() => expect(page.get("colour-bar").textContent).toContain("Real distance"));
    expect(page.kernel.sent.filter((name) => name === "distances")).toHaveLength(1);
  });

  test("while the colours are distances, resting on a point recolours by its own, and back", async () => {
    const page = await openMaps();
    const { kernel, view, get } = page;
    const id = await focus(page);
    await until(() => expect(get("by-distance")).not.toBeNull());
    get("by-distance").click();
    await until(() => expect(get("colour-bar")).not.toBeNull());
    const first = get("colour-bar").textContent;
    const asked = () => kernel.asked.filter(({ request }) => request === "distances").map(({ row }) => row);
    const spots = [20, 30, 40].map((point) => spotOf(kernel, finalMap(kernel), point));
    for (let i = 0; i < 30; i++) pointer(view, "pointermove", spots[i % 3].x, spots[i % 3].y);
    expect(asked()).toEqual([id]); // nobody rests yet
    await until(() => expect(asked()).toHaveLength(2));
    expect(asked()[1]).not.toBe(id);
    await until(() => expect(get("colour-bar").textContent).not.toBe(first));
    pointer(view, "pointerleave", 0, 0);
    await until(() => expect(get("colour-bar").textContent).toBe(first));
    expect(asked()).toHaveLength(2);
  });

  test("of several points in a row only the last is explained", async () => {
    const page = await openMaps();
    const asked = () => page.kernel.asked.filter(({ request }) => request === "explain");
    for (const point of [5, 20, 30]) {
      const { x, y } = spotOf(page.kernel, finalMap(page.kernel), point);
      dragOver(page.view, [[x, y]]);
    }
    await until(() => expect(asked()).toHaveLength(1));
    expect(asked()[0].row).toBe(page.kernel.get("point"));
  });

  test("rows without a model show their picture and no methods", async () => {
    const page = await openMaps({ model: false });
    await focus(page);
    await until(() => expect(page.get("row-picture")).not.toBeNull());
    await new Promise((resolve) => setTimeout(resolve, 80));
    expect(page.get("method")).toBeNull();
    expect(page.kernel.sent).not.toContain("explain");
  });

  test("its neighbours are counted in the words of what is counted, on the map that is chosen", async () => {
    const page = await openMaps({ traits: { maps: ["tsne", "pca"] } });
    await focus(page, 5);
    await until(() => expect(page.get("neighbour-words")).not.toBeNull());
    const said = () => page.get("neighbour-words").textContent?.replace(/\s+/g, " ") ?? "";
    const counts = () =>
      ["torn", "false"].map(
        (kind) => page.root.querySelectorAll(`.tiles [data-kind=${kind}]`).length || "none",
      );
    for (const [map, title] of ["t-SNE", "PCA"].entries()) {
      page.get(`judged-${map}`).click();
      await until(() => expect(said()).toContain(`${title} tears`));
      const [torn, strange] = counts();
      expect(said()).toContain(`tears ${torn} of its 15 true neighbours apart; ${strange} of the 15 nearest`);
    }
  });

  test("the same point again changes nothing; undo goes back", async () => {
    const page = await openMaps();
    await focus(page);
    page.kernel.sent.length = 0;
    await focus(page);
    expect(page.kernel.sent).toEqual([]);
    press(page.view, "z");
    expect(page.kernel.get("point")).toBeNull();
    press(page.view, "Z", { shiftKey: true });
    expect(page.kernel.get("point")).not.toBeNull();
  });
});
