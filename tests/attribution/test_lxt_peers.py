"""AttnLRP beside lxt: the same where its rules are called; where they are not, the matrices decide."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from saliscope.attribution import LRP
from tests.attribution.helpers import pictures, relative
from tests.attribution.lrp_models import Attends, by_matrices, numbers, rules_of, transformer
from tests.reference.lrp_matrix import Node, relevance

TINY = 1e-13
"""Their stabiliser has no sign: it must be too small to matter."""


@pytest.fixture(scope="module")
def lxt():
    return pytest.importorskip("lxt.explicit.functional")


class ByLxt(Attends):
    """The same network, every operation called by its rule: what flows back is relevance."""

    def __init__(self, lxt) -> None:
        super().__init__()
        self.rules = lxt

    def normed(self, layer: nn.LayerNorm, x: Tensor) -> Tensor:
        return self.rules.layer_norm_grad_fn.apply(x, layer.weight, layer.bias, layer.eps, TINY)

    def dense(self, layer: nn.Linear, x: Tensor) -> Tensor:
        return self.rules.linear_epsilon(x, layer.weight, layer.bias, TINY)

    def attended(self, x: Tensor) -> Tensor:
        own, rules = self.all, self.rules
        weights, biases = own.in_proj_weight.chunk(3), own.in_proj_bias.chunk(3)
        q, k, v = (rules.linear_epsilon(x, *pair, TINY) for pair in zip(weights, biases, strict=True))
        scores = rules.matmul(q, rules.mul2(k, torch.tensor(3**-0.5)).mT, epsilon=TINY)
        return self.dense(own.out_proj, rules.matmul(rules.softmax(scores, -1), v, epsilon=TINY))

    def forward(self, x: Tensor) -> Tensor:
        patches = F.unfold(x, 2, stride=2).mT
        x = self.rules.linear_epsilon(patches, self.embed.weight.flatten(1), self.embed.bias, TINY)
        x = self.rules.add2(x, self.attended(self.normed(self.first, x)), epsilon=TINY)
        hidden = self.dense(self.up, self.normed(self.second, x))
        from lxt.explicit.rules import identity

        x = self.rules.add2(x, self.dense(self.down, identity(F.gelu, hidden)), epsilon=TINY)
        return self.dense(self.last, self.rules.mean(x, 1, False, TINY))


def test_its_rules_say_the_same_of_a_transformer(lxt):
    x = 3 * pictures(1) - 1
    leaf = x.clone().requires_grad_()
    score = ByLxt(lxt)(leaf)[:, 2]
    (theirs,) = torch.autograd.grad(score, leaf, score.detach())
    made = LRP("epsilon", 0.0).attribute(Attends(), x, 2)
    empty = np.zeros(0)
    rules = [("epsilon", 0.0) if rule[0] == "epsilon" else rule for rule in rules_of("epsilon", *[empty] * 3)]
    exact = by_matrices(transformer(Attends(), rules), x[0], 2, made.score[0])
    assert relative(made.values[0], exact) < 1e-9
    assert relative(theirs[0], exact) < 1e-8


def test_its_softmax_is_wrong_over_any_dimension_but_the_last(lxt):
    """Proposition 3.1: ``R_i = x_i (R_i - s_i sum_j R_j)``, the sum over what the softmax goes over."""
    x, above = pictures(1)[0, 0] * 3 - 1, pictures(1, seed=8)[0, 1]

    def theirs(dim: int) -> Tensor:
        leaf = x.clone().requires_grad_()
        return torch.autograd.grad(lxt.softmax(leaf, dim), leaf, above)[0]

    def exact(dim: int) -> Tensor:
        return x * (above - x.softmax(dim) * above.sum(dim, keepdim=True))

    torch.testing.assert_close(theirs(1), exact(1))
    assert relative(theirs(0), exact(0)) > 0.1

    class Over(nn.Module):
        """What reaches the softmax's output is the relevance above."""

        def __init__(self, dim: int) -> None:
            super().__init__()
            self.dim = dim

        def forward(self, x: Tensor) -> Tensor:
            made = x[:, 0].softmax(self.dim + 1)
            return (made * (above / made.detach())).sum((1, 2))[:, None]

    for dim in (0, 1):
        made = LRP("epsilon").attribute(Over(dim), x[None, None], 0).values[0, 0]
        torch.testing.assert_close(made, exact(dim))


class Chain(nn.Module):
    """Linear, norm, GELU, linear: the two in the middle as modules or as functions."""

    def __init__(self, functions: bool = False) -> None:
        super().__init__()
        with torch.random.fork_rng():
            torch.manual_seed(7)
            self.first, self.norm, self.last = nn.Linear(32, 6), nn.LayerNorm(6), nn.Linear(6, 4)
        self.gelu, self.functions = nn.GELU(), functions
        self.double()

    def forward(self, x: Tensor) -> Tensor:
        x = self.first(x.flatten(1))
        if self.functions:
            x = F.gelu(F.layer_norm(x, [6], self.norm.weight, self.norm.bias))
        else:
            x = self.gelu(self.norm(x))
        return self.last(x)


@pytest.fixture
def patches(lxt, monkeypatch):
    """The part of `lxt.efficient` that patches: the whole imports models that new transformers lack."""
    package = ModuleType("lxt.efficient")
    package.__path__ = [str(Path(lxt.__file__).parents[1] / "efficient")]
    monkeypatch.setitem(sys.modules, "lxt.efficient", package)
    return import_module("lxt.efficient.patches")


@contextmanager
def patched(patches: ModuleType) -> Iterator[None]:
    """What it does to the classes of torch for a vision transformer, and undone again."""
    before = nn.LayerNorm.forward, nn.GELU.forward
    try:
        patches.patch_method(patches.layer_norm_forward, nn.LayerNorm)
        patches.patch_method(patches.non_linear_forward, nn.GELU, keep_original=True)
        yield
    finally:
        nn.LayerNorm.forward, nn.GELU.forward = before
        if hasattr(nn.GELU, "original_forward"):
            del nn.GELU.original_forward


def input_times_gradient(model: nn.Module, x: Tensor) -> Tensor:
    leaf = x.clone().requires_grad_()
    return torch.autograd.grad(model(leaf)[:, 1].sum(), leaf)[0] * x


def test_its_patches_of_classes_miss_functions_and_reach_models_that_nobody_gave_it(patches):
    model, x = Chain(), pictures(1)
    norm, dense = (
        model.norm,
        [(numbers(part.weight), numbers(part.bias)) for part in (model.first, model.last)],
    )
    nodes = [
        Node("input", ()),
        Node("affine", (0,), *dense[0], ("epsilon", 0.0)),
        Node("layer_norm", (1,), numbers(norm.weight), numbers(norm.bias), shape=(1, 6), keep={"eps": 1e-5}),
        Node("gelu", (2,)),
        Node("affine", (3,), *dense[1], ("epsilon", 0.0)),
    ]
    start = np.zeros(4)
    start[1] = float(model(x)[0, 1].detach())
    exact = torch.from_numpy(relevance(nodes, numbers(x[0]), start)[0].reshape(x.shape))
    method = LRP("epsilon", 0.0)
    untouched = input_times_gradient(Chain(), x)
    assert relative(untouched, exact) > 0.1
    with patched(patches):
        theirs = [input_times_gradient(Chain(functions), x) for functions in (False, True)]
    assert relative(theirs[0], exact) < 1e-8  # of a model made later, whose own backward pass is this now
    torch.testing.assert_close(theirs[1], untouched)  # the plain gradient, without a word
    for functions in (False, True):
        assert relative(method.attribute(Chain(functions), x, 1).values, exact) < 1e-10
    torch.testing.assert_close(input_times_gradient(Chain(), x), untouched)  # ours leaves nothing behind
