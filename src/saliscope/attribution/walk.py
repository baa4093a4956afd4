"""What all methods have in common that integrate gradients along a path from a baseline to the input."""

from abc import abstractmethod
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import Tensor

from saliscope.attribution.base import Attribution, Method, Path, Question
from saliscope.attribution.quadrature import cell_widths, half_weights, rule
from saliscope.core.anytime import Step, spread_order
from saliscope.core.baselines import Baseline, as_baselines
from saliscope.core.borrow import Borrowed
from saliscope.core.device import as_like, exact, wide


class PathMethod(Method):
    """A method whose attributions follow a path: its results have one, for every start."""

    @abstractmethod
    def starts(self, borrowed: Borrowed, inputs: Tensor) -> Tensor:
        """Where the paths start: (n_starts, n, ...), in model space."""

    def alone(self, start: int) -> "PathMethod":
        """The method with one of its starts only."""
        return self


class FromBaseline(PathMethod):
    """A path method that starts at a baseline, or at several; a dataclass with this field."""

    baseline: Any

    @property
    def baselines(self) -> tuple[Baseline, ...]:
        """The baselines, always as a tuple."""
        return as_baselines(self.baseline)

    def starts(self, borrowed: Borrowed, inputs: Tensor) -> Tensor:
        """The baselines of the inputs; see `PathMethod`."""
        return torch.stack([baseline.make(borrowed, inputs) for baseline in self.baselines])

    def alone(self, start: int) -> PathMethod:
        """The method with one of its baselines only."""
        return replace(self, baseline=self.baselines[start])  # type: ignore[type-var]


class Walk:
    """The gradients at all nodes of all paths: ``n_baselines`` for each input, walked side by side.

    Rows are ordered node by node, the nodes spread over the path: whenever it stops, every path has been
    walked end to end, only coarser. The path is straight, unless a subclass says otherwise.
    """

    def __init__(
        self,
        method: PathMethod,
        question: Question,
        starts: Tensor,
        start_scores: Tensor | None,
        name: str,
        n_steps: int,
    ) -> None:
        self.method, self.question, self.name = method, question, name
        self.starts = starts
        self.start_scores = scores_at_starts(question, starts) if start_scores is None else start_scores
        self.nodes, self.weights = rule(name, n_steps)
        self.differences = (question.inputs - starts).to(wide(starts.dtype))
        self.gradients = self.differences.new_zeros((len(self.nodes), *starts.shape))
        self.scores = self.differences.new_zeros((len(self.nodes), *starts.shape[:2]))
        self.points: Tensor | None = None
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
        """Walk all paths; better and better answers."""
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
        score, gradient = self.question.gradients(self._points(k, b, i), i)
        self.scores[k, b, i] = score.to(self.scores.dtype)
        self.gradients[k, b, i] = gradient.to(self.gradients.dtype)

    def _points(self, k: Tensor, b: Tensor, i: Tensor) -> Tensor:
        if self.points is not None:
            return self.points[k, b, i]
        return straight(self.starts[b, i], self.question.inputs[i], self.nodes[k.numpy()])

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
        return self.question.answer(self.method, self._integrate(shares).mean(0), complete=False)

    def _final(self) -> Attribution:
        half = half_weights(self.name, self.nodes)
        maps = self._integrate(self.weights)
        coarse = None if half is None else self._integrate(half)
        parts = [
            path_answer(
                self.question,
                self.method.alone(b),
                maps[b],
                self._path(b),
                map_change=None if coarse is None else relative_change(coarse[b], maps[b]),
            )
            for b in range(len(maps))
        ]
        change = None if coarse is None else relative_change(coarse.mean(0), maps.mean(0))
        return joined(self.question, self.method, parts, map_change=change)

    def _path(self, b: int) -> Path:
        curved = self.differences.ndim == self.gradients.ndim
        return Path(
            nodes=torch.as_tensor(self.nodes),
            weights=torch.as_tensor(self.weights),
            node_scores=self.scores[:, b],
            gradients=self.gradients[:, b],
            difference=self.differences[:, b] if curved else self.differences[b],
            baseline=self.starts[b],
            baseline_score=self.start_scores[b],
            score=self.question.score,
            points=None if self.points is None else self.points[:, b],
        )

    def _integrate(self, weights: Any) -> Tensor:
        """Maps of all paths from the weights of the nodes, shared ones or each path's own."""
        shares = as_like(weights, self.gradients)
        curved = self.differences.ndim == self.gradients.ndim
        values = self.gradients * self.differences if curved else self.gradients
        if shares.ndim == 1:
            sums = torch.tensordot(shares, values, 1)
        else:
            sums = torch.einsum("kbi,kbi...->bi...", shares, values)
        return sums if curved else sums * self.differences


def straight(starts: Tensor, ends: Tensor, alphas: Any) -> Tensor:
    """Points on straight paths, one for each row of `starts` and `ends`."""
    return torch.lerp(starts, ends, as_like(alphas, starts).reshape(-1, *[1] * (starts.ndim - 1)))


def scores_at_starts(question: Question, starts: Tensor) -> Tensor:
    """Score at each of `starts`, of shape (n_baselines, n)."""
    return torch.stack([question.scores(start) for start in starts])


def path_answer(
    question: Question, method: Method, values: Tensor, path: Path, **details: Any
) -> Attribution:
    """The answer of one path, with its gap."""
    change_of_score = exact(path.score) - exact(path.baseline_score)
    delta = exact(values).flatten(1).sum(1) - change_of_score
    return question.answer(method, values, convergence_delta=delta, path=path, **details)


def joined(question: Question, method: Method, parts: list[Attribution], **details: Any) -> Attribution:
    """The only part itself, or the mean of several with each part kept; `details` are the mean's own."""
    if len(parts) == 1:
        return parts[0]
    deltas = [part.convergence_delta for part in parts if part.convergence_delta is not None]
    return question.answer(
        method,
        torch.stack([part.summands for part in parts]).mean(0),
        convergence_delta=torch.stack(deltas).mean(0),
        per_baseline=tuple(parts),
        **details,
    )


def relative_change(before: Tensor, after: Tensor) -> Tensor:
    """L2 norm of the change of each map, relative to the later map; NaN where that is zero throughout."""
    change, size = exact(after - before).flatten(1).norm(dim=1), exact(after).flatten(1).norm(dim=1)
    return change / size.where(size > 0, torch.nan)
