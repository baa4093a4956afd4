/**
 * Points on a canvas, and which of them are where. No control, no listener: the view decides what moves. Places on
 * the screen are CSS pixels from the top left of the canvas; ids count from 0 in the order of the coordinates.
 */
import { clamp } from "../../lib/format.js";
import { type Camera, type Place, type Size, sideOf, toMap, toScreen, UNITS, WHOLE } from "./camera.js";
import { CELL, Density } from "./density.js";
import { Pen } from "./gl.js";
import { PointIndex } from "./index.js";
import { Lasso } from "./lasso.js";
import { drawOrder } from "./order.js";
import { MISSING } from "./palette.js";
import { Raster } from "./raster.js";
import { mapping, pixelSize, positions, type Scene, type View } from "./scene.js";

const NONE = new Uint16Array(0);
/** Up to this many points memory is fast enough; above it the graphics card is asked, where there is one. */
const MOST_BY_HAND = 200_000;
/** What is left of the opacity of points that are not highlighted, and of the counts behind those that are. */
const DIMMED = 0.12;
const DIMMED_DENSITY = 0.4;
/** Automatic points, at zoom 1, cover this share of the canvas together, if nothing lies over anything. */
const INK = 0.2;

/** Radius in CSS pixels that suits so many points; closer by, they grow, but less than the distances between them. */
export function automaticRadius(n: number, { width, height }: Size, zoom: number): number {
  const plain = clamp(Math.sqrt((INK * width * height) / (Math.PI * Math.max(n, 1))), 0.75, 4);
  return Math.min(plain * Math.sqrt(zoom), 6);
}

export class Points {
  camera: Camera = WHOLE;
  /** In CSS pixels; 0 is automatic. */
  radius = 0;
  opacity = 1;
  /** Counts per cell instead of points; what is highlighted is drawn over them. */
  density = false;
  /** Points in the fullest cell when density was last drawn, for the legend. */
  densest = 0;
  kind: "raster" | "webgl" = "raster";
  size: Size = { width: 0, height: 0 };

  #ratio = 1;
  #coords: Pick<Scene, "from" | "to" | "t"> = { from: NONE, to: NONE, t: 0 };
  #colours: Uint8Array | null = null;
  #highlighted: Uint32Array | null = null;
  #drawing = drawOrder(0, null);
  /** What follows from the above; `null` when it has to be found again. */
  #paint: { colours: Scene["paint"]; opacity: number } | null = null;
  #placed: Float32Array | null = null;
  #index: PointIndex | null = null;
  #context: CanvasRenderingContext2D | null = null;
  #image: ImageData | null = null;
  readonly #raster = new Raster();
  readonly #counter = new Density();
  /** `undefined` until the page was asked for WebGL. */
  #pen: Pen | null | undefined;

  constructor(
    readonly canvas: HTMLCanvasElement,
    private readonly life: AbortSignal,
  ) {}

  get n(): number {
    return this.#coords.from.length >> 1;
  }

  /** Radius of a point on the screen now, in CSS pixels. */
  get shownRadius(): number {
    return this.radius || automaticRadius(this.n, this.size, this.camera.zoom);
  }

  resize(width: number, height: number, ratio: number): void {
    this.size = { width, height };
    this.#ratio = ratio;
  }

  /** x and y of every point in turn, kept and not copied. Another number of points takes colours and highlight away. */
  set(coords: Uint16Array): void {
    this.tween(coords, coords, 0);
  }

  /** Points on their straight way, at the share `t` of it. */
  tween(from: Uint16Array, to: Uint16Array, t: number): void {
    if (from.length % 2 || from.length !== to.length)
      throw new RangeError(`${from.length} and ${to.length} coordinates are not those of the same points.`);
    if (from.length !== 2 * this.n) {
      this.#colours = this.#highlighted = this.#paint = null;
      this.#drawing = drawOrder(from.length >> 1, null);
    }
    this.#coords = { from, to, t: clamp(t, 0, 1) };
    this.#placed = this.#index = null;
  }

  /** RGBA of every point. */
  colour(rgba: Uint8Array): void {
    if (rgba.length !== 4 * this.n)
      throw new RangeError(`${rgba.length} bytes are not the colours of ${this.n} points.`);
    this.#colours = rgba;
    this.#paint = null;
  }

  /** Draws these in front and dims all others; `null` is all alike. */
  highlight(ids: Uint32Array | null): void {
    if (!ids && !this.#highlighted) return;
    this.#highlighted = ids;
    this.#drawing = drawOrder(this.n, ids);
    this.#placed = this.#paint = null;
  }

  draw(): void {
    const size = pixelSize(this.size, this.#ratio);
    if (size.width < 1 || size.height < 1 || this.life.aborted) return;
    if (this.canvas.width !== size.width || this.canvas.height !== size.height)
      Object.assign(this.canvas, { width: size.width, height: size.height });
    const view = { camera: this.camera, size: this.size, ratio: this.#ratio, radius: this.shownRadius };
    const pen = this.density ? null : this.#takePen();
    const context = this.#take2d(!pen);
    const drawn = pen?.draw(context, this.#scene(), view) ?? false;
    if (!drawn) this.#drawByHand(context, view, size);
    this.kind = drawn ? "webgl" : "raster";
  }

  /** Where a point is. */
  place(id: number): Place {
    const { from, to, t } = this.#coords;
    const along = (i: number) => (from[i] + (to[i] - from[i]) * t) / UNITS;
    return toScreen(this.camera, this.size, along(2 * id), along(2 * id + 1));
  }

  /** The point nearest to a place and at most so many pixels away, or -1. */
  nearest(x: number, y: number, within: number): number {
    const at = this.#units(x, y);
    return this.#find().nearest(at.x, at.y, (within / sideOf(this.camera, this.size)) * UNITS);
  }

  /** Points between two corners, ascending. */
  inRectangle(x0: number, y0: number, x1: number, y1: number): Uint32Array {
    const first = this.#units(Math.min(x0, x1), Math.max(y0, y1));
    const last = this.#units(Math.max(x0, x1), Math.min(y0, y1));
    return this.#find().inRectangle(first.x, first.y, last.x, last.y);
  }

  /** Points inside a polygon, x and y of its corners in turn; ascending. */
  inPolygon(xy: Float32Array): Uint32Array {
    const corners = new Float64Array(xy.length);
    for (let i = 0; i + 1 < xy.length; i += 2) {
      const { x, y } = this.#units(xy[i], xy[i + 1]);
      corners.set([x, y], i);
    }
    return this.#find().inPolygon(new Lasso(corners));
  }

  #units(px: number, py: number): Place {
    const { x, y } = toMap(this.camera, this.size, px, py);
    return { x: x * UNITS, y: y * UNITS };
  }

  #find(): PointIndex {
    this.#index ??= new PointIndex(positions(this.#coords));
    return this.#index;
  }

  #takePen(): Pen | null {
    if (this.n <= MOST_BY_HAND) return null;
    if (this.#pen === undefined) this.#pen = Pen.take(this.life, () => this.draw());
    return this.#pen;
  }

  /** The first drawing decides where the canvas lives: beside the memory or on the card that draws. */
  #take2d(byHand: boolean): CanvasRenderingContext2D {
    this.#context ??= this.canvas.getContext("2d", { willReadFrequently: byHand });
    if (!this.#context) throw new Error("This page allows no 2D canvas.");
    return this.#context;
  }

  #scene(): Scene {
    return { ...this.#coords, ...this.#drawing, paint: this.#painted() };
  }

  #drawByHand(context: CanvasRenderingContext2D, view: View, size: Size): void {
    const { width, height } = size;
    if (this.#image?.width !== width || this.#image.height !== height)
      this.#image = context.createImageData(width, height);
    const map = mapping(view);
    const { front } = this.#drawing;
    const at = this.#inOrder();
    this.#raster.begin(width, height, view.radius * view.ratio);
    this.#raster.dots(at, this.#painted(), this.density ? this.n - front : 0, this.n, map);
    if (this.density) {
      this.#counter.count(at, map, width, height, Math.max(1, Math.round(CELL * view.ratio)));
      this.densest = this.#counter.most;
      this.#raster.behind(this.#counter.colours(this.#highlighted ? DIMMED_DENSITY : 1));
    }
    this.#raster.finish(new Int32Array(this.#image.data.buffer));
    context.putImageData(this.#image, 0, 0);
  }

  /** Places in the order of drawing: memory is then read from one end to the other. */
  #inOrder(): Float32Array {
    if (this.#placed) return this.#placed;
    const { order } = this.#drawing;
    const at = positions(this.#coords);
    const placed = new Float32Array(at.length);
    for (let i = 0; i < order.length; i++) {
      placed[2 * i] = at[2 * order[i]];
      placed[2 * i + 1] = at[2 * order[i] + 1];
    }
    this.#placed = placed;
    return placed;
  }

  /** Colours in the order of drawing, multiplied by what is left of their opacity. */
  #painted(): Scene["paint"] {
    if (this.#paint?.opacity === this.opacity) return this.#paint.colours;
    const { order, front } = this.#drawing;
    const colours = new Int32Array(order.length);
    const given = this.#colours;
    for (let i = 0; i < order.length; i++) {
      const [source, at] = given ? [given, 4 * order[i]] : [MISSING, 0];
      const dimmed = this.#highlighted && i < order.length - front ? DIMMED : 1;
      const alpha = source[at + 3] * this.opacity * dimmed;
      const part = (c: number) => ((source[at + c] * alpha) / 255 + 0.5) | 0;
      colours[i] = part(0) | (part(1) << 8) | (part(2) << 16) | (((alpha + 0.5) | 0) << 24);
    }
    this.#paint = { colours, opacity: this.opacity };
    return colours;
  }
}
