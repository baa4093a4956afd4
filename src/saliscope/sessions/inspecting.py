"""The inspector of a map: the attribution of one row, whose picture is prepared when it is asked for."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from torch import Tensor

from saliscope.attribution.gradient import InputXGradient
from saliscope.core.batching import ChunkSize
from saliscope.core.targets import Target
from saliscope.features.rows import Rows
from saliscope.sessions.collection import Collection
from saliscope.sessions.saliency import SaliencySession
from saliscope.sessions.subject import Subject

MEAN_OF = 32
"""Rows of a group whose attributions make its mean, evenly spread: one gradient each."""


class Inspected(Subject):
    """A model and the rows of a collection, of which only those in use are in memory."""

    def __init__(self, collection: Collection, chunk_size: ChunkSize = "auto") -> None:
        self._collection = collection
        super().__init__(collection.borrowed, None, chunk_size=chunk_size)  # type: ignore[arg-type]

    def _take(self, images: Any) -> None:
        rows = self._collection.rows
        assert rows is not None
        # What a session takes of them is one row at a time.
        self.inputs = _Inputs(rows)  # type: ignore[assignment]
        self.pictures = _Pictures(self._collection)  # type: ignore[assignment]
        self.notes = ()


class _Inputs:
    def __init__(self, rows: Rows) -> None:
        self._rows = rows

    def __len__(self) -> int:
        return len(self._rows)

    def __getitem__(self, part: slice) -> Tensor:
        return self._rows.inputs(range(len(self._rows))[part])


class _Pictures:
    def __init__(self, collection: Collection) -> None:
        self._collection = collection

    def __getitem__(self, row: int) -> np.ndarray:
        return self._collection.picture(row)


def inspector(
    collection: Collection, numbers: Iterator[int], chunk_size: ChunkSize
) -> SaliencySession | None:
    """A session that explains rows of a collection; None where there is no model that sees pictures."""
    if collection.borrowed is None or not collection.has_pictures:
        return None
    return SaliencySession(Inspected(collection, chunk_size), numbers=numbers)


def mean_attribution(subject: Subject, ids: np.ndarray, target: Any = None) -> tuple[np.ndarray, int]:
    """Mean map of input times gradient over at most `MEAN_OF` rows, and over how many."""
    chosen = spread(ids, MEAN_OF)
    inputs = torch.cat([subject.inputs[int(i) : int(i) + 1] for i in chosen])
    asked = target if isinstance(target, Target) else Target(target)
    method = InputXGradient()
    found = method.attribute(subject.borrowed, inputs, asked, chunk_size=subject.chunk_size)
    return found.map.double().mean(0).cpu().numpy(), len(chosen)


def spread(ids: np.ndarray, most: int) -> np.ndarray:
    """At most so many of the rows, evenly spread over them."""
    return ids if len(ids) <= most else ids[np.linspace(0, len(ids) - 1, most).round().astype(int)]
