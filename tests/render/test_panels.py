"""What stands on screen, panel by panel, as the page would draw it."""

import numpy as np
import pytest

from saliscope.render import colormaps, scales
from saliscope.render.bars import bars_of
from saliscope.render.overlay import between, compose
from saliscope.render.panels import panels_of
from saliscope.render.smoothing import smooth
from saliscope.render.words import heading, notes
from saliscope.specs.region import Region
from tests.render.screens import cam, screen, shown

LUT = colormaps.lut()


def drawn(*panels, **view):
    return panels_of(screen(*panels, **view))


def test_nothing_to_show():
    assert panels_of(screen(None)) == []


def test_the_input_and_the_map():
    panel = shown()
    left, right = drawn(panel)
    assert (left.kind, left.title, right.kind, right.title) == (
        "input",
        "Input",
        "map",
        "Integrated Gradients",
    )
    assert (left.rgb == panel.picture).all()
    assert (right.rgb == compose(panel.picture, panel.values, 2.0, LUT)).all()
    assert (right.values == panel.values).all()
    assert (right.limit, right.unit, right.ends) == (2.0, "score", (-1.0, 1.0))
    assert right.clipped == scales.clipped_share(panel.values, 2.0) > 0
    assert (right.subject, right.score) == ("digit 3", "logit 8.41")
    assert right.details == (
        "Baseline black.",
        "32 steps.",
        "Explains 99.0 % of the change in score; gap 1.0 %.",
    )
    assert right.meaning == "Attribution: what raises (+) or lowers (−) the score"


@pytest.mark.parametrize("overlay", ["blend", "map", "multiply", "contour"])
@pytest.mark.parametrize("sign", ["both", "positive", "negative", "absolute"])
def test_all_looks_together_are_those_of_compose(overlay, sign):
    panel = shown()
    looks = {"opacity": 0.5, "threshold": 0.4, "sign": sign, "overlay": overlay}
    _, made = drawn(panel, smoothing=1.5, colormap="blue_yellow", **looks)
    smoothed = smooth(panel.values, 1.5)
    limit = scales.limit(smoothed)
    assert made.limit == limit < 2
    expected = compose(panel.picture, smoothed, limit, colormaps.lut("blue_yellow"), 0.5, 0.4, sign, overlay)
    assert (made.rgb == expected).all()
    assert bool(made.lines) == (overlay == "contour")


@pytest.mark.parametrize("alpha", [0.0, 0.3, 0.75, 0.9])
def test_on_the_way_the_input_moves_and_the_map_grows_over_the_whole_picture(alpha):
    panel = shown()
    left, right = drawn(panel, alpha=alpha)
    assert (left.rgb == between(panel.baseline, panel.picture, alpha)).all()
    flat = panel.stack.reshape(4, -1)
    expected = [np.interp(alpha, panel.result.path.alphas, column) for column in flat.T]
    np.testing.assert_allclose(right.values.ravel(), expected, atol=1e-12)
    assert (right.rgb == compose(panel.picture, right.values, 2.0, LUT)).all()
    assert right.limit == 2.0
    assert f"sum up to {100 * alpha:.0f} % of the path" in right.marks


@pytest.mark.parametrize("alpha", [0.1, 1.0])
def test_the_gradient_has_its_own_unit_and_limit(alpha):
    panel = shown()
    _, right = drawn(panel, alpha=alpha, along="gradient")
    flat = panel.gradients.reshape(4, -1)
    expected = [np.interp(alpha, panel.result.path.alphas, column) for column in flat.T]
    np.testing.assert_allclose(right.values.ravel(), expected, atol=1e-12)
    assert right.unit == "score per unit of input"
    assert right.limit == scales.limit(panel.gradients)
    assert right.meaning == "Gradient: what would raise (+) or lower (−) the score"


def test_a_method_without_a_path_has_no_way():
    panel = cam()
    left, right = drawn(panel, alpha=0.5, along="gradient")
    assert (left.rgb == panel.picture).all()
    assert (right.values == panel.values).all()
    assert right.marks == ()
    assert right.details == ("Layer layer4, grid 2 × 2.",)
    assert right.ends == (0.0, 1.0)


def test_panels_of_one_unit_share_the_largest_limit():
    _, a, b, c = drawn(shown(), shown(limit=5.0), cam(limit=7.0))
    assert [panel.limit for panel in (a, b, c)] == [5.0, 5.0, 7.0]
    assert [(bar.unit, bar.panels) for bar in bars_of([a, a, b, c])] == [
        ("score", (0, 1)),
        ("activation", (2,)),
    ]


def test_a_fixed_scale_and_one_for_each():
    fixed = {"mode": "fixed", "limits": {"score": 0.5}}
    assert [p.limit for p in drawn(shown(), cam(limit=7.0), scale=fixed)[1:]] == [0.5, 7.0]
    each = screen(shown(), shown(limit=5.0), scale={"mode": "each", "limits": {}})
    assert [p.limit for p in panels_of(each)[1:]] == [2.0, 5.0]
    assert notes(each, 2) == ("Each panel has its own scale: colours cannot be compared.",)


def test_a_map_that_is_zero_does_not_set_the_scale_of_others():
    zero = shown(limit=1.0)
    zero.values[:] = 0
    small = shown(limit=1e-3)
    assert [p.limit for p in drawn(zero, small)[1:]] == [1e-3, 1e-3]
    assert drawn(zero)[1].limit == 1.0


def test_difference_and_average_are_made_of_what_is_on_screen():
    a, b = shown(), shown(seed=2, stage="preview")
    made = drawn(a, b, {"difference": [0, 1]}, {"average": [0, 1]}, alpha=0.75)
    assert (made[3].values == made[1].values - made[2].values).all()
    np.testing.assert_allclose(made[4].values, (made[1].values + made[2].values) / 2, rtol=1e-15)
    assert made[3].limit == max(2.0, scales.limit(a.values - b.values))
    assert all("sum up to 75 % of the path" in p.marks for p in made[1:])
    assert [p.caveats for p in made[1:]] == [(), *[("preview: the method had not finished",)] * 3]
    assert any(mark.startswith("rank correlation ") for mark in made[3].marks)
    names = ["a", "b"]
    assert heading(made[3].kind, "", made[3].sources, names) == "Difference a − b"
    assert heading(made[4].kind, "", made[4].sources, names) == "Average of a, b"


def test_the_average_of_gradients_is_one():
    a, b = shown(), shown(seed=2)
    made = drawn(a, b, {"average": [0, 1]}, alpha=0.75, along="gradient")[3]
    np.testing.assert_allclose(made.values, (a.gradients[2] + b.gradients[2]) / 2, rtol=1e-15)
    assert made.unit == "score per unit of input"
    assert made.meaning.startswith("Gradient")
    assert "gradient at 75 % of the path from the baseline" in made.marks
    moved = drawn(a, b, {"average": [0, 1]}, alpha=0.1, along="gradient")[3]
    assert moved.limit == made.limit


def test_the_difference_of_maps_without_a_sign_has_one():
    made = drawn(cam(), cam(seed=2), {"difference": [0, 1]}, {"average": [0, 1]})
    assert [p.ends for p in made[3:]] == [(-1.0, 1.0), (0.0, 1.0)]
    assert made[3].meaning == "Difference: where the first map is larger (+) or smaller (−)"


@pytest.mark.parametrize(
    ("panels", "why"),
    [
        ((cam(), {"difference": [0, 1]}), "units 'score' and 'activation'"),
        ((shown(4, 4), {"average": [0, 1]}), "sizes 8 × 8 and 4 × 4"),
        ((None, {"average": [0, 1]}), "Panel 2 has no map"),
        (({"average": [0]}, {"difference": [0, 1]}), "Panel 2 has no map"),
        (({"difference": [0, 5]},), "Panel 6 has no map"),
        ((None,), "Not computed yet."),
    ],
)
def test_what_cannot_be_shown_says_why_in_its_place(panels, why):
    made = drawn(shown(), *panels)
    assert len(made) == len(panels) + 2
    assert made[-1].kind == "empty"
    assert why in made[-1].caveats[0]


def test_panels_say_what_tells_them_apart():
    blurred = shown(baseline="blur (sigma=2.0)", index=1)
    _, a, b = drawn(shown(), blurred)
    assert a.marks == ("input 1", "baseline black")
    assert b.marks == ("input 2", "baseline blur (sigma=2.0)")
    assert not any("aseline" in each for each in (*a.details, *b.details))
    _, alone = drawn(blurred)
    assert alone.marks == ()
    assert alone.details[0] == "Baseline blur (sigma=2.0)."


@pytest.mark.parametrize(
    ("zoom", "window"),
    [
        ((1.0, 0.5, 0.5), (0, 0, 20, 10)),
        ((2.0, 0.5, 0.5), (5, 2, 15, 8)),
        ((2.0, 0.0, 1.0), (0, 5, 10, 10)),
        ((4.0, 0.5, 0.5), (7, 3, 13, 7)),
        ((32.0, 0.99, 0.01), (19, 0, 20, 1)),
    ],
)
def test_what_is_in_view_is_cut_out_in_whole_pixels(zoom, window):
    left, top, right, bottom = window
    panel = shown(10, 20)
    region = Region.of((0, 0, 20, 10))
    for made in drawn(panel, zoom=zoom, region=region):
        assert made.rgb.shape[:2] == (bottom - top, right - left)
        assert {line[:2] for line in made.outline} == {(-left, -top), (20 - left, -top), (-left, 10 - top)}
    assert (made.values == panel.values[top:bottom, left:right]).all()
    assert made.clipped == scales.clipped_share(panel.values, 2.0)


def test_contours_move_with_the_window():
    panel = shown(20, 20)
    whole, part = (
        drawn(panel, overlay="contour", smoothing=2.0, zoom=zoom)[1].lines
        for zoom in ((1.0, 0.5, 0.5), (2.0, 0.5, 0.5))
    )
    assert [each.level for each in part] == [each.level for each in whole]
    for a, b in zip(whole, part, strict=True):
        seen = [points.round(9)[((points > 0) & (points < 10)).all(1)] for points in (a.points - 5, b.points)]
        assert {*map(tuple, seen[0].tolist())} == {*map(tuple, seen[1].tolist())}
    assert any(len(each.points) for each in part)


def test_the_numbers_of_the_region_stand_beside_the_map():
    panel = shown()
    _, right = drawn(panel, region=Region.of((2, 3, 4, 2)), sign="positive", smoothing=1.0)
    total = panel.values[3:5, 2:6].sum()
    sentence = right.details[-4:]
    assert sentence[1] == f"{100 * total / 8:.1f} % of the change in score".replace("-", "−")
    assert sentence[2] == "12.5 % of the area"
    gradient = drawn(panel, region=Region.of((2, 3, 4, 2)), along="gradient")[1]
    assert not any("change in score" in each for each in gradient.details[-3:])


def test_looks_are_said():
    said = notes(screen(smoothing=2.25, threshold=0.3, overlay="contour", zoom=(2.0, 0.5, 0.5)), 1)
    assert said == (
        "Smoothed, sigma 2.25 px.",
        "The strongest 30 % of the pixels.",
        "Lines at 25, 50 and 75 % of the scale.",
        "Zoomed in 2×.",
    )
    assert notes(screen(), 1) == ()
