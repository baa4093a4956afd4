"""One transformer, its attention written in many ways: all share the same layers, so all get the same map."""

import math
from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from saliscope.attribution import Method
from tests.attribution.helpers import NEEDS_ATTENTION
from tests.attribution.variants import N_CLASSES, WAYS, Classifier, Layers, plain

WIDTH, HEADS, MOST_TOKENS = 8, 2, 10


class TokenLayers:
    """Patches of 2 x 2 pixels behind a class token, and one pre-norm block that is applied twice."""

    def __init__(self, dtype: torch.dtype = torch.float64) -> None:
        with torch.random.fork_rng():
            torch.manual_seed(6)
            self.first = nn.Conv2d(2, WIDTH, 2, stride=2).to(dtype)
            self.prefix = nn.Parameter(torch.randn(1, 1, WIDTH).to(dtype))
            self.positions = nn.Parameter(torch.randn(1, MOST_TOKENS, WIDTH).to(dtype))
            self.before, self.norm, self.end = (nn.LayerNorm(WIDTH).to(dtype) for _ in range(3))
            self.heads = nn.MultiheadAttention(WIDTH, HEADS, dropout=0.1, batch_first=True).to(dtype)
            self.heads.in_proj_weight.data.mul_(3)
            self.grow, self.shrink = nn.Linear(WIDTH, 12).to(dtype), nn.Linear(12, WIDTH).to(dtype)
            self.last = nn.Linear(WIDTH, N_CLASSES).to(dtype)
        for value in vars(self).values():
            if isinstance(value, nn.Module):
                value.eval()


class MultiHead(nn.Module):
    """`torch.nn.MultiheadAttention`, as it is called."""

    def __init__(self, heads: nn.MultiheadAttention, batch_first: bool = True, **options: bool) -> None:
        super().__init__()
        self.heads, self.options = nn.MultiheadAttention(WIDTH, HEADS, 0.1, batch_first=batch_first), options
        self.heads.in_proj_weight, self.heads.in_proj_bias = heads.in_proj_weight, heads.in_proj_bias
        self.heads.out_proj = heads.out_proj
        self.heads.eval()

    def forward(self, x: Tensor) -> Tensor:
        x = x if self.heads.batch_first else x.transpose(0, 1)
        y = self.heads(x, x, x, **self.options)[0]
        return y if self.heads.batch_first else y.transpose(0, 1)


class Written(nn.Module):
    """Attention as a function of queries, keys and values (n, heads, tokens, width of a head)."""

    def __init__(
        self, heads: nn.MultiheadAttention, attend: Callable[[Tensor, Tensor, Tensor], Tensor]
    ) -> None:
        super().__init__()
        self.weight, self.bias, self.project = heads.in_proj_weight, heads.in_proj_bias, heads.out_proj
        self.attend = attend

    def forward(self, x: Tensor) -> Tensor:
        qkv = F.linear(x, self.weight, self.bias).unflatten(-1, (3, HEADS, -1)).permute(2, 0, 3, 1, 4)
        return self.project(self.attend(*qkv.unbind(0)).transpose(1, 2).flatten(2))


class TokenBlock(nn.Module):
    def __init__(self, layers: TokenLayers, attention: nn.Module) -> None:
        super().__init__()
        self.before, self.attention, self.norm = layers.before, attention, layers.norm
        self.mlp = nn.Sequential(layers.grow, nn.GELU(), layers.shrink)

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.attention(self.before(x))
        return x + self.mlp(self.norm(x))


class Tokens(nn.Module):
    """The class token behind two blocks, as a map of one place."""

    def __init__(self, layers: TokenLayers, blocks: nn.Module) -> None:
        super().__init__()
        self.first, self.prefix, self.positions = layers.first, layers.prefix, layers.positions
        self.blocks, self.norm = blocks, layers.end
        self.second = layers.shrink

    def forward(self, x: Tensor) -> Tensor:
        tokens = self.first(x).flatten(2).transpose(1, 2)
        tokens = torch.cat([self.prefix.expand(len(x), -1, -1), tokens], 1)
        tokens = self.blocks(tokens + self.positions[:, : tokens.shape[1]])
        return self.norm(tokens)[:, 0, :, None, None]


class OverwritesItsInput(Tokens):
    def forward(self, x: Tensor) -> Tensor:
        x.sub_(1).mul_(2).div_(2).add_(1)
        return super().forward(x)


def scores(q: Tensor, k: Tensor) -> Tensor:
    return q @ k.transpose(-2, -1) / math.sqrt(q.shape[-1])


def by_einsum(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    weights = torch.softmax(torch.einsum("nhqd,nhkd->nhqk", q, k) / math.sqrt(q.shape[-1]), dim=3)
    return torch.einsum("nhqk,nhkd->nhqd", weights, v)


def heads_beside_inputs(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    weights = F.softmax(scores(q, k).flatten(0, 1), dim=-1)
    return torch.bmm(F.dropout(weights, 0.1, training=False), v.flatten(0, 1)).unflatten(0, (-1, HEADS))


def in_place(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    weights = scores(q, k)
    weights -= 1
    weights = weights.softmax(-1).type_as(q)
    return weights.contiguous().matmul(v)


class ReusedSoftmax(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.softmax = nn.Softmax(dim=-1)

    def forward(self, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        return self.softmax(scores(q, k)) @ v


def _blocks(attention: Callable[[TokenLayers], nn.Module]) -> Callable[[TokenLayers], nn.Module]:
    def made(layers: TokenLayers) -> nn.Module:
        return nn.Sequential(*(TokenBlock(layers, attention(layers)) for _ in range(2)))

    return made


def _written(attend: Callable[[Tensor, Tensor, Tensor], Tensor]) -> Callable[[TokenLayers], nn.Module]:
    return _blocks(lambda layers: Written(layers.heads, attend))


def _multi_head(batch_first: bool = True, **options: bool) -> Callable[[TokenLayers], nn.Module]:
    return _blocks(lambda layers: MultiHead(layers.heads, batch_first, **options))


def _reused(layers: TokenLayers) -> nn.Module:
    block = TokenBlock(layers, MultiHead(layers.heads))
    return nn.Sequential(block, block)


def _encoder(layers: TokenLayers) -> nn.Module:
    options = {"activation": "gelu", "batch_first": True, "norm_first": True}
    block = nn.TransformerEncoderLayer(WIDTH, HEADS, 12, **options)
    block.self_attn, block.norm1, block.norm2 = layers.heads, layers.before, layers.norm
    block.linear1, block.linear2 = layers.grow, layers.shrink
    block.eval()
    return nn.Sequential(block, block)


BLOCKS: dict[str, Callable[[TokenLayers], nn.Module]] = {
    "multi_head_with_weights": _multi_head(),
    "multi_head_without": _multi_head(need_weights=False),
    "tokens_first": _multi_head(batch_first=False, need_weights=False),
    "encoder": _encoder,
    "reused": _reused,
    "fused": _written(F.scaled_dot_product_attention),
    "by_hand": _written(lambda q, k, v: scores(q, k).softmax(-1) @ v),
    "einsum": _written(by_einsum),
    "heads_beside_inputs": _written(heads_beside_inputs),
    "in_place": _written(in_place),
    "reused_softmax": _written(ReusedSoftmax()),
}


def transformer(layers: TokenLayers, way: str = "by_hand") -> nn.Module:
    return Classifier(Tokens(layers, BLOCKS[way](layers)), layers.last)


TOKEN_WAYS: dict[str, Callable[[TokenLayers], nn.Module]] = {
    **{way: lambda layers, way=way: transformer(layers, way) for way in BLOCKS},
    "works_on_its_input": lambda layers: Classifier(
        OverwritesItsInput(layers, BLOCKS["fused"](layers)), layers.last
    ),
}


def model_of(method: Method, dtype: torch.dtype = torch.float64) -> nn.Module:
    """The network on which a method is tested, in its plain form."""
    return transformer(TokenLayers(dtype)) if method.key in NEEDS_ATTENTION else plain(Layers(dtype))


def ways_of(method: Method) -> dict[str, Callable[[], nn.Module]]:
    """All other forms of that network."""
    if method.key in NEEDS_ATTENTION:
        return {way: lambda make=make: make(TokenLayers()) for way, make in TOKEN_WAYS.items()}
    return {way: lambda make=make: make(Layers()) for way, make in WAYS.items()}
