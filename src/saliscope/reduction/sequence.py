"""Maps one after another: layer after layer, epoch after epoch, or one parameter's values.

Every map starts from the one before and is laid over it. Maps made apart from each other jump by more than a
radius from one to the next; an animation of them would show the starts, not the data.
"""

from collections.abc import Generator, Iterator, Sequence
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

from torch import Tensor

from saliscope.core.anytime import Step, drive, steadily
from saliscope.errors import ReductionError
from saliscope.reduction.align import procrustes
from saliscope.reduction.embedding import Embedding
from saliscope.reduction.neighbors import Neighbors, as_rows

if TYPE_CHECKING:
    from saliscope.reduction.base import Reducer

_UNITS = 1000  # of progress, for each map


def sequence(
    data: Sequence[Any],
    reducer: "Reducer | Sequence[Reducer]",
    names: Sequence[str] | None = None,
    *,
    neighbors: Sequence[Neighbors | None] | None = None,
    start: Tensor | None = None,
) -> tuple[Embedding, ...]:
    """Map several tables of the same rows, each from the last one's map.

    Parameters
    ----------
    data : sequence of m Tensors or arrays of shape (n, d_i)
        Row i is the same thing in all of them; columns may differ. One entry serves several reducers.
    reducer : Reducer or sequence of m Reducers
        Several for a sweep over a parameter: the neighbours found for one serve the next, where they suffice,
        so begin with the largest neighbourhood.
    names : sequence of str, optional
        What each map shows, for instance the layer: added to its title.
    neighbors : sequence of m Neighbors, optional
        Nearest rows, where they are known.
    start : Tensor of shape (n, 2), optional
        Where the points of the first map begin; by default the reducer's own start.

    Returns
    -------
    tuple of m Embeddings
        Each laid over the one before: turned, mirrored, scaled and shifted. How far the points move between
        them is `saliscope.reduction.align.displacement` of their coordinates.

    Raises
    ------
    ReductionError
        No tables, tables of different lengths, or another number of reducers, names or neighbours.
    """
    return drive(sequence_stream(data, reducer, names, neighbors=neighbors, start=start))


def sequence_stream(
    data: Sequence[Any],
    reducer: "Reducer | Sequence[Reducer]",
    names: Sequence[str] | None = None,
    *,
    neighbors: Sequence[Neighbors | None] | None = None,
    start: Tensor | None = None,
) -> Iterator[Step[tuple[Embedding, ...]]]:
    """Map as `sequence` does, one iteration a step; a partial answer has the maps that are finished."""
    reducers = list(reducer) if isinstance(reducer, Sequence) else [reducer]
    tables = [as_rows(one, "data") for one in data]
    m = max(len(tables), len(reducers))
    if not tables or not reducers or len(tables) not in (1, m) or len(reducers) not in (1, m):
        raise ReductionError(
            "data",
            f"{len(tables)} tables and {len(reducers)} reducers",
            "as many of both, or one of one kind",
            "A single table goes into a list, too.",
        )
    lengths = sorted({len(one) for one in tables})
    if len(lengths) > 1:
        raise ReductionError("data", f"tables of {', '.join(map(str, lengths))} rows", "the same rows in all")
    titles = [""] * m if names is None else list(names)
    known: list[Neighbors | None] = [None] * m if neighbors is None else list(neighbors)
    for argument, given in (("names", titles), ("neighbors", known)):
        if len(given) != m:
            raise ReductionError(argument, f"{len(given)} of them", f"{m}, one for each map")
    same = len(tables) == 1
    tables, reducers = tables * (m // len(tables)), reducers * (m // len(reducers))
    return steadily(_steps(tables, reducers, titles, known, start, same))


def _steps(
    tables: list[Tensor],
    reducers: "list[Reducer]",
    names: list[str],
    known: list[Neighbors | None],
    start: Tensor | None,
    same: bool,
) -> Generator[Step[tuple[Embedding, ...]], None, None]:
    total = _UNITS * len(tables)
    maps: tuple[Embedding, ...] = ()
    for i, (table, reducer) in enumerate(zip(tables, reducers, strict=True)):
        near = maps[-1].neighbors if known[i] is None and same and maps else known[i]
        begin = maps[-1].coordinates if maps else start
        step: Step[Embedding] | None = None
        for step in reducer.stream(table, neighbors=near, start=begin):
            if not step.complete:
                share = _UNITS * step.done // max(1, step.total)
                yield Step(partial(_itself, maps), _UNITS * i + share, total)
        if step is None:
            raise RuntimeError(f"the stream of {type(reducer).__name__} yielded no map")
        maps = (*maps, _laid_over(step.result, maps, names[i]))
        yield Step(partial(_itself, maps), _UNITS * (i + 1), total)


def _laid_over(new: Embedding, maps: tuple[Embedding, ...], name: str) -> Embedding:
    title = f"{new.title}, {name}" if name else new.title
    fixed = new.coordinates if not maps else procrustes(new.coordinates, maps[-1].coordinates)
    return replace(new, coordinates=fixed, title=title)


def _itself(maps: tuple[Embedding, ...]) -> tuple[Embedding, ...]:
    return maps
