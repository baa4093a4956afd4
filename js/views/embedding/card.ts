/** What the maps on screen show, and what they do not. */
import { html } from "lit-html";
import type { DialogProps } from "../../ui/dialog.js";
import type { Store } from "./store.js";

const GENERAL = [
  "A map has two dimensions where the data has many: something is always torn apart or pressed together.",
  "The size of a cluster on the map, and the gap between two clusters, are not their size and distance in the data.",
  "Axes have no unit and no meaning: a map may be turned and mirrored.",
];

export function cardBox(store: Store): DialogProps {
  const reducers = [...new Set(store.shown.value)]
    .map((key) => store.reducer(key))
    .filter((one) => one !== undefined);
  return {
    title: "What these maps show",
    testid: "card-box",
    body: html`${reducers.map(
      ({ title, summary, cautions }) => html`<h4>${title}</h4>
        <p>${summary}</p>
        ${cautions.map((sentence) => html`<p>${sentence}</p>`)}`,
    )}
      <h4>All maps</h4>
      ${GENERAL.map((sentence) => html`<p>${sentence}</p>`)}`,
  };
}
