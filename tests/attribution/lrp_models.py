"""Networks for LRP: as models, and the same ones as matrices."""

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from tests.attribution.variants import Layers
from tests.reference.lrp_matrix import Node, conv_matrix, mean_matrix, relevance

COMPOSITES = [
    "epsilon_plus_flat",
    "epsilon_gamma_box",
    "epsilon_plus",
    "epsilon_alpha2_beta1",
    "epsilon",
    "attention",
]
EPSILON, GAMMA = 0.03, 0.4
"""Far from zero: a wrong place would show."""


def numbers(tensor: Tensor | None) -> np.ndarray:
    assert tensor is not None
    return tensor.detach().numpy()


def rules_of(composite: str, reach: np.ndarray, low: np.ndarray, high: np.ndarray) -> list[tuple]:
    """Rules of the matrix form for the first convolution, any other, and a dense layer."""
    epsilon, gamma, plus = ("epsilon", EPSILON), ("gamma", GAMMA), ("alpha_beta", 1, 0)
    return {
        "epsilon_plus_flat": [("flat", reach), plus, epsilon],
        "epsilon_gamma_box": [("box", low, high), gamma, epsilon],
        "epsilon_plus": [plus, plus, epsilon],
        "epsilon_alpha2_beta1": [("alpha_beta", 2, 1), ("alpha_beta", 2, 1), epsilon],
        "epsilon": [epsilon] * 3,
        "attention": [gamma, gamma, ("gamma", GAMMA / 5)],
    }[composite]


def residual_network(layers: Layers, rules: list[tuple], size: int = 6) -> list[Node]:
    """`plain(layers)` as matrices; batch norm is merged into the first convolution."""
    first, second = numbers(layers.first.weight), numbers(layers.second.weight)
    norm = layers.norm
    scale = numbers(norm.weight) / np.sqrt(numbers(norm.running_var) + norm.eps)
    shift = scale * (numbers(layers.first.bias) - numbers(norm.running_mean)) + numbers(norm.bias)
    matrix, shape = conv_matrix(first * scale[:, None, None, None], (2, size, size), padding=1)
    again, _ = conv_matrix(second, shape, padding=1)
    places = size * size
    return [
        Node("input", ()),
        Node("affine", (0,), matrix, np.repeat(shift, places), rules[0]),
        Node("relu", (1,)),
        Node("affine", (2,), again, np.repeat(numbers(layers.second.bias), places), rules[1]),
        Node("add", (3, 2)),
        Node("relu", (4,)),
        Node("affine", (5,), mean_matrix(6, places), np.zeros(6)),
        Node("affine", (6,), numbers(layers.last.weight), numbers(layers.last.bias), rules[2]),
    ]


def by_matrices(nodes: list[Node], x: Tensor, target: int, score: Tensor) -> Tensor:
    start = np.zeros(4)
    start[target] = float(score)
    return torch.from_numpy(relevance(nodes, numbers(x), start)[0].reshape(x.shape))


class Attends(nn.Module):
    """One head on four patches of a picture of 4 x 4; how attention and norm are written is open."""

    def __init__(self, attention: str = "fused", norm: str = "layer", biases: bool = True) -> None:
        super().__init__()
        self.attention, self.norm = attention, norm
        with torch.random.fork_rng():
            torch.manual_seed(5)
            self.embed = nn.Conv2d(2, 3, 2, 2, bias=biases)
            self.first, self.second = (nn.LayerNorm(3, bias=biases) for _ in range(2))
            self.all = nn.MultiheadAttention(3, 1, batch_first=True, bias=biases)
            self.up, self.down, self.last = (
                nn.Linear(3, 5, biases),
                nn.Linear(5, 3, biases),
                nn.Linear(3, 4, biases),
            )
            self.double()
            for name, weight in self.named_parameters():
                if "bias" in name or name.startswith(("first", "second")):
                    nn.init.normal_(weight, 0.5)

    def normed(self, layer: nn.LayerNorm, x: Tensor) -> Tensor:
        if self.norm == "layer":
            return layer(x)
        x = x - x.mean(-1, keepdim=True)
        spread = (x**2).mean(-1, keepdim=True) + layer.eps
        x = x * torch.rsqrt(spread) if self.norm == "times" else x / spread.sqrt()
        return x * layer.weight + layer.bias

    def attended(self, x: Tensor) -> Tensor:
        if self.attention == "module":
            return self.all(x, x, x, need_weights=False)[0]
        q, k, v = F.linear(x, self.all.in_proj_weight, self.all.in_proj_bias).chunk(3, -1)
        if self.attention == "fused":
            y = F.scaled_dot_product_attention(q, k, v)
        elif self.attention == "operators":
            y = ((q @ k.mT) * 3**-0.5).softmax(-1) @ v
        else:
            y = torch.einsum("nqk,nkc->nqc", torch.einsum("nqc,nkc->nqk", q / 3**0.5, k).softmax(-1), v)
        return self.all.out_proj(y)

    def forward(self, x: Tensor) -> Tensor:
        x = self.embed(x).flatten(2).mT
        x = x + self.attended(self.normed(self.first, x))
        x = x + self.down(F.gelu(self.up(self.normed(self.second, x))))
        return self.last(x.mean(1))


def transformer(model: Attends, rules: list[tuple]) -> list[Node]:
    """`Attends` as matrices, tokens one behind the other."""
    tokens, eye = 4, np.eye(4)
    conv, _ = conv_matrix(numbers(model.embed.weight), (2, 4, 4), stride=2)
    turn = (
        np.eye(12).reshape(3, 4, 12).transpose(1, 0, 2).reshape(12, 12)
    )  # (channel, token) to (token, channel)
    into = numbers(model.all.in_proj_weight).reshape(3, 3, 3)
    biases = numbers(model.all.in_proj_bias).reshape(3, 3)

    def dense(parent: int, weight: np.ndarray, bias: np.ndarray) -> Node:
        return Node("affine", (parent,), np.kron(eye, weight), np.tile(bias, tokens), rules[2])

    def layer(parent: int, norm: nn.LayerNorm) -> Node:
        return Node(
            "layer_norm",
            (parent,),
            numbers(norm.weight),
            numbers(norm.bias),
            shape=(4, 3),
            keep={"eps": 1e-5},
        )

    linear = [
        (numbers(part.weight), numbers(part.bias)) for part in (model.all.out_proj, model.up, model.down)
    ]
    return [
        Node("input", ()),
        Node("affine", (0,), conv, np.repeat(numbers(model.embed.bias), 4), rules[0]),
        Node("affine", (1,), turn, np.zeros(12)),
        layer(2, model.first),
        *(dense(3, into[k], biases[k]) for k in range(3)),  # 4, 5, 6
        Node("affine", (5,), turn.T * 3**-0.5, np.zeros(12)),
        Node("matmul", (4, 7), shape=(4, 3, 4)),
        Node("softmax", (8,), shape=(4, 4)),
        Node("matmul", (9, 6), shape=(4, 4, 3)),
        dense(10, *linear[0]),
        Node("add", (11, 2)),
        layer(12, model.second),
        dense(13, *linear[1]),
        Node("gelu", (14,)),
        dense(15, *linear[2]),
        Node("add", (16, 12)),
        Node("affine", (17,), mean_matrix(3, 4) @ turn.T, np.zeros(3)),
        Node("affine", (18,), numbers(model.last.weight), numbers(model.last.bias), rules[2]),
    ]
