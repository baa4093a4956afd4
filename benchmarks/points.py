"""What a frame of a map costs: the drawing of points alone, on an empty page."""

import statistics
from collections.abc import Iterator

from playwright.sync_api import Browser, CDPSession, Page

from tests.browser.scatter import blank, make

from .budgets import Measure
from .on_page import busy

FRAMES, PASSES = 30, 3
BUDGET = 16
"""Milliseconds that a frame of 100 000 points may take without a graphics card, and a million with one."""
MANY, MOST = 100_000, 1_000_000

RUN = """async ([body, frames]) => {
    const act = new Function('p', 'i', body);
    for (let i = 0; i < frames; i++) {
        act(maps[0], i / frames);
        await new Promise(requestAnimationFrame);
    }
}"""
ACTS = {
    "pan": "p.camera = { zoom: 1, x: 0.4 + 0.2 * i, y: 0.5 }; p.draw()",
    "zoom": "p.camera = { zoom: 64 ** i, x: 0.4, y: 0.5 }; p.draw()",
    "between two layouts": "p.camera = { zoom: 1, x: 0.5, y: 0.5 }; p.tween(coords, coords, i); p.draw()",
    "a new layout, then hover": "p.set(coords); p.draw(); p.nearest(300 * i, 300, 14)",
    "other colours": "p.colour(new Uint8Array(4 * p.n).fill(255 * i)); p.draw()",
    "highlight 1000": "p.highlight(Uint32Array.from({ length: 1000 }, (_, k) => 7 * k)); p.draw()",
    "density": "p.density = true; p.draw(); p.density = false",
    "hover": "for (let k = 0; k < 100; k++) p.nearest(6 * k, 600 * i, 14)",
    "lasso": "p.inPolygon(Float32Array.from({ length: 400 },"
    " (_, k) => 360 + 280 * (k % 2 ? Math.cos(k / 64) : Math.sin(k / 64))))",
}
PROMISED = {"pan", "zoom"}


def measures(browser: Browser) -> Iterator[Measure]:
    """Pan, zoom and all else that a hand does, by hand and, where there is one, by the graphics card."""
    page = blank(browser)
    try:
        for n, ratio in ((MANY, 1), (MANY, 2), (MOST, 1)):
            kind = make(page, n, ratio=ratio)
            where = f"{n} points, ratio {ratio}"
            for act, body in ACTS.items():
                promised = act in PROMISED and ratio == 1 and (n == MANY or kind == "webgl")
                yield _measure(page, f"{act}, {where}", body, BUDGET if promised else None, kind)
    finally:
        page.context.close()


def _measure(page: Page, what: str, body: str, budget: float | None, kind: str) -> Measure:
    client: CDPSession = page.context.new_cdp_session(page)
    client.send("Performance.enable", {"timeDomain": "threadTicks"})
    page.evaluate(RUN, [body, FRAMES])  # to warm up
    cost = []
    for _ in range(PASSES):
        before = busy(client)
        page.evaluate(RUN, [body, FRAMES])
        cost.append((busy(client) - before) * 1000 / FRAMES)
    client.detach()
    return Measure(what, statistics.median(cost), "ms", budget, f"720 x 600, by {kind}")
