"""Exact nearest neighbours on any device, block by block.

A block's squared distances come from one matrix product of centred data in float32. They order the rows
roughly: far from the centre, rounding is larger than the distances inside a tight cluster. So a few more
candidates than asked for are taken, measured again with true differences, and the row is certified: no row
left out can be nearer, by the bound on the product's rounding error. Rows without a certificate get more
candidates.
"""

from collections.abc import Generator, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple

import numpy as np
import torch
from jaxtyping import Float, Float32, Int64
from torch import Tensor

from saliscope.core.anytime import Step, drive, steadily
from saliscope.core.batching import ChunkSize, check_chunk_size
from saliscope.errors import ReductionError

_MORE = 8
"""Candidates beyond k: enough for a certificate everywhere but in tight clusters."""
_GROUP = 32
_BLOCK_BYTES = 48 * 2**20  # distances of one block, on a CPU
_GPU_BLOCK_BYTES = 2**30
_DIFFERENCES = 2**22  # true differences at once, in numbers
_MOST_WORK = 1e15


@dataclass(frozen=True)
class Neighbors:
    """The nearest rows of each row.

    Attributes
    ----------
    indices : Tensor
        Rows (n, k), int64, the nearest first, of equally near ones the smaller number; the row itself is
        left out.
    distances : Tensor
        Euclidean, (n, k), float32, ascending, in units of the data.
    """

    indices: Int64[Tensor, "n k"]
    distances: Float32[Tensor, "n k"]

    def __len__(self) -> int:
        return len(self.indices)

    def __repr__(self) -> str:
        return f"Neighbors({len(self)} rows, the {self.k} nearest of each)"

    @property
    def k(self) -> int:
        """Neighbours of each row."""
        return self.indices.shape[1]

    def nearest(self, k: int) -> "Neighbors":
        """The first `k` of them."""
        return Neighbors(self.indices[:, :k], self.distances[:, :k])

    def to(self, device: torch.device | str) -> "Neighbors":
        """The same on another device."""
        return Neighbors(self.indices.to(device), self.distances.to(device))


def neighbors(
    data: Any,
    k: int,
    *,
    queries: Any = None,
    chunk_size: ChunkSize = "auto",
    device: torch.device | str | None = None,
) -> Neighbors:
    """Find the `k` nearest rows of every row, exactly.

    Parameters
    ----------
    data : Tensor or array
        Shape (n, d), any real dtype. Distances are those of the values in float32.
    k : int
        Neighbours of each row.
    queries : Tensor or array, optional
        Rows (m, d) whose neighbours among `data` are wanted. By default those of `data` itself, and a row is
        not its own neighbour.
    chunk_size : int or "auto"
        Rows whose distances are in memory at once. The result does not depend on it beyond rounding.
    device : torch.device, optional
        Where to compute, and where the result lies; by default where `data` lie.

    Returns
    -------
    Neighbors

    Raises
    ------
    ReductionError
        Not a table of numbers, NaN or infinity in it (the message names the rows), k not below n, or
        more work than a CPU does in a day.
    """
    return drive(neighbors_stream(data, k, queries=queries, chunk_size=chunk_size, device=device))


def neighbors_stream(
    data: Any,
    k: int,
    *,
    queries: Any = None,
    chunk_size: ChunkSize = "auto",
    device: torch.device | str | None = None,
) -> Iterator[Step[Neighbors]]:
    """Find neighbours as `neighbors` does, a block of rows a step; a partial answer has the first rows."""
    check_chunk_size(chunk_size)
    rows = as_rows(data, "data", device)
    asked = None if queries is None else as_rows(queries, "queries", rows.device)
    if asked is not None and asked.shape[1] != rows.shape[1]:
        raise ReductionError("queries", f"{asked.shape[1]} columns", f"{rows.shape[1]}, as in the data")
    check_neighbors(k, len(rows) - (asked is None))
    _check_work(len(rows), len(rows if asked is None else asked), rows)
    return steadily(_blocks(rows, asked, k, chunk_size))


def as_rows(data: Any, argument: str, device: torch.device | str | None = None) -> Float[Tensor, "n d"]:
    """A table of finite numbers as a tensor in float32, or float64 if it came so, on a device.

    Raises
    ------
    ReductionError
        Not of shape (n, d), or NaN or infinity in it: the message names the rows.
    """
    try:
        rows = (
            data.detach() if isinstance(data, Tensor) else torch.as_tensor(np.require(data, requirements="W"))
        )
    except (TypeError, ValueError) as error:
        raise ReductionError(argument, type(data).__name__, "a table of numbers, (rows, columns)") from error
    if rows.ndim != 2 or rows.shape[1] == 0 or rows.is_complex():
        got = f"{str(rows.dtype).removeprefix('torch.')} of shape {tuple(rows.shape)}"
        raise ReductionError(
            argument,
            got,
            "a table of numbers, (rows, columns)",
            "Pictures can be flattened: x.reshape(len(x), -1).",
        )
    if rows.dtype != torch.float64:
        # Whole numbers above 2^24 are no float32, and no MPS number is a float64.
        large = not rows.is_floating_point() and rows.device.type != "mps"
        rows = rows.to(torch.float64 if large else torch.float32)
    _check_finite(rows, argument)
    if device is not None and torch.device(device).type == "mps":
        rows = rows.float()
    return rows if device is None else rows.to(device)


def _check_finite(rows: Tensor, argument: str) -> None:
    # A sum is finite only if all are: one cheap pass; a sum may overflow, so the rows have the last word.
    if bool(rows.sum().isfinite()):
        return
    bad = (~rows.isfinite().all(dim=1)).nonzero().flatten().tolist()
    if bad:
        shown = ", ".join(map(str, bad[:5])) + (", ..." if len(bad) > 5 else "")
        some = f"NaN or infinity in row{'s' * (len(bad) > 1)} {shown} ({len(bad)} of {len(rows)})"
        raise ReductionError(argument, some, "finite numbers", "Leave these rows out, or fill them.")


def check_neighbors(k: int, others: int) -> None:
    """Raise `ReductionError` unless `k` neighbours can be had of `others` rows."""
    if isinstance(k, bool) or not isinstance(k, int) or k < 1:
        raise ReductionError("n_neighbors", repr(k), "a positive whole number")
    if k > others:
        raise ReductionError(
            "n_neighbors",
            f"{k} neighbours of {others + 1} rows",
            f"at most {max(others, 0)}",
            "Ask for fewer neighbours, or give more rows.",
        )


def _check_work(n: int, m: int, rows: Tensor) -> None:
    if rows.device.type == "cpu" and float(n) * m * max(rows.shape[1], 32) > _MOST_WORK:
        raise ReductionError(
            "data",
            f"{n:,} rows of {rows.shape[1]} columns on a CPU",
            f"at most about {int((_MOST_WORK / max(rows.shape[1], 32)) ** 0.5):,} rows there",
            'Give a sample of the rows, fewer columns (a PCA), or device="cuda".',
        )


class _Table(NamedTuple):
    """Rows as the blocks need them, in units of `scale`."""

    true: Tensor  # as they came: the difference of two is as good as it can be
    centred: Tensor
    scale: float


def _prepared(rows: Tensor, asked: Tensor | None) -> tuple[_Table, _Table]:
    first = rows[:1]  # a constant column must become exactly zero, however large it is
    centre = (rows - first).mean(dim=0, keepdim=True)
    moved = (rows - first) - centre
    others = moved if asked is None else (asked - first) - centre
    reach = max(moved.abs().amax().item(), others.abs().amax().item() if len(others) else 0.0)
    if not np.isfinite(reach) or reach > 1e38:
        raise ReductionError("data", "numbers of 1e38 and more", "numbers whose differences are numbers")
    scale = (
        float(np.exp2(np.floor(np.log2(reach)))) if reach > 0 else 1.0
    )  # squares neither over- nor underflow

    def table(came: Tensor, centred: Tensor) -> _Table:
        small = (centred / scale).float()
        return _Table(small if came.dtype == torch.float64 else came / scale, small, scale)

    right = table(rows, moved)
    return right if asked is None else table(asked, others), right


def _blocks(
    rows: Tensor, asked: Tensor | None, k: int, chunk_size: ChunkSize
) -> Generator[Step[Neighbors], None, None]:
    left, right = _prepared(rows, asked)
    kept = _kept_columns(right.true, k + 1)
    if kept is not None:
        right = _Table(right.true[kept], right.centred[kept], right.scale)
    own = torch.arange(len(rows), device=rows.device) if asked is None else None
    if own is not None and kept is not None:
        own = torch.full_like(own, -1).index_copy_(0, kept, torch.arange(len(kept), device=rows.device))
    search = _Search(right, k)
    total, size = len(left.true), search.block_size() if chunk_size == "auto" else chunk_size
    indices = torch.empty((total, k), dtype=torch.int64, device=rows.device)
    distances = torch.empty((total, k), dtype=torch.float32, device=rows.device)
    if not total:
        yield Step(lambda: Neighbors(indices, distances), 0, 0)
    for start in range(0, total, size):
        block = slice(start, min(start + size, total))
        found, squared = search(left.true[block], left.centred[block], None if own is None else own[block])
        indices[block] = found if kept is None else kept[found]
        distances[block] = squared.sqrt() * right.scale
        answer = partial(Neighbors, indices[: block.stop], distances[: block.stop])
        yield Step(answer, block.stop, total)


class _Search:
    """The nearest columns for blocks of rows."""

    def __init__(self, table: _Table, k: int) -> None:
        self.table = table
        self.k = k
        self.n, self.d = table.true.shape
        self.groups = -(-self.n // _GROUP)
        # One product gives |y|^2 - 2 x.y; columns that fill the last group are infinitely far.
        self.factor = table.centred.T * -2
        self.norms = table.centred.square().sum(dim=1)
        self.slack = (self.d + 8) * _rounding()

    def block_size(self) -> int:
        most = _BLOCK_BYTES if self.norms.device.type == "cpu" else _GPU_BLOCK_BYTES
        return max(64, most // (4 * max(1, self.n)) // 16 * 16)

    def __call__(self, true: Tensor, centred: Tensor, own: Tensor | None) -> tuple[Tensor, Tensor]:
        width = self.groups * _GROUP
        far = centred.new_empty((len(true), width))
        far[:, self.n :] = torch.inf
        torch.addmm(self.norms, centred, self.factor, out=far[:, : self.n])
        if own is not None:
            # A row with many equal ones before it is no column.
            inside = (own >= 0).nonzero().flatten()
            far[inside, own[inside]] = torch.inf
        lengths = centred.square().sum(dim=1).sqrt()
        count = min(self.k + _MORE, self.n)
        rough, candidates = _smallest(far, count, self.groups)
        indices, squared = self._ranked(true, candidates, rough)
        open_rows = self._uncertain(squared, rough, lengths)
        while len(open_rows):
            count = min(4 * count, self.n)
            some = self._again(true[open_rows], far[open_rows], count)
            indices[open_rows], squared[open_rows] = some[:2]
            open_rows = open_rows[self._uncertain(some[1], some[2], lengths[open_rows])]
        return indices, squared

    def _again(self, true: Tensor, far: Tensor, count: int) -> tuple[Tensor, Tensor, Tensor]:
        """More candidates for a few rows, as many rows at once as memory likes."""
        size = max(1, _DIFFERENCES // (count * self.d))
        parts = []
        for start in range(0, len(true), size):
            rough, candidates = far[start : start + size].topk(count, largest=False)
            parts.append((*self._ranked(true[start : start + size], candidates, rough), rough))
        indices, squared, rough = (torch.cat(part) for part in zip(*parts, strict=True))
        return indices, squared, rough

    def _ranked(self, true: Tensor, candidates: Tensor, rough: Tensor) -> tuple[Tensor, Tensor]:
        """The k nearest of the candidates by true differences; of equal ones the smaller index."""
        candidates, order = candidates.clamp(max=self.n - 1).sort(dim=1, stable=True)
        squared = torch.empty(candidates.shape, dtype=torch.float32, device=true.device)
        size = max(1, _DIFFERENCES // (candidates.shape[1] * self.d))
        for start in range(0, len(true), size):
            part = slice(start, start + size)
            difference = self.table.true[candidates[part].flatten()].view(-1, candidates.shape[1], self.d)
            squared[part] = difference.sub_(true[part, None]).square_().sum(dim=2)
        squared.masked_fill_(rough.gather(1, order).isinf(), torch.inf)  # the row itself, and no columns
        squared, order = squared.sort(dim=1, stable=True)
        return candidates.gather(1, order[:, : self.k]), squared[:, : self.k]

    def _uncertain(self, squared: Tensor, rough: Tensor, lengths: Tensor) -> Tensor:
        """Rows of which a nearer neighbour may have been left out.

        A row left out that is nearer than the k-th distance r lies within |x| + r of the centre, so its rough
        distance is wrong by at most (d + 8) u (2 |x| + r)^2, u the unit of rounding: a dot product's bound.
        """
        if rough.shape[1] == self.n:
            return torch.empty(0, dtype=torch.int64, device=squared.device)
        last = squared[:, -1]
        bound = self.slack * (2 * lengths + last.sqrt()).square()
        return (last + bound >= rough[:, -1] + lengths.square()).nonzero().flatten()


def _smallest(values: Tensor, count: int, groups: int) -> tuple[Tensor, Tensor]:
    """The `count` smallest of each row, ascending; they lie in the `count` groups with the least minima."""
    if count * 4 >= groups:
        return values.topk(count, largest=False)
    nearest = values.view(len(values), groups, _GROUP).amin(dim=2).topk(count, largest=False, sorted=False)
    members = torch.arange(_GROUP, device=values.device)
    columns = (nearest.indices[:, :, None] * _GROUP + members).flatten(1)
    chosen, place = values.gather(1, columns).topk(count, largest=False)
    return chosen, columns.gather(1, place)


def _rounding() -> float:
    """Unit of rounding of a matrix product, which the process may have set coarse."""
    return {"highest": 2.0**-23, "high": 2.0**-10}.get(torch.get_float32_matmul_precision(), 2.0**-7)


def _kept_columns(rows: Tensor, most: int) -> Tensor | None:
    """Columns without those that have `most` equal ones before them, or None if there is no such column.

    Equal rows are equally far from any row, and the smaller index comes first: the later ones are nobody's
    neighbours. Without them, thousands of equal rows (dead activations) are no thousands of ties.
    """
    keys = _keys(rows)
    ordered, order = keys.sort(stable=True)
    place = torch.arange(len(rows), device=rows.device)
    starts = torch.ones_like(ordered, dtype=torch.bool)
    starts[1:] = ordered[1:] != ordered[:-1]
    first = torch.where(starts, place, torch.zeros_like(place)).cummax(0).values
    late = place - first >= most
    if not late.any():
        return None
    # Equal keys of unequal rows are one in 2^64; a row is left out only if it is equal.
    late &= (rows[order] == rows[order[first]]).all(dim=1)
    return order[~late].sort().values


def _keys(rows: Tensor) -> Tensor:
    """A number for each row, equal for equal rows; of whole numbers, which any order sums alike."""
    generator = np.random.Generator(np.random.PCG64(0))
    odd = torch.from_numpy(generator.integers(-(2**62), 2**62, rows.shape[1]) * 2 + 1).to(rows.device)
    size = max(1, _DIFFERENCES // rows.shape[1])
    kind = torch.int64 if rows.dtype == torch.float64 else torch.int32
    # Minus zero is zero.
    parts = [((part + 0.0).view(kind) * odd).sum(dim=1) for part in rows.split(size)]
    return torch.cat(parts)
