// Bundles js/ into the files that the wheel carries.
//   node build.mjs           once, minified
//   node build.mjs --watch   again after every change (with ANYWIDGET_HMR=1 on the Python side)
//   node build.mjs --serve   the demo page, without Jupyter and without a kernel
//   node build.mjs --page DIR   the same page as files, for tests
import { copyFile, rm, writeFile } from "node:fs/promises";
import * as esbuild from "esbuild";
import { compactMarkup } from "./js/compact.mjs";

const mode = process.argv[2] ?? "";

const STATIC = "src/saliscope/static";

const common = {
  bundle: true,
  format: "esm",
  minify: true,
  // The browsers that have container queries and color-mix(); esbuild flattens nested rules for them.
  target: ["es2022", "chrome111", "firefox113", "safari16.4"],
  legalComments: "none",
  charset: "utf8",
  define: { "process.env.NODE_ENV": '"production"' },
  plugins: [compactMarkup],
  logLevel: "info",
};

// One file each: nothing stands beside them where they are used.
const single = {
  ...common,
  entryPoints: {
    loader: "js/entry/loader.ts",
    page: "js/entry/page.ts",
    map_page: "js/entry/map_page.ts",
    report: "js/entry/report.ts",
  },
  outdir: STATIC,
};

// What the loader fetches: in two halves, of which the first draws.
const front = {
  ...common,
  entryPoints: { explorer: "js/entry/index.ts", embedding: "js/entry/embedding.ts" },
  outdir: `${STATIC}/front`,
  entryNames: "[name]-[hash]",
  chunkNames: "[name]-[hash]",
  splitting: true,
  metafile: true,
};

/** Names of the files of each entry, each after those that it imports. */
function filesOf({ outputs }) {
  const plain = (path) => path.split("/").at(-1);
  const reached = (path, kinds, found = new Set(), open = new Set([path])) => {
    for (const { path: other, kind } of outputs[path].imports)
      if (kinds.includes(kind) && !open.has(other)) reached(other, kinds, found, open.add(other));
    return found.add(path);
  };
  const entries = Object.entries(outputs).filter(([, { cssBundle }]) => cssBundle);
  return Object.fromEntries(
    entries.map(([path, { cssBundle }]) => {
      const first = reached(path, ["import-statement"]);
      const all = reached(path, ["import-statement", "dynamic-import"]);
      const rest = [...all].filter((other) => !first.has(other));
      const entry = plain(path);
      const style = plain(cssBundle);
      return [
        entry.split("-")[0],
        { entry, style, first: [...[...first].map(plain), style], rest: rest.map(plain) },
      ];
    }),
  );
}

async function build() {
  await rm(STATIC, { recursive: true, force: true });
  await esbuild.build(single);
  const { metafile } = await esbuild.build(front);
  await writeFile(`${front.outdir}/files.json`, `${JSON.stringify(filesOf(metafile), null, 2)}\n`);
}

const page = {
  ...common,
  entryPoints: { demo: "js/demo/demo.ts" },
  outdir: "js/demo",
  minify: false,
  sourcemap: "inline",
  write: false,
};

if (mode === "--watch") {
  // In one file, too: anywidget watches it, and there is no loader.
  await (await esbuild.context({ ...single, entryPoints: front.entryPoints })).watch();
} else if (mode === "--serve") {
  const context = await esbuild.context(page);
  await context.serve({ servedir: "js/demo", host: "127.0.0.1", port: 8123 });
} else if (mode === "--page" && process.argv[3]) {
  await esbuild.build({ ...page, outdir: process.argv[3], write: true });
  await copyFile("js/demo/index.html", `${process.argv[3]}/index.html`);
} else if (mode === "") {
  await build();
} else {
  console.error(`build.mjs: unknown mode ${mode}; expected nothing, --watch, --serve or --page DIR`);
  process.exit(2);
}
