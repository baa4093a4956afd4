"""Maps of high-dimensional data, and how far to believe them."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

# Imported here and not when first used: these functions have the names of their files, and take their places.
from saliscope.reduction.neighbors import Neighbors, neighbors
from saliscope.reduction.quality import Quality, quality
from saliscope.reduction.sequence import sequence, sequence_stream
from saliscope.reduction.shepard import Shepard, shepard
from saliscope.reduction.stability import Stability, stability

if TYPE_CHECKING:
    from saliscope.reduction.affinities import Graph, fuzzy_graph, perplexity_graph, uniform_graph
    from saliscope.reduction.align import disparity, procrustes
    from saliscope.reduction.embedding import Embedding
    from saliscope.reduction.estimators import PCA, TSNE, UMAP, PaCMAP, Reducer, reducers
    from saliscope.reduction.pca import principal_components
    from saliscope.reduction.placement import Placed, place
    from saliscope.reduction.ranks import continuity, trustworthiness
    from saliscope.reduction.tsne import kl, tsne_stream

__all__ = [
    "PCA",
    "TSNE",
    "UMAP",
    "Embedding",
    "Graph",
    "Neighbors",
    "PaCMAP",
    "Placed",
    "Quality",
    "Reducer",
    "Shepard",
    "Stability",
    "continuity",
    "disparity",
    "fuzzy_graph",
    "kl",
    "neighbors",
    "perplexity_graph",
    "place",
    "principal_components",
    "procrustes",
    "quality",
    "reducers",
    "sequence",
    "sequence_stream",
    "shepard",
    "stability",
    "trustworthiness",
    "tsne_stream",
    "uniform_graph",
]

# Public name -> file: the estimators need scikit-learn, which takes longer to import than a small map.
_LAZY = {
    "PCA": "estimators",
    "TSNE": "estimators",
    "UMAP": "estimators",
    "Embedding": "embedding",
    "Graph": "affinities",
    "PaCMAP": "estimators",
    "Placed": "placement",
    "Reducer": "estimators",
    "continuity": "ranks",
    "disparity": "align",
    "fuzzy_graph": "affinities",
    "kl": "tsne",
    "perplexity_graph": "affinities",
    "place": "placement",
    "principal_components": "pca",
    "procrustes": "align",
    "reducers": "estimators",
    "trustworthiness": "ranks",
    "tsne_stream": "tsne",
    "uniform_graph": "affinities",
}


def __getattr__(name: str) -> Any:
    if name not in _LAZY:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f"{__name__}.{_LAZY[name]}"), name)
    globals()[name] = value  # the next access does not come through here
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
