"""Methods that look at noisy copies of the input: the mean of another method's maps, or their spread."""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, ClassVar

import torch
from torch import Tensor

from saliscope.attribution.base import Attribution, Method, Question, check_count, check_share
from saliscope.attribution.cards import noise as cards
from saliscope.attribution.gradient import OneGradient, Saliency
from saliscope.attribution.layered import unit_of
from saliscope.attribution.path import relative_change
from saliscope.core.anytime import Step
from saliscope.core.device import exact, wide
from saliscope.core.knobs import knob
from saliscope.core.seeds import NoiseSource
from saliscope.errors import MethodError
from saliscope.specs.saliency import Card

LEAST_SAMPLES = 8
"""Before an error is looked at: the spread of fewer samples says little about the error of their mean."""


@dataclass(frozen=True)
class NoisyMethod(Method):
    """A method whose map is the mean of one term for each noisy copy of the input.

    Parameters
    ----------
    method : Method
        The method whose maps are taken.
    n_samples : int
        Number of noisy copies.
    noise_level : float
        Standard deviation of the noise as a share of each input's range; the paper uses 0.1 to 0.2.
    seed : int
        The same seed gives the same map, whatever the chunk size and device.
    target_error : float
        An input is done when the standard error of its map, relative to the map (L2 norms), is that small; 0
        takes all samples. A note says when that was.
    """

    family: ClassVar[str] = "Noise"
    refinable: ClassVar[bool] = True
    locating: ClassVar[int] = 0
    """First samples that have no term yet, since it is a distance to earlier ones."""

    method: Method = field(default_factory=lambda: Saliency(absolute=False))
    n_samples: int = knob(25, "samples", 1, 500, 1, log=True)
    noise_level: float = knob(0.15, "noise level", 0.0, 1.0, 0.01)
    seed: int = knob(0, "seed", 0, 9999, 1)
    target_error: float = knob(0.0, "stop at an error of", 0.0, 1.0, 0.01)

    def __post_init__(self) -> None:
        check_count("n_samples", self.n_samples)
        check_count("seed", self.seed, minimum=0)
        check_share("noise_level", self.noise_level, "a share of the input range", 10)
        check_share("target_error", self.target_error, "a share of the map")
        if not isinstance(self.method, Method):
            raise MethodError("method", repr(self.method), "a method object such as IntegratedGradients()")

    def terms(self, maps: Tensor, state: "Sampled") -> tuple[Tensor, Tensor | None]:
        """Terms of an input's next samples, given their maps; and the mean of all maps, if it is needed."""
        return maps, None

    def _steps(self, question: Question) -> Iterator[Step[Attribution]]:
        return _Copies(self, question, [Sampled()] * len(question.inputs)).steps()

    def _refined(self, question: Question, attribution: Attribution) -> Iterator[Step[Attribution]]:
        # Twice the samples: an error that is smaller by the root of two.
        earlier: Any = attribution.method
        method = replace(earlier, n_samples=2 * earlier.n_samples, target_error=earlier.target_error / 2**0.5)
        return _Copies(method, question, _known(attribution, earlier.locating)).steps()


@dataclass(frozen=True)
class SmoothGrad(NoisyMethod):
    """SmoothGrad (Smilkov et al. 2017, arXiv 1706.03825): the mean of a method's maps over noisy inputs.

    ``1/n * sum of map(x + eps_i)``, ``eps_i`` normal with standard deviation
    ``noise_level * (max(x) - min(x))``. Parameters as of `NoisyMethod`.
    """

    key: ClassVar[str] = "smooth_grad"
    title: ClassVar[str] = "SmoothGrad"
    summary: ClassVar[str] = (
        "The gradient averaged over noisy copies of the picture: less speckle, the same question."
    )
    card: ClassVar[Card] = cards.SMOOTH_GRAD

    @property
    def signed(self) -> bool:
        """As the averaged method."""
        return self.method.signed

    @property
    def unit(self) -> str:  # type: ignore[override]
        """As the averaged method."""
        return unit_of(self.method)


class _Squared(NoisyMethod):
    """A method whose map is a square."""

    @property
    def signed(self) -> bool:
        """Squares carry no sign."""
        return False

    @property
    def unit(self) -> str:  # type: ignore[override]
        """The square of the method's own."""
        return f"({unit_of(self.method)})²"


@dataclass(frozen=True)
class SmoothGradSquared(_Squared):
    """SmoothGrad squared (Hooker et al. 2018, arXiv 1806.10758): the mean square of maps over noisy inputs.

    ``1/n * sum of map(x + eps_i)^2``: `SmoothGrad` squared, plus `VarGrad`. Parameters as of `NoisyMethod`.
    """

    key: ClassVar[str] = "smooth_grad_squared"
    title: ClassVar[str] = "SmoothGrad squared"
    summary: ClassVar[str] = (
        "The mean square of the gradient over noisy copies of the picture: how strongly a pixel acts there."
    )
    card: ClassVar[Card] = cards.SMOOTH_GRAD_SQUARED

    def terms(self, maps: Tensor, state: "Sampled") -> tuple[Tensor, Tensor | None]:
        """Squares."""
        return maps.square(), None


@dataclass(frozen=True)
class VarGrad(_Squared):
    """VarGrad (Adebayo et al. 2018, arXiv 1810.03307): the variance of a method's maps over noisy inputs.

    ``1/n * sum of (map(x + eps_i) - mean)^2``: `SmoothGradSquared` minus the square of `SmoothGrad`.
    Parameters as of `NoisyMethod`.
    """

    key: ClassVar[str] = "var_grad"
    title: ClassVar[str] = "VarGrad"
    summary: ClassVar[str] = (
        "How much the gradient varies over noisy copies of the picture: where the model bends."
    )
    card: ClassVar[Card] = cards.VAR_GRAD
    locating: ClassVar[int] = 1

    n_samples: int = knob(25, "samples", 2, 500, 1, log=True)

    def __post_init__(self) -> None:
        super().__post_init__()
        check_count("n_samples", self.n_samples, minimum=2)  # one map has no variance

    def terms(self, maps: Tensor, state: "Sampled") -> tuple[Tensor, Tensor | None]:
        """Squared distances to the mean of all earlier maps, shrunk by what that mean lacks (Welford 1962).

        Uncorrelated for normal maps, and each of the variance's expectation: so their own spread gives the
        standard error of the variance.
        """
        centre = torch.zeros_like(maps[0]) if state.centre is None else state.centre
        terms = torch.empty_like(maps)
        for n, (map_, term) in enumerate(zip(maps, terms, strict=True), state.n):
            away = map_ - centre
            torch.mul(away.square(), n / (n + 1), out=term)
            centre = centre + away / (n + 1)
        return terms, centre


@dataclass(frozen=True)
class Sampled:
    """What is known after `n` samples of one input.

    Sums are built sample by sample: so not a bit of them depends on the chunks.

    Attributes
    ----------
    n : int
        Number of samples.
    total : Tensor of shape (channels, ...), optional
        Sum of their terms.
    origin : Tensor, optional
        A first guess at a term, summed over the channels.
    away, away_squared : Tensor of the shape of `origin`, optional
        Sum of the terms' distances to `origin`, and of their squares.
    centre : Tensor of the shape of `total`, optional
        Mean of the maps themselves, where the terms need it.
    """

    n: int = 0
    total: Tensor | None = None
    origin: Tensor | None = None
    away: Tensor | None = None
    away_squared: Tensor | None = None
    centre: Tensor | None = None

    @property
    def value(self) -> Tensor | None:
        """Mean of the terms."""
        return None if self.total is None else self.total / self.n

    def standard_error(self, locating: int) -> Tensor | None:
        """Standard error of `value`, summed over the channels; None for too few samples."""
        m = self.n - locating
        if m < 2 or self.away is None or self.away_squared is None:
            return None
        spread = (self.away_squared - self.away.square() / m).clamp_min(0)
        return (spread / (m * (m - 1))).sqrt() * (m / self.n)

    def followed_by(self, maps: Tensor, method: NoisyMethod) -> "Sampled":
        """After more samples."""
        terms, centre = method.terms(maps, self)
        total = _plus(self.total, terms)
        own = terms.sum(1)
        # Of a term that is not there yet, zero: it adds nothing below.
        origin = own[0] if self.origin is None else self.origin
        own = own - origin
        away, squared = _plus(self.away, own), _plus(self.away_squared, own.square())
        return Sampled(self.n + len(terms), total, origin, away, squared, centre)


def _plus(total: Tensor | None, more: Tensor) -> Tensor:
    total = torch.zeros_like(more[0]) if total is None else total.clone()
    for one in more:
        total += one
    return total


def _known(attribution: Attribution, locating: int) -> list[Sampled]:
    """What an attribution knows of the samples of each input."""
    counts, error, centre = attribution.sample_counts, attribution.standard_error, attribution.sample_mean
    assert counts is not None
    states = []
    for i, (n, value) in enumerate(zip(counts.tolist(), attribution.values, strict=True)):
        m, flat = n - locating, value.sum(0)
        squared = torch.zeros_like(flat) if error is None else (error[i] * (n / m)).square() * (m * (m - 1))
        # Seen from the mean itself: from there, the terms so far have no sum.
        origin = flat * (n / m) if m > 0 else None
        own = None if centre is None else centre[i]
        states.append(Sampled(n, value * n, origin, torch.zeros_like(flat), squared, own))
    return states


class _Copies:
    """The maps at noisy copies of all inputs: copy by copy, the inputs of a copy side by side."""

    def __init__(self, method: NoisyMethod, question: Question, states: list[Sampled]) -> None:
        self.method, self.question, self.states = method, question, states
        inputs = question.inputs
        low, high = inputs.flatten(1).aminmax(dim=1)
        self.spread = method.noise_level * (high - low).reshape(-1, *[1] * (inputs.ndim - 1))
        self.source = NoiseSource(method.seed, tuple(inputs.shape[1:]))
        # A method of one gradient needs no question of its own for each chunk.
        inner = method.method
        own = type(inner)._steps is OneGradient._steps
        self.direct = own and isinstance(inner, OneGradient) and inner.layer is None
        self.first: Attribution | None = None
        self.half_at = method.n_samples // 2
        self.halves = [state.value if state.n == self.half_at else None for state in states]
        self.begun = torch.tensor([state.n for state in states])
        self.done = torch.tensor([self._is_done(state) for state in states])

    def steps(self) -> Iterator[Step[Attribution]]:
        n_inputs = len(self.states)
        skip, total = int(self.begun.min()) * n_inputs, self.method.n_samples * n_inputs
        # "forward": another method inside measures by itself, and what it learns serves here.
        kind = "gradient" if self.direct else "forward"
        for _, stop, (rows, maps) in self.question.chunked(partial(self._visit, skip), total - skip, kind):
            for i in sorted(set(rows.tolist())):
                self._take(i, maps if n_inputs == 1 else maps[rows == i])
            over = bool(self.done.all())
            answer = partial(self._answer, tuple(self.states), tuple(self.halves), over)
            yield Step(answer, skip + stop, skip + stop if over else total)
            if over:
                return

    def _visit(self, skip: int, start: int, stop: int) -> tuple[Tensor, Tensor]:
        """Which input each row of a chunk belongs to, and the maps; inputs that are done are left out."""
        # A copy's noise is the same for all inputs: an input's map may not depend on the inputs beside it.
        order = torch.arange(skip + start, skip + stop)
        copies, rows = order // len(self.states), order % len(self.states)
        wanted = (copies >= self.begun[rows]) & ~self.done[rows]
        copies, rows = copies[wanted], rows[wanted]
        inputs = self.question.inputs
        if not len(rows):
            return rows, inputs[rows]
        noise, spread = self.source.draw(int(copies[0]), int(copies[-1]) + 1, inputs), self.spread
        if len(self.states) > 1:
            inputs, spread, noise = inputs[rows], spread[rows], noise[copies - copies[0]]
        noisy = torch.addcmul(inputs, spread, noise)
        method = self.method.method
        if isinstance(method, OneGradient) and self.direct:
            return rows, method._values(noisy, self.question.gradients(noisy, rows)[1])
        target, question = self.question.target.rows(rows), self.question
        made = method.attribute(question.borrowed, noisy, target, chunk_size=question.chunk_size)
        self.first = self.first or made
        return rows, made.values

    def _take(self, i: int, maps: Tensor) -> None:
        """Take in the maps of an input's next copies, one by one where each may be the last."""
        state, maps = self.states[i], maps.to(wide(maps.dtype))
        while len(maps) and not self.done[i]:
            to_half = self.half_at - state.n
            k = 1 if self.method.target_error else to_half if 0 < to_half < len(maps) else len(maps)
            state, maps = state.followed_by(maps[:k], self.method), maps[k:]
            if state.n == self.half_at:
                self.halves[i] = state.value
            self.done[i] = self._is_done(state)
        self.states[i] = state

    def _is_done(self, state: Sampled) -> bool:
        if state.n >= self.method.n_samples:
            return True
        target_error = self.method.target_error
        return target_error > 0 and state.n >= LEAST_SAMPLES and self._error(state) <= target_error

    def _error(self, state: Sampled) -> float:
        error = state.standard_error(self.method.locating)
        if error is None or state.value is None:
            return torch.inf
        size = exact(state.value.sum(0)).norm()
        return float(exact(error).norm() / size) if size > 0 or error.any() else 0.0

    def _answer(
        self, states: tuple[Sampled, ...], halves: tuple[Tensor | None, ...], complete: bool
    ) -> Attribution:
        known = [state.value for state in states]
        some = next(value for value in known if value is not None)
        values = torch.stack([torch.zeros_like(some) if value is None else value for value in known])
        errors = [error for s in states if (error := s.standard_error(self.method.locating)) is not None]
        centres = [s.centre for s in states if s.centre is not None]
        half = [one for one in halves if one is not None]
        change = complete and len(half) == len(states)
        first, own = self.first, self._notes(states) if complete and self.method.target_error else ()
        return self.question.answer(
            self.method,
            values,
            map_change=relative_change(torch.stack(half), values) if change else None,
            standard_error=torch.stack(errors) if len(errors) == len(states) else None,
            sample_counts=torch.tensor([state.n for state in states]),
            sample_mean=torch.stack(centres) if len(centres) == len(states) else None,
            # What its method has to say of a noisy copy, it says of their mean as well.
            coverage=None if first is None else first.coverage,
            layer=None if first is None else first.layer,
            grid=None if first is None else first.grid,
            notes=(*own, *(first.notes if first else ())),
            complete=complete,
        )

    def _notes(self, states: tuple[Sampled, ...]) -> tuple[str, ...]:
        most, asked = self.method.n_samples, self.method.target_error
        errors = [self._error(state) for state in states]
        met = [state.n for state, error in zip(states, errors, strict=True) if error <= asked]
        notes = []
        if met:
            counts = ", ".join(map(str, met))
            notes.append(f"Stopped after {counts} of {most} samples: standard error {asked:.2g} of the map.")
        if len(met) < len(states):
            notes.append(f"After {most} samples the standard error is still {max(errors):.2g} of the map.")
        return tuple(notes)
