"""Integrated gradients along a path that the model itself chooses."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import partial
from typing import Any, ClassVar

import torch
from torch import Tensor

from saliscope.attribution.base import Attribution, Path, Question, check_count
from saliscope.attribution.cards import paths as cards
from saliscope.attribution.walk import FromBaseline, joined, path_answer
from saliscope.core.anytime import Step
from saliscope.core.baselines import Black, as_baselines
from saliscope.core.device import wide
from saliscope.core.knobs import knob
from saliscope.errors import MethodError
from saliscope.specs.saliency import Card


@dataclass(frozen=True)
class GuidedIG(FromBaseline):
    """Guided Integrated Gradients (Kapishnikov et al. 2021, arXiv 2106.09788).

    A path integral of the gradient, like Integrated Gradients, along a path that goes first where the score
    changes least: at every step those pixels move towards their values whose gradient is smallest, until the
    step's share of the L1 distance is covered. The values sum to ``F(x) - F(x')``, up to the steps' error.

    Parameters
    ----------
    baseline : Baseline, str, float, Tensor, or a tuple of them
        Start of the path. Several are averaged, and each result is kept.
    n_steps : int
        Steps of the path; each needs the one before it.
    fraction : float
        Share of the pixels that are moved together, those of the smallest gradients first.
    max_dist : float
        How far a pixel may run ahead of the straight path or fall behind it, as a share of its own way. At 0
        this is Integrated Gradients, at 1 the path is free.
    """

    key: ClassVar[str] = "guided_ig"
    title: ClassVar[str] = "Guided IG"
    summary: ClassVar[str] = (
        "How much each pixel contributed to the change of the score on a way to the picture that avoids "
        "steep gradients."
    )
    unit: ClassVar[str] = "score"
    card: ClassVar[Card] = cards.GUIDED_IG
    family: ClassVar[str] = "Paths"

    baseline: Any = field(default_factory=Black)
    n_steps: int = 32
    fraction: float = knob(0.25, "share moved together", 0.01, 1.0, 0.01)
    max_dist: float = knob(1.0, "distance from the straight path", 0.0, 1.0, 0.01)

    def __post_init__(self) -> None:
        check_count("n_steps", self.n_steps)
        for name, low in (("fraction", 0.001), ("max_dist", 0.0)):
            value = getattr(self, name)
            number = isinstance(value, (int, float)) and not isinstance(value, bool)
            if not number or not low <= value <= 1:
                raise MethodError(name, repr(value), f"a share from {low:g} to 1")
        as_baselines(self.baseline)

    def _steps(self, question: Question) -> Iterator[Step[Attribution]]:
        return _Guided(self, question).steps()


class _Guided:
    """All paths, flat: path ``b * n + i`` leads from baseline b to input i."""

    def __init__(self, method: GuidedIG, question: Question) -> None:
        self.method, self.question = method, question
        self.starts = method.starts(question.borrowed, question.inputs)
        shape = self.starts.shape
        self.way = (question.inputs - self.starts).to(wide(self.starts.dtype)).flatten(0, 1)
        # How much of its way each pixel has gone; from there its place follows without a sum of small steps.
        self.gone = torch.zeros_like(self.way)
        self.gradients = self.way.new_zeros((method.n_steps, *self.way.shape))
        self.moves = torch.zeros_like(self.gradients)
        self.points = self.starts.new_zeros((method.n_steps, *self.way.shape))
        self.scores = self.way.new_zeros((method.n_steps, shape[0] * shape[1]))

    def steps(self) -> Iterator[Step[Attribution]]:
        n_paths, n_steps = len(self.way), self.method.n_steps
        total = n_paths * n_steps
        for k in range(n_steps):
            for _, stop, _ in self.question.chunked(partial(self._step, k), n_paths):
                done = k * n_paths + stop
                yield Step(self._final if done == total else partial(self._partial, k, stop), done, total)

    def _step(self, k: int, start: int, stop: int) -> None:
        own, n_inputs = slice(start, stop), self.starts.shape[1]
        rows = torch.arange(start, stop) % n_inputs
        starts, inputs = self.starts.flatten(0, 1)[own], self.question.inputs[rows]
        points = torch.lerp(starts.to(self.way.dtype), inputs.to(self.way.dtype), self.gone[own])
        self.points[k, own] = points.to(starts.dtype)
        score, gradient = self.question.gradients(self.points[k, own], rows)
        self.scores[k, own], self.gradients[k, own] = score.to(self.scores.dtype), gradient.to(self.way.dtype)
        alpha = (k + 1) / self.method.n_steps
        reach = min(alpha + self.method.max_dist, 1.0)
        least = max(alpha - self.method.max_dist, 0.0)
        gone = advanced(
            self.gone[own].flatten(1),
            self.way[own].flatten(1).abs(),
            self.gradients[k, own].flatten(1).abs(),
            (least, alpha, reach),
            self.method.fraction,
        ).reshape(self.way[own].shape)
        self.moves[k, own] = (gone - self.gone[own]) * self.way[own]
        self.gone[own] = gone

    def _partial(self, k: int, stop: int) -> Attribution:
        # The rest of the way as if the last gradient held on it.
        values = torch.zeros_like(self.way)
        for last, own in ((k, slice(None, stop)), (k - 1, slice(stop, None))):
            if last >= 0:
                moves, gradients = self.moves[: last + 1, own], self.gradients[: last + 1, own]
                rest = self.way[own] - moves.sum(0)
                values[own] = _summed(moves, gradients) + rest * gradients[-1]
        values = values.unflatten(0, self.starts.shape[:2]).mean(0)
        return self.question.answer(self.method, values, complete=False)

    def _final(self) -> Attribution:
        maps = _summed(self.moves, self.gradients).unflatten(0, self.starts.shape[:2])
        parts = [
            path_answer(self.question, self.method.alone(b), maps[b], self._path(b)) for b in range(len(maps))
        ]
        return joined(self.question, self.method, parts)

    def _path(self, b: int) -> Path:
        n_steps, n_inputs = self.method.n_steps, self.starts.shape[1]
        own = slice(b * n_inputs, (b + 1) * n_inputs)
        return Path(
            nodes=torch.arange(n_steps).double() / n_steps,
            weights=torch.full((n_steps,), 1 / n_steps).double(),
            node_scores=self.scores[:, own],
            gradients=self.gradients[:, own],
            difference=self.moves[:, own] * n_steps,
            baseline=self.starts[b],
            baseline_score=self.scores[0, own],
            score=self.question.score,
            points=self.points[:, own],
        )


def advanced(
    gone: Tensor, way: Tensor, steepness: Tensor, window: tuple[float, float, float], fraction: float
) -> Tensor:
    """How much of its way each pixel has gone after one more step.

    Parameters
    ----------
    gone, way, steepness : Tensor of shape (n_paths, n_pixels)
        Share of its way that each pixel has gone, its length, and the size of the gradient.
    window : tuple of float
        The least share that a pixel must have gone afterwards, the share of all ways that they must have gone
        together, and the most that one may have gone.
    fraction : float
        Share of the pixels that move together.
    """
    least, alpha, most = window
    if alpha >= 1:
        return torch.ones_like(gone)
    gone = gone.clamp_min(least)
    missing = (way * (alpha - gone)).sum(1, keepdim=True).clamp_min(0)
    # Equal but for rounding is equal: which pixels are moved must not hang on the last digit.
    limits = torch.finfo(way.dtype)
    unit = (limits.eps ** (2 / 3) * steepness.amax(1, keepdim=True)).clamp_min(limits.tiny)
    free = (way > 0) & (gone < most)
    cost, order = torch.where(free, (steepness / unit).round(), torch.inf).sort(dim=1, stable=True)
    room = torch.where(free, way * (most - gone), 0).gather(1, order)
    reach = torch.cat([torch.zeros_like(missing), room.cumsum(1)], 1)
    n_free = free.sum(1, keepdim=True)
    group = int(fraction * (way.shape[1] - 1))
    places = torch.arange(way.shape[1], device=way.device)
    share, first = torch.zeros_like(way), torch.zeros_like(n_free)
    while True:
        open_ = (missing > 0) & (first < n_free)
        if not bool(open_.any()):
            break
        # As many pixels as move together, and all whose gradient is as small as the last one's.
        bound = cost.gather(1, (first + group).minimum(n_free - 1).clamp_min(0))
        stop = torch.searchsorted(cost, bound, right=True).minimum(n_free)
        have = reach.gather(1, stop) - reach.gather(1, first)
        part = torch.where(have > missing, missing / have, 1.0)
        share = torch.where(open_ & (places >= first) & (places < stop), part, share)
        missing = torch.where(have > missing, 0.0, missing - have)
        first = stop
    share = torch.empty_like(share).scatter(1, order, share)
    return torch.where(share < 1, gone + share * (most - gone), most)


def _summed(moves: Tensor, gradients: Tensor) -> Tensor:
    return torch.einsum("kp...,kp...->p...", moves, gradients)
