"""One map in the making: what a reducer's steps are made of."""

import time
from collections.abc import Callable, Generator
from contextlib import closing
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from saliscope.core.anytime import Step
from saliscope.reduction.embedding import Embedding
from saliscope.reduction.neighbors import Neighbors, neighbors_stream

if TYPE_CHECKING:
    from saliscope.reduction.base import Reducer

AUDITED = 15
"""Neighbours kept beside a map, even where it needs fewer: what its quality is measured with."""

JITTER = 0.01
"""Of the start, in its standard deviations."""


@dataclass(frozen=True)
class Work:
    """One map in the making.

    Attributes
    ----------
    reducer : Reducer
    rows : Tensor of shape (n, d)
    start : Tensor of shape (n, 2)
        Where the points begin.
    origin : str
        Whence: "pca" or "given".
    neighbors : Neighbors or None
        Those handed over.
    begun : float
        Time on the clock.
    """

    reducer: "Reducer"
    rows: Tensor
    start: Tensor
    origin: str
    neighbors: Neighbors | None
    begun: float = field(default_factory=time.perf_counter)

    def step(
        self,
        coordinates: Callable[[], Tensor],
        done: int,
        total: int,
        *,
        neighbors: Neighbors | None = None,
        kl: Callable[[Tensor], float] | None = None,
        notes: tuple[str, ...] = (),
    ) -> Step[Embedding]:
        """The map as it is now; coordinates and `kl` are computed if somebody looks."""
        seconds = time.perf_counter() - self.begun

        def result() -> Embedding:
            found = coordinates()
            return Embedding(
                coordinates=found,
                neighbors=self.neighbors if neighbors is None else neighbors,
                reducer=self.reducer.key,
                title=self.reducer.title,
                iterations=done,
                kl=None if kl is None else kl(found),
                start=self.origin,
                random_state=getattr(self.reducer, "random_state", 0),
                seconds=seconds,
                notes=notes,
            )

        return Step(result, done, total)

    def waiting(self, total: int, note: str) -> Step[Embedding]:
        """The start, while something is prepared."""
        return self.step(lambda: self.start, 0, total, notes=(note,))

    def nearest(self, k: int, total: int) -> Generator[Step[Embedding], None, Neighbors]:
        """The `k` nearest of every row, or more: those handed over, or found now."""
        given = self.neighbors
        if given is not None and given.k >= k:
            return given
        yield self.waiting(total, "finding neighbours")
        found: Step[Neighbors] | None = None
        for found in neighbors_stream(self.rows, k):
            yield self.waiting(total, f"finding neighbours: {found.done} of {found.total}")
        assert found is not None
        return found.result

    def elsewhere(
        self, process: Generator[str, None, np.ndarray]
    ) -> Generator[Step[Embedding], None, Tensor]:
        """The points that another process makes, the start meanwhile."""
        with closing(process):
            try:
                while True:
                    yield self.waiting(1, next(process))
            except StopIteration as done:
                return torch.tensor(done.value, device=self.rows.device)

    def jittered(self, seed: int) -> Tensor:
        """The start with a little noise, so that equal rows and rows on one line can part.

        A start that was given keeps its places, but for a coordinate in which all are equal.
        """
        noise = torch.randn(self.start.shape, generator=torch.Generator().manual_seed(int(seed)))
        spread = self.start.std(0)
        flat = spread <= 1e-7 * spread.max()
        amount = torch.where(
            flat, spread.max().clamp_min(1e-7), spread if self.origin == "pca" else 0.0 * spread
        )
        return self.start + JITTER * amount * noise.to(self.start.device)
