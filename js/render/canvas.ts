/**
 * A canvas whose backing store has the size of the picture; CSS scales it. One `ImageData` lives as
 * long as the size does.
 */
export class Surface {
  readonly #context: CanvasRenderingContext2D;
  #image: ImageData;

  constructor(readonly canvas: HTMLCanvasElement) {
    // The pixels only ever go one way, from memory to the canvas: a canvas on the GPU would copy them twice.
    const context = canvas.getContext("2d", { willReadFrequently: true });
    if (!context) throw new Error("This page allows no 2D canvas.");
    this.#context = context;
    this.#image = context.createImageData(1, 1);
  }

  /** RGBA bytes of the right size, to be written and then shown. */
  pixels(width: number, height: number): Uint8ClampedArray {
    if (this.#image.width !== width || this.#image.height !== height) {
      this.canvas.width = width;
      this.canvas.height = height;
      this.#image = this.#context.createImageData(width, height);
    }
    return this.#image.data;
  }

  show(): void {
    this.#context.putImageData(this.#image, 0, 0);
  }
}
