"""The rules of layer-wise relevance propagation, one operation at a time.

They are written with modified gradients: relevance is ``R = x * g`` at every tensor, ``g`` is the true
gradient at the model's output, and a rule turns the gradient at an operation's output into one at its inputs.
What is linear and has no weights of its own (sums, means, residual additions, concatenations, reshapes), what
picks a winner (max pooling) and ReLU share relevance in proportion to ``x * dz/dx`` and so need no rule.
Where nothing is divided, no stabiliser is needed.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from saliscope.core.op_names import LEARNED
from saliscope.core.ops import Call

Found = Sequence[Tensor | None]


@dataclass(frozen=True)
class Weighted:
    """A call that is affine in its one flowing tensor: ``z = W x + b``.

    Parameters
    ----------
    call : Call
        With its tensors.
    x, weight : int
        Which of the tensors they are.
    bias : int, optional
        The same; None where there is none.
    """

    call: Call
    x: int
    weight: int
    bias: int | None = None

    @classmethod
    def of(cls, call: Call) -> "Weighted | None":
        """The parts of a call; None if it is not affine in one tensor, with weights to look at."""
        if sum(call.flows) != 1:
            return None
        x, weight, bias = call.flows.index(True), call.place("weight"), call.place("bias")
        if call.name in PRODUCTS and len(call.flows) == 2:
            weight = 1 - x
        return None if weight is None or weight == x else cls(call, x, weight, bias)

    @property
    def values(self) -> tuple[Tensor, Tensor, Tensor | None]:
        """``x``, ``W`` and ``b``."""
        tensors = self.call.tensors
        return tensors[self.x], tensors[self.weight], None if self.bias is None else tensors[self.bias]

    def run(self, x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
        """The same operation with other values; without a bias if none is given."""
        tensors = list(self.call.tensors)
        tensors[self.x], tensors[self.weight] = x, weight
        if self.bias is not None:
            tensors[self.bias] = torch.zeros_like(tensors[self.bias]) if bias is None else bias
        return self.call.run(*tensors)

    def pull(self, gradient: Tensor, weight: Tensor) -> Tensor:
        """``W' gradient``."""
        call, x = self.call, self.values[0]
        if call.name == "linear":
            return gradient @ weight
        if call.name in CONVOLUTIONS and x.ndim == weight.ndim and not isinstance(call.raw("padding"), str):
            # Without the forward pass that autograd would need first.
            found = torch.ops.aten.convolution_backward(
                gradient,
                x,
                weight,
                None,
                *(self._sizes(name, one) for name, one in (("stride", 1), ("padding", 0), ("dilation", 1))),
                "transpose" in call.name,
                self._sizes("output_padding", 0),
                call.argument("groups", 1),
                [True, False, False],
            )
            return found[0]
        tensors = list(call.tensors)
        tensors[self.weight] = weight
        pulled = call.pull(gradient, *tensors)[self.x]
        assert pulled is not None
        return pulled

    def _sizes(self, name: str, default: int) -> list[int]:
        given = self.call.argument(name, default)
        return [given] * (self.values[1].ndim - 2) if isinstance(given, int) else list(given)

    def signed(self, x: Tensor, up: bool) -> Tensor:
        """Sum of the contributions ``w x`` and ``b`` that are positive; or of those that are negative."""
        _, weight, bias = self.values
        ends: dict[str, float] = {"min": 0.0} if up else {"max": 0.0}
        other: dict[str, float] = {"max": 0.0} if up else {"min": 0.0}
        total = self.run(x.clamp(min=0), weight.clamp(**ends), None if bias is None else bias.clamp(**ends))
        if bool((x < 0).any()):
            total = total + self.run(x.clamp(max=0), weight.clamp(**other))
        return total


CONVOLUTIONS = frozenset(name for name in LEARNED if name[-1] == "d")

PRODUCTS = frozenset({"matmul", "einsum"})
"""Sums of products of two tensors."""


def epsilon(parts: Weighted, output: Tensor, gradient: Tensor, epsilon: float) -> Tensor:
    """``R_i = sum_j x_i w_ij / (z_j + epsilon sign z_j) R_j`` (Bach et al. 2015)."""
    if epsilon:
        gradient = gradient * (output.abs() / (output.abs() + epsilon))
    return parts.pull(gradient, parts.values[1])


def gamma(parts: Weighted, output: Tensor, gradient: Tensor, gamma: float) -> Tensor:
    """Contributions that push an output the way it went count ``1 + gamma`` times (Montavon et al. 2019).

    ``R_i = sum_j x_i (w_ij + gamma w_ij^+) / (z_j + gamma z_j^+) R_j``, generalised to negative values.
    The favoured contributions sum to ``(z + sign(z) t) / 2``, where ``t`` is the sum of ``|x w|`` and
    ``|b|``: so one more sum, and one more on the way back, do for both signs.
    """
    x, weight, bias = parts.values
    size = parts.run(x.abs(), weight.abs(), None if bias is None else bias.abs())
    gradient = gradient * divided(output.abs(), (1 + gamma / 2) * output.abs() + gamma / 2 * size)
    favoured = parts.pull(gradient * output.sign(), weight.abs())
    return (1 + gamma / 2) * parts.pull(gradient, weight) + gamma / 2 * x.sign() * favoured


def alpha_beta(parts: Weighted, output: Tensor, gradient: Tensor, beta: float) -> Tensor:
    """``R_i = sum_j (alpha (x_i w_ij)^+ / z_j^+ - beta (x_i w_ij)^- / z_j^-) R_j``, alpha = 1 + beta.

    Bach et al. 2015. Beta zero is the z-plus rule.
    """
    relevance = output * gradient
    if beta == 0:
        return _pulled(parts, lambda up: (divided(relevance, up),), (True,))
    return _pulled(
        parts, lambda up, down: ((1 + beta) * divided(relevance, up), -beta * divided(relevance, down))
    )


def flat(parts: Weighted, output: Tensor, gradient: Tensor) -> Tensor:
    """Relevance itself, spread evenly over what an output sees (Lapuschkin et al. 2019, 1902.10178)."""
    x, weight, _ = parts.values
    ones = torch.ones_like(weight)
    return parts.pull(divided(output * gradient, parts.run(torch.ones_like(x), ones)), ones)


def box(parts: Weighted, output: Tensor, gradient: Tensor, low: Tensor, high: Tensor) -> Tensor:
    """Relevance itself, by the z-box rule for pixels from `low` to `high` (1512.02479).

    ``R_i = sum_j (x_i w_ij - low_i w_ij^+ - high_i w_ij^-) / (the same, summed over i) R_j``.
    """
    x, weight, _ = parts.values
    up, down = weight.clamp(min=0), weight.clamp(max=0)
    total = parts.run(x, weight) - parts.run(low, up) - parts.run(high, down)
    share = divided(output * gradient, total)
    return x * parts.pull(share, weight) - low * parts.pull(share, up) - high * parts.pull(share, down)


def _pulled(
    parts: Weighted, shares: Callable[..., tuple[Tensor, ...]], sides: Sequence[bool] = (True, False)
) -> Tensor:
    """Gradient at ``x``, given what the sums of positive and negative contributions are multiplied by."""
    with torch.enable_grad():
        point = parts.values[0].detach().requires_grad_()
        sums = [parts.signed(point, up) for up in sides]
        given = shares(*(total.detach() for total in sums))
        (found,) = torch.autograd.grad(sums, point, given)
    return found


def divided(relevance: Tensor, total: Tensor) -> Tensor:
    """Relevance per unit; none of it where there is nothing to share it."""
    return relevance / total.masked_fill(total == 0, torch.inf)


def passed(call: Call, output: Tensor, gradient: Tensor) -> Found:
    """A function of each value by itself, zero at zero, hands on what comes: ``g * y / x``."""
    x = call.tensors[call.flows.index(True)]
    zero = x == 0
    handed = gradient * output / x.masked_fill(zero, 1)
    if bool(zero.any()):  # the limit of y / x is the slope
        slope = next(own for own in call.pull(gradient, *call.tensors) if own is not None)
        handed = torch.where(zero, slope, handed)
    return [handed if flow else None for flow in call.flows]


def halves(call: Call, output: Tensor, gradient: Tensor) -> Found:
    """A product of several flowing tensors: an equal part to each (2402.05602, proposition 3.3)."""
    return [None if own is None else own / sum(call.flows) for own in call.pull(gradient, *call.tensors)]


def numerator(call: Call, output: Tensor, gradient: Tensor) -> Found:
    """A quotient: all to the numerator, as for a normalisation (2402.05602, proposition 3.4)."""
    return [gradient / call.tensors[1], None]


def one_factor(call: Call, output: Tensor, gradient: Tensor, place: int) -> Found:
    """A product with what only normalises: all to the other one."""
    return [gradient * call.tensors[1 - place] if k == place else None for k in (0, 1)]


def nothing(call: Call, output: Tensor, gradient: Tensor) -> Found:
    """What only normalises gets no relevance."""
    return [None] * len(call.tensors)


def attention(call: Call, output: Tensor, gradient: Tensor) -> Found:
    """``softmax(q k') v``: half to each factor of a product, and the softmax's own gradient (2402.05602).

    ``R_i = x_i (R_i - s_i sum_j R_j)`` of proposition 3.1 is input times gradient of the softmax.
    """
    places = [call.place(name) for name in ("query", "key", "value")]
    query, key, value = (place is not None and call.flows[place] for place in places)
    weights = 0.5 if value else 1.0
    own = list(call.pull(gradient, *call.tensors))
    factors = (weights * (0.5 if key else 1), weights * (0.5 if query else 1), 0.5 if query or key else 1.0)
    for place, factor in zip(places, factors, strict=True):
        if place is not None and own[place] is not None:
            own[place] = own[place] * factor  # type: ignore[operator]
    return own


def normalised(call: Call, output: Tensor, gradient: Tensor) -> Found:
    """A normalisation: dividing by the spread hands on what comes (2402.05602, prop. 3.4)."""
    place = call.place("input")
    assert place is not None
    x, weight = call.tensors[place], call.argument("weight")
    if call.name in ("layer_norm", "rms_norm"):
        scaled = gradient if weight is None else gradient * weight
        dims = tuple(range(-len(call.argument("normalized_shape")), 0))
    else:
        groups = call.argument("num_groups", x.shape[1])
        scaled = gradient if weight is None else gradient * weight.reshape(-1, *[1] * (x.ndim - 2))
        x, scaled, dims = (*(t.reshape(len(t), groups, -1) for t in (x, scaled)), (-1,))
    centred = call.name != "rms_norm"
    eps = call.argument("eps", 1e-5)
    eps = torch.finfo(x.dtype).eps if eps is None else eps
    spread = (x - x.mean(dims, keepdim=True) if centred else x).square().mean(dims, keepdim=True)
    found = (scaled - scaled.mean(dims, keepdim=True) if centred else scaled) * (spread + eps).rsqrt()
    return [
        found.reshape(call.tensors[place].shape) if k == place else None for k in range(len(call.tensors))
    ]
