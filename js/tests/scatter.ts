/** A canvas of bytes for `Points`, and numbers that only look random. */

/** Between 0 and 1, the same for each seed. */
export function noise(seed: number): () => number {
  let state = seed;
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 32;
  };
}

export class StubCanvas {
  width = 300;
  height = 150;
  /** What is on it; `null` after a picture of the graphics card. */
  pixels: Uint8ClampedArray | null = null;
  copied: unknown[][] = [];

  getContext() {
    return {
      createImageData: (width: number, height: number) => ({
        width,
        height,
        data: new Uint8ClampedArray(4 * width * height),
      }),
      putImageData: (image: ImageData) => {
        this.pixels = image.data.slice();
      },
      drawImage: (...args: unknown[]) => {
        this.pixels = null;
        this.copied.push(args);
      },
    };
  }

  /** RGBA of one pixel. */
  at(x: number, y: number): number[] {
    const from = 4 * (y * this.width + x);
    return [...(this.pixels?.subarray(from, from + 4) ?? [])];
  }

  /** Pixels that are not empty. */
  get inked(): number {
    return this.pixels?.filter((value, i) => i % 4 === 3 && value > 0).length ?? 0;
  }
}
