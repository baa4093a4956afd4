"""The tables behind the maps: the data given, or the activations of layers, with their nearest neighbours."""

from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from saliscope.core.batching import ChunkSize
from saliscope.core.layers import find_layer
from saliscope.errors import InputError, LayerError
from saliscope.features.activations import activations_stream
from saliscope.features.pooling import Pool, check_pool
from saliscope.features.survey import Survey, survey
from saliscope.reduction.neighbors import Neighbors, neighbors_stream
from saliscope.sessions.collection import Collection, oddities
from saliscope.sessions.glance import version_of
from saliscope.specs.embedding import Work

K = 15
"""True neighbours that are shown; a map of few rows is judged by fewer of them."""

_MOST_BYTES = 2**30
_MOST_STEPS = 12

Report = Callable[[Work, int, int, str], None]
"""Told what is being done, how many units of how many are finished, and in words."""


@dataclass
class Table:
    """Rows of numbers; what follows from them is filled in when it is known.

    Attributes
    ----------
    data : Tensor of shape (n, d)
    layer : str or None
        Whose activations they are; None for data that were given.
    what : str
        The same in words.
    near : Neighbors or None
        The `K` nearest rows of each, or more.
    """

    data: Tensor
    layer: str | None
    what: str
    notes: tuple[str, ...] = ()
    near: Neighbors | None = None

    def __repr__(self) -> str:
        return f"Table({len(self.data)} rows of {self.data.shape[1]}: {self.what})"

    def learn(self, near: Neighbors | None) -> None:
        """Keep neighbours that somebody has found, if they are more than the known ones."""
        if near is not None and (self.near is None or self.near.k < near.k):
            self.near = near


class Tables:
    """All tables of a collection; those of a model are computed when they are asked for.

    Parameters
    ----------
    collection : Collection
    pool, chunk_size
        See `saliscope.features.activations`.
    layers : sequence of str or nn.Module
        Those of a sequence, taken in one pass.

    Attributes
    ----------
    pool : str
    survey : Survey or None
        What one forward pass told; None without a model.
    layers : tuple of str
        Names of the layers of a sequence.
    scores : Tensor or None
        The model's own output, (n, classes), once it is known; None where it is no list of classes.

    Raises
    ------
    LayerError, ModelError, InputError
        If the model does not run on the first inputs, or has no such layer.
    """

    def __init__(
        self, collection: Collection, pool: Pool, chunk_size: ChunkSize, layers: Sequence[Any] = ()
    ) -> None:
        check_pool(pool)
        self._collection = collection
        self.pool: Pool = pool
        self._chunk_size: ChunkSize = chunk_size
        self.survey: Survey | None = None
        self.scores: Tensor | None = None
        self._tables: dict[str | None, Table] = {}
        if collection.borrowed is not None and collection.rows is not None:
            self.survey = survey(collection.borrowed, collection.rows.inputs(range(min(2, collection.n))))
            self._version = version_of(collection.borrowed.module)
        elif layers:
            raise InputError("layers", "layers without a model", "a model and its images")
        elif collection.data is not None:
            self._tables[None] = Table(collection.data, None, "the data given", collection.notes)
        self.layers = tuple(self.layer_of(one) for one in layers) or self._usual_layers()

    def layer_of(self, layer: Any) -> str:
        """Name of a layer that has a tensor of floats for each row.

        Raises
        ------
        LayerError
            If the model has none of that name, or it puts out something else.
        """
        if self._collection.borrowed is None or self.survey is None:
            raise LayerError("layer", repr(layer), "None, as there is no model")
        name, module = find_layer(self._collection.borrowed.module, layer)
        # Under a name that ran in another place as well, a module has one output.
        if name and name not in self.survey.shapes:
            got = f"{name!r}, a {type(module).__name__} without a tensor of floats for each input"
            known = ", ".join([*self.survey.shapes][-5:])
            raise LayerError("layer", got, "a layer with one", f"The last ones with one: {known}.")
        return name

    def forget(self) -> None:
        """Begin anew with what was computed from the model, as it is now."""
        if self._collection.borrowed is not None:
            self._version = version_of(self._collection.borrowed.module)
            self._tables.clear()
            self.scores = None

    @property
    def changed(self) -> bool:
        """Whether the model was changed since its activations were taken."""
        borrowed = self._collection.borrowed
        return borrowed is not None and version_of(borrowed.module) != self._version

    def known(self, layer: str | None) -> Table | None:
        """The table of a layer, if it is there."""
        return self._tables.get(layer)

    def several(self, layers: Sequence[str], report: Report) -> Generator[None, None, list[Table]]:
        """The tables of several layers, in one pass for all that are missing."""
        missing = [name for name in layers if name not in self._tables]
        if missing:
            yield from self._pass(missing, report)
        return [self._tables[name] for name in layers]

    def of(self, layer: str | None, report: Report) -> Generator[None, None, Table]:
        """The table of a layer, or the data given."""
        if layer not in self._tables:
            assert layer is not None
            yield from self._pass([layer], report)
        return self._tables[layer]

    def neighbors(self, table: Table, report: Report, k: int = K) -> Generator[None, None, Neighbors]:
        """Nearest rows of a table, `k` or more where there are so many."""
        k = min(k, len(table.data) - 1)
        if table.near is None or table.near.k < k:
            step = None
            for step in neighbors_stream(table.data, k):
                report("neighbors", step.done, step.total, f"Neighbours: {step.done} of {step.total} rows")
                yield
            assert step is not None
            table.near = step.result
        return table.near

    def _pass(self, layers: list[str], report: Report) -> Generator[None, None, None]:
        collection = self._collection
        assert collection.borrowed is not None
        stream = activations_stream(
            collection.borrowed,
            collection.rows,
            layers=layers,
            pool=self.pool,
            chunk_size=self._chunk_size,
        )
        step = None
        for step in stream:
            report("activations", step.done, step.total, f"Activations: {step.done} of {step.total} rows")
            yield
        assert step is not None
        # What the passes wrote was undone, which counts as a write.
        self._version = version_of(collection.borrowed.module)
        for name, found in step.result.items():
            _check_numbers(found.values, name)
            words = f"activations of {name or 'the model'}" + (f", {found.pooling}" if found.pooling else "")
            self._make_room(found.values.nbytes)
            self._tables[name] = Table(found.values, name, words, tuple(oddities(found.values)))
            self.scores = found.scores

    def _make_room(self, size: int) -> None:
        while self._tables and size + sum(t.data.nbytes for t in self._tables.values()) > _MOST_BYTES:
            del self._tables[next(iter(self._tables))]

    def _usual_layers(self) -> tuple[str, ...]:
        """The model's large parts, where nobody chose layers for a sequence."""
        if self.survey is None:
            return ()
        parts = [name for name, shape in self.survey.shapes.items() if "." not in name and shape]
        if len(parts) > _MOST_STEPS:
            keep = torch.linspace(0, len(parts) - 1, _MOST_STEPS).round().int().tolist()
            parts = [parts[i] for i in keep]
        return tuple(parts)


def _check_numbers(values: Tensor, layer: str) -> None:
    bad = (~torch.isfinite(values).all(1)).nonzero().flatten().tolist()
    if bad:
        rows = ", ".join(map(str, bad[:5])) + (", ..." if len(bad) > 5 else "")
        which = f"row{'s' * (len(bad) > 1)} {rows} ({len(bad)} of {len(values)})"
        got = f"NaN or infinity from {layer!r} in {which}"
        raise InputError("images", got, "finite activations", "Leave these rows out, or mend the model.")
