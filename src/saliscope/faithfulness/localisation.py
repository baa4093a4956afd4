"""Localisation: whether a map lies on the object, where it is known which pixels the object has."""

from dataclasses import dataclass
from statistics import NormalDist
from typing import Any, Literal, get_args

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from saliscope.core.labels import class_labels
from saliscope.errors import InputError, MethodError
from saliscope.faithfulness.order import Ranking, as_maps, is_constant, numbers, ranks
from saliscope.faithfulness.protocol import agreed, check_choice, check_count
from saliscope.faithfulness.shown import Shown

Part = Literal["positive", "absolute"]


@dataclass(frozen=True)
class PointingProtocol:
    """How the pointing game is played. Rates may be compared only where all of this is the same.

    Parameters
    ----------
    tolerance : float
        A point is a hit if its distance from the nearest pixel of the mask is less, in pixels of the maps; 0:
        if it is in the mask. TorchRay's is 15, in pictures of some 500 x 375.
    ranking : {"signed", "absolute"}
        Whether the point is the maximum of the map, or of its magnitude.
    seed : int
        Draws the point among several maxima.

    Raises
    ------
    MethodError
        If a value is none of these.
    """

    tolerance: float = 15.0
    ranking: Ranking = "signed"
    seed: int = 0

    def __post_init__(self) -> None:
        number = isinstance(self.tolerance, (int, float)) and not isinstance(self.tolerance, bool)
        if not number or not 0 <= self.tolerance < float("inf"):
            raise MethodError("tolerance", repr(self.tolerance), "a number of pixels, at least 0")
        check_choice("ranking", self.ranking, get_args(Ranking))
        check_count("seed", self.seed, 0)

    def hit(self, distances: Float[Tensor, " n"]) -> Float[Tensor, " n"]:
        """1 for each distance from a mask that is near enough, else 0; NaN stays."""
        near = (distances < self.tolerance) | (distances == 0)
        return torch.where(distances.isnan(), torch.nan, near.double())


@dataclass(frozen=True)
class Rate:
    """Share of the hits, as a mean over classes.

    Attributes
    ----------
    value : float
        Rate of each class, then the mean over the classes; NaN where no game is defined.
    low, high : float
        Interval that holds it with the `confidence`: Wilson's of each class, put together for their mean as
        by Zou and Donner (2008, doi 10.1002/sim.3095). It has a width also where all games are hits.
    confidence : float
    classes : dict
        For each class its rate, and the number of games that it is of.
    """

    value: float
    low: float
    high: float
    confidence: float
    classes: dict[Any, tuple[float, int]]


@dataclass(frozen=True)
class PointingGame(Shown):
    """Whether the maximum of each map lies on the object.

    Attributes
    ----------
    protocol : PointingProtocol
        How it was played.
    hits : Tensor of shape (n,)
        1 for a hit, 0 for a miss, NaN for a game that is not defined.
    distances : Tensor of shape (n,)
        Of the point from the nearest pixel of the mask; 0 in it.
    points : Tensor of shape (n, 2)
        Row and column of the point; (-1, -1) for a map with one value throughout, which points nowhere.
    centre_hits : Tensor of shape (n,)
        What the centre of the picture gets in the same games, those that are defined, without any map.
    labels : tuple of int or str
        Class of each game.
    notes : tuple of str
        Caveats in words.
    """

    protocol: PointingProtocol
    hits: Float[Tensor, " n"]
    distances: Float[Tensor, " n"]
    points: Int[Tensor, "n 2"]
    centre_hits: Float[Tensor, " n"]
    labels: tuple[int | str, ...]
    notes: tuple[str, ...] = ()

    def rate(self, confidence: float = 0.95) -> Rate:
        """Share of the hits: mean over the classes, with an interval."""
        return _rate(self.hits, self.labels, confidence)

    def centre_rate(self, confidence: float = 0.95) -> Rate:
        """What the centre of the picture gets: a method must do better."""
        return _rate(self.centre_hits, self.labels, confidence)


@dataclass(frozen=True)
class RelevanceProtocol:
    """Which relevance is counted. Numbers may be compared only where all of this is the same.

    Parameters
    ----------
    part : {"positive", "absolute"}
        Values above zero alone, the others count as zero; or the magnitude of all.
    seed : int
        Draws the order of pixels that have one value; `relevance_mass` needs none.

    Raises
    ------
    MethodError
        If a value is none of these.
    """

    part: Part = "positive"
    seed: int = 0

    def __post_init__(self) -> None:
        check_choice("part", self.part, get_args(Part))
        check_count("seed", self.seed, 0)

    def counted(self, maps: Float[Tensor, "n height width"]) -> Float[Tensor, "n height width"]:
        """The part of the maps that counts."""
        return maps.abs() if self.part == "absolute" else maps.clamp(min=0)


@dataclass(frozen=True)
class Relevance(Shown):
    """How much of each map lies on the object.

    Attributes
    ----------
    protocol : RelevanceProtocol
        What was counted.
    values : Tensor of shape (n,)
        From 0 to 1; NaN where it is not defined.
    area : Tensor of shape (n,)
        Share of the picture that the mask has: what a map that knows nothing gets on average.
    notes : tuple of str
        Caveats in words.
    """

    protocol: RelevanceProtocol
    values: Float[Tensor, " n"]
    area: Float[Tensor, " n"]
    notes: tuple[str, ...] = ()


def pointing_game(
    maps: Any, masks: Any, labels: Any = None, *, protocol: PointingProtocol | None = None, **options: Any
) -> PointingGame:
    """Whether the maximum of a map lies on the object (Zhang et al. 2016, arXiv 1608.00507).

    Parameters
    ----------
    maps : Attribution, Tensor or ndarray
        Of shape (n, height, width); see `saliscope.faithfulness.order.as_maps`.
    masks : Tensor or ndarray of shape (n, height, width)
        Which pixels the object has: boolean, or 0 and 1. Several objects are several rows, with their maps.
    labels : sequence of int or str, optional
        Class of each row, for the mean over classes; all of one class for None.
    protocol : PointingProtocol, optional
    **options
        Fields of the protocol.

    Returns
    -------
    PointingGame
        A game is not defined, and no hit, where the mask is empty or the map has one value throughout.

    Raises
    ------
    InputError
        If maps, masks and labels do not fit each other, or the maps hold NaN.
    TargetError
        If a label is below zero, as that of an unknown class.
    MethodError
        If an option is none of the protocol.

    Examples
    --------
    >>> maps = GradCAM().attribute(model, scenes.inputs())
    >>> game = pointing_game(maps, scenes.digit_mask, scenes.labels, tolerance=0)
    >>> game.rate().value, game.centre_rate().value
    """
    rules = agreed(PointingProtocol(), protocol, options)
    objects, values = _checked(maps, masks)
    n, height, width = values.shape
    rows = (0,) * n if labels is None else class_labels(labels, n, "maps")
    first = ranks(values, rules.seed, rules.ranking).flatten(1).argmin(1)
    points = torch.stack([first // width, first % width], 1)
    centre = torch.tensor([[height // 2, width // 2]]).expand(n, 2)
    distances = _distances(points, objects)
    flat = is_constant(values, rules.ranking)
    return PointingGame(
        protocol=rules,
        hits=rules.hit(torch.where(flat, torch.nan, distances)),
        distances=torch.where(flat, torch.nan, distances),
        points=torch.where(flat[:, None], -1, points),
        centre_hits=rules.hit(torch.where(flat, torch.nan, _distances(centre, objects))),
        labels=rows,
        notes=_notes(objects, flat, "map has one value throughout: it points nowhere"),
    )


def relevance_mass(
    maps: Any, masks: Any, *, protocol: RelevanceProtocol | None = None, **options: Any
) -> Relevance:
    """Share of a map's relevance that lies in the mask (Arras et al. 2022, arXiv 2003.07258).

    Parameters
    ----------
    maps, masks
        See `pointing_game`.
    protocol : RelevanceProtocol, optional
    **options
        Fields of the protocol.

    Returns
    -------
    Relevance
        Not defined where the mask is empty, where no value counts, and for a map with one value throughout,
        which knows nothing but would get the mask's area.

    Raises
    ------
    InputError, MethodError
        See `pointing_game`.
    """
    rules = agreed(RelevanceProtocol(), protocol, options)
    objects, values = _checked(maps, masks)
    counted = rules.counted(values)
    # By the largest first, so that no sum is infinite.
    counted = counted / counted.amax((1, 2), keepdim=True)
    share = (counted * objects).sum((1, 2)) / counted.sum((1, 2))
    return _relevance(rules, objects, rules.counted(values), share)


def relevance_rank(
    maps: Any, masks: Any, *, protocol: RelevanceProtocol | None = None, **options: Any
) -> Relevance:
    """Share of the K highest pixels that lie in the mask, which has K (Arras et al. 2022, arXiv 2003.07258).

    Same parameters and errors as `relevance_mass`, and not defined in the same cases. Where fewer than K
    pixels count, the others are drawn by the seed.
    """
    rules = agreed(RelevanceProtocol(), protocol, options)
    objects, values = _checked(maps, masks)
    counted = rules.counted(values)
    size = objects.sum((1, 2))
    highest = ranks(counted, rules.seed) < size[:, None, None]
    return _relevance(rules, objects, counted, (highest & objects).sum((1, 2)).double() / size)


def _relevance(protocol: RelevanceProtocol, objects: Tensor, counted: Tensor, values: Tensor) -> Relevance:
    empty, flat = ~objects.flatten(1).any(1), is_constant(counted)
    return Relevance(
        protocol=protocol,
        values=torch.where(empty | flat, torch.nan, values),
        area=objects.double().mean((1, 2)),
        notes=_notes(objects, flat, f"map has one value throughout in its {protocol.part} part"),
    )


def _checked(maps: Any, masks: Any) -> tuple[Bool[Tensor, "n height width"], Float[Tensor, "n height width"]]:
    try:
        given = torch.as_tensor(masks).detach().cpu()
    except (TypeError, ValueError, RuntimeError):
        expected = "a tensor or an array of booleans"
        raise InputError("masks", f"an object of type {type(masks).__name__}", expected) from None
    given = given[None] if given.ndim == 2 else given
    if given.ndim != 3 or not given.numel():
        raise InputError("masks", f"shape {tuple(given.shape)}", "shape (n, height, width), one for each map")
    objects = given.bool()
    if not torch.equal(objects.to(given.dtype), given):
        way_out = "Say which pixels are the object, as in masks > 0.5 or masks == 3."
        raise InputError("masks", "values beside 0 and 1", "a boolean for each pixel", way_out)
    full, shape = numbers(maps, "maps")
    coarse = all(own < side for own, side in zip(full.shape[2:], objects.shape[1:], strict=True))
    if (len(full), *full.shape[2:]) != objects.shape and not coarse:
        expected = f"shape ({len(full)}, {full.shape[2]}, {full.shape[3]}), a mask for each map"
        raise InputError("masks", f"shape {tuple(given.shape)} for maps of shape {shape}", expected)
    return objects, as_maps(maps, objects[:, None])


def _distances(points: Int[Tensor, "n 2"], objects: Bool[Tensor, "n height width"]) -> Float[Tensor, " n"]:
    """Distance of each point from the nearest pixel of its mask; NaN for an empty one."""
    found = torch.full((len(points),), torch.nan, dtype=torch.float64)
    for i, (point, mask) in enumerate(zip(points, objects, strict=True)):
        pixels = mask.nonzero()
        if len(pixels):
            found[i] = (pixels - point).square().sum(1).min().double().sqrt()
    return found


def _notes(objects: Tensor, flat: Tensor, why: str) -> tuple[str, ...]:
    empty = ~objects.flatten(1).any(1)
    cases = ((empty, "the mask is empty"), (flat & ~empty, f"the {why}"))
    return tuple(
        f"Not defined for {int(rows.sum())} of {len(rows)}, since {reason}."
        for rows, reason in cases
        if bool(rows.any())
    )


def _rate(hits: Float[Tensor, " n"], labels: tuple[Any, ...], confidence: float) -> Rate:
    if not 0 < confidence < 1:
        raise MethodError("confidence", repr(confidence), "a probability between 0 and 1, as 0.95")
    z = NormalDist().inv_cdf((1 + confidence) / 2)
    games: dict[Any, list[float]] = {}
    for label, hit in sorted(zip(labels, hits.tolist(), strict=True), key=lambda pair: str(pair[0])):
        if hit == hit:
            games.setdefault(label, []).append(hit)
    classes = {label: (sum(own) / len(own), len(own)) for label, own in games.items()}
    if not classes:
        return Rate(float("nan"), float("nan"), float("nan"), confidence, {})
    rates = np.array([rate for rate, _ in classes.values()])
    low, high = np.array([wilson(rate, n, z) for rate, n in classes.values()]).T
    mean = float(rates.mean())
    # Of a mean of independent rates the distances to the ends add up by their squares.
    down, up = (float(np.linalg.norm(rates - end)) / len(rates) for end in (low, high))
    return Rate(mean, mean - down, mean + up, confidence, classes)


def wilson(rate: float, n: int, z: float) -> tuple[float, float]:
    """Wilson's interval of a rate among n draws, at z standard deviations."""
    centre = (rate + z * z / (2 * n)) / (1 + z * z / n)
    half = z * (rate * (1 - rate) / n + z * z / (4 * n * n)) ** 0.5 / (1 + z * z / n)
    return centre - half, centre + half
