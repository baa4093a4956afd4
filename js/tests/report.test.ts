// @vitest-environment jsdom
import { afterEach, beforeEach, expect, test } from "vitest";
import { type Numbers, ReportData, type ReportWords } from "../views/report/data.js";
import { openReport } from "../views/report/index.js";
import { drawn, pen } from "../views/report/store.js";
import { frame, shown } from "./page.js";

const METHODS = ["Alpha", "Beta", "Broken"];
const N = 3;
/** By method, then by picture. */
const SCORES = [
  [0.5, 0.1, 0.9],
  [0.2, null, 0.4],
  [null, null, null],
];

const arrays: Record<string, Numbers> = {
  lut: { shape: [256, 3], scale: 1, data: Uint8Array.from({ length: 768 }, (_, i) => i / 3) },
  pictures: { shape: [N, 1, 2, 3], scale: 1, data: Uint8Array.from({ length: 6 * N }, (_, i) => 10 * i) },
  alpha: { shape: [N, 1, 2], scale: 2, data: Float32Array.of(1, -1, 0, 3, 4, 4) },
  beta: { shape: [N, 1, 2], scale: 1, data: Float32Array.of(1, 1, 1, 1, 1, 1) },
  scores: {
    shape: [9, 2],
    scale: 1,
    data: Float32Array.from({ length: 18 }, (_, i) => (i < 12 ? i / 12 : Number.NaN)),
  },
};

const words: ReportWords = {
  lut: "lut",
  pictures: "pictures",
  captions: ["cat", "dog", "<b>eel</b>"].map((target) => ({ target, note: `It says ${target}.` })),
  methods: METHODS.map((title, i) => ({
    title,
    unit: "score",
    signed: true,
    maps: ["alpha", "beta", null][i],
  })),
  measures: [
    { label: "Deletion", better: "low", values: SCORES },
    { label: "Insertion", better: "high", values: SCORES },
    { label: "On the mark", better: null, values: SCORES },
  ],
  curves: [
    {
      label: "Deletion",
      better: "low",
      score: "probability of the class",
      fractions: [0, 1],
      scores: "scores",
      blurred: null,
      band: null,
    },
  ],
};

const data = new ReportData(words, (name) => arrays[name]);
let life = new AbortController();
let scrolled: Element[] = [];
beforeEach(() => {
  life = new AbortController();
  scrolled = [];
  Element.prototype.scrollIntoView = function () {
    scrolled.push(this);
  };
});
afterEach(() => life.abort());

/** The page as Python writes it, with means in the cells, and its script at work. */
function page(shownData = data) {
  const means = ["0.5", "", "0.3"];
  const cell = (method: number, measure: number) =>
    `<td data-measure="${measure}"${means[method] ? ` data-value="${means[method]}"` : ""}>${means[method]}</td>`;
  const rows = METHODS.map(
    (name, i) => `<tr data-method="${i}"><th>${name}</th>${[0, 1, 2].map((m) => cell(i, m)).join("")}</tr>`,
  );
  const heads = ["low", "high", "high"].map(
    (end) => `<th data-better="${end}"><span class="name">m</span></th>`,
  );
  document.body.innerHTML = `<table><thead><tr><th><span class="name">Method</span></th>${heads.join("")}</tr></thead>
    <tbody>${rows.join("")}</tbody></table><div id="extremes"></div><div id="explorer"></div>`;
  const [table, extremes, box] = ["table", "#extremes", "#explorer"].map((at) => document.querySelector(at));
  const places = {
    table: table as HTMLTableElement,
    extremes: extremes as HTMLElement,
    box: box as HTMLElement,
  };
  return { ...places, store: openReport(shownData, places, life.signal) };
}

const names = (table: Element) => [...table.querySelectorAll("tbody th")].map((head) => head.textContent);
const click = (root: ParentNode, at: string) => (root.querySelector(at) as HTMLElement).click();

test("a heading sorts the best to the top, then the worst; what has no value comes last both ways", () => {
  const { table } = page();
  click(table, "thead th:nth-child(2) button");
  expect(names(table)).toEqual(["Broken", "Alpha", "Beta"]);
  click(table, "thead th:nth-child(2) button");
  expect(names(table)).toEqual(["Alpha", "Broken", "Beta"]);
  expect(table.querySelectorAll("[aria-sort]").length).toBe(1);
  click(table, "thead th:nth-child(3) button");
  expect(names(table)).toEqual(["Alpha", "Broken", "Beta"]);
  click(table, "thead th:nth-child(1) button");
  expect(names(table)).toEqual(METHODS);
});

test("a cell shows where its method did best; what has no picture is no button", async () => {
  const { table, box, extremes, store } = page();
  click(table, "[data-method='0'] td:nth-child(2) button");
  await frame();
  expect(store.picture.value).toBe(1);
  expect(extremes.textContent).toContain("best: picture 2, 0.1");
  expect(box.querySelector(".caption")?.textContent).toContain("dog");
  expect([...box.querySelectorAll("[data-chosen]")].map((tile) => tile.getAttribute("data-method"))).toEqual([
    "0",
  ]);
  expect(table.querySelector("[data-method='2'] button")).toBeNull();
  expect(scrolled).toEqual([]);
  click(extremes, "button:last-of-type");
  expect(store.picture.value).toBe(2);
  expect(scrolled).toEqual([box]);
});

test("a measure without a good end has a lowest and a highest picture", async () => {
  const { table, extremes } = page();
  click(table, "[data-method='0'] td:nth-child(4) button");
  await frame();
  expect(extremes.textContent).toContain("lowest: picture 2");
  expect(extremes.textContent).toContain("highest: picture 3");
});

test("the name of a method leads to its maps of the picture that is shown", () => {
  const { table, box, store } = page();
  store.picture.value = 2;
  click(table, "[data-method='1'] th button");
  expect(store.chosen.value).toEqual({ method: 1, measure: 0 });
  expect(store.picture.value).toBe(2);
  expect(scrolled).toEqual([box]);
});

test("another picture repaints every map, and names are text", async () => {
  const { box, store } = page();
  await frame();
  const canvas = box.querySelector<HTMLCanvasElement>("[data-method='0'] canvas") as HTMLCanvasElement;
  const before = shown.get(canvas);
  store.picture.value = 2;
  await frame();
  expect(shown.get(canvas)).not.toEqual(before);
  expect(box.querySelector(".caption b")).toBeNull();
  expect(box.querySelector("[data-method='2']")?.textContent).toContain("No map: the method failed.");
});

test("curves that are not defined are not drawn", async () => {
  const { box } = page();
  await frame();
  expect(box.querySelectorAll(".curve path.line").length).toBe(2);
});

test.each([
  [[0, 0.25, 1], "25\u00a0%"],
  [[0, 0.5], "0\u00a0%"],
  [[0, 0.1], "10\u00a0%"],
  [[0], "0\u00a0%"],
])("curves are said at the point nearest to a quarter: %j", async (fractions, share) => {
  const count = fractions.length;
  const scores = {
    shape: [9, count],
    scale: 1,
    data: Float32Array.from({ length: 9 * count }, (_, i) => (i < 6 * count ? i : Number.NaN)),
  };
  const curve = { ...words.curves[0], fractions };
  const other = new ReportData({ ...words, curves: [curve] }, (name) =>
    name === "scores" ? scores : arrays[name],
  );
  const { box } = page(other);
  await frame();
  const said = box.querySelector(".curve svg")?.getAttribute("aria-label");
  expect(said).toMatch(new RegExp(`score after ${share} of the pixels: Alpha [\\d.]+, Beta [\\d.]+$`));
});

test("arrays are read row by row with their scale", () => {
  expect([...(data.map(0, 1) ?? [])]).toEqual([0, 6]);
  expect(data.map(2, 0)).toBeNull();
  expect([...(data.curve(words.curves[0], 1, 0, "scores") ?? [])]).toEqual([6 / 12, 7 / 12].map(Math.fround));
  expect(data.curve(words.curves[0], 2, 0, "scores")).toBeNull();
  expect(data.order({ method: 0, measure: 1 })).toEqual([2, 0, 1]);
  expect(data.order({ method: 1, measure: 0 })).toEqual([0, 2]);
});

test("on a common scale a pixel is its share of its own map, and all end at one limit", () => {
  const made = drawn([Float64Array.of(3, -1), null, Float64Array.of(10, 10)], ["a", "b", "c"], "share");
  expect([...(made[0]?.values ?? [])]).toEqual([0.75, -0.25]);
  expect(made[1]).toBeNull();
  expect(made[0]?.limit).toBe(made[2]?.limit);
  const own = drawn([Float64Array.of(3, -1), Float64Array.of(10, 10)], ["a", "b"], "own");
  expect(own.map((one) => one?.unit)).toEqual(["a", "b"]);
  expect(own[0]?.limit).not.toBe(own[1]?.limit);
});

test("no two of sixteen pens are alike", () => {
  const pens = Array.from({ length: 16 }, (_, i) => Object.values(pen(i, false)).join());
  expect(new Set(pens).size).toBe(16);
});

/** A page whose curves have these scores, and its first chart. */
async function charted(scores: readonly number[], score: string): Promise<SVGElement> {
  const data = Float32Array.from({ length: 18 }, (_, i) => scores[i % scores.length]);
  const shownData = new ReportData({ ...words, curves: [{ ...words.curves[0], score }] }, (name) =>
    name === "scores" ? { shape: [9, 2], scale: 1, data } : arrays[name],
  );
  const { box } = page(shownData);
  await frame();
  return box.querySelector(".curve svg") as SVGElement;
}

test("the labels of a chart have the room that they take", async () => {
  const chart = await charted([-150000, 150000], "price");
  const labels = [...chart.querySelectorAll(".axes text[text-anchor=end]")];
  const long = labels.find(({ textContent }) => textContent?.includes("00000")) as Element;
  expect(Number(long.getAttribute("x"))).toBeGreaterThan(6 * (long.textContent as string).length);
});

test("each chart says the score of its own protocol", async () => {
  const [first] = words.curves;
  const curves = [first, { ...first, label: "Insertion", score: "logit of the class" }];
  const { box } = page(new ReportData({ ...words, curves }, (name) => arrays[name]));
  await frame();
  const said = [...box.querySelectorAll(".curve figcaption")].map(({ textContent }) => textContent);
  expect(said[0]).toContain("probability of the class");
  expect(said[1]).toContain("logit of the class");
});

test("a score that hardly moves is no level line, and a probability is seen as a share of one", async () => {
  const heights = (chart: SVGElement) =>
    [...(chart.querySelector("path.line")?.getAttribute("d") ?? "").matchAll(/[ML]\S+ ([\d.]+)/g)].map(
      ([, y]) => Number(y),
    );
  const [high, low] = heights(await charted([1, 0.99], "price"));
  expect(low - high).toBeGreaterThan(100);
  const [top, under] = heights(await charted([1, 0.99], "probability of the class"));
  expect(under - top).toBeLessThan(5);
});
