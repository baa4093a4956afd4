"""Integrated Gradients whose nodes go where the gradient changes.

Every node gives its score for free, so every interval knows how much of the score's own change over it the
trapezoid has left unexplained, ``res``, and how far apart the gradients at its two ends are, ``v = h |dG|``.
From five even nodes on, rounds of new nodes halve the intervals in which ``res / sum(res) + v / sum(v)`` is
largest, until the map and its sum are as good as was asked for.

Where the gradient jumps once inside an interval, as in a network of rectifiers, the place of the jump follows
from the residual: so each interval's weight is shifted between its two gradients towards the sum that its own
change of score demands. The shift is damped where both gradients explain the score equally well.

A jump ``dG`` anywhere in an interval of width ``h``, or a gradient that wanders through it at random, gives
the trapezoid an expected squared error of ``(h |dG|)^2 / 12``; errors of different intervals are independent.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import partial
from itertools import pairwise
from typing import Any

import numpy as np
import torch
from torch import Tensor

from saliscope.attribution.base import Attribution, Path, Question
from saliscope.attribution.quadrature import cell_widths
from saliscope.attribution.walk import joined, path_answer, straight
from saliscope.core.anytime import Step
from saliscope.core.device import as_like, exact, wide

_FIRST = 4
"""Intervals to begin with, and the fewest that a round halves."""

_GROWTH = 3
"""A round adds a third of the nodes there are: chunks stay full, and little is looked at in vain."""

_MARGIN = 1.2
"""The expected error times this is claimed: in nine of ten cases it is then no less than the true one."""

_TINY_CHANGE = 0.01
"""A change of the score below this share of the scores themselves: its gap is measured against this share."""


@dataclass
class Track:
    """What is known of one path at its nodes; the arrays are ascending in `at`, float64.

    Attributes
    ----------
    at : ndarray of shape (k,)
        Nodes.
    scores, slopes : ndarray of shape (k,)
        Score and its derivative along the path.
    apart : ndarray of shape (k - 1,)
        L2 distance of the integrand, gradient times difference, between neighbouring nodes.
    rounding : float
        Relative error of a score.
    """

    at: np.ndarray
    scores: np.ndarray
    slopes: np.ndarray
    apart: np.ndarray
    rounding: float = 0.0

    @property
    def widths(self) -> np.ndarray:
        """Widths of the intervals."""
        return np.diff(self.at)

    @property
    def unexplained(self) -> np.ndarray:
        """What the trapezoid leaves of each interval's change of score."""
        trapezoids = self.widths * (self.slopes[1:] + self.slopes[:-1]) / 2
        rest = np.diff(self.scores) - trapezoids
        # Rounding is no reason to look closer.
        noise = 32 * self.rounding * (np.abs(self.scores[1:]) + np.abs(self.scores[:-1]) + np.abs(trapezoids))
        return np.where(np.abs(rest) > noise, rest, 0.0)

    @property
    def weights(self) -> np.ndarray:
        """Weights of the nodes: trapezoids, each shifted towards what its own change of score demands."""
        turn = self.slopes[:-1] - self.slopes[1:]
        damping = ((np.abs(self.slopes[:-1]) + np.abs(self.slopes[1:])) / 2) ** 2
        half = self.widths / 2
        size = turn**2 + damping
        shift = np.clip(self.unexplained * turn / np.where(size > 0, size, 1.0), -half, half)
        return np.append(half + shift, 0.0) + np.append(0.0, half - shift)

    @property
    def error(self) -> float:
        """The map's expected L2 error, and a margin."""
        return _MARGIN * float(np.sqrt(((self.widths * self.apart) ** 2).sum() / 12))

    def closes(self, total: float, tolerance: float) -> bool:
        """Whether a map of this sum explains the change of the score up to a tolerance."""
        first, last = self.scores[0], self.scores[-1]
        size = max(abs(last - first), _TINY_CHANGE * max(abs(first), abs(last)))
        return bool(abs(total - (last - first)) <= tolerance * size)

    def wanted(self, room: int) -> list[float]:
        """Where to look next: at most `room` new nodes."""
        parts = [np.abs(self.unexplained), self.widths * self.apart]
        shares = sum(part / part.sum() for part in parts if part.sum() > 0)
        # Equal but for rounding is equal: then the wider interval is halved first, then the earlier one.
        steps = np.round(shares / max(self.rounding, 1e-15) ** (2 / 3)) + 0 * self.widths
        order = np.lexsort((self.at[:-1], -self.widths, -steps))
        chosen = order[: min(room, max(_FIRST, len(self.at) // _GROWTH))]
        return ((self.at[chosen] + self.at[chosen + 1]) / 2).tolist()


class _Path:
    """One path while it is walked: its nodes in the order of their computation."""

    def __init__(self, wanted: list[float], difference: Tensor, rounding: float) -> None:
        self.wanted, self.difference, self.rounding = wanted, difference, rounding
        self.at: list[float] = []
        self.scores: list[float] = []
        self.gradients: list[Tensor] = []
        self.known: dict[float, tuple[float, Tensor]] = {}
        self.met = self.over = False
        self._slopes: list[float] = []
        self._apart: dict[tuple[int, int], float] = {}

    def take(self, at: float, score: float, gradient: Tensor) -> None:
        self.at.append(at)
        self.scores.append(score)
        self.gradients.append(gradient)

    def track(self) -> tuple[Track, Tensor]:
        """What is known so far, and the gradients, in the order of the nodes."""
        for gradient in self.gradients[len(self._slopes) :]:
            self._slopes.append(float((gradient * self.difference).double().sum()))
        order = np.argsort(self.at).tolist()
        pairs = list(pairwise(order))
        for a, b in pairs:
            if (a, b) not in self._apart:
                jump = (self.gradients[b] - self.gradients[a]) * self.difference
                self._apart[a, b] = float(jump.double().norm())
        at, scores, slopes = (np.array(of)[order] for of in (self.at, self.scores, self._slopes))
        apart = np.array([self._apart[pair] for pair in pairs])
        gradients = torch.stack([self.gradients[k] for k in order])
        return Track(at, scores, slopes, apart, self.rounding), gradients

    def judge(self, tolerance: float, most: int) -> None:
        """See whether this is good enough, or all that may be done; if not, say where to look next."""
        track, gradients = self.track()
        values = self.difference * torch.tensordot(as_like(track.weights, gradients), gradients, 1)
        size, total = float(values.double().norm()), float(values.double().sum())
        self.met = track.error <= tolerance * size and track.closes(total, tolerance)
        self.over = self.met or len(self.at) >= most
        self.wanted = [] if self.over else track.wanted(most - len(self.at))


class AdaptiveWalk:
    """Straight paths, each with nodes of its own: no input's map depends on the inputs beside it.

    Parameters
    ----------
    method : IntegratedGradients
        Its `n_steps` is the most gradients of a path, its `tolerance` the error at which a path is done.
    question : Question
    starts : Tensor of shape (n_baselines, n, ...)
    """

    def __init__(self, method: Any, question: Question, starts: Tensor) -> None:
        self.method, self.question, self.starts = method, question, starts
        self.most, self.tolerance = max(2, method.n_steps), method.tolerance
        self.differences = (question.inputs - starts).to(wide(starts.dtype))
        n_first = min(_FIRST, self.most - 1)
        # The end first: its gradient is that of all baselines. Then the whole path, coarser before finer.
        later = sorted((k / n_first for k in range(n_first)), key=lambda at: (at not in (0.0, 0.5), at))
        rounding = torch.finfo(starts.dtype).eps
        self.paths = [_Path([1.0, *later], d, rounding) for d in self.differences.flatten(0, 1)]

    def reuse(self, paths: list[Path]) -> None:
        """Take over all nodes of earlier paths: where they are wanted again, nothing is computed."""
        n_inputs = self.starts.shape[1]
        for p, mine in enumerate(self.paths):
            path = paths[p // n_inputs].of(p % n_inputs)
            for at, score, gradient in zip(path.nodes, path.node_scores, path.gradients, strict=True):
                mine.known[float(at)] = (float(score), gradient[0])

    def steps(self) -> Iterator[Step[Attribution]]:
        """Walk all paths, round by round; better and better answers."""
        total, complete = self.most * len(self.paths), False
        while not complete:
            jobs = self._jobs()
            for stop in self._computed(jobs):
                if stop == len(jobs):
                    self._judge()
                # What a path did not need counts as done.
                done = sum(self.most if path.over else len(path.at) for path in self.paths)
                complete = done == total
                counts = [len(path.at) for path in self.paths]
                yield Step(self._final if complete else partial(self._partial, counts), done, total)
            if not jobs:
                self._judge()
                complete = all(path.over for path in self.paths)
                if complete:
                    yield Step(self._final, total, total)

    def _judge(self) -> None:
        for path in self.paths:
            if not path.over:
                path.judge(self.tolerance, self.most)

    def _jobs(self) -> list[tuple[float, int]]:
        """Nodes and paths that must be computed, node by node over all paths."""
        jobs: list[tuple[float, int]] = []
        for j in range(max(len(path.wanted) for path in self.paths)):
            for p, path in enumerate(self.paths):
                at = path.wanted[j] if j < len(path.wanted) else None
                if at in path.known:
                    path.take(at, *path.known[at])
                elif at is not None and (at < 1 or p < self.starts.shape[1]):
                    jobs.append((at, p))
        return jobs

    def _computed(self, jobs: list[tuple[float, int]]) -> Iterator[int]:
        """Do the jobs in chunks; yields how many are done."""
        n_inputs, n_ends = self.starts.shape[1], sum(at == 1 for at, _ in jobs)
        starts, scores = self.starts.flatten(0, 1), []

        def work(start: int, stop: int) -> tuple[Tensor, Tensor]:
            at, p = zip(*jobs[start:stop], strict=True)
            rows = torch.as_tensor(p) % n_inputs
            return self.question.gradients(straight(starts[list(p)], self.question.inputs[rows], at), rows)

        for start, stop, (score, gradient) in self.question.chunked(work, len(jobs)):
            self._take(jobs[start:stop], score, gradient)
            scores.append(score)
            if start < n_ends <= stop:
                self.question.know(torch.cat(scores)[:n_ends])
            yield stop

    def _take(self, jobs: list[tuple[float, int]], score: Tensor, gradient: Tensor) -> None:
        gradient = gradient.to(self.differences.dtype)
        for (at, p), one, its in zip(jobs, score.tolist(), gradient, strict=True):
            for path in self.paths[p :: self.starts.shape[1]] if at == 1 else (self.paths[p],):
                path.take(at, one, its)

    def _partial(self, counts: list[int]) -> Attribution:
        values = torch.zeros_like(self.differences)
        for path, count, its in zip(self.paths, counts, values.flatten(0, 1), strict=True):
            if count:
                for share, gradient in zip(
                    cell_widths(np.array(path.at[:count])), path.gradients, strict=False
                ):
                    its += float(share) * gradient
        return self.question.answer(self.method, (values * self.differences).mean(0), complete=False)

    def _final(self) -> Attribution:
        tracks = [path.track() for path in self.paths]
        n_inputs = self.starts.shape[1]
        errors = torch.tensor([track.error for track, _ in tracks]).double().unflatten(0, (-1, n_inputs))
        parts = []
        for b in range(len(self.starts)):
            path = self._joined(tracks[b * n_inputs : (b + 1) * n_inputs], b)
            shares = as_like(path.weights, path.gradients)
            values = torch.einsum("ki,ki...->i...", shares, path.gradients) * path.difference
            error = _share(errors[b], values)
            parts.append(path_answer(self.question, self.method.alone(b), values, path, map_error=error))
        # The errors of paths to the same input need not be independent: at worst they add up.
        values = torch.stack([part.values for part in parts]).mean(0)
        error = _share(errors.mean(0), values)
        notes = self._notes()
        if len(parts) == 1:
            return replace(parts[0], notes=(*parts[0].notes, *notes))
        return joined(self.question, self.method, parts, map_error=error, notes=notes)

    def _joined(self, tracks: list[tuple[Track, Tensor]], b: int) -> Path:
        most = max(len(track.at) for track, _ in tracks)

        def padded(of: list[np.ndarray], mode: str) -> np.ndarray:
            return np.stack([np.pad(one, (0, most - len(one)), mode) for one in of], 1)  # type: ignore

        repeated = [torch.cat([g, g[-1:].expand(most - len(g), *g.shape[1:])]) for _, g in tracks]
        own = [track for track, _ in tracks]
        return Path(
            nodes=torch.as_tensor(padded([track.at for track in own], "edge")),
            weights=torch.as_tensor(padded([track.weights for track in own], "constant")),
            node_scores=as_like(padded([track.scores for track in own], "edge"), self.differences),
            gradients=torch.stack(repeated, 1),
            difference=self.differences[b],
            baseline=self.starts[b],
            baseline_score=as_like(np.array([track.scores[0] for track in own]), self.question.score),
            score=self.question.score,
        )

    def _notes(self) -> tuple[str, ...]:
        missed = sum(not path.met for path in self.paths)
        if not missed:
            return ()
        of = "" if len(self.paths) == 1 else f" on {missed} of {len(self.paths)} paths"
        return (f"The tolerance of {100 * self.tolerance:g} % was not met in {self.most} gradients{of}.",)


def _share(errors: Tensor, values: Tensor) -> Tensor:
    sizes = exact(values).flatten(1).norm(dim=1)
    return errors / sizes.where(sizes > 0, torch.nan)
