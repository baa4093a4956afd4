"""Points in a real browser: by hand and by WebGL they look the same; a lost context leaves nothing blank."""

import numpy as np
import pytest

from .scatter import BIG_ENOUGH, blank, make

SIZE = (240, 200)
PIXELS = """i => Array.from(
    maps[i].canvas.getContext('2d').getImageData(0, 0, maps[i].canvas.width, maps[i].canvas.height).data)"""
SHARED = "globalThis[Symbol.for('saliscope.webgl')]"


@pytest.fixture(scope="module")
def pages(browser):
    """One that draws by WebGL, one that draws by hand."""
    page, other = blank(browser, card=True), blank(browser)
    for opened in (page, other):
        make(opened, BIG_ENOUGH, size=SIZE)
    yield page, other
    for opened in (page, other):
        opened.context.close()


@pytest.fixture
def page(pages):
    page, _ = pages
    if not page.evaluate("() => !!document.createElement('canvas').getContext('webgl2')"):
        pytest.skip("this browser has no WebGL, not even in software")
    return page


def _pixels(page, i=0):
    """RGBA as light: colours multiplied by their opacity, 0 to 255."""
    flat = np.array(page.evaluate(PIXELS, i), dtype=float).reshape(SIZE[1], SIZE[0], 4)
    flat[..., :3] *= flat[..., 3:] / 255
    return flat


PLAIN = """const [p] = maps;
Object.assign(p, { opacity: 1, radius: 0, camera: { zoom: 1, x: 0.5, y: 0.5 } });
p.highlight(null);
p.set(coords)"""
LOOKS = {
    "whole": "",
    "closest": "p.camera = { zoom: 3000, x: coords[0] / 65535, y: coords[1] / 65535 }",
    "half transparent": "Object.assign(p, { opacity: 0.4, camera: { zoom: 5, x: 0.3, y: 0.6 } })",
    "highlighted": "p.highlight(Uint32Array.from({ length: 3000 }, (_, k) => k))",
    "large, at the border": "Object.assign(p, { radius: 9, camera: { zoom: 20, x: 0.3, y: 0.6 } })",
    "between two maps": "p.tween(coords, coords.map((v, i) => (i % 2 ? v : 65535 - v)), 0.3)",
}


@pytest.mark.parametrize("look", LOOKS)
def test_card_and_hand_draw_the_same(page, pages, look):
    found = []
    for where, kind in zip(pages, ("webgl", "raster"), strict=True):
        where.evaluate(f"() => {{ {PLAIN}; {LOOKS[look]}; p.draw(); }}")
        assert where.evaluate("maps[0].kind") == kind
        found.append(_pixels(where))
    card, hand = found
    assert hand[..., 3].sum() > 0
    assert card[..., 3].sum() == pytest.approx(hand[..., 3].sum(), rel=0.01)
    # By hand a point lies on a quarter of a pixel: edges differ a little, nothing else.
    assert np.abs(card - hand).mean() < 4


def test_one_context_for_all_maps_and_none_is_blank_when_it_is_lost(page):
    assert make(page, BIG_ENOUGH, size=SIZE, maps=3) == "webgl"
    assert page.evaluate(f"{SHARED}.users.size") == 3
    before = _pixels(page, 2)
    page.evaluate(f"window.tool = {SHARED}.gl.getExtension('WEBGL_lose_context')")
    for act, kind in (("loseContext", "raster"), ("restoreContext", "webgl")):
        page.evaluate(f"tool.{act}()")
        page.wait_for_function(f"maps.every(p => p.kind === '{kind}')")
        for i in (0, 2):
            assert np.abs(_pixels(page, i) - before).mean() < 4
    page.evaluate("end.abort()")
    assert page.evaluate(f"{SHARED} === undefined")
