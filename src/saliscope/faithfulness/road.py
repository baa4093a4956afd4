"""ROAD (arXiv 2202.00449): a model's answers as pixels are infilled, in the order of a map and against it."""

from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, get_args

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from saliscope.core.anytime import CancelToken, Step, drive, steadily
from saliscope.core.batching import ChunkSize
from saliscope.core.borrow import Borrowed, untouched
from saliscope.core.device import exact
from saliscope.core.labels import class_labels
from saliscope.core.query import Query
from saliscope.core.targets import OUTPUTS, Output, ResolvedTarget, class_index, class_scores
from saliscope.errors import MethodError, TargetError
from saliscope.faithfulness.curves import NO_ORDER, NO_SCORE, note_of
from saliscope.faithfulness.infill import Road
from saliscope.faithfulness.order import Ranking, as_maps, is_constant, ranks, scored
from saliscope.faithfulness.protocol import agreed, check_choice, check_count
from saliscope.faithfulness.shown import Shown


@dataclass(frozen=True)
class RoadProtocol:
    """How ROAD is measured. Numbers may be compared only where all of this is the same.

    Parameters
    ----------
    fractions : sequence of float
        Shares of the pixels that are hidden, rising; kept as a tuple.
    noise : float
        Standard deviation of the noise on infilled pixels, in model space.
    ranking : {"signed", "absolute"}
        Whether a pixel with evidence against the class comes last, or among the first.
    output : {"probability", "logit", "log_probability", "margin"}, optional
        Kind of score, as in `saliscope.Target`. None: as the target says. Scores have None here if their
        target is a function or a layer's unit, which are scores of their own.
    seed : int
        Draws the noise, and the order of pixels that have one value.

    Raises
    ------
    MethodError
        If a value is none of these.
    BaselineError
        If the noise is none.
    """

    fractions: Sequence[float] = (0.1, 0.2, 0.3, 0.4, 0.5, 0.7, 0.9)
    noise: float = 0.01
    ranking: Ranking = "signed"
    output: Output | None = "probability"
    seed: int = 0

    def __post_init__(self) -> None:
        object.__setattr__(self, "fractions", _shares(self.fractions))
        check_choice("ranking", self.ranking, get_args(Ranking))
        if self.output is not None:
            check_choice("output", self.output, OUTPUTS)
        check_count("seed", self.seed, 0)
        Road(self.noise, self.seed)


@dataclass(frozen=True)
class RoadScores(Shown):
    """What a model says of pictures with infilled pixels.

    Attributes
    ----------
    protocol : RoadProtocol
        How it was measured.
    fractions : Tensor of shape (k,)
        Shares of the pixels that are hidden; in a partial answer only those that are known.
    before : Tensor of shape (n,)
        Score with nothing hidden (float64).
    morf, lerf : Tensor of shape (n, k)
        Score with the pixels hidden that the map ranks highest (most relevant first), and lowest.
    morf_right, lerf_right : Tensor of shape (n, k)
        Whether the top class is the label; without labels, whether it is that of the picture.
        All False for a target that is a function, which has no classes: see `notes`.
    defined : Tensor of shape (n,)
        Whether the map has an order, the picture more than one colour, and the class a probability from the
        start; see `notes`.
    target : ResolvedTarget
        What was scored.
    notes : tuple of str
        Caveats in words.
    """

    protocol: RoadProtocol
    fractions: Float[Tensor, " k"]
    before: Float[Tensor, " n"]
    morf: Float[Tensor, "n k"]
    lerf: Float[Tensor, "n k"]
    morf_right: Bool[Tensor, "n k"]
    lerf_right: Bool[Tensor, "n k"]
    defined: Bool[Tensor, " n"]
    target: ResolvedTarget
    notes: tuple[str, ...] = ()

    @property
    def morf_accuracy(self) -> Float[Tensor, " k"]:
        """Share of the inputs whose top class is right, of those for which it is defined; NaN for none.

        A true map lets it fall.
        """
        return self._share(self.morf_right)

    @property
    def lerf_accuracy(self) -> Float[Tensor, " k"]:
        """The same share as the least relevant pixels go: a true map keeps it high."""
        return self._share(self.lerf_right)

    @property
    def difference(self) -> Float[Tensor, " n"]:
        """Mean of MoRF - LeRF over the fractions, by trapezoids: the lower, the better; 0 at random.

        NaN where it is not defined, and as long as fewer than two fractions are known.
        """
        if len(self.fractions) < 2:
            return torch.full_like(self.before, torch.nan)
        span = self.fractions[-1] - self.fractions[0]
        mean = torch.trapezoid(self.morf - self.lerf, self.fractions, dim=1) / span
        return torch.where(self.defined, mean, torch.nan)

    def _share(self, right: Tensor) -> Tensor:
        if self.target.function is not None:
            return torch.full_like(self.fractions, torch.nan)
        return right[self.defined].double().mean(0)


def road(
    model: nn.Module | Borrowed,
    inputs: Tensor,
    maps: Any,
    target: Any = None,
    *,
    progress: Any = None,
    cancel: CancelToken | None = None,
    **options: Any,
) -> RoadScores:
    """Hide pixels in the order of a map, and against it; they are infilled from their neighbours.

    Neither black nor a blur tells the model that, or where, pixels are missing. A blurred copy of a map
    should be measured beside it: the infill rewards blur (arXiv 2304.13836).

    Parameters
    ----------
    model : nn.Module or Borrowed
    inputs : Tensor of shape (n, channels, height, width)
        In model space.
    maps : Attribution, Tensor or ndarray
        See `saliscope.faithfulness.order.as_maps`.
    target : see `saliscope.Target`
        None: that of the attribution, or else each input's own top class.
    progress, cancel
        See `saliscope.core.anytime.drive`.
    **options
        ``labels``, ``protocol`` and ``chunk_size`` as in `road_stream`; the rest: see `RoadProtocol`.

    Returns
    -------
    RoadScores

    Raises
    ------
    InputError
        If the maps do not fit the inputs, or hold NaN; if the labels are not one for each input.
    TargetError
        If a label is no class of the model.
    MethodError
        If a fraction of these pictures is less than a pixel more than the one before.
    """
    run = {name: options.pop(name) for name in ("labels", "chunk_size") if name in options}
    protocol = agreed(RoadProtocol(), options.pop("protocol", None), options)
    return drive(road_stream(model, inputs, maps, target, protocol=protocol, **run), progress, cancel)


def road_stream(
    model: nn.Module | Borrowed,
    inputs: Tensor,
    maps: Any,
    target: Any = None,
    *,
    labels: Any = None,
    protocol: RoadProtocol | None = None,
    chunk_size: ChunkSize = "auto",
) -> Iterator[Step[RoadScores]]:
    """`road`, fraction by fraction.

    Parameters
    ----------
    model, inputs, maps, target
        See `road`.
    labels : sequence of int or str, optional
        The true class of each input, for the accuracy, by index or by name. None: the top class of each
        picture.
    protocol : RoadProtocol, optional
    chunk_size : int or "auto"
        Pictures at once; the result does not depend on it.

    Yields
    ------
    Step of RoadScores
    """
    protocol = agreed(RoadProtocol(), protocol, {})

    def steps() -> Generator[Step[RoadScores], None, None]:
        query = Query(model, inputs, scored({"maps": maps}, target, protocol.output), chunk_size)
        query.pictures("for ROAD")
        yield from _Run(query, as_maps(maps, query.inputs), labels, protocol).steps()

    return steadily(steps())


class _Run:
    """A row is one picture to score: (point, order, input). Point 0 is the picture itself, scored once."""

    def __init__(self, query: Query, maps: Tensor, labels: Any, protocol: RoadProtocol) -> None:
        self.query, self.protocol, self.labels = query, protocol, _checked(labels, query)
        self.constant = is_constant(maps, protocol.ranking)
        self.ranks = ranks(maps, protocol.seed, protocol.ranking)
        self.pixels = maps[0].numel()
        self.plain = (query.inputs.amax((2, 3)) == query.inputs.amin((2, 3))).all(1).cpu()
        self.counts = torch.tensor([0, *(round(f * self.pixels) for f in protocol.fractions)])
        if not bool((self.counts.diff() > 0).all()):
            got = f"{protocol.fractions}, which hide {self.counts[1:].tolist()} of {self.pixels} pixels"
            raise MethodError(
                "fractions", got, "shares that each hide at least a pixel more than the one before"
            )
        self.infill = Road(protocol.noise, protocol.seed)
        n, points = len(query), len(self.counts)
        self.rows = torch.tensor(
            [(k, o, i) for k in range(points) for o in range(2 if k else 1) for i in range(n)]
        )
        self.scores = torch.zeros(points, 2, n, dtype=torch.float64)
        self.top = torch.full(self.scores.shape, -1)

    def steps(self) -> Iterator[Step[RoadScores]]:
        total = len(self.rows)
        for _, stop, _ in self.query.chunked(self._score, total, "forward"):
            known = (int(self.rows[stop, 0]) if stop < total else len(self.counts)) - 1
            if known >= 0:
                parts = self.scores[: known + 1].clone(), self.top[: known + 1].clone()
                yield Step(partial(self._result, *parts), stop, total)

    def _score(self, start: int, stop: int) -> None:
        point, order, row = self.rows[start:stop].T
        places, count = self.ranks[row], self.counts[point][:, None, None]
        hidden = torch.where(order[:, None, None] == 0, places < count, places >= self.pixels - count)
        device = self.query.inputs.device
        pictures = self.infill.filled(self.query.inputs[row.to(device)], hidden.to(device))
        score, top = self.query.scores_and_top(pictures, row)
        self.scores[point, order, row], self.top[point, order, row] = exact(score), top

    def _result(self, scores: Tensor, top: Tensor) -> RoadScores:
        before, right = scores[0, 0], top[1:] == (top[0, 0] if self.labels is None else self.labels)
        target = self.query.target
        without = (before < NO_SCORE) & (target.output == "probability")
        notes = [
            note_of(self.constant, NO_ORDER[self.protocol.ranking]),
            note_of(self.plain, "the picture has one colour throughout, and no infill changes it"),
            note_of(without, f"the probability of the class is below {NO_SCORE:g} in the whole picture"),
        ]
        if target.function is not None:
            right = torch.zeros_like(right)
            notes.append("The target is a function: there is no top class, and no accuracy.")
        morf, lerf = scores[1:].unbind(1)
        morf_right, lerf_right = right.unbind(1)
        known = self.counts[1 : len(scores)].double() / self.pixels
        return RoadScores(
            protocol=replace(self.protocol, output=None if target.function else target.output),
            fractions=known,
            before=before,
            morf=morf.T,
            lerf=lerf.T,
            morf_right=morf_right.T,
            lerf_right=lerf_right.T,
            defined=~(self.constant | self.plain | without),
            target=target,
            notes=tuple(note for note in notes if note),
        )


def _shares(fractions: Any) -> tuple[float, ...]:
    expected = "two or more numbers, rising, between 0 and 1"
    try:
        shares = tuple(map(float, fractions))
    except (TypeError, ValueError):
        raise MethodError("fractions", repr(fractions)[:80], expected) from None
    pairs = zip((0.0, *shares), (*shares, 1.0), strict=True)
    if len(shares) < 2 or not all(low < high for low, high in pairs):
        raise MethodError("fractions", repr(fractions)[:80], expected)
    return shares


def _checked(labels: Any, query: Query) -> Int[Tensor, " n"] | None:
    if labels is None:
        return None
    given = class_labels(labels, len(query), "inputs")
    if query.target.function is not None:
        return None
    with untouched(query.borrowed.module), torch.no_grad():
        n_classes = class_scores(query.borrowed(query.inputs[:1].clone())).shape[1]
    try:
        return torch.tensor([class_index(one, n_classes, query.borrowed.labels) for one in given])
    except TargetError as error:
        way_out = error.way_out
        if n_classes == 1:
            way_out = "A model of one logit z has the classes 0 and 1 if it returns torch.cat([0 * z, z], 1)."
        raise TargetError(
            "labels", error.got, f"classes of the model, from 0 to {n_classes - 1}", way_out
        ) from None
