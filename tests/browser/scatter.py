"""A map of made-up points on an empty page: what draws points, and nothing else."""

import functools
import subprocess

from playwright.sync_api import Browser, Page

from .demo import ROOT

BIG_ENOUGH = 210_000
"""So many points are left to the graphics card, where there is one."""

PRETEND = """(() => {
    const ask = WebGL2RenderingContext.prototype.getParameter;
    const NAME = 0x9246;
    WebGL2RenderingContext.prototype.getParameter = function (what) {
        return what === NAME ? 'A card' : ask.call(this, what);
    };
})()"""
"""A script for a new page: what draws WebGL in software says that it is a graphics card."""

MAKE = """([n, width, height, ratio, maps]) => {
    let state = 1;
    const next = () => {
        state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
        return state / 2 ** 32;
    };
    const normal = () => next() + next() + next() - 1.5;
    const centres = Array.from({ length: 20 }, () => [7000 + 50000 * next(), 7000 + 50000 * next()]);
    const coords = new Uint16Array(2 * n), colours = new Uint8Array(4 * n);
    for (let i = 0; i < n; i++) {
        const of = Math.floor((20 * i) / n);
        coords[2 * i] = centres[of][0] + 4000 * normal();
        coords[2 * i + 1] = centres[of][1] + 4000 * normal();
        colours.set([12 * of, 255 - 12 * of, (50 * of) % 256, 255], 4 * i);
    }
    window.end?.abort();
    window.end = new AbortController();
    document.body.replaceChildren();
    window.coords = coords;
    window.maps = Array.from({ length: maps }, () => {
        const canvas = document.body.appendChild(document.createElement('canvas'));
        Object.assign(canvas.style, { width: `${width}px`, height: `${height}px` });
        const points = new saliscope.Points(canvas, window.end.signal);
        points.resize(width, height, ratio);
        points.set(coords);
        points.colour(colours);
        points.draw();
        return points;
    });
    return window.maps[0].kind;
}"""


@functools.cache
def code() -> str:
    """The drawing of points as one script; it makes `saliscope.Points`."""
    command = ["node_modules/.bin/esbuild", "--bundle", "--format=iife", "--global-name=saliscope"]
    source = "js/render/points/scatter.ts"
    return subprocess.run([*command, source], cwd=ROOT, check=True, capture_output=True, text=True).stdout


def blank(browser: Browser, *, card: bool = False) -> Page:
    """An empty page that knows `saliscope.Points`; with `card`, software counts as a graphics card."""
    page = browser.new_context().new_page()
    if card:
        page.evaluate(PRETEND)
    page.add_script_tag(content=code())
    return page


def make(page: Page, n: int, *, size: tuple[int, int] = (720, 600), ratio: float = 1, maps: int = 1) -> str:
    """Draw `maps` maps of the same `n` points in 20 classes, row by row; by what is the answer."""
    return page.evaluate(MAKE, [n, *size, ratio, maps])
