/** What is on the canvas, drawn by hand. */
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { automaticRadius, Points } from "../render/points/scatter.js";
import { noise, StubCanvas } from "./scatter.js";

const RED = [200, 0, 0, 255];
const BLUE = [0, 0, 200, 255];

let life: AbortController;
beforeEach(() => {
  life = new AbortController();
});
afterEach(() => life.abort());

/** A map of 100 x 100 pixels; `at`: places in pixels, y downwards. */
function scatter(at: [number, number][], colours: number[][], more: Partial<Points> = {}) {
  const canvas = new StubCanvas();
  const points = new Points(canvas as unknown as HTMLCanvasElement, life.signal);
  points.resize(100, 100, 1);
  const unit = (share: number) => Math.round(share * 65535);
  points.set(Uint16Array.from(at.flatMap(([x, y]) => [unit((x - 3) / 94), unit((97 - y) / 94)])));
  points.colour(Uint8Array.from(colours.flat()));
  points.radius = 3;
  Object.assign(points, more);
  points.draw();
  return { canvas, points };
}

describe("drawn by hand", () => {
  test("a round point, whole in its middle, smooth at its edge, nothing elsewhere", () => {
    const { canvas, points } = scatter([[40.5, 30.5]], [RED]);
    expect([canvas.width, canvas.height, points.kind]).toEqual([100, 100, "raster"]);
    expect(canvas.at(40, 30)).toEqual(RED);
    expect(canvas.at(42, 30)).toEqual(RED);
    expect(canvas.at(44, 30)).toEqual([0, 0, 0, 0]);
    const [r, g, b, alpha] = canvas.at(42, 32); // 2.83 of 3 + 1/2 from the middle
    expect(Math.abs(r - 200) + g + b).toBeLessThan(2); // colours of an edge are rounded twice
    expect(alpha).toBeGreaterThan(120);
    expect(alpha).toBeLessThan(220);
    const ink = canvas.pixels?.reduce((sum, value, i) => sum + (i % 4 === 3 ? value / 255 : 0), 0);
    expect(ink).toBeCloseTo(Math.PI * 9, 0);
  });

  test("at the border of the canvas half of it is seen, and nothing comes in again on the other side", () => {
    const { canvas } = scatter([[3.5, 50.5]], [RED], { camera: { zoom: 1, x: 0.537, y: 0.5 } });
    expect(canvas.at(0, 50)).toEqual(RED);
    const right = Array.from({ length: 100 }, (_, y) => canvas.at(99, y)[3] + canvas.at(90, y)[3]);
    expect(Math.max(...right)).toBe(0);
    const beyond = scatter([[50, 50]], [RED], { camera: { zoom: 4096, x: 0.1, y: 0.9 } });
    expect(beyond.canvas.inked).toBe(0);
  });

  test("half transparent points of one place lie over each other", () => {
    const { canvas } = scatter(Array(3).fill([50.5, 50.5]), Array(3).fill(RED), { opacity: 0.5 });
    const [r, , , alpha] = canvas.at(50, 50);
    expect(Math.abs(alpha - 255 * (1 - 0.5 ** 3))).toBeLessThan(3);
    expect(Math.abs(r - 200)).toBeLessThan(3);
  });

  test("nothing shines through opaque points; many edges in one place make a pixel whole", () => {
    const { canvas } = scatter(Array(50).fill([50.5, 50.5]), [...Array(49).fill(BLUE), RED]);
    expect([RED, BLUE]).toContainEqual(canvas.at(50, 50));
    expect(canvas.at(52, 52)[3]).toBeGreaterThan(252);
  });

  test("of classes drawn one after the other, none lies over all the others", () => {
    const next = noise(2);
    const places = Array.from(
      { length: 6000 },
      () => [20 + 60 * next(), 20 + 60 * next()] as [number, number],
    );
    const colours = places.map((_, i) => (i < 3000 ? RED : BLUE));
    const { canvas } = scatter(places, colours);
    let red = 0;
    for (let x = 25; x < 75; x++) for (let y = 25; y < 75; y++) red += Number(canvas.at(x, y)[0] > 100);
    expect(red / 2500).toBeGreaterThan(0.4);
    expect(red / 2500).toBeLessThan(0.6);
  });

  test("highlighted points are in front, the others fade; taken away, all is as before", () => {
    const places: [number, number][] = [...Array(40).fill([50.5, 50.5]), [70.5, 50.5]];
    const { canvas, points } = scatter(places, [...Array(39).fill(BLUE), RED, BLUE]);
    const before = canvas.pixels;
    points.highlight(Uint32Array.of(39));
    points.draw();
    expect(canvas.at(50, 50)).toEqual(RED);
    expect(canvas.at(70, 50)[3]).toBe(Math.round(255 * 0.12));
    points.highlight(null);
    points.draw();
    expect(canvas.pixels).toEqual(before);
  });

  test("a screen of two pixels for one of CSS: the same picture, twice as fine", () => {
    const { canvas, points } = scatter([[40.5, 30.5]], [RED]);
    points.resize(100, 100, 2);
    points.draw();
    expect([canvas.width, canvas.at(81, 61), canvas.at(84, 61)]).toEqual([200, RED, RED]);
    expect(canvas.at(90, 61)[3]).toBe(0);
  });

  test("without a place to draw, without points, after the end", () => {
    const { canvas, points } = scatter([[50, 50]], [RED]);
    points.resize(0, 0, 1);
    points.draw();
    expect(canvas.inked).toBeGreaterThan(0); // what was there stays
    points.resize(100, 100, 1);
    points.set(new Uint16Array(0));
    points.draw();
    expect(canvas.inked).toBe(0);
    expect(points.nearest(50, 50, 1000)).toBe(-1);
    canvas.pixels = null;
    life.abort();
    points.draw();
    expect(canvas.pixels).toBeNull();
  });

  test("points without colours are grey, and what fits no points is refused", () => {
    const { canvas, points } = scatter([[50.5, 50.5]], [RED]);
    points.set(Uint16Array.of(32768, 32768, 0, 0));
    points.draw();
    expect(canvas.at(50, 50)).toEqual([180, 180, 180, 255]);
    expect(() => points.colour(new Uint8Array(4))).toThrow(RangeError);
    expect(() => points.tween(new Uint16Array(4), new Uint16Array(2), 0.5)).toThrow(RangeError);
    expect(() => points.set(new Uint16Array(3))).toThrow(RangeError);
  });

  test("automatic points are smaller where there are more, larger close by, and always seen", () => {
    const size = { width: 600, height: 600 };
    expect(automaticRadius(100, size, 1)).toBe(4);
    expect(automaticRadius(1e6, size, 1)).toBe(0.75);
    expect(automaticRadius(1e4, size, 1)).toBeCloseTo(Math.sqrt((0.2 * 36) / Math.PI));
    expect(automaticRadius(1e6, size, 16)).toBe(3);
    expect(automaticRadius(1e6, size, 4096)).toBe(6);
  });
});

describe("density", () => {
  /** Cells of 2 x 2 pixels: one with 1, one with 10, one with 100 points. */
  const places = [
    ...Array(1).fill([20.7, 20.7]),
    ...Array(10).fill([40.7, 40.7]),
    ...Array(100).fill([60.7, 60.7]),
  ];
  const colours = Array(111).fill(RED);

  test("the colour is log(1 + count) over that of the fullest cell", () => {
    const { canvas, points } = scatter(places, colours, { density: true });
    expect(points.densest).toBe(100);
    expect(canvas.inked).toBe(12);
    expect(canvas.at(60, 60)).toEqual([0xb5, 0xde, 0x2b, 255]);
    const green = [20, 40, 60].map((at) => canvas.at(at, at)[1]);
    // Of 256 steps round(256 log 2 / log 101) = 38 and round(256 log 11 / log 101) = 133, between seven stops.
    const stops = [0x4a, 0x68, 0x82, 0x9e, 0xb7, 0xce, 0xde];
    const colourAt = (step: number) => {
      const at = (step / 256) * 6;
      const before = Math.floor(at);
      return Math.round(stops[before] + (at - before) * (stops[before + 1] - stops[before]));
    };
    expect(green.slice(0, 2)).toEqual([colourAt(38), colourAt(133)]);
  });

  test("highlighted points lie over the counts, which step back", () => {
    const { canvas, points } = scatter(places, colours, { density: true });
    points.highlight(Uint32Array.of(0));
    points.draw();
    expect(canvas.at(20, 20)).toEqual(RED);
    expect(canvas.at(60, 60)[3]).toBe(102);
  });
});

describe("where points are", () => {
  const places: [number, number][] = [
    [20, 20],
    [30, 20],
    [80, 70],
  ];
  const made = () => scatter(places, [RED, RED, BLUE]).points;

  test("is asked in pixels of the screen, under any camera", () => {
    const points = made();
    expect(points.place(2).x).toBeCloseTo(80, 1);
    expect(points.place(2).y).toBeCloseTo(70, 1);
    expect([points.nearest(26, 20, 10), points.nearest(26, 20, 2)]).toEqual([1, -1]);
    points.camera = { zoom: 8, x: 0.6, y: 0.2 };
    const { x, y } = points.place(2);
    expect([points.nearest(x + 3, y - 4, 5.5), points.nearest(x + 3, y - 4, 4.5)]).toEqual([2, -1]);
  });

  test("in a rectangle, from any corner to the other, and in a polygon", () => {
    const points = made();
    expect([...points.inRectangle(35, 25, 15, 15)]).toEqual([0, 1]);
    expect([...points.inRectangle(25, 15, 90, 90)]).toEqual([1, 2]);
    expect([...points.inPolygon(Float32Array.of(10, 10, 25, 10, 25, 40, 90, 60, 90, 80, 60, 80))]).toEqual([
      0, 2,
    ]);
  });

  test("on the way between two maps, also for the one who asks", () => {
    const points = made();
    const from = Uint16Array.of(0, 0, 65535, 65535, 100, 100);
    const to = Uint16Array.of(65535, 0, 0, 65535, 100, 100);
    points.tween(from, to, 0.25);
    expect(points.place(0).x).toBeCloseTo(3 + 94 / 4);
    expect(points.nearest(3 + 94 / 4, 97, 1)).toBe(0);
    points.tween(from, to, 1);
    expect(points.nearest(97, 97, 1)).toBe(0);
    points.set(from);
    expect(points.nearest(97, 97, 1)).toBe(-1);
  });
});
