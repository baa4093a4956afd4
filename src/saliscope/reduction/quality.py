"""How far to believe each point of a map: neighbours kept, false and missing, and how stretched it is.

All of it follows from the neighbours in the data, which a map needs anyhow, and from those on the map,
which are cheap.
"""

from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Bool, Float, Float32, Int64
from torch import Tensor

from saliscope.errors import ReductionError
from saliscope.reduction.map_neighbors import map_neighbors
from saliscope.reduction.neighbors import Neighbors, as_rows
from saliscope.reduction.ranks import check_same_rows, continuity, trustworthiness

__all__ = ["K", "Quality", "continuity", "judged_by", "quality", "row_quality", "trustworthiness"]

K = 15
"""Neighbours that a point's quality is about, at most."""

FEWEST = 4
"""Rows below which a map has no quality: all of them are neighbours of each other."""

_CHUNK = 2**16  # rows compared at once: k^2 numbers each


@dataclass(frozen=True)
class Quality:
    """Quality of a map, point by point.

    A neighbour in one direction only (i is among the nearest of j, but j not among those of i) is half the
    truth: it is not counted as kept, but neither as false nor as missing. So the shares need not add up to 1.

    Attributes
    ----------
    kept : Tensor of shape (n,)
        Share of a point's k nearest in the data that are among its k nearest on the map.
    false : Tensor of shape (n,)
        Share of its k nearest on the map that are no neighbours in the data, in neither direction.
    missing : Tensor of shape (n,)
        Share of its k nearest in the data that are no neighbours on the map, in neither direction.
    stretch : Tensor of shape (n,)
        Natural logarithm of distance on the map over distance in the data, median over its k nearest in the
        data, minus the median of all points: 0 is the usual scale, log 2 is drawn twice as wide as usual.
    false_neighbors : Tensor of shape (n, k)
        Which of `map_neighbors` are false.
    missing_neighbors : Tensor of shape (n, k)
        Which of the nearest in the data are missing.
    map_neighbors : Neighbors
        The k nearest on the map.
    """

    kept: Float32[Tensor, " n"]
    false: Float32[Tensor, " n"]
    missing: Float32[Tensor, " n"]
    stretch: Float32[Tensor, " n"]
    false_neighbors: Bool[Tensor, "n k"]
    missing_neighbors: Bool[Tensor, "n k"]
    map_neighbors: Neighbors

    @property
    def k(self) -> int:
        """Neighbours that were looked at: 15, or a third of the other rows."""
        return self.map_neighbors.k

    def __repr__(self) -> str:
        means = (f"{name} {getattr(self, name).mean():.2f}" for name in ("kept", "false", "missing"))
        return f"Quality({len(self.kept)} points, k = {self.k}, {', '.join(means)})"


def judged_by(n: int) -> int:
    """Neighbours that a map of n rows is judged by: 15, at most a third of the others; 0 where none can.

    Of nearly all rows every map keeps nearly all: shares of them would say nothing.
    """
    return min(K, (n - 1) // 3) if n >= FEWEST else 0


def quality(neighbors: Neighbors, coordinates: Any) -> Quality:
    """Compare the neighbours in the data with those on the map.

    Parameters
    ----------
    neighbors : Neighbors
        Nearest rows in the data, at least one each; the first 15 are used, and at most a third of the
        other rows.
    coordinates : Tensor or array of shape (n, axes)
        The map, row by row.

    Raises
    ------
    ReductionError
        Another number of rows, fewer than 4, or NaN or infinity.
    """
    at = as_rows(coordinates, "coordinates", neighbors.indices.device)
    check_same_rows(neighbors.indices, at)
    if len(at) < FEWEST:
        raise ReductionError(
            "coordinates",
            f"{len(at)} rows",
            f"at least {FEWEST}",
            "Fewer are all neighbours, on every map.",
        )
    near = neighbors.nearest(min(judged_by(len(at)), neighbors.k))
    return compared(near, map_neighbors(at, near.k), at)


def row_quality(neighbors: Neighbors, coordinates: Any, row: int) -> tuple[list[int], list[int]]:
    """The false and the missing neighbours of one row, as `quality` finds them for all, without the others.

    Parameters
    ----------
    neighbors : Neighbors
        Nearest rows in the data, at least one each; as many as `quality` uses are used.
    coordinates : Tensor or array of shape (n, axes)
        The map, row by row.
    row : int

    Returns
    -------
    false, missing : list of int
        Rows, the nearest first: those near on the map alone, and those near in the data alone.

    Raises
    ------
    ReductionError
        Another number of rows, or NaN or infinity.
    """
    at = as_rows(coordinates, "coordinates", neighbors.indices.device)
    check_same_rows(neighbors.indices, at)
    near = neighbors.indices[:, : min(judged_by(len(at)), neighbors.k)]
    # Of its true neighbours as well, as one of which it may be near on the map.
    asked = torch.cat([near.new_tensor([row]), near[row]])
    far = torch.linalg.vector_norm(at[asked, None].double() - at[None].double(), dim=2)
    far[torch.arange(len(asked)), asked] = torch.inf
    on_map = far.topk(near.shape[1], largest=False).indices
    mine, theirs = near[row].tolist(), on_map[0].tolist()
    false = [other for other in theirs if other not in mine and row not in near[other].tolist()]
    missing = [
        other
        for other, found in zip(mine, on_map[1:].tolist(), strict=True)
        if other not in theirs and row not in found
    ]
    return false, missing


def compared(near: Neighbors, on_map: Neighbors, at: Float[Tensor, "n axes"]) -> Quality:
    """Quality of a map whose neighbours, as many as in the data, are known."""
    kept = torch.empty_like(near.indices, dtype=torch.bool)
    false, missing = torch.empty_like(kept), torch.empty_like(kept)
    for start in range(0, len(kept), _CHUNK):
        part = slice(start, start + _CHUNK)
        mine, theirs = near.indices[part], on_map.indices[part]
        same = mine[:, :, None] == theirs[:, None, :]
        kept[part] = same.any(2)
        false[part] = ~(same.any(1) | _listed(near.indices, theirs, start))
        missing[part] = ~(same.any(2) | _listed(on_map.indices, mine, start))
    return Quality(
        kept=kept.float().mean(1),
        false=false.float().mean(1),
        missing=missing.float().mean(1),
        stretch=_stretch(near, at),
        false_neighbors=false,
        missing_neighbors=missing,
        map_neighbors=on_map,
    )


def _listed(table: Int64[Tensor, "n k"], others: Int64[Tensor, "m k"], start: int) -> Bool[Tensor, "m k"]:
    """Whether row ``others[i, j]`` of the table lists row ``start + i``."""
    rows = torch.arange(start, start + len(others), device=table.device)
    return (table[others] == rows[:, None, None]).any(2)


def _stretch(near: Neighbors, at: Tensor) -> Float32[Tensor, " n"]:
    """Median over the neighbours: one that was torn away is missing, it does not stretch the others."""
    on_map = torch.empty_like(near.distances)
    for start in range(0, len(at), _CHUNK):
        part = slice(start, start + _CHUNK)
        on_map[part] = (at[near.indices[part]] - at[part, None]).norm(dim=2)
    # Duplicates say nothing about the scale: of a ratio to zero there is no median.
    ratio = (on_map / near.distances).log()
    ratio = ratio.masked_fill((near.distances == 0) | (on_map == 0), torch.nan)
    middle = ratio.nanmedian(dim=1).values
    return (middle - middle.nanmedian()).nan_to_num(nan=0.0)
