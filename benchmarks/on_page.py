"""What a frame costs: measured on the demo page, where nothing but the explorer is."""

import json
import statistics
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, Page, expect

from tests.browser.demo import Demo, build

from .budgets import Measure

FRAMES = 60
SMALL, LARGE = 16, 40
"""Milliseconds that a frame may take at 224 x 224 and at 1024 x 1024."""

PANELS = [
    {"baseline": {"kind": "white"}},
    {"baseline": {"kind": "grey", "level": 0.5}},
    {"target": 2},
    {"target": 3},
    {"target": 4},
]

WATCH = """() => {
    window.spent = 0;
    window.drawn = 0;
    window.nextFrame = window.requestAnimationFrame.bind(window);
    window.requestAnimationFrame = callback => nextFrame(time => {
        const begun = performance.now();
        callback(time);
        window.spent += performance.now() - begun;
    });
    const put = CanvasRenderingContext2D.prototype.putImageData;
    CanvasRenderingContext2D.prototype.putImageData = function (...args) {
        window.drawn++;
        put.apply(this, args);
    };
}"""
"""The page's own callbacks are timed, and what they draw is counted."""

MOVE = """async ([testid, shares]) => {
    const root = document.querySelector('[data-testid=explorer]');
    const input = root.querySelector(`[data-testid=${testid}]`);
    const times = [];
    window.drawn = 0;
    for (const share of shares) {
        const begun = performance.now();
        window.spent = 0;
        input.value = Number(input.min) + share * (input.max - input.min);
        input.dispatchEvent(new Event('input', { bubbles: true }));
        const handled = performance.now() - begun;
        await new Promise(done => nextFrame(done));  // after the page's own callback of the same frame
        const laid = performance.now();
        root.getBoundingClientRect();
        times.push(handled + window.spent + performance.now() - laid);
    }
    return [times, window.drawn];
}"""
"""Moves a slider, a frame a step. Milliseconds of each: handler, drawing, styles and layout."""

CLICK = """async testids => {
    const root = document.querySelector('[data-testid=explorer]');
    const times = [];
    window.drawn = 0;
    for (const testid of testids) {
        const begun = performance.now();
        window.spent = 0;
        root.querySelector(`[data-testid=${testid}]`).click();
        const handled = performance.now() - begun;
        await new Promise(done => nextFrame(done));
        const laid = performance.now();
        root.getBoundingClientRect();
        times.push(handled + window.spent + performance.now() - laid);
    }
    return [times, window.drawn];
}"""
COLOURS = """() => Array.from(
    document.querySelectorAll('[data-testid^=colormap-]'), ({ dataset }) => dataset.testid)"""


def measures(browser: Browser) -> Iterator[Measure]:
    """Scrubbing and recolouring, small, large, and with six panels."""
    with tempfile.TemporaryDirectory() as folder:
        demo = Demo(browser, build(Path(folder)))
        try:
            for size, n_steps, budget in ((224, 32, SMALL), (1024, 16, LARGE)):
                page = demo.open(size=size, pace=5, traits=json.dumps({"n_steps": n_steps}))
                yield from _frames(page, f"{size} x {size}", budget)
                page.context.close()
            page = demo.open(size=224, pace=5, traits=json.dumps({"compare": PANELS}))
            for panel in range(1, 1 + len(PANELS)):
                expect(page.get_by_test_id(f"panel-map-{panel}")).to_have_attribute("data-stage", "final")
            yield from _frames(page, "six panels of 224 x 224", None)
        finally:
            demo.close()


def _frames(page: Page, where: str, budget: float | None) -> Iterator[Measure]:
    page.evaluate(WATCH)
    there_and_back = [abs(1 - 2 * step / FRAMES) * 0.97 + 0.01 for step in range(FRAMES)]
    for testid, what in (("alpha", "scrub alpha"), ("opacity", "opacity"), ("threshold", "threshold")):
        times, drawn = page.evaluate(MOVE, [testid, there_and_back])
        yield _row(f"{what}, {where}", times, drawn, budget)
    names = page.evaluate(COLOURS)
    times, drawn = page.evaluate(CLICK, (names[1:] + names[:1]) * 3)
    yield _row(f"colour map, {where}", times, drawn, budget)


def _row(what: str, times: Sequence[float], drawn: int, budget: float | None) -> Measure:
    worst: Any = sorted(times)[int(0.95 * len(times))]
    note = f"95 % within {worst:.1f} ms; {drawn / len(times):.1f} canvases a frame"
    return Measure(what, statistics.median(times), "ms", budget, note)
