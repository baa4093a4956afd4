"""What must come out where the answer is known in closed form."""

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from saliscope import Target
from saliscope.attribution import GradCAM, InputXGradient, IntegratedGradients, Saliency, SmoothGrad, VarGrad
from saliscope.attribution.quadrature import RULES
from tests.attribution.helpers import Affine, pictures
from tests.reference.definitions import finite_difference, smooth_grad
from tests.reference.networks import small_network

TIGHT = {"rtol": 1e-12, "atol": 1e-12}


class Quadratic(nn.Module):
    """``F(x) = x' Q x / 2`` with a symmetric Q."""

    def __init__(self, size: int) -> None:
        super().__init__()
        draw = torch.Generator().manual_seed(3)
        half = torch.randn(size, size, generator=draw, dtype=torch.float64)
        self.q = nn.Parameter(half + half.T)

    def forward(self, x: Tensor) -> Tensor:
        flat = x.flatten(1)
        return ((flat @ self.q) * flat).sum(1, keepdim=True) / 2


class PooledMaps(nn.Module):
    """Convolution, global average pooling, one linear layer: the network of the CAM paper (1512.04150)."""

    def __init__(self) -> None:
        super().__init__()
        self.features = nn.Sequential(nn.Conv2d(2, 5, 3, padding=1), nn.Softsign())
        self.classifier = nn.Linear(5, 3)
        self.double()

    def forward(self, x: Tensor) -> Tensor:
        return self.classifier(self.features(x).mean((2, 3)))


@pytest.fixture
def affine():
    return Affine()


@pytest.mark.parametrize("target", [0, 1])
def test_affine_gradient_is_the_weight(affine, target):
    x, w = pictures(3), affine.weight[target].detach()
    signed = Saliency(absolute=False).attribute(affine, x, target)
    assert signed.signed
    torch.testing.assert_close(signed.values, w.expand_as(x), **TIGHT)
    absolute = Saliency().attribute(affine, x, target)
    assert not absolute.signed
    torch.testing.assert_close(absolute.values, w.abs().expand_as(x), **TIGHT)
    torch.testing.assert_close(InputXGradient().attribute(affine, x, target).values, w * x, **TIGHT)
    torch.testing.assert_close(
        SmoothGrad(n_samples=3).attribute(affine, x, target).values, w.expand_as(x), **TIGHT
    )


@pytest.mark.parametrize("name", RULES)
@pytest.mark.parametrize("n_steps", [1, 2, 5])
def test_affine_path_is_weight_times_difference_under_any_rule(affine, name, n_steps):
    x, baseline = pictures(3), pictures(1, seed=9)
    made = IntegratedGradients(baseline, n_steps, name).attribute(affine, x, 1)
    torch.testing.assert_close(made.values, affine.weight[1].detach() * (x - baseline), **TIGHT)
    assert made.convergence_delta is not None
    assert made.convergence_delta.abs().max() < 1e-12


def test_affine_path_is_what_replacing_one_pixel_does(affine):
    x, baseline = pictures(1), pictures(1, seed=9)
    made = IntegratedGradients(baseline).attribute(affine, x, 0).values
    for place in np.ndindex(*x.shape):
        replaced = x.clone()
        replaced[place] = baseline[place]
        change = (affine(x) - affine(replaced))[0, 0].item()
        assert made[place].item() == pytest.approx(change, abs=1e-12)


@pytest.mark.parametrize("name", RULES)
def test_without_biases_a_relu_network_is_its_gradient_times_its_input(name):
    network = small_network("relu")
    for layer in network.layers:
        if hasattr(layer, "bias"):
            layer.bias = np.zeros_like(layer.bias)
    model, x = network.module(), pictures(2, channels=1, size=8)
    product = InputXGradient().attribute(model, x)
    torch.testing.assert_close(product.values.flatten(1).sum(1), product.score, **TIGHT)
    # The pattern of a positive multiple of x is that of x; at zero itself, where no unit is on, it is not.
    steps = 1 if name != "trapezoid" else 400
    path = IntegratedGradients(torch.zeros(1, 1, 8, 8), steps, name).attribute(model, x)
    slack = TIGHT if name != "trapezoid" else {"rtol": 1 / 700, "atol": 1e-9}
    torch.testing.assert_close(path.values, product.values, **slack)


@pytest.mark.parametrize("kind", ["relu", "max_pool", "smooth"])
def test_the_gradient_is_what_differences_say(kind):
    network, x = small_network(kind), pictures(2, channels=1, size=8)
    made = Saliency(absolute=False).attribute(network.module(), x, [2, 0]).values
    for one, values, target in zip(x, made, (2, 0), strict=True):
        np.testing.assert_allclose(finite_difference(network, one.numpy(), target), values.numpy(), atol=1e-7)


@pytest.mark.parametrize(
    "inner", [Saliency(), InputXGradient(), IntegratedGradients(n_steps=3), GradCAM("features")]
)
def test_smooth_grad_without_noise_is_the_method_itself(inner):
    model, x = PooledMaps(), pictures(2)
    made = SmoothGrad(inner, n_samples=5, noise_level=0.0).attribute(model, x, 1)
    alone = inner.attribute(model, x, 1)
    torch.testing.assert_close(made.values, alone.values, **TIGHT)
    assert (made.signed, made.unit) == (alone.signed, alone.unit)
    assert made.map_change is not None
    assert made.map_change.max() < 1e-12


def test_smooth_grad_is_the_mean_of_gradients_at_noisy_copies():
    network, x = small_network("relu"), pictures(2, channels=1, size=8)
    made = SmoothGrad(n_samples=6, noise_level=0.3, seed=7).attribute(network.module(), x, 1)
    noise = [
        np.random.Generator(np.random.SFC64(np.random.SeedSequence((7, i)))).standard_normal((1, 8, 8))
        for i in range(6)
    ]
    for one, values in zip(x.numpy(), made.values.numpy(), strict=True):
        np.testing.assert_allclose(smooth_grad(network, one, 1, noise, 0.3), values, atol=1e-12)


def test_smooth_grad_on_a_quadratic_has_the_right_mean_and_spread():
    """The gradient is Q(x + sigma e): (Q^-1 map - x) sqrt(n) / sigma is standard normal, for each seed."""
    model, x = Quadratic(32), 3 * pictures(1)
    n_samples, level = 10, 0.15
    sigma = level * (x.max() - x.min())
    z = []
    for seed in range(40):
        made = SmoothGrad(n_samples=n_samples, noise_level=level, seed=seed).attribute(model, x, 0)
        offset = torch.linalg.solve(model.q.detach(), made.values.flatten()) - x.flatten()
        z.append(offset * n_samples**0.5 / sigma)
    sample = torch.stack(z)
    count = sample.numel()
    assert abs(sample.mean() * count**0.5) < 4
    assert abs((sample.square().mean() - 1) * (count / 2) ** 0.5) < 4
    assert (sample.mean(0) * len(z) ** 0.5).abs().max() < 4


def test_var_grad_on_a_quadratic_is_the_variance_of_its_gradient():
    """The gradient is Q(x + sigma e), so each pixel's variance is sigma^2 (Q Q')_ii, less a share of 1/n."""
    model, x, n_samples = Quadratic(32), 3 * pictures(1), 400
    made = VarGrad(n_samples=n_samples, noise_level=0.2, seed=3).attribute(model, x, 0)
    q = model.q.detach()
    sigma = 0.2 * (x.max() - x.min())
    expected = (sigma**2 * (q @ q.T).diagonal()).reshape(x.shape) * (1 - 1 / n_samples)
    exact_error = expected * (2 / n_samples) ** 0.5  # of a normal sample's variance
    z = (made.values - expected) / exact_error
    assert z.abs().max() < 4
    assert 0.5 < z.std() < 1.5
    own = (made.map - expected.sum(1)) / made.standard_error
    assert own.abs().max() < 4
    assert 0.5 < own.std() < 1.5


def test_grad_cam_of_pooled_maps_is_cam_over_the_number_of_places():
    model, x = PooledMaps(), pictures(2)
    made = GradCAM("features").attribute(model, x, 2)
    weights = model.classifier.weight[2].detach()
    cam = torch.einsum("c,nchw->nhw", weights, model.features(x).detach())
    torch.testing.assert_close(made.map * 4 * 4, cam, **TIGHT)
    assert (made.map < 0).any()
    assert made.signed


def test_probability_and_logit_of_a_margin_follow_the_chain_rule():
    """dp_k = p_k (dz_k - sum_j p_j dz_j)."""
    model, x = PooledMaps(), pictures(1)
    p = model(x).softmax(1)[0].detach()
    logits = [Saliency(absolute=False).attribute(model, x, k).values for k in range(3)]
    mean = sum(p[k] * logits[k] for k in range(3))
    made = Saliency(absolute=False).attribute(model, x, Target(1, "probability")).values
    torch.testing.assert_close(made, p[1] * (logits[1] - mean), **TIGHT)
    made = Saliency(absolute=False).attribute(model, x, Target(1, "log_probability")).values
    torch.testing.assert_close(made, logits[1] - mean, **TIGHT)
    made = Saliency(absolute=False).attribute(model, x, Target(1, "margin", against=2)).values
    torch.testing.assert_close(made, logits[1] - logits[2], **TIGHT)
