"""LRP against its slow form on matrices and against what is known in closed form."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from saliscope import MethodError, borrow
from saliscope.attribution import LRP, InputXGradient
from tests.attribution.helpers import Affine, pictures, relative
from tests.attribution.lrp_models import (
    COMPOSITES,
    EPSILON,
    GAMMA,
    Attends,
    by_matrices,
    numbers,
    residual_network,
    rules_of,
    transformer,
)
from tests.attribution.variants import Layers, plain
from tests.reference.lrp_matrix import reach_matrix
from tests.reference.networks import small_network


@pytest.mark.parametrize("composite", COMPOSITES)
def test_a_residual_network_with_batch_norm_as_matrices(composite):
    layers, x = Layers(), 3 * pictures(2, size=6) - 1
    made = LRP(composite, epsilon=EPSILON, gamma=GAMMA).attribute(plain(layers), x, [1, 3])
    reach = reach_matrix(numbers(layers.first.weight), (2, 6, 6), padding=1)
    for k, target in enumerate((1, 3)):
        low, high = (np.full(72, float(end)) for end in (x[k].min(), x[k].max()))
        nodes = residual_network(layers, rules_of(composite, reach, low, high))
        expected = by_matrices(nodes, x[k], target, made.score[k])
        torch.testing.assert_close(made.values[k], expected, rtol=1e-10, atol=1e-12)
    assert made.coverage is not None
    assert made.coverage.gaps == ()


def test_the_box_is_black_and_white_in_model_space():
    layers, x = Layers(), 3 * pictures(1, size=6) - 1
    borrowed = borrow(plain(layers), mean=[0.4, 0.6], std=[0.2, 0.3])
    made = LRP("epsilon_gamma_box", EPSILON, GAMMA).attribute(borrowed, x, 2)
    low, high = (np.repeat([(end - 0.4) / 0.2, (end - 0.6) / 0.3], 36) for end in (0, 1))
    nodes = residual_network(layers, rules_of("epsilon_gamma_box", np.zeros(0), low, high))
    torch.testing.assert_close(
        made.values[0], by_matrices(nodes, x[0], 2, made.score[0]), rtol=1e-10, atol=1e-12
    )
    assert made.notes == ()


@pytest.mark.parametrize("composite", ["epsilon_plus_flat", "epsilon_gamma_box"])
@pytest.mark.parametrize("prepared", ["shifted", "turned", "cut", "normed"])
def test_what_a_model_does_to_the_picture_first_hands_relevance_on(composite, prepared):
    """The map is that of the rest of the model at what it is fed, put back into its place."""
    norm = nn.BatchNorm2d(2).double().eval()
    norm.running_mean = torch.tensor([0.3, -0.2], dtype=torch.float64)
    before = {
        "shifted": lambda x: (x - 0.3) / torch.tensor([0.2, -0.5]).double()[:, None, None],
        "turned": lambda x: x.flip(1).transpose(2, 3).contiguous(),
        "cut": lambda x: F.pad(x[:, :, 1:], (0, 0, 1, 0)),
        "normed": norm,
    }[prepared]

    class Prepared(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.rest = plain(Layers())
            self.before = before

        def forward(self, x: Tensor) -> Tensor:
            return self.rest(self.before(x))

    x = 3 * pictures(2, size=6) - 1
    method = LRP(composite, EPSILON, GAMMA)
    made = method.attribute(Prepared(), x, 1).values
    if composite == "epsilon_gamma_box":  # the box of what arrives is that of the picture, prepared
        ends = (
            [torch.full_like(one, float(one.min())) for one in x],
            [torch.full_like(one, float(one.max())) for one in x],
        )
        low, high = (before(torch.stack(end)).detach() for end in ends)
        low, high = torch.minimum(low, high), torch.maximum(low, high)
        layers = Layers()
        fed = before(x).detach()
        rows = []
        for k in range(2):
            nodes = residual_network(
                layers, rules_of(composite, np.zeros(0), *(numbers(e[k]).ravel() for e in (low, high)))
            )
            rows.append(by_matrices(nodes, fed[k], 1, plain(layers)(fed)[k, 1].detach()))
        rest = torch.stack(rows)
    else:
        rest = method.attribute(plain(Layers()), before(x).detach(), 1).values
    if prepared == "turned":
        rest = rest.transpose(2, 3).flip(1)
    if prepared == "cut":
        rest = rest.clone()
        rest[:, :, 0] = 0
    torch.testing.assert_close(made, rest, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("target", [0, 1])
@pytest.mark.parametrize("composite", ["epsilon", "epsilon_plus", "epsilon_alpha2_beta1"])
def test_an_affine_model_is_weight_times_input(composite, target):
    model, x = Affine(), pictures(3) - 0.5
    made = LRP(composite, epsilon=0.0).attribute(model, x, target)
    torch.testing.assert_close(made.values, model.weight[target].detach() * x, rtol=1e-12, atol=1e-12)
    # What is missing is the bias.
    assert made.convergence_delta is not None
    bias = float(model.bias[target].detach())
    torch.testing.assert_close(made.convergence_delta, torch.full((3,), -bias, dtype=torch.float64))
    damped = LRP(composite, epsilon=0.5).attribute(model, x, target).values
    size = (made.score - bias).abs()[:, None, None, None]
    torch.testing.assert_close(damped, made.values * size / (size + 0.5))


def biasless(kind: str = "relu") -> nn.Module:
    network = small_network(kind)
    for layer in network.layers:
        if hasattr(layer, "bias"):
            layer.bias = np.zeros_like(layer.bias)
    return network.module()


@pytest.mark.parametrize("kind", ["relu", "leaky", "max_pool"])
def test_without_biases_epsilon_near_zero_is_gradient_times_input(kind):
    model, x = biasless(kind), pictures(2, channels=1, size=8)
    product = InputXGradient().attribute(model, x).values
    exact = LRP("epsilon", epsilon=0.0).attribute(model, x)
    torch.testing.assert_close(exact.values, product, rtol=1e-12, atol=1e-12)
    apart = [relative(LRP("epsilon", epsilon=e).attribute(model, x).values, product) for e in (1e-4, 1e-6)]
    assert apart[0] == pytest.approx(100 * apart[1], rel=0.05)
    assert apart[0] > 0


@pytest.mark.parametrize("composite", [c for c in COMPOSITES if "alpha2" not in c])
def test_without_biases_every_layer_hands_on_all_of_it(composite):
    model, x = biasless(), pictures(2, channels=1, size=8)
    made = LRP(composite, epsilon=0.0).attribute(model, x)
    assert made.convergence_delta is not None
    assert made.convergence_delta.abs().max() < 1e-10
    assert made.coverage is not None
    shares = [call.conserved for call in made.coverage.calls if call.rule and call.conserved is not None]
    assert len(shares) == (2 if composite in ("epsilon_plus_flat", "epsilon_gamma_box") else 3)
    assert max(abs(share - 1) for share in shares) < 1e-10


def test_a_bias_takes_its_part_and_the_report_says_so():
    made = LRP("epsilon_plus").attribute(plain(Layers()), pictures(2, size=6), 1)
    assert made.coverage is not None
    calls = {call.layer: call for call in made.coverage.calls if call.rule}
    assert calls["features.second"].rule == "z_plus"
    assert calls["last"].rule == "epsilon"
    score, bias = made.score.sum(), 2 * Layers().last.bias[1]
    assert calls["last"].conserved == pytest.approx(float((score - bias) / score), rel=1e-4)
    assert made.convergence_delta is not None
    assert made.convergence_delta.abs().min() > 1e-3


@pytest.mark.parametrize("composite", COMPOSITES)
def test_a_transformer_as_matrices(composite):
    model, x = Attends(), 3 * pictures(1) - 1
    made = LRP(composite, EPSILON, GAMMA).attribute(model, x, 2)
    reach = reach_matrix(numbers(model.embed.weight), (2, 4, 4), stride=2)
    low, high = (np.full(32, float(end)) for end in (x.min(), x.max()))
    nodes = transformer(model, rules_of(composite, reach, low, high))
    torch.testing.assert_close(
        made.values[0], by_matrices(nodes, x[0], 2, made.score[0]), rtol=1e-9, atol=1e-12
    )
    assert made.coverage is not None
    assert made.coverage.gaps == ()


@pytest.mark.parametrize("composite", ["auto", "epsilon_gamma_box"])
@pytest.mark.parametrize(
    ("attention", "norm"), [("module", "layer"), ("operators", "times"), ("einsum", "by"), ("fused", "by")]
)
def test_a_transformer_however_it_is_written(composite, attention, norm):
    method, x = LRP(composite), 3 * pictures(2) - 1
    made = method.attribute(Attends(attention, norm), x, [0, 3])
    expected = method.attribute(Attends(), x, [0, 3])
    torch.testing.assert_close(made.values, expected.values, rtol=1e-10, atol=1e-12)
    assert made.coverage is not None
    assert made.coverage.gaps == ()


def test_every_rule_of_attention_but_the_softmax_hands_on_all_of_it():
    """The softmax is expanded at a point where it is not zero: it keeps a part (2402.05602, equation 11)."""
    made = LRP("attention").attribute(Attends("operators", biases=False), pictures(2) - 0.4, 1)
    assert made.coverage is not None
    shares = {}
    for call in made.coverage.calls:
        if call.conserved is not None:
            shares.setdefault(call.name, []).append(call.conserved)
    assert set(shares) == {"conv2d", "linear", "matmul", "layer_norm", "gelu"}
    assert all(abs(share - 1) < 1e-10 for several in shares.values() for share in several)


def test_auto_says_which_rules_it_took():
    x = pictures(1)
    assert LRP().attribute(Attends(), x, 1).notes == ("Rules: attention.",)
    same = LRP("attention").attribute(Attends(), x, 1)
    assert torch.equal(LRP().attribute(Attends(), x, 1).values, same.values)
    assert same.notes == ()
    assert LRP().attribute(plain(Layers()), x, 1).notes == ("Rules: epsilon_plus_flat.",)


def test_a_product_is_halved_and_a_smooth_function_hands_on():
    class Gated(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return (F.silu(x[:, :1]) * F.tanh(x[:, 1:])).sum((2, 3))

    x = pictures(2) - 0.5
    made = LRP("epsilon").attribute(Gated(), x, 0).values
    half = F.silu(x[:, :1]) * F.tanh(x[:, 1:]) / 2
    torch.testing.assert_close(made, torch.cat([half, half], 1))


def test_where_a_function_is_zero_its_quotient_is_the_slope():
    model = nn.Sequential(nn.Flatten(), nn.Linear(2, 1, bias=False), nn.SiLU()).double()
    model[1].weight.data = torch.tensor([[1.0, -1.0]]).double()
    made = LRP("epsilon", epsilon=0.0).attribute(model, torch.ones(1, 2, 1, 1).double(), 0).values
    torch.testing.assert_close(made.flatten(), torch.tensor([0.5, -0.5]).double())


def test_an_operation_without_a_rule_is_named():
    class Odd(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return x.cumprod(2).flatten(1)

    made = LRP("epsilon").attribute(Odd(), pictures(1), 3)
    assert made.coverage is not None
    assert [call.name for call in made.coverage.gaps] == ["cumprod"]
    torch.testing.assert_close(made.values, InputXGradient().attribute(Odd(), pictures(1), 3).values)


def test_a_picture_that_cannot_be_followed_gets_no_rule_of_its_own():
    class Split(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.rest = plain(Layers())

        def forward(self, x: Tensor) -> Tensor:
            part, other = x.chunk(2, 1)
            return self.rest(x) + (part * other).mean((2, 3))

    x = pictures(2, size=6)
    made = LRP("epsilon_plus_flat").attribute(Split(), x, 1)
    assert made.notes == ("No layer that sees the picture itself was found: the flat rule was left out.",)
    torch.testing.assert_close(made.values, LRP("epsilon_plus").attribute(Split(), x, 1).values)


def test_a_way_around_the_first_layer_brings_its_relevance_too():
    class Around(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            with torch.random.fork_rng():
                torch.manual_seed(3)
                self.conv, self.last = nn.Conv2d(2, 2, 3, padding=1, bias=False), nn.Linear(32, 4, bias=False)
            self.double()

        def forward(self, x: Tensor) -> Tensor:
            return self.last((self.conv(x) + x).flatten(1))

    x = pictures(2) + 0.1
    made = LRP("epsilon_plus_flat", epsilon=0.0).attribute(Around(), x, 1)
    assert made.convergence_delta is not None
    assert made.convergence_delta.abs().max() < 1e-12
    weight = Around().last.weight[1].detach().reshape(2, 4, 4)
    alone = LRP("epsilon_plus_flat", epsilon=0.0).attribute(
        nn.Sequential(Around().conv, nn.Flatten(), Around().last), x, 1
    )
    torch.testing.assert_close(made.values, alone.values + weight * x)


@pytest.mark.parametrize("given", [-1.0, float("nan"), float("inf")])
@pytest.mark.parametrize("named", ["epsilon", "gamma"])
def test_wrong_parameters(given, named):
    with pytest.raises(MethodError, match=f"`{named}`"):
        LRP(**{named: given})
