"""RISE: its masks, its expectation, its standard error."""

import re

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from saliscope import MethodError
from saliscope.attribution import RISE
from saliscope.attribution.random_masks import MaskSource, Moments
from saliscope.core.anytime import Cancelled, CancelToken
from tests.attribution.helpers import Affine, Counted, pictures, relative
from tests.attribution.variants import Layers, plain
from tests.core.helpers import unchecked
from tests.reference.networks import small_network
from tests.reference.perturbation import rise, rise_mask, rise_of_a_sum

TIGHT = {"rtol": 1e-11, "atol": 1e-12}


class Sum(nn.Module):
    """A sum over pixels, each with its own weight, and an offset that carries nothing."""

    def __init__(self, size: int = 6, offset: float = 0.0) -> None:
        super().__init__()
        draw = torch.Generator().manual_seed(2)
        self.weight = torch.randn(1, size, size, generator=draw, dtype=torch.float64)
        self.offset = offset

    def forward(self, x: Tensor) -> Tensor:
        return (x * self.weight).sum((1, 2, 3))[:, None] + self.offset


@pytest.fixture
def model():
    return plain(Layers())


def test_its_masks_are_those_of_the_definition():
    like = torch.empty(0, dtype=torch.float64)
    source = MaskSource(seed=7, cells=3, p=0.4, picture=(8, 5))
    masks = source.draw(0, 5, like)
    for index, mask in enumerate(masks.numpy()):
        np.testing.assert_allclose(mask, rise_mask(7, index, 3, 0.4, 8, 5), atol=1e-14)
    assert torch.equal(masks[3:], source.draw(3, 5, like))
    assert masks.min() >= 0
    assert masks.max() <= 1


def test_every_pixel_has_the_same_mean_variance_and_neighbours():
    p, n = 0.3, 5000
    masks = MaskSource(seed=1, cells=3, p=p, picture=(6, 6)).draw(0, n, torch.empty(0, dtype=torch.float64))
    m = masks.flatten(1) - p
    unit = np.zeros((6, 6))
    for place in ((0, 0), (3, 2)):
        unit[place] = 1
        expected = torch.from_numpy(p * rise_of_a_sum(unit, 3, p)).flatten()
        unit[place] = 0
        products = m * m[:, None, place[0] * 6 + place[1]]
        z = (products.mean(0) - expected) / (products.std(0) / n**0.5)
        assert z.abs().max() < 4
    assert ((m.mean(0)) / (m.std(0) / n**0.5)).abs().max() < 4
    torch.testing.assert_close(
        m.square().mean(), torch.tensor(4 / 9 * p * (1 - p)).double(), rtol=0.03, atol=0
    )


def test_it_is_the_covariance_of_the_score_with_the_masks():
    network, x = small_network("relu"), pictures(2, channels=1, size=8)
    baseline = pictures(2, channels=1, size=8, seed=5)
    made = RISE(baseline, n_masks=9, cells=3, p=0.4, seed=7).attribute(network.module(), x, 1)
    masks = [rise_mask(7, i, 3, 0.4, 8, 8) for i in range(9)]
    assert made.standard_error is not None
    for one, other, values, error in zip(
        x.numpy(), baseline.numpy(), made.map.numpy(), made.standard_error.numpy(), strict=True
    ):
        expected = rise(lambda z: network.score(z, 1), one, other, masks, 0.4)
        np.testing.assert_allclose(values, expected[0], atol=1e-12)
        np.testing.assert_allclose(error, expected[1], atol=1e-12)
    assert made.standard_error.shape == made.map.shape
    assert made.sample_scores is not None
    assert made.sample_scores.shape == (9, 2)


P = 0.4
CELLS = 3


@pytest.fixture(scope="module")
def runs() -> tuple[Tensor, Tensor, Tensor]:
    """Maps and errors of many seeds on a sum of pixels, and what they must tend to."""
    x, baseline, model = pictures(1, channels=1, size=6), pictures(1, channels=1, size=6, seed=9), Sum()
    shares = (model.weight * (x - baseline))[0, 0]
    truth = torch.from_numpy(rise_of_a_sum(shares.numpy(), CELLS, P))
    made = [
        RISE(baseline, n_masks=150, cells=CELLS, p=P, seed=seed).attribute(model, x, 0, chunk_size=150)
        for seed in range(100)
    ]
    return torch.cat([one.map for one in made]), torch.stack([one.standard_error[0] for one in made]), truth


def test_of_a_sum_of_pixels_it_is_the_closed_form(runs):
    """z < 4 at every pixel, and a wrong normaliser is found out."""
    maps, _, truth = runs

    def worst(scale: float) -> float:
        return float(((maps.mean(0) * scale - truth) / (scale * maps.std(0) / len(maps) ** 0.5)).abs().max())

    assert worst(1.0) < 4
    for wrong in (P, 1 / P, 1 - P, 1 / (1 - P), P / (1 - P), 1.1):
        assert worst(wrong) > 4


def test_few_masks_are_without_bias():
    """With three masks, N in the place of N - 1 would be a third too little."""
    weight = Sum(4).weight[0]
    truth = torch.from_numpy(rise_of_a_sum(weight.numpy(), 1, 0.5))
    masks = MaskSource(0, 1, 0.5, (4, 4)).draw(0, 3 * 1500, weight).unflatten(0, (-1, 3))
    scores = (masks * weight).sum((2, 3))[:, :, None]
    everywhere = torch.ones_like(scores[0])
    made = [Moments.of(m - 0.5, f, everywhere).covariance()[0] for m, f in zip(masks, scores, strict=True)]
    maps = torch.cat(made) / 0.5
    error = maps.std(0) / len(maps) ** 0.5
    assert ((maps.mean(0) - truth) / error).abs().max() < 4
    assert ((maps.mean(0) - 3 / 2 * truth) / error).abs().max() > 4


def test_the_standard_error_is_true(runs):
    maps, errors, truth = runs
    z = (maps - truth) / errors
    assert abs(z.square().mean().sqrt() - 1) < 0.08
    assert abs((z.abs() < 1.96).double().mean() - 0.95) < 0.02
    assert abs(errors.square().mean() / maps.var(0).mean() - 1) < 0.08


def test_an_offset_of_the_score_costs_nothing():
    """Without its mean, a score of 1000 would drown the map in the noise of the masks."""
    x = pictures(2, channels=1, size=6)
    made = RISE(n_masks=50, cells=CELLS).attribute(Sum(), x, 0)
    shifted = RISE(n_masks=50, cells=CELLS).attribute(Sum(offset=1000.0), x, 0)
    torch.testing.assert_close(made.values, shifted.values, rtol=1e-9, atol=1e-9)
    torch.testing.assert_close(made.standard_error, shifted.standard_error, rtol=1e-7, atol=1e-9)


def test_partial_maps_are_those_of_fewer_masks(model):
    x = pictures(2)
    for count, step in enumerate(RISE(n_masks=5, cells=2).stream(model, x, 1, chunk_size=2), 1):
        assert (step.done, step.total) == (2 * count, 10)
        if count == 1:
            assert not step.result.values.any()
            assert step.result.standard_error.isnan().all()
            continue
        alone = RISE(n_masks=count, cells=2).attribute(model, x, 1)
        torch.testing.assert_close(step.result.values, alone.values, **TIGHT)
        torch.testing.assert_close(step.result.standard_error, alone.standard_error, **TIGHT)


def test_seeds_matter(model):
    x = pictures(2)
    made = RISE(n_masks=6, seed=1).attribute(model, x, 1).values
    assert relative(RISE(n_masks=6, seed=1).attribute(model, x, 1).values, made) < 1e-12
    assert relative(RISE(n_masks=6, seed=2).attribute(model, x, 1).values, made) > 0.01


def test_several_baselines_take_turns(model):
    x, method = pictures(2), RISE(("white", "black"), n_masks=4, cells=2)
    made = method.attribute(model, x, 1)
    alone = [RISE(one, n_masks=4, cells=2).attribute(model, x, 1).sample_scores for one in method.baseline]
    assert made.sample_scores is not None
    torch.testing.assert_close(made.sample_scores[0::2], alone[0][0::2])
    torch.testing.assert_close(made.sample_scores[1::2], alone[1][1::2])
    assert not torch.equal(alone[0], alone[1])


@pytest.mark.parametrize("chunk_size", [1, 5, "auto"])
def test_refining_goes_on_with_the_next_masks(chunk_size):
    model, x = Counted(small_network("relu").module()), pictures(2, channels=1, size=8)
    first = RISE("white", n_masks=70).attribute(model, x, 1)
    model.forget()
    refined = first.method.refine(first, model, chunk_size=chunk_size)
    assert sum(model.seen()) == 70 * 2
    fresh = RISE("white", n_masks=140).attribute(model, x, 1)
    torch.testing.assert_close(refined.values, fresh.values, **TIGHT)
    torch.testing.assert_close(refined.standard_error, fresh.standard_error, **TIGHT)
    torch.testing.assert_close(refined.sample_scores, fresh.sample_scores)
    assert refined.method == fresh.method
    assert (refined.standard_error < first.standard_error).double().mean() > 0.9


def test_a_partial_result_is_not_refined(model):
    token = CancelToken()
    token.cancel()
    method = RISE(n_masks=6)
    with pytest.raises(Cancelled) as stopped:
        method.attribute(model, pictures(2), 1, chunk_size=4, cancel=token)
    with pytest.raises(MethodError, match="got a partial result; expected a finished one"):
        method.refine(stopped.value.result, model)


@pytest.mark.parametrize(("chunk_size", "largest"), [(1, 2), (7, 7), ("auto", 64)])
def test_every_mask_runs_once_and_few_at_a_time(chunk_size, largest, model):
    counted = Counted(model)
    RISE(n_masks=40, cells=3).attribute(counted, pictures(2), 1, chunk_size=chunk_size)
    assert sum(counted.seen()) == 2 * (1 + 40)
    assert max(counted.seen()) <= largest


def test_a_score_needs_no_gradient():
    made = RISE(n_masks=20, cells=2).attribute(Affine(), pictures(2), lambda out: out.detach()[:, 1].sign())
    assert made.values.any()


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"n_masks": 1}, "`n_masks`: got 1; expected an integer of at least 2."),
        ({"cells": 0}, "`cells`: got 0; expected an integer of at least 1."),
        ({"seed": -1}, "`seed`: got -1; expected an integer of at least 0."),
        ({"p": 0}, "`p`: got 0; expected a probability between 0 and 1, neither of them."),
        ({"p": 1.0}, "`p`: got 1.0; expected a probability"),
        ({"p": float("nan")}, "`p`: got nan; expected a probability"),
        ({"p": True}, "`p`: got True; expected a probability"),
        ({"baseline": ()}, "`baseline`: got an empty sequence; expected at least one baseline"),
    ],
)
def test_bad_parameters(options, text):
    with unchecked(), pytest.raises(ValueError, match=re.escape(text)):
        RISE(**options)
