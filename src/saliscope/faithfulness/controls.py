"""What a map's area is worth: beside random orders, and beside a blurred copy of the map.

An area by itself depends on the picture and the model more than on the map. A map that knows something beats
orders that are drawn at random; one whose detail matters beats its own blurred copy too, which deletion,
insertion and ROAD are known to reward (arXiv 2304.13836).
"""

from dataclasses import dataclass, field
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from saliscope.core.anytime import CancelToken, Step
from saliscope.core.batching import ChunkSize
from saliscope.core.borrow import Borrowed
from saliscope.core.picture_space import blur_matrix
from saliscope.errors import MethodError
from saliscope.faithfulness.curves import Curve, Trial, note_of, trial
from saliscope.faithfulness.order import Ranking, as_maps
from saliscope.faithfulness.protocol import Protocol, agreed, check_count
from saliscope.faithfulness.shown import Shown

_NO_AREA = 1e-6
"""A mean area below this share of the largest score is about zero."""


@dataclass(frozen=True)
class ControlProtocol:
    """How a map's area is compared.

    Parameters
    ----------
    curve : Protocol
        How the areas are measured.
    n_random : int
        Number of orders that are drawn at random.
    level : float
        Share of them that the interval holds.
    blur : float
        Standard deviation of the Gaussian that blurs the map, as a share of the shorter side of the picture.

    Raises
    ------
    MethodError
        If a value is out of its range.
    """

    curve: Protocol = field(default_factory=Protocol)
    n_random: int = 20
    level: float = 0.95
    blur: float = 0.05

    def __post_init__(self) -> None:
        if not isinstance(self.curve, Protocol):
            raise MethodError("curve", f"a {type(self.curve).__name__}", "a Protocol")
        check_count("n_random", self.n_random, 2)
        _check_share("level", self.level)
        _check_share("blur", self.blur)


@dataclass(frozen=True)
class AgainstRandom(Shown):
    """A map's area beside those of orders that were drawn at random.

    Attributes
    ----------
    area : Tensor of shape (n,)
        Of the map.
    random : Tensor of shape (n_random, n)
        Of the random orders.
    ratio : Tensor of shape (n,)
        The area over the mean of the random ones: below 1 is good for deletion, above 1 for insertion. NaN
        where it is not defined.
    low, high : Tensor of shape (n,)
        Ends of an interval for the ratio: its quantiles over the random orders, one at a time.
    beaten : Tensor of shape (n,)
        Share of the random orders that the map beats; those that are just as good count half.
    level : float
        Share of the random orders that the interval holds.
    protocol : Protocol
        How the areas were measured.
    notes : tuple of str
        Caveats in words: also why a ratio is not defined.
    """

    area: Float[Tensor, " n"]
    random: Float[Tensor, "r n"]
    ratio: Float[Tensor, " n"]
    low: Float[Tensor, " n"]
    high: Float[Tensor, " n"]
    beaten: Float[Tensor, " n"]
    level: float
    protocol: Protocol
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Controls(Shown):
    """What a map's area is worth.

    Attributes
    ----------
    map : AgainstRandom
        The map beside random orders.
    blurred : AgainstRandom
        Its blurred copy beside the same orders.
    to_blurred : Tensor of shape (n,)
        Area of the map over that of its blurred copy; NaN where it is not defined.
    protocol : ControlProtocol
        How it was measured.
    notes : tuple of str
        Caveats in words.
    """

    map: AgainstRandom
    blurred: AgainstRandom
    to_blurred: Float[Tensor, " n"]
    protocol: ControlProtocol
    notes: tuple[str, ...] = ()


def control(
    model: nn.Module | Borrowed,
    inputs: Tensor,
    maps: Any,
    target: Any = None,
    *,
    protocol: ControlProtocol | None = None,
    chunk_size: ChunkSize = "auto",
    progress: Any = None,
    cancel: CancelToken | None = None,
    **options: Any,
) -> Controls:
    """A map's area beside those of random orders and of its blurred copy.

    Parameters
    ----------
    model : nn.Module or Borrowed
    inputs : Tensor of shape (n, channels, height, width)
        In model space.
    maps : Attribution, Tensor or ndarray
        See `saliscope.faithfulness.order.as_maps`.
    target : see `saliscope.Target`
        None: that of the attribution, or else each input's own top class.
    protocol : ControlProtocol, optional
        None: deletion to zero, 20 random orders, a blur of 5 % of the picture's side.
    chunk_size : int or "auto"
        Pictures at once; the result does not depend on it.
    progress : callable, optional
        Called with every `Step` of `Controls`.
    cancel : CancelToken, optional
        Stops between two steps with `Cancelled`, which carries the trial so far.
    **options
        Fields of the protocol.

    Returns
    -------
    Controls

    Raises
    ------
    InputError
        If the maps do not fit the inputs, or hold NaN.
    MethodError
        If an option is none of the protocol.
    """
    asked = agreed(ControlProtocol(), protocol, options)
    soft = blurred(maps, inputs, asked.blur, asked.curve.ranking)
    result = trial(
        model,
        inputs,
        {"map": maps, "blurred": soft},
        target,
        protocols=(asked.curve,),
        n_random=asked.n_random,
        chunk_size=chunk_size,
        progress=None if progress is None else lambda step: progress(_as_controls(step, asked)),
        cancel=cancel,
    )
    return _controls(result, asked)


def blurred(
    maps: Any, inputs: Tensor, share: float = 0.05, ranking: Ranking = "signed"
) -> Float[Tensor, "n height width"]:
    """A copy of each map that knows where, but not which pixel: what is ranked, blurred by a Gaussian.

    Parameters
    ----------
    maps, inputs
        See `saliscope.faithfulness.order.as_maps`.
    share : float
        Standard deviation as a share of the shorter side of the picture; borders are mirrored.
    ranking : {"signed", "absolute"}
        With "absolute" the magnitudes are blurred.

    Returns
    -------
    Tensor
        In float64, on the CPU. A map with one value throughout stays itself.
    """
    _check_share("share", share)
    values = as_maps(maps, inputs)
    values = values.abs() if ranking == "absolute" else values
    sides = values.shape[1:]
    down, across = (blur_matrix(side, share * min(sides), values) for side in sides)
    # The lowest value is taken out meanwhile: rounding would give a map without any order one.
    low = values.amin((1, 2), keepdim=True)
    return down @ (values - low) @ across.T + low


def against_random(result: Trial, name: str, protocol: int = 0, level: float = 0.95) -> AgainstRandom:
    """A map of a trial beside the trial's random orders.

    Parameters
    ----------
    result : Trial
        With at least two random orders.
    name : str
        Which of its maps.
    protocol : int
        Which of its protocols, counted from 0.
    level : float
        Share of the random orders that the interval holds.

    Raises
    ------
    MethodError
        If the trial has no such map or protocol, or fewer than two random orders.
    """
    _check_share("level", level)
    if name not in result.curves:
        raise MethodError("name", repr(name), f"a map of the trial: {', '.join(result.curves)}")
    check_count("protocol", protocol, 0)
    if protocol >= len(result.curves[name]):
        known = ", ".join(f"{p} ({one.protocol.kind})" for p, one in enumerate(result.curves[name]))
        raise MethodError("protocol", str(protocol), f"one of the trial's: {known}")
    if len(result.random) < 2:
        got = f"a trial with {len(result.random)} random orders"
        raise MethodError("result", got, "at least two", "Run it with n_random=20.")
    curve = result.curves[name][protocol]
    drawn = [one[protocol] for one in result.random]
    area, random = curve.auc, torch.stack([one.auc for one in drawn])
    negative, zero = _without_ratio(random, [curve, *drawn])
    divisors = torch.where(negative | zero, torch.nan, random)
    quantiles = torch.tensor([(1 - level) / 2, (1 + level) / 2], dtype=torch.float64)
    low, high = (area / divisors).quantile(quantiles, dim=0)
    better = random > area if curve.protocol.kind == "deletion" else random < area
    beaten = (better.double() + 0.5 * (random == area)).mean(0)
    why = (negative, "the score is negative somewhere"), (zero, "the area of the random orders is about zero")
    notes = [note_of(where & curve.defined, reason, "No ratio to the random orders") for where, reason in why]
    return AgainstRandom(
        area=area,
        random=random,
        ratio=area / divisors.mean(0),
        low=low,
        high=high,
        beaten=torch.where(curve.defined, beaten, torch.nan),
        level=level,
        protocol=curve.protocol,
        notes=(*curve.notes, *filter(None, notes)),
    )


def _without_ratio(random: Float[Tensor, "r n"], curves: list[Curve]) -> tuple[Tensor, Tensor]:
    """Where a score is negative, so that a ratio depends on where zero is, and where zero would divide."""
    scores = torch.stack([one.scores for one in curves])
    largest, lowest = scores.abs().amax((0, 2)), scores.amin((0, 2))
    negative = lowest < 0
    return negative, ~negative & (random.mean(0) < _NO_AREA * largest)


def _controls(result: Trial, asked: ControlProtocol) -> Controls:
    own, soft = (against_random(result, name, 0, asked.level) for name in ("map", "blurred"))
    known = ~(own.ratio.isnan() | soft.ratio.isnan())
    flat = known & (soft.area <= 0)
    note = note_of(flat, "the area of the blurred copy is zero")
    to_blurred = torch.where(known & ~flat, own.area / soft.area, torch.nan)
    return Controls(own, soft, to_blurred, asked, (*own.notes, *filter(None, (note,))))


def _as_controls(step: Step[Trial], asked: ControlProtocol) -> Step[Controls]:
    return Step(lambda: _controls(step.result, asked), step.done, step.total)


def _check_share(name: str, value: Any) -> None:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 < value < 1:
        raise MethodError(name, repr(value), "a number between 0 and 1")
