"""The canvases are read back: every byte is the one that Python computes from the kernel's numbers."""

import numpy as np
import pytest

from saliscope.render.static import between

from .truth import PICTURES, truth

WHITE = np.full_like(PICTURES[0], 255)

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
    "the map alone, faint": {"overlay": "map", "opacity": 0.3, "alpha": 0.7},
    "a locked scale": {"scale": 0.002},
    "other colours": {"colormap": "blue_yellow", "sign": "both"},
}


@pytest.mark.parametrize("look", LOOKS.values(), ids=LOOKS)
def test_the_map(notebook, explorer, look):
    shown = explorer.pixels()
    notebook.execute("".join(f"explorer.{name} = {value!r}\n" for name, value in look.items()))
    expected = truth(notebook).picture(PICTURES[0], **look)
    explorer.shows(expected)
    assert not look or not np.array_equal(expected, shown), "the look changes nothing: nothing was tested"


def test_a_map_without_a_sign(notebook, show):
    explorer = show("explorer = SaliencyExplorer(model, scenes.images, method='saliency')\ndisplay(explorer)")
    explorer.drawn()
    numbers = truth(notebook)
    assert not numbers.signed
    explorer.shows(numbers.picture(PICTURES[0]))


@pytest.mark.parametrize("alpha", [0.0, 0.25, 0.5, 0.9, 1.0])
def test_the_input_on_its_way_from_the_baseline(notebook, show, alpha):
    explorer = show(
        f"explorer = SaliencyExplorer(model, scenes.images, baseline='white', alpha={alpha})\ndisplay(explorer)"
    )
    explorer.drawn()
    explorer.shows(between(WHITE, PICTURES[0], alpha), "panel-input")


def test_every_picture_of_the_batch_is_shown_as_it_is_fed(notebook, explorer):
    for index, picture in enumerate(PICTURES):
        notebook.execute(f"explorer.index = {index}\nexplorer.wait()")
        explorer.drawn(notebook.value("explorer.status.job"))
        explorer.shows(picture, "panel-input")
