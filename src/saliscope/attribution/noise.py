"""Methods that average over noisy copies of the input."""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, ClassVar

import torch
from torch import Tensor

from saliscope.attribution.base import Attribution, Method, Question, check_count
from saliscope.attribution.cards import noise as cards
from saliscope.attribution.gradient import OneGradient, Saliency
from saliscope.attribution.knobs import knob
from saliscope.attribution.path import relative_change
from saliscope.core.anytime import Step
from saliscope.core.device import as_like, wide
from saliscope.core.seeds import NoiseSource
from saliscope.errors import MethodError
from saliscope.specs.saliency import Card


@dataclass(frozen=True)
class SmoothGrad(Method):
    """SmoothGrad (Smilkov et al. 2017, arXiv 1706.03825): the mean of a method's maps over noisy inputs.

    ``1/n * sum of map(x + eps_i)``, ``eps_i`` normal with standard deviation
    ``noise_level * (max(x) - min(x))``.

    Parameters
    ----------
    method : Method
        The method that is averaged.
    n_samples : int
        Number of noisy copies.
    noise_level : float
        Standard deviation of the noise as a share of each input's range; the paper uses 0.1 to 0.2.
    seed : int
        The same seed gives the same map, whatever the chunk size and device.
    """

    key: ClassVar[str] = "smooth_grad"
    title: ClassVar[str] = "SmoothGrad"
    summary: ClassVar[str] = (
        "The gradient averaged over noisy copies of the picture: less speckle, the same question."
    )
    card: ClassVar[Card] = cards.SMOOTH_GRAD
    family: ClassVar[str] = "Noise"
    refinable: ClassVar[bool] = True

    method: Method = field(default_factory=lambda: Saliency(absolute=False))
    n_samples: int = knob(25, "samples", 1, 500, 1, log=True)
    noise_level: float = knob(0.15, "noise level", 0.0, 1.0, 0.01)
    seed: int = knob(0, "seed", 0, 9999, 1)

    def __post_init__(self) -> None:
        check_count("n_samples", self.n_samples)
        check_count("seed", self.seed, minimum=0)
        number = isinstance(self.noise_level, (int, float)) and not isinstance(self.noise_level, bool)
        if not number or not 0 <= self.noise_level <= 10:
            raise MethodError(
                "noise_level", repr(self.noise_level), "a share of the input range, from 0 to 10"
            )
        if not isinstance(self.method, Method):
            raise MethodError("method", repr(self.method), "a method object such as IntegratedGradients()")

    @property
    def signed(self) -> bool:
        """As the averaged method."""
        return self.method.signed

    @property
    def unit(self) -> str:  # type: ignore[override]
        """As the averaged method."""
        return self.method.unit

    def _steps(self, question: Question) -> Iterator[Step[Attribution]]:
        return self._continue(question, None, 0)

    def _refined(self, question: Question, attribution: Attribution) -> Iterator[Step[Attribution]]:
        earlier: Any = attribution.method
        method = replace(earlier, n_samples=2 * earlier.n_samples)
        return method._continue(question, attribution.values, earlier.n_samples)

    def _continue(self, question: Question, mean: Tensor | None, done: int) -> Iterator[Step[Attribution]]:
        inputs, n_inputs = question.inputs, len(question.inputs)
        source = NoiseSource(self.seed, tuple(inputs.shape[1:]))
        low, high = inputs.flatten(1).aminmax(dim=1)
        spread = self.noise_level * (high - low).reshape(-1, *[1] * (inputs.ndim - 1))
        first, total = done * n_inputs, self.n_samples * n_inputs
        state = _RunningMean(n_inputs, mean, done, half_at=self.n_samples // 2)

        # A method of one gradient needs no question of its own for each chunk.
        direct = type(self.method)._steps is OneGradient._steps

        def work(start: int, stop: int) -> Tensor:
            # One row is one noisy copy of one input, copy by copy. A copy's noise is the same for all inputs:
            # an input's map may not depend on the inputs beside it.
            order = torch.arange(first + start, first + stop)
            copies, rows = order // n_inputs, order % n_inputs
            noise = source.draw(int(copies[0]), int(copies[-1]) + 1, inputs)[copies - copies[0]]
            noisy = inputs[rows] + spread[rows] * noise
            if isinstance(self.method, OneGradient) and direct:
                return self.method._values(noisy, question.gradients(noisy, rows)[1])
            target = question.target.rows(rows)
            made = self.method.attribute(question.borrowed, noisy, target, chunk_size=question.chunk_size)
            return made.values

        # "forward": another method inside measures by itself, and what it learns serves here.
        for start, stop, values in question.chunked(work, total - first, "gradient" if direct else "forward"):
            state.add(values, start)
            done = first + stop
            half = state.half if done == total else None
            yield Step(partial(self._answer, question, state.mean(), half, done == total), done, total)

    def _answer(self, question: Question, mean: Tensor, half: Tensor | None, complete: bool) -> Attribution:
        change = None if half is None else relative_change(half, mean)
        return question.answer(self, mean, map_change=change, complete=complete)


class _RunningMean:
    """Mean over samples that arrive row by row, sample after sample, the inputs of a sample side by side."""

    def __init__(self, n_inputs: int, mean: Tensor | None, done: int, half_at: int) -> None:
        self._n_inputs, self._half_at = n_inputs, half_at
        self._counts = torch.full((n_inputs,), float(done))
        self._total = None if mean is None else mean.to(wide(mean.dtype)) * done
        self.half = mean if done and done == half_at else None

    def add(self, values: Tensor, start: int) -> None:
        """Take in the maps of consecutive rows."""
        if self._total is None:
            shape = (self._n_inputs, *values.shape[1:])
            self._total = torch.zeros(shape, dtype=wide(values.dtype), device=values.device)
        for row, value in enumerate(values, start):
            self._total[row % self._n_inputs] += value
            self._counts[row % self._n_inputs] += 1
            if bool((self._counts == self._half_at).all()):
                self.half = self.mean()

    def mean(self) -> Tensor:
        """Mean of each input's samples so far."""
        assert self._total is not None
        counts = as_like(self._counts.clamp_min(1), self._total)
        return self._total / counts.reshape(-1, *[1] * (self._total.ndim - 1))
