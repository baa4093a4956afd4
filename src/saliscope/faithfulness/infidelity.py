"""Infidelity: whether a map foretells how the score changes when the picture is perturbed."""

from collections.abc import Generator, Iterator
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Literal, get_args

import torch
from jaxtyping import Float
from torch import Tensor, nn

from saliscope.core.anytime import CancelToken, Step, drive, steadily
from saliscope.core.batching import ChunkSize
from saliscope.core.borrow import Borrowed
from saliscope.core.device import exact
from saliscope.core.query import Query
from saliscope.core.seeds import NoiseSource, generator
from saliscope.core.targets import ResolvedTarget
from saliscope.errors import MethodError
from saliscope.faithfulness.curves import note_of
from saliscope.faithfulness.order import as_values, asked
from saliscope.faithfulness.protocol import agreed, check_choice, check_count, check_positive
from saliscope.faithfulness.replacement import as_replacement, compared_to
from saliscope.faithfulness.shown import Shown

Perturbation = Literal["square", "noisy_baseline", "noise"]
Values = Literal["contribution", "gradient"]


@dataclass(frozen=True)
class InfidelityProtocol:
    """How infidelity is measured. Numbers may be compared only where all of this is the same.

    Parameters
    ----------
    perturbation : {"square", "noisy_baseline", "noise"}
        What is taken from a picture x: ``x - x'`` in a square at a random place and 0 elsewhere;
        ``x - (x' + noise)`` everywhere; or the noise itself.
    values : {"contribution", "gradient"}, optional
        What a map's values are: what a pixel adds to the score compared to ``x'`` (Integrated Gradients,
        gradient x input, occlusion), or the score per unit of input (gradients). Contributions foretell what
        a square takes away, which is their sum in it; of a pixel that is altered in part they say nothing, so
        they go with "square" only. None: as the unit of an attribution says, else contributions.
    channels : {"own", "shared"}, optional
        Whether noise differs between the channels of a pixel. Gradients that were summed over the channels
        foretell shared noise only. None: "own" where the maps have channels.
    replacement : Baseline, str, float or Tensor, optional
        ``x'``; see `saliscope.faithfulness.replacement`. For contributions, what they were compared to. None:
        the baseline of the attribution's method, if it has one, else zero.
    side : int, optional
        Side of the squares, in pixels; None: drawn from 1 to half of the picture's shorter side.
    noise_level : float
        Standard deviation of the noise as a share of each input's range (the authors: 0.2 of inputs from
        0 to 1).
    scaled : bool
        Multiply each map by the factor of at least 0 that gives the least infidelity, so that its scale does
        not count, but its sign does.
    n_samples : int
        Number of perturbations.
    seed : int
        Draws them, the same for every input.

    Raises
    ------
    MethodError
        If a value is none of these.
    """

    perturbation: Perturbation = "square"
    values: Values | None = None
    channels: Literal["own", "shared"] | None = None
    replacement: Any = None
    side: int | None = None
    noise_level: float = 0.2
    scaled: bool = False
    n_samples: int = 200
    seed: int = 0

    def __post_init__(self) -> None:
        check_choice("perturbation", self.perturbation, get_args(Perturbation))
        if self.values is not None:
            check_choice("values", self.values, get_args(Values))
        if self.channels is not None:
            check_choice("channels", self.channels, ("own", "shared"))
        if self.side is not None:
            check_count("side", self.side, 1)
        check_positive("noise_level", self.noise_level)
        check_count("n_samples", self.n_samples, 1)
        check_count("seed", self.seed, 0)
        if self.replacement is not None:
            object.__setattr__(self, "replacement", as_replacement(self.replacement))


@dataclass(frozen=True)
class Infidelity(Shown):
    """How far a map is from foretelling the change of the score.

    Attributes
    ----------
    protocol : InfidelityProtocol
        How it was measured, with what was left open filled in.
    infidelity : Tensor of shape (n,)
        Mean square of foretold minus true change; 0 is best. In the square of the score's unit. NaN where
        nothing is taken from the picture, as all other numbers there.
    standard_error : Tensor of shape (n,)
        Of `infidelity`, from the samples.
    relative : Tensor of shape (n,)
        `infidelity` over the mean square of the true change: 1 is what an empty map gets.
    scale : Tensor of shape (n,)
        What the map was multiplied by: 1 unless ``scaled``.
    foretold, true : Tensor of shape (n_samples, n)
        Change of the score by each perturbation, before scaling.
    target : ResolvedTarget
        What was scored.
    notes : tuple of str
        Caveats in words.
    complete : bool
        False for what a stream gives before its last step.
    """

    protocol: InfidelityProtocol
    infidelity: Float[Tensor, " n"]
    standard_error: Float[Tensor, " n"]
    relative: Float[Tensor, " n"]
    scale: Float[Tensor, " n"]
    foretold: Float[Tensor, "n_samples n"]
    true: Float[Tensor, "n_samples n"]
    target: ResolvedTarget
    notes: tuple[str, ...] = ()
    complete: bool = True


def infidelity(
    model: nn.Module | Borrowed,
    inputs: Tensor,
    maps: Any,
    target: Any = None,
    *,
    progress: Any = None,
    cancel: CancelToken | None = None,
    **options: Any,
) -> Infidelity:
    """Mean squared error of a map that foretells changes of the score (Yeh et al. 2019, arXiv 1901.09392).

    ``E[(I . map - (F(x) - F(x - I)))^2]`` over random perturbations I; see `InfidelityProtocol`. It is 0 for
    an affine model and its exact attribution.

    Parameters
    ----------
    model : nn.Module or Borrowed
    inputs : Tensor of shape (n, channels, height, width)
        In model space.
    maps : Attribution, Tensor or ndarray
        See `saliscope.faithfulness.order.as_values`.
    target : see `saliscope.Target`
        None: that of the attribution, or else each input's own top class.
    progress : callable, optional
        Called with every `Step`.
    cancel : CancelToken, optional
        Stops between two steps with `Cancelled`, which carries the numbers so far.
    **options
        ``protocol`` and ``chunk_size`` as in `infidelity_stream`; all else are fields of the protocol.

    Returns
    -------
    Infidelity

    Raises
    ------
    InputError
        If the maps do not fit the inputs, or hold NaN.
    MethodError
        If the maps foretell nothing about such a perturbation.
    """
    return drive(infidelity_stream(model, inputs, maps, target, **options), progress, cancel)


def infidelity_stream(
    model: nn.Module | Borrowed,
    inputs: Tensor,
    maps: Any,
    target: Any = None,
    *,
    protocol: InfidelityProtocol | None = None,
    chunk_size: ChunkSize = "auto",
    **options: Any,
) -> Iterator[Step[Infidelity]]:
    """`infidelity` over more and more perturbations; same parameters.

    Yields
    ------
    Step of Infidelity
    """
    protocol = agreed(InfidelityProtocol(), protocol, options)

    def steps() -> Generator[Step[Infidelity], None, None]:
        query = Query(model, inputs, asked(maps, target), chunk_size)
        yield from _Run(query, maps, protocol).steps()

    return steadily(steps())


class _Run:
    """Perturbed pictures, sample by sample; each chunk holds rows (sample, input) of any of them."""

    def __init__(self, query: Query, maps: Any, protocol: InfidelityProtocol) -> None:
        self.query, inputs = query, query.pictures("to perturb")
        self.values = as_values(maps, inputs)
        self.protocol = _filled(protocol, maps, self.values, inputs)
        self.instead = self.protocol.replacement.make(query.borrowed, inputs)
        low, high = inputs.flatten(1).aminmax(dim=1)
        self.deviation = (protocol.noise_level * (high - low)).reshape(-1, 1, 1, 1)
        replaced = (self.instead != inputs).flatten(1).any(1)
        kind = protocol.perturbation
        taken = high > low if kind == "noise" else replaced | (high > low) & (kind == "noisy_baseline")
        self.nothing = ~taken.cpu()
        depth = 1 if self.protocol.channels == "shared" else inputs.shape[1]
        self.noise = NoiseSource(protocol.seed, (depth, *query.picture))
        words = "The map has no sign, so it cannot foretell in which direction a score changes."
        self.unsigned = () if getattr(maps, "signed", True) else (words,)
        self.shape = protocol.n_samples, len(inputs)
        self.foretold, self.true = torch.zeros(2, protocol.n_samples * len(inputs), dtype=torch.float64)

    def steps(self) -> Iterator[Step[Infidelity]]:
        total = len(self.true)
        self.score = exact(self.query.score)
        function = self.query.target.function is not None
        for _, stop, _ in self.query.chunked(self._measure, total, "forward" if function else "gradient"):
            yield Step(partial(self._result, stop), stop, total)

    def _measure(self, start: int, stop: int) -> None:
        n = len(self.query)
        rows = torch.arange(start, stop) % n
        x, values = self.query.inputs[rows.to(self.query.inputs.device)], self.values[rows]
        samples = torch.arange(start, stop) // n
        if self.protocol.perturbation == "square":
            squares = {s: self._square(s) for s in set(samples.tolist())}
            hidden = torch.stack([squares[s] for s in samples.tolist()])[:, None]
            points = torch.where(hidden.to(x.device), self.instead[rows.to(x.device)], x)
        else:
            first = int(samples[0])
            drawn = self.noise.draw(first, int(samples[-1]) + 1, x)[(samples - first).to(x.device)]
            noise = drawn * self.deviation[rows.to(x.device)]
            noisy = self.protocol.perturbation == "noisy_baseline"
            points = self.instead[rows.to(x.device)] + noise if noisy else x - noise
            hidden = None
        # What was taken is seen in what the model is fed, rounding and all.
        taken = exact(x) - exact(points)
        if self.protocol.values == "contribution":
            assert hidden is not None
            foretold = (values * hidden).flatten(1).sum(1)
        elif values.shape[1] == 1:
            foretold = (values * taken.mean(1, keepdim=True)).flatten(1).sum(1)
        else:
            foretold = (values * taken).flatten(1).sum(1)
        score, _ = self.query.scores_and_top(points, rows)
        self.foretold[start:stop] = foretold
        self.true[start:stop] = self.score[rows] - exact(score)

    def _square(self, sample: int) -> Tensor:
        height, width = self.query.picture
        drawn = generator(self.protocol.seed, sample)
        longest = max(1, min(height, width) // 2)
        side = drawn.integers(1, longest, endpoint=True) if self.protocol.side is None else self.protocol.side
        top, left = (drawn.integers(0, length - side, endpoint=True) for length in (height, width))
        hidden = torch.zeros(height, width, dtype=torch.bool)
        hidden[top : top + side, left : left + side] = True
        return hidden

    def _result(self, done: int) -> Infidelity:
        k = done // self.shape[1]
        foretold, true = (part.reshape(self.shape)[:k].clone() for part in (self.foretold, self.true))
        scale = torch.ones(self.shape[1], dtype=torch.float64)
        opposite = torch.zeros_like(self.nothing)
        if self.protocol.scaled:
            fitted = (foretold * true).mean(0) / foretold.square().mean(0)
            scale, opposite = fitted.clamp(min=0), fitted < 0
        scale = scale.masked_fill(self.nothing, torch.nan)
        errors = (scale * foretold - true).square()
        found, largest = errors.mean(0), true.square().mean(0)
        relative = torch.where(largest > 0, found / largest, torch.nan)
        # The best scale is a minimum, so that it was estimated does not add to the error, to first order.
        spread = errors.std(0) / k**0.5 if k > 1 else torch.full_like(found, torch.nan)
        return Infidelity(
            self.protocol,
            found,
            spread,
            relative,
            scale,
            foretold,
            true,
            self.query.target,
            (*self.unsigned, *self._notes(scale, largest, opposite)) if k else (),
            k == self.shape[0],
        )

    def _notes(self, scale: Tensor, largest: Tensor, opposite: Tensor) -> Iterator[str]:
        if self.protocol.channels == "shared":
            yield "The noise is the same in all channels of a pixel: the maps do not tell them apart."
        if bool(self.nothing.any()):
            by_noise = self.protocol.perturbation == "noise"
            one_value = "the picture has one value throughout, and noise is a share of its range"
            same = "the picture is what would replace it: nothing is taken away"
            yield note_of(self.nothing, one_value if by_noise else same)
        if bool((scale.isnan() & ~self.nothing).any()):
            yield "Not defined where a map foretells no change at all: no scale fits it."
        if bool(opposite.any()):
            yield (
                "Where the map foretells the opposite of what happens, its scale is 0: it gets what an empty "
                "map gets."
            )
        if bool(((largest == 0) & ~self.nothing).any()):
            yield "No relative number where the score never changed: there was nothing to foretell."


def _filled(protocol: InfidelityProtocol, maps: Any, values: Tensor, inputs: Tensor) -> InfidelityProtocol:
    """The protocol with what was left open, if the maps foretell anything by it."""
    kind, channels = protocol.values, protocol.channels
    if kind is None:
        unit = str(getattr(maps, "unit", ""))
        kind = "gradient" if "per unit of input" in unit and "²" not in unit else "contribution"
    flat = values.shape[1] == 1 and inputs.shape[1] > 1
    if channels is None:
        channels = "shared" if flat and protocol.perturbation != "square" else "own"
    if kind == "contribution" and protocol.perturbation != "square":
        raise MethodError(
            "perturbation",
            f"{protocol.perturbation!r} for contributions",
            "'square': contributions say what is lost where a pixel is replaced, not where it is altered",
            "Give a gradient, with values='gradient'.",
        )
    if kind == "gradient" and flat and (protocol.perturbation != "noise" or channels != "shared"):
        raise MethodError(
            "maps",
            f"gradients summed over channels, for {protocol.perturbation!r}",
            "gradients of every channel: this perturbation differs between the channels of a pixel",
            "Give the attribution's values, or take perturbation='noise', which can be shared by channels.",
        )
    if values.shape[1] not in (1, inputs.shape[1]):
        got = f"{values.shape[1]} channels for pictures of {inputs.shape[1]}"
        raise MethodError("maps", got, "as many as the picture, or one")
    if protocol.perturbation == "square" and (protocol.side or 1) > min(inputs.shape[2:]):
        size = f"{inputs.shape[2]} x {inputs.shape[3]}"
        raise MethodError("side", repr(protocol.side), f"a square that fits into a picture of {size}")
    instead = compared_to(maps) if protocol.replacement is None else protocol.replacement
    return replace(protocol, values=kind, channels=channels, replacement=instead)
