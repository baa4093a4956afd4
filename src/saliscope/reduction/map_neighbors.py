"""Nearest neighbours on a map: in two dimensions a tree finds them without looking at all pairs."""

from collections.abc import Generator, Iterator
from functools import partial
from typing import Any

import torch
from torch import Tensor

from saliscope.core.anytime import Step, drive, steadily
from saliscope.reduction.neighbors import Neighbors, as_rows, check_neighbors, neighbors_stream

_BLOCK = 2**14  # points asked at once: 50 ms


def map_neighbors(coordinates: Any, k: int) -> Neighbors:
    """The `k` nearest points of every point of a map.

    As `neighbors`, for few dimensions: 10 000 points take 0.03 s on a CPU's core instead of 0.3 s. Of several
    points that are exactly as far as the k-th any may be taken, where `neighbors` takes the smallest numbers;
    stacks of more than k points on one spot are left to it.

    Parameters
    ----------
    coordinates : Tensor or array of shape (n, axes)
    k : int
        Neighbours of each point, below n.

    Raises
    ------
    ReductionError
        As `neighbors`.
    """
    return drive(map_neighbors_stream(coordinates, k))


def map_neighbors_stream(coordinates: Any, k: int) -> Iterator[Step[Neighbors]]:
    """Find neighbours as `map_neighbors` does; a partial answer has the first points only."""
    at = as_rows(coordinates, "coordinates")
    check_neighbors(k, len(at) - 1)
    if at.device.type != "cpu" or at.shape[1] > 3 or _highest_stack(at) > k:
        return neighbors_stream(at, k)
    return steadily(_by_tree(at, k))


def _highest_stack(at: Tensor) -> int:
    """Points on the fullest spot, or more: spots with the same first coordinate are counted as one."""
    return int(at[:, 0].unique(return_counts=True)[1].max())


def _by_tree(at: Tensor, k: int) -> Generator[Step[Neighbors], None, None]:
    from scipy.spatial import KDTree  # 0.3 s, and only an audit needs it

    points = at.double().numpy()
    tree = KDTree(points)
    indices = torch.empty((len(at), k), dtype=torch.int64)
    distances = torch.empty((len(at), k), dtype=torch.float32)
    for start in range(0, len(at), _BLOCK):
        block = slice(start, min(start + _BLOCK, len(at)))
        far, found = (torch.from_numpy(part) for part in tree.query(points[block], k=k + 1))
        indices[block], distances[block] = _without_itself(far.float(), found, start)
        yield Step(partial(Neighbors, indices[: block.stop], distances[: block.stop]), block.stop, len(at))


def _without_itself(far: Tensor, found: Tensor, start: int) -> tuple[Tensor, Tensor]:
    """Order by distance, then by number; the point itself goes, or the farthest where it was not found."""
    rows = torch.arange(start, start + len(found))[:, None]
    # Itself is put last; a point in a stack of k + 1 may not be in its own list.
    far = far.masked_fill(found == rows, torch.inf)
    found, order = found.sort(dim=1)
    far, places = far.gather(1, order).sort(dim=1, stable=True)
    return found.gather(1, places)[:, :-1], far[:, :-1]
