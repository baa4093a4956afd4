"""Stand-ins for umap-learn that do as a test wants, in the process beside."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from saliscope.reduction import umap_process

MODULE = """
import os, sys, time

def find_ab_params(spread, min_dist):
    return 1.0, 1.0

def fuzzy_simplicial_set(start, n_neighbors, random, metric, **given):
    return given, None, None

def simplicial_set_embedding(start, graph, **options):
    {body}
    return start + 1, None
"""


@contextmanager
def fake_umap(
    folder: Path, monkeypatch: pytest.MonkeyPatch, body: str = "pass", package: str = ""
) -> Iterator[Path]:
    """Let new processes find another umap; its embedding runs `body`, its import `package`."""
    home = folder / "umap"
    home.mkdir()
    (home / "__init__.py").write_text(package)
    (home / "umap_.py").write_text(MODULE.format(body=body))
    umap_process.end_all()
    with monkeypatch.context() as changed:
        changed.syspath_prepend(folder)
        yield folder
    umap_process.end_all()
