"""Where captum and PAIR's package are wrong: the difference, and the side that the definition is on."""

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from saliscope import borrow
from saliscope.attribution import (
    BlurIG,
    DeepLift,
    GuidedIG,
    IntegratedGradients,
    Saliency,
    SmoothGrad,
)
from tests.attribution.helpers import Affine, pictures, relative
from tests.core.helpers import changed, fingerprint, unchecked
from tests.reference import paths
from tests.reference import rules as reference
from tests.reference.networks import small_network

pytestmark = pytest.mark.filterwarnings("ignore")


@pytest.fixture(scope="module")
def captum():
    return pytest.importorskip("captum.attr")


@pytest.fixture(scope="module")
def pair():
    return pytest.importorskip("saliency.core")


@pytest.mark.parametrize("n", [10, 50])
def test_its_trapezoid_loses_one_step_of_a_linear_model(captum, n):
    model, x = Affine(), pictures(1)
    exact = model.weight[1].detach() * x
    theirs = captum.IntegratedGradients(model).attribute(x, target=1, n_steps=n, method="riemann_trapezoid")
    assert float(theirs.sum() / exact.sum()) == pytest.approx((n - 1) / n, rel=1e-6)
    made = IntegratedGradients(torch.zeros_like(x), n, "trapezoid").attribute(model, x, 1)
    torch.testing.assert_close(made.values, exact, rtol=1e-13, atol=1e-14)


class Quartic(nn.Module):
    """Its gradient is a polynomial of degree three: two Gauss nodes are exact."""

    def forward(self, x: Tensor) -> Tensor:
        return x.pow(4).flatten(1).sum(1, keepdim=True)


def test_its_steps_have_float32_precision_in_float64(captum):
    x = 1 + pictures(1)
    theirs = captum.IntegratedGradients(Quartic()).attribute(x, target=0, n_steps=5, method="gausslegendre")
    made = IntegratedGradients(torch.zeros_like(x), 5, "gauss_legendre").attribute(Quartic(), x, 0).values
    assert relative(made, x.pow(4)) < 1e-14
    assert 1e-10 < relative(theirs, x.pow(4)) < 1e-6


def test_a_hook_of_the_users_own_breaks_its_deep_lift(captum):
    network, x = small_network("relu", seed=2), 4 * pictures(1, 1, 8) - 2
    zero = np.zeros((1, 8, 8))
    exact = torch.as_tensor(reference.deep_lift(network, x[0].numpy(), zero, 1))[None]

    def theirs(model: nn.Module) -> Tensor:
        return captum.DeepLift(model).attribute(x.clone().requires_grad_(), target=1).detach()

    plain, hooked = network.module(), network.module()
    for part in hooked:
        if isinstance(part, nn.ReLU):
            part.register_full_backward_hook(lambda *_: None)
    assert relative(theirs(plain), exact) < 1e-10
    assert relative(theirs(hooked), exact) > 0.1
    for model in (plain, hooked):
        assert relative(DeepLift(torch.zeros_like(x)).attribute(model, x, 1).values, exact) < 1e-11


def test_in_train_mode_its_maps_vary_and_the_statistics_of_the_model_change(captum):
    def made() -> nn.Sequential:
        with torch.random.fork_rng():
            torch.manual_seed(3)
            first, last = (nn.Conv2d(2, 4, 3), nn.BatchNorm2d(4)), (nn.Dropout(0.5), nn.Linear(16, 3))
            return nn.Sequential(*first, nn.Flatten(), *last)

    model, x = made().double().train(), pictures(3)
    before = fingerprint(model)
    with unchecked():  # beartype draws numbers of its own
        maps = [Saliency(absolute=False).attribute(model, x, 1).values for _ in range(2)]
    assert torch.equal(*maps)
    assert changed(before, fingerprint(model)) == []
    (exact,) = torch.autograd.grad(made().double().eval()(leaf := x.requires_grad_())[:, 1].sum(), leaf)
    torch.testing.assert_close(maps[0], exact)
    theirs = [captum.Saliency(model).attribute(x, target=1, abs=False) for _ in range(2)]
    assert relative(*theirs) > 0.1
    assert float((model[1].running_mean - made()[1].running_mean).abs().max()) > 0.01


def test_its_noise_is_absolute_and_ours_a_share_of_the_range(captum):
    """On ``sum of x^3`` the mean gradient is ``3 (x^2 + sigma^2)``: it shows the sigma that was used."""

    class Cubic(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return x.pow(3).flatten(1).sum(1, keepdim=True)

    for scale in (1.0, 100.0):
        x = scale * pictures(1, size=16)
        level = 0.15 * float(x.max() - x.min())
        made = SmoothGrad(n_samples=400, noise_level=0.15).attribute(Cubic(), x, 0).values
        with torch.random.fork_rng():
            torch.manual_seed(0)
            tunnel = captum.NoiseTunnel(captum.Saliency(Cubic()))
            theirs = tunnel.attribute(x, nt_samples=400, target=0, abs=False, nt_samples_batch_size=50)
        variance = [float((one / 3 - x.square()).mean()) for one in (made, theirs)]
        assert variance[0] == pytest.approx(level**2, rel=0.1)
        # Its default is 1, whatever the range.
        assert float((theirs / 3 - x.square()).mean()) == pytest.approx(1, rel=0.1 * scale)


def test_zero_in_normalised_space_is_grey_and_black_is_declared_in_the_picture(captum):
    mean, std = torch.tensor([0.5, 0.4]).double(), torch.tensor([0.2, 0.25]).double()
    by_channel = [values.reshape(1, 2, 1, 1) for values in (mean, std)]
    model, picture = Affine(), pictures(1)
    x = (picture - by_channel[0]) / by_channel[1]
    theirs = captum.IntegratedGradients(model).attribute(x, target=1)
    weight = model.weight[1].detach()
    grey, black = weight * x, weight * picture / by_channel[1]
    assert relative(theirs, grey) < 1e-7
    borrowed = borrow(model, mean=mean.tolist(), std=std.tolist())
    made = IntegratedGradients("black").attribute(borrowed, x, 1).values
    torch.testing.assert_close(made, black)
    assert relative(theirs, black) > 0.1


def called(network) -> dict:
    """What PAIR's package wants of a model: gradients of a batch of numpy pictures, channels last."""

    def gradients(batch, call_model_args=None, expected_keys=None):
        found = [network.gradient(np.moveaxis(np.asarray(x, float), -1, 0), 1) for x in batch]
        return {"INPUT_OUTPUT_GRADIENTS": np.stack([np.moveaxis(one, 0, -1) for one in found])}

    return {"call_model_function": gradients}


def test_pair_blur_ig_darkens_the_borders(pair):
    """Outside of the picture it puts black; ours repeats the border, as a constant picture shows."""
    network = small_network("smooth", seed=2)
    x = np.full((8, 8, 1), 0.7)
    theirs = pair.BlurIG().GetMask(x, **called(network), max_sigma=3, steps=10)
    made = BlurIG(max_sigma=3.0, n_steps=10).attribute(network.module(), torch.as_tensor(x.T[None].copy()), 1)
    assert float(made.values.abs().max()) < 1e-12
    assert np.abs(theirs).max() > 0.01


def test_pair_guided_ig_does_not_run_on_this_numpy_or_says_the_same(pair):
    network, x, zero = small_network("smooth", seed=2), pictures(1, 1, 8), np.zeros((1, 8, 8))
    exact, _ = paths.guided_ig(network, x[0].numpy(), zero, 1, 20, 0.25, 0.02)
    options = {"fraction": 0.25, "max_dist": 0.02}
    made = GuidedIG(torch.zeros_like(x), n_steps=20, **options).attribute(network.module(), x, 1)
    np.testing.assert_allclose(made.values[0], exact, rtol=1e-8, atol=1e-11)
    picture = np.moveaxis(x[0].numpy(), 0, -1)
    theirs_too = {"x_steps": 20, "x_baseline": 0 * picture, **options}
    try:
        theirs = pair.GuidedIG().GetMask(picture, **called(network), **theirs_too)
    except (TypeError, ValueError):
        assert np.lib.NumpyVersion(np.__version__) >= "2.4.0"
    else:
        assert relative(torch.as_tensor(theirs)[..., 0], torch.as_tensor(exact[0])) < 0.05


def test_pair_blur_ig_by_roots_depends_on_the_size_of_its_batches(pair):
    """It takes one step's width for a whole batch."""
    network, x = small_network("smooth", seed=2), pictures(1, 1, 8)
    picture = np.moveaxis(x[0].numpy(), 0, -1)
    theirs = [
        pair.BlurIG().GetMask(picture, **called(network), max_sigma=3, steps=10, sqrt=True, batch_size=size)
        for size in (1, 5)
    ]
    assert np.abs(theirs[0] - theirs[1]).max() > 0.1 * np.abs(theirs[0]).max()
    made = [
        BlurIG(max_sigma=3.0, n_steps=10).attribute(network.module(), x, 1, chunk_size=size).values
        for size in (1, 5)
    ]
    assert relative(*made) < 1e-12
