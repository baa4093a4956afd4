"""What the rules cannot see is said: activations spelled out, functions of the user's own, checkpoints."""

import math
import re

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from saliscope import ModelError
from saliscope.attribution import (
    LRP,
    Deconvnet,
    DeepLift,
    ExcitationBackprop,
    GuidedBackprop,
    Saliency,
)
from saliscope.core.op_names import ACTIVATION
from tests.attribution.helpers import pictures, relative

RULES = [GuidedBackprop(), Deconvnet(), ExcitationBackprop(), DeepLift(0.0), LRP("epsilon", 0.0)]

TIGHT = {"rtol": 1e-10, "atol": 1e-13}


class Dense(nn.Module):
    """Two dense layers without biases, and an activation between them."""

    def __init__(self, activation, output=lambda x: x) -> None:
        super().__init__()
        with torch.random.fork_rng():
            torch.manual_seed(4)
            self.first, self.last = nn.Linear(32, 6, bias=False), nn.Linear(6, 3, bias=False)
        self.activation, self.output = activation, output
        self.double()

    def forward(self, x: Tensor) -> Tensor:
        return self.output(self.last(self.activation(self.first(x.flatten(1)))))


SPELLED_OUT = {
    "gelu": (F.gelu, lambda x: x * 0.5 * (1 + torch.erf(x / math.sqrt(2)))),
    "gelu, the half last": (F.gelu, lambda x: (torch.erf(x / 2**0.5) + 1) * x / 2),
    "gelu by tanh": (
        lambda x: F.gelu(x, approximate="tanh"),
        lambda x: 0.5 * x * (1 + torch.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * torch.pow(x, 3)))),
    ),
    "silu": (F.silu, lambda x: x * torch.sigmoid(x)),
    "silu by a quotient": (F.silu, lambda x: x / (1 + torch.exp(-x))),
    "silu in place": (F.silu, lambda x: x * x.clone().sigmoid_()),
    "mish": (F.mish, lambda x: torch.tanh(F.softplus(x)) * x),
    "hardswish": (F.hardswish, lambda x: x * F.relu6(x + 3) / 6),
}


@pytest.mark.parametrize("name", SPELLED_OUT)
def test_an_activation_spelled_out_has_the_map_of_the_function(name):
    """Every rule shares by what goes in and what comes out, and that is the same."""
    function, spelled = SPELLED_OUT[name]
    x = pictures(2)
    for method in (ExcitationBackprop(), DeepLift(0.0), LRP("epsilon"), LRP("epsilon_plus")):
        made, expected = (method.attribute(Dense(way), x, 1) for way in (spelled, function))
        torch.testing.assert_close(made.values, expected.values, **TIGHT)
        assert made.coverage.gaps == ()


@pytest.mark.parametrize("name", SPELLED_OUT)
def test_it_is_a_gap_for_methods_that_know_rectifiers_only(name):
    for method in (GuidedBackprop(), Deconvnet()):
        made = method.attribute(Dense(SPELLED_OUT[name][1]), pictures(1), 1)
        assert made.coverage.gaps[-1].name == ACTIVATION
        assert str(made.coverage).endswith(ACTIVATION)


def test_hooks_of_the_user_hide_nothing_of_it():
    sigmoid, x = nn.Sigmoid(), pictures(1)
    sigmoid.register_full_backward_hook(lambda *_: None)
    sigmoid.register_forward_hook(lambda _module, _inputs, output: output.clone())
    model = Dense(lambda x: x * sigmoid(x))
    model.gate = sigmoid
    made, expected = (LRP("epsilon").attribute(one, x, 1).values for one in (model, Dense(F.silu)))
    torch.testing.assert_close(made, expected, **TIGHT)


def test_lrp_and_deep_lift_of_it_by_hand():
    model, x = Dense(SPELLED_OUT["gelu"][1]), pictures(1)
    first, last = model.first.weight.detach(), model.last.weight[1].detach()
    z = first @ x.flatten()
    relevance = F.gelu(z) * last  # of the sum; the activation hands it on as it comes
    lrp = (first * x.flatten() / z[:, None] * relevance[:, None]).sum(0)
    torch.testing.assert_close(LRP("epsilon", 0.0).attribute(model, x, 1).values.flatten(), lrp, **TIGHT)
    start = 0.3 * torch.ones_like(x)
    then = first @ start.flatten()
    multiplier = (F.gelu(z) - F.gelu(then)) / (z - then) * last
    lifted = (first * multiplier[:, None]).sum(0) * (x - start).flatten()
    made = DeepLift(start).attribute(model, x, 1).values.flatten()
    torch.testing.assert_close(made, lifted, **TIGHT)


@pytest.mark.parametrize(
    "gate",
    [
        lambda x: x * x,
        lambda x: x * torch.sigmoid(x.flip(1)),
        lambda x: x[:, :3].repeat(1, 2) * torch.sigmoid(x),
        lambda x: torch.sigmoid(x) * torch.tanh(x),
        lambda x: x.chunk(2, 1)[0].repeat(1, 2) * torch.sigmoid(x.chunk(2, 1)[1]).repeat(1, 2),
        lambda x: x * torch.sigmoid(x.mean(1, keepdim=True)),
    ],
)
def test_a_product_with_something_else_is_no_activation(gate):
    made = LRP("epsilon").attribute(Dense(gate), pictures(1), 1).coverage
    assert [call.rule for call in made.calls if call.name == "mul"] == ["halves"]


class Own(torch.autograd.Function):
    """A rectifier that nobody can listen to."""

    @staticmethod
    def forward(ctx, x: Tensor) -> Tensor:
        ctx.save_for_backward(x)
        return x.clamp(min=0)

    @staticmethod
    def backward(ctx, gradient: Tensor) -> Tensor:
        return gradient * (ctx.saved_tensors[0] > 0)


@pytest.mark.parametrize("method", RULES, ids=lambda method: method.key)
@pytest.mark.parametrize("place", ["in the middle", "the output", "the output in a dict"])
def test_a_function_of_the_users_own_is_a_gap_wherever_it_is(method, place):
    output = {"the output": Own.apply, "the output in a dict": lambda x: {"logits": Own.apply(x + 1)}}
    model = Dense(Own.apply if place == "in the middle" else F.relu, output.get(place, lambda x: x))
    made = method.attribute(model, pictures(1), 1)
    assert [call.name for call in made.coverage.gaps] == ["Own"]


@pytest.mark.parametrize("method", RULES, ids=lambda method: method.key)
@pytest.mark.parametrize("reentrant", [True, False])
@pytest.mark.filterwarnings("ignore:None of the inputs have requires_grad")
def test_checkpoints_give_the_right_map_or_an_error_that_names_them(method, reentrant):
    x = pictures(1)
    model = Dense(lambda x: checkpoint(lambda z: F.relu(F.tanh(z)), x, use_reentrant=reentrant))
    try:
        made = method.attribute(model, x, 1)
    except ModelError as error:
        assert re.search("^`model`: got .*activation checkpoint.*Switch it off", str(error))  # noqa: PT017
    else:
        expected = method.attribute(Dense(lambda x: F.relu(F.tanh(x))), x, 1)
        assert relative(made.values, expected.values) < 1e-12


def test_the_plain_gradient_goes_through_checkpoints_that_can_be_run_again():
    x = pictures(1)
    model = Dense(lambda x: checkpoint(F.relu, x, use_reentrant=False))
    made, expected = (Saliency().attribute(one, x, 1).values for one in (model, Dense(F.relu)))
    torch.testing.assert_close(made, expected, **TIGHT)
