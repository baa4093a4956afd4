/** The help: what each part shows, and every key there is. */
import { html } from "lit-html";
import type { DialogProps } from "../../ui/dialog.js";
import { keyList } from "../../ui/keys.js";
import { type Fact, facts, hint } from "../../ui/parts.js";
import { KEYS } from "./keys.js";

const PARTS: readonly Fact[] = [
  [
    "Map",
    "One point for each row. Near on the map is often near in the data; far says little. Below stands how often.",
  ],
  [
    "Spokes",
    "From the point in focus to its true neighbours: solid where the map kept them near, dashed where it tore them apart. A red ring is a neighbour on the map only.",
  ],
  [
    "Lasso, box",
    "Choose points; Shift adds, Alt takes away. The choice becomes group A or B, and the two are compared.",
  ],
  ["Legend", "What the colours mean. A click on a category points it out."],
  [
    "Slider",
    "Walks through maps that were each started from the one before. Between two of them points are interpolated.",
  ],
  [
    "Side panel",
    "The row in focus with what the model makes of it, its true neighbours, groups, and how points are drawn.",
  ],
  ["Table", "The same rows, to be sorted and read."],
  ["A picture of your own", "Drop it on a map: it becomes a star, with words about how like the rows it is."],
];

export function helpBox(): DialogProps {
  return {
    title: "Help",
    testid: "help-box",
    body: html`${facts(PARTS)}
      <h4>Keys</h4>
      ${hint("They work while the focus is in here; click on a map, or use Tab.")} ${keyList(KEYS)}`,
  };
}
