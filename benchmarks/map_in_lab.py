"""A map that unfolds while somebody watches, and a point that is clicked again: measured in JupyterLab."""

import itertools
import statistics
from collections.abc import Iterator

from playwright.sync_api import Browser

from tests.browser.embedding import Embedding

from .budgets import Measure
from .in_lab import opened

ROWS, COLUMNS, CLICKS = 10_000, 50, 6

LIVE = f"""
import numpy as np
from saliscope import EmbeddingExplorer
random = np.random.default_rng(0)
label = random.integers(0, 20, {ROWS})
rows = random.normal(0, 4, (20, {COLUMNS}))[label] + random.normal(size=({ROWS}, {COLUMNS}))
embedding = EmbeddingExplorer(rows.astype("float32"), labels=label)
display(embedding)
"""
LINKED = """
embedding = EmbeddingExplorer(model, sp.demo.scenes(300, seed=1).images, layer="layer3", method="saliency")
display(embedding)
"""
WATCH = """() => {
    window.shown = [];
    new MutationObserver(() => {
        const map = document.querySelector('[data-testid=map-0]');
        const { stage, iteration } = map?.dataset ?? {};
        const last = window.shown.at(-1);
        if (stage === 'partial' && iteration !== last?.[0]) window.shown.push([iteration, performance.now()]);
    }).observe(document.body, { subtree: true, childList: true, attributeFilter: ['data-iteration'] });
}"""
CLICKED = """() => {
    window.answered = new Promise(resolve => {
        let begun = 0;
        const up = () => { begun = performance.now(); };
        document.addEventListener('pointerup', up, { capture: true, once: true });
        const job = () => document.querySelector('[data-testid=overlay]')?.dataset.job;
        const before = job();
        const look = () => {
            if (begun && job() !== before) requestAnimationFrame(() => resolve(performance.now() - begun));
            else requestAnimationFrame(look);
        };
        look();
    });
}"""


def measures(browser: Browser) -> Iterator[Measure]:
    """Frames while it computes, and how long a point that is known takes."""
    with opened(browser, LIVE, LINKED) as notebook:
        page = notebook.page
        page.evaluate(WATCH)
        notebook.run_cell(1)
        Embedding(notebook).drawn()
        times = [time for _, time in page.evaluate("window.shown")]
        between = [after - before for before, after in itertools.pairwise(times)]
        what = f"live t-SNE of {ROWS} points: from one frame shown to the next"
        note = f"{len(times)} frames, {1000 * len(between) / sum(between):.0f} a second"
        yield Measure(what, statistics.median(between), "ms", 100, note)
        notebook.run_cell(2)
        linked = Embedding(notebook, 2)
        linked.drawn()
        first, second, *_ = linked.alone(linked.places())
        for row in (first, second):
            linked.look(row)
            linked.part("overlay").wait_for()
            page.wait_for_timeout(2000)
        waited = []
        for turn in range(CLICKS):
            page.evaluate(CLICKED)
            linked.click((first, second)[turn % 2])
            waited.append(page.evaluate("window.answered"))
            page.wait_for_timeout(500)
        yield Measure("a click on a known point: to its picture and attribution", max(waited), "ms", 150)
