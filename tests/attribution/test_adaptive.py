"""Nodes that go where the gradient changes: converges, says truly how far it is, and asks less often."""

from functools import cache
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from saliscope import MethodError, Target, demo
from saliscope.attribution import IntegratedGradients
from saliscope.attribution.adaptive import Track
from tests.attribution.helpers import Affine, Counted, pictures, relative
from tests.core.helpers import unchecked
from tests.reference import definitions
from tests.reference.networks import small_network

X = np.random.default_rng(5).random((1, 8, 8))
START = np.random.default_rng(6).random((1, 8, 8)) - 0.5
INPUTS, BASELINE = torch.as_tensor(X)[None], torch.as_tensor(START)


def adaptive(baseline: Any = BASELINE, n_steps: int = 64, tolerance: float = 0.05) -> IntegratedGradients:
    return IntegratedGradients(baseline, n_steps, "adaptive", tolerance)


def track(at: list[float], scores: list[float], slopes: list[float], apart: list[float]) -> Track:
    return Track(*(np.array(one) for one in (at, scores, slopes, apart)))


class Saturating(nn.Module):
    """``sigmoid(10 x1) + 0.1 x2``: flat where the input is, steep on the way there."""

    def forward(self, x: Tensor) -> Tensor:
        return torch.sigmoid(10 * x[:, :1]) + 0.1 * x[:, 1:]


@pytest.mark.parametrize("kind", ["relu", "leaky", "max_pool"])
def test_it_converges_to_the_exact_integral(kind):
    network = small_network(kind)
    exact = definitions.exact_integrated_gradients(network, X, START, 1)
    for n_steps in (32, 128, 512):
        made = adaptive(n_steps=n_steps, tolerance=0).attribute(network.module(), INPUTS, 1)
        assert made.map_error is not None
        error = np.linalg.norm(made.values[0].numpy() - exact) / np.linalg.norm(exact)
        assert error < 0.6 / n_steps
        assert 0.5 * error < made.map_error.item() < 12 * error
        assert made.convergence_delta is not None
        assert abs(made.convergence_delta.item()) < 0.2 * np.abs(exact).sum() / n_steps


def test_where_the_score_saturates():
    inputs = torch.tensor([[3.0, 0.1]], dtype=torch.float64, requires_grad=True)
    (gradient,) = torch.autograd.grad(Saturating()(inputs).sum(), inputs)
    assert 0 < gradient[0, 0] < 1e-10
    made = adaptive(torch.zeros(2), 64, 0.001).attribute(Saturating().double(), inputs.detach(), 0)
    torch.testing.assert_close(made.values, torch.tensor([[0.5, 0.01]]).double(), rtol=0, atol=1e-3)
    assert made.path is not None
    at = made.path.of(0).nodes
    assert (at < 0.25).sum() > 3 * (at > 0.25).sum()


def test_a_rectifier_that_is_dead_at_the_input():
    """``1 - relu(1 - x)`` is flat at 2: the gradient says nothing, the path from 0 says one."""

    class Dead(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return 1 - torch.relu(1 - x)

    made = adaptive(torch.zeros(1), 64, 0.01).attribute(Dead().double(), torch.tensor([[2.1]]).double(), 0)
    torch.testing.assert_close(made.values, torch.tensor([[1.0]]).double(), rtol=0, atol=0.01)


@cache
def on_scenes(output: str) -> tuple[nn.Module, Tensor, Target, Tensor]:
    """Four scenes at half their size, the bundled network's answers, and their maps, right to about 1 %."""
    net = demo.cnn()
    inputs = nn.functional.avg_pool2d(demo.scenes(4, seed=3, digits="held_out").inputs(), 2)
    target = Target(tuple(net(inputs).argmax(1).tolist()), output)  # type: ignore[arg-type]
    true = IntegratedGradients(n_steps=128).attribute(net, inputs, target).values
    return net, inputs, target, true


def errors(values: Tensor, true: Tensor) -> Tensor:
    return (values - true).flatten(1).norm(dim=1) / true.flatten(1).norm(dim=1)


def test_tolerance_and_error_bar_are_kept():
    kept, true_bar = [], []
    for output in ("probability", "logit"):
        net, inputs, target, true = on_scenes(output)
        for tolerance in (0.1, 0.05):
            made = adaptive("black", 128, tolerance).attribute(net, inputs, target)
            assert made.map_error is not None
            assert made.convergence_delta is not None
            assert made.path is not None
            assert made.notes == ()
            assert bool((made.map_error <= tolerance).all())
            change = (made.path.score - made.path.baseline_score).abs()
            assert bool((made.convergence_delta.abs() <= tolerance * change).all())
            error = errors(made.values, true)
            kept += (error <= tolerance).tolist()
            true_bar += (error <= made.map_error).tolist()
            assert bool((made.map_error < 3 * error).all())
    assert np.mean(kept) >= 0.9
    assert np.mean(true_bar) >= 0.9


def test_half_the_gradients_of_gauss_legendre_where_a_probability_saturates():
    net, inputs, target, true = on_scenes("probability")
    made = adaptive("black", 128, 0.05).attribute(net, inputs, target)
    saturated = made.score > 0.999
    assert saturated.sum() == 2
    assert made.path is not None
    asked = max(len(made.path.of(i).nodes) for i in range(4) if saturated[i])
    twice = IntegratedGradients(n_steps=2 * asked, rule="gauss_legendre").attribute(net, inputs, target)
    better = errors(made.values, true) < errors(twice.values, true)
    assert bool(better[saturated].all())


def test_every_input_has_nodes_of_its_own():
    model = small_network("relu").module()
    inputs = torch.cat([INPUTS, 0.02 * INPUTS.flip(2) + BASELINE, INPUTS.flip(3)])
    together = adaptive(tolerance=0.02).attribute(model, inputs, [1, 2, 0])
    assert together.path is not None
    sizes = []
    for i, target in enumerate([1, 2, 0]):
        alone = adaptive(tolerance=0.02).attribute(model, inputs[i : i + 1], target)
        assert alone.path is not None
        own, by_itself = together.path.of(i), alone.path.of(0)
        for name in ("nodes", "weights", "node_scores", "gradients", "baseline_score", "score"):
            torch.testing.assert_close(getattr(own, name), getattr(by_itself, name), rtol=0, atol=1e-12)
        torch.testing.assert_close(together.values[i : i + 1], alone.values, rtol=0, atol=1e-12)
        torch.testing.assert_close(together.map_error[i], alone.map_error[0])
        sizes.append(len(own.nodes))
    assert min(sizes) < max(sizes) == len(together.path.nodes)
    assert (together.path.weights.sum(0) - 1).abs().max() < 1e-12


def test_the_path_can_be_scrubbed_on_its_nodes():
    network = small_network("leaky")
    made = adaptive(tolerance=0.01, n_steps=128).attribute(network.module(), INPUTS, 1)
    assert made.path is not None
    path = made.path.of(0)
    assert torch.equal(path.alphas, path.nodes)
    assert bool((path.nodes.diff() > 0).all())
    assert path.nodes.diff().max() > 3 * path.nodes.diff().min()
    for at, score, gradient in zip(path.nodes, path.node_scores[:, 0], path.gradients[:, 0], strict=True):
        point = START + at.item() * (X - START)
        assert score.item() == pytest.approx(network.score(point, 1), abs=1e-12)
        np.testing.assert_allclose(gradient.numpy(), network.gradient(point, 1), atol=1e-12)
    assert not path.cumulative[0].any()
    torch.testing.assert_close(path.cumulative[-1], made.values, rtol=0, atol=1e-13)
    torch.testing.assert_close(path.cumulative, made.path.cumulative)
    for k in (len(path.nodes) // 3, len(path.nodes) // 2):
        partial = definitions.exact_integrated_gradients(network, X, START, 1, float(path.nodes[k]))
        off = np.linalg.norm(path.cumulative[k, 0].numpy() - partial)
        assert off < 0.02 * float(made.values.norm())


@pytest.mark.parametrize("chunk_size", [1, 3, "auto"])
def test_no_gradient_is_computed_twice(chunk_size):
    """Every node once, the input's own once for all baselines; before them only the target is asked for."""
    counted, inputs = Counted(small_network("relu").module()), pictures(2, channels=1, size=8)
    made = adaptive(("white", "black"), 32).attribute(counted, inputs, [1, 0], chunk_size=chunk_size)
    nodes = [len(part.path.of(i).nodes) for part in made.per_baseline for i in range(2) if part.path]
    assert len(nodes) == 4
    assert sum(counted.seen()) == sum(nodes) - 2 + len(inputs)


@pytest.mark.parametrize("baseline", ["white", ("white", "blur", "black")], ids=["one", "three"])
def test_refining_goes_on_with_the_nodes_there_are(baseline):
    counted, inputs = Counted(small_network("relu").module()), pictures(2, channels=1, size=8)
    first = adaptive(baseline, 14, 0.04).attribute(counted, inputs)
    counted.forget()
    refined = first.method.refine(first, counted)
    asked = sum(counted.seen())
    assert (refined.method.n_steps, refined.method.tolerance) == (28, 0.02)
    counted.forget()
    fresh = refined.method.attribute(counted, inputs, first.target)
    torch.testing.assert_close(refined.values, fresh.values, rtol=0, atol=1e-12)
    torch.testing.assert_close(refined.map_error, fresh.map_error)

    def computed(made) -> int:
        parts = made.per_baseline or (made,)
        return sum(len(part.path.of(i).nodes) for part in parts for i in range(2))

    assert asked == computed(fresh) - computed(first)
    assert sum(counted.seen()) == computed(fresh) - 2 * (len(fresh.per_baseline or (1,)) - 1)


def test_a_linear_score_needs_no_second_look():
    counted = Counted(Affine())
    made = adaptive("white", 64, 0.001).attribute(counted, pictures(3), 1)
    torch.testing.assert_close(
        made.values, IntegratedGradients("white", 1).attribute(Affine(), pictures(3), 1).values
    )
    assert sum(counted.seen()) == 3 * 5 + 3  # and the target
    assert made.map_error is not None
    assert made.map_error.max() < 1e-12


@pytest.mark.parametrize("n_steps", [1, 2, 3, 7])
def test_the_budget_is_kept_and_a_missed_tolerance_is_told(n_steps):
    model, inputs = small_network("relu").module(), torch.cat([INPUTS, BASELINE[None]])
    made = adaptive(n_steps=n_steps, tolerance=0.001).attribute(model, inputs, 1)
    assert made.path is not None
    assert len(made.path.nodes) == max(2, n_steps)
    asked = f"in {max(2, n_steps)} gradients"
    assert made.notes == (f"The tolerance of 0.1 % was not met {asked} on 1 of 2 paths.",)
    assert made.map_error is not None
    assert made.map_error[0] > 0.001
    assert made.map_error[1].isnan()


def test_several_baselines():
    model, inputs = small_network("relu").module(), torch.cat([INPUTS, INPUTS.flip(2)])
    several = ("white", BASELINE)
    made = adaptive(several, 32).attribute(model, inputs, [1, 2])
    single = [adaptive(one, 32).attribute(model, inputs, [1, 2]) for one in several]
    for part, alone in zip(made.per_baseline, single, strict=True):
        torch.testing.assert_close(part.values, alone.values, rtol=1e-12, atol=1e-12)
        torch.testing.assert_close(part.map_error, alone.map_error)
        assert part.path is not None
    torch.testing.assert_close(made.values, torch.stack([one.values for one in single]).mean(0))
    far = IntegratedGradients(several, 2048).attribute(model, inputs, [1, 2]).values
    assert made.map_error is not None
    assert bool((errors(made.values, far) <= made.map_error).all())
    assert made.path is None


def test_partial_answers_are_maps_of_the_nodes_so_far():
    model = small_network("smooth").module()
    inputs = pictures(3, channels=1, size=8)
    exact = IntegratedGradients("white", 40, "gauss_legendre").attribute(model, inputs, 1).values
    steps = list(adaptive("white", 32, 0.001).stream(model, inputs, 1, chunk_size=3))
    assert (steps[0].done, steps[0].total, steps[-1].done) == (3, 96, 96)
    off = [relative(step.result.values, exact) for step in steps]
    assert off[4] < off[0] / 2
    assert off[-1] < off[4] / 4


class TestTrack:
    """One jump in a rectifier: slope 1 up to 0.3 of the interval, 0 from there on."""

    def test_the_weights_move_towards_the_jump(self):
        one = track([0, 1], [0, 0.3], [1, 0], [1])
        assert one.unexplained == pytest.approx([-0.2])
        assert 0.3 < one.weights[0] < 0.4
        assert one.weights.sum() == pytest.approx(1)

    def test_a_shift_never_leaves_the_interval(self):
        one = track([0, 0.5, 1], [0, 40, 40], [1, 0, 0], [1, 1])
        assert one.weights == pytest.approx([0.5, 0.25, 0.25])

    def test_without_a_turn_it_is_the_trapezoid(self):
        one = track([0, 0.5, 1], [0, 40, 41], [2, 2, 2], [1, 1])
        assert one.weights == pytest.approx([0.25, 0.5, 0.25])

    def test_rounding_is_nothing_to_explain(self):
        noisy = track([0, 1], [5, 6 + 1e-14], [1, 1], [1])
        assert noisy.unexplained == pytest.approx([1e-14], rel=0.2)
        noisy.rounding = 2.2e-16
        assert noisy.unexplained.tolist() == [0]

    def test_where_to_look_next(self):
        one = track([0, 0.1, 0.3, 0.5, 0.9, 1], [0] * 6, [0] * 6, [4, 9, 2, 1, 40])
        assert one.wanted(3) == pytest.approx([0.95, 0.2, 0.7])  # of equals the wider
        assert len(one.wanted(100)) == 4

    def test_a_tiny_change_is_measured_against_the_scores(self):
        one = track([0, 1], [10, 10 + 1e-6], [1, 1], [1])
        assert one.closes(1e-4, 0.05)
        assert not one.closes(1e-2, 0.05)
        assert not track([0, 1], [0, 1e-6], [1, 1], [1]).closes(1.1e-6, 0.05)


@pytest.mark.parametrize("tolerance", [-0.1, 1.5, "small", True])
def test_bad_tolerance(tolerance):
    with unchecked(), pytest.raises(MethodError, match=r"`tolerance`: got .*; expected a share from 0 to 1"):
        IntegratedGradients(rule="adaptive", tolerance=tolerance)
