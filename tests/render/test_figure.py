"""The static figure: right pixels in the right places, and words that fit."""

import io

import numpy as np
import pytest
from PIL import Image

from saliscope.render import colormaps, typeset
from saliscope.render.static import Figure, compose, figure_png


def figure(height=8, width=8, **change):
    rng = np.random.default_rng(1)
    given = {
        "picture": rng.integers(0, 256, (height, width, 3), dtype=np.uint8),
        "values": rng.normal(size=(height, width)),
        "limit": 2.0,
        "signed": True,
        "method": "Integrated Gradients",
        "target_label": "digit 3",
        "output": "logit",
        "score": 8.41,
        "unit": "logit per pixel",
        "details": ("baseline: black", "32 steps"),
    }
    return Figure(**given | change)


def drawn(spec):
    image = Image.open(io.BytesIO(figure_png(spec)))
    assert image.format == "PNG"
    return image, np.asarray(image.convert("RGB"))


def find(pixels, panel):
    """Top left corners at which a panel stands, pixel for pixel."""
    height, width = panel.shape[:2]
    starts = np.argwhere((pixels[:-height, :-width] == panel[0, 0]).all(-1))
    rows = [(y, x) for y, x in starts.tolist() if (pixels[y, x : x + width] == panel[0]).all()]
    return [(y, x) for y, x in rows if (pixels[y : y + height, x : x + width] == panel).all()]


def test_picture_and_map_stand_side_by_side_with_square_pixels():
    spec = figure()
    image, pixels = drawn(spec)
    heat = compose(spec.picture, spec.values, 2.0, colormaps.lut())
    left, right = (np.kron(panel, np.ones((90, 90, 1), np.uint8)) for panel in (spec.picture, heat))
    (at_left,), (at_right,) = find(pixels, left), find(pixels, right)
    assert at_left[0] == at_right[0]
    assert at_right[1] - at_left[1] > left.shape[1]
    assert round(image.info["dpi"][0]) == 192


@pytest.mark.parametrize(
    ("change", "first", "last"),
    [
        ({}, 0, 256),
        ({"sign": "positive"}, 128, 256),
        ({"sign": "negative"}, 0, 128),
        ({"signed": False}, 128, 256),
    ],
)
def test_the_colour_bar_shows_the_colours_in_use(change, first, last):
    lut = colormaps.lut()
    _, pixels = drawn(figure(**change))
    bars = [
        row for row in pixels[-140:] if (row == lut[last]).all(-1).any() and (row == lut[first]).all(-1).any()
    ]
    assert len(bars) == 20
    places = [np.flatnonzero((bars[0] == lut[index]).all(-1)) for index in (first, last)]
    assert places[0].min() < places[1].max()


@pytest.mark.parametrize(("height", "width"), [(500, 333), (1, 1), (40, 400), (400, 40), (1000, 1000)])
def test_any_size_fits_its_panel(height, width):
    image, pixels = drawn(figure(height, width))
    assert image.width <= 2 * (360 * 2 + 24 + 40)
    assert image.height <= 2 * (360 + 170)
    assert (pixels[:8] == 255).all()
    assert (pixels[:, -8:] == 255).all()


def test_long_and_hostile_words_stay_inside():
    long = "a label that\ngoes on\x00 " * 40
    spec = figure(method=long, target_label=long, unit=long, details=[long] * 3, colormap="diverging_dark")
    _, pixels = drawn(spec)
    assert (pixels[:, -8:] == 255).all()


def test_the_same_figure_gives_the_same_bytes():
    assert figure_png(figure()) == figure_png(figure())
    assert figure_png(figure()) != figure_png(figure(score=8.42))


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.0, "0"),
        (8.4123, "8.41"),
        (-0.0123, "−0.0123"),
        (0.9999, "1.00"),
        (12345.0, "12345"),
        (3e-7, "3.00·10⁻⁷"),
        (-2.5e12, "−2.50·10¹²"),
        (float("nan"), "undefined"),
    ],
)
def test_numbers_are_short_and_have_a_true_minus(value, text):
    assert typeset.number(value) == text


def test_shares_have_two_digits():
    assert [typeset.number(v, digits=2) for v in (0.498, 20.0, 100.0)] == ["0.50", "20", "100"]


def test_lines_are_filled_and_cut_visibly():
    lines = typeset.wrapped(["one", "two", "a phrase for a line of its own", "x" * 200], 10, 200)
    assert lines[0] == f"one{typeset.BETWEEN}two"
    assert lines[1] == "a phrase for a line of its own"
    assert lines[2].endswith("…")
    assert all(typeset.width_of(line, 10) <= 200 for line in lines)
    assert typeset.width_of("x" + lines[2], 10) > 200
    assert typeset.shortened("xxx", 10, 1) == "…"
