"""Guided backprop, deconvnet, excitation backprop and DeepLIFT: what they are, and on what."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from saliscope import ModelError, Target
from saliscope.attribution import (
    LRP,
    Deconvnet,
    DeepLift,
    ExcitationBackprop,
    GradCAM,
    GuidedBackprop,
    GuidedGradCAM,
    InputXGradient,
    IntegratedGradients,
    Saliency,
)
from tests.attribution.helpers import Affine, pictures, relative
from tests.attribution.lrp_models import COMPOSITES
from tests.attribution.variants import Layers, plain
from tests.reference import rules as reference
from tests.reference.networks import small_network

TIGHT = {"rtol": 1e-11, "atol": 1e-12}


def scaled(n: int, size: int = 8, channels: int = 1) -> Tensor:
    """Pictures on both sides of zero, as a normalisation makes them."""
    return 4 * pictures(n, channels, size) - 2


@pytest.mark.parametrize("kind", ["relu", "leaky", "max_pool", "smooth"])
@pytest.mark.parametrize(
    ("method", "slow"),
    [
        (GuidedBackprop(), reference.guided_backprop),
        (Deconvnet(), reference.deconvnet),
        (ExcitationBackprop(), reference.excitation_backprop),
        (
            ExcitationBackprop(contrastive=True),
            lambda *a: reference.excitation_backprop(*a, contrastive=True),
        ),
    ],
    ids=["guided", "deconvnet", "excitation", "contrastive"],
)
def test_as_in_the_paper(method, slow, kind):
    network, x, targets = small_network(kind, seed=2), scaled(3), [2, 0, 1]
    made = method.attribute(network.module(), x, targets, chunk_size=2)
    for values, one, target in zip(made.values, x, targets, strict=True):
        np.testing.assert_allclose(values, slow(network, one.numpy(), target), rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("kind", ["relu", "leaky", "max_pool", "smooth"])
def test_deep_lift_as_in_the_paper(kind):
    network, x, baseline = small_network(kind, seed=2), scaled(3), pictures(1, 1, 8, seed=9)
    made = DeepLift(baseline).attribute(network.module(), x, 1)
    for values, one in zip(made.values, x, strict=True):
        slow = reference.deep_lift(network, one.numpy(), baseline[0].numpy(), 1)
        np.testing.assert_allclose(values, slow, rtol=1e-10, atol=1e-12)
    assert made.convergence_delta.abs().max() < 1e-12


def test_on_an_affine_model_each_pixel_gets_its_weight():
    model, x, baseline = Affine(), scaled(3, 4, 2), pictures(1, 2, 4, seed=9)
    w = model.weight[1].detach()
    for method in (GuidedBackprop(), Deconvnet()):
        torch.testing.assert_close(method.attribute(model, x, 1).values, w.expand_as(x), **TIGHT)
    made = DeepLift(baseline).attribute(model, x, 1)
    torch.testing.assert_close(made.values, w * (x - baseline), **TIGHT)
    raising = (w * x).clamp(min=0)
    shares = raising / raising.sum((1, 2, 3), keepdim=True)
    torch.testing.assert_close(ExcitationBackprop().attribute(model, x, 1).values, shares, **TIGHT)


def test_without_biases_deep_lift_from_zero_is_the_gradient_times_the_input_and_the_path():
    network = small_network("relu")
    for layer in network.layers:
        if hasattr(layer, "bias"):
            layer.bias = np.zeros_like(layer.bias)
    model, x, zero = network.module(), scaled(2), torch.zeros(1, 1, 8, 8)
    made = DeepLift(zero).attribute(model, x, 1).values
    torch.testing.assert_close(made, InputXGradient().attribute(model, x, 1).values, **TIGHT)
    torch.testing.assert_close(made, IntegratedGradients(zero, 1).attribute(model, x, 1).values, **TIGHT)


def test_excitation_backprop_is_lrp_of_positive_contributions_normalised():
    """Also through a batch norm with scales of either sign: it is one with the convolution before it."""
    layers = Layers()
    with torch.no_grad():
        layers.norm.weight.mul_(torch.tensor([1.0, -1, 1, -1, 1, 1]))
        # Where LRP counts a bias that raises as a contribution, the paper's probabilities leave it out.
        layers.first.bias.zero_()
        layers.norm.running_mean.zero_()
        layers.norm.bias.fill_(-0.01)
        layers.second.bias.fill_(-0.01)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        top = nn.Conv2d(6, 4, 1, bias=False).double()
    model = nn.Sequential(
        layers.first, layers.norm, nn.ReLU(), nn.MaxPool2d(2), layers.second, nn.ReLU(), nn.AvgPool2d(3), top,
        nn.Flatten(),
    )  # fmt: skip
    x = scaled(3, 6, 2)
    lrp = LRP("epsilon_plus", epsilon=0.0).attribute(model, x, [1, 0, 2]).values
    made = ExcitationBackprop().attribute(model, x, [1, 0, 2])
    torch.testing.assert_close(made.values, lrp / lrp.sum((1, 2, 3), keepdim=True), **TIGHT)


class Many(nn.Module):
    """Whatever a network may have between its input and its score."""

    def __init__(self, norm: bool = True) -> None:
        super().__init__()
        with torch.random.fork_rng():
            torch.manual_seed(5)
            self.first = nn.Conv2d(2, 8, 3, padding=1)
            self.norm = nn.GroupNorm(2, 8)
            self.encoder = nn.TransformerEncoderLayer(8, 2, 16, batch_first=True, activation="gelu")
            self.other = nn.TransformerEncoderLayer(8, 2, 16)  # tokens first: its rows are in the middle
            self.last = nn.Linear(8, 3)
        self.double()

    def forward(self, x: Tensor) -> Tensor:
        x = F.silu(self.norm(self.first(x)))
        x = F.max_pool2d(x, 2) * torch.sigmoid(F.avg_pool2d(x, 2)) / (1 + x.amax((2, 3), keepdim=True).abs())
        tokens = self.encoder(x.flatten(2).transpose(1, 2))
        tokens = self.other(tokens.transpose(0, 1)).transpose(0, 1)
        return self.last(torch.maximum(tokens.mean(1), tokens[:, 0]))


@pytest.mark.parametrize("output", ["logit", "probability", "log_probability", "margin"])
def test_deep_lift_is_complete_whatever_the_network_is_made_of(output):
    model, x = Many().eval(), scaled(3, 6, 2)
    several = (torch.zeros(1, 2, 6, 6).double(), pictures(1, 2, 6, seed=9))
    made = DeepLift(several).attribute(model, x, Target(1, output), chunk_size=2)
    assert made.coverage.gaps == ()
    for part, baseline in zip(made.per_baseline, several, strict=True):
        target = made.target
        change = target.score(model(x)) - target.score(model(baseline.expand_as(x)))
        torch.testing.assert_close(part.values.sum((1, 2, 3)), change.detach(), rtol=1e-9, atol=1e-10)
        assert part.convergence_delta.abs().max() < 1e-10
    torch.testing.assert_close(made.values, sum(p.values for p in made.per_baseline) / 2, **TIGHT)


def test_deep_lift_shares_a_quotient_as_the_factor_that_it_is():
    class Quotient(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            x = x.flatten(1)
            return x[:, :1] / x[:, 1:]

    x = torch.tensor([3.0, 2.0]).double().reshape(1, 1, 1, 2)
    made = DeepLift(torch.tensor([1.0, 0.5]).double().reshape(1, 1, 1, 2)).attribute(Quotient(), x, 0)
    # mean(b) = 1.25, mean(q) = 1.75: 2 / 1.25, and -1.5 * 1.75 / 1.25.
    torch.testing.assert_close(made.values.flatten(), torch.tensor([1.6, -2.1], dtype=torch.float64), **TIGHT)


def test_deep_lift_does_not_explode_in_norms_of_a_baseline_without_variance():
    torch.manual_seed(0)
    blocks = [nn.Sequential(nn.LayerNorm(8), nn.Linear(8, 8, bias=False)) for _ in range(4)]
    model = nn.Sequential(
        nn.Conv2d(2, 8, 3, 3, bias=False), nn.Flatten(2), Turned(), *blocks, nn.Flatten()
    ).double()
    x = pictures(2, 2, 6)
    made = DeepLift().attribute(model, x, 1)
    path = IntegratedGradients(n_steps=64).attribute(model, x, 1)
    assert made.values.abs().max() < 10 * path.values.abs().max()
    assert made.convergence_delta.abs().max() < 1e-10


class Turned(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x.transpose(1, 2)


def test_deep_lift_from_the_input_itself_is_nothing_but_finite():
    model, x = Many().eval(), scaled(2, 6, 2)
    made = DeepLift(x[:1]).attribute(model, x, 1)
    assert torch.isfinite(made.values).all()
    assert not made.values[0].any()
    near = DeepLift(x[:1] + 1e-9).attribute(model, x[:1], 1).values / -1e-9
    torch.testing.assert_close(
        near, Saliency(absolute=False).attribute(model, x[:1], 1).values, rtol=1e-5, atol=1e-7
    )


def test_deep_lift_wants_the_same_operations_for_both():
    class Turns(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return (x.relu() if x.sum() > 0 else x.sigmoid()).flatten(1)

    with pytest.raises(ModelError, match="other operations for the input than for the baseline"):
        DeepLift(torch.tensor(-1.0)).attribute(Turns(), pictures(1), 0)


def test_a_rectifier_is_one_however_it_is_spelled():
    x = scaled(2, 4, 2)
    ways = [
        torch.relu,
        F.relu,
        nn.ReLU(),
        nn.ReLU(inplace=True),
        torch.Tensor.relu_,
        lambda x: x.clamp(min=0),
        lambda x: torch.clip(x, 0),
        lambda x: x.clamp_min_(0.0),
        lambda x: torch.maximum(x, torch.zeros(())),
        lambda x: torch.max(torch.zeros_like(x), x),
        lambda x: F.threshold(x, 0.0, 0.0),
        lambda x: F.leaky_relu(x, 0.0),
        torch.ops.aten.relu,
    ]

    class Net(nn.Module):
        def __init__(self, rectify) -> None:
            super().__init__()
            self.affine, self.rectify = Layers(), rectify
            self.first, self.second, self.last = self.affine.first, self.affine.second, self.affine.last

        def forward(self, x: Tensor) -> Tensor:
            return self.last(self.second(self.rectify(self.first(x))).mean((2, 3)))

    for method in (GuidedBackprop(), Deconvnet(), ExcitationBackprop(), DeepLift()):
        expected = method.attribute(Net(torch.relu), x, 1).values
        assert relative(Saliency(absolute=False).attribute(Net(torch.relu), x, 1).values, expected) > 0.1
        for way in ways:
            made = method.attribute(Net(way), x, 1)
            torch.testing.assert_close(made.values, expected, **TIGHT)
            assert made.coverage.gaps == ()


@pytest.mark.parametrize(
    "activation", [F.gelu, F.silu, F.leaky_relu, nn.PReLU().double(), lambda x: x * (x > 0).to(x)]
)
def test_other_gates_are_gaps_of_what_is_defined_for_rectifiers(activation):
    model = nn.Sequential(nn.Conv2d(2, 3, 1), Applied(activation), nn.Flatten()).double()
    for method in (GuidedBackprop(), Deconvnet()):
        made = method.attribute(model, scaled(2, 4, 2), 1)
        assert len(made.coverage.gaps) == 1
        assert "fell back to the gradient" in str(made.coverage)
        plain_gradient = Saliency(absolute=False).attribute(model, scaled(2, 4, 2), 1).values
        torch.testing.assert_close(made.values, plain_gradient, **TIGHT)


class Applied(nn.Module):
    def __init__(self, function) -> None:
        super().__init__()
        self.function = function

    def forward(self, x: Tensor) -> Tensor:
        return self.function(x)


def test_probabilities_are_probabilities():
    network = small_network("max_pool", seed=2)
    for layer in network.layers:
        if hasattr(layer, "bias"):
            layer.bias = abs(layer.bias) + 0.1  # so that no unit is dead
    model, x = network.module(), scaled(3)
    made = ExcitationBackprop().attribute(model, x, 1)
    assert not made.signed
    assert (made.values >= 0).all()
    torch.testing.assert_close(made.values.sum((1, 2, 3)), torch.ones(3).double(), **TIGHT)
    for output in ("probability", "log_probability", "margin"):
        other = ExcitationBackprop().attribute(model, x, Target(1, output))
        torch.testing.assert_close(other.values, made.values, **TIGHT)
        assert not torch.allclose(other.score, made.score)
    contrast = ExcitationBackprop(contrastive=True).attribute(model, x, 1)
    assert contrast.signed
    torch.testing.assert_close(contrast.values.sum((1, 2, 3)), torch.zeros(3).double(), **TIGHT)


def test_of_two_branches_only_what_raises_is_chosen():
    model, x = plain(Layers()), pictures(3, size=6)
    made = ExcitationBackprop().attribute(model, x, [1, 0, 2])
    assert (made.values >= 0).all()
    assert "choose" in {call.rule for call in made.coverage.calls if call.name == "add"}
    torch.testing.assert_close(made.values.sum((1, 2, 3)), torch.ones(3).double(), rtol=0.01, atol=0)


def test_guided_grad_cam_is_the_product():
    model, x = plain(Layers()), scaled(3, 6, 2)
    fine = GuidedBackprop().attribute(model, x, [1, 0, 3]).values
    coarse = GradCAM("features.first").attribute(model, x, [1, 0, 3]).values
    for rectified in (False, True):
        method = GuidedGradCAM("features.first", rectified=rectified)
        made = method.attribute(model, x, [1, 0, 3], chunk_size=2)
        expected = fine * (coarse.clamp(min=0) if rectified else coarse)
        torch.testing.assert_close(made.values, expected, **TIGHT)
        assert made.layer == "features.first"
    assert (coarse < 0).any()


class Functional(nn.Module):
    """Our reference network, its rectifiers as functions."""

    def __init__(self, network) -> None:
        super().__init__()
        self.parts = nn.ModuleList(p for p in network.module() if not isinstance(p, nn.ReLU))

    def forward(self, x: Tensor) -> Tensor:
        convolution, linear, last = self.parts
        return last(F.relu(linear(F.relu(convolution(x)))))


@pytest.mark.filterwarnings("ignore")
def test_captum_agrees_on_modules_and_is_wrong_on_functions():
    """Its hooks are on modules: it misses F.relu without a word; the paper's formula is with us."""
    peer = pytest.importorskip("captum.attr")
    network, x, zero = small_network("relu", seed=2), scaled(1), torch.zeros(1, 1, 8, 8).double()
    cases = [
        (GuidedBackprop(), peer.GuidedBackprop, lambda one: reference.guided_backprop(network, one, 1)),
        (Deconvnet(), peer.Deconvolution, lambda one: reference.deconvnet(network, one, 1)),
        (DeepLift(zero), peer.DeepLift, lambda one: reference.deep_lift(network, one, zero[0].numpy(), 1)),
    ]
    for ours, theirs, slow in cases:
        exact = torch.as_tensor(slow(x[0].numpy()))[None]
        modules, functions = network.module(), Functional(network)
        found = [
            theirs(model).attribute(x.clone().requires_grad_(), target=1).detach()
            for model in (modules, functions)
        ]
        torch.testing.assert_close(found[0], exact, **TIGHT)
        assert relative(found[1], exact) > 0.1
        for model in (modules, functions):
            torch.testing.assert_close(ours.attribute(model, x, 1).values, exact, **TIGHT)
        if isinstance(ours, GuidedBackprop):
            gradient = Saliency(absolute=False).attribute(functions, x, 1).values
            torch.testing.assert_close(found[1], gradient, **TIGHT)


@pytest.mark.filterwarnings("ignore")
def test_captum_agrees_on_maxima_products_of_guided_grad_cam_and_more():
    peer = pytest.importorskip("captum.attr")
    network, x, zero = small_network("max_pool", seed=2), scaled(3), torch.zeros(1, 1, 8, 8).double()
    theirs = peer.DeepLift(network.module()).attribute(x.clone().requires_grad_(), target=1).detach()
    torch.testing.assert_close(DeepLift(zero).attribute(network.module(), x, 1).values, theirs, **TIGHT)
    model, x = plain(Layers()), scaled(3, 6, 2)
    theirs = (
        peer.GuidedGradCam(model, model.features).attribute(x.clone().requires_grad_(), target=1).detach()
    )
    made = GuidedGradCAM("features", rectified=True).attribute(model, x, 1).values
    torch.testing.assert_close(made, theirs, **TIGHT)


class Written(nn.Module):
    """One network, with a way to put its pieces together."""

    def __init__(self, way) -> None:
        super().__init__()
        with torch.random.fork_rng():
            torch.manual_seed(7)
            self.conv, self.last = nn.Conv2d(2, 2, 3, padding=1), nn.Linear(2, 3)
            self.token = nn.Parameter(torch.rand(2, 1, 1))
        self.way = way
        self.double()

    def seen(self, x: Tensor) -> Tensor:
        return F.relu(self.conv(x))

    def forward(self, x: Tensor) -> Tensor:
        return self.last(self.way(self, x).mean((2, 3)))


def a_channel(net: Written, x: Tensor) -> Tensor:
    x = x.clone()
    x[:, 0] = x[:, 0] * 2
    return net.seen(x)


def a_channel_through_its_view(net: Written, x: Tensor) -> Tensor:
    x = x.clone()
    first = x[:, 0]
    first *= -2
    first.div_(-1)
    return net.seen(x)


def a_view_from_before(net: Written, x: Tensor) -> Tensor:
    x = x.clone()
    view = x.transpose(2, 3)
    x[:, 0] = x[:, 0] * 2
    return net.seen(view.transpose(2, 3))


def a_buffer(net: Written, x: Tensor) -> Tensor:
    y = torch.zeros_like(x)
    y[:, 0] = x[:, 0] * 2
    y[:, 1].copy_(x[:, 1])
    return net.seen(y)


def without_a_channel(net: Written, x: Tensor) -> Tensor:
    x = x.clone()
    x[:, 0].zero_()
    return net.seen(x)


def the_middle(net: Written, x: Tensor) -> Tensor:
    y = x.clone()
    y[:, :, 1:-1, 1:-1] = net.seen(x)[:, :, 1:-1, 1:-1]
    return y


def the_middle_through_its_view(net: Written, x: Tensor) -> Tensor:
    y = x.clone()
    y[:, :, 1:-1, 1:-1].copy_(net.seen(x)[:, :, 1:-1, 1:-1])
    return y


def the_middle_of_what_was_seen(net: Written, x: Tensor) -> Tensor:
    y, middle = net.seen(x).clone(), x[:, :, 1:-1, 1:-1]
    edge = torch.zeros_like(x)
    edge[:] = x
    edge[:, :, 1:-1, 1:-1] = y[:, :, 1:-1, 1:-1]
    y[:, :, 1:-1, 1:-1] = middle
    return torch.cat([y, edge], 2)


def a_view_from_before_the_middle(net: Written, x: Tensor) -> Tensor:
    y = x.clone()
    view = y.transpose(2, 3)
    y[:, :, 1:-1, 1:-1] = net.seen(x)[:, :, 1:-1, 1:-1]
    return net.seen(view.transpose(2, 3))


def beside_a_token(net: Written, x: Tensor) -> Tensor:
    y = net.token.expand_as(x).clone()
    y[:, 1:] = x[:, 1:]
    return net.seen(y)


def framed(edge: Tensor, middle: Tensor) -> Tensor:
    middle = middle[:, :, 1:-1, 1:-1]
    rows = torch.cat([edge[:, :, 1:-1, :1], middle, edge[:, :, 1:-1, -1:]], 3)
    return torch.cat([edge[:, :, :1], rows, edge[:, :, -1:]], 2)


def doubled(net: Written, x: Tensor) -> Tensor:
    return net.seen(torch.cat([x[:, :1] * 2, x[:, 1:]], 1))


OUT_OF_PLACE = {
    a_channel: doubled,
    a_channel_through_its_view: doubled,
    a_view_from_before: doubled,
    a_buffer: doubled,
    without_a_channel: lambda net, x: net.seen(torch.cat([torch.zeros_like(x[:, :1]), x[:, 1:]], 1)),
    the_middle: lambda net, x: framed(x, net.seen(x)),
    the_middle_through_its_view: lambda net, x: framed(x, net.seen(x)),
    the_middle_of_what_was_seen: lambda net, x: torch.cat(
        [framed(net.seen(x), x), framed(x, net.seen(x))], 2
    ),
    a_view_from_before_the_middle: lambda net, x: net.seen(framed(x, net.seen(x))),
    beside_a_token: lambda net, x: net.seen(torch.cat([net.token.expand_as(x)[:, :1], x[:, 1:]], 1)),
}

EVERY_RULE = [
    GuidedBackprop(), Deconvnet(), ExcitationBackprop(), ExcitationBackprop(contrastive=True), DeepLift(0.3),
    *(LRP(composite) for composite in ("auto", *COMPOSITES)),
]  # fmt: skip


@pytest.mark.parametrize("way", OUT_OF_PLACE, ids=lambda way: way.__name__)
@pytest.mark.parametrize("method", EVERY_RULE, ids=lambda method: getattr(method, "composite", method.key))
def test_what_is_written_into_a_tensor_is_followed(method, way):
    """The map of the same network out of place: also through views, and from before or after a layer."""
    x = scaled(3, 5, 2)
    made, expected = (method.attribute(Written(one), x, 1) for one in (way, OUT_OF_PLACE[way]))
    assert expected.values.any()
    torch.testing.assert_close(made.values, expected.values, rtol=1e-10, atol=1e-13)
    assert made.notes == expected.notes
    assert [call.name for call in made.coverage.gaps] == [call.name for call in expected.coverage.gaps]
