"""The canvases are read back: every byte is the one that Python computes from the kernel's numbers."""

import numpy as np
import pytest

from saliscope.render.static import between

from .truth import PICTURES

LOOKS = {
    "as it is first shown": {},
    "the colours at full strength": {"opacity": 1.0},
    "half way along the path": {"alpha": 0.5},
    "between two points of the path": {"alpha": 0.33},
    "what speaks for the target": {"sign": "positive"},
    "what speaks against it": {"sign": "negative"},
    "size without sign": {"sign": "absolute", "threshold": 0.5},
    "the strongest tenth": {"threshold": 0.1},
    "the map alone": {"overlay": "map", "opacity": 1.0},
    "the map alone, faint, on its way": {"overlay": "map", "opacity": 0.3, "alpha": 0.7},
    "a locked scale": {"scale": 0.02},
    "other colours": {"colormap": "blue_yellow"},
}


@pytest.mark.parametrize("look", LOOKS.values(), ids=LOOKS)
def test_the_map(explorer, look):
    first = explorer.pixels()
    explorer.set(**look)
    explorer.is_true(**look)
    assert not look or not np.array_equal(explorer.pixels(), first), (
        "a look that changes nothing tests nothing"
    )


def test_a_map_without_a_sign(show):
    explorer = show("model, scenes.images, method='saliency'")
    explorer.drawn()
    assert not explorer.truth().signed
    explorer.is_true()


@pytest.mark.parametrize("alpha", [0.0, 0.25, 0.5, 0.9, 1.0])
def test_the_input_on_its_way_from_the_baseline(show, alpha):
    explorer = show(f"model, scenes.images, baseline='white', alpha={alpha}")
    explorer.drawn()
    white = np.full_like(PICTURES[0], 255)
    explorer.shows(between(white, PICTURES[0], alpha), "panel-input")


def test_every_picture_of_the_batch_is_shown_as_it_is_fed(explorer):
    for index, picture in enumerate(PICTURES):
        explorer.set(index=index)
        explorer.answer()
        explorer.shows(picture, "panel-input")
        explorer.is_true(index)
