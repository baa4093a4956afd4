"""The static figure: right pixels in the right places, and words that fit."""

import io

import numpy as np
import pytest
from PIL import Image

from saliscope.render import colormaps, typeset
from saliscope.render.overlay import compose
from saliscope.render.static import figure_png
from saliscope.specs.region import Region
from tests.render.screens import cam, screen, shown


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


def heat(panel, limit=2.0):
    return compose(panel.picture, panel.values, limit, colormaps.lut(), signed=panel.result.signed)


def test_nothing_to_show():
    assert figure_png(screen(None)) is None


def test_picture_and_map_stand_side_by_side_with_square_pixels():
    panel = shown()
    image, pixels = drawn(screen(panel))
    left, right = (np.kron(each, np.ones((90, 90, 1), np.uint8)) for each in (panel.picture, heat(panel)))
    (at_left,), (at_right,) = find(pixels, left), find(pixels, right)
    assert at_left[0] == at_right[0]
    assert at_right[1] - at_left[1] > left.shape[1]
    assert round(image.info["dpi"][0]) == 192


def test_several_panels_stand_in_rows_of_three_each_with_its_pixels():
    panels = [shown(), shown(seed=2), cam(seed=3), shown(seed=4, limit=3.0)]
    _, pixels = drawn(screen(*panels))
    blocks = [
        panels[0].picture,
        *(heat(each, 2.0 if each.result.unit == "activation" else 3.0) for each in panels),
    ]
    places = [find(pixels, np.kron(block, np.ones((70, 70, 1), np.uint8))) for block in blocks]
    assert [len(found) for found in places] == [1] * 5
    tops, lefts = zip(*(found[0] for found in places), strict=True)
    assert tops[0] == tops[1] == tops[2] < tops[3] == tops[4]
    assert lefts[0] == lefts[3] < lefts[1] == lefts[4] < lefts[2]


@pytest.mark.parametrize(
    ("change", "look", "first", "last"),
    [
        ({}, {}, 0, 256),
        ({}, {"sign": "positive"}, 128, 256),
        ({}, {"sign": "negative"}, 0, 128),
        ({"signed": False}, {}, 128, 256),
    ],
)
def test_the_colour_bar_shows_the_colours_in_use(change, look, first, last):
    lut = colormaps.lut()
    _, pixels = drawn(screen(shown(**change), **look))
    bars = [
        row for row in pixels[-140:] if (row == lut[last]).all(-1).any() and (row == lut[first]).all(-1).any()
    ]
    assert len(bars) == 20
    places = [np.flatnonzero((bars[0] == lut[index]).all(-1)) for index in (first, last)]
    assert places[0].min() < places[1].max()


def test_there_is_one_colour_bar_for_each_scale():
    lut = colormaps.lut()

    def bars(*panels, **view):
        _, pixels = drawn(screen(*panels, **view))
        # Rows of a bar hold all colours of its warm arm.
        codes = pixels.astype(int) @ [1 << 16, 1 << 8, 1]
        warm = lut[150:256:15].astype(int) @ [1 << 16, 1 << 8, 1]
        return sum(bool(np.isin(warm, row).all()) for row in codes)

    assert bars(shown(), shown(seed=2), overlay="multiply") == 20
    assert bars(shown(), cam(), overlay="multiply") == 20  # side by side
    each = {"mode": "each", "limits": {}}
    assert bars(*(shown(limit=i + 1.0) for i in range(4)), scale=each, overlay="multiply") == 40


def test_lines_of_region_and_contours_are_drawn():
    panel = shown()
    plain, outlined, contoured = (
        drawn(screen(panel, overlay="contour", **look))[1]
        for look in (
            {"threshold": 1e-9, "sign": "negative"},
            {"region": Region.of((2, 2, 3, 3))},
            {"smoothing": 1.0},
        )
    )
    ink = (outlined == (0x1F, 0x23, 0x28)).all(-1).sum() - (plain == (0x1F, 0x23, 0x28)).all(-1).sum()
    assert ink > 2 * 4 * 270 * 2 * 0.9  # two panels, four sides of 270 pixels, two wide
    for index in (0, 256):
        assert (contoured == colormaps.lut()[index]).all(-1).sum() > 500


@pytest.mark.parametrize(("height", "width"), [(500, 333), (1, 1), (40, 400), (400, 40), (1000, 1000)])
def test_any_size_fits_its_panel(height, width):
    image, pixels = drawn(screen(shown(height, width)))
    assert image.width <= 2 * (360 * 2 + 24 + 40)
    assert image.height <= 2 * (360 + 190)
    assert (pixels[:8] == 255).all()
    assert (pixels[:, -8:] == 255).all()
    for overlay in ("contour", "multiply"):
        drawn(
            screen(
                shown(height, width), cam(height=height, width=width), overlay=overlay, zoom=(3.0, 0.2, 0.9)
            )
        )


HOSTILE = "a label $x^2$ that\ngoes on\x00\u202e \u0633\u0644\u0627\u0645 " * 250 + "x" * 10_000


def test_long_and_hostile_words_stay_inside():
    words = {"title": HOSTILE, "target_label": HOSTILE, "unit": HOSTILE, "layer": HOSTILE, "grid": (2, 2)}
    spec = shown(**words, output=HOSTILE, baseline=HOSTILE, stage="cancelled")
    for panels in ([spec], [spec, shown(seed=2, baseline=HOSTILE[1:], unit=HOSTILE)]):
        image, pixels = drawn(screen(*panels, colormap="diverging_dark"))
        assert (pixels[:, -8:] == 255).all()
        assert image.height < 2 * 1200


def test_a_preview_and_a_refused_panel_are_drawn():
    same = drawn(screen(shown()))[1]
    assert (
        drawn(screen(shown(stage="preview")))[1].shape != same.shape
        or (drawn(screen(shown(stage="preview")))[1] != same).any()
    )
    _, pixels = drawn(screen(shown(), cam(), {"difference": [0, 1]}))
    assert (pixels == 240).all(-1).sum() > 500**2


def test_the_same_figure_gives_the_same_bytes():
    assert figure_png(screen(shown())) == figure_png(screen(shown()))
    assert figure_png(screen(shown())) != figure_png(screen(shown(score=8.42)))


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


def test_a_phrase_longer_than_a_line_is_broken_between_words_but_not_before_its_unit():
    lines = typeset.wrapped(["a gap that is as large as 12 %", "next"], 10, 138)
    assert lines == ["a gap that is as large as", "12 %", "next"]
    endless = typeset.wrapped(["word " * 1000], 10, 100)
    assert len(endless) == 3
    assert endless[-1].endswith("…")
    assert all(typeset.width_of(line, 10) <= 100 for line in endless)
