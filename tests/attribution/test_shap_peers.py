"""Beside shap: the same values where it is exact; where it is not, the definition decides."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from saliscope.attribution import DeepLift, ExpectedGradients, IntegratedGradients, KernelSHAP
from tests.attribution.helpers import pictures, relative
from tests.reference import rules as reference
from tests.reference.networks import small_network
from tests.reference.shapley import over_subsets


@pytest.fixture(scope="module")
def shap():
    return pytest.importorskip("shap")


def scaled(n: int) -> Tensor:
    return 4 * pictures(n, 1, 8) - 2


class Functional(nn.Module):
    """A reference network, its rectifiers as functions."""

    def __init__(self, network) -> None:
        super().__init__()
        self.parts = nn.ModuleList(p for p in network.module() if not isinstance(p, nn.ReLU))

    def forward(self, x: Tensor) -> Tensor:
        convolution, linear, last = self.parts
        return last(F.relu(linear(F.relu(convolution(x)))))


@pytest.mark.parametrize(
    "explainer", ["KernelExplainer", pytest.param("ExactExplainer", marks=pytest.mark.slow)]
)
def test_kernel_shap_of_all_coalitions(shap, explainer):
    model, x = small_network("relu", seed=1).module(), pictures(1, 1, 8)
    segments = (torch.arange(64).reshape(8, 8) * 6 // 67) % 6
    white = torch.ones_like(x)

    def scores(kept: np.ndarray) -> np.ndarray:
        masks = torch.from_numpy(np.asarray(kept, dtype=bool))[:, segments][:, None]
        with torch.no_grad():
            return model(torch.where(masks, x, white))[:, 1].numpy()

    exact = over_subsets(lambda kept: float(scores(np.isin(np.arange(6), list(kept))[None])[0]), 6)
    if explainer == "KernelExplainer":
        peer = shap.KernelExplainer(scores, np.zeros((1, 6)))
        theirs = peer.shap_values(np.ones((1, 6)), nsamples=2**6, l1_reg=False, silent=True)[0]
    else:
        theirs = shap.explainers.ExactExplainer(scores, np.zeros((1, 6)))(np.ones((1, 6))).values[0]
    np.testing.assert_allclose(theirs, exact, rtol=1e-5)
    made = KernelSHAP("white", segments=segments, sampling="exact").attribute(model, x, 1).map[0]
    sums = [float(made[segments == k].sum()) for k in range(6)]
    np.testing.assert_allclose(sums, exact, rtol=1e-10)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("kind", ["relu", "max_pool"])
def test_deep_explainer_agrees_on_modules(shap, kind):
    network, x, starts = small_network(kind, seed=2), scaled(2), pictures(3, 1, 8, seed=9)
    model = network.module()
    peer = shap.DeepExplainer(model, starts)
    theirs = torch.from_numpy(peer.shap_values(x, check_additivity=False)[..., 1])
    made = DeepLift(tuple(starts[:, None])).attribute(network.module(), x, 1)
    assert relative(theirs, made.values) < 1e-6


@pytest.mark.filterwarnings("ignore")
def test_deep_explainer_misses_rectifiers_that_are_functions(shap):
    """Its own check of the sum finds it; without that check, the map is another one without a word."""
    network, x, start = small_network("relu", seed=2), scaled(1), pictures(1, 1, 8, seed=9)
    exact = torch.as_tensor(reference.deep_lift(network, x[0].numpy(), start[0].numpy(), 1))[None]
    theirs = []
    for model in (network.module(), Functional(network)):
        peer = shap.DeepExplainer(model, start)
        theirs.append(torch.from_numpy(peer.shap_values(x, check_additivity=False)[..., 1]))
        assert relative(DeepLift(start).attribute(model, x, 1).values, exact) < 1e-11
    assert relative(theirs[0], exact) < 1e-6
    assert relative(theirs[1], exact) > 0.1


@pytest.mark.filterwarnings("ignore")
def test_deep_explainer_leaves_the_model_changed(shap):
    network = small_network("relu", seed=2)
    model, x = network.module().train(), scaled(1)
    (weight, *_) = model.parameters()
    weight.grad = torch.ones_like(weight)
    DeepLift(0.0).attribute(model, x, 1)
    assert model.training
    assert weight.grad is not None
    shap.DeepExplainer(model, torch.zeros_like(x)).shap_values(x, check_additivity=False)
    assert not model.training
    assert weight.grad is None


@pytest.mark.filterwarnings("ignore")
def test_gradient_explainer_tends_to_the_same_integral(shap):
    """Both draw points on straight paths from the baselines; the mean of exact paths is between them."""
    model = small_network("smooth", seed=2).module().float()  # it computes in no other precision
    x, starts = scaled(1).float(), pictures(4, 1, 8, seed=9).float()
    several = tuple(starts[:, None])
    exact = IntegratedGradients(several, 24, "gauss_legendre").attribute(model, x, 1).map
    made = ExpectedGradients(several, n_samples=1500).attribute(model, x, 1)
    theirs = shap.GradientExplainer(model, starts).shap_values(x, nsamples=1500, rseed=0)
    spread = gradients_on_paths(model, x, starts).std(0)
    error = torch.from_numpy(theirs[:, 0, ..., 1]) - exact
    assert (error / spread * 1500**0.5).abs().max() < 4.5
    assert ((made.map - exact) / made.standard_error).abs().max() < 4.5


def gradients_on_paths(model: nn.Module, x: Tensor, starts: Tensor) -> Tensor:
    """Differences times gradients at many points of the paths: what one sample of theirs may be."""
    alphas = (torch.arange(50) + 0.5).repeat_interleave(len(starts)) / 50
    begin = starts.repeat(50, 1, 1, 1)
    points = torch.lerp(begin, x, alphas.reshape(-1, 1, 1, 1)).requires_grad_()
    (gradient,) = torch.autograd.grad(model(points)[:, 1].sum(), points)
    return ((x - begin) * gradient).sum(1)
