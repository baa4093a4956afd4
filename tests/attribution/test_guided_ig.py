"""Guided IG against its paper, pixel by pixel."""

import numpy as np
import pytest
import torch
from torch import nn

from saliscope import MethodError
from saliscope.attribution import GuidedIG, IntegratedGradients
from saliscope.attribution.guided_ig import advanced
from tests.attribution.helpers import Affine, Counted, pictures
from tests.core.helpers import unchecked
from tests.reference import paths
from tests.reference.networks import small_network

X = np.random.default_rng(5).random((1, 8, 8))
START = np.random.default_rng(6).random((1, 8, 8)) - 0.5
START[0, 2, :4] = X[0, 2, :4]
INPUTS, BASELINE = torch.as_tensor(X)[None], torch.as_tensor(START)


@pytest.mark.parametrize("kind", ["relu", "max_pool", "smooth"])
@pytest.mark.parametrize(
    ("fraction", "max_dist"), [(0.25, 1.0), (0.1, 0.3), (0.5, 0.02), (0.01, 1.0), (1.0, 0.1)]
)
def test_it_is_the_papers_path(kind, fraction, max_dist):
    network = small_network(kind)
    made = GuidedIG(BASELINE, 7, fraction, max_dist).attribute(network.module(), INPUTS, 1)
    values, points = paths.guided_ig(network, X, START, 1, 7, fraction, max_dist)
    path = made.path
    assert path is not None
    assert path.points is not None
    for k in range(7):
        np.testing.assert_allclose(path.points[k, 0].numpy(), points[k], atol=1e-9)
    np.testing.assert_allclose(points[7], X, atol=1e-12)
    np.testing.assert_allclose(made.values[0].numpy(), values, atol=1e-9)
    torch.testing.assert_close(path.cumulative[-1], made.values)
    gradients = path.gradients[:3, 0].numpy()
    halfway = sum(gradients[k] * (points[k + 1] - points[k]) for k in range(3))
    np.testing.assert_allclose(path.cumulative[3, 0].numpy(), halfway, atol=1e-9)


def test_a_pixel_stays_as_near_to_the_straight_path_as_it_must():
    made = GuidedIG(BASELINE, 10, 0.1, 0.15).attribute(small_network("relu").module(), INPUTS, 1)
    assert made.path is not None
    assert made.path.points is not None
    way = INPUTS - BASELINE
    moving = way != 0
    distances = []
    for at, point in zip(made.path.nodes, made.path.points, strict=True):
        gone = (point - BASELINE)[moving] / way[moving]
        distances.append((gone - at).abs().max().item())
        covered = ((point - BASELINE).abs().sum() / way.abs().sum()).item()
        assert covered == pytest.approx(at.item(), abs=1e-12)
    assert 0.1 < max(distances) <= 0.15 + 1e-12


def test_without_any_freedom_it_is_integrated_gradients():
    """The left rule: the mean of the gradients at the beginnings of the steps."""
    network = small_network("smooth")
    made = GuidedIG(BASELINE, 6, 0.25, 0.0).attribute(network.module(), INPUTS, 1)
    mean = sum(network.gradient(START + k / 6 * (X - START), 1) for k in range(6)) / 6
    np.testing.assert_allclose(made.values[0].numpy(), (X - START) * mean, atol=1e-12)


def test_the_gap_closes_with_the_steps():
    model = small_network("smooth").module()
    gaps = [
        abs(GuidedIG(BASELINE, n, 0.1).attribute(model, INPUTS, 1).convergence_delta.item())
        for n in (10, 160)
    ]
    assert gaps[1] < gaps[0] / 6


def test_a_linear_model_is_explained_by_any_path():
    x = pictures(2)
    made = GuidedIG("white", 3, 0.1).attribute(Affine(), x, 1)
    torch.testing.assert_close(made.values, IntegratedGradients("white", 1).attribute(Affine(), x, 1).values)


def test_it_goes_around_the_steep_part():
    """f = x1 x2 from (0, 0) to (1, 1): whichever goes first has no gradient; a tie moves both."""

    class Product(nn.Module):
        def forward(self, x):
            return (x[:, :1] * x[:, 1:]) + 0.01 * x[:, :1]

    made = GuidedIG(torch.zeros(2), 100, 0.01).attribute(Product().double(), torch.ones(1, 2).double(), 0)
    torch.testing.assert_close(made.values, torch.tensor([[1.01, 0.0]]).double(), rtol=0, atol=0.02)


def test_equal_gradients_move_together_whatever_their_order():
    gone, way = torch.zeros(1, 6).double(), torch.ones(1, 6).double()
    steepness = torch.tensor([[2.0, 1.0, 1.0 + 1e-15, 1.0, 3.0, 1.0]], dtype=torch.float64)
    moved = advanced(gone, way, steepness, (0.0, 1 / 3, 1.0), 0.01)
    torch.testing.assert_close(moved, torch.tensor([[0, 0.5, 0.5, 0.5, 0, 0.5]]).double())


def test_several_baselines_are_averaged_and_each_is_kept():
    model, x = small_network("relu").module(), torch.cat([INPUTS, INPUTS.flip(2)])
    made = GuidedIG(("white", BASELINE), 5).attribute(model, x, [1, 2])
    single = [GuidedIG(one, 5).attribute(model, x, [1, 2]) for one in ("white", BASELINE)]
    for part, alone in zip(made.per_baseline, single, strict=True):
        torch.testing.assert_close(part.values, alone.values, rtol=1e-12, atol=1e-12)
        torch.testing.assert_close(part.path.scores, alone.path.scores)
    torch.testing.assert_close(made.values, torch.stack([one.values for one in single]).mean(0))
    assert made.path is None


def test_one_pass_a_step_and_one_besides():
    counted = Counted(small_network("relu").module())
    GuidedIG(("white", "black"), 5).attribute(counted, INPUTS, 1)
    assert sum(counted.seen()) == 2 * 5 + 1


def test_a_partial_answer_is_a_whole_map_as_if_the_rest_were_straight():
    x = pictures(3)
    expected = IntegratedGradients("white", 1).attribute(Affine(), x, 1).values
    for step in GuidedIG("white", 3).stream(Affine(), x, 1, chunk_size=2):
        reached = min(3, step.done)
        torch.testing.assert_close(step.result.values[:reached], expected[:reached])
        assert not step.result.values[reached:].any()


def test_a_baseline_that_is_the_input_gives_zero():
    made = GuidedIG(INPUTS, 4).attribute(small_network("relu").module(), INPUTS, 0)
    assert not made.values.any()


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"n_steps": 0}, "`n_steps`: got 0; expected an integer of at least 1"),
        ({"fraction": 0}, "`fraction`: got 0; expected a share from 0.001 to 1"),
        ({"max_dist": 1.5}, "`max_dist`: got 1.5; expected a share from 0 to 1"),
        ({"max_dist": "far"}, "`max_dist`: got 'far'"),
    ],
)
def test_bad_parameters(options, text):
    with unchecked(), pytest.raises(MethodError, match=text):
        GuidedIG(**options)
