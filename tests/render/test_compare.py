"""Maps made of other maps, rank correlation, smoothing, regions: against scipy and by hand."""

import math

import numpy as np
import pytest
from scipy import ndimage, stats

from saliscope.errors import InputError, NotDefinedError
from saliscope.render.compare import average, difference, rank_correlation
from saliscope.render.regions import outline, region_stats
from saliscope.render.smoothing import decay, kernel, smooth
from saliscope.specs.saliency import Completeness


@pytest.fixture
def maps():
    rng = np.random.default_rng(5)
    return rng.normal(size=(3, 13, 17))


def test_difference_and_average(maps):
    assert (difference(maps[0], maps[1]) == maps[0] - maps[1]).all()
    np.testing.assert_allclose(average(list(maps)), maps.mean(0), rtol=1e-15)
    assert difference(np.ones((1, 1), np.uint8), np.full((1, 1), 2, np.uint8)) == -1
    assert (average([maps[0]]) == maps[0]).all()


def test_maps_of_different_size_or_unit_are_refused_in_words(maps):
    with pytest.raises(InputError, match="sizes 17 × 13 and 17 × 12"):
        difference(maps[0], maps[1][1:])
    with pytest.raises(NotDefinedError, match=r"units 'score' and 'cam'.*do not add up"):
        difference(maps[0], maps[1], ("score", "cam"))
    with pytest.raises(NotDefinedError, match="units"):
        average(list(maps), ["score", "score", "cam"])
    with pytest.raises(InputError, match="at least one map"):
        average([])
    with pytest.raises(InputError, match="shapes"):
        rank_correlation(maps[0], maps[1][1:])


@pytest.mark.parametrize("decimals", [15, 1, 0])
def test_rank_correlation_is_spearmans(maps, decimals):
    a, b = maps[0].round(decimals), (maps[0] + maps[1]).round(decimals)
    expected = stats.spearmanr(a.ravel(), b.ravel()).statistic
    assert rank_correlation(a, b) == pytest.approx(expected, abs=1e-12)
    assert rank_correlation(a, a) == pytest.approx(1)
    assert rank_correlation(a, -a) == pytest.approx(-1)


def test_by_hand_with_ties():
    # Ranks 1 2.5 2.5 4 and 2 1 3.5 3.5; deviations -1.5 0 0 1.5 and -0.5 -1.5 1 1.
    assert rank_correlation(np.array([1, 2, 2, 3]), np.array([5, 4, 7, 7])) == pytest.approx(2.25 / 4.5)


def test_a_constant_map_has_no_order(maps):
    assert rank_correlation(maps[0], np.zeros_like(maps[0])) is None
    assert rank_correlation(np.ones(1), np.ones(1)) is None


@pytest.mark.parametrize("sigma", [0.4, 1.0, 2.5, 7.3, 20.0])
def test_smoothing_is_a_gaussian_with_mirrored_borders(maps, sigma):
    radius = math.ceil(3 * sigma)
    expected = ndimage.gaussian_filter(maps[0], sigma, mode="reflect", radius=radius)
    np.testing.assert_allclose(smooth(maps[0], sigma), expected, atol=1e-12)
    assert smooth(maps[0], sigma).sum() == pytest.approx(maps[0].sum())


def test_no_smoothing_and_too_much(maps):
    assert (smooth(maps[0].astype(np.float32), 0) == maps[0].astype(np.float32)).all()
    for wrong in (-1.0, 20.1, float("nan")):
        with pytest.raises(InputError, match=r"`smoothing`.*0 to 20 pixels"):
            smooth(maps[0], wrong)


def test_the_kernel():
    assert len(kernel(1.0)) == 4
    assert decay(0) == 1
    assert decay(1e6) == 0
    for x in (1e-9, 0.3, 4.5, 100.0, 674.0):
        assert decay(x) == pytest.approx(math.exp(-x), rel=1e-10)


def test_the_numbers_of_a_region(maps):
    values, mask = maps[0], np.zeros((13, 17), bool)
    mask[2:7, 3:9] = True
    found = region_stats(values, mask, Completeness(2.0, 1.9, -0.1, 0.95))
    assert found.sum == pytest.approx(values[2:7, 3:9].sum())
    assert found.of_change == pytest.approx(found.sum / 2)
    assert found.of_total == pytest.approx(np.abs(values[2:7, 3:9]).sum() / np.abs(values).sum())
    assert found.area == 30 / 221
    assert found.density == pytest.approx(found.of_total / found.area)
    assert region_stats(values, np.ones_like(mask)).density == pytest.approx(1)


def test_what_has_no_value_is_none(maps):
    mask = np.zeros((13, 17), bool)
    assert region_stats(maps[0], mask, Completeness(1e-9, 0.0, 0.0, None)).of_change is None
    assert region_stats(maps[0], mask).of_change is None
    assert region_stats(maps[0], mask).density is None
    assert region_stats(0 * maps[0], ~mask).of_total is None
    with pytest.raises(InputError, match="mask"):
        region_stats(maps[0], mask[1:])


def test_the_outline_goes_once_around():
    mask = np.zeros((4, 5), bool)
    mask[1:3, 2:4] = True
    assert sorted(outline(mask)) == [(2, 1, 2, 3), (2, 1, 4, 1), (2, 3, 4, 3), (4, 1, 4, 3)]
    assert sorted(outline(np.ones((2, 3), bool))) == [(0, 0, 0, 2), (0, 0, 3, 0), (0, 2, 3, 2), (3, 0, 3, 2)]
    assert outline(np.zeros((2, 2), bool)) == []
