"""Extremal perturbation: its masks, its blur, and whether the search finds what is there."""

import re

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from saliscope.attribution import ExtremalPerturbation
from saliscope.attribution.extremal import _blended, _Bumps
from tests.attribution.helpers import Counted, pictures, relative
from tests.attribution.variants import Layers, plain
from tests.core.helpers import unchecked
from tests.reference.definitions import enlarged
from tests.reference.perturbation import blurred_by_mask, smooth_maximum_of_bumps

SIDE = 24
TOP, LEFT, SQUARE = 5, 12, 8


class LooksAtASquare(nn.Module):
    """How strong a fine pattern is in one square; blur makes it go away."""

    def __init__(self, scale: float = 1.0, offset: float = 0.0) -> None:
        super().__init__()
        self.scale, self.offset = scale, offset

    def forward(self, x: Tensor) -> Tensor:
        place = torch.arange(SIDE)
        pattern = 1 - 2.0 * ((place[:, None] + place) % 2)
        found = (x[:, 0] * pattern)[:, TOP : TOP + SQUARE, LEFT : LEFT + SQUARE].mean((1, 2))
        return self.scale * found[:, None] + self.offset


def checkerboard() -> Tensor:
    place = torch.arange(SIDE)
    return (1.0 - (place[:, None] + place) % 2).double()[None, None]


def inside(mask: Tensor) -> Tensor:
    return mask[..., TOP : TOP + SQUARE, LEFT : LEFT + SQUARE]


def test_a_mask_is_the_smooth_maximum_of_bumps():
    draw = torch.Generator().manual_seed(1)
    bumps = _Bumps((18, 12), 0.5, torch.empty(0, dtype=torch.float64))
    assert bumps.grid == (9, 6)
    parameters = torch.rand(2, 9, 6, generator=draw, dtype=torch.float64)
    for one, mask in zip(parameters.numpy(), bumps(parameters).numpy(), strict=True):
        np.testing.assert_allclose(mask, enlarged(smooth_maximum_of_bumps(one, 1 / 3), 18, 12), atol=1e-12)


def test_blur_is_interpolated_between_levels():
    levels = pictures(5, size=4)
    mask = pictures(1, channels=1, size=4, seed=3)[0]
    mask[0, 0, :2] = torch.tensor([0.0, 1.0])
    made = _blended(levels[:, None], mask)[0].numpy()
    np.testing.assert_allclose(made, blurred_by_mask(levels.numpy(), mask[0].numpy()), atol=1e-14)
    np.testing.assert_allclose(made[:, 0, 0], levels[0, :, 0, 0], atol=1e-14)
    np.testing.assert_allclose(made[:, 0, 1], levels[4, :, 0, 1], atol=1e-14)


@pytest.fixture(scope="module")
def found():
    """By area: the mask, and the score of the picture under it."""
    made = {}
    for area in (0.05, 0.12, 0.25):
        method = ExtremalPerturbation(area, n_iterations=100, smoothness=0.13, blur=6.0)
        made[area] = method.attribute(LooksAtASquare(), checkerboard(), 0).map[0]
    return made


def test_it_finds_the_square_that_matters(found):
    mask = found[0.12]  # the square is 0.11 of the picture
    assert inside(mask).mean() > 0.85
    assert (mask.sum() - inside(mask).sum()) / (SIDE**2 - SQUARE**2) < 0.05
    assert mask.min() >= 0
    assert mask.max() <= 1


def test_the_area_is_held_and_a_larger_one_holds_a_smaller_one(found):
    for area, mask in found.items():
        assert mask.mean().item() == pytest.approx(area, rel=0.25)
    small, middle, large = found.values()
    assert small.mean() < middle.mean() < large.mean()
    assert inside(small).mean() < inside(middle).mean() < inside(large).mean() + 0.05
    assert ((small > 0.5) & (middle < 0.5)).double().mean() < 0.02


def test_several_areas_are_averaged():
    x, options = checkerboard(), {"n_iterations": 12, "smoothness": 0.13}
    made = ExtremalPerturbation(areas=(0.1, 0.3), **options).attribute(LooksAtASquare(), x, 0)
    alone = [ExtremalPerturbation(a, **options).attribute(LooksAtASquare(), x, 0).values for a in (0.1, 0.3)]
    assert relative(made.values, (alone[0] + alone[1]) / 2) < 1e-9
    assert relative(alone[0], alone[1]) > 0.01


def test_the_unit_of_the_score_plays_no_part():
    method = ExtremalPerturbation(n_iterations=30, smoothness=0.13, blur=6.0)
    made = method.attribute(LooksAtASquare(), checkerboard(), 0)
    other = method.attribute(LooksAtASquare(1e4, -7.0), checkerboard(), 0)
    assert relative(other.values, made.values) < 1e-6
    assert not made.signed
    assert made.unit == "share of the pixel that is kept"


@pytest.mark.parametrize("chunk_size", [1, 3, "auto"])
def test_inputs_do_not_know_of_each_other(chunk_size):
    model, x = plain(Layers()), pictures(3, size=9)
    method = ExtremalPerturbation(0.3, n_iterations=12, smoothness=0.3)
    together = method.attribute(model, x, [1, 0, 3], chunk_size=chunk_size).values
    alone = [method.attribute(model, x[i : i + 1], k).values for i, k in enumerate([1, 0, 3])]
    assert relative(together, torch.cat(alone)) < 1e-9


def test_a_score_that_does_not_react_has_an_empty_mask():
    class Flat(nn.Module):
        def forward(self, x):
            return 0 * x.flatten(1)

    made = ExtremalPerturbation(n_iterations=7).attribute(Flat(), pictures(2), 0)
    assert not made.values.any()
    assert made.notes == ("The score did not react to any mask: an empty one is shown.",)


def test_work_and_memory():
    counted = Counted(plain(Layers()))
    steps = list(ExtremalPerturbation(n_iterations=12).stream(counted, pictures(3), 1, chunk_size=2))
    assert sum(counted.seen()) == 3 * (1 + 12)
    assert max(counted.seen()) == 2
    assert [step.done for step in steps] == [2, 3, 13, 18, 28, 33, 35, 36]


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"area": 0}, "`area`: got 0; expected a number between 0 and 1, neither of them."),
        ({"area": 1.0}, "`area`: got 1.0; expected a number between 0 and 1"),
        ({"areas": (0.1, 2)}, "`areas`: got 2; expected a number between 0 and 1"),
        ({"n_iterations": 0}, "`n_iterations`: got 0; expected an integer of at least 1."),
        ({"smoothness": float("nan")}, "`smoothness`: got nan; expected a number between 0 and 1"),
        ({"blur": -3}, "`blur`: got -3; expected a number between 0 and 1000"),
    ],
)
def test_bad_parameters(options, text):
    with unchecked(), pytest.raises(ValueError, match=re.escape(text)):
        ExtremalPerturbation(**options)
