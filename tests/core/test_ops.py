"""Another gradient for an operation, wherever and however a model calls it."""

import gc
import weakref

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils.parametrizations import weight_norm
from torch.overrides import _get_current_function_mode_stack

from saliscope.core.op_names import CHOICE, MOVES, opened, spelling
from saliscope.core.op_parts import PARTS
from saliscope.core.ops import Call, Rewriter, in_parts, own_gradient
from tests.core.helpers import changed, fingerprint, unchecked

TIGHT = {"rtol": 1e-11, "atol": 1e-12}


@pytest.fixture(autouse=True)
def no_draws_of_the_type_checker():
    # beartype looks at a random item of a sequence.
    with unchecked():
        yield


def values(*shape: int, seed: int = 0) -> Tensor:
    draw = torch.Generator().manual_seed(seed)
    return torch.randn(shape, generator=draw, dtype=torch.float64)


class Does(nn.Module):
    """A model of one function."""

    def __init__(self, function, *parts: nn.Module) -> None:
        super().__init__()
        self.function, self.parts = function, nn.ModuleList(parts)

    def forward(self, x: Tensor):
        return self.function(x, *self.parts)


def gradient(model, x: Tensor, rewriter: Rewriter | None = None) -> tuple[Tensor, Tensor]:
    """Output of a model, and the gradient of a fixed weighting of it."""
    leaf = x.clone().requires_grad_()
    if rewriter is None:
        output = model(leaf.clone())
    else:
        with rewriter.run():
            output = model(leaf.clone())
    (found,) = torch.autograd.grad((output * values(*output.shape, seed=7)).sum(), leaf)
    return output.detach(), found


def always(call: Call):
    return None if call.name in MOVES else own_gradient


def names(rewriter: Rewriter) -> list[str]:
    return [call.name for call in rewriter.coverage.calls if call.name != "clone"]


SPELLINGS = {
    "add": [lambda x: x + 1, lambda x: 1 + x, lambda x: torch.add(x, 1), lambda x: x.add_(1)],
    "sub": [lambda x: x - 1, lambda x: 1 - x, lambda x: torch.subtract(x, 1), lambda x: torch.rsub(x, 1)],
    "mul": [lambda x: x * 2, lambda x: torch.multiply(x, 2), lambda x: x.mul_(2)],
    "div": [lambda x: x / 2, lambda x: x.true_divide(2), lambda x: x.div_(2)],
    "rdiv": [lambda x: 2 / x],
    "neg": [lambda x: -x, torch.negative],
    "pow": [lambda x: x**2, lambda x: x.pow_(2)],
    "matmul": [lambda x: x @ x.mT, lambda x: torch.matmul(x, x.mT), lambda x: torch.bmm(x, x.mT)],
    "relu": [
        F.relu, torch.relu, nn.ReLU(), torch.relu_, lambda x: x.clamp(0), lambda x: x.clamp_(min=0),
        lambda x: x.clamp_min(0), lambda x: torch.maximum(torch.zeros(()), x), lambda x: F.threshold(x, 0, 0),
        lambda x: F.threshold(x, 0, 0, inplace=True), torch.ops.aten.relu, torch.ops.aten.relu.default,
    ],
    "relu6": [F.relu6, nn.ReLU6(inplace=True), lambda x: x.clamp(0, 6), lambda x: F.hardtanh(x, 0, 6)],
    "clamp": [lambda x: x.clamp(-1), lambda x: torch.clip(x, -1, 1), lambda x: x.clamp_min(0.5)],
    "hardtanh": [F.hardtanh],
    "sigmoid": [torch.sigmoid, F.sigmoid, torch.special.expit],
    "softmax": [lambda x: F.softmax(x, 1), lambda x: x.softmax(1), nn.Softmax(1)],
    "max_pool2d": [lambda x: F.max_pool2d(x[None], 2), nn.MaxPool2d(2)],
    "maximum": [lambda x: torch.maximum(x, x * 2), lambda x: torch.max(x, x * 2)],
    "max": [lambda x: x.max(1)[0], lambda x: torch.max(x)],
    "linear": [nn.Linear(4, 2), lambda x: F.linear(x, weight=torch.ones(2, 4).double())],
    CHOICE: [lambda x: x * (x > 0), lambda x: torch.where(x > 0, x, 0), lambda x: x * x.sign().clamp(0)],
    "cat": [lambda x: torch.cat([x, x]), lambda x: torch.concat([x, x])],
}  # fmt: skip


@pytest.mark.parametrize("name", SPELLINGS)
def test_a_name_for_every_spelling(name):
    for way in SPELLINGS[name]:
        rewriter = Rewriter(Does(way), {})
        gradient(Does(way).double(), values(2, 4, 4), rewriter)
        assert name in names(rewriter)


def everything(x: Tensor, attention: nn.Module, encoder: nn.Module, lstm_free: nn.Module) -> Tensor:
    """Functions, operators, in-place work on views, composites, outputs in tuples."""
    y = lstm_free(x)
    y += 1
    y[:, :1].mul_(2)
    y.relu_()
    z = y.view(2, 4, -1).clone()
    z[:, 1:3] = z[:, 1:3].sigmoid()
    z, _ = attention(z, z, z, need_weights=False)
    z = encoder(z)
    a, b = z.chunk(2, 1)
    top, _ = torch.cat([a * b, F.gelu(a)], 1).max(2)
    product = torch.addmm(a[0, :, :2], b[0], b[0].T)
    return torch.einsum("nk,nl->kl", top, top) + F.dropout(top, 0.5, False).mean() + product.sum()


@pytest.fixture
def made_of_everything():
    with torch.random.fork_rng():
        torch.manual_seed(3)
        parts = (
            nn.MultiheadAttention(16, 2, batch_first=True),
            nn.TransformerEncoderLayer(16, 2, 8, batch_first=True, norm_first=True),
            nn.Sequential(nn.Conv2d(3, 4, 1), nn.BatchNorm2d(4)),
        )
        return Does(everything, *parts).double().eval()


@pytest.mark.parametrize("rules", [{}, always, lambda call: in_parts], ids=["none", "all", "in parts"])
@pytest.mark.parametrize("measure", [False, True])
@pytest.mark.parametrize("merge", [False, True])
def test_with_the_own_gradient_as_a_rule_nothing_changes(made_of_everything, rules, measure, merge):
    model, x = made_of_everything, values(2, 3, 4, 4)
    expected = gradient(model, x)
    rewriter = Rewriter(model, rules, measure=measure, merge=merge)
    before = fingerprint(model)
    for _ in range(2):
        torch.testing.assert_close(gradient(model, x, rewriter), expected, **TIGHT)
    assert changed(before, fingerprint(model)) == []
    found = rewriter.coverage.calls
    assert {"conv2d", "batch_norm", "add", "relu", "max", "einsum"} <= {call.name for call in found}
    assert len(found) == len(Rewriter.coverage.fget(rewriter).calls) < 120  # both runs are one
    assert {"", "parts.0", "parts.1.linear1", "parts.2.1"} <= {call.layer for call in found}
    parts = {"layer_norm", "scaled_dot_product_attention", "addmm"}
    assert (parts & {call.name for call in found} == set()) == (rules not in ({}, always))


def test_rules_are_followed_also_in_parts_of_attention():
    model = nn.MultiheadAttention(4, 2, batch_first=True).double().eval()
    x = values(2, 3, 4)

    def rules(call: Call):
        zero = lambda call, output, gradient: [torch.zeros_like(t) for t in call.tensors]  # noqa: E731
        return (
            in_parts
            if call.name in PARTS and call.name != "softmax"
            else zero
            if call.name == "softmax"
            else None
        )

    rewriter = Rewriter(model, rules)
    wrapped = Does(lambda x, part: part(x, x, x, need_weights=False)[0], model)
    made = gradient(wrapped, x, rewriter)[1]
    fixed = Does(lambda x, part: part(x.detach(), x.detach(), x, need_weights=False)[0], model)
    torch.testing.assert_close(made, gradient(fixed, x)[1], **TIGHT)
    assert [call.name for call in rewriter.coverage.calls if call.rule] == ["softmax"]


@pytest.mark.parametrize(
    "mask",
    [
        {}, {"is_causal": True}, {"scale": 0.3}, {"enable_gqa": True}, {"attn_mask": values(3, 3)},
        {"attn_mask": torch.ones(3, 3).tril().bool()},
    ],
    ids=["plain", "causal", "scale", "groups", "added", "masked"],
)  # fmt: skip
def test_attention_in_parts(mask):
    def attend(x: Tensor) -> Tensor:
        few = x[:, :2] if "enable_gqa" in mask else x
        return F.scaled_dot_product_attention(x, few, few + 1, **mask)

    x = values(2, 4, 3, 5)
    made = gradient(Does(attend), x, Rewriter(Does(attend), lambda call: in_parts))
    torch.testing.assert_close(made, gradient(Does(attend), x), **TIGHT)


@pytest.mark.parametrize(
    "function",
    [
        lambda x: x.softmax(1), lambda x: F.log_softmax(x, -1, dtype=torch.float64),
        lambda x: F.layer_norm(x, (3, 4), values(3, 4, seed=1), values(3, 4, seed=2), 0.1),
        lambda x: F.group_norm(x, 2, values(4, seed=1), values(4, seed=2)),
        lambda x: F.rms_norm(x, (4,), values(4, seed=1)), lambda x: F.instance_norm(x),
        lambda x: F.instance_norm(x, values(4), values(4).exp(), use_input_stats=False),
        lambda x: torch.addmm(x[0, 0], x[0, 0], x[0, 1].T @ x[0, 1], beta=2, alpha=0.5),
        lambda x: torch.baddbmm(x[0], x[0], x[1].mT @ x[1]),
        lambda x: x[0, 0].addmm(x[0, 0], x[0, 1].T @ x[0, 1]),
    ],
)  # fmt: skip
def test_parts_make_up_the_whole(function):
    x, rewriter = values(2, 4, 3, 4), Rewriter(nn.Identity(), lambda call: in_parts)
    torch.testing.assert_close(gradient(function, x, rewriter), gradient(function, x), **TIGHT)
    assert not set(names(rewriter)) & set(PARTS)


def test_a_rule_sees_what_was_there_at_the_call():
    """Whatever is overwritten later, by the operation itself or by others, in a whole or in a view."""
    seen: list[tuple[str, Tensor, Tensor]] = []

    def look(call: Call, output: Tensor, gradient: Tensor):
        seen.append((call.name, call.tensors[0].clone(), output.clone()))
        return call.pull(gradient, *call.tensors)

    def work(x: Tensor) -> Tensor:
        y = x.exp()
        same = y
        y.relu_()
        y[0].mul_(3)
        z = y.sigmoid()
        y.zero_()
        assert same is y
        return z.add_(1)

    x = values(2, 3)
    output, _ = gradient(
        Does(work), x, Rewriter(Does(work), lambda call: None if call.name in MOVES else look)
    )
    held = {name: (given, made) for name, given, made in seen}
    exp = x.exp()
    scaled = exp * torch.tensor([[3.0], [1.0]])
    torch.testing.assert_close(held["exp"], (x, exp))
    torch.testing.assert_close(held["relu"], (exp, exp))
    torch.testing.assert_close(held["mul"], (exp[0], scaled[0]))
    torch.testing.assert_close(held["sigmoid"], (scaled, scaled.sigmoid()))
    torch.testing.assert_close(held["add"], (scaled.sigmoid(), output))


@pytest.mark.parametrize(
    "work",
    [
        lambda x: (y := x * 1).add_(y) * y,
        lambda x: torch.zeros(2, 3).double().add_(x).exp(),
        lambda x: ((y := x * 1), y[0].mul_(x[1]), y[:, :1].add_(x[:, 1:2]), y.t()[1:].sub_(2))[0] ** 2,
        lambda x: ((y := torch.ones(2, 3).double()), y[0].mul_(x[1].exp()), y.sin_())[2],
        lambda x: ((y := x * 1).__iadd__(1), y.sub_(0.5).clamp_(min=0))[1],
    ],
)
@pytest.mark.parametrize("measure", [False, True])
def test_work_in_place_keeps_its_gradient(work, measure):
    rewriter = Rewriter(Does(work), always, measure=measure)
    torch.testing.assert_close(gradient(work, values(2, 3), rewriter), gradient(work, values(2, 3)), **TIGHT)


def test_a_view_with_a_rule_may_not_be_written_to():
    for work in (lambda x: x.exp()[:1].mul_(2), lambda x: ((y := x.exp()), y[:1], y.mul_(2))[2]):
        rewriter = Rewriter(Does(work), lambda call: own_gradient)
        with pytest.raises(RuntimeError, match="a view that has a rule"):
            gradient(Does(work), values(2, 3), rewriter)


@pytest.mark.filterwarnings("ignore:.*torch.jit")
def test_overwritten_unheard_is_an_error_and_not_a_wrong_map():
    class Wipe(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return x.zero_()

    model = Does(lambda x, wipe: (y := x.sin(), y * 2, wipe(y.detach()))[1], torch.jit.script(Wipe()))
    with pytest.raises(RuntimeError, match="overwritten by code that cannot be heard"):
        gradient(model, values(2), Rewriter(model, always))


@pytest.mark.filterwarnings("ignore:.*torch.jit")
def test_what_cannot_be_heard_is_a_gap():
    class Own(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            return x * 2

        @staticmethod
        def backward(ctx, gradient):
            return gradient * 2

    script = torch.jit.script(nn.Sequential(nn.Linear(3, 3), nn.ReLU()).double())
    model = Does(lambda x, part: part(Own.apply(x) * 1), script)
    rewriter = Rewriter(model, {})
    gradient(model, values(2, 3), rewriter)
    assert [(gap.name, gap.layer) for gap in rewriter.coverage.gaps] == [
        ("TorchScript", "parts.0"),
        ("Own", ""),
    ]


def test_weights_do_not_flow_however_they_are_made():
    linear = weight_norm(nn.Linear(3, 3)).double()
    own = nn.Parameter(values(3, 3))
    flows = []

    def work(x: Tensor, linear: nn.Module) -> Tensor:
        x = linear(x) @ own.T * own.exp().sum() + own[0]
        with torch.no_grad():
            x.relu().sum()
        return F.linear(x, own.chunk(3)[0], torch.zeros(1).double())

    model = Does(work, linear)
    rewriter = Rewriter(model, lambda call: flows.append((call.name, call.flows)))
    gradient(model, values(2, 3), rewriter)
    assert flows[1:] == [
        ("linear", (True, False, False)), ("matmul", (True, False)), ("mul", (True, False)),
        ("add", (True, False)), ("linear", (True, False, False)),
    ]  # fmt: skip


@pytest.mark.parametrize("way", ["bias", "no bias", "linear", "transposed", "plain norm"])
def test_a_batch_norm_is_one_with_what_is_right_before_it(way):
    with torch.random.fork_rng():
        torch.manual_seed(2)
        first = {
            "bias": nn.Conv2d(3, 4, 3), "no bias": nn.Conv2d(3, 4, 3, bias=False), "linear": nn.Linear(3, 4),
            "transposed": nn.ConvTranspose2d(3, 4, 3, stride=2), "plain norm": nn.Conv2d(3, 4, 3, padding=1),
        }[way]  # fmt: skip
        norm = (nn.BatchNorm1d if way == "linear" else nn.BatchNorm2d)(4, affine=way != "plain norm")
        for tensor in (norm.running_mean, norm.running_var, *norm.parameters()):
            tensor.data.uniform_(-1, 1) if tensor is not norm.running_var else tensor.uniform_(0.5, 2)
    model = nn.Sequential(first, norm).double().eval()
    x = values(2, 3) if way == "linear" else values(2, 3, 5, 5)
    merged = []

    def rules(call: Call):
        def rule(call: Call, output: Tensor, gradient: Tensor):
            torch.testing.assert_close(call.run(*call.tensors), output, **TIGHT)
            merged.append(call.name)
            return own_gradient(call, output, gradient)

        return rule if call.name != "batch_norm" and call.name != "clone" else None

    rewriter = Rewriter(model, rules, merge=True)
    torch.testing.assert_close(gradient(model, x, rewriter), gradient(model, x), **TIGHT)
    assert len(merged) == 1
    assert rewriter.coverage.calls[-1].rule == f"rule, merged into {merged[0]}"


def test_between_the_two_nothing_may_have_happened():
    conv, norm = nn.Conv2d(3, 4, 3).double(), nn.BatchNorm2d(4).double().eval()
    for between in (lambda y: y.mul_(2), lambda y: y * 2):
        model = Does(lambda x, conv, norm, between=between: norm(between(conv(x))), conv, norm)
        rewriter = Rewriter(
            model, lambda call: None if call.name == "batch_norm" else own_gradient, merge=True
        )
        x = values(2, 3, 5, 5)
        torch.testing.assert_close(gradient(model, x, rewriter), gradient(model, x), **TIGHT)
        assert rewriter.coverage.calls[-1].rule is None


def test_conservation_is_measured_over_all_runs():
    model = Does(lambda x, part: torch.sigmoid(part(x)), nn.Linear(3, 2, bias=False).double())
    rewriter = Rewriter(model, {}, measure=True)
    x = values(4, 3)
    _, found = gradient(model, x, rewriter)
    linear = next(call for call in rewriter.coverage.calls if call.name == "linear")
    assert linear.conserved == pytest.approx(1)
    sigmoid = rewriter.coverage.calls[-1].conserved
    seed, z = values(4, 2, seed=7), model.parts[0](x).detach()
    assert sigmoid == pytest.approx(float((x * found).sum() / (z.sigmoid() * seed).sum()))
    gradient(model, x, rewriter)
    assert rewriter.coverage.calls[-1].conserved == pytest.approx(sigmoid)


def test_nothing_is_left_also_after_an_exception():
    def work(x: Tensor) -> Tensor:
        raise KeyboardInterrupt

    for model in (Does(work), Does(torch.relu)):
        before = fingerprint(model)
        rewriter = Rewriter(model, always)
        try:
            with rewriter.run():
                model(values(2).requires_grad_().clone())
        except KeyboardInterrupt:
            pass
        assert changed(before, fingerprint(model)) == []
        assert _get_current_function_mode_stack() == []


def test_the_graph_goes_when_its_output_goes():
    """No circle holds it: memory is free at once, without the garbage collector."""
    gc.collect()
    gc.disable()
    try:
        kept = []

        def rules(call: Call):
            kept.extend(weakref.ref(tensor.untyped_storage()) for tensor in call.tensors if call.flows[0])
            return own_gradient

        model = Does(lambda x: torch.max((x.exp() + 1).relu_().sigmoid(), 1)[0])
        rewriter = Rewriter(model, rules, merge=True)
        graphs = []
        with rewriter.run():
            output = model(values(5, 3).requires_grad_().clone())
        graphs.append(weakref.ref(output.grad_fn))
        node = weakref.ref(output.grad_fn.next_functions[0][0])
        del output
        assert graphs[0]() is None
        assert node() is None
    finally:
        gc.enable()


def test_torchs_own_functions_are_opened_and_not_changed():
    made = opened(F.relu)
    assert made is not F.relu
    assert F.relu.__globals__["has_torch_function_unary"] is not made.__globals__["has_torch_function_unary"]
    assert torch.equal(made(values(3)), F.relu(values(3)))
    assert spelling(Tensor.shape.__get__) is None
