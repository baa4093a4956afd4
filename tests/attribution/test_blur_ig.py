"""Blur IG against its paper, and where others go wrong with it."""

import numpy as np
import pytest
import torch

from saliscope import InputError, MethodError
from saliscope.attribution import BlurIG
from tests.attribution.helpers import Affine, Counted, pictures
from tests.core.helpers import unchecked
from tests.reference import paths
from tests.reference.networks import small_network

X = np.random.default_rng(5).random((1, 8, 8))
INPUTS = torch.as_tensor(X)[None]


@pytest.mark.parametrize("kind", ["relu", "max_pool", "smooth"])
@pytest.mark.parametrize("max_sigma", [1.5, 6.0])
def test_it_is_the_papers_integral(kind, max_sigma):
    network = small_network(kind)
    made = BlurIG(max_sigma, 6).attribute(network.module(), INPUTS, 1)
    expected = paths.blur_ig(network, X, 1, max_sigma, 6)
    np.testing.assert_allclose(made.values[0].numpy(), expected, atol=1e-12)
    start = paths.blurred(X, max_sigma)
    change = network.score(X, 1) - network.score(start, 1)
    assert made.convergence_delta is not None
    assert made.convergence_delta.item() == pytest.approx(expected.sum() - change, abs=1e-12)
    assert made.path is not None
    np.testing.assert_allclose(made.path.baseline[0].numpy(), start, atol=1e-13)


def test_the_gap_closes_with_the_square_of_the_steps():
    model = small_network("smooth").module()
    gaps = [abs(BlurIG(6.0, n).attribute(model, INPUTS, 1).convergence_delta.item()) for n in (8, 32)]
    assert gaps[1] < gaps[0] / 10
    assert gaps[1] < 1e-4


@pytest.mark.parametrize("n_steps", [1, 3])
def test_a_linear_model_is_explained_by_any_number_of_steps(n_steps):
    x = pictures(2)
    made = BlurIG(3.0, n_steps).attribute(Affine(), x, 1)
    start = torch.stack([torch.as_tensor(paths.blurred(one.numpy(), 3.0)) for one in x])
    torch.testing.assert_close(made.values, (x - start) * Affine().weight[1].detach())


def test_each_input_has_its_own_steps():
    """One step size for a whole batch would let a pale picture be explained in the steps of a bright one."""
    model, x = small_network("relu").module(), torch.cat([INPUTS, 5 * INPUTS.flip(2)])
    together = BlurIG(4.0, 5).attribute(model, x, 1).values
    alone = torch.cat([BlurIG(4.0, 5).attribute(model, one[None], 1).values for one in x])
    torch.testing.assert_close(together, alone, rtol=1e-12, atol=1e-12)


def test_borders_do_not_darken():
    """A constant picture has no scale: it stays as it is, and nothing is attributed."""
    constant = torch.full((1, 1, 8, 8), 0.7, dtype=torch.float64)
    made = BlurIG(50.0, 4).attribute(small_network("relu").module(), constant, 0)
    assert made.values.abs().max() < 1e-12


def test_the_path_can_be_scrubbed():
    network = small_network("leaky")
    made = BlurIG(4.0, 64).attribute(network.module(), INPUTS, 1)
    path = made.path
    assert path is not None
    assert path.points is not None
    for k in (0, 20, 63):
        sigma = 4.0 * (1 - path.nodes[k].item()) ** 2
        np.testing.assert_allclose(path.points[k, 0].numpy(), paths.blurred(X, sigma), atol=1e-13)
        assert path.node_scores[k].item() == pytest.approx(network.score(path.points[k, 0].numpy(), 1))
        at = path.points_at(path.nodes[k : k + 1], INPUTS)
        torch.testing.assert_close(at[0], path.points[k, 0], rtol=0, atol=1e-15)
    ends = path.points_at(torch.tensor([0.0, 1.0]), INPUTS)
    assert torch.equal(ends, torch.cat([path.baseline, INPUTS]))
    torch.testing.assert_close(path.cumulative[-1], made.values)
    sums, scores = path.cumulative.flatten(1).sum(1), path.scores[:, 0] - path.baseline_score
    slack = 0.01 * made.values.abs().sum().item()
    torch.testing.assert_close(sums, scores, rtol=0, atol=slack)


def test_one_pass_a_step_and_two_besides():
    counted = Counted(small_network("relu").module())
    BlurIG(4.0, 5).attribute(counted, INPUTS, 1)
    assert sum(counted.seen()) == 5 + 2


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"n_steps": 0}, "`n_steps`: got 0; expected an integer of at least 1"),
        ({"max_sigma": 0}, "`max_sigma`: got 0; expected a number of pixels above 0, up to 1000"),
        ({"max_sigma": True}, "`max_sigma`: got True"),
    ],
)
def test_bad_parameters(options, text):
    with unchecked(), pytest.raises(MethodError, match=text):
        BlurIG(**options)


def test_what_is_no_picture():
    model = torch.nn.Linear(4, 2).double()
    with pytest.raises(InputError, match=r"got shape \(1, 4\); expected pictures .* to blur"):
        BlurIG().attribute(model, torch.rand(1, 4).double(), 0)
