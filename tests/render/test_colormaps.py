"""The colour maps keep their promise: neutral zero, even steps, both signs equally strong."""

import numpy as np
import pytest

from saliscope.errors import InputError
from saliscope.render import colormaps
from tests.reference.colour_appearance import WHITE, as_seen_by, cam02_ucs, ciecam02, lightness

STRIDE = 8  # one step of a map is less than 8 bits can resolve; over eight, rounding no longer matters


def colours(name):
    return colormaps.lut(name) / 255


def steps(srgb):
    seen = cam02_ucs(srgb)
    return np.linalg.norm(seen[STRIDE:] - seen[:-STRIDE], axis=1)


def unevenness(srgb):
    return steps(srgb).max() / steps(srgb).min()


def band(srgb):
    """Smallest and largest step, in units of the mean one."""
    return steps(srgb).min() / steps(srgb).mean(), steps(srgb).max() / steps(srgb).mean()


def apart(seen):
    """How different equal amounts of both signs look, from a quarter of the limit on."""
    return np.linalg.norm(cam02_ucs(seen[160:]) - cam02_ucs(seen[96::-1]), axis=1)


def imbalance(srgb):
    return np.abs(lightness(srgb) - lightness(srgb)[::-1]).max()


def test_the_reference_agrees_with_the_published_example():
    # CIE 159:2004: 19.01 20.00 21.78 under 95.05 100 108.88, adapted to 318.31 cd/m2.
    look = ciecam02(np.array([19.01, 20.00, 21.78]), np.array([95.05, 100.0, 108.88]), adapting=318.31)
    assert look["J"] == pytest.approx(41.73, abs=0.005)
    assert look["C"] == pytest.approx(0.1047, abs=0.00005)
    assert look["M"] == pytest.approx(0.1088, abs=0.00005)
    assert look["h"] == pytest.approx(219.05, abs=0.005)
    assert lightness(np.ones(3)) == pytest.approx(100, abs=1e-6)
    assert WHITE[1] == 100


def test_the_reference_agrees_with_colorspacious():
    colorspacious = pytest.importorskip("colorspacious")
    srgb = np.random.default_rng(0).random((200, 3))
    theirs = colorspacious.cspace_convert(srgb, "sRGB1", "CAM02-UCS")
    np.testing.assert_allclose(cam02_ucs(srgb), theirs, atol=0.1)


@pytest.mark.parametrize("name", colormaps.names)
class TestEveryMap:
    def test_has_257_colours_and_is_shared_read_only(self, name):
        table = colormaps.lut(name)
        assert table.dtype == np.uint8
        assert table.shape == (257, 3)
        assert table is colormaps.lut(name)
        with pytest.raises(ValueError, match="read-only"):
            table[0] = 0

    def test_zero_is_neutral(self, name):
        red, green, blue = colormaps.lut(name)[128]
        assert red == green == blue

    def test_no_edge_separates_zero_from_its_neighbours(self, name):
        around = cam02_ucs(colours(name))[127:130]
        assert np.linalg.norm(np.diff(around, axis=0), axis=1).max() < 1  # a just noticeable difference

    def test_lightness_moves_away_from_zero_on_both_sides(self, name):
        away = np.sign(lightness(colours(name)[0]) - lightness(colours(name)[128]))
        for arm in (colours(name)[128:], colours(name)[128::-1]):
            rise = away * lightness(arm)
            assert np.diff(rise).min() > -0.2  # half a level of 8 bits: rounding can turn one entry round
            assert (rise[4:] - rise[:-4]).min() > 0
            assert rise[-1] - rise[0] > 30

    def test_equal_amounts_of_both_signs_are_equally_light(self, name):
        assert imbalance(colours(name)) < 0.5

    def test_equal_steps_of_the_value_are_similar_steps_to_the_eye(self, name):
        least, most = band(colours(name))
        assert least > 0.75
        assert most < 1.7

    @pytest.mark.parametrize("kind", ["protan", "deutan"])
    def test_the_signs_stay_apart_for_the_colour_blind(self, name, kind):
        srgb = colours(name)
        assert (apart(as_seen_by(srgb, kind)) / apart(srgb)).min() > 0.7


def test_the_default_is_the_most_even_one_and_red_is_positive():
    assert colormaps.names[0] == colormaps.DEFAULT == "diverging"
    assert unevenness(colours("diverging")) < 1.4
    negative, positive = colormaps.lut()[0].astype(int), colormaps.lut()[256].astype(int)
    assert positive[0] - positive[2] > 150
    assert negative[2] - negative[0] > 150
    assert colormaps.lut()[128].min() > 220


def test_the_criteria_tell_a_bad_map_from_a_good_one():
    import matplotlib

    for bad in ("seismic", "bwr"):
        srgb = matplotlib.colormaps[bad](np.linspace(0, 1, 257))[:, :3]
        assert unevenness(srgb) > 4
        assert band(srgb)[1] > 1.7
        assert imbalance(srgb) > 10


def test_maps_that_are_left_out_fail():
    import colorcet

    def of(curve):
        return colormaps._with_neutral_zero(colormaps._resampled(getattr(colorcet, curve))) / 255

    for alike in ("CET_D3", "CET_D10", "CET_D12"):
        assert (apart(as_seen_by(of(alike), "deutan")) / apart(of(alike))).min() < 0.3
    for unequal in ("CET_D7", "CET_D8", "CET_CBD2"):
        assert imbalance(of(unequal)) > 10
    for flat in ("CET_D11", "CET_CBTD1"):
        assert abs(lightness(of(flat)[0]) - lightness(of(flat)[128])) < 30


@pytest.mark.parametrize("name", ["blue_yellow", "blue_yellow_dark"])
@pytest.mark.parametrize("kind", ["protan", "deutan"])
def test_blue_and_yellow_look_no_more_alike_to_the_colour_blind(name, kind):
    srgb = colours(name)
    assert (apart(as_seen_by(srgb, kind)) / apart(srgb)).min() > 0.9


def test_a_dark_map_has_a_dark_zero_and_a_light_one_is_nearly_paper():
    for name in ("diverging_dark", "blue_yellow_dark"):
        assert colormaps.lut(name)[128].max() < 50
    assert colormaps.lut("diverging_light")[128].min() > 240


def test_an_unknown_name_is_answered_with_the_known_ones():
    with pytest.raises(
        InputError, match=r"`colormap`: got 'jet'; expected one of 'diverging', 'diverging_light'"
    ):
        colormaps.lut("jet")
