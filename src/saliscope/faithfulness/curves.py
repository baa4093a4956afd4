"""Deletion and insertion: pixels go, or come, in the order of a map, while the score is watched."""

from collections.abc import Generator, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from saliscope.core.anytime import CancelToken, Step, drive, spread_order, steadily
from saliscope.core.batching import ChunkSize
from saliscope.core.borrow import Borrowed
from saliscope.core.device import exact
from saliscope.core.query import Query, check_score
from saliscope.core.targets import ResolvedTarget
from saliscope.errors import MethodError, ModelError, TargetError
from saliscope.faithfulness.order import as_maps, is_constant, random_ranks, ranks, scored
from saliscope.faithfulness.protocol import Protocol, agreed, check_count, check_options
from saliscope.faithfulness.replacement import filler
from saliscope.faithfulness.shown import Shown

NO_SCORE = 1e-6
"""A probability below this has nowhere to fall."""

NO_ORDER = {
    "signed": "the map has one value throughout, which is no order: the seed drew one",
    "absolute": "the map has one magnitude throughout, which is no order: the seed drew one",
}
"""Why a map has no order, by the ranking."""

_STEADY = 0.02
"""Scores of one picture that differ by less than this share are the same; half precision adds to it."""


@dataclass(frozen=True)
class Curve(Shown):
    """The score as pixels are taken in the order of a map.

    Attributes
    ----------
    protocol : Protocol
        How it was measured.
    fractions : Tensor of shape (k,)
        Share of the pixels that have been taken, from 0 to 1.
    scores : Tensor of shape (n, k)
        Score of the target there (float64).
    top : Tensor of shape (n, k)
        The class that has the highest score there; -1 for a target that is a function.
    ranks : Tensor of shape (n, height, width)
        Place of each pixel in the order: 0 is taken first.
    target : ResolvedTarget
        What was scored.
    defined : Tensor of shape (n,)
        Whether the curve says something of the map, so that it has an area.
    notes : tuple of str
        Caveats in words: also why a curve has none.
    """

    protocol: Protocol
    fractions: Float[Tensor, " k"]
    scores: Float[Tensor, "n k"]
    top: Int[Tensor, "n k"]
    ranks: Int[Tensor, "n height width"]
    target: ResolvedTarget
    defined: Bool[Tensor, " n"]
    notes: tuple[str, ...] = ()

    @property
    def auc(self) -> Float[Tensor, " n"]:
        """Area under each curve by trapezoids, from 0 to 1 for a probability; NaN where it is not defined."""
        if len(self.fractions) < 2:  # of a trial that has only begun
            return torch.full((len(self.scores),), torch.nan, dtype=torch.float64)
        along = self.fractions
        if self.protocol.widths == "equal":
            height, width = self.ranks.shape[1:]
            points = torch.as_tensor(self.protocol.points((height, width)))
            taken = (self.fractions * points[-1]).round().long()
            along = torch.searchsorted(points, taken).double() / (len(points) - 1)
        area = torch.trapezoid(self.scores, along, dim=1)
        return torch.where(self.defined, area, torch.nan)

    def taken(self, fraction: float) -> Bool[Tensor, "n height width"]:
        """Which pixels have been taken at a fraction."""
        return self.ranks < round(fraction * self.ranks[0].numel())


@dataclass(frozen=True)
class Trial:
    """Curves of several maps of the same pictures, and of orders that were drawn at random.

    Attributes
    ----------
    curves : dict of str to tuple of Curve
        For each map, a curve by each protocol.
    random : tuple of tuple of Curve
        The same for each random order: what a map without any knowledge gets.
    complete : bool
        False for what a stream gives before its last step: then the curves are coarser.
    """

    curves: dict[str, tuple[Curve, ...]]
    random: tuple[tuple[Curve, ...], ...] = ()
    complete: bool = True


DEFAULTS = (Protocol("deletion"), Protocol("insertion", "blur"))


def deletion(
    model: nn.Module | Borrowed,
    inputs: Tensor,
    maps: Any,
    target: Any = None,
    *,
    protocol: Protocol | None = None,
    **options: Any,
) -> Curve:
    """The score as the pixels that a map ranks highest are taken away (RISE, arXiv 1806.07421).

    A map that is true lets the score fall at once: a small area is good.

    Parameters
    ----------
    model : nn.Module or Borrowed
    inputs : Tensor of shape (n, channels, height, width)
        In model space.
    maps : Attribution, Tensor or ndarray
        See `saliscope.faithfulness.order.as_maps`.
    target : see `saliscope.Target`
        None: that of the attribution, or else each input's own top class.
    protocol : Protocol, optional
        One of deletion, as those of `saliscope.faithfulness.presets`.
    **options
        ``chunk_size``, ``progress`` and ``cancel`` as in `trial`; all else are fields of `Protocol`, in the
        place of those of `protocol`.

    Returns
    -------
    Curve
        Not defined for a map without an order, a picture that is what would replace it, a class without any
        probability, or where one step takes all pixels.

    Raises
    ------
    InputError
        If the maps do not fit the inputs, or hold NaN.
    MethodError, BaselineError
        If the protocol is none, or one of insertion.
    """
    return _single(Protocol("deletion"), protocol, model, inputs, maps, target, options)


def insertion(
    model: nn.Module | Borrowed,
    inputs: Tensor,
    maps: Any,
    target: Any = None,
    *,
    protocol: Protocol | None = None,
    **options: Any,
) -> Curve:
    """The score as the pixels that a map ranks highest come into a blurred picture (RISE, arXiv 1806.07421).

    A map that is true lets the score rise at once: a large area is good. Same parameters as `deletion`.
    """
    return _single(Protocol("insertion", "blur"), protocol, model, inputs, maps, target, options)


def _single(
    default: Protocol,
    given: Any,
    model: Any,
    inputs: Tensor,
    maps: Any,
    target: Any,
    options: dict[str, Any],
) -> Curve:
    defaults = {"chunk_size": "auto", "progress": None, "cancel": None}
    chunk_size, progress, cancel = (options.pop(name, value) for name, value in defaults.items())
    protocol = agreed(default, given, options)
    if protocol.kind != default.kind:
        way_out = f"Call {protocol.kind}() with it."
        raise MethodError("protocol", f"one of {protocol.kind}", f"one of {default.kind}", way_out)
    stream = _stream(model, inputs, {"map": maps}, target, (protocol,), 0, chunk_size, "maps")
    return drive(stream, progress, cancel).curves["map"][0]


def trial(
    model: nn.Module | Borrowed,
    inputs: Tensor,
    maps: Mapping[str, Any],
    target: Any = None,
    *,
    progress: Any = None,
    cancel: CancelToken | None = None,
    **options: Any,
) -> Trial:
    """Drive `trial_stream` to its end; same parameters.

    Parameters
    ----------
    progress : callable, optional
        Called with every `Step`.
    cancel : CancelToken, optional
        Stops between two steps with `Cancelled`, which carries the trial so far.

    Returns
    -------
    Trial
    """
    check_options(options, ("protocols", "n_random", "chunk_size"))
    return drive(trial_stream(model, inputs, maps, target, **options), progress, cancel)


def trial_stream(
    model: nn.Module | Borrowed,
    inputs: Tensor,
    maps: Mapping[str, Any],
    target: Any = None,
    *,
    protocols: tuple[Protocol, ...] = DEFAULTS,
    n_random: int = 20,
    chunk_size: ChunkSize = "auto",
) -> Iterator[Step[Trial]]:
    """Curves of several maps of the same pictures side by side, at few fractions first.

    Parameters
    ----------
    model, inputs, target
        See `deletion`.
    maps : dict of str to map
        See `saliscope.faithfulness.order.as_maps`.
    protocols : tuple of Protocol
        One score for all: their `output` must agree.
    n_random : int
        Number of orders that are drawn at random.
    chunk_size : int or "auto"
        Pictures at once; the result does not depend on it.

    Yields
    ------
    Step of Trial
    """
    return _stream(model, inputs, maps, target, protocols, n_random, chunk_size, "maps[{!r}]")


def _stream(
    model: nn.Module | Borrowed,
    inputs: Tensor,
    maps: Mapping[str, Any],
    target: Any,
    protocols: tuple[Protocol, ...],
    n_random: int,
    chunk_size: ChunkSize,
    called: str,
) -> Iterator[Step[Trial]]:
    """`trial_stream`; `called` is what an error calls a map, with room for its name."""

    def steps() -> Generator[Step[Trial], None, None]:
        _check(maps, protocols, n_random)
        query = Query(model, inputs, scored(maps, target, protocols[0].output), chunk_size)
        pictures = query.pictures("for deletion and insertion")
        values = [as_maps(given, pictures, called.format(name)) for name, given in maps.items()]
        yield from _Run(query, dict(zip(maps, values, strict=True)), protocols, n_random).steps()

    return steadily(steps())


class _Run:
    """All curves of a trial side by side; each chunk holds rows of any of them.

    A row is one picture to score: (level, protocol, order, input, point of the curve). Rows come level by
    level, points from coarse to fine, so every curve of a protocol is known at the same fractions whenever it
    stops. The ends of a curve do not depend on the order; they are scored once for all.
    """

    def __init__(
        self, query: Query, maps: Mapping[str, Tensor], protocols: tuple[Protocol, ...], n_random: int
    ) -> None:
        self.query, self.protocols, self.names = query, protocols, tuple(maps)
        inputs, values = query.inputs, list(maps.values())
        self.constant = [[is_constant(one, p.ranking) for one in values] for p in protocols]
        self.nothing = torch.zeros(len(protocols), len(inputs), dtype=torch.bool)  # that could be taken
        kinds = {(p.seed, p.ranking): p for p in protocols}
        made = {kind: _Orders(values, p, n_random, inputs.device) for kind, p in kinds.items()}
        self.orders = [made[p.seed, p.ranking] for p in protocols]
        # Convolutions on a CPU are 1.1 times as fast with it in ResNet-18, 1.3 times in small networks.
        fast = inputs.device.type == "cpu" and inputs.dtype in (torch.float32, torch.bfloat16)
        self.layout = torch.channels_last if fast else torch.contiguous_format
        self.fill = [filler(p.replacement, query) for p in protocols]
        self.points = [torch.as_tensor(p.points(query.picture)) for p in protocols]
        n_orders = len(values) + n_random
        self.scores = [torch.zeros(n_orders, len(inputs), len(t), dtype=torch.float64) for t in self.points]
        self.top = [torch.full(s.shape, -1) for s in self.scores]
        self.rows = self._listed(n_orders, len(inputs))

    def _listed(self, n_orders: int, n_inputs: int) -> Int[np.ndarray, "rows 5"]:
        def block(p: int, level: int, ks: Int[np.ndarray, " k"], orders: int) -> Int[np.ndarray, "rows 5"]:
            j, r, i = (one.ravel() for one in np.indices((len(ks), orders, n_inputs)))
            return np.stack([level + j, np.full_like(j, p), r, i, ks[j]], 1)

        parts = []
        for p, points in enumerate(self.points):
            last = len(points) - 1
            parts += [block(p, 0, np.array([0, last]), 1), block(p, 2, 1 + spread_order(last - 1), n_orders)]
        rows = np.concatenate(parts)
        return rows[np.argsort(rows[:, 0], kind="stable")]

    def steps(self) -> Iterator[Step[Trial]]:
        total, function = len(self.rows), self.query.target.function
        for _, stop, _ in self.query.chunked(self._score, total, "forward" if function else "scores"):
            yield Step(partial(self._trial, stop), stop, total)

    def _score(self, start: int, stop: int) -> None:
        query, rows = self.query, self.rows[start:stop]
        rows = torch.as_tensor(rows[np.argsort(rows[:, 1], kind="stable")])
        made = {}  # by protocol, whose rows stand side by side
        for p in rows[:, 1].unique().tolist():
            r, i, k = rows[rows[:, 1] == p, 2:].T
            gone = self.orders[p].places(r, i) < self.points[p][k].to(query.inputs.device)[:, None, None]
            deletion = self.protocols[p].kind == "deletion"
            made[p] = self.fill[p](i, gone if deletion else ~gone)
            bare = k == (len(self.points[p]) - 1 if deletion else 0)
            if bool(bare.any()):
                same = made[p][bare] == query.inputs[i[bare].to(query.inputs.device)]
                self.nothing[p, i[bare]] = same.flatten(1).all(1).cpu()
        pictures = torch.cat(list(made.values())).contiguous(memory_format=self.layout)
        try:
            score, top = query.scores_and_top(pictures, rows[:, 3], check=False)
        except (
            ModelError
        ):  # it may look at a layer's output as a row of numbers, which needs the other layout
            if self.layout is torch.contiguous_format:
                raise
            self.layout = torch.contiguous_format
            return self._score(start, stop)
        self._check_score(score, rows)
        score = exact(score)
        for p in made:
            own = rows[:, 1] == p
            r, i, k = rows[own, 2:].T
            end = (k == 0) | (k == len(self.points[p]) - 1)
            for kept, found in ((self.scores[p], score[own]), (self.top[p], top[own])):
                kept[r, i, k] = found
                kept[:, i[end], k[end]] = found[end]

    def _check_score(self, score: Tensor, rows: Int[Tensor, "m 5"]) -> None:
        """Raise `TargetError` for a score that is not finite, and say of which picture it is."""
        bad = rows[~score.isfinite().cpu()][:, [1, 4]].tolist()
        if not bad:
            return
        p, k = bad[0]
        taken, protocol = float(self.points[p][k] / self.points[p][-1]), self.protocols[p]
        gone = taken if protocol.kind == "deletion" else 1 - taken
        if gone == 0:
            check_score(score)
        got = f"a score that is NaN or infinite, of a picture with {100 * gone:.3g} % of its pixels replaced"
        way_out = "Try another replacement."
        raise TargetError("target", f"{got} by {protocol.replacement}", "a finite score", way_out)

    def _unsteady(self, done: int) -> str:
        """A note where the whole picture, which every protocol scores, has not the same score each time."""
        if len(self.protocols) < 2 or (self.rows[done:, 0] < 2).any():  # the ends come first
            return ""
        ends = [
            s[0][:, [0, -1] if p.kind == "deletion" else [-1, 0]]
            for s, p in zip(self.scores, self.protocols, strict=True)
        ]
        low, high = torch.stack([end[:, 0] for end in ends]).aminmax(dim=0)
        scale = torch.stack(ends).abs().amax((0, 2))
        tolerance = _STEADY + 8 * torch.finfo(self.query.inputs.dtype).eps
        i = int((high - low - tolerance * scale).argmax())
        if high[i] - low[i] <= tolerance * scale[i]:
            return ""
        return (
            f"The whole picture scored {low[i]:.3g} and {high[i]:.3g} for input {i}: the model answers "
            "differently each time, and every score here is as uncertain."
        )

    def _trial(self, done: int) -> Trial:
        # What has been scored is not written to again: the stream may have gone on.
        by_order = list(zip(*[self._curves(p, done) for p in range(len(self.protocols))], strict=True))
        named = dict(zip(self.names, by_order, strict=False))
        return Trial(named, tuple(by_order[len(self.names) :]), done == len(self.rows))

    def _curves(self, p: int, done: int) -> list[Curve]:
        """The curves of one protocol, at the fractions that all of its orders and inputs have reached."""
        rest, points, target = self.rows[done:], self.points[p], self.query.target
        known = torch.as_tensor(np.setdiff1d(np.arange(len(points)), rest[rest[:, 1] == p, 4]))
        protocol = replace(self.protocols[p], output=None if target.function else target.output)
        whole = 0 if protocol.kind == "deletion" else len(points) - 1
        without = torch.zeros(len(self.query), dtype=torch.bool)
        if protocol.output == "probability" and whole in known:
            without = self.scores[p][0, :, whole] < NO_SCORE
        unsteady = self._unsteady(done)
        nothing, once = self.nothing[p].clone(), torch.full_like(without, len(points) == 2)
        curves = []
        for r, scores in enumerate(self.scores[p]):
            constant = self.constant[p][r] if r < len(self.names) else torch.zeros_like(without)
            reasons = (
                (constant, NO_ORDER[protocol.ranking]),
                (without, f"the probability of the class is below {NO_SCORE:g} in the whole picture"),
                (nothing, "the picture is what would replace it: nothing is taken away"),
                (once, "one step takes all pixels, so that their order does not matter; take smaller steps"),
            )
            curves.append(
                Curve(
                    protocol=protocol,
                    fractions=points[known].double() / points[-1],
                    scores=scores[:, known],
                    top=self.top[p][r][:, known],
                    ranks=self.orders[p].ranks(r),
                    target=target,
                    defined=~torch.stack([where for where, _ in reasons]).any(0),
                    notes=tuple(filter(None, (*(note_of(*reason) for reason in reasons), unsteady))),
                )
            )
        return curves


class _Orders:
    """The orders of all maps, and the random ones, which are the same for every input: each is held once."""

    def __init__(self, values: list[Tensor], protocol: Protocol, n_random: int, device: torch.device) -> None:
        seed, (self.n, *shape) = protocol.seed, values[0].shape
        drawn = [random_ranks(seed, r, (shape[0], shape[1]))[None] for r in range(n_random)]
        self.n_maps = len(values)
        self.held = torch.cat([ranks(v, seed, protocol.ranking) for v in values] + drawn).to(device)

    def places(self, r: Tensor, i: Tensor) -> Int[Tensor, "m height width"]:
        """Place of each pixel in order ``r[j]`` of input ``i[j]``."""
        where = torch.where(r < self.n_maps, r * self.n + i, self.n_maps * (self.n - 1) + r)
        return self.held[where.to(self.held.device)]

    def ranks(self, r: int) -> Int[Tensor, "n height width"]:
        """Place of each pixel in order `r`, for every input."""
        every = torch.arange(self.n)
        if r < self.n_maps:
            return self.places(torch.full_like(every, r), every).cpu()
        return self.places(torch.tensor([r]), torch.tensor([0])).cpu().expand(self.n, -1, -1)


def note_of(where: Bool[Tensor, " n"], reason: str, what: str = "Not defined") -> str:
    """Why a number is not defined, and of which inputs; nothing where it is of all."""
    inputs = where.nonzero()[:, 0].tolist()
    if not inputs:
        return ""
    which = f"input{'s' * (len(inputs) > 1)} {', '.join(map(str, inputs))}"
    return f"{what} for {which}: {reason}."


def _check(maps: Any, protocols: Any, n_random: Any) -> None:
    if not isinstance(maps, Mapping) or not maps:
        got = f"a {type(maps).__name__}" if not isinstance(maps, Mapping) else "no map"
        way_out = "A single one: {'my map': attribution}, or use deletion() and insertion()."
        raise MethodError("maps", got, "a dict from names to maps", way_out)
    known = isinstance(protocols, tuple) and all(isinstance(p, Protocol) for p in protocols)
    if not known or not protocols:
        raise MethodError("protocols", repr(protocols), "a tuple with at least one Protocol")
    outputs = {str(p.output) for p in protocols}
    if len(outputs) > 1:
        got = f"scores of {len(outputs)} kinds: {', '.join(sorted(outputs))}"
        raise MethodError("protocols", got, "one kind of score", "Run a trial for each kind.")
    check_count("n_random", n_random, 0)
