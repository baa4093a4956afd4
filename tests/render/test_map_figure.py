"""The figure of an embedding: its points and their colours, what is said beside them, its formats."""

import warnings

import matplotlib
import numpy as np
import pytest
from matplotlib.collections import LineCollection, PathCollection

from saliscope.errors import InputError, NotDefinedError
from saliscope.render import palette
from saliscope.render.map_figure import map_figure
from saliscope.specs.map_view import Colours
from tests.render.maps import N, labels, screen, shown, values
from tests.render.test_figure import HOSTILE
from tests.render.test_publication import inside, saved, texts


def clouds(made):
    """Places and colours of all points of the first map, as they were drawn."""
    found = [each for each in made.axes[0].collections if isinstance(each, PathCollection)]
    places = np.vstack([each.get_offsets() for each in found if len(each.get_offsets()) > 1])
    colours = np.vstack([each.get_facecolors() for each in found if len(each.get_offsets()) > 1])
    return places, np.rint(colours[:, :3] * 255).astype(int)


def frames(made, n):
    return [axes.get_position() for axes in made.axes[:n]]


def test_nothing_to_show():
    with pytest.raises(NotDefinedError, match="no map yet"):
        map_figure(screen(None))


def test_every_point_has_its_place_and_the_colour_of_its_class():
    one = shown()
    made = map_figure(screen(one))
    places, colours = clouds(made)
    expected = palette.by_code(one.colours.values, 3)
    order = np.lexsort(places.T)
    right = np.lexsort(one.coordinates.T)
    assert np.allclose(places[order], one.coordinates[right])
    assert (colours[order] == expected[right]).all()
    # Rows come class by class: they are not drawn in their order.
    assert not np.allclose(places, one.coordinates)


def test_what_a_reader_needs_is_written_beside_it():
    made = map_figure(screen(sampling="60 of 1000 rows."))
    said = " ".join(texts(made))
    for words in (
        "t-SNE", "43 % of 15 neighbours kept", "trustworthiness 0.931 on 60 rows", "continuity 0.950",
        "rank correlation of distances 0.410", "KL divergence (uniform) 1.20",
        "Distances mean little here: 0.41.",
        "Axes have no unit.", "60 points: activations of layer4.", "60 of 1000 rows.",
        "Label", "cat", "dog", "owl", "no value (2)",
    ):  # fmt: skip
        assert words in said
    assert inside(made)


def test_axes_are_equally_long_and_have_no_numbers():
    made = map_figure(screen())
    axes = made.axes[0]
    (left, right), (low, high) = axes.get_xlim(), axes.get_ylim()
    assert right - left == pytest.approx(high - low)
    assert axes.get_aspect() == 1.0
    assert [*axes.get_xticks(), *axes.get_yticks()] == []
    places = shown().coordinates
    assert left < places[:, 0].min() < places[:, 0].max() < right
    assert low < places[:, 1].min() < places[:, 1].max() < high


def test_the_camera_is_the_pages():
    whole, near = map_figure(screen()), map_figure(screen(camera=(4.0, 0.25, 0.5)))
    wide, narrow = (np.diff(made.axes[0].get_xlim())[0] for made in (whole, near))
    assert wide == pytest.approx(4 * narrow)
    assert np.mean(near.axes[0].get_xlim()) < np.mean(whole.axes[0].get_xlim())
    assert any("Zoomed in 4×" in text for text in texts(near))


def test_numbers_have_a_scale_with_unit_and_what_is_beyond_it():
    made = map_figure(screen(shown(colours=values(unit="nats", note="of the top class"))))
    said = texts(made)
    assert "Confidence, nats" in said
    assert {"0.100", "0.900", "of the top class", "20 % of points beyond the scale"} <= set(said)
    bar = next(axes for axes in made.axes if axes.images)
    assert (np.asarray(bar.images[0].get_array())[0] == palette.ramp()).all()
    _, colours = clouds(made)
    assert {tuple(row) for row in colours} <= {tuple(row) for row in palette.ramp().astype(int)}


def test_missing_numbers_are_grey_and_counted():
    colours = values()
    colours.values[:3] = np.nan
    made = map_figure(screen(shown(colours=colours)))
    assert any("grey: 3 points without a value" in text for text in texts(made))
    assert (clouds(made)[1] == palette.MISSING).all(1).sum() == 3


def test_a_signed_scale_is_neutral_in_the_middle():
    zero = Colours("number", "Stretch", np.zeros(N), ends=(-2, 2), said=("× 0.14", "× 7.4"), signed=True)
    made = map_figure(screen(shown(colours=zero)))
    assert {"× 0.14", "× 7.4"} <= set(texts(made))
    colours = clouds(made)[1]
    assert (colours == colours[0, 0]).all()


@pytest.mark.parametrize(("n", "columns"), [(1, 1), (2, 2), (3, 3), (4, 2)])
def test_maps_stand_in_equal_rows_with_letters(n, columns):
    made = map_figure(screen(*(shown(seed=i) for i in range(n)), None))
    found = frames(made, n)
    assert len([each for each in found if each.y0 == pytest.approx(found[0].y0)]) == columns
    letters = [text for text in texts(made) if text in "abcd" and text]
    assert letters == (list("abcd")[:n] if n > 1 else [])
    assert texts(made).count("Label") == 1
    assert inside(made)


def test_the_selection_stands_out():
    made = map_figure(screen(selection=np.array([3, 4])))
    faded, lit = (each for each in made.axes[0].collections if isinstance(each, PathCollection))
    assert (len(faded.get_offsets()), len(lit.get_offsets())) == (N - 2, 2)
    assert faded.get_alpha() < lit.get_alpha()
    assert any("2 of 60 points selected." in text for text in texts(made))


def test_lines_to_true_neighbours_are_dashed_where_the_map_tore_them_away():
    made = map_figure(screen(shown(torn=(7,)), point=3, neighbors=(5, 6, 7)))
    near, torn = (each for each in made.axes[0].collections if isinstance(each, LineCollection))
    assert (len(near.get_paths()), len(torn.get_paths())) == (2, 1)
    places = shown().coordinates
    assert np.allclose(torn.get_paths()[0].vertices, places[[3, 7]])
    assert torn.get_linestyle()[0][1] is not None
    assert near.get_linestyle()[0][1] is None


def test_an_unfinished_map_says_so_whatever_else_is_left_out():
    said = " ".join(texts(map_figure(screen(shown(stage="cancelled", iteration=7, total=300)), title=False)))
    assert "stopped at iteration 7 of 300" in said
    assert "Distances mean little here" in said
    assert "t-SNE" not in said
    assert "trustworthiness" not in said


def test_width_dpi_and_columns_are_kept_to():
    made = map_figure(screen(shown(), shown()), columns=1, width=3.3, dpi=100)
    assert made.get_size_inches()[0] == pytest.approx(3.3)
    assert len({each.x0 for each in frames(made, 2)}) == 1
    for wrong in ({"columns": 0}, {"columns": 3}, {"width": 0.0}, {"dpi": float("nan")}):
        with pytest.raises(InputError) as caught:
            map_figure(screen(shown(), shown()), **wrong)
        assert caught.value.argument == next(iter(wrong))


@pytest.mark.parametrize("kind", ["png", "svg", "pdf"])
def test_hostile_words_are_neither_formulas_nor_long(kind):
    one = shown(HOSTILE, colours=labels(("$\\frac{$", HOSTILE)), cautions=(HOSTILE,))
    made = map_figure(screen(one, sampling=HOSTILE))
    assert inside(made)
    assert all(text.isprintable() for text in texts(made))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # a font may lack a letter
        assert saved(made, kind).startswith({"png": b"\x89PNG", "svg": b"<?xml", "pdf": b"%PDF"}[kind])


def test_more_classes_than_fit_are_counted():
    made = map_figure(screen(shown(colours=labels(tuple(f"class {i}" for i in range(45)), missing=0))))
    assert "and 5 more" in texts(made)
    assert "class 40" not in texts(made)
    assert inside(made)


def test_points_that_lie_in_one_place_are_a_map():
    one = shown()
    same = shown()
    same.coordinates[:] = 3.0
    made = map_figure(screen(one, same))
    assert np.isfinite(made.axes[1].get_xlim()).all()


def test_the_users_settings_are_neither_changed_nor_fatal():
    with matplotlib.rc_context({"text.usetex": True, "image.cmap": "jet"}):
        before = dict(matplotlib.rcParams)
        made = map_figure(screen())
        assert dict(matplotlib.rcParams) == before
        assert made._repr_png_().startswith(b"\x89PNG")
