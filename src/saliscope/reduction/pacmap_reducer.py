"""PaCMAP, by the package of its authors, where that is installed."""

from collections.abc import Iterator
from typing import ClassVar

import torch

from saliscope.core.anytime import Step
from saliscope.core.knobs import Knob
from saliscope.reduction.base import Reducer, check_number, check_seed, fewer
from saliscope.reduction.embedding import Embedding
from saliscope.reduction.umap_process import compute
from saliscope.reduction.work import AUDITED, Work

PAIRS = 3.5
"""Pairs of a point for each of its neighbours: the near one, half a mid-near one, two far ones."""

FEWEST = 8
"""Rows below which there are no such pairs."""


class PaCMAP(Reducer):
    """Near, mid-near and far pairs: PaCMAP (Wang, Huang, Rudin and Shaposhnik 2021, arXiv 2012.04456).

    The package ``pacmap`` does it, from the data, in a process beside this one. As always, it keeps 100
    principal components of more columns and finds the neighbours in these, most of them the true ones.

    Parameters
    ----------
    n_neighbors : int
        Near pairs of each point.
    random_state : int
        Seed of the far pairs.
    """

    key = "pacmap"
    title = "PaCMAP"
    summary = "Near points stay near and far ones far; the large outline is kept better than by t-SNE."
    cautions = (
        "Fewer true neighbours are kept than by t-SNE.",
        "The outline follows the principal components it starts from.",
    )
    knobs: ClassVar = {
        "n_neighbors": Knob("Neighbours", 5, 100, 1, log=True),
        "random_state": Knob("Seed", 0, 999, 1),
    }

    def __init__(self, n_neighbors: int = 10, random_state: int = 0) -> None:
        self.n_neighbors = n_neighbors
        self.random_state = random_state

    def check_parameters(self) -> None:
        """Raise `ReductionError` unless all parameters are in range."""
        check_number("n_neighbors", self.n_neighbors, 1, whole=True)
        check_seed(self.random_state)

    def _steps(self, work: Work) -> Iterator[Step[Embedding]]:
        n = len(work.rows)
        if n < FEWEST:
            note = f"{n} rows are too few for PaCMAP's pairs: the map is their principal components"
            yield work.step(lambda: work.start, 1, 1, notes=(note,))
            return
        # Beyond, the package would take fewer by itself, and say so in a log only.
        k = min(self.n_neighbors, int((n - 1) / PAIRS))
        options = {"n_neighbors": k, "random_state": int(self.random_state)}
        start = [] if work.origin == "pca" else [work.jittered(self.random_state).cpu().numpy()]
        # Its own start wants two columns; a constant one changes no distance.
        rows = torch.nn.functional.pad(work.rows.float().cpu(), (0, max(0, 2 - work.rows.shape[1])))
        points = yield from work.elsewhere(compute("pacmap", options, [rows.numpy(), *start]))
        found = yield from work.nearest(min(AUDITED, n - 1), 1)
        notes = fewer("n_neighbors", self.n_neighbors, k, n)
        yield work.step(lambda: points, 1, 1, neighbors=found, notes=notes)
