"""Methods that average the gradient over random points between the input and random baselines."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, ClassVar, NamedTuple

import numpy as np
import torch
from torch import Tensor

from saliscope.attribution.base import Attribution, Path, Question, check_count, check_share
from saliscope.attribution.cards import expected as cards
from saliscope.attribution.layered import Layered
from saliscope.attribution.perturbation import starts_of
from saliscope.attribution.walk import FromBaseline, straight
from saliscope.core.anytime import Step
from saliscope.core.baselines import Baseline, Black, Noise, White, as_baselines
from saliscope.core.borrow import Borrowed
from saliscope.core.device import as_like, exact, wide
from saliscope.core.knobs import knob
from saliscope.core.query import check_score
from saliscope.core.seeds import generator
from saliscope.errors import MethodError
from saliscope.specs.saliency import Card

_ALWAYS = -1
"""In the place of a sample's number: a baseline that is the same in all of them."""

_ONE_BASELINE = (
    "All samples start at the same baseline: this is Integrated Gradients by sampling. Give several, or an "
    "average of them, to draw from."
)

_GROUPS = 8
"""Independent sequences that samples are taken from in turn; how far their means differ gives the error."""

_STEP = (5**0.5 - 1) / 2
"""From one alpha of a sequence to the next, modulo 1: however many there are, they lie evenly."""

_BINS = 32
"""Parts of the path, each of them one node of what is shown along it."""


@dataclass(frozen=True)
class ExpectedGradients(Layered, FromBaseline):
    """Expected gradients (Erion et al. 2019, arXiv 1906.10670).

    ``E of (x - x') * dF(x' + alpha (x - x')) / dx`` over random baselines x' and alpha uniform in [0, 1]. The
    values sum to F(x) minus the mean score of the baselines, as far as the samples go.

    Samples come in turn from 8 sequences. Within one, alpha goes round the path by the golden ratio, and
    baselines take turns; where it begins is random, so each sample by itself is drawn uniformly, and their
    mean has no bias. The standard error follows from the means of the sequences, which are independent.

    The path of the answer gathers samples by their alpha, in 32 equal parts: a node holds the mean of their
    gradients, scores and contributions, and weighs as many as they are. What is shown at alpha is the mean
    baseline mixed with the input, which is the mean of the points there. With one baseline and without noise
    it is such a point itself; else the model need never have been fed it.

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
    layer : str, optional
        Name of a layer in whose space the points lie, between its activations at the baseline and those at
        the input: see `Layered`, and `IntegratedGradients` for what the values then sum to.
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
    layer: str | None = None

    def __post_init__(self) -> None:
        check_count("n_samples", self.n_samples)
        check_count("seed", self.seed, minimum=0)
        as_baselines(self.baseline)

    @property
    def baselines(self) -> tuple[Baseline, ...]:
        """The baselines that are drawn from; none where a `background` takes their place."""
        return () if self.background is not None else as_baselines(self.baseline)

    def starts(self, borrowed: Borrowed, inputs: Tensor) -> Tensor:
        """All that is drawn from: (n_starts, n, ...), in model space."""
        if self.background is None:
            return super().starts(borrowed, inputs)
        return _pictures(self.background, inputs)[:, None].expand(-1, *inputs.shape)

    @property
    def _noise(self) -> float:
        """Standard deviation of the noise on the input, as a share of its range."""
        return 0.0

    def _steps(self, question: Question) -> Iterator[Step[Attribution]]:
        return self._continue(question, _Sums(question), 0)

    def _refined(self, question: Question, attribution: Attribution) -> Iterator[Step[Attribution]]:
        earlier: Any = attribution.method
        done = earlier.n_samples
        if attribution.path is None or attribution.sample_groups is None:
            got = "a result without its path and sample_groups"
            raise MethodError("attribution", got, "one that has them")
        method = replace(earlier, n_samples=2 * done)
        return method._continue(question, _Sums.resumed(question, attribution, done), done)

    def _continue(self, question: Question, sums: "_Sums", done: int) -> Iterator[Step[Attribution]]:
        pictures, n_inputs = question.whole.inputs, len(question)
        baselines = _Baselines(question, self.baseline, self.background)
        draws = _Draws(self.seed, len(baselines.fixed))
        low, high = pictures.flatten(1).aminmax(dim=1)
        noise = (self._noise * (high - low)).reshape(-1, *[1] * (pictures.ndim - 1))
        first, total = done * n_inputs, self.n_samples * n_inputs
        notes = () if self._noise or baselines.noise != [None] else (_ONE_BASELINE,)

        def work(start: int, stop: int) -> "list[_Sample]":
            # Sample by sample, the inputs of a sample side by side: all share its draws.
            order = torch.arange(first + start, first + stop)
            samples, rows = (order // n_inputs).tolist(), order % n_inputs
            which, alphas = draws.which(samples), draws.alphas(samples)
            starts, start_scores = baselines.drawn(samples, which, rows.tolist())
            if self._noise:
                made = {s: draws.noise(s, pictures) for s in sorted(set(samples))}
                ends = question.lifted(pictures[rows] + noise[rows] * torch.stack([made[s] for s in samples]))
            else:
                ends = question.inputs[rows]
            score, gradient = question.gradients(straight(starts, ends, alphas), rows)
            gradient = gradient.to(sums.total.dtype)
            values = gradient * (ends - starts)
            parts = (rows.tolist(), _bins(alphas).tolist(), starts, start_scores, score.tolist())
            each = zip(*parts, gradient, values, question.maps(values), strict=True)
            return [_Sample(*one) for one in each]

        for _, stop, seen in question.chunked(work, total - first):
            for sample in seen:
                sums.add(sample)
            done = first + stop
            if done == total:
                yield Step(partial(self._final, question, sums, draws, notes), done, total)
            else:
                yield Step(partial(self._answer, question, *sums.known), done, total)

    def _answer(
        self,
        question: Question,
        mean: Tensor,
        groups: Tensor | None,
        baseline_score: Tensor,
        **details: Any,
    ) -> Attribution:
        change = exact(question.score) - baseline_score
        return question.answer(
            self,
            mean,
            convergence_delta=exact(mean).flatten(1).sum(1) - change,
            standard_error=None if groups is None else groups.std(0) / len(groups) ** 0.5,
            **{"complete": False, **details},
        )

    def _final(
        self, question: Question, sums: "_Sums", draws: "_Draws", notes: tuple[str, ...]
    ) -> Attribution:
        mean, groups, baseline_score = sums.known
        path = sums.path(question, draws.alphas(range(self.n_samples)))
        details = {"path": path, "sample_groups": groups, "notes": notes, "complete": True}
        return self._answer(question, mean, groups, baseline_score, **details)


@dataclass(frozen=True)
class GradientSHAP(ExpectedGradients):
    """Gradient SHAP, the GradientExplainer of the shap package (Lundberg and Lee 2017, arXiv 1705.07874).

    Expected gradients with noise on the input: ``E of (x + e - x') * dF(x' + alpha (x + e - x')) / dx`` with
    e normal, of standard deviation ``noise_level * (max(x) - min(x))``. The values sum to the mean of
    F(x + e) minus that of F(x'), as far as the samples go; the gap is shown to F(x).

    Parameters
    ----------
    baseline, n_samples, seed, background, layer
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
            self.fixed = [question.lifted(one) for one in starts_of(question.whole, kinds)]
            self.noise = [kind if isinstance(kind, Noise) else None for kind in kinds]
        else:
            pictures = question.lifted(_pictures(background, question.whole.inputs))
            self.fixed = [one.expand_as(question.inputs) for one in pictures]
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
                    whole = self.question.whole
                    fresh[sample, k] = self.question.lifted(new.make(whole.borrowed, whole.inputs))
                made = fresh[sample, k]
            starts.append(made[row])
            keys.append((k, row, _ALWAYS if noise is None else sample))
        stacked = torch.stack(starts)
        asked = {key: i for i, key in enumerate(keys) if key not in self.known}
        found = {}
        if asked:
            places = torch.tensor(list(asked.values()))
            scores = exact(self.question.scores_at(stacked[places], torch.tensor(rows)[places]))
            check_score(scores)
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


class _Draws:
    """Which baseline, alpha and noise each sample has: functions of the seed and its number only."""

    def __init__(self, seed: int, n_baselines: int) -> None:
        self._seed = seed
        streams = [generator(seed, group) for group in range(_GROUPS)]
        self._begins = np.array([stream.random() for stream in streams])
        self._orders = np.stack([stream.permutation(n_baselines) for stream in streams])

    def alphas(self, samples: Sequence[int]) -> np.ndarray:
        """Where on its path each sample lies."""
        place, group = np.divmod(samples, _GROUPS)
        return (self._begins[group] + place * _STEP) % 1.0

    def which(self, samples: Sequence[int]) -> list[int]:
        """The baseline of each sample."""
        place, group = np.divmod(samples, _GROUPS)
        return self._orders[group, place % self._orders.shape[1]].tolist()

    def noise(self, sample: int, like: Tensor) -> Tensor:
        """Standard normal values, the same for all inputs."""
        return as_like(generator(self._seed, _GROUPS + sample).standard_normal(like.shape[1:]), like)


class _Sample(NamedTuple):
    """One sample of one input."""

    row: int
    node: int
    start: Tensor
    start_score: float
    score: float
    gradient: Tensor
    values: Tensor
    map: Tensor


class _Sums:
    """Sums over the samples of each input, taken in one by one: not a bit of them depends on the chunks."""

    def __init__(self, question: Question) -> None:
        inputs = question.inputs
        self.total = torch.zeros_like(inputs, dtype=wide(inputs.dtype))
        maps = question.maps(self.total)
        self.groups = maps.new_zeros((_GROUPS, *maps.shape))
        self.counts = [0] * len(inputs)
        self.starts = torch.zeros_like(self.total)
        self.start_scores = torch.zeros(len(inputs), dtype=torch.float64)
        self.scores = torch.zeros((_BINS, len(inputs)), dtype=torch.float64)
        self.gradients = self.total.new_zeros((_BINS, *inputs.shape))
        self.products = torch.zeros_like(self.gradients)

    @classmethod
    def resumed(cls, question: Question, attribution: Attribution, count: int) -> "_Sums":
        """After `count` samples of each input, whose result is `attribution`."""
        sums, path, groups = cls(question), attribution.path, attribution.sample_groups
        assert path is not None
        assert groups is not None
        sums.counts = [count] * len(sums.counts)
        sums.total += attribution.summands * count
        sums.groups[: len(groups)] = groups * sums._group_counts(len(groups))
        sums.starts += (question.inputs - path.difference) * count
        sums.start_scores += exact(path.baseline_score) * count
        bins = _bins(path.nodes)
        counts = path.weights * count
        sums.scores[bins] = exact(path.node_scores) * counts[:, None]
        by_node = as_like(counts, path.gradients).reshape(-1, *[1] * path.difference.ndim)
        sums.gradients[bins], sums.products[bins] = path.gradients * by_node, path.terms * by_node
        return sums

    def add(self, sample: _Sample) -> None:
        """Take in the next sample of an input."""
        row, node = sample.row, sample.node
        self.total[row] += sample.values
        self.groups[self.counts[row] % _GROUPS, row] += sample.map
        self.counts[row] += 1
        self.starts[row] += sample.start
        self.start_scores[row] += sample.start_score
        self.scores[node, row] += sample.score
        self.gradients[node, row] += sample.gradient
        self.products[node, row] += sample.values

    @property
    def known(self) -> tuple[Tensor, Tensor | None, Tensor]:
        """The mean so far, that of each sequence as a map, and the mean score of the baselines.

        An input that has had no sample has a mean of zero; of less than two sequences nothing is told.
        """
        counts = torch.tensor(self.counts, dtype=torch.float64).clamp_min(1)
        n_groups = min(_GROUPS, *self.counts)
        groups = self.groups[:n_groups] / self._group_counts(n_groups) if n_groups > 1 else None
        return self.total / self._by_row(counts, self.total), groups, self.start_scores / counts

    def path(self, question: Question, alphas: np.ndarray) -> Path:
        """The path, once all inputs have had samples at `alphas`."""
        bins = _bins(alphas)
        counts = np.bincount(bins, minlength=_BINS)
        used = np.flatnonzero(counts)
        sums, own = np.bincount(bins, alphas, _BINS)[used], torch.from_numpy(counts[used]).double()
        by_node = as_like(own, self.products).reshape(-1, *[1] * self.total.ndim)
        start = self.starts / len(alphas)
        return Path(
            nodes=torch.from_numpy(sums) / own,
            weights=own / len(alphas),
            node_scores=self.scores[used] / own[:, None],
            gradients=self.gradients[used] / by_node,
            difference=question.inputs - start,
            baseline=start.to(question.inputs.dtype),
            baseline_score=self.start_scores / len(alphas),
            score=question.score,
            products=self.products[used] / by_node,
        )

    def _group_counts(self, n_groups: int) -> Tensor:
        counts = [[len(range(group, count, _GROUPS)) for count in self.counts] for group in range(n_groups)]
        return as_like(counts, self.groups).reshape(n_groups, -1, *[1] * (self.groups.ndim - 2))

    @staticmethod
    def _by_row(values: Tensor, like: Tensor) -> Tensor:
        return as_like(values, like).reshape(-1, *[1] * (like.ndim - 1))


def _bins(alphas: Any) -> np.ndarray:
    """The part of the path that each alpha lies in."""
    return np.minimum(np.asarray(alphas) * _BINS, _BINS - 1).astype(int)
