"""UMAP, by umap-learn in a process of its own."""

from collections.abc import Iterator
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor

from saliscope.core.anytime import Step
from saliscope.core.knobs import Knob
from saliscope.reduction.base import Reducer, check_number, check_seed, fewer
from saliscope.reduction.embedding import Embedding
from saliscope.reduction.neighbors import Neighbors
from saliscope.reduction.umap_process import compute
from saliscope.reduction.work import AUDITED, Work


class UMAP(Reducer):
    """Neighbours stay neighbours, drawn closer: UMAP (McInnes, Healy and Melville 2018, arXiv 1802.03426).

    umap-learn does it, from our exact neighbours and the principal components, in a process beside this one:
    its machine code takes half a minute to compile, once on a machine and some seconds in each later kernel.
    `transform` places rows by their neighbours, as for every map here, not by umap-learn.

    Parameters
    ----------
    n_neighbors : int
        Size of a neighbourhood, the row itself included, as umap-learn counts.
    min_dist : float
        How close points may come, 0 to 1.
    random_state : int
        Seed of its negative samples.
    """

    key = "umap"
    title = "UMAP"
    summary = "Neighbours in the data stay neighbours on the map, drawn closer together than by t-SNE."
    cautions = (
        "Distances between clusters, their sizes and their densities mean nothing.",
        "White space is made by the method: gaps need not be gaps in the data.",
    )
    knobs: ClassVar = {
        "n_neighbors": Knob("Neighbours", 5, 100, 1, log=True),
        "min_dist": Knob("Smallest distance", 0, 0.99, 0.01),
        "random_state": Knob("Seed", 0, 999, 1),
    }

    def __init__(self, n_neighbors: int = 15, min_dist: float = 0.1, random_state: int = 0) -> None:
        self.n_neighbors = n_neighbors
        self.min_dist = min_dist
        self.random_state = random_state

    def check_parameters(self) -> None:
        """Raise `ReductionError` unless all parameters are in range."""
        check_number("n_neighbors", self.n_neighbors, 2, whole=True)
        check_number("min_dist", self.min_dist, 0, 1)
        check_seed(self.random_state)

    def _steps(self, work: Work) -> Iterator[Step[Embedding]]:
        n = len(work.rows)
        size = min(self.n_neighbors, n)
        found = yield from work.nearest(min(max(size - 1, AUDITED), n - 1), 1)
        arrays = [*_with_itself(found, size), work.jittered(self.random_state).cpu().numpy()]
        options = {"min_dist": float(self.min_dist), "random_state": int(self.random_state)}
        points = yield from work.elsewhere(compute("umap", options, arrays))
        notes = fewer("n_neighbors", self.n_neighbors, size, n)
        yield work.step(lambda: points, 1, 1, neighbors=found, notes=notes)


def _with_itself(found: Neighbors, size: int) -> tuple[np.ndarray, np.ndarray]:
    """Each row first among its neighbours, as umap-learn has it."""
    nearest = found.nearest(size - 1).to("cpu")
    itself = torch.arange(len(nearest))[:, None]
    nothing = torch.zeros(len(nearest), 1)
    return _joined(itself, nearest.indices), _joined(nothing, nearest.distances)


def _joined(first: Tensor, others: Tensor) -> np.ndarray:
    return torch.cat((first, others), 1).numpy()
