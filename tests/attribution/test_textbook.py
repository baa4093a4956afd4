"""The cases that every course on attribution shows: what a map can and cannot say."""

import math

import pytest
import torch
from torch import Tensor, nn

from saliscope.attribution import InputXGradient, IntegratedGradients, Saliency, SmoothGrad
from saliscope.core.targets import Target
from tests.attribution.helpers import relative


class Plain(nn.Module):
    """A function of the two pixels of a grey picture, as the only logit or several."""

    def __init__(self, function) -> None:
        super().__init__()
        self.function = function

    def forward(self, x: Tensor) -> Tensor:
        return self.function(*x.flatten(1).unbind(1))


def pixels(*values: float) -> Tensor:
    return torch.tensor([[[list(values)]]], dtype=torch.float64)


GRADIENT = Saliency(absolute=False)
FROM_ZERO = IntegratedGradients(baseline=pixels(0, 0), n_steps=4000)


def two(method, function, x: Tensor, target=0) -> list[float]:
    return method.attribute(Plain(function), x, target).values.flatten().tolist()


def test_a_gradient_is_blind_where_the_score_saturates_and_a_path_is_not():
    def saturated(x1: Tensor, x2: Tensor) -> Tensor:
        return (torch.sigmoid(10 * x1) + 0.1 * x2)[:, None]

    x = pixels(3, 0.1)
    first, second = two(GRADIENT, saturated, x)
    assert 0 < first < 1e-10
    assert second == pytest.approx(0.1, abs=1e-12)
    first, second = two(FROM_ZERO, saturated, x)
    assert first == pytest.approx(0.5, abs=1e-6)
    assert second == pytest.approx(0.01, abs=1e-12)


def test_a_dead_rectifier_has_no_gradient_though_it_did_its_part():
    def clipped(x1: Tensor, x2: Tensor) -> Tensor:
        return (1 - torch.relu(1 - x1) + 0 * x2)[:, None]

    x = pixels(2, 5)
    assert two(GRADIENT, clipped, x) == [0, 0]
    assert two(InputXGradient(), clipped, x) == [0, 0]
    first, second = two(FROM_ZERO, clipped, x)
    assert first == pytest.approx(1, abs=1e-3)
    assert second == 0


def test_what_is_added_to_all_logits_moves_their_maps_and_no_prediction():
    def classes(x1: Tensor, x2: Tensor) -> Tensor:
        return torch.stack([2 * x1, x2, x1 - x2], 1)

    def shifted(x1: Tensor, x2: Tensor) -> Tensor:
        return classes(x1, x2) + (5 * torch.sin(3 * x2))[:, None]

    x = pixels(0.4, 0.7)
    for method in (GRADIENT, FROM_ZERO):
        plain, moved = (two(method, f, x) for f in (classes, shifted))
        assert plain[0] == pytest.approx(moved[0], abs=1e-9)
        assert abs(plain[1] - moved[1]) > 1
        for output in ("probability", "log_probability"):
            plain, moved = (two(method, f, x, Target(0, output=output)) for f in (classes, shifted))
            assert plain == pytest.approx(moved, abs=1e-9)


def test_a_certain_model_has_a_logit_to_explain_and_no_probability():
    def certain(x1: Tensor, x2: Tensor) -> Tensor:
        return torch.stack([40 * x1, x2], 1)

    x = pixels(1, 1)
    assert two(GRADIENT, certain, x)[0] == pytest.approx(40)
    assert abs(two(GRADIENT, certain, x, Target(0, output="probability"))[0]) < 1e-14


def test_two_functions_may_share_a_map_and_differ_when_a_pixel_is_taken_away():
    def product(x1: Tensor, x2: Tensor) -> Tensor:
        return (x1 * x2)[:, None]

    def squares(x1: Tensor, x2: Tensor) -> Tensor:
        return ((x1**2 + x2**2) / 2)[:, None]

    x = pixels(0.8, 0.8)
    for method in (GRADIENT, InputXGradient(), FROM_ZERO):
        assert two(method, product, x) == pytest.approx(two(method, squares, x), abs=1e-9)
    without = pixels(0, 0.8)
    assert float(Plain(product)(without)) == 0
    assert float(Plain(squares)(without)) == pytest.approx(0.32)


def test_a_map_turns_around_under_a_change_that_the_score_hardly_feels():
    k = 1000.0

    def rippled(x1: Tensor, x2: Tensor) -> Tensor:
        return (x1 + x2 + 3 / k * torch.sin(k * (x1 - x2)))[:, None]

    x = pixels(0.5, 0.5)
    moved = x + pixels(math.pi / k, 0)
    scores = [float(Plain(rippled)(point)) for point in (x, moved)]
    assert abs(scores[0] - scores[1]) < 0.005
    before, after = (GRADIENT.attribute(Plain(rippled), point, 0).values for point in (x, moved))
    cosine = float((before * after).sum() / before.norm() / after.norm())
    assert cosine < -0.5
    # The ripple is far below the noise, which leaves the plane that it lies on.
    smooth = SmoothGrad(n_samples=400, noise_level=0.2, seed=3)
    wide = pixels(0, 1)  # the noise is a share of the input's range
    calm = smooth.attribute(Plain(rippled), wide, 0).values
    assert relative(calm, pixels(1, 1)) < 0.2
    assert relative(GRADIENT.attribute(Plain(rippled), wide, 0).values, pixels(1, 1)) > 1
