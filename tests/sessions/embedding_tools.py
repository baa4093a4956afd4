"""Clusters to map, a reducer that can be held up, and an ear for what a session of maps tells."""

import threading
from functools import partial
from typing import Any

import numpy as np
import torch

from saliscope.core.anytime import Step
from saliscope.reduction.embedding import Embedding
from saliscope.reduction.estimators import TSNE
from saliscope.reduction.neighbors import neighbors as find_neighbors
from saliscope.sessions.atlas import Atlas
from saliscope.sessions.collection import Collection
from saliscope.sessions.embedding import Asked
from saliscope.specs.embedding import Layout, LayoutSequence, WorkState
from tests.sessions.tools import PATIENCE


def clusters(n: int = 60, d: int = 5, k: int = 3, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    labels = np.arange(n) % k
    return (rng.normal(size=(k, d)) * 8)[labels] + rng.normal(size=(n, d)), labels


class Gated(TSNE):
    """Yields the same points again and again; waits before one step until somebody opens the gate."""

    key, title, cautions = "tsne", "Gated", ("A caution.",)
    steps, hold_at = 12, 5

    def gate(self) -> "Gated":
        self.reached, self.open, self.seen, self.closed = threading.Event(), threading.Event(), [], False
        return self

    def stream(self, data: Any, *, neighbors: Any = None, start: Any = None) -> Any:
        self.started_with = start
        nearest = neighbors if neighbors is not None else find_neighbors(data, 15)
        try:
            for done in range(1, self.steps + 1):
                if done == self.hold_at:
                    self.reached.set()
                    assert self.open.wait(PATIENCE)
                yield Step(partial(self._result, data, done, nearest), done, self.steps)
        finally:
            self.closed = True

    def _result(self, data: Any, done: int, neighbors: Any) -> Embedding:
        self.seen.append(done)
        points = torch.as_tensor(data)[:, :2].float() + done
        return Embedding(points, neighbors, "tsne", self.title, done, 0.5, "pca", 0, 0.1)


class Heard(Atlas):
    """An atlas that keeps what it tells."""

    def __init__(self, *given: Any, layers: Any = (), pool: Any = "auto", **known: Any) -> None:
        super().__init__(Collection(*given, **known), pool, "auto", layers)
        self.heard: list[Any] = []
        self.blobs_heard: dict[str, Any] = {}
        self.session.listener = self._keep

    def _keep(self, message: Any, blobs: Any) -> None:
        self.heard.append(message)
        self.blobs_heard |= {blob.hash: blob for blob in blobs}

    def ask(self, *reducers: Any, layer: str | None = None, sweep: str | None = None) -> "Heard":
        self.session.ask(Asked(self.usual_layer if layer is None else layer, reducers, sweep))
        return self

    def ready(self) -> "Heard":
        assert self.wait(PATIENCE)
        if self.session.error is not None:
            raise self.session.error
        return self

    def of(self, kind: type) -> list[Any]:
        return [each for each in self.heard if isinstance(each, kind)]

    @property
    def layouts(self) -> list[Layout]:
        return self.of(Layout)

    @property
    def sequences(self) -> list[LayoutSequence]:
        return self.of(LayoutSequence)

    @property
    def states(self) -> list[WorkState]:
        return self.of(WorkState)
