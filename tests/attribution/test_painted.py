"""Painted baselines and occluded pictures: one baseline here, another one there."""

import re

import numpy as np
import pytest
import torch

import saliscope
from saliscope import BaselineError
from saliscope.attribution import IntegratedGradients
from saliscope.core.baselines import (
    Black,
    Blur,
    Grey,
    Noise,
    Painted,
    White,
    as_baseline,
    as_baselines,
    occlude,
)
from saliscope.specs.region import Region
from tests.attribution.helpers import Affine, pictures
from tests.core.helpers import unchecked

RECT = (1, 0, 2, 3)
"""x, y, width, height in a picture of 4 x 4."""


@pytest.fixture
def borrowed():
    return saliscope.borrow(Affine(), mean=(0.4, 0.5), std=(0.2, 0.25))


def inside() -> torch.Tensor:
    mask = torch.zeros(4, 4, dtype=torch.bool)
    mask[0:3, 1:3] = True
    return mask


@pytest.mark.parametrize("fill", [Black(), White(), Grey(0.3), Blur(1.0), Noise(0.2, 3)], ids=str)
@pytest.mark.parametrize("rest", [None, White(), Blur(2.0)], ids=str)
def test_fill_inside_and_the_rest_around(fill, rest, borrowed):
    x = pictures(3)
    made = Painted(RECT, fill, rest).make(borrowed, x)
    around = x if rest is None else rest.make(borrowed, x)
    assert torch.equal(made[..., inside()], fill.make(borrowed, x)[..., inside()])
    assert torch.equal(made[..., ~inside()], around[..., ~inside()])


def test_a_brushed_region_lies_over_the_picture_whatever_its_size(borrowed):
    brush = Region.of(np.array([[True, False], [False, True]]))
    for size in (4, 7, 10):
        x = pictures(2, size=size) + 3
        made = Painted(brush, White()).make(borrowed, x) != x
        assert torch.equal(made[0, 0], torch.as_tensor(brush.mask(size, size)))


def test_a_tensor_of_the_users_own_may_be_painted(borrowed):
    x, own = pictures(2), pictures(1, seed=8)
    made = Painted(RECT, own, rest=-own).make(borrowed, x)
    assert torch.equal(made, torch.where(inside(), own, -own).expand_as(x))


def test_what_is_not_painted_gets_nothing():
    """Where the baseline is the picture itself, there is no way to go."""
    x = pictures(2)
    made = IntegratedGradients(Painted(RECT, "white"), 4).attribute(Affine(), x, 1)
    assert not made.values[..., ~inside()].any()
    whole = IntegratedGradients("white", 4).attribute(Affine(), x, 1)
    torch.testing.assert_close(made.values[..., inside()], whole.values[..., inside()])
    assert made.convergence_delta.abs().max() < 1e-12


def test_occluding_is_painting_over_the_picture(borrowed):
    x = pictures(2)
    before = x.clone()
    made = occlude(borrowed, x, Region.of(RECT), "blur")
    assert torch.equal(made, torch.where(inside(), Blur().make(borrowed, x), x))
    assert torch.equal(x, before)


def test_it_is_data():
    painted = Painted(RECT, "white", 0.5)
    assert painted == Painted(Region.of(RECT), White(), Grey(0.5))
    assert hash(painted) == hash(Painted(list(RECT), White(), Grey(0.5)))
    assert painted != Painted(RECT, "white")
    assert str(painted) == "painted (white over grey (level=0.5), 2 x 3 at (1, 0))"
    assert str(Painted(RECT)) == "painted (black over the picture, 2 x 3 at (1, 0))"
    assert as_baseline(painted) is painted
    assert as_baselines((painted, "black")) == (painted, Black())
    assert "painted" not in saliscope.baselines.BASELINES


@pytest.mark.parametrize(
    ("make", "text"),
    [
        (lambda: Painted((1, 2, 3)), "`region`: got (1, 2, 3); expected (x, y, width, height)"),
        (lambda: Painted((0, 0, 0, 3)), "`region`: got 0 x 3 pixels; expected at least one pixel each way."),
        (lambda: Painted(np.zeros((4, 4), dtype=bool)), "`region`: got an empty mask"),
        (lambda: Painted(None), "`region`: got None; expected (x, y"),
        (lambda: Painted(RECT, "blak"), "`baseline`: got 'blak'; expected one of black"),
        (lambda: Painted(RECT, None), "`baseline`: got an object of type NoneType"),
        (lambda: Painted(RECT, Painted(RECT)), "`fill`: got a painted baseline; expected one that is not"),
        (lambda: Painted(RECT, rest=Painted(RECT)), "`rest`: got a painted baseline"),
    ],
)
def test_bad_recipes(make, text):
    with unchecked(), pytest.raises(BaselineError, match="^" + re.escape(text)):
        make()


def test_a_region_outside_of_the_picture(borrowed):
    text = "`region`: got the region 2 x 3 at (9, 0) in a picture of 4 x 4 pixels; expected a region with"
    with pytest.raises(BaselineError, match=re.escape(text)):
        Painted((9, 0, 2, 3)).make(borrowed, pictures(1))


def test_only_pictures_can_be_painted_on():
    with pytest.raises(BaselineError, match=re.escape("got inputs of shape (2, 5); expected pictures (n,")):
        IntegratedGradients(Painted(RECT), 2).attribute(
            torch.nn.Linear(5, 2).double(), torch.ones(2, 5, dtype=torch.float64), 0
        )
