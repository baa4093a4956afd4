"""Trustworthiness and continuity: how far down the list of the other space a point's neighbours stand.

Both need ranks among all rows, not only neighbours, so they are taken for a sample of rows and exact only
when all are asked for. Distances are computed in float64: a rank is a count of smaller distances, and
float32 would mix up the points of a tight cluster far from the centre.
"""

from collections.abc import Generator, Iterator
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float64, Int64
from torch import Tensor

from saliscope.core.anytime import Step, drive, steadily
from saliscope.errors import ReductionError
from saliscope.reduction.neighbors import as_rows, check_neighbors

_BLOCK = 2**20  # distances in memory at once, 8 bytes each: 2^20 to 2^23 take the same time on a CPU


@dataclass(frozen=True)
class RankCriteria:
    """Two numbers from 0 to 1 about the neighbourhoods of a map: 1 is a map without faults.

    Attributes
    ----------
    trustworthiness : float
        Lowered by neighbours on the map that are far in the data, by how far down their list they stand.
    continuity : float
        Lowered by neighbours in the data that are far on the map, likewise.
    k : int
        Size of a neighbourhood.
    rows : int
        Rows that were looked at. Each of them was compared with all others.
    """

    trustworthiness: float
    continuity: float
    k: int
    rows: int


def trustworthiness(
    data: Any, coordinates: Any, k: int = 15, rows: int = 2000, random_state: int = 0
) -> float:
    """Whether neighbours on the map are neighbours in the data.

    ``1 - 2 / (m k (2 n - 3 k - 1)) * sum_i sum_{j in map k-neighbours of i} max(0, r(i, j) - k)``, where
    ``r(i, j)`` is the rank of j by its distance from i in the data and i runs over m sampled rows
    (Venna and Kaski, ICANN 2001; `sklearn.manifold.trustworthiness`).

    Parameters
    ----------
    data : Tensor or array of shape (n, d)
    coordinates : Tensor or array of shape (n, axes)
        The map, row by row.
    k : int
        Size of a neighbourhood, below n / 2.
    rows : int
        How many rows to sample; from n on the result is exact.
    random_state : int
        Seed of the sample. The process's own random numbers are left alone.

    Raises
    ------
    ReductionError
        Tables that do not fit each other, NaN or infinity, or a neighbourhood of half the points or more.
    """
    return drive(rank_criteria_stream(data, coordinates, k, rows, random_state)).trustworthiness


def continuity(data: Any, coordinates: Any, k: int = 15, rows: int = 2000, random_state: int = 0) -> float:
    """Whether neighbours in the data are neighbours on the map: trustworthiness with the spaces swapped.

    Parameters and errors are those of `trustworthiness`.
    """
    return drive(rank_criteria_stream(data, coordinates, k, rows, random_state)).continuity


def rank_criteria_stream(
    data: Any, coordinates: Any, k: int = 15, rows: int = 2000, random_state: int = 0
) -> Iterator[Step[RankCriteria]]:
    """Both criteria, over more and more of the sampled rows; see `trustworthiness`."""
    spaces = as_rows(data, "data"), as_rows(coordinates, "coordinates")
    check_same_rows(*spaces)
    n = len(spaces[0])
    check_neighbors(k, n - 1)
    if not defined(n, k):
        raise ReductionError(
            "k", f"{k} of {n} points", f"less than half of them, at most {(n - 1) // 2}", "Take a smaller k."
        )
    if isinstance(rows, bool) or not isinstance(rows, int) or rows < 1:
        raise ReductionError("rows", repr(rows), "a positive whole number", "Several thousand are plenty.")
    return steadily(_blocks(_Ordered(spaces[0]), _Ordered(spaces[1]), k, sample(n, rows, random_state)))


def defined(n: int, k: int) -> bool:
    """Whether both criteria have a value: from k = n / 2 on their normaliser means nothing."""
    return 2 * k < n


def sample(n: int, rows: int, random_state: int) -> Int64[Tensor, " m"]:
    """Numbers of `rows` of the n rows, ascending; all of them if `rows` is n or more."""
    if rows >= n:
        return torch.arange(n)
    generator = torch.Generator().manual_seed(random_state)
    return torch.randperm(n, generator=generator)[:rows].sort().values


def check_same_rows(data: Tensor, coordinates: Tensor) -> None:
    """Raise `ReductionError` unless the map has a row for each row of the data."""
    if len(data) != len(coordinates):
        raise ReductionError(
            "coordinates", f"{len(coordinates)} rows", f"{len(data)}, one for each row of the data"
        )


def _blocks(
    data: "_Ordered", coordinates: "_Ordered", k: int, rows: Tensor
) -> Generator[Step[RankCriteria], None, None]:
    sums = [0, 0]
    size = max(16, _BLOCK // len(data))

    def answer(faults: tuple[int, int], done: int) -> RankCriteria:
        unit = 2 / (done * k * (2 * len(data) - 3 * k - 1))
        return RankCriteria(1 - unit * faults[0], 1 - unit * faults[1], k, done)

    for start in range(0, len(rows), size):
        block = rows[start : start + size]
        in_data, on_map = data.keys(block), coordinates.keys(block)
        sums[0] += _faults(in_data, coordinates.nearest(on_map, k), k)
        sums[1] += _faults(on_map, data.nearest(in_data, k), k)
        done, faults = start + len(block), (sums[0], sums[1])
        yield Step(lambda faults=faults, done=done: answer(faults, done), done, len(rows))


def _faults(keys: Tensor, neighbors: Tensor, k: int) -> int:
    """By how many ranks the neighbours of the other space stand below the k-th of this one, summed."""
    wanted = keys.gather(1, neighbors.to(keys.device))
    total = 0
    for one in wanted.split(1, dim=1):
        # One pass over the block for each neighbour is a quarter of the time that sorting it takes.
        nearer = (keys < one).sum(dim=1, dtype=torch.int32)
        total += int((nearer - (k - 1)).clamp_min_(0).sum())
    return total


class _Ordered:
    """The order of all rows by their distance from some, as whole numbers of which no two are equal.

    A float64 that is not negative keeps its order when its bits are read as a whole number. The last bits,
    which are rounding anyhow, give way to the number of the row: of equally distant rows the smaller number
    comes first.
    """

    def __init__(self, rows: Tensor) -> None:
        rows = rows if rows.device.type != "mps" else rows.cpu()  # which has no float64
        moved = rows.double() - rows[0].double()  # a constant column must become exactly zero
        self._rows = moved.sub_(moved.mean(dim=0))
        self._norms = self._rows.square().sum(dim=1)
        self._mask = 2 ** max(1, (len(rows) - 1).bit_length()) - 1
        self._columns = torch.arange(len(rows), device=rows.device)
        # What a product may be off for equal rows is taken off, so that duplicates are equally near.
        self._own = self._norms * (1 - 4 * (rows.shape[1] + 8) * 2.0**-52)

    def __len__(self) -> int:
        return len(self._rows)

    def keys(self, block: Int64[Tensor, " m"]) -> Int64[Tensor, "m n"]:
        """For rows `block`: ascending with the distance; a row itself comes last."""
        block = block.to(self._norms.device)
        squared = self._squared(block)
        # Rounded, not cut off: equal distances come out a little above or below the same round number.
        keys = squared.view(torch.int64).add_(self._mask // 2 + 1)
        keys = keys.bitwise_and_(~self._mask).bitwise_or_(self._columns)
        return keys.scatter_(1, block[:, None], torch.iinfo(torch.int64).max)

    def _squared(self, block: Tensor) -> Float64[Tensor, "m n"]:
        squared = torch.addmm(self._norms, self._rows[block], self._rows.T, alpha=-2)
        return squared.add_(self._own[block, None]).clamp_min_(0)

    def nearest(self, keys: Int64[Tensor, "m n"], k: int) -> Int64[Tensor, "m k"]:
        """Numbers of the `k` nearest rows, the nearest first."""
        return keys.topk(k, dim=1, largest=False).values & self._mask
