/** The explorers on a plain page. The address chooses: `?state=running&size=64&theme=dark`, `?view=embedding`. */
import embedding from "../entry/embedding.js";
import widget from "../entry/index.js";
import { FakeKernel } from "./kernel.js";
import { labels, scene } from "./made_up.js";
import { FakeMapKernel } from "./map_kernel.js";

const query = new URLSearchParams(location.search);
const theme = query.get("theme");
if (theme) document.body.setAttribute("data-jp-theme-light", String(theme !== "dark"));
document.documentElement.dataset.theme = theme ?? "light";

const state = query.get("state") ?? "final";
const traits = JSON.parse(query.get("traits") ?? "{}") as object;
const pace = Number(query.get("pace") ?? 60);

function saliency(): FakeKernel {
  const [width, height = width] = (query.get("size") ?? "224").split("x").map(Number);
  return new FakeKernel({
    pictures: Array.from({ length: Number(query.get("images") ?? 1) }, (_, i) => ({
      width,
      height,
      ...scene(width, height, 7 + 13 * i),
    })),
    labels: labels(query.get("labels") ?? "10"),
    stop: state,
    zero: state === "zero",
    traits,
    pace,
    models: Number(query.get("models") ?? 1),
    fail: query.has("fail") ? Number(query.get("fail")) : null,
    offline: query.has("offline"),
    trialStop: query.get("trial") ?? "",
    trialFail: query.has("trial_fail") ? Number(query.get("trial_fail")) : null,
  });
}

function maps(): FakeMapKernel {
  return new FakeMapKernel({
    n: Number(query.get("n") ?? 800),
    of: Number(query.get("of") ?? 0),
    stop: state,
    traits,
    pace,
    pictures: !query.has("array"),
    model: !query.has("no_model"),
    gaps: Number(query.get("gaps") ?? 0),
    labels: query.get("labels") ?? "10",
  });
}

const box = document.getElementById("cell") as HTMLElement;
if (query.get("width")) box.style.width = `${query.get("width")}px`;
const life = new AbortController();
const wanted = query.get("view") === "embedding";
const kernel = wanted ? maps() : saliency();
const { initialize, render } = wanted ? embedding() : widget();
initialize({ model: kernel, signal: life.signal });
for (let view = 0; view < Number(query.get("views") ?? 1); view++) {
  const el = document.createElement("div");
  box.append(el);
  render({ model: kernel, el, signal: life.signal });
}
// For tests: what the page sent, and the end of everything.
Object.assign(window, { demo: { kernel, life } });
