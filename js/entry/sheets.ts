/** Thumbnails of a saved page: many on one sheet, read when somebody looks. */
import { type PackedBlob, unpack } from "./unpack.js";

/** As `saliscope.render.map_html` writes them. */
export interface SavedSheets {
  /** uint32 ids of the rows, in the order of their thumbnails. */
  ids: PackedBlob;
  size: number;
  /** Thumbnails in a row of a sheet, and rows of a full one. */
  columns: number;
  type: string;
  /** Picture files in base64. */
  files: string[];
}

/** RGBA of a picture file. */
export interface Pixels {
  width: number;
  data: Uint8ClampedArray;
}

export class Sheets {
  readonly #places = new Map<number, number>();
  readonly #pages = new Map<number, Promise<Pixels>>();

  private constructor(
    private readonly saved: SavedSheets,
    ids: Uint32Array,
    private readonly decode: (file: Blob) => Promise<Pixels>,
  ) {
    for (const [place, id] of ids.entries()) this.#places.set(id, place);
  }

  static async open(saved: SavedSheets, decode: (file: Blob) => Promise<Pixels> = pixelsOf): Promise<Sheets> {
    return new Sheets(saved, new Uint32Array((await unpack(saved.ids)).buffer), decode);
  }

  get size(): number {
    return this.saved.size;
  }

  get count(): number {
    return this.#places.size;
  }

  has(id: number): boolean {
    return this.#places.has(id);
  }

  /** RGB of those rows that are on a sheet, one after the other, and which these are. */
  async read(ids: readonly number[]): Promise<{ ids: number[]; rgb: Uint8Array }> {
    const found = ids.filter((id) => this.#places.has(id));
    const bytes = 3 * this.size ** 2;
    const rgb = new Uint8Array(found.length * bytes);
    for (const [i, id] of found.entries()) {
      const place = this.#places.get(id) as number;
      const full = this.saved.columns ** 2;
      this.#cut(await this.#page(Math.floor(place / full)), place % full, rgb.subarray(i * bytes));
    }
    return { ids: found, rgb };
  }

  #page(number: number): Promise<Pixels> {
    let page = this.#pages.get(number);
    if (!page) {
      const bytes = Uint8Array.from(atob(this.saved.files[number]), (letter) => letter.charCodeAt(0));
      page = this.decode(new Blob([bytes], { type: this.saved.type }));
      this.#pages.set(number, page);
    }
    return page;
  }

  #cut({ width, data }: Pixels, place: number, rgb: Uint8Array): void {
    const { size, columns } = this.saved;
    const left = (place % columns) * size;
    const top = Math.floor(place / columns) * size;
    for (let y = 0, o = 0; y < size; y++) {
      let i = 4 * ((top + y) * width + left);
      for (let x = 0; x < size; x++, i += 4) {
        rgb[o++] = data[i];
        rgb[o++] = data[i + 1];
        rgb[o++] = data[i + 2];
      }
    }
  }
}

async function pixelsOf(file: Blob): Promise<Pixels> {
  const picture = await createImageBitmap(file, { colorSpaceConversion: "none" });
  const canvas = document.createElement("canvas");
  canvas.width = picture.width;
  canvas.height = picture.height;
  const context = canvas.getContext("2d", { willReadFrequently: true });
  if (!context) throw new Error("this browser draws nothing");
  context.drawImage(picture, 0, 0);
  picture.close();
  return context.getImageData(0, 0, canvas.width, canvas.height);
}
