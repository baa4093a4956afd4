/** Light or dark, as the page around the widget is. */
import { atEnd, type ReadonlySignal, signal } from "./lifetime.js";

export type Shade = "light" | "dark";

/** JupyterLab and VS Code say it on `<body>`; elsewhere the reader's system decides. */
function pageShade(): Shade {
  const body = document.body;
  const lab = body.getAttribute("data-jp-theme-light");
  if (lab !== null) return lab === "false" ? "dark" : "light";
  const code = body.getAttribute("data-vscode-theme-kind");
  if (code !== null) return code.includes("light") ? "light" : "dark";
  return matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light";
}

export function watchShade(life: AbortSignal): ReadonlySignal<Shade> {
  const shade = signal(pageShade());
  const look = () => {
    shade.value = pageShade();
  };
  const observer = new MutationObserver(look);
  observer.observe(document.body, { attributes: true });
  atEnd(life, () => observer.disconnect());
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", look, { signal: life });
  return shade;
}
