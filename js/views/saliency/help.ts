/** The help: what each part shows, and every key there is. */
import { html, nothing, type TemplateResult } from "lit-html";
import type { DialogProps } from "../../ui/dialog.js";
import { keyList } from "../../ui/keys.js";
import { button, type Fact, facts, hint } from "../../ui/parts.js";
import { KEYS } from "./keys.js";
import type { Shell } from "./shell.js";
import type { Store } from "./store.js";

const PARTS: readonly Fact[] = [
  ["Top bar", "What is explained (target and score), by which method, and where a path starts (baseline)."],
  [
    "Input",
    "What the model is fed, on its way from the baseline. Below it stands the pixel under the cursor.",
  ],
  [
    "Map",
    "Attributions over the picture: one colour for what speaks for the target, the other for what speaks " +
      "against it, nothing where it is zero. The bar below gives the numbers, and the share beyond its ends.",
  ],
  [
    "Path",
    "Alpha goes from the baseline (0) to the picture (1). One curve is the score on the way, the other the sum " +
      "of the attributions so far: where they end apart, something is missing.",
  ],
  [
    "Side panel",
    "How the map is drawn, a part of the picture and its share, what the model predicts, what to keep in mind.",
  ],
  [
    "Is it true?",
    "Takes the pixels away, or puts them in, in the order of each map, and draws what that does to the score. " +
      "Drag along a curve, or walk it with the arrow keys: every panel shows what the model was fed there.",
  ],
  ["Status", "What is being computed, and the way to stop it."],
];

export function helpBox(store: Store, shell: Shell): DialogProps {
  return { title: "Help", testid: "help-box", body: html`${tour(store, shell)} ${facts(PARTS)} ${keys()}` };
}

function tour(store: Store, shell: Shell): TemplateResult | typeof nothing {
  if (store.traits.mode.value === "guided") return nothing;
  const begin = () => {
    shell.open(null);
    store.commit({ mode: "guided", taken: null, compare: [], panel: 0, region: null });
  };
  return html`<p class="offer">
    ${button("Take the guided tour", "begin-tour", begin)}
    <span>Five cards: predict, move, reveal, explain, check.</span>
  </p>`;
}

function keys(): TemplateResult {
  return html`<h4>Keys</h4>
    ${hint("They work while the focus is in here; click on a picture, or use Tab.")}
    ${keyList(KEYS)}`;
}
