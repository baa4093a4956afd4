"""Sequences of aligned maps: layer after layer, or one parameter turned up."""

from collections.abc import Generator, Hashable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from saliscope.core.anytime import Step, closed
from saliscope.errors import ReductionError
from saliscope.reduction.align import displacement
from saliscope.reduction.embedding import Embedding
from saliscope.reduction.neighbors import Neighbors
from saliscope.reduction.quality import judged_by, quality
from saliscope.reduction.sequence import sequence_stream
from saliscope.sessions.embedding_publish import box_of, codes_of
from saliscope.sessions.tables import Report, Table, Tables
from saliscope.specs.blobs import Blob
from saliscope.specs.embedding import LayoutSequence

if TYPE_CHECKING:
    from saliscope.reduction.estimators import Reducer

SWEEPS = ("layers", "perplexity", "n_neighbors")

_VALUES = {"perplexity": (5, 10, 20, 30, 50, 100), "n_neighbors": (5, 10, 15, 30, 60)}

_PER_NEIGHBOR = {"perplexity": 3, "n_neighbors": 3}
"""Rows that a value needs at least, by unit."""

_MOST_PARTIAL = 20_000
"""Points up to which a sequence is sent step by step: with each step all of it."""


@dataclass(frozen=True)
class Walk:
    """A sequence as far as it has come.

    Parameters
    ----------
    sweep : str
        What is walked along.
    map : int
        Place of the map that is walked.
    reducer : Reducer
        Of that map.
    names : tuple of str
        Of all steps.
    tables : tuple of Table
        Of all steps.
    embeddings : tuple of Embedding
        Aligned; of the first steps.
    kept : tuple of float
        What each of them keeps of the nearest neighbours; NaN where nobody searched for them,
        and for fewer than 4 rows.
    """

    sweep: str
    map: int
    reducer: "Reducer"
    names: tuple[str, ...]
    tables: tuple[Table, ...]
    embeddings: tuple[Embedding, ...] = ()
    kept: tuple[float, ...] = ()

    def __repr__(self) -> str:
        rows = f" of {len(self.embeddings[0])} rows" if self.embeddings else ""
        done = f"{len(self.embeddings)} of {len(self.names)} maps{rows}"
        return f"Walk({self.sweep}: {', '.join(self.names)}; {done})"

    def grown(self, embeddings: tuple[Embedding, ...]) -> "Walk":
        """The walk with further steps."""
        more = zip(embeddings[len(self.kept) :], self.tables[len(self.kept) :], strict=False)
        return replace(self, embeddings=embeddings, kept=(*self.kept, *(_kept(*each) for each in more)))

    def at(self, layer: str | None, reducers: "Sequence[Reducer]") -> int | None:
        """Where the map that is walked stands among these; None where it does no more, or has other data."""
        if self.sweep != "layers" and layer != self.tables[0].layer:
            return None
        own = key_of(self.reducer, self.sweep)
        places = [place for place, each in enumerate(reducers) if key_of(each, self.sweep) == own]
        return self.map if self.map in places else next(iter(places), None)

    def near(self, step: int) -> Neighbors | None:
        """True neighbours in the rows of a step; None where nobody searched for them."""
        embedding = self.embeddings[step]
        return self.tables[step].near if embedding.neighbors is None else embedding.neighbors

    def nearest(self, at: float) -> int:
        """The step that a position of the slider is nearest to, of those that are there."""
        return max(0, min(int(at + 0.5), len(self.embeddings) - 1))

    @property
    def text(self) -> str:
        """How far, in words."""
        return f"Sequence: {len(self.embeddings)} of {len(self.names)}"

    def displacement(self) -> np.ndarray | None:
        """How far each point moves from step to step, in radii: (m - 1, n); None for a single step."""
        if len(self.embeddings) < 2:
            return None
        return displacement([each.coordinates for each in self.embeddings]).cpu().numpy()

    def spec(self, job: int) -> tuple[LayoutSequence, list[Blob]]:
        """What the page is told."""
        maps = [each.coordinates.cpu() for each in self.embeddings]
        box = box_of(*maps)
        blobs = [codes_of(each, box) for each in maps]
        moved = self.displacement()
        more = [] if moved is None else [Blob.from_map(moved)]
        sequence = LayoutSequence(
            job=job,
            sweep=self.sweep,
            map=self.map,
            reducer=self.reducer.key,
            names=self.names,
            coords=tuple(blob.hash for blob in blobs),
            box=box,
            displacement=more[0].hash if more else None,
            numbers=tuple({"kept": each} for each in self.kept),
            done=len(maps),
            total=len(self.names),
        )
        return sequence, [*blobs, *more]


def gone(job: int, walk: Walk) -> LayoutSequence:
    """What the page is told when there is no such sequence any more."""
    return LayoutSequence(
        job,
        walk.sweep,
        walk.map,
        walk.reducer.key,
        (),
        (),
        (0.0, 0.0, 1.0, 1.0),
        None,
        (),
        0,
        len(walk.names),
    )


def key_of(reducer: "Reducer", without: str = "") -> Hashable:
    """What a reducer is: its parameters, but for one."""
    params = reducer.get_params().items()  # repr() leaves out what is as usual, and knows no tensors
    return reducer.key, tuple(sorted((name, str(value)) for name, value in params if name != without))


def place_of(sweep: str, reducers: "Sequence[Reducer]") -> int | None:
    """Which map is walked: the first that is not PCA, or that has the parameter; None where none has."""
    if sweep != "layers":
        return next((i for i, each in enumerate(reducers) if sweep in each.get_params()), None)
    # Shadows of different layers have no way from one to the next.
    return next((i for i, each in enumerate(reducers) if each.key != "pca"), 0)


def _kept(embedding: Embedding, table: Table) -> float:
    near = embedding.neighbors if embedding.neighbors is not None else table.near
    if near is None or not judged_by(len(near)):
        return float("nan")
    return float(quality(near, embedding.coordinates).kept.mean())


def walk(
    sweep: str, reducers: "Sequence[Reducer]", table: Table, tables: Tables, report: Report
) -> Generator[Walk | None, None, None]:
    """Compute a sequence; yields between any two steps of the engines, and the walk whenever it grew.

    Parameters
    ----------
    sweep : {"layers", "perplexity", "n_neighbors"}
    reducers : sequence of Reducer
        Those on screen; see `place_of`.
    table : Table
        Of the map on screen, for a walk along a parameter.
    tables : Tables
        All of them, for a walk along the layers.

    Raises
    ------
    ReductionError
        If there is nothing to walk along.
    """
    map = place_of(sweep, reducers)
    if sweep == "layers" and map is not None:
        yield from _layers(map, reducers[map], tables, report)
        return
    n = len(table.data)
    values = [value for value in _VALUES[sweep] if value * _PER_NEIGHBOR[sweep] < n]
    if map is None or len(values) < 2:
        got = f"{sweep!r}, which none of the maps has" if map is None else f"{n} rows"
        raise ReductionError("sweep", got, "a parameter of a map on screen, and rows enough for it")
    yield from _values(sweep, values, map, reducers[map], table, tables, report)


def _layers(
    map: int, reducer: "Reducer", tables: Tables, report: Report
) -> Generator[Walk | None, None, None]:
    if len(tables.layers) < 2:
        got = f"{len(tables.layers)} layers to walk along"
        raise ReductionError("sweep", got, "a model with two or more", "Pass `layers=[...]`.")
    found = yield from tables.several(tables.layers, report)
    near = []
    for each in found:
        near.append((yield from tables.neighbors(each, report)))
    data = [each.data for each in found]
    begun = Walk("layers", map, reducer, tables.layers, tuple(found))
    yield from _walked(begun, sequence_stream(data, reducer, tables.layers, neighbors=near), report)


def _values(
    sweep: str,
    values: Sequence[int],
    map: int,
    reducer: "Reducer",
    table: Table,
    tables: Tables,
    report: Report,
) -> Generator[Walk | None, None, None]:
    names = tuple(f"{sweep} {value}" for value in values)
    # As many neighbours as the largest value wants, so that one search serves all.
    near = yield from tables.neighbors(table, report, max(values))
    usual = reducer.get_params()
    several = [type(reducer)(**{**usual, sweep: value}) for value in values]
    begun = Walk(sweep, map, reducer, names, (table,) * len(values))
    stream = sequence_stream([table.data], several, names, neighbors=[near] * len(values))
    yield from _walked(begun, stream, report)


def _walked(
    walk: Walk, stream: Iterator[Step[tuple[Embedding, ...]]], report: Report
) -> Generator[Walk | None, None, None]:
    """Follow a stream; the walk whenever another map of it is finished."""
    size = len(walk.tables[0].data)
    with closed(stream) as steps:
        for step in steps:
            finished = step.done * len(walk.names) // step.total
            if step.complete or (finished > len(walk.embeddings) and size <= _MOST_PARTIAL):
                walk = walk.grown(step.result[:finished])
                yield walk
            else:
                report("sequence", step.done, step.total, f"Sequence: {walk.names[finished]}")
                yield None
