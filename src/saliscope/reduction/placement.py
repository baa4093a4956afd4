"""New points on a map that stays as it is.

A point starts among its true neighbours and follows t-SNE's forces: its neighbours attract it, all points of
the map repel it, and none of them moves. Whether the data have anything like it at all is said beside it.
"""

from collections.abc import Generator, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from jaxtyping import Bool, Float, Float32
from torch import Tensor

from saliscope.core.anytime import Step, drive, steadily
from saliscope.errors import ReductionError
from saliscope.reduction.embedding import Embedding
from saliscope.reduction.neighbors import Neighbors, as_rows, neighbors
from saliscope.reduction.ranks import check_same_rows, sample

K = 15
"""Neighbours that attract a new point, equally: as many as a map's quality is measured with."""

QUANTILE = 0.99
"""A point is in the distribution if its k-th neighbour is no farther than that of this share of the data."""

_TWIN = 1e-5  # of a row's length: batches of another size change activations by 3e-7
_CLOSE = 0.01  # of the distance to its own k-th neighbour, where rows are long and close together
_LEAST_SCALE = 0.1  # of the limit: beside a stack of equal rows nothing else would be inside

N_ITER = 60
_TRIAL = 10  # steps from every start, before the better one is gone on with
_MOMENTUM = 0.3
_STILL = 1e-3  # a step as small as this, in units of the map, ends the walk
_SPACING = 2.0  # t-SNE's maps have their 15th neighbour at 1.8 to 2.7; other maps are brought to that unit
_SPACED = 512  # points that the unit is estimated from
_BLOCK = 2**19  # similarities in memory at once: they stay in the cache
_PART = 512  # rows
_FEW = 8  # points whose distances are taken directly: preparing a search costs more


@dataclass(frozen=True)
class Placed:
    """New points on a map.

    Attributes
    ----------
    coordinates : Tensor of shape (m, 2)
        In the units of the map. They may lie outside of it.
    neighbors : Neighbors
        Nearest rows of the map's data, (m, k).
    inside : Tensor of shape (m,)
        Whether both ratios are at most 1. Where not, the map has no place for the point: its coordinates say
        only what is least unlike it. A row that the data have is inside. It is about distances in the data,
        which for activations are the model's view: a blank picture may look to it like some of the rows.
    distance_ratio : Tensor of shape (m,)
        Distance of the k-th neighbour, in units of the one that 99 % of the data do not exceed.
    local_ratio : Tensor of shape (m,)
        The same distance relative to what it is for the rows around, in units of what 99 % of the data do not
        exceed either. It finds what lies beside a dense part, at a distance usual elsewhere.
    """

    coordinates: Float32[Tensor, "m 2"]
    neighbors: Neighbors
    inside: Bool[Tensor, " m"]
    distance_ratio: Float32[Tensor, " m"]
    local_ratio: Float32[Tensor, " m"]

    def __repr__(self) -> str:
        return f"Placed({len(self.inside)} points, {int(self.inside.sum())} of them inside)"


def place(embedding: Embedding, data: Any, new: Any) -> Placed:
    """Place new points on a map; to place more of them later, keep a `Placer`.

    Parameters
    ----------
    embedding : Embedding
        The map.
    data : Tensor or array of shape (n, d)
        Its data, row by row.
    new : Tensor or array of shape (m, d)

    Raises
    ------
    ReductionError
        Tables that do not fit each other, NaN or infinity.
    """
    return Placer(embedding, data).place(new)


class Placer:
    """Places new points on a map; what all of them need is prepared once.

    Each point minimises the Kullback-Leibler divergence of its own similarities to the map's points,
    ``q_j = w_j / sum w`` with ``w_j = 1 / (1 + |y - y_j|^2)``, from 1 / k for each of its k nearest rows.
    Equal weights keep more of the true neighbours of held-out rows than a perplexity of 5, openTSNE's choice
    for new points: 0.60 against 0.55 on the digits, where the map's own rows keep 0.60.

    It starts twice, at the weighted median of its neighbours and at the nearest one, and keeps the place of
    lower divergence; one start alone keeps up to a hundredth fewer. A point whose neighbours are torn apart
    on the map may come to lie between them. A row that the data have already goes to that row's point.

    Parameters
    ----------
    embedding : Embedding
        The map.
    data : Tensor or array of shape (n, d)
        Its data, row by row.

    Raises
    ------
    ReductionError
        Another number of rows, NaN or infinity.
    """

    def __init__(self, embedding: Embedding, data: Any) -> None:
        self._rows = as_rows(data, "data")
        check_same_rows(self._rows, embedding.coordinates)
        self._at = as_rows(embedding.coordinates, "embedding", self._rows.device).float()
        self.k = min(K, len(self._rows))
        around, self._far = self._scales(embedding.neighbors)
        self._limit = _usual(self._far)
        self._local_limit = _usual(self._compared(self._far, around))
        self._unit, self._centre = self._spacing() / _SPACING, self._at.mean(0)
        points = (self._at - self._centre) / self._unit
        ones = torch.ones_like(points[:, :1])
        self._points = points
        # |y - y_j|^2 + 1 is one product with (-2 y_j, |y_j|^2 + 1); the force is one with (y_j, 1).
        self._to_square = torch.cat(
            [-2 * points, points.square().sum(1, keepdim=True) + 1], dim=1
        ).T.contiguous()
        self._to_force = torch.cat([points, ones], dim=1)

    def _scales(self, known: Neighbors | None) -> tuple[Tensor, Tensor]:
        """The neighbours of each row of the data, (n, k), and how far the last of them is."""
        others = min(self.k, len(self._rows) - 1)
        if others == 0:
            zeros = self._rows.new_zeros(1)
            return zeros[:, None].long(), zeros.float()
        if known is None or known.k < others:
            known = neighbors(self._rows, others)
        known = known.nearest(others).to(self._rows.device)
        return known.indices, known.distances[:, -1]

    def _compared(self, far: Tensor, around: Tensor) -> Tensor:
        """Distances relative to those that are usual for the rows around."""
        usual = self._far[around].median(1).values.maximum(_LEAST_SCALE * self._limit)
        return torch.where(far > 0, far / usual, 0.0)

    def _spacing(self) -> float:
        """Median distance of the 15th neighbour on the map."""
        rows = sample(len(self._at), _SPACED, random_state=0).to(self._at.device)
        near = neighbors(self._at, min(K + 1, len(self._at)), queries=self._at[rows])  # itself is the first
        return near.distances[:, -1].median().item() or 1.0

    def place(self, new: Any) -> Placed:
        """Place points (m, d); see `Placed`."""
        return drive(self.stream(new))

    def stream(self, new: Any) -> Iterator[Step[Placed]]:
        """Place points, some at a time; a partial answer has the first ones only."""
        asked = as_rows(new, "new", self._rows.device)
        if asked.shape[1] != self._rows.shape[1]:
            raise ReductionError(
                "new", f"{asked.shape[1]} columns", f"{self._rows.shape[1]}, as in the data of the map"
            )
        return steadily(self._steps(asked))

    def _steps(self, asked: Tensor) -> Generator[Step[Placed], None, None]:
        size = max(1, _BLOCK // (2 * len(self._rows)))
        parts: list[Placed] = []
        for start in range(0, max(1, len(asked)), size):
            parts.append(self._placed(asked[start : start + size]))
            yield Step(partial(_joined, tuple(parts)), min(start + size, len(asked)), len(asked))

    def _placed(self, asked: Tensor) -> Placed:
        near = self._nearest(asked)
        found = self._walk(near) * self._unit + self._centre
        nearest, away = near.indices[:, 0], near.distances[:, 0]
        own = self._rows[nearest].norm(dim=1) * _TWIN
        twin = (away == 0) | ((away <= own) & (away <= _CLOSE * self._far[nearest]))
        coordinates = torch.where(twin[:, None], self._at[nearest], found)
        far = near.distances[:, min(self.k, max(1, len(self._rows) - 1)) - 1]
        ratio = torch.where(far > 0, far / self._limit, 0.0)
        relative = self._compared(far, near.indices)
        local = torch.where(relative > 0, relative / self._local_limit, 0.0)
        return Placed(coordinates, near, (ratio.maximum(local) <= 1) | twin, ratio, local)

    def _nearest(self, asked: Tensor) -> Neighbors:
        if len(asked) > _FEW or not len(asked):
            return neighbors(self._rows, self.k, queries=asked)
        pairs = [self._nearest_of(row) for row in asked]
        indices, distances = (torch.stack(part) for part in zip(*pairs, strict=True))
        return Neighbors(indices, distances)

    def _nearest_of(self, row: Tensor) -> tuple[Tensor, Tensor]:
        # In parts that stay in the cache the differences cost nothing beyond reading the rows: 2.1 of 3.1 ms.
        far = torch.cat([(part - row).norm(dim=1) for part in self._rows.split(_PART)]).float()
        last = far.topk(self.k, largest=False).values[-1]
        candidates = (far <= last).nonzero().flatten()  # in the order of the rows, which settles ties
        distances, order = far[candidates].sort(stable=True)
        return candidates[order[: self.k]], distances[: self.k]

    def _walk(self, near: Neighbors) -> Float[Tensor, "m 2"]:
        """Where the points come to rest, in units of the map."""
        around = self._points[near.indices]
        if not len(around):
            return self._points.new_empty((0, 2))
        starts = torch.cat([_weighted_median(around, near.distances), around[:, 0]])
        twice = around.repeat(2, 1, 1)
        tried = self._descend(starts, twice, _TRIAL)
        cost = _squares(tried, twice)[1].log().mean(1) + self._repulsion(tried)[1].log()
        better = cost[: len(around)] <= cost[len(around) :]
        places = torch.where(better[:, None], *tried.chunk(2))
        return self._descend(places, around, N_ITER - _TRIAL)

    def _descend(self, places: Tensor, around: Tensor, n_iter: int) -> Tensor:
        velocity = torch.zeros_like(places)
        for _ in range(n_iter):
            difference, square = _squares(places, around)
            similar = square.reciprocal_()
            pull = torch.bmm(similar[:, None], difference)[:, 0]
            push, total = self._repulsion(places)
            # The attraction's own weight bounds its curvature: no learning rate is needed.
            force = pull + push * (self.k / total)[:, None]
            velocity = velocity.mul_(_MOMENTUM).add_(force / similar.sum(1, keepdim=True))
            places = places + velocity
            if velocity.abs().amax() < _STILL:
                break
        return places

    def _repulsion(self, places: Tensor) -> tuple[Tensor, Tensor]:
        """``sum_j w_j^2 (y - y_j)`` and ``sum_j w_j`` over all points of the map."""
        extended = torch.cat([places, torch.ones_like(places[:, :1])], dim=1)
        similar = torch.addmm(places.square().sum(1, keepdim=True), extended, self._to_square)
        similar = similar.clamp_min_(1).reciprocal_()
        total = similar.sum(1)
        force = similar.square_() @ self._to_force
        return places * force[:, 2:] - force[:, :2], total


def _usual(values: Tensor) -> Tensor:
    """What `QUANTILE` of them do not exceed."""
    return values.sort().values[int(QUANTILE * (len(values) - 1))]


def _squares(places: Tensor, around: Tensor) -> tuple[Tensor, Tensor]:
    """From the points to their neighbours; and ``1 + |y - y_j|^2``."""
    difference = around - places[:, None]
    return difference, difference.square().sum(2).add_(1)


def _weighted_median(around: Tensor, distances: Tensor) -> Float[Tensor, "m 2"]:
    """Median of the neighbours' coordinates, axis by axis, weighted by the inverse squared distance."""
    weights = (distances / distances[:, -1:]).nan_to_num(1.0).clamp_min(1e-6) ** -2
    ordered, order = around.sort(dim=1)
    reached = weights[..., None].expand_as(around).gather(1, order).cumsum(1)
    middle = (reached < reached[:, -1:] / 2).sum(1, keepdim=True)
    return ordered.gather(1, middle)[:, 0]


def _joined(parts: tuple[Placed, ...]) -> Placed:
    near = [part.neighbors for part in parts]
    return Placed(
        torch.cat([part.coordinates for part in parts]),
        Neighbors(torch.cat([one.indices for one in near]), torch.cat([one.distances for one in near])),
        torch.cat([part.inside for part in parts]),
        torch.cat([part.distance_ratio for part in parts]),
        torch.cat([part.local_ratio for part in parts]),
    )
