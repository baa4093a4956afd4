/** The SaliencyExplorer: pictures with all that is around them. */
import { computed, react, untracked } from "../../lib/lifetime.js";
import { keepFocus } from "../../ui/focus.js";
import { make } from "../../ui/mount.js";
import { fetchMore, more } from "./behind.js";
import { Controls } from "./controls.js";
import { mountWarning } from "./legend.js";
import { Path } from "./path.js";
import { Pictures } from "./pictures.js";
import { Shell } from "./shell.js";
import { mountError, mountStatus } from "./status.js";
import type { Store } from "./store.js";
import { bench } from "./trial/behind.js";
import { type ExplorerProps, View } from "./view.js";

export class SaliencyView extends View {
  constructor(element: HTMLElement, props: ExplorerProps) {
    super(element, props, { label: "Saliency explorer", testid: "explorer", build });
  }
}

/** Who has the keys after a control of the trial that goes when it is used. */
const HEIRS: Readonly<Record<string, readonly string[]>> = {
  "put-on-trial": ["plot-deletion"],
  "end-trial": ["put-on-trial"],
  "stop-trial": ["go-on", "plot-deletion"],
  "go-on": ["stop-trial", "plot-deletion"],
  "try-again": ["stop-trial", "plot-deletion"],
};

function build(root: HTMLElement, store: Store, life: AbortSignal): void {
  const shell = new Shell(store.said, life);
  const top = make("header", "top", root);
  const tools = make("div", "toolbar", top);
  const controls = new Controls(top, store, tools, life);
  mountError(make("div", "problem", root), store, life);
  const body = make("div", "body", root);
  const centre = make("div", "centre", body);
  new Pictures(make("div", "panels", centre), store, root, life);
  mountWarning(make("p", "warning", centre), store, life);
  const trial = make("section", "trial", centre);
  const { player } = new Path(make("div", "below", centre), store, life);
  const inspector = make("aside", "inspector", body);
  const guide = make("aside", "guide", body);
  mountStatus(make("footer", "status", root), store, shell, life);
  const { states, drawables, traits, trialState } = store;
  const trialPhase = computed(() => trialState.value.phase);
  keepFocus(
    root,
    () => [
      states.value,
      drawables.value,
      traits.compare.value,
      traits.mode.value,
      traits.trial.value,
      traits.taken.value,
      trialPhase.value,
      bench.value,
    ],
    life,
    (gone) =>
      gone === "show-maps" ? [`plot-${traits.curve.value}`] : (HEIRS[gone.replace(/-\d+$/, "")] ?? []),
  );
  react(life, () => {
    const { mountMore } = more.value ?? {};
    if (mountMore)
      untracked(() =>
        mountMore({ root, controls, tools, inspector, guide, trial, store, shell, player }, life),
      );
  });
  fetchMore().catch(() => {
    store.problem.value ??= "A part of Saliscope did not arrive. Run the cell again.";
  });

  react(life, () => {
    const guided = store.traits.mode.value === "guided";
    inspector.hidden = guided || store.folded.value || !store.inspector.value;
    root.toggleAttribute("data-folded", store.folded.value);
    root.toggleAttribute("data-judging", store.judging.value);
    guide.hidden = !guided;
    // The tour lifts its veil itself, once it is there.
    if (!more.value) root.toggleAttribute("data-veiled", guided);
  });
}
