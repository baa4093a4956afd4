/** Where points are, which of them, and in what colour. */
import { describe, expect, test } from "vitest";
import {
  fit as fitted,
  inside,
  pan,
  sideOf,
  toMap,
  toScreen,
  WHOLE,
  zoomAt,
} from "../render/points/camera.js";
import { PointIndex } from "../render/points/index.js";
import { Lasso } from "../render/points/lasso.js";
import { drawOrder } from "../render/points/order.js";
import { byCode, categorical, extent, MISSING, SEQUENTIAL, sequential } from "../render/points/palette.js";
import { noise } from "./scatter.js";

const SIZE = { width: 300, height: 200 };
const CAMERA = { zoom: 3, x: 0.2, y: 0.7 };

describe("camera", () => {
  test("the whole box is in the middle, as long in x as in y, and y grows upwards", () => {
    expect(toScreen(WHOLE, SIZE, 0.5, 0.5)).toEqual({ x: 150, y: 100 });
    const low = toScreen(WHOLE, SIZE, 0, 0);
    const high = toScreen(WHOLE, SIZE, 1, 1);
    expect(high.x - low.x).toBeCloseTo(188);
    expect(low.y - high.y).toBeCloseTo(188);
  });

  test("there and back", () => {
    for (const [x, y] of [
      [0, 0],
      [0.21, 0.68],
      [1, 0.3],
    ]) {
      const at = toScreen(CAMERA, SIZE, x, y);
      const back = toMap(CAMERA, SIZE, at.x, at.y);
      expect(back.x).toBeCloseTo(x, 12);
      expect(back.y).toBeCloseTo(y, 12);
    }
  });

  test("what is under the hand stays under it", () => {
    const held = toMap(CAMERA, SIZE, 120, 80);
    const zoomed = zoomAt(CAMERA, SIZE, 120, 80, 1.7);
    expect(zoomed.zoom).toBeCloseTo(5.1);
    expect(toScreen(zoomed, SIZE, held.x, held.y).x).toBeCloseTo(120);
    expect(toScreen(zoomed, SIZE, held.x, held.y).y).toBeCloseTo(80);
    const moved = pan(CAMERA, SIZE, 11, -7);
    expect(toScreen(moved, SIZE, held.x, held.y).x).toBeCloseTo(131);
    expect(toScreen(moved, SIZE, held.x, held.y).y).toBeCloseTo(73);
  });

  test("at the ends of the zoom nothing moves, and the middle stays in the box", () => {
    expect(zoomAt(WHOLE, SIZE, 10, 10, 0.5)).toEqual(WHOLE);
    expect(zoomAt({ ...CAMERA, zoom: 4096 }, SIZE, 10, 10, 2)).toEqual({ ...CAMERA, zoom: 4096 });
    expect(inside({ zoom: 0, x: -1, y: 7 })).toEqual({ zoom: 1, x: 0, y: 1 });
    expect(pan(WHOLE, SIZE, 1e6, 0).x).toBe(0);
  });

  test("fits some points: all are seen, and they reach the margin on one side", () => {
    const coords = Uint16Array.from([100, 100, 65000, 65000, 20000, 30000, 24000, 31000]);
    const camera = fitted(SIZE, coords, [2, 3]);
    const [first, last] = [2, 3].map((id) =>
      toScreen(camera, SIZE, coords[2 * id] / 65535, coords[2 * id + 1] / 65535),
    );
    expect(first.x).toBeCloseTo(0.03 * 300);
    expect(last.x).toBeCloseTo(0.97 * 300);
    expect(Math.min(first.y, last.y)).toBeGreaterThan(6);
    expect(fitted(SIZE, coords, [0])).toEqual({ zoom: 64, x: 100 / 65535, y: 100 / 65535 });
    expect(fitted(SIZE, coords, [])).toBe(WHOLE);
    expect(sideOf(fitted(SIZE, coords, [0, 1]), SIZE)).toBeLessThan(200);
  });
});

/** A cloud in which some points share a place. */
function cloud(n: number, seed: number): Uint16Array {
  const next = noise(seed);
  return Uint16Array.from(
    { length: 2 * n },
    () => Math.floor(next() ** 2 * 65536) & ~(next() < 0.3 ? 1023 : 0),
  );
}

describe("index", () => {
  const coords = cloud(3000, 5);
  const index = new PointIndex(coords);
  const all = Array.from({ length: 3000 }, (_, id) => ({ id, x: coords[2 * id], y: coords[2 * id + 1] }));

  test("the nearest point, as looking at each finds it", () => {
    const next = noise(9);
    for (let i = 0; i < 300; i++) {
      const [x, y, within] = [next() * 80000 - 7000, next() * 80000 - 7000, next() * 6000];
      let best = { id: -1, distance: within ** 2 };
      for (const point of all) {
        const distance = (point.x - x) ** 2 + (point.y - y) ** 2;
        if (distance < best.distance) best = { id: point.id, distance };
      }
      expect(index.nearest(x, y, within)).toBe(best.id);
    }
  });

  test("of several in one place the first", () => {
    const twins = new PointIndex(Uint16Array.from([9, 9, 5, 5, 5, 5, 5, 5]));
    expect(twins.nearest(5, 5, 0)).toBe(1);
    expect(twins.nearest(7, 5, 1)).toBe(-1);
  });

  test("points of a rectangle, border included, also between cells and beyond the box", () => {
    for (const [left, low, right, high] of [
      [0, 0, 65535, 65535],
      [1024, 1024, 20480, 9000],
      [-500, 60000, 300, 70000],
      [5.5, 5.5, 5.6, 5.6],
      [9, 9, 8, 8],
    ]) {
      const inIt = all.filter(({ x, y }) => x >= left && x <= right && y >= low && y <= high);
      expect([...index.inRectangle(left, low, right, high)]).toEqual(inIt.map(({ id }) => id));
    }
  });

  test("points in between two layouts are no whole numbers", () => {
    const between = new PointIndex(Float32Array.from([10.5, 20.5, 300.25, 65535]));
    expect(between.nearest(10.4, 20.5, 0.2)).toBe(0);
    expect([...between.inRectangle(300.2, 65534, 300.3, 65536)]).toEqual([1]);
  });
});

/** How often a polygon goes round a point: the sum of the angles under which it sees the edges. */
function turns(xy: readonly number[], x: number, y: number): number {
  let sum = 0;
  for (let i = 0; i < xy.length; i += 2) {
    const [ax, ay] = [xy[i] - x, xy[i + 1] - y];
    const [bx, by] = [xy[(i + 2) % xy.length] - x, xy[(i + 3) % xy.length] - y];
    sum += Math.atan2(ax * by - ay * bx, ax * bx + ay * by);
  }
  return Math.round(sum / 2 / Math.PI);
}

describe("lasso", () => {
  const star = Array.from({ length: 5 }, (_, i) => (i * 4 * Math.PI) / 5).flatMap((a) => [
    Math.sin(a),
    Math.cos(a),
  ]);
  const next = noise(3);
  const scribble = Array.from({ length: 900 }, () => next() * 4 - 2);
  test.each([
    ["triangle", [0, 0, 2, 0.1, 1, 2]],
    ["triangle the other way round", [1, 2, 2, 0.1, 0, 0]],
    ["star: its middle is inside, too", star],
    ["scribble of 450 corners", scribble],
  ])("%s", (_, xy) => {
    const lasso = new Lasso(Float64Array.from(xy));
    let inIt = 0;
    for (let i = 0; i < 2000; i++) {
      const [x, y] = [next() * 4 - 2, next() * 4 - 2];
      expect(lasso.has(x, y)).toBe(turns(xy, x, y) !== 0);
      inIt += Number(lasso.has(x, y));
    }
    expect(inIt).toBeGreaterThan(100);
  });

  test("what is no polygon holds nothing", () => {
    for (const xy of [[], [1, 1], [0, 0, 5, 5], [0, 3, 9, 3, 4, 3]])
      expect(new Lasso(xy).has(1, 1) || new Lasso(xy).has(4, 3)).toBe(false);
  });

  test("the points of a map inside one", () => {
    const coords = cloud(2000, 8);
    const xy = [1000, 2000, 60000, 9000, 30000, 50000, 8000, 40000];
    const found = new PointIndex(coords).inPolygon(new Lasso(xy));
    const wanted = Array.from({ length: 2000 }, (_, id) => id).filter(
      (id) => turns(xy, coords[2 * id] + 1e-7, coords[2 * id + 1] + 1e-7) !== 0,
    );
    expect([...found]).toEqual(wanted);
    expect(found.length).toBeGreaterThan(100);
  });
});

describe("order", () => {
  test("is a permutation, the same each time, and not that of the classes", () => {
    const { order, front } = drawOrder(1000, null);
    expect(front).toBe(0);
    expect([...order].sort((a, b) => a - b)).toEqual(Array.from({ length: 1000 }, (_, i) => i));
    drawOrder(7, null);
    expect(drawOrder(1000, null).order).toEqual(order);
    // Ten classes one after the other: each has its share of the tenth that lies in front.
    const classes = [...order.slice(900)].map((id) => Math.floor(id / 100));
    for (let c = 0; c < 10; c++) expect(classes.filter((other) => other === c).length).toBeGreaterThan(2);
  });

  test("what is lifted comes last, and what is no point is not counted", () => {
    const { order, front } = drawOrder(100, Uint32Array.of(3, 42, 42, 1000));
    expect(front).toBe(2);
    expect([...order.slice(-2)].sort((a, b) => a - b)).toEqual([3, 42]);
    expect(new Set(order).size).toBe(100);
  });
});

type Triple = [number, number, number];
const product = (m: readonly Triple[], v: Triple) =>
  m.map((row) => row[0] * v[0] + row[1] * v[1] + row[2] * v[2]) as Triple;
const linear = (c: number) => (c <= 0.04045 * 255 ? c / 255 / 12.92 : ((c / 255 + 0.055) / 1.055) ** 2.4);

/** Machado, Oliveira and Fernandes 2009, severity 1, on linear RGB. */
const VISION: Record<string, Triple[]> = {
  normal: [
    [1, 0, 0],
    [0, 1, 0],
    [0, 0, 1],
  ],
  protanopia: [
    [0.152286, 1.052583, -0.204868],
    [0.114503, 0.786281, 0.099216],
    [-0.003882, -0.048116, 1.051998],
  ],
  deuteranopia: [
    [0.367322, 0.860646, -0.227968],
    [0.280085, 0.672501, 0.047413],
    [-0.01182, 0.04294, 0.968881],
  ],
  tritanopia: [
    [1.255528, -0.076749, -0.178779],
    [-0.078411, 0.930809, 0.147602],
    [0.004733, 0.691367, 0.3039],
  ],
};

/** Ottosson 2020. */
function oklab(rgb: Triple): Triple {
  const lms = product(
    [
      [0.4122214708, 0.5363325363, 0.0514459929],
      [0.2119034982, 0.6806995451, 0.1073969566],
      [0.0883024619, 0.2817188376, 0.6299787005],
    ],
    rgb,
  ).map(Math.cbrt) as Triple;
  return product(
    [
      [0.2104542553, 0.793617785, -0.0040720468],
      [1.9779984951, -2.428592205, 0.4505937099],
      [0.0259040371, 0.7827717662, -0.808675766],
    ],
    lms,
  );
}

describe("palette", () => {
  const of = (colours: Uint8Array) =>
    Array.from(
      { length: colours.length / 4 },
      (_, i) => [...colours.subarray(4 * i, 4 * i + 3)].map(linear) as Triple,
    );
  const classes = of(categorical(20));

  test.each(Object.entries(VISION))("20 classes and the missing are told apart with %s", (_, vision) => {
    const seen = [...classes, MISSING.slice(0, 3).map(linear) as Triple].map((rgb) =>
      oklab(product(vision, rgb).map((c) => Math.min(Math.max(c, 0), 1)) as Triple),
    );
    for (let i = 0; i < seen.length; i++)
      for (let j = 0; j < i; j++) {
        const distance = Math.hypot(...seen[i].map((c, k) => c - seen[j][k]));
        expect(distance, `${i} and ${j}`).toBeGreaterThan(0.055);
      }
  });

  test("classes stand out on white and on the dark theme", () => {
    for (const [r, g, b] of classes) {
      const luminance = 0.2126 * r + 0.7152 * g + 0.0722 * b;
      expect(1.05 / (luminance + 0.05)).toBeGreaterThan(1.7);
      expect((luminance + 0.05) / (linear(0x11) + 0.05)).toBeGreaterThan(1.7);
    }
  });

  test("60 classes have 60 colours; then they come again", () => {
    const many = categorical(61);
    const colours = Array.from({ length: 61 }, (_, i) => many.subarray(4 * i, 4 * i + 4).join());
    expect(new Set(colours.slice(0, 60)).size).toBe(60);
    expect(colours[60]).toBe(colours[0]);
    expect(categorical(3)).toEqual(many.subarray(0, 12));
  });

  test("codes become colours, and what has none is grey", () => {
    const palette = Uint8Array.of(1, 2, 3, 255, 4, 5, 6, 255);
    expect([...byCode(Uint16Array.of(1, 0, 65535, 2), palette)]).toEqual([
      ...[4, 5, 6, 255],
      ...[1, 2, 3, 255],
      ...MISSING,
      ...MISSING,
    ]);
  });

  test("numbers run over the table from end to end; what is none is grey", () => {
    const lut = Uint8Array.of(0, 1, 2, 10, 11, 12, 20, 21, 22);
    const values = Float32Array.of(-1, 0, 1, Number.NaN, 3, Number.POSITIVE_INFINITY);
    expect(extent(values)).toEqual([-1, 3]);
    const first = (colours: Uint8Array) => [...colours].filter((_, i) => i % 4 === 0);
    expect(first(sequential(values, lut))).toEqual([0, 10, 10, MISSING[0], 20, 20]);
    expect(first(sequential(values, lut, [0, 1]))).toEqual([0, 0, 20, MISSING[0], 20, 20]);
    expect(first(sequential(Float32Array.of(7, 7), lut))).toEqual([10, 10]);
    expect(extent(Float32Array.of(Number.NaN))).toEqual([0, 1]);
    expect([...SEQUENTIAL.subarray(0, 3)]).toEqual([0x3e, 0x4a, 0x89]);
    expect([...SEQUENTIAL.subarray(-3)]).toEqual([0xb5, 0xde, 0x2b]);
  });
});
