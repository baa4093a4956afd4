// @vitest-environment jsdom
/** The view of maps: what it shows, what it asks, and above all what it does not ask. */
import { describe, expect, test } from "vitest";
import { KEYS } from "../views/embedding/keys.js";
import { dragOver, focus, openMaps, pointer } from "./maps.js";
import { drag, frame, life, media, observing, press, release, until } from "./page.js";

const chosen = (kernel: Awaited<ReturnType<typeof openMaps>>["kernel"]) =>
  kernel.asked
    .filter(({ request }) => request === "select")
    .map(({ name, ids }) => [
      name,
      [...new Uint32Array(Uint8Array.from(atob(String(ids)), (c) => c.charCodeAt(0)).buffer)],
    ]);

describe("what is shown", () => {
  test("the caution with its numbers and the missing unit stand beside the map", async () => {
    const { get } = await openMaps();
    expect(get("quality-0").textContent).toMatch(/61\.8.%.*15 nearest.*Axes: no unit/s);
    expect(get("map-0").textContent).toContain("rank correlation of 0.48");
    expect(get("figures-0").textContent).toContain("Trustworthiness");
  });

  test("how stable a map is, is asked on demand and said in numbers", async () => {
    const { kernel, get } = await openMaps();
    expect(get("figures-0").querySelector(".shepard")).not.toBeNull();
    get("stability-0").click();
    await until(() => expect(get("stability-words-0").textContent).toMatch(/91.%.*disparity 0.43/s));
    expect(kernel.sent).toEqual(["stability"]);
  });

  test("what was sampled is stated", async () => {
    const { get } = await openMaps({ of: 60_000 });
    expect(get("what").textContent).toContain("60 of 60000 rows");
    expect(get("sampling").textContent).toContain("at random, seed 0");
  });

  test("labels are text, whatever is in them", async () => {
    const { root, get } = await openMaps({ labels: "hostile" });
    expect(root.querySelector("img, script, b")).toBeNull();
    expect(get("map-legend").textContent).toContain("<b>bold</b>");
    expect(document.title).not.toBe("taken");
  });

  test("of a hundred categories forty are named at first", async () => {
    const { get, root } = await openMaps({ n: 200, labels: "100" });
    expect(root.querySelectorAll("[data-testid^=category-]")).toHaveLength(40);
    const all = 40 + Number(/and (\d+) more/.exec(get("more-categories").textContent ?? "")?.[1]);
    get("more-categories").click();
    await frame();
    expect(root.querySelectorAll("[data-testid^=category-]")).toHaveLength(all);
    expect(all).toBeGreaterThan(60);
  });

  test("numbers that are missing have an entry in the legend", async () => {
    const { get } = await openMaps({ traits: { color_by: "column:price" }, gaps: 7 });
    await until(() => expect(get("colour-bar").textContent).toMatch(/missing\s*7/));
  });

  test("a size that fits the number of points is called so, not 0", async () => {
    const { root, get } = await openMaps();
    await until(() => expect(get("point-size")).not.toBeNull());
    expect(get("point-size").getAttribute("aria-valuetext")).toBe("auto");
    expect(root.textContent).not.toContain("0.0");
  });

  test("the table says whose quality it lists, in three digits", async () => {
    const { get } = await openMaps({ traits: { table: true } });
    await until(() => expect(get("sort-kept")).not.toBeNull());
    expect(get("sort-kept").textContent).toContain("Neighbours kept, t-SNE");
    const cells = [...get("row-0").querySelectorAll("[data-number]")].map((cell) => cell.textContent ?? "");
    expect(cells.length).toBeGreaterThan(2);
    for (const cell of cells)
      expect(cell.replace(/\D/g, "").replace(/^0+/, "").length).toBeLessThanOrEqual(3);
  });

  test("an error is shown as text, and nothing else is lost", async () => {
    const { get } = await openMaps({ stop: "error" });
    await until(() => expect(get("error")).not.toBeNull());
    expect(get("error").textContent).toContain("<b>this is text, not markup</b>");
    expect(get("map-view-0").textContent).toContain("No map");
  });

  test("before the kernel has told anything the view says what it waits for", async () => {
    const { get } = await openMaps({ stop: "empty" });
    expect(get("map-view-0").textContent).toContain("Waiting for the kernel");
  });

  test("several maps have their own caption and quality", async () => {
    const { get } = await openMaps({ traits: { maps: ["tsne", "pca"] } });
    await until(() => expect(get("map-1").dataset.stage).toBe("final"));
    expect(get("quality-1").textContent).toContain("21.4");
    get("remove-0").click();
    await frame();
    expect(get("map-1")).toBeNull();
    await until(() => expect(get("quality-0").textContent).toContain("21.4"));
  });

  test("no two parts answer to the same name", async () => {
    const page = await openMaps({ traits: { maps: ["tsne", "pca"] } });
    await focus(page);
    await until(() => expect(page.get("best")).not.toBeNull());
    const names = [
      ...page.root.querySelectorAll<HTMLElement>(
        ".embedding > :not(.body) [data-testid], .map-caption [data-testid], .caution [data-testid]",
      ),
    ].map(({ dataset }) => dataset.testid);
    expect(names.length).toBeGreaterThan(20);
    expect(new Set(names).size).toBe(names.length);
  });
});

describe("what costs no message", () => {
  test("hover, recolouring in the page, search, legend, camera under the hand", async () => {
    const page = await openMaps();
    const { kernel, view, get, root } = page;
    for (let i = 0; i < 10_000; i++) pointer(view, "pointermove", i % 900, (7 * i) % 900);
    get<HTMLInputElement>("search").value = "otter";
    get("search").dispatchEvent(new Event("input"));
    get("category-1").click();
    pointer(view, "pointerdown", 100, 100);
    for (let i = 0; i < 50; i++) pointer(view, "pointermove", 100 + i, 100);
    await frame();
    expect(kernel.sent).toEqual([]);
    expect(root.querySelector("[data-stage]")).not.toBeNull();
    pointer(view, "pointerup", 150, 100);
    expect(kernel.sent).toEqual(["save camera"]);
  });

  test("another colour is one trait and no data", async () => {
    const { kernel, get } = await openMaps();
    const select = get<HTMLSelectElement>("color-by");
    select.value = "kept";
    select.dispatchEvent(new Event("change", { bubbles: true }));
    await frame();
    expect(kernel.sent).toEqual(["save color_by"]);
    expect(get("colour-bar").textContent).toContain("share of a point");
  });

  test("the slider walks between maps without one, and is sent when it is let go", async () => {
    const { kernel, get } = await openMaps({ traits: { sweep: "layers" } });
    get("sweep-run").click();
    await until(() => expect(get("sweep")).not.toBeNull());
    kernel.sent.length = 0;
    const slider = get<HTMLInputElement>("sweep");
    for (let i = 0; i <= 20; i++) drag(slider, 25 * i);
    await frame();
    expect(kernel.sent).toEqual([]);
    expect(get("sweep-at").textContent).toContain("interpolated");
    release(slider);
    expect(kernel.sent).toEqual(["save sweep_at"]);
  });

  test("whoever wants no motion sees whole maps when it plays", async () => {
    media.reducedMotion = true;
    const { kernel, get } = await openMaps({ traits: { sweep: "layers" } });
    get("sweep-run").click();
    await until(() => expect(get("sweep-play")).not.toBeNull());
    get("sweep-play").click();
    for (let i = 0; i < 5; i++) {
      await frame();
      expect(get("sweep-at").textContent).not.toContain("interpolated");
    }
    get("sweep-play").click();
    expect(kernel.get("sweep_at")).toBe(0);
  });
});

describe("live frames", () => {
  test("each partial layout is acknowledged after it was drawn, no other is", async () => {
    const { kernel, get } = await openMaps({ pace: 40 });
    get("refine-0").click();
    await until(() =>
      expect(kernel.asked.filter(({ request }) => request === "ack").length).toBeGreaterThan(2),
    );
    await until(() => expect(get("status").dataset.phase).toBe("done"));
    const iterations = kernel.asked
      .filter(({ request }) => request === "ack")
      .map(({ iteration }) => iteration);
    expect(iterations).not.toContain(300);
    expect(iterations).not.toContain(0);
    expect(new Set(iterations).size).toBe(iterations.length);
  });

  test("Cancel and Escape stop it", async () => {
    const { kernel, get, view } = await openMaps({ stop: "running" });
    expect(get("stage-0").textContent).toMatch(/iteration \d+ of 300/);
    press(view, "Escape");
    await until(() => expect(get("status").dataset.phase).toBe("cancelled"));
    expect(kernel.sent).toContain("cancel");
    expect(get("stage-0").textContent).toContain("stopped at iteration");
  });
});

describe("choosing", () => {
  test("a box chooses on release, Shift adds, Alt takes away", async () => {
    const { kernel, view, get } = await openMaps();
    get("tool-rectangle").click();
    dragOver(view, [
      [0, 0],
      [450, 900],
    ]);
    dragOver(
      view,
      [
        [450, 0],
        [900, 900],
      ],
      { shiftKey: true },
    );
    dragOver(
      view,
      [
        [0, 0],
        [450, 900],
      ],
      { altKey: true },
    );
    await until(() => expect(chosen(kernel)).toHaveLength(3));
    const [left, all, right] = chosen(kernel).map(([, ids]) => ids as number[]);
    expect(all).toHaveLength(60);
    expect([...left, ...right].sort((a, b) => a - b)).toEqual(all);
    expect(left.length).toBeGreaterThan(0);
    expect(kernel.sent).toEqual(["select", "select", "select"]);
  });

  test("a lasso is drawn under the hand and gone after it", async () => {
    const { view, get, root, kernel } = await openMaps();
    get("tool-lasso").click();
    pointer(view, "pointerdown", 10, 10);
    for (const [x, y] of [
      [890, 10],
      [890, 890],
      [10, 890],
    ])
      pointer(view, "pointermove", x, y);
    await frame();
    expect(root.querySelector(".lasso")).not.toBeNull();
    expect(kernel.sent).toEqual([]);
    pointer(view, "pointerup", 10, 890);
    await frame();
    expect(root.querySelector(".lasso")).toBeNull();
    expect(get("selected").textContent).toContain("60");
  });

  test("groups are compared once both are made", async () => {
    const { kernel, view, get } = await openMaps();
    get("tool-rectangle").click();
    dragOver(view, [
      [0, 0],
      [450, 900],
    ]);
    press(view, "g");
    dragOver(view, [
      [450, 0],
      [900, 900],
    ]);
    press(view, "g");
    await until(() => expect(get("differs")).not.toBeNull());
    expect(get("group-a").textContent).toMatch(/A \d+ points/);
    expect(get("differs").textContent).toContain("+1.8");
    expect(kernel.sent.filter((name) => name === "groups").length).toBeLessThanOrEqual(2);
    get("clear-groups").click();
    await frame();
    expect(get("groups")).toBeNull();
  });

  test("a category of the legend is pointed out, then chosen", async () => {
    const { kernel, get } = await openMaps();
    get("category-1").click();
    await frame();
    expect(get("category-1").getAttribute("aria-pressed")).toBe("true");
    get("select-lit").click();
    await until(() => expect(chosen(kernel)).toHaveLength(1));
    const [[, ids]] = chosen(kernel) as [string, number[]][];
    expect(ids.every((id) => kernel.rows.label[id] === 1)).toBe(true);
  });
});

describe("search", () => {
  test("finds labels and ids, and walks from match to match", async () => {
    const { kernel, get } = await openMaps();
    const box = get<HTMLInputElement>("search");
    box.value = "tench";
    box.dispatchEvent(new Event("input"));
    await frame();
    const count = [...kernel.rows.label.keys()].filter((i) =>
      [kernel.rows.label[i], kernel.rows.prediction[i]].includes(0),
    ).length;
    expect(get("search-count").textContent).toBe(String(count));
    press(box, "Enter");
    const first = kernel.get("point");
    press(box, "Enter");
    expect(kernel.get("point")).not.toBe(first);
    press(box, "Enter", { shiftKey: true });
    expect(kernel.get("point")).toBe(first);
    box.value = "42";
    box.dispatchEvent(new Event("input"));
    press(box, "Enter");
    expect(kernel.get("point")).toBe(42);
  });
});

describe("keys", () => {
  test("the plain wheel is the notebook's, with Ctrl it zooms and is sent at rest", async () => {
    const { kernel, view } = await openMaps();
    const plain = new WheelEvent("wheel", { deltaY: -100, cancelable: true, bubbles: true });
    view.dispatchEvent(plain);
    expect(plain.defaultPrevented).toBe(false);
    const at = { clientX: 850, clientY: 450 };
    const zoom = new WheelEvent("wheel", {
      ...at,
      deltaY: -240,
      ctrlKey: true,
      cancelable: true,
      bubbles: true,
    });
    view.dispatchEvent(zoom);
    expect(zoom.defaultPrevented).toBe(true);
    await until(() => expect(kernel.sent).toEqual(["save camera"]));
    // What lies under the pointer stays there: 400 px from the middle are twice as far from it before.
    const [factor, x, y] = kernel.get("camera") as number[];
    expect([factor, y]).toEqual([2, 0.5]);
    expect(x - 0.5).toBeCloseTo(400 / (0.94 * 900) / 2, 4);
    pointer(view, "dblclick", 10, 10);
    expect(kernel.get("camera")).toEqual([1, 0.5, 0.5]);
  });

  test("arrows walk to the nearest point that way, Enter looks at it, and it is said", async () => {
    const { kernel, view, get, root } = await openMaps();
    view.focus();
    press(view, "ArrowRight");
    press(view, "ArrowRight");
    await frame();
    expect(root.querySelector(".ring[data-kind=hover]")).not.toBeNull();
    expect(kernel.sent).toEqual([]);
    await until(() => expect(root.querySelector(".status .unseen")?.textContent).toMatch(/^Point \d+ /));
    press(view, "Enter");
    expect(kernel.get("point")).not.toBeNull();
    expect(get("tooltip-id").textContent).toBe(String(kernel.get("point")));
  });

  test("the help names every key, and each is one of a table", async () => {
    const { view, get } = await openMaps();
    press(view, "?");
    await frame();
    const shown = [...get("help-box").querySelectorAll<HTMLElement>("[data-key]")].map(
      ({ dataset }) => dataset.key,
    );
    expect(shown).toEqual(KEYS.flatMap(({ keys }) => keys.flatMap((entry) => entry.keys)));
    expect(new Set(shown).size).toBe(shown.length);
  });

  test("l, c, t and / do what the help says", async () => {
    const { kernel, view, get } = await openMaps();
    press(view, "l");
    expect(get("tool-lasso").getAttribute("aria-checked")).toBe("true");
    press(view, "Escape");
    expect(get("tool-look").getAttribute("aria-checked")).toBe("true");
    press(view, "c");
    expect(kernel.get("color_by")).toBe("prediction");
    press(view, "/");
    expect(document.activeElement).toBe(get("search"));
    press(get("search"), "t"); // a letter of the query
    expect(kernel.get("table")).toBe(false);
  });
});

describe("table", () => {
  test("is sorted and cut into pages by the kernel; a click brings a row in focus", async () => {
    const { kernel, view, get, root } = await openMaps();
    press(view, "t");
    await until(() => expect(root.querySelectorAll("tbody tr")).toHaveLength(50));
    get("page-next").click();
    await until(() => expect(root.querySelectorAll("tbody tr")).toHaveLength(10));
    get("sort-confidence").click();
    get("sort-confidence").click();
    const last = () => kernel.asked.filter(({ request }) => request === "table").at(-1);
    await until(() => expect(last()).toMatchObject({ from: 0, sort: "confidence", descending: true }));
    await until(() => expect(root.querySelectorAll("tbody tr")).toHaveLength(50));
    expect(root.querySelector("th[aria-sort=descending]")?.textContent).toContain("Confidence");
    const line = root.querySelector<HTMLElement>("tbody tr");
    line?.click();
    expect(`row-${kernel.get("point")}`).toBe(line?.dataset.testid);
  });
});

describe("a picture of one's own", () => {
  async function drop(view: HTMLElement, name: string, type: string) {
    const event = new Event("drop", { bubbles: true, cancelable: true });
    const file = new File([Uint8Array.of(1, 2, 3)], name, { type });
    Object.assign(event, { dataTransfer: { types: ["Files"], files: [file] } });
    view.dispatchEvent(event);
    return event;
  }

  test("becomes a star with words about how alike it is", async () => {
    const { kernel, view, get, root } = await openMaps();
    expect((await drop(view, "<b>mine</b>.png", "image/png")).defaultPrevented).toBe(true);
    await until(() => expect(root.querySelectorAll(".star")).toHaveLength(1));
    const words = get("placed-words").textContent;
    expect(words).toContain(
      "Like the rows: its neighbours are at 0.79 of the distance beyond which 1 % of the",
    );
    expect(words).toContain("0.90 relative to the rows around. Only the mapped numbers are compared");
    expect(get("placed").textContent).toContain("<b>mine</b>.png");
    await drop(view, "other.png", "image/png");
    await until(() => expect(get("placed-words").textContent).toContain("Unlike the rows"));
    expect(get("placed-words").textContent).toContain(
      "1.8 relative to the rows around. Its place says little",
    );
    expect(root.querySelectorAll(".star[data-outside]")).toHaveLength(1);
    expect(kernel.sent.filter((name) => name === "place")).toHaveLength(2);
  });

  test("other files are refused, in words, and asked of nobody", async () => {
    const { kernel, view, get } = await openMaps();
    await drop(view, "a.svg", "image/svg+xml");
    await frame();
    expect(get("notice").textContent).toContain("Only PNG and JPEG");
    expect(kernel.sent).toEqual([]);
  });
});

test("nothing is left after the end", async () => {
  const { kernel, root } = await openMaps();
  life.abort();
  expect(kernel.listening).toBe(0);
  expect(observing.size).toBe(0);
  expect(root.childElementCount).toBe(0);
});
