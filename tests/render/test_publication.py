"""The figure for a paper: its parts, its formats, and what it leaves alone."""

import io
import sys
import warnings
from xml.etree import ElementTree

import matplotlib
import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure

from saliscope.errors import InputError, NotDefinedError
from saliscope.render.panels import panels_of
from saliscope.render.publication import figure
from saliscope.specs.region import Region
from tests.render.screens import cam, screen, shown
from tests.render.test_figure import HOSTILE


def texts(made):
    return [text.get_text() for text in made.texts]


def pictures(made):
    return [np.asarray(axes.images[0].get_array()) for axes in made.axes if axes.images]


def saved(made, kind, **options):
    stream = io.BytesIO()
    made.savefig(stream, format=kind, **options)
    return stream.getvalue()


def inside(made):
    """Every text and picture lies on the page, and nothing is written over a picture."""
    renderer = FigureCanvasAgg(made).get_renderer()
    page = made.bbox
    frames = [axes.get_window_extent(renderer) for axes in made.axes]
    for text in made.texts:
        box = text.get_window_extent(renderer)
        assert box.x0 >= page.x0
        assert box.x1 <= page.x1 + 1
        assert box.y0 >= page.y0
        assert box.y1 <= page.y1
        assert not any(box.overlaps(frame) for frame in frames)
    return True


def test_nothing_to_show():
    with pytest.raises(NotDefinedError, match="no map yet"):
        figure(screen(None))


def test_input_map_and_colour_bar_with_unit_and_clipped_share():
    on = screen(shown(60, 60))
    made = figure(on)
    assert isinstance(made, Figure)
    assert made.get_size_inches()[0] == pytest.approx(7.0)
    left, right = panels_of(on)
    first, second, bar = pictures(made)
    assert (first == left.rgb).all()
    assert (second == right.rgb).all()
    assert bar.shape == (1, 512, 3)
    said = texts(made)
    for expected in (
        "Input",
        "Integrated Gradients",
        "digit 3   ·   logit 8.41",
        "−2.00",
        "0",
        "2.00",
        "score",
    ):
        assert expected in said
    assert f"{100 * right.clipped:.1f} % of pixels clipped" in said
    assert inside(made)


@pytest.mark.parametrize(("n", "columns"), [(1, 2), (2, 3), (3, 4), (4, 3), (5, 3), (6, 4)])
def test_panels_stand_in_equal_rows_with_letters(n, columns):
    made = figure(screen(*(shown(seed=i) for i in range(n))))
    frames = [axes.get_position() for axes in made.axes[: n + 1]]
    first = [frame for frame in frames if frame.y0 == pytest.approx(frames[0].y0)]
    assert len(first) == columns
    assert len({round(frame.width, 9) for frame in frames}) == 1
    assert [text for text in texts(made) if len(text) == 1 and text.isalpha()] == list(
        "abcdefg"[: n + 1] * (n > 1)
    )
    assert len(made.axes) == n + 2
    assert inside(made)


def test_columns_width_and_dpi_are_kept_to():
    made = figure(screen(shown(), shown()), columns=1, width=3.3, dpi=100)
    assert len({axes.get_position().x0 for axes in made.axes[:3]}) == 1
    assert made.get_size_inches()[0] == pytest.approx(3.3)
    assert made.dpi == 100
    for wrong in ({"columns": 0}, {"columns": 4}, {"width": 0.0}, {"dpi": float("nan")}):
        with pytest.raises(InputError) as caught:
            figure(screen(shown(), shown()), **wrong)
        assert caught.value.argument == next(iter(wrong))


def test_without_titles_letters_stay_and_so_does_what_must_not_be_missed():
    each = {"mode": "each", "limits": {}}
    said = texts(figure(screen(shown(stage="preview"), shown(limit=3.0), scale=each), title=False))
    assert "Integrated Gradients" not in said
    assert {"a", "b", "c", "preview: the method had not finished"} <= set(said)
    assert any("its own scale" in text for text in said)


def test_each_unit_has_one_bar_which_says_whose_it_is():
    made = figure(screen(shown(), cam(), shown(seed=3), {"difference": [0, 2]}))
    assert len(pictures(made)) == 5 + 2
    said = texts(made)
    assert "score (b, d, e)" in said
    assert "activation (c)" in said
    assert "Difference b − d" in said


def test_region_and_contours_are_lines():
    made = figure(screen(shown(), overlay="contour", smoothing=1.0, region=Region.of((2, 2, 3, 3))))
    counts = [len([c for c in axes.collections if isinstance(c, LineCollection)]) for axes in made.axes]
    assert counts == [2, 2 * 6 + 2, 0]
    assert len(made.axes[2].lines) == 6


@pytest.mark.parametrize("kind", ["png", "svg", "pdf"])
def test_it_is_saved_in_every_format(kind):
    data = saved(figure(screen(shown(), cam(), overlay="contour")), kind)
    assert data.startswith({"png": b"\x89PNG", "svg": b"<?xml", "pdf": b"%PDF"}[kind])
    if kind == "svg":
        tree = ElementTree.fromstring(data)
        images = [e for e in tree.iter() if e.tag.endswith("}image")]
        assert len(images) == 3
        assert all(
            e.get("{http://www.w3.org/1999/xlink}href", "").startswith("data:image/png") for e in images
        )


@pytest.mark.parametrize("kind", ["png", "svg", "pdf"])
def test_hostile_words_are_neither_formulas_nor_long(kind):
    words = {"title": HOSTILE, "target_label": "$\\frac{$", "unit": HOSTILE, "layer": HOSTILE, "grid": (2, 2)}
    spec = shown(**words, output="_^$", baseline=HOSTILE, stage="cancelled")
    made = figure(screen(spec, shown(baseline="$^$", unit=HOSTILE)))
    assert inside(made)
    assert any("$\\frac{$" in text for text in texts(made))
    assert all(len(text) < 200 and text.isprintable() for text in texts(made))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # a font may lack a letter
        saved(made, kind)


def test_the_users_settings_are_neither_changed_nor_fatal():
    with matplotlib.rc_context({"text.usetex": True, "font.family": "serif", "image.cmap": "jet"}):
        before = dict(matplotlib.rcParams)
        made = figure(screen(shown()))
        assert dict(matplotlib.rcParams) == before
        assert not any(text.get_usetex() for text in made.texts)
        assert made.texts[0].get_fontfamily() == ["serif", "DejaVu Sans"]
        saved(made, "png")


def test_no_pyplot_figure_is_made():
    import matplotlib.pyplot as plt

    open_before = plt.get_fignums()
    figure(screen(shown()))
    assert plt.get_fignums() == open_before
    assert "saliscope.render.publication" in sys.modules


def test_it_shows_itself_at_the_end_of_a_cell():
    made = figure(screen(shown()))
    assert made._repr_png_().startswith(b"\x89PNG")
