"""How each measure is taken: the engines of `saliscope.faithfulness`, run over the maps of one method."""

import time
from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from saliscope.attribution import Method
from saliscope.audit.cards import Measure
from saliscope.core.anytime import Step, closed
from saliscope.core.query import Query
from saliscope.errors import SaliscopeError
from saliscope.faithfulness import (
    AgainstRandom,
    ControlProtocol,
    Curve,
    RoadScores,
    Trial,
    against_random,
    blurred,
    completeness,
    infidelity_stream,
    pointing_game,
    randomisation_stream,
    relevance_mass,
    relevance_rank,
    road_stream,
    sensitivity_stream,
    trial_stream,
)
from saliscope.faithfulness.order import as_values, explained

if TYPE_CHECKING:
    from saliscope.audit.measures import Row

R = TypeVar("R")
Work = Generator[float, None, R]
"""Yields the share that is done, and returns what it was for."""

BLUR = ControlProtocol().blur
"""Standard deviation of the blurred copy of a map, as a share of the picture's shorter side."""


@dataclass(frozen=True)
class Course:
    """Scores as pixels go or come: what an area of deletion or insertion is of.

    Attributes
    ----------
    fractions : Tensor of shape (k,)
        Share of the pixels that have gone, or come.
    scores, blurred : Tensor of shape (n, k)
        In the order of the map, and of its blurred copy (float64).
    random : Tensor of shape (n_random, n, k)
        In orders that were drawn at random.
    """

    fractions: Float[Tensor, " k"]
    scores: Float[Tensor, "n k"]
    blurred: Float[Tensor, "n k"]
    random: Float[Tensor, "r n k"]


@dataclass(frozen=True)
class Finding:
    """A measure of one method.

    Attributes
    ----------
    values : Tensor of shape (n,)
        One for each picture (float64); NaN where it is not defined.
    notes : tuple of str
        Caveats in words: also why a value is not defined.
    blurred : Tensor of shape (n,), optional
        The same of a blurred copy of the map.
    chance : Tensor of shape (n,), optional
        What a map that knows nothing gets on average, where it differs between pictures.
    course : Course, optional
        Of deletion and insertion: the curves.
    """

    values: Float[Tensor, " n"]
    notes: tuple[str, ...] = ()
    blurred: Float[Tensor, " n"] | None = None
    chance: Float[Tensor, " n"] | None = None
    course: Course | None = None


class Bench:
    """Pictures on which methods are measured, with what all methods share: the random orders.

    Parameters
    ----------
    model : nn.Module or Borrowed
    query : Query
    cards : dict of str to Measure
        What is measured.
    regions : dict
        Masks of the object and of the watermark, by "masks" and "marks".
    """

    def __init__(
        self,
        model: Any,
        query: Query,
        cards: dict[str, Measure],
        regions: dict[str, Bool[Tensor, "n height width"] | None],
    ) -> None:
        self.model, self.query, self.cards, self.regions = model, query, cards, regions
        self.inputs, self.target = query.inputs, query.target
        self.curved = [one for one in ("deletion", "insertion") if one in cards]
        self.random: tuple[tuple[Curve, ...], ...] = ()

    @property
    def engines(self) -> "tuple[Engine, ...]":
        """Those that have something to measure."""
        return tuple(engine for keys, engine in ENGINES if any(key in self.cards for key in keys))

    @property
    def shared(self) -> bool:
        """Whether there is something that all methods share."""
        return bool(self.curved)

    def trial(self, maps: dict[str, Any], n_random: int) -> Work[Trial]:
        """Curves of maps and random orders."""
        protocols = tuple(self.cards[key].protocol.curve for key in self.curved)
        stream = trial_stream(
            self.model,
            self.inputs,
            maps,
            self.target,
            protocols=protocols,
            n_random=n_random,
            chunk_size=self.query.chunk_size,
        )
        return (yield from _driven(stream))

    def prepare(self) -> Work[None]:
        """Score the random orders."""
        nothing = torch.zeros(len(self.inputs), *self.query.picture)
        n_random = max(self.cards[key].protocol.n_random for key in self.curved)
        self.random = (yield from self.trial({"nothing": nothing}, n_random)).random


Engine = Callable[[Bench, "Row", Any], Work[dict[str, Finding]]]


def explaining(bench: Bench, method: Any) -> Work[tuple[Any, Tensor, float]]:
    """A method's answer, its checked values (n, channels, height, width), and how many seconds it took."""
    if not isinstance(method, Method):
        start = time.perf_counter()
        answer, values = explained(method, bench.model, bench.inputs, bench.target)
        yield 1.0
        return answer, values, time.perf_counter() - start
    spent, answer = 0.0, None
    stream = method.stream(bench.model, bench.inputs, bench.target, chunk_size=bench.query.chunk_size)
    with closed(stream) as steps:
        while True:
            start = time.perf_counter()
            step = next(steps, None)
            if step is not None and step.complete:
                answer = step.result
            spent += time.perf_counter() - start
            if step is None:
                break
            yield step.done / step.total
    return answer, as_values(answer, bench.inputs, "methods"), spent


def measuring(bench: Bench, engine: Engine, row: "Row", answer: Any) -> Work[dict[str, Finding]]:
    """What an engine finds; where it fails, findings without values that say why."""
    try:
        found = yield from engine(bench, row, answer)
    except Exception as error:  # a user's own method may raise anything when it runs again
        keys = next(keys for keys, one in ENGINES if one is engine)
        nothing = torch.full((len(bench.inputs),), torch.nan, dtype=torch.float64)
        found = {key: Finding(nothing, (in_words(error),)) for key in keys}
    return {key: finding for key, finding in found.items() if key in bench.cards}


def in_words(error: Exception) -> str:
    """What went wrong, for a table."""
    return str(error) if isinstance(error, SaliscopeError) else f"{type(error).__name__}: {error}"


def _driven(stream: Iterator[Step[R]]) -> Work[R]:
    last: Step[R] | None = None
    with closed(stream) as steps:
        for step in steps:
            last = step
            yield step.done / step.total
    assert last is not None
    return last.result


def _curves(bench: Bench, row: "Row", answer: Any) -> Work[dict[str, Finding]]:
    share = bench.cards[bench.curved[0]].protocol.blur
    maps = {"map": row.maps, "blurred": blurred(row.maps, bench.inputs, share)}
    made = yield from bench.trial(maps, 0)
    both = Trial(made.curves, bench.random)
    found = {}
    for p, key in enumerate(bench.curved):
        own, soft = (against_random(both, name, p, bench.cards[key].protocol.level) for name in maps)
        curves = [both.curves[name][p] for name in maps]
        drawn = torch.stack([one[p].scores for one in both.random])
        course = Course(curves[0].fractions, curves[0].scores, curves[1].scores, drawn)
        found[key] = Finding(_beyond_random(own), own.notes, _beyond_random(soft), course=course)
    return found


def _beyond_random(own: AgainstRandom) -> Tensor:
    """How much larger an area is than those of random orders.

    The ratio has no bound where these are near zero: one picture of a class that the model does not see would
    make a mean of ratios alone.
    """
    return torch.where(own.ratio.isnan(), torch.nan, own.area - own.random.mean(0))


def _road(bench: Bench, row: "Row", answer: Any) -> Work[dict[str, Finding]]:
    card = next(bench.cards[key] for key in _ROAD if key in bench.cards)
    options: dict[str, Any] = {"protocol": card.protocol, "chunk_size": bench.query.chunk_size}
    made: list[RoadScores] = []
    for number, maps in enumerate((row.maps, blurred(row.maps, bench.inputs, BLUR))):
        stream = road_stream(bench.model, bench.inputs, maps, bench.target, **options)
        made.append((yield from _half(_driven(stream), number)))
    own, soft = (_road_values(one) for one in made)
    return {key: Finding(own[key], made[0].notes, soft[key]) for key in _ROAD}


def _road_values(scores: RoadScores) -> dict[str, Tensor]:
    along = scores.fractions
    means = [
        torch.trapezoid(one, along, dim=1) / (along[-1] - along[0]) for one in (scores.morf, scores.lerf)
    ]
    morf, lerf = (torch.where(scores.defined, one, torch.nan) for one in means)
    return dict(zip(_ROAD, (scores.difference, morf, lerf), strict=True))


def _half(work: Work[R], number: int) -> Work[R]:
    """The first or second of two equal parts."""
    while True:
        try:
            share = next(work)
        except StopIteration as end:
            return end.value
        yield (number + share) / 2


def _randomisation(bench: Bench, row: "Row", answer: Any) -> Work[dict[str, Finding]]:
    card = next(bench.cards[key] for key in _RANDOMISATION if key in bench.cards)
    stream = randomisation_stream(bench.model, bench.inputs, row.method, bench.target, protocol=card.protocol)
    made = yield from _driven(stream)
    # "absolute" would be high for any map whose magnitude follows the picture's.
    values = (made.mean("signed"), made.mean("ssim"))
    return {key: Finding(one, made.notes) for key, one in zip(_RANDOMISATION, values, strict=True)}


def _sensitivity(bench: Bench, row: "Row", answer: Any) -> Work[dict[str, Finding]]:
    protocol = bench.cards["sensitivity"].protocol
    stream = sensitivity_stream(bench.model, bench.inputs, row.method, bench.target, protocol=protocol)
    made = yield from _driven(stream)
    return {"sensitivity": Finding(made.sensitivity, made.notes)}


def _infidelity(bench: Bench, row: "Row", answer: Any) -> Work[dict[str, Finding]]:
    stream = infidelity_stream(
        bench.model,
        bench.inputs,
        answer,
        bench.target,
        protocol=bench.cards["infidelity"].protocol,
        chunk_size=bench.query.chunk_size,
    )
    made = yield from _driven(stream)
    return {"infidelity": Finding(made.relative, made.notes)}


def _completeness(bench: Bench, row: "Row", answer: Any) -> Work[dict[str, Finding]]:
    yield 0.0
    protocol = bench.cards["completeness"].protocol
    if protocol.baseline is None and getattr(answer, "convergence_delta", None) is None:
        why = "Not defined: maps of this method need not sum to the change of a score."
        return {"completeness": Finding(torch.full_like(bench.query.score, torch.nan).double(), (why,))}
    made = completeness(bench.model, bench.inputs, answer, bench.target, baseline=protocol.baseline)
    return {"completeness": Finding(made.relative, made.notes)}


def _localisation(bench: Bench, row: "Row", answer: Any) -> Work[dict[str, Finding]]:
    yield 0.0
    found = {}
    for key, (function, region) in _REGIONS.items():
        if key in bench.cards:
            made = function(row.maps, bench.regions[region], protocol=bench.cards[key].protocol)
            found[key] = Finding(made.values, made.notes, chance=made.area)
    for key, region in _POINTING.items():
        if key in bench.cards:
            game = pointing_game(row.maps, bench.regions[region], protocol=bench.cards[key].protocol)
            found[key] = Finding(game.hits, game.notes, chance=game.centre_hits)
    return found


_ROAD = ("road", "road_morf", "road_lerf")
_RANDOMISATION = ("randomisation", "randomisation_ssim")
_POINTING = {"pointing": "masks", "pointing_near": "masks", "mark_hit": "marks"}
_REGIONS = {
    "mass": (relevance_mass, "masks"),
    "rank": (relevance_rank, "masks"),
    "mark_share": (relevance_mass, "marks"),
}

ENGINES: tuple[tuple[tuple[str, ...], Engine], ...] = (
    ((*_POINTING, *_REGIONS), _localisation),
    (("completeness",), _completeness),
    (("deletion", "insertion"), _curves),
    (_ROAD, _road),
    (("infidelity",), _infidelity),
    (_RANDOMISATION, _randomisation),
    (("sensitivity",), _sensitivity),
)
"""Each with the measures that it takes, the quickest first."""
