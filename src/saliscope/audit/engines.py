"""How each measure is taken: the engines of `saliscope.faithfulness`, run over the maps of one method."""

import time
from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import dataclass, replace
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
    PointingProtocol,
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
    protocol : object, optional
        How it was measured, with what the measure left open filled in: it may differ between methods.
    """

    values: Float[Tensor, " n"]
    notes: tuple[str, ...] = ()
    blurred: Float[Tensor, " n"] | None = None
    chance: Float[Tensor, " n"] | None = None
    course: Course | None = None
    protocol: Any = None


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
        self.curved = self.together(("deletion", "insertion"), _shared)
        self.random: list[tuple[tuple[Curve, ...], ...]] = []

    @property
    def engines(self) -> "tuple[Engine, ...]":
        """Those that have something to measure."""
        return tuple(engine for keys, engine in ENGINES if any(key in self.cards for key in keys))

    @property
    def shared(self) -> bool:
        """Whether there is something that all methods share."""
        return bool(self.curved)

    def together(self, keys: Sequence[str], shared: Callable[[Any], Any]) -> list[list[str]]:
        """Which of these measures one run can take: those whose protocols have the same to share."""
        groups: dict[Any, list[str]] = {}
        for key in keys:
            if key in self.cards:
                groups.setdefault(shared(self.cards[key].protocol), []).append(key)
        return list(groups.values())

    def trial(self, keys: list[str], maps: dict[str, Any], n_random: int) -> Work[Trial]:
        """Curves of maps and random orders."""
        protocols = tuple(self.cards[key].protocol.curve for key in keys)
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
        nothing = {"nothing": torch.zeros(len(self.inputs), *self.query.picture)}
        for number, keys in enumerate(self.curved):
            n_random = max(self.cards[key].protocol.n_random for key in keys)
            work = self.trial(keys, nothing, n_random)
            self.random.append((yield from _part(work, number, len(self.curved))).random)


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


def _part(work: Work[R], number: int, of: int) -> Work[R]:
    """One of several equal parts."""
    while True:
        try:
            share = next(work)
        except StopIteration as end:
            return end.value
        yield (number + share) / of


def _each(
    groups: list[list[str]], engine: Callable[[list[str]], Work[dict[str, Finding]]]
) -> Work[dict[str, Finding]]:
    """Run an engine for each group of measures."""
    found: dict[str, Finding] = {}
    for number, keys in enumerate(groups):
        found |= yield from _part(engine(keys), number, len(groups))
    return found


def _same(protocol: Any) -> Any:
    return protocol


def _shared(protocol: ControlProtocol) -> tuple[Any, ...]:
    """What curves that are taken together have in common: the kind of score, and the blurred copy."""
    return protocol.curve.output, protocol.curve.ranking, protocol.blur


def _curves(bench: Bench, row: "Row", answer: Any) -> Work[dict[str, Finding]]:
    def run(keys: list[str]) -> Work[dict[str, Finding]]:
        _, ranking, share = _shared(bench.cards[keys[0]].protocol)
        maps = {"map": row.maps, "blurred": blurred(row.maps, bench.inputs, share, ranking)}
        made = yield from bench.trial(keys, maps, 0)
        random = bench.random[bench.curved.index(keys)]
        return {key: _area(made, random, p, bench.cards[key].protocol) for p, key in enumerate(keys)}

    return (yield from _each(bench.curved, run))


def _area(made: Trial, random: tuple[tuple[Curve, ...], ...], p: int, protocol: ControlProtocol) -> Finding:
    """The finding of the curves by the p-th protocol of a trial."""
    # Orders are drawn one by one: the first of many are those of few.
    both = Trial(made.curves, random[: protocol.n_random])
    own, soft = (against_random(both, name, p, protocol.level) for name in ("map", "blurred"))
    curve, copy = (both.curves[name][p] for name in ("map", "blurred"))
    course = Course(
        curve.fractions, curve.scores, copy.scores, torch.stack([one[p].scores for one in both.random])
    )
    probability = curve.protocol.output == "probability"
    return Finding(
        _beyond_random(own, probability),
        own.notes if probability else curve.notes,
        _beyond_random(soft, probability),
        course=course,
        protocol=replace(protocol, curve=curve.protocol),
    )


def _beyond_random(own: AgainstRandom, probability: bool) -> Tensor:
    """How much larger an area is than those of random orders.

    The ratio has no bound where these are near zero: one picture of a class that the model does not see would
    make a mean of ratios alone. Nor has such a class a number here; but any other score may be zero, or cross
    it.
    """
    known = own.ratio if probability else own.area
    return torch.where(known.isnan(), torch.nan, own.area - own.random.mean(0))


def _road(bench: Bench, row: "Row", answer: Any) -> Work[dict[str, Finding]]:
    def run(keys: list[str]) -> Work[dict[str, Finding]]:
        protocol = bench.cards[keys[0]].protocol
        options: dict[str, Any] = {"protocol": protocol, "chunk_size": bench.query.chunk_size}
        soft = blurred(row.maps, bench.inputs, BLUR, protocol.ranking)
        streams = [
            road_stream(bench.model, bench.inputs, maps, bench.target, **options) for maps in (row.maps, soft)
        ]
        own = yield from _part(_driven(streams[0]), 0, 2)
        copy = yield from _part(_driven(streams[1]), 1, 2)
        values, beside = _road_values(own), _road_values(copy)
        return {key: Finding(values[key], own.notes, beside[key], protocol=own.protocol) for key in keys}

    return (yield from _each(bench.together(_ROAD, _same), run))


def _road_values(scores: RoadScores) -> dict[str, Tensor]:
    along = scores.fractions
    means = [
        torch.trapezoid(one, along, dim=1) / (along[-1] - along[0]) for one in (scores.morf, scores.lerf)
    ]
    morf, lerf = (torch.where(scores.defined, one, torch.nan) for one in means)
    return dict(zip(_ROAD, (scores.difference, morf, lerf), strict=True))


def _randomisation(bench: Bench, row: "Row", answer: Any) -> Work[dict[str, Finding]]:
    def run(keys: list[str]) -> Work[dict[str, Finding]]:
        protocol = bench.cards[keys[0]].protocol
        options: dict[str, Any] = {"protocol": protocol, "chunk_size": bench.query.chunk_size}
        stream = randomisation_stream(bench.model, bench.inputs, row.method, bench.target, **options)
        made = yield from _driven(stream)
        # "absolute" would be high for any map whose magnitude follows the picture's.
        values = {"randomisation": made.mean("signed"), "randomisation_ssim": made.mean("ssim")}
        return {key: Finding(values[key], made.notes, protocol=made.protocol) for key in keys}

    return (yield from _each(bench.together(_RANDOMISATION, _same), run))


def _sensitivity(bench: Bench, row: "Row", answer: Any) -> Work[dict[str, Finding]]:
    protocol = bench.cards["sensitivity"].protocol
    options: dict[str, Any] = {"protocol": protocol, "chunk_size": bench.query.chunk_size}
    stream = sensitivity_stream(bench.model, bench.inputs, row.method, bench.target, **options)
    made = yield from _driven(stream)
    return {"sensitivity": Finding(made.sensitivity, made.notes, protocol=made.protocol)}


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
    return {"infidelity": Finding(made.relative, made.notes, protocol=made.protocol)}


def _completeness(bench: Bench, row: "Row", answer: Any) -> Work[dict[str, Finding]]:
    yield 0.0
    protocol = bench.cards["completeness"].protocol
    if protocol.baseline is None and getattr(answer, "convergence_delta", None) is None:
        why = "Not defined: maps of this method need not sum to the change of a score."
        return {"completeness": Finding(torch.full_like(bench.query.score, torch.nan).double(), (why,))}
    made = completeness(bench.model, bench.inputs, answer, bench.target, baseline=protocol.baseline)
    return {"completeness": Finding(made.relative, made.notes, protocol=made.protocol)}


def _localisation(bench: Bench, row: "Row", answer: Any) -> Work[dict[str, Finding]]:
    yield 0.0
    found = {}
    for key, (function, region) in _REGIONS.items():
        if key in bench.cards:
            made = function(row.maps, bench.regions[region], protocol=bench.cards[key].protocol)
            found[key] = Finding(made.values, made.notes, chance=made.area, protocol=made.protocol)
    for key, region in _POINTING.items():
        if key in bench.cards:
            game = pointing_game(row.maps, bench.regions[region], protocol=bench.cards[key].protocol)
            chance = _hits_by_chance(bench.regions[region], game.protocol)
            found[key] = Finding(game.hits, game.notes, chance=chance, protocol=game.protocol)
    return found


def _hits_by_chance(masks: Any, protocol: PointingProtocol) -> Float[Tensor, " n"]:
    """Share of the pixels that would be a hit; NaN for an empty mask."""
    from scipy.ndimage import distance_transform_edt  # 0.1 s

    shares = torch.full((len(masks),), torch.nan, dtype=torch.float64)
    for i, mask in enumerate(masks):
        if bool(mask.any()):
            distances = torch.as_tensor(distance_transform_edt(~mask.numpy()))
            shares[i] = protocol.hit(distances.flatten()).mean()
    return shares


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
