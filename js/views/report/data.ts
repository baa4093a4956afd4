/** What a report hands to its script; sentences and the table are in the page itself. */

/** An array as it lies in the page. */
export interface Numbers {
  shape: readonly number[];
  data: Uint8Array | Float32Array;
  /** What each element is multiplied with. */
  scale: number;
}

export interface PictureWords {
  /** The class that is explained. */
  target: string;
  /** What the model made of the picture. */
  note: string;
}

export interface MethodWords {
  title: string;
  unit: string;
  signed: boolean;
  /** Array (n, height, width); none of a method that failed. */
  maps: string | null;
}

export interface MeasureWords {
  label: string;
  better: "low" | "high" | null;
  /** By method, then by picture; null where it is not defined. */
  values: (number | null)[][];
}

/** Deletion or insertion: arrays of one row of points for each picture, method by method. */
export interface CurveWords {
  label: string;
  better: "low" | "high";
  /** What it shows. */
  score: string;
  fractions: number[];
  scores: string;
  /** Of blurred copies of the maps. */
  blurred: string | null;
  /** What the middle 95 % of the random orders get. */
  band: { low: string; high: string } | null;
}

/** What `saliscope.audit.report_html` writes into the page. */
export interface ReportWords {
  lut: string;
  pictures: string;
  captions: PictureWords[];
  methods: MethodWords[];
  measures: MeasureWords[];
  curves: CurveWords[];
}

/** A cell of the table. */
export interface Cell {
  method: number;
  measure: number;
}

export class ReportData {
  constructor(
    readonly words: ReportWords,
    private readonly arrays: (name: string) => Numbers,
  ) {}

  get size(): { width: number; height: number } {
    const [, height, width] = this.arrays(this.words.pictures).shape;
    return { width, height };
  }

  get lut(): Uint8Array {
    return this.arrays(this.words.lut).data as Uint8Array;
  }

  /** RGB of a picture. */
  picture(index: number): Uint8Array {
    return slice(this.arrays(this.words.pictures), index) as Uint8Array;
  }

  map(method: number, index: number): Float64Array | null {
    const name = this.words.methods[method].maps;
    return name === null ? null : this.#row(name, index);
  }

  /** Scores of a method's curve for a picture, or null where there is none: NaN is "not measured". */
  curve(curve: CurveWords, method: number, index: number, which: "scores" | "blurred"): Float64Array | null {
    const name = curve[which];
    if (name === null) return null;
    const found = this.#row(name, method * this.words.captions.length + index);
    return found.every(Number.isFinite) ? found : null;
  }

  band(curve: CurveWords, index: number): readonly [low: Float64Array, high: Float64Array] | null {
    if (!curve.band) return null;
    const ends = [this.#row(curve.band.low, index), this.#row(curve.band.high, index)] as const;
    return ends.every((end) => end.every(Number.isFinite)) ? ends : null;
  }

  /** Pictures of a cell from best to worst; those without a value are left out. */
  order({ method, measure }: Cell): number[] {
    const { values, better } = this.words.measures[measure];
    const own = values[method] ?? [];
    const known = own.flatMap((value, i) => (value === null ? [] : [i]));
    const sign = better === "high" ? -1 : 1;
    return known.sort((a, b) => sign * ((own[a] as number) - (own[b] as number)) || a - b);
  }

  /** What the first and the last picture of an order are called. */
  ends({ measure }: Cell): readonly [first: string, last: string] {
    return this.words.measures[measure].better ? ["best", "worst"] : ["lowest", "highest"];
  }

  value({ method, measure }: Cell, index: number): number | null {
    return this.words.measures[measure].values[method]?.[index] ?? null;
  }

  #row(name: string, index: number): Float64Array {
    const numbers = this.arrays(name);
    return Float64Array.from(slice(numbers, index), (value) => value * numbers.scale);
  }
}

function slice({ shape, data }: Numbers, index: number): Uint8Array | Float32Array {
  const length = data.length / shape[0];
  return data.subarray(index * length, (index + 1) * length);
}
