"""Weights of attention are found however they are computed, and the model answers as before."""

from functools import cache

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from saliscope.core.attention import attending
from tests.attribution.helpers import pictures, relative
from tests.attribution.token_variants import BLOCKS, TokenBlock, TokenLayers, Tokens, Written, transformer
from tests.attribution.variants import Classifier
from tests.reference.transformer import SlowTransformer

X = pictures(3, size=6)


class Calls(nn.Module):
    """A model that is one function."""

    def __init__(self, function) -> None:
        super().__init__()
        self.function = function

    def forward(self, *inputs: Tensor) -> Tensor:
        return self.function(*inputs)


def draw(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


@pytest.mark.parametrize("way", BLOCKS)
def test_the_weights_are_those_by_hand_and_the_output_stays(way):
    layers = TokenLayers()
    model = transformer(layers, way)
    with torch.no_grad():
        plain = model(X)
        with attending(model) as calls:
            watched = model(X)
        assert relative(watched, plain) < 1e-12
    assert len(calls) == 2
    for call in calls:
        assert call.layer.startswith("features.blocks.")
    for i, one in enumerate(X.numpy()):
        logits, weights = SlowTransformer(layers).run(one)
        np.testing.assert_allclose(logits, watched[i].numpy(), atol=1e-12)
        for call, block in zip(calls, weights, strict=True):
            by_head = call.by_head(len(X))
            assert by_head is not None
            np.testing.assert_allclose(by_head[i].numpy(), block, atol=1e-12)


@cache
def slopes(i: int) -> np.ndarray:
    return SlowTransformer(TokenLayers()).slopes(X[i, :, :4, :4].numpy(), 1)


@pytest.mark.parametrize("way", BLOCKS)
def test_the_gradient_there_is_what_differences_say(way):
    model, x = transformer(TokenLayers(), way), X[:2, :, :4, :4]
    with attending(model) as calls:
        score = model(x.clone().requires_grad_())[:, 1].sum()
    made = torch.autograd.grad(score, [call.weights for call in calls])
    for i in range(2):
        for call, gradient, slope in zip(calls, made, slopes(i), strict=True):
            by_head = call.by_head(2, gradient)
            assert by_head is not None
            np.testing.assert_allclose(by_head[i].numpy(), slope, atol=1e-8)


MASKS = {
    "none": {},
    "scale": {"scale": 0.3},
    "causal": {"is_causal": True},
    "boolean": {"attn_mask": draw(5, 5) > 0},
    "added": {"attn_mask": draw(5, 5)},
    "blind": {"attn_mask": torch.tensor([True, True, False, True, True])[:, None].expand(5, 5)},
    "blind_added": {"attn_mask": torch.zeros(5, 5).double().index_fill(0, torch.tensor(2), -torch.inf)},
    "grouped": {"enable_gqa": True},
}


@pytest.mark.parametrize("options", MASKS.values(), ids=MASKS)
def test_fused_attention_with_all_that_it_takes(options):
    q, k, v = draw(2, 4, 5, 3), draw(2, 4, 5, 3, seed=1), draw(2, 4, 5, 3, seed=2)
    if "enable_gqa" in options:
        k, v = k[:, :2], v[:, :2]
    expected = F.scaled_dot_product_attention(q, k, v, **options)
    model = Calls(lambda q, k, v: F.scaled_dot_product_attention(q, k, v, **options))
    q.requires_grad_()
    with attending(model) as calls:
        made = model(q, k, v)
    assert relative(made.detach(), expected) < 1e-14
    (call,) = calls
    assert call.layer == ""
    gradient, slope = torch.autograd.grad(made.square().sum(), [q, call.weights])
    assert gradient.isfinite().all()
    assert slope.isfinite().all()
    if "grouped" not in options and "attn_mask" not in options:
        torch.testing.assert_close(call.weights.sum(-1), torch.ones(2, 4, 5).double())


def test_half_precision_is_as_good_as_that_of_torch():
    q, k, v = (draw(2, 4, 50, 8, seed=i).bfloat16() for i in range(3))
    exact = F.scaled_dot_product_attention(q.double(), k.double(), v.double())
    model = Calls(F.scaled_dot_product_attention)
    with attending(model):
        made = model(q, k, v)
    assert made.dtype == torch.bfloat16
    assert relative(made, exact) < 1.2 * relative(F.scaled_dot_product_attention(q, k, v), exact)


@pytest.mark.parametrize(
    "function",
    [
        lambda x: x.softmax(1) @ x,
        lambda x: x.softmax(-1) * x,
        lambda x: x.softmax(-1),
        lambda x: (x @ x).softmax(-1).sum(-1, keepdim=True) @ x[:, :1],
        lambda x: x[0].softmax(-1) @ x,
    ],
    ids=["another dimension", "a gate", "no product", "its sum", "no batch"],
)
def test_a_softmax_that_is_no_attention(function):
    model = Calls(function)
    with attending(model) as calls:
        model(draw(2, 4, 4))
    assert calls == []


def test_weights_are_followed_through_what_is_done_to_them():
    model = Calls(lambda x: torch.bmm(F.dropout(x.softmax(-1).float().double(), 0.5, False).clone(), x))
    with attending(model) as calls:
        model(draw(2, 4, 4))
    assert len(calls) == 1
    assert torch.equal(calls[0].weights, draw(2, 4, 4).softmax(-1))


@pytest.mark.parametrize(
    ("shape", "n", "expected"),
    [
        ((6, 5, 5), 2, (2, 3, 5, 5)),
        ((6, 5, 5), 4, None),
        ((2, 3, 5, 5), 2, (2, 3, 5, 5)),
        ((8, 3, 5, 5), 2, None),
    ],
)
def test_heads(shape, n, expected):
    model = Calls(lambda x: x.softmax(-1) @ x)
    with attending(model) as calls:
        model(draw(*shape))
    by_head = calls[0].by_head(n)
    assert (None if by_head is None else tuple(by_head.shape)) == expected


def test_nothing_stays_behind_after_an_exception():
    layers = TokenLayers()

    def fails(q, k, v):
        raise ValueError("broken")

    model = Classifier(
        Tokens(layers, nn.Sequential(TokenBlock(layers, Written(layers.heads, fails)))), layers.last
    )
    with pytest.raises(ValueError, match="broken"), attending(model):
        model(X)
    assert not any(part._forward_hooks or part._forward_pre_hooks for part in model.modules())
    x = draw(2, 4, 4)
    with attending(model) as calls:
        pass
    _ = x.softmax(-1) @ x
    assert calls == []


def test_a_block_that_fails_and_is_caught_leaves_no_wrong_name():
    class Tries(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.bad, self.good = Calls(lambda x: x[99]), Calls(lambda x: x.softmax(-1) @ x)
            self.inner = nn.Sequential(self.bad)

        def forward(self, x: Tensor) -> Tensor:
            try:
                return self.inner(x)
            except IndexError:
                return self.good(x)

    model = nn.Sequential(Tries(), Calls(lambda x: x.softmax(-1) @ x))
    with attending(model) as calls:
        model(draw(2, 4, 4))
    assert [call.layer for call in calls] == ["0.good", "1"]
