"""The reducers by name, and the two that are computed here: PCA and t-SNE."""

from collections.abc import Callable, Iterator
from functools import partial
from importlib.util import find_spec
from typing import ClassVar, Literal

import torch
from torch import Tensor

from saliscope.core.anytime import Step
from saliscope.core.knobs import Knob
from saliscope.errors import ReductionError
from saliscope.reduction.affinities import Graph, perplexity_graph, uniform_graph
from saliscope.reduction.base import Reducer, check_number, check_seed, fewer
from saliscope.reduction.embedding import Embedding
from saliscope.reduction.neighbors import Neighbors
from saliscope.reduction.pacmap_reducer import PaCMAP
from saliscope.reduction.pca import principal_components
from saliscope.reduction.tsne import kl, small_start, tsne_stream
from saliscope.reduction.umap_reducer import UMAP
from saliscope.reduction.work import AUDITED, Work

__all__ = ["PCA", "TSNE", "UMAP", "PaCMAP", "Reducer", "reducers"]

SHAPED = 1.0
"""Standard deviation above which a start is a map: those to be unfolded are smaller by far."""

EARLY = 100
"""Iterations with early exaggeration; a third of fewer than 300."""

_LEAST_UNIFORM = 2
"""Neighbours that attract equally even among few rows, where a third of the others would be fewer."""


class PCA(Reducer):
    """The plane on which the rows vary most: a shadow of the data, linear and exact.

    `transform` gives any row its own shadow.
    """

    key = "pca"
    title = "PCA"
    summary = "The shadow of the data on the plane in which they vary most."
    cautions = (
        "Points that are close here may be far apart in the directions that were dropped.",
        "What is folded in the data stays folded.",
    )

    def _mapped(self, work: Work) -> Iterator[Step[Embedding]]:
        # A shadow lies where it lies: a start that was given has no say in it.
        found = work.start if work.origin == "pca" else principal_components(work.rows)[0]
        yield work.step(lambda: found, 1, 1)

    def _placed(self, rows: Tensor) -> Tensor:
        centre = self._rows.mean(0)
        shadow = self.result_.coordinates
        # Coordinates C = (X - centre) V with orthogonal columns, so V = (X - centre)^T C / |C|^2.
        length = shadow.square().sum(0)
        axes = (self._rows - centre).T @ shadow.to(self._rows.dtype) / length.clamp_min(1e-30)
        return ((rows - centre).to(axes.dtype) @ axes).float()


class TSNE(Reducer):
    """Neighbours stay neighbours: t-SNE (van der Maaten and Hinton 2008).

    Minimises the Kullback-Leibler divergence of the map's similarities from the data's, by gradient
    descent with early exaggeration, from the principal components. A given start with a spread above 1
    is a map already, and gone on with; the early iterations are left out.

    Parameters
    ----------
    perplexity : float
        How many neighbours count, about. With uniform affinities the ``perplexity / 2`` nearest ones attract,
        equally: 15 for the usual 30, which gives practically the same map (Boehm, Berens and Kobak 2022).
        At most a third of the other rows attract: where all do, equally, nothing tells rows apart.
    n_neighbors : int, optional
        Neighbours that attract; None for ``perplexity / 2`` of uniform affinities and ``3 * perplexity``
        of the others.
    affinity : {"uniform", "perplexity"}
        Equal attraction by the nearest; or Gaussian, each row's width chosen so that it has the perplexity.
    attraction : float
        Strength of the attraction beside the repulsion. 1 is t-SNE; more shows the continuous structure
        better and the clusters worse.
    n_iter : int
        Iterations, the early ones included.
    random_state : int
        Seed of the jitter that sets equal rows apart at the start.
    device : torch.device or str, optional
        Where to compute; None for the data's own.

    Examples
    --------
    >>> TSNE().fit_transform(activations).shape
    (1797, 2)
    """

    key = "tsne"
    title = "t-SNE"
    summary = "Neighbours in the data stay neighbours on the map, as far as a plane allows."
    cautions = (
        "Distances between clusters, their sizes and their densities mean nothing.",
        "Clusters may be torn, and noise may look like clusters: see what is kept, false and missing.",
    )
    knobs: ClassVar = {
        "perplexity": Knob("Perplexity", 5, 100, 1, log=True),
        "affinity": Knob("Affinity"),
        "attraction": Knob("Attraction", 0.5, 10, 0.1, log=True),
        "n_iter": Knob("Iterations", 100, 1000, 50),
        "random_state": Knob("Seed", 0, 999, 1),
    }

    def __init__(
        self,
        perplexity: float = 30.0,
        n_neighbors: int | None = None,
        affinity: Literal["uniform", "perplexity"] = "uniform",
        attraction: float = 1.0,
        n_iter: int = 300,
        random_state: int = 0,
        device: torch.device | str | None = None,
    ) -> None:
        self.perplexity = perplexity
        self.n_neighbors = n_neighbors
        self.affinity = affinity
        self.attraction = attraction
        self.n_iter = n_iter
        self.random_state = random_state
        self.device = device

    def check_parameters(self) -> None:
        """Raise `ReductionError` unless all parameters are in range."""
        check_number("perplexity", self.perplexity, 1)
        if self.n_neighbors is not None:
            check_number("n_neighbors", self.n_neighbors, 1, whole=True)
        if self.affinity not in ("uniform", "perplexity"):
            raise ReductionError("affinity", repr(self.affinity), '"uniform" or "perplexity"')
        check_number("attraction", self.attraction, 0.01, 100)
        check_number("n_iter", self.n_iter, 1, whole=True)
        check_seed(self.random_state)

    def _steps(self, work: Work) -> Iterator[Step[Embedding]]:
        n, wanted = len(work.rows), self._wanted()
        found = yield from work.nearest(min(max(wanted, AUDITED), n - 1), self.n_iter)
        graph, notes = self._graph(found, wanted, n)
        start, n_iter, early = self._start(work)
        divergence = partial(kl, graph)
        for step in tsne_stream(graph, start, attraction=self.attraction, n_iter=n_iter, early=early):
            last = divergence if step.complete else None
            yield work.step(_of(step), step.done, step.total, neighbors=found, kl=last, notes=notes)

    def _start(self, work: Work) -> tuple[Tensor, int, int]:
        """Where the points begin, how many iterations there are, and in how many clusters find each other."""
        early = min(EARLY, self.n_iter // 3)
        if work.origin == "given" and float(work.start.std(0).max()) > SHAPED:
            return work.jittered(self.random_state), self.n_iter - early, 0
        return small_start(work.start, self.random_state), self.n_iter, early

    def _wanted(self) -> int:
        if self.n_neighbors is not None:
            return self.n_neighbors
        if self.affinity == "uniform":
            return max(1, round(self.perplexity / 2))
        return int(3 * self.perplexity) + 1

    def _graph(self, found: Neighbors, wanted: int, n: int) -> tuple[Graph, tuple[str, ...]]:
        if self.affinity == "uniform":
            k = min(wanted, max(_LEAST_UNIFORM, (n - 1) // 3))
            graph = uniform_graph(found.nearest(k))
            if self.n_neighbors is None:
                return graph, fewer("perplexity", self.perplexity, min(self.perplexity, 2 * k), n)
            return graph, fewer("n_neighbors", wanted, k, n)
        k = min(wanted, n - 1)
        nearest = found.nearest(k)
        # A perplexity of k neighbours needs more than k: their weights fall.
        perplexity = min(float(self.perplexity), max(1.0, k / 3))
        return perplexity_graph(nearest, perplexity), fewer("perplexity", self.perplexity, perplexity, n)


def _of(step: Step[Tensor]) -> Callable[[], Tensor]:
    return lambda: step.result


def reducers() -> dict[str, type[Reducer]]:
    """All reducers by key, in the order of the menu; PaCMAP only where it is installed."""
    known: tuple[type[Reducer], ...] = (PCA, TSNE, UMAP)
    if find_spec("pacmap") is not None:
        known = (*known, PaCMAP)
    return {cls.key: cls for cls in known}
