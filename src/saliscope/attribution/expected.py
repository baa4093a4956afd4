"""Methods that average the gradient over random points between the input and random baselines."""

from collections.abc import Iterator
from copy import copy
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, ClassVar

import torch
from torch import Tensor

from saliscope.attribution.base import Attribution, Method, Question, check_count, check_share
from saliscope.attribution.baselines import Black, Noise, White, as_baselines
from saliscope.attribution.cards import expected as cards
from saliscope.attribution.knobs import knob
from saliscope.attribution.perturbation import forward_scores, starts_of
from saliscope.core.anytime import Step
from saliscope.core.device import as_like, exact, wide
from saliscope.core.seeds import generator
from saliscope.errors import MethodError
from saliscope.specs.saliency import Card

_ALWAYS = -1
"""In the place of a sample's number: a baseline that is the same in all of them."""


@dataclass(frozen=True)
class ExpectedGradients(Method):
    """Expected gradients (Erion et al. 2019, arXiv 1906.10670).

    ``E of (x - x') * dF(x' + alpha (x - x')) / dx`` over random baselines x' and alpha uniform in [0, 1]. The
    values sum to F(x) minus the mean score of the baselines, as far as the samples go.

    Parameters
    ----------
    baseline : Baseline, str, float, Tensor, or a tuple of them
        Where baselines are drawn from: one of several for each sample. Noise is new in each sample.
    n_samples : int
        Number of pairs of a baseline and an alpha.
    seed : int
        The same seed gives the same map, whatever the chunk size and device.
    background : Tensor of shape (m, channels, height, width), optional
        Pictures in model space, such as a part of the training set, from which baselines are drawn in the
        place of `baseline`.
    """

    key: ClassVar[str] = "expected_gradients"
    title: ClassVar[str] = "Expected gradients"
    summary: ClassVar[str] = (
        "How much each pixel contributed to what sets the picture's score apart from that of random "
        "baselines."
    )
    unit: ClassVar[str] = "score"
    card: ClassVar[Card] = cards.EXPECTED_GRADIENTS
    family: ClassVar[str] = "Paths"
    refinable: ClassVar[bool] = True

    baseline: Any = field(default_factory=lambda: (Black(), White()))
    n_samples: int = knob(100, "samples", 2, 2000, 1, log=True)
    seed: int = knob(0, "seed", 0, 9999, 1)
    background: Any = field(default=None, repr=False)

    def __post_init__(self) -> None:
        check_count("n_samples", self.n_samples)
        check_count("seed", self.seed, minimum=0)
        as_baselines(self.baseline)

    @property
    def _noise(self) -> float:
        """Standard deviation of the noise on the input, as a share of its range."""
        return 0.0

    def _steps(self, question: Question) -> Iterator[Step[Attribution]]:
        return self._continue(question, _Sums(question), 0)

    def _refined(self, question: Question, attribution: Attribution) -> Iterator[Step[Attribution]]:
        earlier: Any = attribution.method
        done = earlier.n_samples
        method = replace(earlier, n_samples=2 * done)
        return method._continue(question, _Sums.resumed(question, attribution, done), done)

    def _continue(self, question: Question, sums: "_Sums", done: int) -> Iterator[Step[Attribution]]:
        inputs, n_inputs = question.inputs, len(question.inputs)
        baselines = _Baselines(question, self.baseline, self.background)
        low, high = inputs.flatten(1).aminmax(dim=1)
        noise = (self._noise * (high - low)).reshape(-1, *[1] * (inputs.ndim - 1))
        first, total = done * n_inputs, self.n_samples * n_inputs

        def work(start: int, stop: int) -> tuple[list[int], Tensor, list[float]]:
            # Sample by sample, the inputs of a sample side by side: all share its draws.
            order = torch.arange(first + start, first + stop)
            samples, rows = (order // n_inputs).tolist(), order % n_inputs
            drawn = {s: self._draw(s, len(baselines.fixed), inputs) for s in sorted(set(samples))}
            which, alphas, noises = zip(*(drawn[s] for s in samples), strict=True)
            starts, scores = baselines.drawn(samples, list(which), rows.tolist())
            ends, alpha = inputs[rows], as_like(alphas, inputs)
            if self._noise:
                ends = ends + noise[rows] * torch.stack(noises)
            points = torch.lerp(starts, ends, alpha.reshape(-1, *[1] * (inputs.ndim - 1)))
            gradient = question.gradients(points, rows)[1].to(sums.mean.dtype)
            return rows.tolist(), gradient * (ends - starts), scores

        for _, stop, seen in question.chunked(work, total - first):
            for row, values, score in zip(*seen, strict=True):
                sums.add(row, values, score)
            done = first + stop
            yield Step(partial(self._answer, question, sums.copied(), done == total), done, total)

    def _draw(self, sample: int, n_baselines: int, like: Tensor) -> tuple[int, float, Tensor]:
        """Baseline, alpha and noise of a sample."""
        stream = generator(self.seed, sample)
        which, alpha = int(stream.integers(n_baselines)), stream.random()
        noise = stream.standard_normal(like.shape[1:]) if self._noise else 0.0
        return which, alpha, as_like(noise, like)

    def _answer(self, question: Question, sums: "_Sums", complete: bool) -> Attribution:
        change = exact(question.score) - sums.baseline
        return question.answer(
            self,
            sums.mean,
            convergence_delta=exact(sums.mean).flatten(1).sum(1) - change,
            standard_error=sums.standard_error,
            complete=complete,
        )


@dataclass(frozen=True)
class GradientSHAP(ExpectedGradients):
    """Gradient SHAP, the GradientExplainer of the shap package (Lundberg and Lee 2017, arXiv 1705.07874).

    Expected gradients with noise on the input: ``E of (x + e - x') * dF(x' + alpha (x + e - x')) / dx`` with
    e normal, of standard deviation ``noise_level * (max(x) - min(x))``. The values sum to the mean of
    F(x + e) minus that of F(x'), as far as the samples go; the gap is shown to F(x).

    Parameters
    ----------
    baseline, n_samples, seed, background
        As of `ExpectedGradients`.
    noise_level : float
        Standard deviation of the noise as a share of each input's range; 0 is expected gradients.
    """

    key: ClassVar[str] = "gradient_shap"
    title: ClassVar[str] = "Gradient SHAP"
    summary: ClassVar[str] = "Expected gradients, with noise on the picture as well."
    card: ClassVar[Card] = cards.GRADIENT_SHAP

    noise_level: float = knob(0.1, "noise level", 0.0, 1.0, 0.01)

    def __post_init__(self) -> None:
        super().__post_init__()
        check_share("noise_level", self.noise_level, "a share of the input range", 10)

    @property
    def _noise(self) -> float:
        return self.noise_level


class _Baselines:
    """The distribution that baselines are drawn from, of equal chance each; what stays is scored once."""

    def __init__(self, question: Question, baseline: Any, background: Any) -> None:
        self.question = question
        if background is None:
            kinds = as_baselines(baseline)
            self.fixed = list(starts_of(question, kinds))
            self.noise = [kind if isinstance(kind, Noise) else None for kind in kinds]
        else:
            self.fixed = [one.expand_as(question.inputs) for one in _pictures(background, question.inputs)]
            self.noise = [None] * len(self.fixed)
        self.known: dict[tuple[int, int, int], float] = {}

    def drawn(self, samples: list[int], which: list[int], rows: list[int]) -> tuple[Tensor, list[float]]:
        """The baseline ``which[i]`` of input ``rows[i]`` in sample ``samples[i]``, and its score."""
        fresh: dict[tuple[int, int], Tensor] = {}
        keys, starts = [], []
        for sample, k, row in zip(samples, which, rows, strict=True):
            made, noise = self.fixed[k], self.noise[k]
            if noise is not None:
                if (sample, k) not in fresh:
                    new = replace(noise, seed=noise.seed + sample)
                    fresh[sample, k] = new.make(self.question.borrowed, self.question.inputs)
                made = fresh[sample, k]
            starts.append(made[row])
            keys.append((k, row, _ALWAYS if noise is None else sample))
        stacked = torch.stack(starts)
        asked = {key: i for i, key in enumerate(keys) if key not in self.known}
        found = {}
        if asked:
            places = torch.tensor(list(asked.values()))
            scores = forward_scores(
                self.question, stacked[places], torch.tensor(rows)[places], measured=False
            )
            found = dict(zip(asked, scores.tolist(), strict=True))
            self.known.update((key, score) for key, score in found.items() if key[2] == _ALWAYS)
        return stacked, [self.known[key] if key in self.known else found[key] for key in keys]


def _pictures(background: Any, inputs: Tensor) -> Tensor:
    pictures = torch.as_tensor(background).detach().to(inputs)
    if pictures.shape[1:] != inputs.shape[1:] or not pictures.numel():
        raise MethodError(
            "background",
            f"a tensor of shape {tuple(pictures.shape)}",
            f"pictures as the model is fed them, shape (m, {', '.join(map(str, inputs.shape[1:]))})",
        )
    if not bool(torch.isfinite(pictures).all()):
        raise MethodError("background", "a tensor with NaN or infinite values", "finite values")
    return pictures


class _Sums:
    """Mean and spread of the samples of each input, one sample after the other (Welford 1962)."""

    def __init__(self, question: Question) -> None:
        inputs = question.inputs
        self.mean = torch.zeros_like(inputs, dtype=wide(inputs.dtype))
        self.squares = self.mean.sum(1)  # of what the map deviates from its mean
        self.counts = [0] * len(inputs)
        self.baseline = torch.zeros(len(inputs), dtype=torch.float64)

    @classmethod
    def resumed(cls, question: Question, attribution: Attribution, count: int) -> "_Sums":
        """After `count` samples of each input, whose result is `attribution`."""
        sums = cls(question)
        sums.mean += attribution.values
        sums.counts = [count] * len(sums.counts)
        if attribution.standard_error is not None:
            sums.squares += attribution.standard_error.square() * (count * (count - 1))
        gap = attribution.convergence_delta
        assert gap is not None
        sums.baseline = exact(attribution.score) - exact(sums.mean).flatten(1).sum(1) + gap
        return sums

    def add(self, row: int, values: Tensor, baseline_score: float) -> None:
        """Take in one sample of an input."""
        self.counts[row] += 1
        before = self.mean[row].sum(0)
        self.mean[row] += (values - self.mean[row]) / self.counts[row]
        deviation = values.sum(0)
        self.squares[row] += (deviation - before) * (deviation - self.mean[row].sum(0))
        self.baseline[row] += (baseline_score - self.baseline[row]) / self.counts[row]

    def copied(self) -> "_Sums":
        """As they are now."""
        other = copy(self)
        other.mean, other.squares = self.mean.clone(), self.squares.clone()
        other.counts, other.baseline = list(self.counts), self.baseline.clone()
        return other

    @property
    def standard_error(self) -> Tensor | None:
        """Standard error of the map; NaN for an input with one sample, None if no input has more."""
        if max(self.counts) < 2:
            return None
        counts = as_like(self.counts, self.squares).reshape(-1, *[1] * (self.squares.ndim - 1))
        variance = self.squares.clamp_min(0) / (counts * (counts - 1))
        return variance.where(counts > 1, torch.nan).sqrt()
