"""Who makes maps: ``python -m benchmarks.mappers NAME TABLE.npy MAP.npy``, in a fresh process.

Prints CPU seconds of this process and those it started: `fresh` from the interpreter's start to the first
map, reading the table left out; `warm` for a map once everything is imported and compiled.
"""

import json
import resource
import sys
from collections.abc import Callable
from typing import Any

import numpy as np

Mapper = Callable[[Any], Any]


def _saliscope(key: str) -> Mapper:
    def prepare() -> Mapper:
        import torch

        from saliscope.reduction.estimators import reducers

        torch.set_num_threads(1)
        return lambda rows: reducers()[key]().fit_transform(rows)

    return prepare


def _opentsne() -> Mapper:
    from openTSNE import TSNE

    return lambda rows: np.asarray(TSNE(n_jobs=1, random_state=0).fit(rows))


def _sklearn() -> Mapper:
    from sklearn.manifold import TSNE

    return lambda rows: TSNE(n_jobs=1, random_state=0).fit_transform(rows)


def _umap() -> Mapper:
    from umap import UMAP

    return lambda rows: UMAP(n_jobs=1, random_state=0).fit_transform(rows)


def _pacmap() -> Mapper:
    from pacmap import PaCMAP

    return lambda rows: PaCMAP(random_state=0).fit_transform(rows)


def sequence() -> Mapper:
    """Ours, over several tables of the same rows."""
    import torch

    from saliscope.reduction.estimators import TSNE
    from saliscope.reduction.sequence import sequence as mapped

    torch.set_num_threads(1)
    return lambda tables: np.stack([one.coordinates.numpy() for one in mapped(list(tables), TSNE())])


def aligned() -> Mapper:
    """AlignedUMAP over several tables of the same rows."""
    from umap import AlignedUMAP

    def run(tables: np.ndarray) -> np.ndarray:
        same = [{i: i for i in range(len(tables[0]))}] * (len(tables) - 1)
        maps = AlignedUMAP(random_state=0).fit([*tables], relations=same)
        return np.stack([np.asarray(one) for one in maps.embeddings_])

    return run


MAPPERS = {
    "saliscope t-SNE": _saliscope("tsne"),
    "openTSNE": _opentsne,
    "scikit-learn t-SNE": _sklearn,
    "umap-learn": _umap,
    "PaCMAP": _pacmap,
    "saliscope UMAP": _saliscope("umap"),
    "saliscope PCA": _saliscope("pca"),
}
"""One table each; ours first."""

SEQUENCES = {"saliscope t-SNE": sequence, "AlignedUMAP": aligned}
"""Several tables."""

COMPILES = {"saliscope t-SNE", "saliscope PCA", "umap-learn", "PaCMAP", "AlignedUMAP"}
"""Whose first map takes longer than the next: these run twice. t-SNE of the peers compiles nothing."""


def cpu() -> float:
    """CPU seconds so far."""
    parts = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(part.ru_utime + part.ru_stime for part in parts)


def _tables(path: str) -> Any:
    found = np.load(path)
    return [found[name] for name in found.files] if path.endswith(".npz") else found


def _ended() -> None:
    """A helper process counts once it has ended."""
    if "saliscope.reduction.umap_process" in sys.modules:
        from saliscope.reduction.umap_process import end_all

        end_all()


def main() -> None:
    name, source, goal = sys.argv[1:]
    before = cpu()
    data = _tables(source)
    reading = cpu() - before
    known = SEQUENCES if source.endswith(".npz") else MAPPERS
    run = known[name]()
    imported = cpu()
    found = run(data)
    _ended()
    fresh = cpu()
    warm = fresh - imported
    if name in COMPILES:
        run(data)
        warm = cpu() - fresh
    np.save(goal, np.asarray(found, np.float32))
    print(json.dumps({"fresh": fresh - reading, "warm": warm}))


if __name__ == "__main__":
    main()
