"""Occlusion: which windows there are, what a pixel's value is, and what is seen before the end."""

import re

import numpy as np
import pytest
import torch
from torch import nn

from saliscope import InputError, MethodError, Target
from saliscope.attribution import Occlusion
from saliscope.attribution.perturbation import coarse_to_fine
from saliscope.core.batching import FIRST_CHUNK
from tests.attribution.helpers import Affine, Counted, pictures, relative
from tests.attribution.variants import Layers, plain
from tests.core.helpers import unchecked
from tests.reference.networks import small_network
from tests.reference.perturbation import occlusion

TIGHT = {"rtol": 1e-12, "atol": 1e-12}


@pytest.fixture
def model():
    return plain(Layers())


def test_one_pixel_of_an_affine_model_counts_what_it_contributes():
    model, x, baseline = Affine(), pictures(3), pictures(1, seed=9)
    made = Occlusion(baseline, window=1, stride=1).attribute(model, x, 1)
    share = model.weight[1].detach() * (x - baseline)
    torch.testing.assert_close(made.values, share.sum(1, keepdim=True), **TIGHT)
    torch.testing.assert_close(made.map.sum((1, 2)), (model(x) - model(baseline))[:, 1].detach(), **TIGHT)
    assert made.signed
    assert (made.map < 0).any()
    assert made.unit == "logit per window"


@pytest.mark.parametrize(("window", "stride"), [(1, 1), (2, 1), (3, 2), (3, 3), (5, 3), (8, 1)])
def test_it_is_the_mean_drop_over_the_windows_of_a_pixel(window, stride):
    network, x = small_network("relu"), pictures(2, channels=1, size=8)
    replacement = pictures(2, channels=1, size=8, seed=5)
    made = Occlusion(replacement, window, stride).attribute(network.module(), x, 1)
    for one, other, values in zip(x.numpy(), replacement.numpy(), made.map.numpy(), strict=True):
        expected = occlusion(lambda z: network.score(z, 1), one, other, window, stride)
        np.testing.assert_allclose(values, expected, atol=1e-12)
    side = -(-(8 - window) // stride) + 1
    assert made.grid == (side, side)


def test_wide_pictures_and_several_baselines(model):
    x = pictures(2, size=9)[:, :, :5]
    made = Occlusion(("white", "black"), 3, 2).attribute(model, x, 1)
    alone = [Occlusion(one, 3, 2).attribute(model, x, 1).values for one in ("white", "black")]
    assert made.grid == (2, 4)
    torch.testing.assert_close(made.values, (alone[0] + alone[1]) / 2, **TIGHT)
    assert relative(alone[0], alone[1]) > 0.1


def test_a_score_needs_no_gradient(model):
    made = Occlusion(window=2, stride=2).attribute(model, pictures(2), lambda out: out.detach()[:, 1].round())
    assert set(made.values.unique().tolist()) <= {-2.0, -1.0, 0.0, 1.0, 2.0}
    margin = Occlusion(window=2, stride=2).attribute(model, pictures(2), Target(1, "margin", against=3))
    parts = [Occlusion(window=2, stride=2).attribute(model, pictures(2), k).values for k in (1, 3)]
    torch.testing.assert_close(margin.values, parts[0] - parts[1], **TIGHT)


@pytest.mark.parametrize("grid", [(1, 1), (1, 6), (4, 4), (5, 3), (7, 12)], ids=str)
def test_any_prefix_of_the_windows_covers_the_picture(grid):
    order = coarse_to_fine(grid)
    assert sorted(order.tolist()) == list(range(grid[0] * grid[1]))
    places = np.stack(np.unravel_index(order, grid), 1)
    assert places[0].tolist() == [0, 0]
    for step in (8, 4, 2, 1):
        coarse = [place for place in np.ndindex(*grid) if place[0] % step == 0 and place[1] % step == 0]
        assert {tuple(place) for place in places[: len(coarse)].tolist()} == set(coarse)


class LooksAtACorner(nn.Module):
    """The mean of the lower right quarter."""

    def forward(self, x):
        return x[:, :1, 4:, 4:].mean((2, 3))


def test_early_maps_are_coarse_maps_of_the_whole():
    x = torch.ones(2, 1, 8, 8, dtype=torch.float64)
    steps = list(Occlusion("black", 2, 2).stream(LooksAtACorner(), x, 0, chunk_size=2))
    exact = steps[-1].result.values
    assert exact[:, :, 4:, 4:].eq(0.25).all()
    assert exact.sum() == 2 * 16 * 0.25
    errors = [relative(step.result.values, exact) for step in steps]
    # One window, then every second one in both directions: that is the whole map, at half its resolution.
    assert errors[0] == 1
    assert errors[3] < 0.8
    assert errors[-1] == 0
    early = steps[3].result
    assert not early.complete
    assert early.values[:, :, 6:, 6:].eq(0.25).all()
    assert not early.values[:, :, :2, :2].any()


def test_an_input_that_was_not_reached_is_zero(model):
    step = next(Occlusion(window=2, stride=2).stream(model, pictures(3), 1, chunk_size=1))
    assert step.result.values[0].any()
    assert not step.result.values[1:].any()


@pytest.mark.parametrize(("chunk_size", "largest"), [(1, 2), (7, 7), ("auto", 64)])
def test_every_window_runs_once_and_few_at_a_time(chunk_size, largest, model):
    """But for the first chunk, which is run as patches as well, to compare."""
    counted = Counted(model)
    Occlusion(window=2, stride=1).attribute(counted, pictures(2, size=9), 1, chunk_size=chunk_size)
    twice = 1 if chunk_size == 1 else FIRST_CHUNK
    assert sum(counted.seen()) == 2 * (1 + 8 * 8) + twice
    assert max(counted.seen()) <= largest


def test_no_gradient_is_computed(model):
    def fails(*_):
        raise AssertionError

    model.last.register_full_backward_hook(fails)
    assert Occlusion(window=2, stride=2).attribute(model, pictures(1), 1).values.any()


@pytest.mark.parametrize(("window", "stride"), [(3, 1), (4, 2), (5, 5)])
def test_captum_agrees_where_its_windows_are_the_same(window, stride, model):
    """A window that crosses the border is cut by captum and moved by us: here none does."""
    peer = pytest.importorskip("captum.attr")
    size = window + 3 * stride
    x = pictures(2, size=size)
    theirs = peer.Occlusion(model).attribute(
        x, (2, window, window), (2, stride, stride), baselines=0.0, target=1, perturbations_per_eval=4
    )
    made = Occlusion(torch.zeros(1), window, stride).attribute(model, x, 1)
    # It repeats the value in every channel that a window hides.
    torch.testing.assert_close(made.values.expand_as(theirs), theirs.double(), rtol=1e-6, atol=1e-7)


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"window": 0}, "`window`: got 0; expected an integer of at least 1."),
        ({"stride": 2.0}, "`stride`: got 2.0; expected an integer of at least 1."),
        (
            {"window": 3, "stride": 4},
            "`stride`: got 4 with windows of 3 pixels; expected at most the window. Pixels between two",
        ),
        ({"baseline": "blck"}, "`baseline`: got 'blck'; expected one of"),
    ],
)
def test_bad_parameters(options, text):
    with unchecked(), pytest.raises(ValueError, match=re.escape(text)):
        Occlusion(**options)


def test_a_window_larger_than_the_picture(model):
    with pytest.raises(
        MethodError,
        match="`window`: got 5 pixels for pictures of 6 x 4; expected at most 4 pixels",
    ):
        Occlusion(window=5, stride=1).attribute(model, pictures(1, size=6)[:, :, :4], 1)


def test_inputs_that_are_no_pictures():
    with pytest.raises(InputError, match=re.escape("(n, channels, height, width) for Occlusion")):
        Occlusion(window=1, stride=1).attribute(nn.Linear(3, 2), torch.zeros(2, 3), 1)
