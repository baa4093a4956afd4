"""What of a map is the data, and what is the start: several runs, compared."""

from collections.abc import Generator, Iterator
from dataclasses import dataclass
from functools import partial
from itertools import combinations
from typing import TYPE_CHECKING, Any, cast

import torch
from torch import Tensor

from saliscope.core.anytime import Step, drive, steadily
from saliscope.errors import ReductionError
from saliscope.reduction.align import disparity
from saliscope.reduction.embedding import Embedding
from saliscope.reduction.map_neighbors import map_neighbors
from saliscope.reduction.neighbors import Neighbors, as_rows
from saliscope.reduction.quality import compared, judged_by

if TYPE_CHECKING:
    from saliscope.reduction.base import Reducer

_UNITS = 1000  # of progress, for each run
_SPREAD = 0.01  # of a random start: small, as that of a map that is still to be unfolded


@dataclass(frozen=True)
class Stability:
    """How alike maps from different starts are; means over all pairs of runs.

    Attributes
    ----------
    kept : float or None
        Share of a point's 15 neighbours on one map that are its neighbours on the other; with few rows, of
        a third of the others. None before the second run, and for fewer than 4 rows.
    disparity : float or None
        What is left of the difference of two maps after turning, mirroring, scaling and shifting: 0 for the
        same shape, 1 for nothing in common. Where `kept` is high and this is not low, neighbourhoods can be
        trusted, and distances between clusters cannot.
    n_runs : int
        Runs behind these numbers.
    """

    kept: float | None
    disparity: float | None
    n_runs: int


def stability(
    data: Any, reducer: "Reducer", n_runs: int = 3, neighbors: Neighbors | None = None
) -> Stability:
    """Map the data several times, from random starts with other seeds.

    Parameters
    ----------
    data : Tensor or array of shape (n, d)
    reducer : Reducer
        Run with ``random_state``, ``random_state + 1``, ...; a copy of it, so that it stays as it was.
    n_runs : int
        At least 2.
    neighbors : Neighbors, optional
        Of the data; searched in the first run by default.

    Raises
    ------
    ReductionError
        Fewer than two runs, or whatever the reducer raises.
    """
    return drive(stability_stream(data, reducer, n_runs, neighbors))


def stability_stream(
    data: Any, reducer: "Reducer", n_runs: int = 3, neighbors: Neighbors | None = None
) -> Iterator[Step[Stability]]:
    """Compare as `stability` does, one iteration of one run a step."""
    if isinstance(n_runs, bool) or not isinstance(n_runs, int) or n_runs < 2:
        raise ReductionError("n_runs", repr(n_runs), "at least 2", "One run has nothing to be compared with.")
    return steadily(_steps(as_rows(data, "data"), reducer, n_runs, neighbors))


def _steps(
    rows: Tensor, reducer: "Reducer", n_runs: int, near: Neighbors | None
) -> Generator[Step[Stability], None, None]:
    runs: tuple[Tensor, ...] = ()
    for i in range(n_runs):
        one, start = _seeded(reducer, len(rows), i)
        step: Step[Embedding] | None = None
        for step in one.stream(rows, neighbors=near, start=start):
            share = min(_UNITS * step.done // max(1, step.total), _UNITS - 1)
            yield Step(partial(_compared, runs), _UNITS * i + share, _UNITS * n_runs)
        if step is None:
            raise RuntimeError(f"the stream of {type(reducer).__name__} yielded no map")
        near = step.result.neighbors if near is None else near
        runs = (*runs, step.result.coordinates)
        yield Step(partial(_compared, runs), _UNITS * (i + 1), _UNITS * n_runs)


def _seeded(reducer: "Reducer", n: int, run: int) -> "tuple[Reducer, Tensor]":
    from sklearn.base import clone

    one = cast("Reducer", clone(reducer))
    seed = int(one.get_params().get("random_state", 0)) + run
    if "random_state" in one.get_params():
        one.set_params(random_state=seed)
    return one, _SPREAD * torch.randn(n, 2, generator=torch.Generator().manual_seed(seed))


def _compared(runs: tuple[Tensor, ...]) -> Stability:
    if len(runs) < 2:
        return Stability(None, None, len(runs))
    k = judged_by(len(runs[0]))
    near = [map_neighbors(one, k) for one in runs] if k else []
    kept, apart = [], []
    for a, b in combinations(range(len(runs)), 2):
        if k:
            kept.append(float(compared(near[a], near[b], runs[b]).kept.mean()))
        apart.append(disparity(runs[a], runs[b]))
    return Stability(sum(kept) / len(kept) if k else None, sum(apart) / len(apart), len(runs))
