"""All that can be said about a finished map, in one stream: the cheap and local first, the ranks last."""

from collections.abc import Generator, Iterator
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, TypeVar

from torch import Tensor

from saliscope.core.anytime import Step, drive, steadily
from saliscope.reduction.map_neighbors import map_neighbors_stream
from saliscope.reduction.neighbors import Neighbors, as_rows, neighbors_stream
from saliscope.reduction.quality import Quality, compared, judged_by
from saliscope.reduction.ranks import RankCriteria, check_same_rows, rank_criteria_stream
from saliscope.reduction.shepard import Shepard, shepard_stream

R = TypeVar("R")


@dataclass(frozen=True)
class Audit:
    """A map on trial. What is None is not known yet, or has no value for so few points.

    Attributes
    ----------
    quality : Quality or None
        Point by point.
    shepard : Shepard or None
        Distances on the map against those in the data.
    trustworthiness, continuity : float or None
        See `saliscope.reduction.ranks`.
    rows : int
        Rows behind these two.

    Notes
    -----
    Fewer than 4 points have a Shepard diagram only: each is a neighbour of all others, on every map.
    """

    quality: Quality | None = None
    shepard: Shepard | None = None
    trustworthiness: float | None = None
    continuity: float | None = None
    rows: int = 0

    def __repr__(self) -> str:
        ranks = f"trustworthiness={self.trustworthiness}, continuity={self.continuity}"
        return f"Audit({self.quality}, {self.shepard}, {ranks})"

    @property
    def kept(self) -> float | None:
        """Share of all true neighbours that the map keeps."""
        return None if self.quality is None else float(self.quality.kept.mean())


def audit(
    data: Any, coordinates: Any, neighbors: Neighbors | None = None, rows: int = 2000, random_state: int = 0
) -> Audit:
    """Judge a map.

    Parameters
    ----------
    data : Tensor or array of shape (n, d)
    coordinates : Tensor or array of shape (n, axes)
        The map, row by row.
    neighbors : Neighbors, optional
        Of the data; by default they are searched.
    rows : int
        Rows sampled for trustworthiness and continuity.
    random_state : int
        Seed of the samples.

    Raises
    ------
    ReductionError
        Tables that do not fit each other, fewer than two rows, NaN or infinity.
    """
    return drive(audit_stream(data, coordinates, neighbors, rows, random_state))


def audit_stream(
    data: Any, coordinates: Any, neighbors: Neighbors | None = None, rows: int = 2000, random_state: int = 0
) -> Iterator[Step[Audit]]:
    """Judge as `audit` does; each answer says more than the one before."""
    table, at = as_rows(data, "data"), as_rows(coordinates, "coordinates")
    check_same_rows(table, at)
    if neighbors is not None:
        check_same_rows(neighbors.indices, at)
    return steadily(_steps(table, at, neighbors, rows, random_state))


def _steps(
    table: Tensor, at: Tensor, near: Neighbors | None, rows: int, random_state: int
) -> Generator[Step[Audit], None, None]:
    # A hundred units: the search for true neighbours, where they are not known, and the ranks take the time.
    known, begin, k = Audit(), 0, judged_by(len(table))
    if k:
        if near is None:
            near = yield from _through(neighbors_stream(table, k), known, 0, 50)
            begin = 50
        k = min(k, near.k)
        on_map = yield from _through(map_neighbors_stream(at, k), known, begin, 60)
        known = Audit(quality=compared(near.nearest(k).to(at.device), on_map, at))
    plot = yield from _through(shepard_stream(table, at, random_state=random_state), known, 60, 65)
    known = replace(known, shepard=plot)
    if not k:
        yield Step(partial(_itself, known), 100, 100)
        return
    for step in rank_criteria_stream(table, at, k, rows, random_state):
        yield Step(partial(_with_ranks, known, step), 65 + 35 * step.done // step.total, 100)


def _through(
    stream: Iterator[Step[R]], known: Audit, begin: int, end: int
) -> Generator[Step[Audit], None, R]:
    """Run a part of the audit, and return what it found; meanwhile the answer is what is known already."""
    step: Step[R] | None = None
    for step in stream:
        yield Step(partial(_itself, known), begin + (end - begin) * step.done // (step.total + 1), 100)
    if step is None:
        raise RuntimeError("the stream yielded no result")
    return step.result


def _with_ranks(known: Audit, step: Step[RankCriteria]) -> Audit:
    found = step.result
    return replace(known, trustworthiness=found.trustworthiness, continuity=found.continuity, rows=found.rows)


def _itself(known: Audit) -> Audit:
    return known
