"""The picture that a page without a kernel makes of itself."""

import base64

import numpy as np
import pytest
from PIL import Image

from .demo import traits

CANVAS = """canvas => {
    const { width, height } = canvas;
    const { data } = canvas.getContext('2d').getImageData(0, 0, width, height);
    return [width, height, btoa(String.fromCharCode.apply(null, data))];
}"""


@pytest.fixture
def watch():
    """There is no notebook here to be watched."""


def pixels(canvas):
    width, height, text = canvas.evaluate(CANVAS)
    return np.frombuffer(base64.b64decode(text), np.uint8).reshape(height, width, 4)[..., :3]


def save_view(page):
    page.get_by_test_id("export").click()
    with page.expect_download() as download:
        page.get_by_test_id("export-view").click()
    assert download.value.suggested_filename == "saliscope.png"
    with Image.open(download.value.path()) as image:
        return np.asarray(image.convert("RGB"))


def test_the_picture_of_a_view_is_what_is_on_screen(demo):
    page = demo.open(offline="", size=16)
    image = save_view(page)
    box = page.locator(".panels").bounding_box()
    assert image.shape[:2] == (int(2 * (box["height"] + 24)), int(2 * (box["width"] + 24)))
    for panel in ("panel-input", "panel-map"):
        canvas = page.get_by_test_id(panel).locator("canvas").first
        expected, place = pixels(canvas), canvas.bounding_box()
        left, top = (2 * (12 + place[edge] - box[edge]) for edge in "xy")
        step = 2 * place["width"] / 16
        middles = ((np.arange(16) + 0.5) * step).astype(int)
        found = image[np.ix_(int(top) + middles, int(left) + middles)]
        assert np.abs(found.astype(int) - expected).max() <= 1


def test_lines_over_a_picture_are_in_it(demo):
    plain = save_view(demo.open(offline="", size=16))
    marked = save_view(demo.open(offline="", size=16, traits=traits(region={"rect": [4, 4, 8, 8]})))
    assert plain.shape == marked.shape
    changed = np.any(plain != marked, axis=2).mean()
    assert 0.005 < changed < 0.05, "a line around the region, and no veil over the rest"
