"""Stability: whether a map stays the same with another seed, or with a picture that looks the same."""

from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass, fields, is_dataclass, replace
from functools import partial
from typing import Any, Literal, get_args

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from saliscope.core.anytime import CancelToken, Step, drive, steadily
from saliscope.core.batching import ChunkSize
from saliscope.core.borrow import Borrowed
from saliscope.core.query import Query
from saliscope.core.seeds import NoiseSource
from saliscope.core.targets import ResolvedTarget
from saliscope.errors import MethodError
from saliscope.faithfulness.curves import note_of
from saliscope.faithfulness.order import explained
from saliscope.faithfulness.protocol import agreed, check_choice, check_count, check_positive
from saliscope.faithfulness.shown import Shown
from saliscope.faithfulness.similarity import Similarity, check_share, similarity

Over = Literal["seeds", "noise", "shift"]
SHIFTS = ((0, 1), (0, -1), (1, 0), (-1, 0))
"""Rows down and columns to the right that the picture is moved by, in units of the shift."""


@dataclass(frozen=True)
class StabilityProtocol:
    """What is changed, and how alike maps are counted. Numbers may be compared only where all is the same.

    Parameters
    ----------
    over : {"seeds", "noise", "shift"}
        The method's own seed: all its maps are compared with each other. Or the picture: under Gaussian
        noise, or moved to each of four sides; these maps are compared with the map of the picture, and where
        it was moved they are moved back first, and compared where both show the picture.
    n_runs : int
        Number of seeds, or of noisy copies; the shifts are always four.
    noise_level : float
        Standard deviation of the noise as a share of each input's range.
    shift : int
        Pixels that the picture is moved by; its last row or column is repeated at the border.
    top : float
        Share of the pixels that are the highest; see `saliscope.faithfulness.similarity.top_overlap`.
    seed : int
        The first of the seeds, or what draws the noise, the same for every input.

    Raises
    ------
    MethodError
        If a value is none of these.
    """

    over: Over = "seeds"
    n_runs: int = 5
    noise_level: float = 0.02
    shift: int = 1
    top: float = 0.05
    seed: int = 0

    def __post_init__(self) -> None:
        check_choice("over", self.over, get_args(Over))
        check_count("n_runs", self.n_runs, 2 if self.over == "seeds" else 1)
        check_positive("noise_level", self.noise_level)
        check_count("shift", self.shift, 1)
        check_share("top", self.top)
        check_count("seed", self.seed, 0)


@dataclass(frozen=True)
class Stability(Shown):
    """How alike the maps of several runs are.

    Attributes
    ----------
    protocol : StabilityProtocol
        What was changed.
    pairs : tuple of Similarity
        Each comparison: of two seeds, or of a changed picture with the picture. NaN where the changed picture
        is the picture itself.
    changed : Tensor of shape (n,)
        For how many of the changed pictures the model's own top class was another one: there a map may move
        because the model does. 0 for seeds; -1 for a target that is a function.
    target : ResolvedTarget
        What was explained: the same in all runs.
    notes : tuple of str
        Caveats in words.
    complete : bool
        False for what a stream gives before its last step.
    """

    protocol: StabilityProtocol
    pairs: tuple[Similarity, ...]
    changed: Int[Tensor, " n"]
    target: ResolvedTarget
    notes: tuple[str, ...] = ()
    complete: bool = True

    @property
    def mean(self) -> Similarity:
        """The mean over the comparisons, of each measure and input."""
        return self._over_pairs(lambda values: values.mean(0))

    @property
    def worst(self) -> Similarity:
        """The least over the comparisons, of each measure and input."""
        return self._over_pairs(lambda values: values.amin(0))

    def _over_pairs(self, reduce: Callable[[Tensor], Float[Tensor, " n"]]) -> Similarity:
        empty = torch.full((len(self.changed),), torch.nan, dtype=torch.float64)
        columns = (
            [getattr(pair, field.name) for pair in self.pairs] or [empty] for field in fields(Similarity)
        )
        return Similarity(*(reduce(torch.stack(column)) for column in columns))


def stability(
    model: nn.Module | Borrowed,
    inputs: Tensor,
    explain: Any,
    target: Any = None,
    *,
    progress: Any = None,
    cancel: CancelToken | None = None,
    **options: Any,
) -> Stability:
    """How alike maps are over seeds, or over small changes of the picture.

    Parameters
    ----------
    model : nn.Module or Borrowed
    inputs : Tensor of shape (n, channels, height, width)
        In model space.
    explain : object or callable
        A method; see `saliscope.faithfulness.order.explained`. Over seeds: a dataclass with a field ``seed``.
    target : see `saliscope.Target`
        None: each input's own top class, which stays the question for the changed pictures.
    progress : callable, optional
        Called with every `Step`.
    cancel : CancelToken, optional
        Stops between two steps with `Cancelled`, which carries the comparisons so far.
    **options
        ``protocol`` and ``chunk_size`` as in `stability_stream`; all else are fields of the protocol.

    Returns
    -------
    Stability

    Raises
    ------
    MethodError
        If it is no method, or has no seed where seeds are asked for.
    InputError
        If its maps do not fit the inputs, or hold NaN.
    """
    return drive(stability_stream(model, inputs, explain, target, **options), progress, cancel)


def stability_stream(
    model: nn.Module | Borrowed,
    inputs: Tensor,
    explain: Any,
    target: Any = None,
    *,
    protocol: StabilityProtocol | None = None,
    chunk_size: ChunkSize = "auto",
    **options: Any,
) -> Iterator[Step[Stability]]:
    """`stability` over more and more runs; same parameters.

    Yields
    ------
    Step of Stability
    """
    protocol = agreed(StabilityProtocol(), protocol, options)

    def steps() -> Generator[Step[Stability], None, None]:
        if protocol.over == "seeds":
            _check_seeded(explain)
        query = Query(model, inputs, target, chunk_size)
        query.pictures("to explain")
        run = _over_seeds if protocol.over == "seeds" else _over_changes
        yield from run(model, query, explain, protocol)

    return steadily(steps())


def _over_seeds(
    model: nn.Module | Borrowed, query: Query, method: Any, protocol: StabilityProtocol
) -> Iterator[Step[Stability]]:
    maps: list[Tensor] = []
    pairs: list[Similarity] = []
    same, none = torch.zeros(len(query), dtype=torch.int64), torch.zeros(len(query), dtype=torch.bool)
    for run in range(protocol.n_runs):
        seeded = replace(method, seed=protocol.seed + run)
        maps.append(explained(seeded, model, query.inputs, query.target, query.chunk_size)[1].sum(1))
        pairs += [similarity(other, maps[-1], protocol.top) for other in maps[:-1]]
        yield _step(query, protocol, pairs, same, run + 1, protocol.n_runs, none)


def _over_changes(
    model: nn.Module | Borrowed, query: Query, explain: Any, protocol: StabilityProtocol
) -> Iterator[Step[Stability]]:
    total = len(SHIFTS) if protocol.over == "shift" else protocol.n_runs
    rows = torch.arange(len(query))
    there = explained(explain, model, query.inputs, query.target, query.chunk_size)[1].sum(1)
    top = _top_classes(query, query.inputs)
    changed = torch.zeros_like(rows) if query.target.function is None else torch.full_like(rows, -1)
    pairs: list[Similarity] = []
    still = torch.zeros(len(query), dtype=torch.bool)
    for run in range(total):
        points, back = _changed(query, protocol, run)
        maps = explained(explain, model, points, query.target, query.chunk_size)[1].sum(1)
        same = (points == query.inputs).flatten(1).all(1).cpu()
        still = still | same
        found = similarity(*back(there, maps), protocol.top)
        pairs.append(
            Similarity(*(getattr(found, f.name).masked_fill(same, torch.nan) for f in fields(found)))
        )
        changed = changed + (_top_classes(query, points) != top)
        yield _step(query, protocol, pairs, changed, run + 1, total, still)


def _changed(
    query: Query, protocol: StabilityProtocol, run: int
) -> tuple[Tensor, Callable[[Tensor, Tensor], tuple[Tensor, Tensor]]]:
    """The changed pictures, and how their maps and those of the pictures are laid on each other."""
    x = query.inputs
    if protocol.over == "noise":
        low, high = x.flatten(1).aminmax(dim=1)
        noise = NoiseSource(protocol.seed, tuple(x.shape[1:])).draw(run, run + 1, x)
        deviation = (protocol.noise_level * (high - low)).reshape(-1, 1, 1, 1)
        return x + deviation * noise, lambda there, maps: (there, maps)
    height, width = query.picture
    if protocol.shift >= min(height, width):
        size = f"{height} x {width}"
        raise MethodError("shift", repr(protocol.shift), f"less than a picture of {size} has pixels")
    down, right = (protocol.shift * way for way in SHIFTS[run])
    row = (torch.arange(height) - down).clamp(0, height - 1).to(x.device)
    column = (torch.arange(width) - right).clamp(0, width - 1).to(x.device)

    def back(there: Tensor, maps: Tensor) -> tuple[Tensor, Tensor]:
        top, left = max(0, -down), max(0, -right)
        tall, wide = height - abs(down), width - abs(right)
        moved = maps[:, top + down :, left + right :]
        return there[:, top : top + tall, left : left + wide], moved[:, :tall, :wide]

    return x[:, :, row][..., column], back


def _top_classes(query: Query, points: Tensor) -> Tensor:
    function = query.target.function is not None

    def work(start: int, stop: int) -> Tensor:
        return query.scores_and_top(points[start:stop].clone(), torch.arange(start, stop))[1]

    kind = "forward" if function else "gradient"
    return torch.cat([top for _, _, top in query.chunked(work, len(points), kind)])


def _step(
    query: Query,
    protocol: StabilityProtocol,
    pairs: list[Similarity],
    changed: Tensor,
    done: int,
    total: int,
    still: Tensor,
) -> Step[Stability]:
    result = partial(_result, protocol, tuple(pairs), changed, query.target, done == total, still)
    return Step(result, done, total)


def _result(
    protocol: StabilityProtocol,
    pairs: tuple[Similarity, ...],
    changed: Tensor,
    target: ResolvedTarget,
    complete: bool,
    still: Tensor,
) -> Stability:
    notes = list(filter(None, [note_of(still, "a change leaves the picture as it was")]))
    if any(bool((pair.signed.isnan() & ~still).any()) for pair in pairs):
        notes.append("Not defined for a map with one value throughout: it has no order to keep.")
    elif any(bool((pair.ssim.isnan() & ~still).any()) for pair in pairs):
        notes.append("No structural similarity: the maps are smaller than its window.")
    if bool((changed > 0).any()):
        notes.append("Some changed pictures have another top class: there the model is not stable either.")
    return Stability(protocol, pairs, changed, target, tuple(notes), complete)


def _check_seeded(method: Any) -> None:
    seeded = is_dataclass(method) and any(field.name == "seed" for field in fields(method))
    if isinstance(method, type) or not seeded:
        raise MethodError(
            "explain",
            repr(method)[:60],
            "a method with a seed, to compare seeds",
            "A method that draws nothing gives the same map for every seed: take over='noise'.",
        )
