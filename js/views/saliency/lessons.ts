/** What the five cards of the guided mode say and ask. */
import { html, nothing, type TemplateResult } from "lit-html";
import { explainedClass, number, percent, probability, shorten } from "../../lib/format.js";
import { converged, explained } from "../../lib/sentence.js";
import { rankCorrelation } from "../../render/compare.js";
import { button, hint } from "../../ui/parts.js";
import type { Guide, Try } from "./guided.js";

export interface Lesson {
  title: string;
  /** What the button to the next card says. */
  next?: string;
  body(guide: Guide): TemplateResult;
}

/** Density of a mark from which on it holds clearly more than its share, and below which clearly less. */
const MORE = 1.5;
const LESS = 1 / MORE;
/** In this order one is proposed to compare with: the further from the method, the more it tells. */
const OTHERS = ["grad_cam", "integrated_gradients", "smooth_grad", "saliency"];

const SCALE = "1 is the same order of all pixels, 0 is unrelated";

export const LESSONS: readonly Lesson[] = [
  { title: "Predict", next: "Next: move", body: predict },
  { title: "Move", next: "Reveal the map", body: move },
  { title: "Reveal", next: "Next: explain", body: reveal },
  { title: "Explain", next: "Next: check", body: explain },
  { title: "Check", body: check },
];

/** The class that is explained, as data: shown as text, with a direction of its own. */
function target(guide: Guide): TemplateResult {
  const result = guide.drawable.value?.result;
  return html`<b><bdi>${result ? explainedClass(result, 60) : "the target"}</bdi></b>`;
}

function predict(guide: Guide): TemplateResult {
  const { store } = guide;
  const result = guide.drawable.value?.result;
  const sure = result?.probabilities.find(({ index }) => index === result.target);
  const brush = store.tool.value === "brush";
  const region = store.traits.region.value;
  const area = guide.stats(guide.drawable.value, region)?.area ?? null;
  return html`<p>
      ${sure ? html`The model gives ${target(guide)} ${probability(sure.p)}.` : html`We ask about ${target(guide)}.`}
      What does it look at? Mark it, before you see the map.
    </p>
    <div class="steps">
      ${button(brush ? "Put the brush down" : "Take the brush", "brush", () => {
        store.tool.value = brush ? "look" : "brush";
      })}
      ${region ? button("Start again", "clear", () => store.commit({ region: null })) : nothing}
    </div>
    <p class="hint" data-testid="marked">
      ${
        area === null
          ? "No answer is wrong: a surprise teaches most."
          : `Your mark covers ${percent(area)} of the picture. The map will be held against it.`
      }
    </p>`;
}

function move(guide: Guide): TemplateResult {
  const method = guide.method.value;
  if (method && !method.path)
    return instead(guide, `${method.title} walks no path: it looks at the picture itself, once.`);
  const baseline = guide.drawable.value?.result.baseline;
  return html`<p>
      Pull alpha from 0 to 1, or press play. At 0 there is only the
      baseline${baseline ? html` (<bdi>${shorten(baseline, 60)}</bdi>)` : nothing}, at 1 the whole picture.
    </p>
    <p>One curve is the score for ${target(guide)}. Where does it rise? Can you recognise the picture there?</p>`;
}

function reveal(guide: Guide): TemplateResult {
  const drawable = guide.drawable.value;
  const result = drawable?.result;
  const stats = guide.stats(drawable);
  if (!result) return html`<p>The map is still being computed.</p>`;
  const colours = result.signed
    ? html`One colour speaks for ${target(guide)}, the other against it.`
    : html`The stronger the colour, the more the score of ${target(guide)} depends on that place.`;
  if (!stats)
    return html`<p>${colours}</p>
      ${hint("You have marked nothing to compare with: step 1 is still open.")}`;
  const { area, ofTotal, density } = stats;
  if (ofTotal === null || density === null)
    return html`<p>The map is zero everywhere: the score does not depend on this picture.</p>`;
  return html`<p>${colours}</p>
    <p data-testid="revealed" data-share=${ofTotal} data-area=${area}>
      Your mark is ${percent(area)} of the picture and holds <b>${percent(ofTotal)}</b> of the attributions, by size:
      ${number(density, 2)} times its share. ${verdict(density)}
    </p>
    ${result.stage === "final" ? nothing : hint("Still being computed: the numbers may change.")}`;
}

function verdict(density: number): string {
  if (density >= MORE) return "What you marked is what the score depends on.";
  if (density > LESS) return "Any mark of this size would hold about as much.";
  return "The score depends on something else. What is it?";
}

function explain(guide: Guide): TemplateResult {
  const method = guide.method.value;
  if (method && !method.uses_baseline)
    return instead(guide, `${method.title} starts nowhere: it has no baseline to change.`);
  const tries = guide.tries.value;
  return html`<p>
      Choose another baseline above. A pixel that equals the baseline gets exactly zero: black never points at
      black.
    </p>
    ${tries.length ? table(tries) : nothing}
    ${hint(tries.length > 1 ? "What stays whatever the baseline deserves more trust than what comes and goes." : "What changes?")}`;
}

function table(tries: readonly Try[]): TemplateResult {
  const marked = tries.some(({ stats }) => stats);
  return html`<table data-testid="tries">
    <thead>
      <tr>
        <th scope="col">Baseline</th>
        ${marked ? html`<th scope="col">In your mark</th>` : nothing}
        <th scope="col" title="Spearman's rank correlation: ${SCALE}">
          Like the first
        </th>
      </tr>
    </thead>
    <tbody>
      ${tries.map(
        ({ baseline, stats, correlation }) => html`<tr>
          <td dir="auto">${shorten(baseline, 60)}</td>
          ${marked ? html`<td>${shareOf(stats?.ofTotal)}</td>` : nothing}
          <td>${correlation === null ? "\u2013" : number(correlation, 2)}</td>
        </tr>`,
      )}
    </tbody>
  </table>`;
}

const shareOf = (share: number | null | undefined) => (share == null ? "\u2013" : percent(share));

function check(guide: Guide): TemplateResult {
  const result = guide.drawable.value?.result;
  const fails = guide.method.value?.card?.fails;
  return html`${
    result?.completeness
      ? html`<p data-testid="checked">${explained(result)} ${converged(result)}</p>
          ${hint("A sum that fits shows that nothing was lost on the way, not that the map is right.")}`
      : html`<p>${guide.method.value?.title ?? "This method"} promises no sum, so there is none to check.</p>`
  }
    ${comparison(guide)}
    <h4>What this cannot tell you</h4>
    <ul>
      <li>Why the model has learnt this: a map says where.</li>
      <li>What it does with other pictures: this is one.</li>
      <li>Whether it is right: a good answer can have a bad reason.</li>
      ${fails ? html`<li>${fails}</li>` : nothing}
    </ul>`;
}

function comparison(guide: Guide): TemplateResult | typeof nothing {
  const { store } = guide;
  const [first, second] = store.slots.value.map(({ drawable }) => drawable.value);
  if (!store.traits.compare.value.length) {
    const other = OTHERS.find((key) => key !== store.traits.method.value);
    return proposal(
      guide,
      other ?? "",
      (key) => store.commit({ compare: [{ method: key }] }),
      "Compare with",
    );
  }
  if (!first || !second || first.map.data.length !== second.map.data.length) return nothing;
  const correlation = rankCorrelation(first.map.data, second.map.data);
  if (correlation === null) return nothing;
  return html`<p data-testid="compared">
    Rank correlation of both maps: <b>${number(correlation, 2)}</b> (${SCALE}). Where two methods disagree, neither
    has the last word.
  </p>`;
}

/** A card about something that the method does not have. */
function instead(guide: Guide, why: string): TemplateResult {
  return html`<p>${why} Go on, or choose another method above.</p>
    ${proposal(guide, "integrated_gradients", (key) => guide.store.commit({ method: key }), "Use")}`;
}

/** A method to go on with, where the kernel has it. */
function proposal(
  guide: Guide,
  key: string,
  act: (key: string) => void,
  verb: string,
): TemplateResult | typeof nothing {
  const method = guide.store.methodOf(key);
  return method
    ? html`<div class="steps">${button(`${verb} ${method.title}`, "propose", () => act(key))}</div>`
    : nothing;
}
