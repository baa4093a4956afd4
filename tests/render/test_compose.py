"""The overlay against a reference that works pixel by pixel; see also tests/wire."""

import numpy as np
import pytest

from saliscope.errors import InputError
from saliscope.render import colormaps, scales
from saliscope.render.overlay import between, compose, contours
from tests.reference import picture_arithmetic as reference


@pytest.fixture
def scene():
    rng = np.random.default_rng(0)
    return rng.integers(0, 256, (13, 17, 3), dtype=np.uint8), rng.normal(size=(13, 17)).astype(np.float32)


@pytest.mark.parametrize("name", colormaps.names)
@pytest.mark.parametrize("overlay", ["blend", "map", "multiply", "contour"])
@pytest.mark.parametrize("sign", ["both", "positive", "negative", "absolute"])
def test_every_byte_is_the_one_of_the_definition(scene, name, overlay, sign):
    picture, values = scene
    lut, limit = colormaps.lut(name), scales.limit(values) / 2
    made = compose(picture, values, limit, lut, 0.7, 0.6, sign, overlay)
    expected = reference.composed(
        picture.ravel().tolist(),
        values.ravel().tolist(),
        limit,
        lut.ravel().tolist(),
        0.7,
        0.6,
        sign,
        overlay,
        True,
    )
    assert made.shape == picture.shape
    assert made.ravel().tolist() == expected


def test_zero_is_transparent_in_a_blend_and_neutral_in_a_map(scene):
    picture, values = scene
    lut = colormaps.lut()
    grey = (picture.astype(int) @ [77, 150, 29] + 128) >> 8
    blend = compose(picture, 0 * values, 1.0, lut, 1.0)
    assert (blend == grey[..., None]).all()
    assert (compose(picture, 0 * values, 1.0, lut, 1.0, overlay="map") == lut[128]).all()


def test_multiplied_with_nothing_the_picture_is_dark_and_under_contours_it_is_as_it_was(scene):
    picture, values = scene
    lut = colormaps.lut()
    assert not compose(picture, 0 * values, 1.0, lut, 1.0, overlay="multiply").any()
    assert (compose(picture, 0 * values, 1.0, lut, 0.0, overlay="multiply") == picture).all()
    assert (compose(picture, np.ones_like(values), 1.0, lut, 0.9, overlay="multiply") == picture).all()
    assert (compose(picture, values, 1.0, lut, overlay="contour") == picture).all()


def test_contours_of_a_ramp_are_straight_and_end_at_the_borders():
    ramp = np.tile(np.arange(-4.0, 5.0), (3, 1))
    made = {each.level: each.lines for each in contours(ramp, 4.0)}
    assert sorted(made) == [-0.75, -0.5, -0.25, 0.25, 0.5, 0.75]
    for level, (line,) in made.items():
        assert line[:, 0] == pytest.approx(4 * level + 4.5)
        assert sorted({line[0, 1], line[-1, 1]}) == [0, 3]
    assert [each.level for each in contours(np.abs(ramp), 4.0)] == [0.25, 0.5, 0.75]
    assert not any(each.lines for each in contours(0 * ramp, 4.0))


def test_specks_can_be_told_from_lines():
    values = np.zeros((9, 9))
    values[2, 2] = values[6, 2:8] = 1.0
    (speck, line), (found,) = (contours(values, 2.0)[0].lines, contours(values, 2.0)[0].larger_than(2.0))
    assert np.ptp(speck, axis=0).max() < 2 < np.ptp(line, axis=0).max()
    assert (found == line).all()
    assert contours(0 * values, 2.0)[0].larger_than(0.0) == []


def test_between_plus_and_minus_one_there_is_a_line_for_each_sign():
    step = np.repeat([[1.0, -1.0]], 2, axis=0)
    assert [len(each.lines) for each in contours(step, 1.0)] == [1] * 6


def test_beyond_the_limit_the_colour_is_the_last_one(scene):
    picture, values = scene
    lut = colormaps.lut()
    assert (compose(picture, np.full_like(values, 7), 1.0, lut, 1.0) == lut[256]).all()
    assert (compose(picture, np.full_like(values, -7), 1.0, lut, 1.0) == lut[0]).all()


@pytest.mark.parametrize("alpha", [0.0, 0.25, 0.5, 1 / 3, 1.0])
def test_the_picture_on_the_path(scene, alpha):
    picture, _ = scene
    baseline = picture[::-1]
    expected = reference.between(baseline.ravel().tolist(), picture.ravel().tolist(), alpha)
    assert between(baseline, picture, alpha).ravel().tolist() == expected


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"picture": np.zeros((4, 4, 3))}, r"`picture`: got float64 of shape \(4, 4, 3\); expected uint8"),
        ({"values": np.zeros((4, 5))}, r"`values`: got shape \(4, 5\); expected .* picture, \(4, 4\)"),
        ({"limit": 0.0}, r"`limit`: got 0.0; expected a finite number above zero"),
        ({"limit": float("nan")}, r"`limit`: got nan"),
        ({"overlay": "side"}, r"`overlay`: got 'side'; expected 'blend', 'map', 'multiply', 'contour'"),
    ],
)
def test_what_does_not_fit_is_refused(change, message):
    right = {"picture": np.zeros((4, 4, 3), np.uint8), "values": np.zeros((4, 4)), "limit": 1.0}
    with pytest.raises(InputError, match=message):
        compose(**right | change, lut=colormaps.lut())
