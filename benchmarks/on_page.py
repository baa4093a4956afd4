"""What a frame costs: measured on the demo page, where nothing but the explorer is."""

import json
import statistics
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, CDPSession, Page, expect

from tests.browser.demo import Demo, build

from .budgets import Measure

FRAMES, PASSES = 60, 3
SMALL, LARGE = 16, 40
"""Milliseconds that a frame may take at 224 x 224 and at 1024 x 1024."""

PANELS = [
    {"baseline": {"kind": "white"}},
    {"baseline": {"kind": "grey", "level": 0.5}},
    {"target": 2},
    {"target": 3},
    {"target": 4},
]

COUNT = """() => {
    window.drawn = 0;
    const put = CanvasRenderingContext2D.prototype.putImageData;
    CanvasRenderingContext2D.prototype.putImageData = function (...args) {
        window.drawn++;
        put.apply(this, args);
    };
}"""
MOVE = """async ([testid, shares]) => {
    const input = document.querySelector(`[data-testid=explorer] [data-testid=${testid}]`);
    for (const share of shares) {
        input.value = Number(input.min) + share * (input.max - input.min);
        input.dispatchEvent(new Event('input', { bubbles: true }));
        await new Promise(requestAnimationFrame);
    }
}"""
CLICK = """async testids => {
    for (const testid of testids) {
        document.querySelector(`[data-testid=explorer] [data-testid=${testid}]`).click();
        await new Promise(requestAnimationFrame);
    }
}"""
COLOURS = """() => Array.from(
    document.querySelectorAll('[data-testid^=colormap-]'), ({ dataset }) => dataset.testid)"""


def measures(browser: Browser) -> Iterator[Measure]:
    """Scrubbing and recolouring, small, large, and with six panels."""
    with tempfile.TemporaryDirectory() as folder:
        demo = Demo(browser, build(Path(folder)))
        try:
            for size, budget in ((224, SMALL), (1024, LARGE)):
                page = demo.open(size=size, pace=5)
                yield from _frames(page, f"{size} x {size}", budget)
                page.context.close()
            page = demo.open(size=224, pace=5, traits=json.dumps({"compare": PANELS}))
            for panel in range(1, 1 + len(PANELS)):
                expect(page.get_by_test_id(f"panel-map-{panel}")).to_have_attribute("data-stage", "final")
            yield from _frames(page, "six panels of 224 x 224", None)
        finally:
            demo.close()


def _frames(page: Page, where: str, budget: float | None) -> Iterator[Measure]:
    page.evaluate(COUNT)
    there_and_back = [abs(1 - 2 * step / FRAMES) * 0.97 + 0.01 for step in range(FRAMES)]
    for testid, what in (("alpha", "scrub alpha"), ("opacity", "opacity"), ("threshold", "threshold")):
        yield _measure(page, f"{what}, {where}", MOVE, [testid, there_and_back], budget)
    names = page.evaluate(COLOURS)
    yield _measure(page, f"colour map, {where}", CLICK, ((names[1:] + names[:1]) * FRAMES)[:FRAMES], budget)


def _measure(page: Page, what: str, script: str, argument: Any, budget: float | None) -> Measure:
    """A frame's work on the page's main thread: handlers, drawing, styles, layout and what the browser adds.

    It is counted in CPU time, which other work on the machine disturbs least.
    """
    client = page.context.new_cdp_session(page)
    client.send("Performance.enable", {"timeDomain": "threadTicks"})
    cost, wall = [], []
    page.evaluate(script, argument)  # to warm up
    page.evaluate("window.drawn = 0")
    for _ in range(PASSES):
        before, begun = busy(client), time.perf_counter()
        page.evaluate(script, argument)
        wall.append((time.perf_counter() - begun) * 1000 / FRAMES)
        cost.append((busy(client) - before) * 1000 / FRAMES)
    client.detach()
    drawn = page.evaluate("window.drawn") / FRAMES / PASSES
    note = f"{drawn:.1f} canvases a frame; a frame every {statistics.median(wall):.1f} ms"
    return Measure(what, statistics.median(cost), "ms", budget, note)


def busy(client: CDPSession) -> float:
    """Seconds that the main thread has worked."""
    metrics = client.send("Performance.getMetrics")["metrics"]
    return next(metric["value"] for metric in metrics if metric["name"] == "TaskDuration")
