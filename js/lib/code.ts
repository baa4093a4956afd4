/** The call that makes this view again, as a person would type it. `tests/wire/code.json` holds both languages to it. */
import { equal } from "./history.js";
import { DEFAULTS, type MethodInfo, type Traits } from "./wire.js";

/** Where formatters of Python break lines. */
const WIDTH = 88;
const INDENT = "    ";
const LETTERS = "abcdefghijklmnopqrstuvwxyz";
const LONGEST_NAME = 60;
const IDENTIFIER = /^[A-Za-z_]\w*$/;
/** Words that no function of the reader's can be called in this code. */
const TAKEN = new Set(
  (
    "False None True and as assert async await break class continue def del elif else except finally for " +
    "from global if import in is lambda nonlocal not or pass raise return try while with yield " +
    "SaliencyExplorer images model my_baseline my_function"
  ).split(" "),
);

/** What code needs to know of methods that other sessions may never have heard of. */
type Known = Pick<MethodInfo, "key" | "code" | "before" | "controls" | "uses_steps" | "uses_baseline">;
type Plain = { [name: string]: unknown };

/** A method that is made where it is used: its key is known in this session only. */
class Made {
  constructor(
    readonly text: string,
    readonly before: readonly string[],
  ) {}
}

/** A piece of code: a word, or brackets around pieces that may stand on lines of their own. */
type Piece = string | { open: string; items: [lead: string, piece: Piece][]; close: string };

export function codeOf(
  traits: Partial<Traits>,
  { models, methods = [] }: { models: number; methods?: readonly Known[] },
): string {
  const usual: Traits = { ...DEFAULTS, compare: otherModels(models) };
  const lead: Traits = { ...usual, ...traits };
  const variables = modelNames(models);
  const made = (question: Plain): Plain => {
    const of = methods.find(({ key }) => key === question.method);
    if (!of?.code && !of?.before?.length) return question;
    const text = of.code?.replaceAll("{model}", variables[Number(question.model ?? 0)]) || quoted(of.key);
    return { ...question, method: new Made(text, of.before ?? []), ...saidWith(of, question, lead) };
  };
  const own = saidWith(
    methods.find(({ key }) => key === traits.method),
    traits,
    lead,
  );
  const state = made(traits);
  if (traits.compare) state.compare = traits.compare.map((entry) => made({ ...entry }));
  const names = (Object.keys(usual) as (keyof Traits)[]).filter(
    (name) => name in own || (state[name] !== undefined && !equal(state[name], usual[name])),
  );
  const chosen = names.map((name) => [name, state[name]] as const);
  const shown = models <= 1 ? variables[0] : `[${variables.join(", ")}]`;
  return callOf("SaliencyExplorer", [shown, "images"], chosen);
}

/** What has to be said beside a method that is an object, for the object brings values of its own. */
function saidWith(of: Known | undefined, question: Plain, lead: Traits): Plain {
  if (!of?.code) return {};
  const own = of.controls.filter(({ name }) => name !== "layer");
  const params = own.map((control) => [control.name, control.default]);
  const said: Plain = {};
  if (params.length) said.params = { ...Object.fromEntries(params), ...(question.params as object) };
  if (of.uses_steps) said.n_steps = question.n_steps ?? lead.n_steps;
  if (of.uses_baseline) said.baseline = question.baseline ?? lead.baseline;
  if (own.length < of.controls.length) said.layer = "layer" in question ? question.layer : lead.layer;
  return said;
}

/** A call with its arguments, a line each where they do not fit into one. */
export function callOf(
  name: string,
  positional: readonly string[],
  chosen: readonly (readonly [name: string, value: unknown])[],
): string {
  const notes = new Set<string>();
  const call: Piece = {
    open: `${name}(`,
    items: [
      ...positional.map((word): [string, Piece] => ["", word]),
      ...chosen.map(([key, value]): [string, Piece] => [`${key}=`, pieceOf(value, notes)]),
    ],
    close: ")",
  };
  // Imports, then comments.
  const first = [...notes].sort((a, b) => Number(a.startsWith("#")) - Number(b.startsWith("#")));
  return [...first, ...layOut(call, "", "", "")].join("\n");
}

/** Several models start side by side. */
function otherModels(models: number): Traits["compare"] {
  return Array.from({ length: models - 1 }, (_, i) => ({ model: i + 1 }));
}

function modelNames(models: number): string[] {
  if (models <= 1) return ["model"];
  return Array.from({ length: models }, (_, i) => `model_${LETTERS[i]}`);
}

function pieceOf(value: unknown, notes: Set<string>): Piece {
  if (value === null || value === undefined) return "None";
  if (typeof value === "boolean") return value ? "True" : "False";
  if (typeof value === "number") return numberOf(value);
  if (typeof value === "string") return quoted(value);
  if (value instanceof Made) {
    for (const line of value.before) notes.add(line);
    return value.text;
  }
  if (Array.isArray(value))
    return { open: "[", items: value.map((item) => ["", pieceOf(item, notes)]), close: "]" };
  const stand = standIn(value as Record<string, unknown>, notes);
  if (stand) return stand;
  const entries = Object.entries(value);
  const items = entries.map(([key, item]): [string, Piece] => [`${quoted(key)}: `, pieceOf(item, notes)]);
  return { open: "{", items, close: "}" };
}

/** A name for what only the reader's own session has: a function, a tensor. */
function standIn(value: Record<string, unknown>, notes: Set<string>): string | null {
  if (value.kind === "custom") {
    notes.add("# my_baseline: your own baseline");
    return "my_baseline";
  }
  if (typeof value.callable !== "string") return null;
  const name = [...value.callable].slice(0, LONGEST_NAME).join("");
  const usable = name === value.callable && IDENTIFIER.test(name) && !TAKEN.has(name);
  notes.add(usable ? `# ${name}: your own function` : `# my_function: your own function ${quoted(name)}`);
  return usable ? name : "my_function";
}

/** Whole numbers as they are, others to six digits, in Python's spelling of powers of ten. */
function numberOf(value: number): string {
  const short = Number.isSafeInteger(value) ? value : Number(value.toPrecision(6));
  const size = Math.abs(short);
  if (size === 0) return "0";
  if (size >= 1e-4 && size < 1e16) return String(short);
  return short.toExponential().replace(/e([+-])(\d)$/, "e$10$2");
}

/**
 * A literal in double quotes. Whatever is not plain ASCII is escaped: a character that turns the direction of
 * writing could make a line read otherwise than it runs.
 */
function quoted(text: string): string {
  const short: Record<string, string> = { '"': '\\"', "\\": "\\\\", "\n": "\\n", "\r": "\\r", "\t": "\\t" };
  const letters = [...text].map((letter) => {
    const code = letter.codePointAt(0) ?? 0;
    if (short[letter]) return short[letter];
    if (code >= 0x20 && code < 0x7f) return letter;
    const hex = code.toString(16);
    if (code < 0x100) return `\\x${hex.padStart(2, "0")}`;
    return code < 0x10000 ? `\\u${hex.padStart(4, "0")}` : `\\U${hex.padStart(8, "0")}`;
  });
  return `"${letters.join("")}"`;
}

function flat(piece: Piece): string {
  if (typeof piece === "string") return piece;
  const items = piece.items.map(([lead, item]) => lead + flat(item));
  return piece.open + items.join(", ") + piece.close;
}

/** One line where it fits, else an item a line. */
function layOut(piece: Piece, indent: string, lead: string, tail: string): string[] {
  const line = indent + lead + flat(piece) + tail;
  if (typeof piece === "string" || piece.items.length === 0 || line.length <= WIDTH) return [line];
  const inner = piece.items.flatMap(([name, item]) => layOut(item, indent + INDENT, name, ","));
  return [indent + lead + piece.open, ...inner, indent + piece.close + tail];
}
