"""Methods that integrate gradients along a path from a baseline to the input."""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor

from saliscope.attribution.base import Attribution, Method, Path, Question, check_count
from saliscope.attribution.baselines import Baseline, Black, as_baselines
from saliscope.attribution.cards import paths as cards
from saliscope.attribution.knobs import knob
from saliscope.attribution.quadrature import (
    RULES,
    Rule,
    cell_widths,
    doubled,
    half_weights,
    rule,
    spread_order,
)
from saliscope.core.anytime import Step
from saliscope.core.device import as_like, exact, wide
from saliscope.errors import MethodError
from saliscope.specs.saliency import Card


@dataclass(frozen=True)
class IntegratedGradients(Method):
    """Integrated Gradients (Sundararajan et al. 2017, arXiv 1703.01365).

    ``(x - x') * integral over alpha in [0, 1] of dF(x' + alpha (x - x')) / dx``. The values sum to
    ``F(x) - F(x')``, up to the error of the quadrature.

    Parameters
    ----------
    baseline : Baseline, str, float, Tensor, or a tuple of them
        Start of the path. Several are averaged, and each result is kept.
    n_steps : int
        Intervals of the path.
    rule : {"midpoint", "right", "trapezoid", "gauss_legendre", "gauss_kronrod"}
        Quadrature. Midpoint is the best of them on ReLU networks, Gauss-Legendre on smooth ones.
    """

    key: ClassVar[str] = "integrated_gradients"
    title: ClassVar[str] = "Integrated Gradients"
    summary: ClassVar[str] = (
        "How much each pixel contributed to the change of the score "
        "on the way from the baseline to the picture."
    )
    unit: ClassVar[str] = "score"
    card: ClassVar[Card] = cards.INTEGRATED_GRADIENTS
    family: ClassVar[str] = "Paths"
    refinable: ClassVar[bool] = True

    baseline: Any = field(default_factory=Black)
    n_steps: int = 32
    rule: Rule = knob("midpoint", "quadrature")

    def __post_init__(self) -> None:
        check_count("n_steps", self.n_steps)
        if self.rule not in RULES:
            raise MethodError("rule", repr(self.rule), f"one of {', '.join(RULES)}")
        as_baselines(self.baseline)

    @property
    def baselines(self) -> tuple[Baseline, ...]:
        """The baselines, always as a tuple."""
        return as_baselines(self.baseline)

    def _steps(self, question: Question) -> Iterator[Step[Attribution]]:
        starts = torch.stack([b.make(question.borrowed, question.inputs) for b in self.baselines])
        start_scores = torch.stack([question.scores(start) for start in starts])
        return _Walk(self, question, starts, start_scores).steps()

    def _refined(self, question: Question, attribution: Attribution) -> Iterator[Step[Attribution]]:
        parts = attribution.per_baseline or (attribution,)
        paths = [part.path for part in parts if part.path is not None]
        earlier: Any = attribution.method
        name, n_steps = doubled(earlier.rule, earlier.n_steps)
        walk = _Walk(
            replace(earlier, rule=name, n_steps=n_steps),
            question,
            torch.stack([path.baseline for path in paths]),
            torch.stack([path.baseline_score for path in paths]),
        )
        walk.reuse(paths)
        return walk.steps()


class _Walk:
    """The gradients at all nodes of all paths: ``n_baselines`` for each input, walked side by side.

    Rows are ordered node by node, the nodes spread over the path: whenever it stops, every path has been
    walked end to end, only coarser.
    """

    def __init__(
        self, method: IntegratedGradients, question: Question, starts: Tensor, start_scores: Tensor
    ) -> None:
        self.method, self.question = method, question
        self.starts, self.start_scores = starts, start_scores
        self.nodes, self.weights = rule(method.rule, method.n_steps)
        self.differences = (question.inputs - starts).to(wide(starts.dtype))
        self.gradients = self.differences.new_zeros((len(self.nodes), *starts.shape))
        self.scores = self.differences.new_zeros((len(self.nodes), *starts.shape[:2]))
        self.order = spread_order(len(self.nodes))
        self.reused = 0

    def reuse(self, paths: list[Path]) -> None:
        """Take over what earlier paths hold at nodes that are nodes here too; those count as walked."""
        earlier = paths[0].nodes.cpu().numpy()
        new, old = np.nonzero(np.isclose(self.nodes[:, None], earlier[None, :], rtol=0, atol=1e-9))
        for k, known in zip(new, old, strict=True):
            self.gradients[k] = torch.stack([path.gradients[known] for path in paths])
            self.scores[k] = torch.stack([path.node_scores[known] for path in paths])
        walked = np.isin(self.order, new)
        self.order = np.concatenate([self.order[walked], self.order[~walked]])
        self.reused = len(new)

    def steps(self) -> Iterator[Step[Attribution]]:
        n_paths = self.starts.shape[0] * self.starts.shape[1]
        skip, total = self.reused * n_paths, len(self.nodes) * n_paths
        for _, stop, _ in self.question.chunked(partial(self._visit, skip), total - skip):
            done = skip + stop
            yield Step(self._final if done == total else partial(self._partial, done), done, total)

    def _visit(self, skip: int, start: int, stop: int) -> None:
        rows = torch.arange(skip + start, skip + stop)
        n_baselines, n_inputs = self.starts.shape[:2]
        k = torch.as_tensor(self.order)[rows // (n_baselines * n_inputs)]
        b, i = rows // n_inputs % n_baselines, rows % n_inputs
        alpha = as_like(self.nodes[k.numpy()], self.starts).reshape(-1, *[1] * (self.starts.ndim - 2))
        points = torch.lerp(self.starts[b, i], self.question.inputs[i], alpha)
        score, gradient = self.question.gradients(points, i)
        self.scores[k, b, i] = score.to(self.scores.dtype)
        self.gradients[k, b, i] = gradient.to(self.gradients.dtype)

    def _partial(self, done: int) -> Attribution:
        # Paths that were reached in this round already have one node more than the others.
        n_baselines, n_inputs = self.starts.shape[:2]
        full, ahead = divmod(done, n_baselines * n_inputs)
        weights = np.zeros((len(self.nodes), n_baselines * n_inputs))
        for count, paths in ((full + 1, slice(None, ahead)), (full, slice(ahead, None))):
            visited = self.order[: min(count, len(self.order))]
            if count:
                weights[visited, paths] = cell_widths(self.nodes[visited])[:, None]
        shares = as_like(weights, self.gradients).unflatten(1, (n_baselines, n_inputs))
        values = torch.einsum("kbi,kbi...->bi...", shares, self.gradients) * self.differences
        return self.question.answer(self.method, values.mean(0), complete=False)

    def _final(self) -> Attribution:
        half = half_weights(self.method.rule, self.nodes)
        parts = [self._one(b, half) for b in range(len(self.starts))]
        if len(parts) == 1:
            return parts[0]
        values = torch.stack([part.values for part in parts]).mean(0)
        deltas = [part.convergence_delta for part in parts if part.convergence_delta is not None]
        return self.question.answer(
            self.method,
            values,
            convergence_delta=torch.stack(deltas).mean(0),
            map_change=None if half is None else relative_change(self._integrate(half).mean(0), values),
            per_baseline=tuple(parts),
        )

    def _one(self, b: int, half: np.ndarray | None) -> Attribution:
        values = self._integrate(self.weights, b)
        path = Path(
            nodes=torch.as_tensor(self.nodes),
            weights=torch.as_tensor(self.weights),
            node_scores=self.scores[:, b],
            gradients=self.gradients[:, b],
            difference=self.differences[b],
            baseline=self.starts[b],
            baseline_score=self.start_scores[b],
            score=self.question.score,
        )
        change_of_score = exact(path.score) - exact(path.baseline_score)
        return self.question.answer(
            replace(self.method, baseline=self.method.baselines[b]),
            values,
            convergence_delta=exact(values).flatten(1).sum(1) - change_of_score,
            map_change=None if half is None else relative_change(self._integrate(half, b), values),
            path=path,
        )

    def _integrate(self, weights: Any, b: int | slice = slice(None)) -> Tensor:
        shares = as_like(weights, self.gradients)
        return torch.tensordot(shares, self.gradients[:, b], 1) * self.differences[b]


def relative_change(before: Tensor, after: Tensor) -> Tensor:
    """L2 norm of the change of each map, relative to the later map; NaN where that is zero throughout."""
    change, size = exact(after - before).flatten(1).norm(dim=1), exact(after).flatten(1).norm(dim=1)
    return change / size.where(size > 0, torch.nan)
