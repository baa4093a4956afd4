"""Methods that fit a linear model to the scores of pictures whose superpixels are kept or replaced."""

from abc import abstractmethod
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import cache, partial
from math import comb, erfc, exp, sqrt
from typing import Any, ClassVar, Literal, get_args

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from saliscope.attribution.base import Attribution, Method, Question, check_count
from saliscope.attribution.cards import surrogate as cards
from saliscope.attribution.perturbation import forward_scores, starts_of
from saliscope.attribution.superpixels import Superpixels
from saliscope.core.anytime import Step
from saliscope.core.baselines import Baseline, Black, as_baselines
from saliscope.core.device import exact, wide
from saliscope.core.knobs import knob
from saliscope.core.seeds import NoiseSource
from saliscope.errors import MethodError
from saliscope.specs.saliency import Card

Sampling = Literal["auto", "exact", "sampled"]

MOST_PLAYERS = 16
"""Superpixels whose exact Shapley values are given: 65 536 forward passes."""

_GROUPS = 16
"""Parts of the samples; leaving out one after the other gives the standard error."""

_MOST_COPIED = 400
"""Superpixels up to which partial answers have a standard error: 22 MB for each picture."""


@dataclass(frozen=True)
class Surrogate(Method):
    """A linear model of the score, ``F = b + sum over superpixels j of phi_j z_j``, fitted to samples.

    ``z_j`` says whether superpixel j is kept or replaced by the baseline; with several baselines the score is
    the mean over them. Each ``phi_j`` is shared out equally over its superpixel's pixels, so the sum of the
    map over any superpixels is the sum of theirs.
    """

    unit: ClassVar[str] = "score"
    family: ClassVar[str] = "Perturbation"

    baseline: Any = field(default_factory=Black)
    n_segments: int = knob(50, "superpixels", 2, 200, 1)
    n_samples: int = knob(1000, "samples", 10, 10000, 10, log=True)
    seed: int = knob(0, "seed", 0, 9999, 1)
    segments: Any = field(default=None, repr=False)

    def __post_init__(self) -> None:
        check_count("n_segments", self.n_segments)
        check_count("n_samples", self.n_samples)
        check_count("seed", self.seed, minimum=0)
        as_baselines(self.baseline)

    @property
    def baselines(self) -> tuple[Baseline, ...]:
        """The baselines, always as a tuple."""
        return as_baselines(self.baseline)

    @abstractmethod
    def _design(self, m: int) -> "_Design":
        """What is sampled of a picture of `m` superpixels."""

    @abstractmethod
    def _fitted(self, moments: Float[Tensor, "k k"], change: float) -> Float[Tensor, " m"]:
        """``phi``, from the weighted moments of ``(1, z, y)`` and the `change` F(x) - F(x').

        ``y`` is the score of a sample minus F(x').
        """

    def _notes(self, fits: "Sequence[_Fit]") -> tuple[str, ...]:
        """What a reader should know of the fits."""
        return ()

    def _steps(self, question: Question) -> Iterator[Step[Attribution]]:
        inputs = question.inputs
        superpixels = Superpixels.of(question, self.n_segments, self.segments)
        designs = [self._design(m) for m in superpixels.counts]
        starts = starts_of(question, self.baselines)
        before = torch.stack([exact(question.scores(start)) for start in starts]).mean(0)
        changes = (exact(question.score) - before).tolist()
        fits = [_Fit.begun(design, change) for design, change in zip(designs, changes, strict=True)]

        n_starts, n_inputs, widest = *starts.shape[:2], max(superpixels.counts)
        limits = torch.tensor([design.n_samples for design in designs])
        source = NoiseSource(self.seed, (widest + 1,))

        def work(start: int, stop: int) -> "list[tuple[int, _Sample]]":
            # Sample by sample, the inputs of a sample side by side, and so the baselines of an input.
            order = torch.arange(start, stop)
            samples, rows, b = order // (n_starts * n_inputs), order // n_starts % n_inputs, order % n_starts
            live = samples < limits[rows]
            samples, rows, b = samples[live], rows[live], b[live]
            if not len(rows):
                return []
            # Two consecutive samples share their noise: the second is the complement of the first.
            first, last = int(samples[0]) // 2, int(samples[-1]) // 2
            noise = source.draw(first, last + 1, before).numpy()
            drawn = [
                designs[i].draw(s, noise[s // 2 - first])
                for s, i in zip(samples.tolist(), rows.tolist(), strict=True)
            ]
            padded = np.zeros((len(drawn), widest), dtype=bool)
            for line, (kept, _) in zip(padded, drawn, strict=True):
                line[: len(kept)] = kept
            pixels = superpixels.where(rows, torch.from_numpy(padded))
            # Rows of a flat batch: indexing proper takes several times as long.
            ends = inputs.index_select(0, rows.to(inputs.device))
            begins = starts.flatten(0, 1).index_select(0, (b * n_inputs + rows).to(inputs.device))
            points = torch.where(pixels, ends, begins)
            scores = forward_scores(question, points, rows, measured=start == 0)
            parts = ((scores - before[rows]) / n_starts).tolist()
            seen = zip(rows.tolist(), samples.tolist(), drawn, parts, strict=True)
            return [(i, (s, kept, weight, part)) for i, s, (kept, weight), part in seen]

        total = int(limits.max()) * n_inputs * n_starts
        for _, stop, seen in question.chunked(work, total):
            for i, sample in seen:
                fits[i].add(sample, n_starts)
            now = fits if stop == total else [fit.copied() for fit in fits]
            yield Step(partial(self._answer, question, superpixels, now, stop == total), stop, total)

    def _answer(
        self, question: Question, superpixels: Superpixels, fits: "list[_Fit]", complete: bool
    ) -> Attribution:
        like = torch.zeros((), dtype=wide(question.inputs.dtype), device=question.inputs.device)
        found = [self._fitted(fit.moments.sum(0), fit.change) for fit in fits]
        errors = [fit.errors(self._fitted, complete) for fit in fits]
        known = not all(bool(error.isnan().all()) for error in errors)
        gaps = [phi.sum() - fit.change for phi, fit in zip(found, fits, strict=True)]
        return question.answer(
            self,
            superpixels.spread(found, like),
            convergence_delta=torch.stack(gaps),
            standard_error=superpixels.spread(errors, like)[:, 0] if known else None,
            sample_counts=torch.tensor([fit.count for fit in fits]),
            notes=(*self._notes(fits), *_cautions(superpixels, known)) if complete else (),
            complete=complete,
        )


def _cautions(superpixels: Superpixels, known: bool) -> Iterator[str]:
    counts = " to ".join(map(str, sorted({min(superpixels.counts), max(superpixels.counts)})))
    yield f"Superpixels: {counts}."
    if not known:
        yield "Too few samples to tell their error: take at least three times as many as superpixels."


_Sample = tuple[int, np.ndarray, float, float]
"""Number, superpixels that are kept, weight, and score (with several baselines a part of it)."""


@dataclass(frozen=True)
class _Design:
    """What is sampled of one picture of `m` superpixels.

    ``draw(sample, noise)`` gives which superpixels are kept, and the weight of the sample in the fit.
    """

    m: int
    n_samples: int
    draw: Callable[[int, np.ndarray], tuple[np.ndarray, float]]
    exhaustive: bool = False
    with_picture: bool = False


@dataclass
class _Fit:
    """What is known of one picture: moments of ``(1, z, y)`` for each group of samples, not the samples."""

    design: _Design
    change: float
    moments: Tensor
    count: int = 0
    _begun: float = 0.0
    _terms: int = 0

    @classmethod
    def begun(cls, design: _Design, change: float) -> "_Fit":
        """Before the first sample. The picture itself is in no group, and never left out."""
        moments = torch.zeros(_GROUPS + 1, design.m + 2, design.m + 2, dtype=torch.float64)
        if design.with_picture:
            row = _row(np.ones(design.m, dtype=bool), change)
            moments[-1] = torch.outer(row, row)
        return cls(design, change, moments)

    def add(self, sample: _Sample, n_terms: int) -> None:
        """Take in a sample, or one of the `n_terms` parts of its score."""
        number, kept, weight, part = sample
        self._begun, self._terms = self._begun + part, self._terms + 1
        if self._terms == n_terms:
            row = _row(kept, self._begun)
            self.moments[number // 2 % _GROUPS].addr_(weight * row, row)
            self.count, self._begun, self._terms = self.count + 1, 0.0, 0

    def copied(self) -> "_Fit":
        """As it is now; for many superpixels without the groups, whose copy takes longer than a model."""
        few = self.design.m <= _MOST_COPIED
        return replace(self, moments=self.moments.clone() if few else self.moments.sum(0, keepdim=True))

    def errors(self, fitted: Callable[[Tensor, float], Tensor], complete: bool) -> Float[Tensor, " m"]:
        """Standard error of each coefficient, by leaving out one group after the other.

        Zero where all coalitions were seen; NaN where too few samples are left for a fit, or no groups.
        """
        few = self.count < max(2 * _GROUPS, 3 * self.design.m) or len(self.moments) == 1
        if self.design.exhaustive or few:
            value = 0.0 if self.design.exhaustive and complete else torch.nan
            return torch.full((self.design.m,), value, dtype=torch.float64)
        total = self.moments.sum(0)
        left = torch.stack([fitted(total - part, self.change) for part in self.moments[:-1]])
        return ((_GROUPS - 1) * left.var(0, correction=0)).sqrt()


def _row(kept: np.ndarray, y: float) -> Tensor:
    return torch.from_numpy(np.concatenate([[1.0], kept, [y]]))


def _solved(matrix: Tensor, right: Tensor) -> Tensor:
    """The shortest solution: what too few samples leave open stays zero."""
    factor, failed = torch.linalg.cholesky_ex(matrix)
    pivots = factor.diagonal()
    if not failed and bool(pivots.min() > 1e-4 * pivots.max()):
        return torch.cholesky_solve(right[:, None], factor)[:, 0]
    return torch.linalg.pinv(matrix, rtol=1e-8, hermitian=True) @ right


@dataclass(frozen=True)
class LIME(Surrogate):
    """LIME on superpixels (Ribeiro, Singh and Guestrin 2016, arXiv 1602.04938).

    ``argmin over b, phi of sum over samples of w (F(z) - b - phi . z)^2 + ridge * |phi|^2``, where each
    superpixel is kept with probability 1/2 and each sample is followed by its complement. The weight is
    ``w = exp(-d^2 / (2 kernel_width^2))``, and ``d`` the cosine distance between z and the whole picture,
    ``1 - sqrt(share of superpixels that are kept)``. The picture itself is one more sample, of weight 1.

    Parameters
    ----------
    baseline : Baseline, str, float, Tensor, or a tuple of them
        What superpixels are replaced by.
    n_segments : int
        About how many superpixels SLIC makes.
    n_samples : int
        Pictures with replaced superpixels that the model answers.
    seed : int
        The same seed gives the same map, whatever the chunk size and device.
    segments : int Tensor or ndarray of shape (height, width) or (n, height, width), optional
        Superpixels of your own, at the size of the inputs.
    kernel_width : float
        How fast the weight falls with the distance; 0.25 is that of the authors' code for pictures.
    ridge : float
        Penalty on the squares of the coefficients; 1 is that of the authors' code.
    """

    key: ClassVar[str] = "lime"
    title: ClassVar[str] = "LIME"
    summary: ClassVar[str] = (
        "How much each superpixel raised the score, in a linear model fitted to pictures with random "
        "superpixels replaced."
    )
    card: ClassVar[Card] = cards.LIME

    kernel_width: float = knob(0.25, "kernel width", 0.05, 2.0, 0.05)
    ridge: float = knob(1.0, "ridge penalty", 0.0, 10.0, 0.1)

    def __post_init__(self) -> None:
        super().__post_init__()
        for name, least in (("kernel_width", 0.01), ("ridge", 0.0)):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, (int, float)) or not least <= value <= 1e6:
                raise MethodError(name, repr(value), f"a number from {least:g} to 1000000")

    def _design(self, m: int) -> _Design:
        def draw(sample: int, noise: np.ndarray) -> tuple[np.ndarray, float]:
            kept = (noise[1 : m + 1] > 0) ^ (sample % 2 == 1)
            distance = 1 - sqrt(kept.mean())
            return kept, exp(-0.5 * (distance / self.kernel_width) ** 2)

        return _Design(m, self.n_samples, draw, with_picture=True)

    def _fitted(self, moments: Float[Tensor, "k k"], change: float) -> Float[Tensor, " m"]:
        spread, along, _ = _centred(moments)
        return _solved(spread + self.ridge * torch.eye(len(spread), dtype=spread.dtype), along)

    def _notes(self, fits: Sequence[_Fit]) -> tuple[str, ...]:
        shares = []
        for fit in fits:
            spread, along, variance = _centred(fit.moments.sum(0))
            phi = self._fitted(fit.moments.sum(0), fit.change)
            rest = variance - 2 * phi @ along + phi @ spread @ phi
            if variance > 0:
                shares.append(float(1 - rest / variance))
        if not shares:
            return ()
        words = " to ".join(dict.fromkeys(f"{100 * share:.0f} %" for share in (min(shares), max(shares))))
        return (f"The linear model explains {words} of the weighted variance of the sampled scores.",)


def _centred(moments: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Moments about the means: of z with itself, of z with y, of y with itself."""
    means = moments[0] / moments[0, 0]
    central = moments - torch.outer(moments[0], means)
    return central[1:-1, 1:-1], central[1:-1, -1], central[-1, -1]


@dataclass(frozen=True)
class KernelSHAP(Surrogate):
    """Shapley values of superpixels by Kernel SHAP (Lundberg and Lee 2017, arXiv 1705.07874).

    ``argmin over phi of E (F(z) - F(x') - phi . z)^2`` under ``sum of phi = F(x) - F(x')``, where a coalition
    z of k of the m superpixels comes with probability proportional to
    ``(m - 1) / (binomial(m, k) k (m - k))``. Each sample is followed by its complement (Covert and Lee 2020,
    arXiv 2012.01536). Over all coalitions, these are the Shapley values themselves. The map sums to
    F(x) - F(x').

    Parameters
    ----------
    baseline, n_segments, seed, segments
        As of `LIME`.
    n_samples : int
        Coalitions that the model answers.
    sampling : {"auto", "exact", "sampled"}
        "exact" goes through all coalitions, of at most 16 superpixels; "auto" does so where there are not
        more than `n_samples` of them.
    """

    key: ClassVar[str] = "kernel_shap"
    title: ClassVar[str] = "Kernel SHAP"
    summary: ClassVar[str] = (
        "The Shapley value of each superpixel: its mean contribution over all orders in which superpixels "
        "can come in."
    )
    card: ClassVar[Card] = cards.KERNEL_SHAP

    n_samples: int = knob(1000, "coalitions", 10, 10000, 10, log=True)
    sampling: Sampling = knob("auto", "which coalitions")

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.sampling not in get_args(Sampling):
            raise MethodError("sampling", repr(self.sampling), f"one of {', '.join(get_args(Sampling))}")

    def _design(self, m: int) -> _Design:
        if self.sampling == "exact" and m > MOST_PLAYERS:
            raise MethodError(
                "sampling",
                f"exact Shapley values of {m} superpixels, which are 2^{m} coalitions",
                f"at most {MOST_PLAYERS} superpixels",
                "Too many players for exact Shapley: lower n_segments, or take sampling='sampled', which "
                "gives a standard error.",
            )
        few = m <= MOST_PLAYERS and 2**m - 2 <= self.n_samples
        if m == 1 or self.sampling == "exact" or (self.sampling == "auto" and few):
            coalitions = _coalitions(m)

            def take(sample: int, noise: np.ndarray) -> tuple[np.ndarray, float]:
                kept = coalitions[sample]
                size = int(kept.sum())
                return kept, 1 / (comb(m, size) * size * (m - size)) if m > 1 else 1.0

            return _Design(m, len(coalitions), take, exhaustive=True)

        sizes = np.arange(1, m)
        edges = (1 / (sizes * (m - sizes))).cumsum()

        def draw(sample: int, noise: np.ndarray) -> tuple[np.ndarray, float]:
            # The first number gives the size, the order of the others the members.
            size = 1 + int(np.searchsorted(edges[:-1], edges[-1] * erfc(-noise[0] / sqrt(2)) / 2))
            kept = noise[1 : m + 1].argsort().argsort() < size
            return (~kept if sample % 2 else kept), 1.0

        return _Design(m, self.n_samples, draw)

    def _fitted(self, moments: Float[Tensor, "k k"], change: float) -> Float[Tensor, " m"]:
        # An equal share for each, and the best change of it that sums to zero.
        matrix, right = moments[1:-1, 1:-1], moments[1:-1, -1]
        equal = torch.full_like(right, change / len(right))
        rest = right - matrix @ equal
        zero_sum = torch.eye(len(right), dtype=right.dtype) - 1 / len(right)
        # The last term is zero on what sums to zero, and makes the matrix invertible.
        centred = zero_sum @ matrix @ zero_sum + matrix.diagonal().mean() / len(right)
        return equal + _solved(centred, rest - rest.mean())


@cache
def _coalitions(m: int) -> np.ndarray:
    """All coalitions but nobody and everybody, each with its complement; those of heavy weight first.

    A single player is everybody.
    """
    if m == 1:
        return np.ones((1, 1), dtype=bool)
    codes = np.arange(1, 2**m - 1)
    members = (codes[:, None] >> np.arange(m)) & 1 == 1
    size = members.sum(1)
    pair = np.minimum(codes, 2**m - 1 - codes)
    return members[np.lexsort((codes, pair, np.minimum(size, m - size)))]
