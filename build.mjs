// Bundles js/ into the files that the wheel carries.
//   node build.mjs           once, minified
//   node build.mjs --watch   again after every change (with ANYWIDGET_HMR=1 on the Python side)
//   node build.mjs --serve   the demo page, without Jupyter and without a kernel
//   node build.mjs --page DIR   the same page as files, for tests
import { copyFile } from "node:fs/promises";
import * as esbuild from "esbuild";
import { compactMarkup } from "./js/compact.mjs";

const mode = process.argv[2] ?? "";

// One file each: the notebook imports the text from a blob URL, where a relative import leads nowhere.
const bundle = {
  entryPoints: { explorer: "js/entry/index.ts", loader: "js/entry/loader.ts", page: "js/entry/page.ts" },
  outdir: "src/saliscope/static",
  bundle: true,
  format: "esm",
  splitting: false,
  minify: true,
  // The browsers that have container queries and color-mix(); esbuild flattens nested rules for them.
  target: ["es2022", "chrome111", "firefox113", "safari16.4"],
  legalComments: "none",
  charset: "utf8",
  define: { "process.env.NODE_ENV": '"production"' },
  plugins: [compactMarkup],
  logLevel: "info",
};

const page = {
  ...bundle,
  entryPoints: { demo: "js/demo/demo.ts" },
  outdir: "js/demo",
  minify: false,
  sourcemap: "inline",
  write: false,
};

if (mode === "--watch") {
  await (await esbuild.context(bundle)).watch();
} else if (mode === "--serve") {
  const context = await esbuild.context(page);
  await context.serve({ servedir: "js/demo", host: "127.0.0.1", port: 8123 });
} else if (mode === "--page" && process.argv[3]) {
  await esbuild.build({ ...page, outdir: process.argv[3], write: true });
  await copyFile("js/demo/index.html", `${process.argv[3]}/index.html`);
} else if (mode === "") {
  await esbuild.build(bundle);
} else {
  console.error(`build.mjs: unknown mode ${mode}; expected nothing, --watch, --serve or --page DIR`);
  process.exit(2);
}
