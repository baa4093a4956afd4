"""Sign, cut and limit of a map."""

import numpy as np
import pytest

from saliscope.errors import InputError
from saliscope.render import scales
from tests.reference import picture_arithmetic as reference


@pytest.mark.parametrize("n", [1, 2, 199, 200, 201, 1000, 2000, 4097])
def test_the_limit_is_the_quantile_of_the_definition(n):
    values = np.random.default_rng(n).normal(size=n)
    assert scales.limit(values) == reference.quantile_limit(values.tolist())


def test_the_limit_leaves_half_a_percent_beyond_it():
    values = np.arange(1.0, 1001.0)
    assert scales.limit(values) == 995
    assert scales.clipped_share(values, 995) == 0.005
    assert scales.clipped_share(-values, 995) == 0.005


def test_maps_on_one_screen_share_the_limit():
    strong, weak = np.full((2, 3), -4.0), np.full((5, 5), 1.0)
    assert scales.limit([strong, weak]) == 4
    assert scales.limit((weak,)) == 1


def test_a_limit_is_never_zero():
    few = np.zeros(1000)
    few[7] = -1e-30
    assert scales.limit(few) == 1e-30
    assert scales.limit(np.zeros((4, 4))) == 1


@pytest.mark.parametrize(("maps", "got"), [([], "no values"), (np.array([1.0, np.nan]), "not finite")])
def test_a_limit_of_nothing_is_refused(maps, got):
    with pytest.raises(InputError, match=got):
        scales.limit(maps)


@pytest.mark.parametrize("signed", [True, False])
@pytest.mark.parametrize("sign", ["both", "positive", "negative", "absolute"])
def test_sign(sign, signed):
    values = np.array([[-2.0, 0.0], [3.0, -1e-300]])
    expected = [reference.signed_value(v, sign, signed) for v in values.ravel().tolist()]
    assert scales.apply_sign(values, sign, signed).ravel().tolist() == expected


def test_an_unknown_sign_is_refused():
    with pytest.raises(InputError, match=r"`sign`: got 'plus'; expected 'both'"):
        scales.apply_sign(np.zeros(1), "plus")


@pytest.mark.parametrize("share", [1.0, 0.999, 0.5, 0.31, 1 / 3, 1e-9])
def test_the_cut_is_the_one_of_the_definition(share):
    values = np.random.default_rng(3).normal(size=(7, 9)).round(1)  # rounded: many ties
    assert scales.cut(values, share).ravel().tolist() == reference.kept(values.ravel().tolist(), share)


def test_pixels_tied_with_the_weakest_kept_one_all_stay():
    assert scales.cut(np.array([3.0, -1.0, 1.0, 1.0, 0.5]), 0.4).tolist() == [3, -1, 1, 1, 0]


@pytest.mark.parametrize("share", [0.0, -0.1, 1.01, float("nan")])
def test_a_share_outside_its_range_is_refused(share):
    with pytest.raises(InputError, match="above 0 and at most 1"):
        scales.cut(np.ones(3), share)
