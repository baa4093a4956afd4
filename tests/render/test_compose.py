"""The overlay against a reference that works pixel by pixel; see also tests/wire."""

import numpy as np
import pytest

from saliscope.errors import InputError
from saliscope.render import colormaps, scales
from saliscope.render.static import between, compose
from tests.reference import picture_arithmetic as reference


@pytest.fixture
def scene():
    rng = np.random.default_rng(0)
    return rng.integers(0, 256, (13, 17, 3), dtype=np.uint8), rng.normal(size=(13, 17)).astype(np.float32)


@pytest.mark.parametrize("name", colormaps.names)
@pytest.mark.parametrize("overlay", ["blend", "map"])
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
        ({"overlay": "side"}, r"`overlay`: got 'side'; expected 'blend' or 'map'"),
    ],
)
def test_what_does_not_fit_is_refused(change, message):
    right = {"picture": np.zeros((4, 4, 3), np.uint8), "values": np.zeros((4, 4)), "limit": 1.0}
    with pytest.raises(InputError, match=message):
        compose(**right | change, lut=colormaps.lut())
