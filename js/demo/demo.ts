/** The explorer on a plain page. The address chooses the state: `?state=running&size=64&theme=dark`. */
import widget from "../entry/index.js";
import type { Traits } from "../lib/wire.js";
import { FakeKernel } from "./kernel.js";
import { labels, scene } from "./made_up.js";

const query = new URLSearchParams(location.search);
const [width, height = width] = (query.get("size") ?? "224").split("x").map(Number);
const state = query.get("state") ?? "final";
const theme = query.get("theme");
if (theme) document.body.setAttribute("data-jp-theme-light", String(theme !== "dark"));
document.documentElement.dataset.theme = theme ?? "light";

const traits = JSON.parse(query.get("traits") ?? "{}") as Partial<Traits>;
const kernel = new FakeKernel({
  pictures: Array.from({ length: Number(query.get("images") ?? 1) }, (_, i) => ({
    width,
    height,
    ...scene(width, height, 7 + 13 * i),
  })),
  labels: labels(query.get("labels") ?? "10"),
  stop: state,
  zero: state === "zero",
  traits,
  pace: Number(query.get("pace") ?? 60),
  models: Number(query.get("models") ?? 1),
  fail: query.has("fail") ? Number(query.get("fail")) : null,
  offline: query.has("offline"),
});

const box = document.getElementById("cell") as HTMLElement;
if (query.get("width")) box.style.width = `${query.get("width")}px`;
const life = new AbortController();
const { initialize, render } = widget();
initialize({ model: kernel, signal: life.signal });
for (let view = 0; view < Number(query.get("views") ?? 1); view++) {
  const el = document.createElement("div");
  box.append(el);
  render({ model: kernel, el, signal: life.signal });
}
// For tests: what the page sent, and the end of everything.
Object.assign(window, { demo: { kernel, life } });
