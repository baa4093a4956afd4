/** The one context of a page, with a graphics card that is made up. */
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { StubCanvas } from "./scatter.js";

let life: AbortController;
beforeEach(() => {
  life = new AbortController();
});
afterEach(() => life.abort());

/** A card that draws nothing, but keeps book; what is not named here does nothing. */
class StubCard extends EventTarget {
  width = 300;
  height = 150;
  lost = false;
  readonly calls: string[] = [];
  constructor(readonly renderer: string) {
    super();
  }
  getContext(kind: string) {
    this.calls.push(kind);
    const card = this;
    const known: Record<string, unknown> = {
      isContextLost: () => card.lost,
      createProgram: () => ({}),
      getProgramParameter: () => true,
      getParameter: () => card.renderer,
      getExtension: (name: string) => ({
        UNMASKED_RENDERER_WEBGL: 1,
        loseContext: () => card.calls.push(name),
      }),
    };
    return new Proxy(known, {
      get(_, name: string) {
        if (name === "drawingBufferWidth") return card.width;
        if (name === "drawingBufferHeight") return card.height;
        if (name === name.toUpperCase()) return name;
        return known[name] ?? (() => void card.calls.push(name));
      },
    });
  }
  /** `true` when somebody cares: only then does a browser give the context back. */
  say(event: string): boolean {
    this.lost = event === "webglcontextlost";
    return !this.dispatchEvent(new Event(event, { cancelable: true }));
  }
  count(call: string): number {
    return this.calls.filter((name) => name === call).length;
  }
}

describe("drawn by the graphics card", () => {
  const many = new Uint16Array(2 * 200_001).fill(32768);
  let cards: StubCard[];

  /** The modules anew: whether the page has a card is asked once. */
  async function page(renderer: string) {
    cards = [];
    vi.resetModules();
    vi.stubGlobal("document", {
      createElement: () => {
        cards.push(new StubCard(renderer));
        return cards.at(-1);
      },
    });
    const fresh = await import("../render/points/scatter.js");
    return (signal = life.signal) => {
      const canvas = new StubCanvas();
      const points = new fresh.Points(canvas as unknown as HTMLCanvasElement, signal);
      points.resize(100, 100, 1);
      points.set(many);
      points.draw();
      return { canvas, points };
    };
  }

  test("one context for all, which copies to each", async () => {
    const open = await page("A card");
    const made = Array.from({ length: 40 }, () => open());
    expect(cards).toHaveLength(1);
    for (const { canvas, points } of made) {
      expect(points.kind).toBe("webgl");
      expect(canvas.copied).toHaveLength(1);
      const [source, x, y, width, height] = canvas.copied[0];
      expect([source === cards[0], width, height]).toEqual([true, 100, 100]);
      expect(Number(x) + 100).toBeLessThanOrEqual(cards[0].width);
      expect(Number(y) + 100).toBeLessThanOrEqual(cards[0].height);
    }
  });

  test("what has not changed is not copied to the card again", async () => {
    const { points } = (await page("A card"))();
    const copies = () => cards[0].count("bufferData");
    expect(copies()).toBe(3);
    points.camera = { zoom: 2, x: 0.5, y: 0.5 };
    points.tween(many, many, 0.5);
    points.draw();
    expect(copies()).toBe(3);
    points.opacity = 0.5;
    points.draw();
    expect(copies()).toBe(4);
  });

  test("lost, the map is drawn by hand at once; restored, by the card again", async () => {
    const { canvas, points } = (await page("A card"))();
    expect(cards[0].say("webglcontextlost")).toBe(true);
    expect([points.kind, canvas.inked > 0]).toEqual(["raster", true]);
    points.draw();
    expect(points.kind).toBe("raster");
    cards[0].say("webglcontextrestored");
    expect([points.kind, canvas.pixels]).toEqual(["webgl", null]);
    // Nothing of what it held is left.
    expect([cards[0].count("linkProgram"), cards[0].count("bufferData")]).toEqual([2, 6]);
    expect(cards).toHaveLength(1);
  });

  test("the context goes with its last user", async () => {
    const open = await page("A card");
    const [first, second] = [new AbortController(), new AbortController()];
    open(first.signal);
    open(second.signal);
    first.abort();
    expect(cards[0].calls).not.toContain("WEBGL_lose_context");
    second.abort();
    expect(cards[0].calls).toContain("WEBGL_lose_context");
    open();
    expect(cards).toHaveLength(2);
  });

  test("a card that is a program is not taken, and not asked for again", async () => {
    const open = await page("Google SwiftShader");
    expect([open(), open()].map(({ points, canvas }) => [points.kind, canvas.inked > 0])).toEqual([
      ["raster", true],
      ["raster", true],
    ]);
    expect(cards).toHaveLength(1);
  });

  test("few points and densities are drawn by hand", async () => {
    const { points } = (await page("A card"))();
    points.density = true;
    points.draw();
    expect(points.kind).toBe("raster");
    points.density = false;
    points.set(new Uint16Array(2000));
    points.draw();
    expect(points.kind).toBe("raster");
  });
});
