/**
 * Line breaks and indentation inside html`...` and svg`...` are for those who read the source: the bundle does
 * without. Strings, comments and other templates stay as they are.
 */
import { readFile } from "node:fs/promises";
import { join } from "node:path";

/** What may stand before a regular expression; after anything else a slash divides. */
const OPENS_REGEX = /(?:^|[(,=:[!&|?{};]|=>|\breturn)\s*$/;

/** The source with a single space for every line break of its markup, and none at the end of a tag. */
export function compact(source) {
  /** Of each template that is open: whether it is markup, and how many braces are open in its expression. */
  const open = [];
  let out = "";
  let at = 0;
  const take = (pattern) => {
    pattern.lastIndex = at;
    const text = pattern.exec(source)?.[0] ?? source[at];
    at += text.length;
    return text;
  };
  while (at < source.length) {
    const inner = open.at(-1);
    if (inner && inner.braces === 0) {
      const text = take(/(?:\\[\s\S]|[^\\`$]|\$(?!\{))*/y);
      out += inner.markup ? text.replace(/\s*\n\s*(>)?/g, (_, end) => end ?? " ") : text;
      if (source[at] === "`") open.pop();
      else inner.braces = 1;
      out += take(/`|\$\{/y);
      continue;
    }
    const letter = source[at];
    if (letter === "`") {
      open.push({ markup: /\b(?:html|svg)$/.test(out), braces: 0 });
      out += take(/`/y);
    } else if (letter === '"' || letter === "'")
      out += take(letter === '"' ? /"(?:\\[\s\S]|[^"\\])*"/y : /'(?:\\[\s\S]|[^'\\])*'/y);
    else if (source.startsWith("//", at)) out += take(/[^\n]*/y);
    else if (source.startsWith("/*", at)) out += take(/\/\*[\s\S]*?\*\//y);
    else if (letter === "/" && OPENS_REGEX.test(out))
      out += take(/\/(?:\\.|\[(?:\\.|[^\]\\])*\]|[^/\\[])+\//y);
    else {
      if (inner && letter === "{") inner.braces++;
      if (inner && letter === "}") inner.braces--;
      out += take(/[\s\S]/y);
    }
  }
  return out;
}

const INLINE = "?inline";

/** For esbuild: markup, and style sheets as text. */
export const compactMarkup = {
  name: "compact-markup",
  setup(build) {
    build.onResolve({ filter: /\.css\?inline$/ }, ({ path, resolveDir }) => ({
      path: join(resolveDir, path.slice(0, -INLINE.length)),
      namespace: "style-text",
    }));
    build.onLoad({ filter: /./, namespace: "style-text" }, async ({ path }) => {
      const { target } = build.initialOptions;
      const source = await readFile(path, "utf8");
      const { code } = await build.esbuild.transform(source, { loader: "css", minify: true, target });
      return { contents: code.trim(), loader: "text", watchFiles: [path] };
    });
    build.onLoad({ filter: /[\\/]js[\\/].*\.ts$/ }, async ({ path }) => ({
      contents: compact(await readFile(path, "utf8")),
      loader: "ts",
    }));
  },
};
