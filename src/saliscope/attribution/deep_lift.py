"""DeepLIFT: each operation's change between baseline and input is shared among its inputs."""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, ClassVar

import torch
from torch import Tensor

from saliscope.attribution.base import Attribution, Question
from saliscope.attribution.cards import rules as cards
from saliscope.attribution.layered import Layered
from saliscope.attribution.ruled import filled
from saliscope.core.anytime import Step
from saliscope.core.baselines import Baseline, Black, as_baselines
from saliscope.core.borrow import untouched
from saliscope.core.coverage import Coverage
from saliscope.core.device import exact
from saliscope.core.op_names import ACTIVATION, AVERAGES, ELEMENTWISE, LEARNED, MOVES, POOLS
from saliscope.core.op_parts import PARTS
from saliscope.core.ops import Call, Node, Rewriter, Rule, in_parts
from saliscope.errors import ModelError
from saliscope.specs.saliency import Card

Gradients = list[Tensor | None]

_FUNCTIONS = ELEMENTWISE | {ACTIVATION, "mul", "div", "rdiv", "pow", "rpow", "maximum", "minimum"}
_BILINEAR = LEARNED | {"matmul", "einsum", "bilinear"}
_AFFINE = MOVES | AVERAGES | {"add", "sub", "neg", "upsample_bicubic2d"}


@dataclass(frozen=True)
class DeepLift(Layered):
    """DeepLIFT with the rescale rule (Shrikumar et al. 2017, arXiv 1704.02685).

    Chain rule of multipliers: at a nonlinearity ``m = (f(x) - f(x')) / (x - x')`` in the place of the
    gradient, from activations at the input and at the baseline; the values are ``m (x - x')`` and sum to
    ``F(x) - F(x')``.

    Affine operations keep their gradient, which is their multiplier. An elementwise function of two
    tensors, such as a product or a maximum, is shared by Shapley's formula for two, a matrix product of
    two by the mean of the other factor: both complete. A quotient ``q`` is shared as the factor that it
    is of ``a = q b``: by ``1 / mean(b)`` to the dividend and ``-mean(q) / mean(b)`` to the divisor, which
    stays bounded where the divisor almost vanishes at one of the two, as in a norm of what does not vary.
    The change of the largest of many is credited to the input's winner where it rose, to the baseline's
    where it fell. Softmax, attention and the norms are taken apart into such operations. The way from the
    model's output to the score is part of it.

    Parameters
    ----------
    baseline : Baseline, str, float, Tensor, or a tuple of them
        What the input is compared with. Several are averaged, and each result is kept.
    layer : str, optional
        Name of a layer whose units' changes are explained: see `Layered`. They sum to ``F(x) - F(x')`` where
        nothing reaches the score but through the layer.
    """

    key: ClassVar[str] = "deep_lift"
    title: ClassVar[str] = "DeepLIFT"
    summary: ClassVar[str] = (
        "How much each pixel's difference from the baseline contributed, traced through every activation."
    )
    unit: ClassVar[str] = "score"
    card: ClassVar[Card] = cards.DEEP_LIFT
    family: ClassVar[str] = "Rules"

    baseline: Any = field(default_factory=Black)
    layer: str | None = None

    def __post_init__(self) -> None:
        as_baselines(self.baseline)

    @property
    def baselines(self) -> tuple[Baseline, ...]:
        """The baselines, always as a tuple."""
        return as_baselines(self.baseline)

    def _steps(self, question: Question) -> Iterator[Step[Attribution]]:
        whole, n_inputs = question.whole, len(question)
        starts = torch.stack([b.make(whole.borrowed, whole.inputs) for b in self.baselines])
        points, total = starts.flatten(0, 1), len(starts) * n_inputs
        rewriter = Rewriter(whole.borrowed.module, {}, _is_a_gap, layer=question.part)
        parts: list[tuple[Tensor, Tensor]] = []

        def work(start: int, stop: int) -> tuple[Tensor, Tensor]:
            # One baseline after the other, all inputs side by side.
            rows = torch.arange(start, stop) % n_inputs
            return _contributions(question, rewriter, points[start:stop], rows)

        for _, stop, part in whole.chunked(work, total):
            parts.append(part)
            answer = partial(self._answer, question, len(starts), tuple(parts), rewriter.coverage)
            yield Step(answer, stop, total)

    def _answer(
        self, question: Question, n: int, parts: tuple[tuple[Tensor, Tensor], ...], coverage: Coverage
    ) -> Attribution:
        total = n * len(question)
        done = sum(len(part) for part, _ in parts)
        values, changes = (filled(part, total).unflatten(0, (n, -1)) for part in zip(*parts, strict=True))
        if done < total:
            # Until the first baseline is through, its rows that are still to come are zero.
            counts = (torch.arange(total) < done).reshape(n, -1).sum(0).clamp_min(1).to(values)
            mean = values.sum(0) / counts.reshape(-1, *[1] * (values.ndim - 2))
            return question.answer(self, mean, coverage=coverage, complete=False)
        deltas = exact(values).flatten(2).sum(2) - exact(changes)
        each = tuple(
            question.answer(
                replace(self, baseline=baseline), value, convergence_delta=delta, coverage=coverage
            )
            for baseline, value, delta in zip(self.baselines, values, deltas, strict=True)
        )
        if n == 1:
            return each[0]
        return question.answer(
            self, values.mean(0), convergence_delta=deltas.mean(0), coverage=coverage, per_baseline=each
        )


def _contributions(
    question: Question, rewriter: Rewriter, baselines: Tensor, rows: Tensor
) -> tuple[Tensor, Tensor]:
    """Contributions of each row's pixels, and the change of its score from baseline to input."""
    target = question.target.rows(rows)
    # A run of its own, not a larger batch: where the rows are in a tensor is the model's affair.
    reference = Rewriter(question.borrowed.module, _multiplier)
    with untouched(question.borrowed.module), reference.run() as nodes:
        outputs = question.borrowed(baselines.clone().requires_grad_().clone())
        before = target.score(outputs).detach()
        del outputs
    pairs = _Pairs(nodes)
    score, inputs, multiplier = question.row_gradients(rows, partial(rewriter.run, pairs), to_score=True)
    pairs.check()
    return multiplier * (inputs - question.lifted(baselines)), score - before


class _Pairs:
    """The rules of one run of the model, each with what its call was given and made at the baselines."""

    def __init__(self, nodes: list[Node]) -> None:
        self._nodes, self._rest, self._apart = nodes, iter(nodes), False

    def __call__(self, call: Call) -> Rule | None:
        rule = _multiplier(call)
        if rule is None or rule is in_parts:
            return rule
        other = next(self._rest, None)
        shapes = [tensor.shape for tensor in call.tensors]
        if other is None or (other.call.name, [t.shape for t in other.call.tensors]) != (call.name, shapes):
            self._apart = True
            return None
        return partial(rule, other)

    def check(self) -> None:
        """Raise `ModelError` unless the two runs were alike."""
        if self._apart or next(self._rest, None) is not None:
            raise ModelError(
                "model",
                "one that calls other operations for the input than for the baseline",
                "the same operations for both, to compare them one by one",
                "Integrated Gradients makes no such demand.",
            )


def _multiplier(call: Call) -> Any:
    """What gives the multipliers of a call; None where its gradient is right, or nothing is known."""
    n, name = sum(call.flows), call.name
    if name in PARTS:
        return in_parts
    if name in POOLS:
        return by_winner if n == 1 else None
    if name == "logsumexp":
        return by_sum_of_powers
    if name in _BILINEAR:
        return by_mean if n > 1 and (name != "einsum" or n == 2) else None
    if name == "div" and n == 2:
        return by_factor
    if name in _FUNCTIONS and n <= 2 and not _is_affine(call):
        return by_change
    return None


def _is_affine(call: Call) -> bool:
    alone = sum(call.flows) == 1
    if call.name == "batch_norm":
        return not call.argument("training", False)
    if call.name in _BILINEAR | {"mul"}:
        return alone
    return call.name in _AFFINE or (call.name == "div" and alone and call.flows[0])


def _is_a_gap(call: Call) -> bool:
    return not _is_affine(call)


def by_change(other: Node, call: Call, output: Tensor, gradient: Tensor) -> Gradients:
    """Elementwise: change of the output over change of the input; of two inputs, the mean of both orders."""
    now, then = call.tensors, other.call.tensors
    if sum(call.flows) == 1:
        shares = [output - other.output if flow else None for flow in call.flows]
    else:
        a, b = (k for k, flow in enumerate(call.flows) if flow)
        mixed = list(then), list(then)
        mixed[0][a], mixed[1][b] = now[a], now[b]
        first, second = (call.run(*tensors) for tensors in mixed)
        shares: list[Any] = [None] * len(now)
        shares[a] = ((first - other.output) + (output - second)) / 2
        shares[b] = ((second - other.output) + (output - first)) / 2
    return _over_change(call, now, then, shares, gradient)


def _over_change(
    call: Call, now: tuple[Tensor, ...], then: tuple[Tensor, ...], shares: list[Any], gradient: Tensor
) -> Gradients:
    found: Gradients = []
    slopes: Any = None
    for k, share in enumerate(shares):
        if share is None:
            found.append(None)
            continue
        large = _is_large(now[k], then[k])
        made = (share * gradient).sum_to_size(large.shape) / (now[k] - then[k])
        if not bool(large.all()):
            slopes = call.pull(gradient, *_middle(now, then)) if slopes is None else slopes
            made = torch.where(large, made, slopes[k])
        found.append(made)
    return found


def _is_large(now: Tensor, then: Tensor) -> Tensor:
    """Where a change is more than rounding; not where both are infinite, as masked attention is."""
    tight = torch.finfo(now.dtype).eps ** 0.5
    return (now - then).abs() > tight * torch.maximum(now.abs(), then.abs())


def by_mean(other: Node, call: Call, output: Tensor, gradient: Tensor) -> Gradients:
    """A product of two tensors: the gradient for each at the mean of the other."""
    return list(call.pull(gradient, *_middle(call.tensors, other.call.tensors)))


def by_factor(other: Node, call: Call, output: Tensor, gradient: Tensor) -> Gradients:
    """A quotient q = a / b: the change of ``a = q b``, shared by Shapley's formula, solved for that of q."""
    now, then = call.tensors, other.call.tensors
    divisor, quotient = (now[1] + then[1]) / 2, (output + other.output) / 2
    given = gradient / divisor
    return [given.sum_to_size(now[0].shape), (-given * quotient).sum_to_size(now[1].shape)]


def by_sum_of_powers(other: Node, call: Call, output: Tensor, gradient: Tensor) -> Gradients:
    """``log(sum(exp(x)))``, each of the three by its own change; what is common to all terms cancels."""
    x, y = call.tensors[0], other.call.tensors[0]
    dim = call.argument("dim")
    now, then, given = _unreduced(x, dim, output, other.output, gradient)
    top = torch.maximum(now, then)
    totals = (now - top).exp(), (then - top).exp()
    rise = _slope(now - then, *totals, 1 / ((totals[0] + totals[1]) / 2))
    powers = (x - top).exp(), (y - top).exp()
    slope = _slope(powers[0] - powers[1], x, y, ((x + y) / 2 - top).exp())
    return [given * rise * slope, *[None] * (len(call.flows) - 1)]


def by_winner(other: Node, call: Call, output: Tensor, gradient: Tensor) -> Gradients:
    """The change of a maximum is its winner's: the input's where it rose, the baseline's where it fell."""
    k = call.flows.index(True)
    change = output - other.output
    won = change < 0 if call.name in ("amin", "min") else change > 0
    credit = change * gradient
    own = call.pull(torch.where(won, credit, 0), *call.tensors)[k]
    others = call.pull(torch.where(won, 0, credit), *other.call.tensors)[k]
    still = call.pull(torch.where(change == 0, gradient, 0), *call.tensors)[k]
    assert own is not None
    assert others is not None
    assert still is not None
    credited = own + others
    moved = call.tensors[k] - other.call.tensors[k]
    made = torch.where(credited == 0, 0, credited / moved) + still
    return [made if flow else None for flow in call.flows]


def _slope(change: Tensor, now: Tensor, then: Tensor, at_middle: Tensor) -> Tensor:
    """Change of a function over that of its argument, or its derivative at the middle where there is none."""
    return torch.where(_is_large(now, then), change / (now - then), at_middle)


def _unreduced(x: Tensor, dim: Any, *tensors: Tensor) -> list[Tensor]:
    """What was summed over some axes, with those axes again."""
    dims = sorted(d % x.ndim for d in (dim if isinstance(dim, (tuple, list)) else [dim]))
    shape = [1 if d in dims else size for d, size in enumerate(x.shape)]
    return [tensor.reshape(shape) for tensor in tensors]


def _middle(now: tuple[Tensor, ...], then: tuple[Tensor, ...]) -> list[Tensor]:
    return [(a + b) / 2 for a, b in zip(now, then, strict=True)]
