/**
 * Points drawn by the graphics card. A page loses WebGL contexts past the sixteenth, so there is one for all widgets:
 * each draws into it in turn and copies the picture to its own canvas. Jupyter loads this module once per widget, so
 * what is shared hangs on `globalThis` as plain data (modules may be of different versions), and goes with its last
 * user.
 */
import { atEnd } from "../../lib/lifetime.js";
import { mapping, pixelSize, type Scene, type View } from "./scene.js";

interface Shared {
  canvas: HTMLCanvasElement;
  gl: WebGL2RenderingContext;
  /** By their source: two versions of this module do not share one. */
  programs: Map<string, WebGLProgram>;
  users: Set<object>;
}

const KEY = Symbol.for("saliscope.webgl");
const page = globalThis as { [KEY]?: Shared };

/** Edges are smoothed by the shader. Without a graphics card the raster is many times faster. */
const OPTIONS: WebGLContextAttributes = {
  antialias: false,
  depth: false,
  failIfMajorPerformanceCaveat: true,
  powerPreference: "high-performance",
};

/** What draws in the place of a card that is not there; browsers do not all say that it is slow. */
const SOFTWARE = /swiftshader|llvmpipe|softpipe|software|basic render/i;

// Whole numbers up to 65535 are exact; the difference comes first, so that they stay so at any zoom.
const VERTEX = `#version 300 es
in vec2 origin, goal;
in vec4 paint;
uniform vec2 middle, step;
uniform float share, radius;
out vec4 colour;
void main() {
  gl_Position = vec4((mix(origin, goal, share) - middle) * step, 0, 1);
  gl_PointSize = 2.0 * radius + 2.0;
  colour = paint;
}`;
const FRAGMENT = `#version 300 es
precision highp float;
in vec4 colour;
uniform float radius;
out vec4 pixel;
void main() {
  float distance = length(gl_PointCoord - 0.5) * (2.0 * radius + 2.0);
  pixel = colour * clamp(radius + 0.5 - distance, 0.0, 1.0);
}`;

/** The page was asked, and there is no card: a context is too dear to be made for each widget again. */
let none = false;

function shared(): Shared | null {
  if (page[KEY] || none) return page[KEY] ?? null;
  const canvas = document.createElement("canvas");
  const gl = canvas.getContext("webgl2", OPTIONS);
  if (!gl || isSoftware(gl)) {
    gl?.getExtension("WEBGL_lose_context")?.loseContext();
    none = true;
    return null;
  }
  page[KEY] = { canvas, gl, programs: new Map(), users: new Set() };
  return page[KEY];
}

function isSoftware(gl: WebGL2RenderingContext): boolean {
  const info = gl.getExtension("WEBGL_debug_renderer_info");
  return SOFTWARE.test(String(gl.getParameter(info ? info.UNMASKED_RENDERER_WEBGL : gl.RENDERER)));
}

function programOf({ gl, programs }: Shared): WebGLProgram {
  const known = programs.get(VERTEX + FRAGMENT);
  if (known) return known;
  const program = gl.createProgram();
  for (const [kind, source] of [
    [gl.VERTEX_SHADER, VERTEX],
    [gl.FRAGMENT_SHADER, FRAGMENT],
  ] as const) {
    const shader = gl.createShader(kind);
    if (!shader) continue; // the context is lost: linking fails, too
    gl.shaderSource(shader, source);
    gl.compileShader(shader);
    gl.attachShader(program, shader);
    gl.deleteShader(shader);
  }
  ["origin", "goal", "paint"].forEach((name, at) => {
    gl.bindAttribLocation(program, at, name);
  });
  gl.linkProgram(program);
  programs.set(VERTEX + FRAGMENT, program);
  return program;
}

/** What an array of the scene became in the memory of the card. */
interface Held {
  buffer: WebGLBuffer;
  of: unknown[];
}

export class Pen {
  #held: (Held | null)[] = [null, null, null];

  private constructor(
    private readonly shared: Shared,
    life: AbortSignal,
    changed: () => void,
  ) {
    const { canvas, gl, programs, users } = shared;
    users.add(this);
    const lost = (event: Event) => {
      event.preventDefault(); // else it is never restored
      programs.clear();
      this.#held.fill(null);
      changed();
    };
    canvas.addEventListener("webglcontextlost", lost, { signal: life });
    canvas.addEventListener("webglcontextrestored", changed, { signal: life });
    atEnd(life, () => {
      users.delete(this);
      for (const held of this.#held) if (held) gl.deleteBuffer(held.buffer);
      if (users.size || page[KEY] !== shared) return;
      gl.getExtension("WEBGL_lose_context")?.loseContext();
      delete page[KEY];
    });
  }

  /** `null` where the page has no WebGL; `changed` is called when the context was lost, and when it is back. */
  static take(life: AbortSignal, changed: () => void): Pen | null {
    const found = life.aborted ? null : shared();
    return found && new Pen(found, life, changed);
  }

  /** Draws the scene over all of `context`; `false`, and nothing drawn, where the card cannot. */
  draw(context: CanvasRenderingContext2D, scene: Scene, view: View): boolean {
    const { canvas, gl } = this.shared;
    const { width, height } = pixelSize(view.size, view.ratio);
    // A point whose centre is outside is not drawn at all, so what is drawn is larger than what is shown.
    const margin = Math.ceil(view.radius * view.ratio + 1);
    const [wide, high] = [width + 2 * margin, height + 2 * margin];
    if (gl.isContextLost() || !this.#room(wide, high)) return false;
    const program = programOf(this.shared);
    if (!gl.getProgramParameter(program, gl.LINK_STATUS)) return false;
    this.#load(scene);
    gl.useProgram(program);
    gl.viewport(0, 0, wide, high);
    gl.scissor(0, 0, wide, high);
    gl.enable(gl.SCISSOR_TEST);
    gl.clearColor(0, 0, 0, 0);
    gl.clear(gl.COLOR_BUFFER_BIT);
    gl.enable(gl.BLEND);
    gl.blendFunc(gl.ONE, gl.ONE_MINUS_SRC_ALPHA);
    this.#look(program, scene, view, wide, high);
    gl.drawArrays(gl.POINTS, 0, scene.order.length);
    if (gl.isContextLost()) return false;
    context.globalCompositeOperation = "copy";
    context.drawImage(canvas, margin, canvas.height - high + margin, width, height, 0, 0, width, height);
    context.globalCompositeOperation = "source-over";
    return true;
  }

  /** Makes the shared picture large enough; it never shrinks, for a new size is costly. */
  #room(width: number, height: number): boolean {
    const { canvas, gl } = this.shared;
    if (canvas.width < width) canvas.width = width;
    if (canvas.height < height) canvas.height = height;
    return gl.drawingBufferWidth === canvas.width && gl.drawingBufferHeight === canvas.height;
  }

  #look(program: WebGLProgram, scene: Scene, view: View, wide: number, high: number): void {
    const { gl } = this.shared;
    const [ax, bx, ay, by] = mapping(view);
    const { width, height } = pixelSize(view.size, view.ratio);
    const place = (name: string) => gl.getUniformLocation(program, name);
    gl.uniform2f(place("middle"), (width / 2 - ax) / bx, (height / 2 - ay) / by);
    gl.uniform2f(place("step"), (2 * bx) / wide, (-2 * by) / high);
    gl.uniform1f(place("share"), scene.t);
    gl.uniform1f(place("radius"), view.radius * view.ratio);
  }

  /** Copies to the card what has changed since the last picture, in the order in which it is drawn. */
  #load({ from, to, order, paint }: Scene): void {
    const { gl } = this.shared;
    this.#array(0, [from, order], () => arranged(from, order));
    this.#array(1, [to, order], () => arranged(to, order));
    this.#array(2, [paint], () => paint);
    for (const at of [0, 1, 2]) {
      gl.bindBuffer(gl.ARRAY_BUFFER, this.#held[at]?.buffer ?? null);
      gl.enableVertexAttribArray(at);
      if (at < 2) gl.vertexAttribPointer(at, 2, gl.UNSIGNED_SHORT, false, 0, 0);
      else gl.vertexAttribPointer(at, 4, gl.UNSIGNED_BYTE, true, 0, 0);
    }
  }

  #array(at: number, of: unknown[], make: () => ArrayBufferView<ArrayBuffer>): void {
    const { gl } = this.shared;
    const held = this.#held[at];
    if (held?.of.every((part, i) => part === of[i])) return;
    const buffer = held?.buffer ?? gl.createBuffer();
    gl.bindBuffer(gl.ARRAY_BUFFER, buffer);
    gl.bufferData(gl.ARRAY_BUFFER, make(), gl.DYNAMIC_DRAW);
    this.#held[at] = { buffer, of };
  }
}

/** Pairs in the order of the ids. */
function arranged(coords: Uint16Array, order: Uint32Array): Uint16Array<ArrayBuffer> {
  const out = new Uint16Array(coords.length);
  for (let i = 0; i < order.length; i++) {
    out[2 * i] = coords[2 * order[i]];
    out[2 * i + 1] = coords[2 * order[i] + 1];
  }
  return out;
}
