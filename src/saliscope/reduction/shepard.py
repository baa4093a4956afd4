"""Shepard's diagram in numbers: how distances on the map follow those in the data."""

from collections.abc import Generator, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from jaxtyping import Float, Float64, Int64
from torch import Tensor

from saliscope.core.anytime import Step, drive, steadily
from saliscope.errors import ReductionError
from saliscope.reduction.neighbors import as_rows
from saliscope.reduction.ranks import check_same_rows

N_PAIRS = 20_000
"""Pairs of points: the standard error of their rank correlation is below 0.01."""

_BINS = 32
_NUMBERS = 2**22  # numbers gathered at once


@dataclass(frozen=True)
class Shepard:
    """Distances on the map against distances in the data, of sampled pairs.

    Attributes
    ----------
    rho : float or None
        Spearman's rank correlation, -1 to 1; None where all distances of one kind are equal. Below about 0.5
        the space between clusters means little, and a ruler would mislead.
    data_edges, map_edges : Tensor of shape (33,)
        Edges of the histogram's cells, from 0 to the largest distance.
    counts : Tensor of shape (32, 32)
        Pairs in each cell; the first axis is the distance in the data.
    n_pairs : int
        Pairs that were looked at.
    """

    rho: float | None
    data_edges: Float64[Tensor, " bins_plus_1"]
    map_edges: Float64[Tensor, " bins_plus_1"]
    counts: Int64[Tensor, "bins bins"]
    n_pairs: int

    def __repr__(self) -> str:
        return f"Shepard({self.n_pairs} pairs, rho = {'none' if self.rho is None else f'{self.rho:.2f}'})"


def shepard(data: Any, coordinates: Any, n_pairs: int = N_PAIRS, random_state: int = 0) -> Shepard:
    """Compare distances in the data and on the map.

    Parameters
    ----------
    data : Tensor or array of shape (n, d)
    coordinates : Tensor or array of shape (n, axes)
        The map, row by row.
    n_pairs : int
        Pairs to sample, with replacement; all pairs, once each, if there are no more than that.
    random_state : int
        Seed of the sample. The process's own random numbers are left alone.

    Raises
    ------
    ReductionError
        Tables that do not fit each other, fewer than two rows, NaN or infinity.
    """
    return drive(shepard_stream(data, coordinates, n_pairs, random_state))


def shepard_stream(
    data: Any, coordinates: Any, n_pairs: int = N_PAIRS, random_state: int = 0
) -> Iterator[Step[Shepard]]:
    """Compare as `shepard` does, over more and more pairs."""
    rows, at = as_rows(data, "data"), as_rows(coordinates, "coordinates")
    check_same_rows(rows, at)
    if len(rows) < 2:
        raise ReductionError("data", f"{len(rows)} rows", "at least two", "One point has no distances.")
    return steadily(_compared(rows, at, *_pairs(len(rows), n_pairs, random_state)))


def _pairs(n: int, n_pairs: int, random_state: int) -> tuple[Tensor, Tensor]:
    if n * (n - 1) // 2 <= n_pairs:
        first, second = torch.triu_indices(n, n, 1)
        return first, second
    generator = torch.Generator().manual_seed(random_state)
    first = torch.randint(n, (n_pairs,), generator=generator)
    # A step of 1 to n - 1 around the circle: never the point itself.
    return first, (first + torch.randint(1, n, (n_pairs,), generator=generator)) % n


def _compared(
    rows: Tensor, at: Tensor, first: Tensor, second: Tensor
) -> Generator[Step[Shepard], None, None]:
    in_data = torch.empty(len(first), dtype=torch.float64)
    on_map = torch.empty_like(in_data)
    size = max(1, _NUMBERS // rows.shape[1])
    for start in range(0, len(first), size):
        part = slice(start, min(start + size, len(first)))
        in_data[part] = _distances(rows, first[part], second[part])
        on_map[part] = _distances(at, first[part], second[part])
        done = part.stop
        yield Step(partial(_summary, in_data[:done], on_map[:done]), done, len(first))


def _distances(rows: Tensor, first: Tensor, second: Tensor) -> Tensor:
    difference = rows[first.to(rows.device)] - rows[second.to(rows.device)]
    return difference.norm(dim=1).cpu().double()


def _summary(in_data: Tensor, on_map: Tensor) -> Shepard:
    x, data_edges = _cells(in_data)
    y, map_edges = _cells(on_map)
    counts = torch.bincount(x * _BINS + y, minlength=_BINS**2).view(_BINS, _BINS)
    return Shepard(rank_correlation(in_data, on_map), data_edges, map_edges, counts, len(in_data))


def _cells(distances: Tensor) -> tuple[Tensor, Tensor]:
    highest = distances.max().item() or 1.0
    cells = (
        (distances * (_BINS / highest)).long().clamp_max(_BINS - 1)
    )  # the largest belongs to the last cell
    return cells, torch.linspace(0, highest, _BINS + 1, dtype=torch.float64)


def rank_correlation(a: Float[Tensor, " n"], b: Float[Tensor, " n"]) -> float | None:
    """Spearman's rho: the correlation of ranks, equal values sharing their mean; None where all are equal."""
    a, b = _ranks(a), _ranks(b)
    a, b = a - a.mean(), b - b.mean()
    size = (a.square().sum() * b.square().sum()).sqrt()
    return float((a * b).sum() / size) if size > 0 else None


def _ranks(values: Tensor) -> Tensor:
    _, place, counts = values.unique(return_inverse=True, return_counts=True)
    last = counts.cumsum(0).double()
    return (last - (counts - 1) / 2)[place]
