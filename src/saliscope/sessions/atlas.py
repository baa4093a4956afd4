"""The explorer of maps without its window: rows, maps, inspector, in one place for the page and Python."""

import io
import itertools
from collections.abc import Generator, Sequence
from typing import Any

import numpy as np
import torch
from PIL import Image, UnidentifiedImageError
from torch import Tensor

from saliscope.attribution.registry import methods
from saliscope.core.anytime import closed
from saliscope.core.batching import ChunkSize, check_chunk_size
from saliscope.errors import InputError, ReductionError
from saliscope.features.activations import activations
from saliscope.features.pooling import Pool
from saliscope.features.rows import Rows
from saliscope.reduction.placement import place
from saliscope.reduction.stability import stability_stream
from saliscope.sessions.collection import Collection
from saliscope.sessions.columns import Known, predicted
from saliscope.sessions.embedding import EmbeddingSession
from saliscope.sessions.embedding_facts import (
    check_step,
    distances_of,
    groups_of,
    row_at,
    row_of,
    table_of,
)
from saliscope.sessions.embedding_publish import grid_of
from saliscope.sessions.inspecting import inspector
from saliscope.sessions.menus import info_of
from saliscope.sessions.reducer_menus import reducer_menu
from saliscope.sessions.tables import Table, Tables
from saliscope.specs.blobs import Blob
from saliscope.specs.embedding import Groups, MethodName, PlacedPoint, Points, Row, TableRow
from saliscope.specs.saliency import Info

MOST_FILE = 32 * 2**20
"""Bytes of a picture that is dropped on a map."""

_FORMATS = ("PNG", "JPEG", "WEBP", "GIF", "BMP")


class Atlas:
    """Rows, their maps, and the model's answers to them.

    Parameters
    ----------
    collection : Collection
    pool, chunk_size
        See `saliscope.features.activations`.
    layers : sequence
        Those of a sequence over layers.

    Attributes
    ----------
    tables : Tables
    session : EmbeddingSession
    inspector : SaliencySession or None
        None where there is no model that sees pictures.
    placed : list of PlacedPoint
        New points, in the order in which they came.
    """

    def __init__(
        self, collection: Collection, pool: Pool, chunk_size: ChunkSize, layers: Sequence[Any] = ()
    ) -> None:
        check_chunk_size(chunk_size)
        self.collection = collection
        self._chunk_size: ChunkSize = chunk_size
        self.tables = Tables(collection, pool, chunk_size, layers)
        numbers = itertools.count(1)
        self.session = EmbeddingSession(self.tables, numbers)
        self.inspector = inspector(collection, numbers, chunk_size)
        self.placed: list[PlacedPoint] = []
        self._new = itertools.count(1)

    @property
    def n(self) -> int:
        """How many rows there are."""
        return self.collection.n

    @property
    def layers(self) -> tuple[str, ...]:
        """Layers whose activations can be mapped."""
        survey = self.tables.survey
        return () if survey is None else tuple(survey.shapes) or ("",)

    @property
    def usual_layer(self) -> str | None:
        """The last one before the model's output; None without a model."""
        return None if self.tables.survey is None else self.tables.survey.last

    @property
    def classes(self) -> tuple[str, ...]:
        """Names of the model's classes, or of the labels."""
        collection, survey = self.collection, self.tables.survey
        if survey is not None and survey.n_classes and collection.borrowed is not None:
            return tuple(collection.borrowed.label(i) for i in range(survey.n_classes))
        return collection.label.names if collection.label is not None else ()

    @property
    def columns(self) -> dict[str, Known]:
        """All that is known of the rows by now, by name."""
        own = {} if self.collection.label is None else {"label": self.collection.label}
        if self.tables.scores is not None:
            own |= predicted(self.tables.scores, self.classes, self.collection.label)
        return own | self.collection.given

    @property
    def column_names(self) -> tuple[str, ...]:
        """Columns to colour by, also those that are known only once the model has run."""
        collection, survey = self.collection, self.tables.survey
        names = [] if collection.label is None else ["label"]
        n_classes = 0 if survey is None else survey.n_classes
        names += ["prediction"] * (n_classes > 1) + ["confidence"] * (n_classes > 0)
        names += ["correct"] * (n_classes > 1 and collection.label is not None)
        return (*names, *(name for name, known in collection.given.items() if known.kind != "text"))

    def points(self) -> tuple[Points, list[Blob]]:
        """What the page is told of the rows."""
        collection, table = self.collection, self.session.table
        shown = [known.spec() for known in self.columns.values() if known.kind != "text"]
        model = None if collection.borrowed is None else type(collection.borrowed.module).__name__
        points = Points(
            n=self.n,
            of=self.n,
            sampling="",
            d=0 if table is None else table.data.shape[1],
            what="" if table is None else table.what,
            classes=self.classes,
            layers=self.layers,
            pictures=collection.has_pictures,
            model=model,
            reducers=reducer_menu(),
            methods=self._methods,
            columns=tuple(column for column, _ in shown),
            search=collection.texts(),
            notes=collection.notes if table is None else (*collection.notes, *table.notes),
        )
        return points, [blob for _, blobs in shown for blob in blobs]

    @property
    def _methods(self) -> tuple[MethodName, ...]:
        """Those of the inspector: without a model that sees pictures nothing can be explained."""
        if self.inspector is None:
            return ()
        return tuple(MethodName(cls.key, cls.title) for cls in methods().values())

    def info(self) -> tuple[Info, list[Blob]]:
        """What the inspector chooses from, with the colour maps."""
        models = [] if self.inspector is None else [self.inspector.subject.info()]
        return info_of(models, self.n)

    def row(self, row: int, step: int | None = None) -> Row:
        """All about one row, on the maps at rest or at a step of the sequence."""
        walk, known = self.session.walk, (self.columns, self.tables.scores, self.classes)
        if step is None:
            return row_of(row, self._table(), dict(self.session.maps), *known)
        check_step(step, walk)
        assert walk is not None
        return row_at(row, step, walk, *known)

    def distances(self, row: int, step: int | None = None) -> Tensor:
        """Distances of all rows from one, in the data, or in those of a step of the sequence."""
        walk = self.session.walk
        if step is None:
            return distances_of(row, self._table().data)
        check_step(step, walk)
        assert walk is not None
        return distances_of(row, walk.tables[step].data)

    def groups(self, a: Sequence[int], b: Sequence[int], target: Any = None) -> tuple[Groups, list[Blob]]:
        """Two groups of rows, and in what they differ."""
        subject = None if self.inspector is None else self.inspector.subject
        first, second = (np.asarray(each, dtype=np.int64) for each in (a, b))
        return groups_of(first, second, self.collection, self.session.table, self.columns, subject, target)

    def lines(self, start: int, count: int, **options: Any) -> list[TableRow]:
        """Lines of the table view."""
        return table_of(self.columns | self._quality(), self.n, start=start, count=count, **options)

    def place(self, new: Any, name: str = "") -> Generator[None, None, tuple[PlacedPoint, ...]]:
        """Find the place of a new picture, or of a row of numbers, on every map.

        Raises
        ------
        InputError, ReductionError
            If it is none, or there is no finished map.
        """
        maps = {map: shown for map, shown in self.session.maps.items() if shown.layout.stage != "start"}
        if not maps:
            raise ReductionError("place", "no map", "a finished map to place it on", "Call wait() first.")
        number, found = -next(self._new), []
        for map, shown in maps.items():
            row = self._row_for(new, shown.table)
            yield
            placed = place(shown.embedding, shown.table.data, row)
            x, y = grid_of(placed.coordinates[:1].cpu(), shown.layout.box)[0].tolist()
            near = placed.neighbors.indices[0].tolist()
            inside = bool(placed.inside[0])
            ratio, local = float(placed.distance_ratio[0]), float(placed.local_ratio[0])
            found.append(PlacedPoint(number, map, x, y, inside, ratio, local, near, name))
            yield
        self.placed += found
        return tuple(found)

    def stability(self, map: int) -> Generator[None, None, dict[str, Any]]:
        """How much of a map another seed would keep.

        Raises
        ------
        ReductionError
            If there is no such map.
        """
        shown = self.session.maps.get(map)
        if shown is None:
            raise ReductionError("map", repr(map), "the number of a map on screen", "Call wait() first.")
        found = None
        stream = stability_stream(shown.table.data, shown.reducer, neighbors=shown.table.near)
        with closed(stream) as steps:
            for step in steps:
                found = step.result if step.complete else None
                yield
        assert found is not None
        return {"kept": found.kept, "disparity": found.disparity, "n_runs": found.n_runs}

    def forget(self) -> None:
        """Begin anew with the model as it is now."""
        self.session.forget()
        if self.inspector is not None:
            self.inspector.subject.forget()

    def cancel(self) -> None:
        """Stop all computations; what is on screen stays."""
        self.session.cancel()
        if self.inspector is not None:
            self.inspector.cancel()

    def wait(self, timeout: float | None = None) -> bool:
        """Wait until nothing is running; False if `timeout` seconds pass first."""
        done = self.session.wait(timeout)
        return done and (self.inspector is None or self.inspector.wait(timeout))

    def close(self) -> None:
        """Cancel, and let go of the listeners and of all answers."""
        self.session.close()
        if self.inspector is not None:
            self.inspector.close()
            self.inspector.subject.forget()

    @property
    def blobs(self) -> list[Blob]:
        """Arrays of everything on screen."""
        own = [*self.session.blobs, *self.points()[1], *self.info()[1]]
        return own if self.inspector is None else own + self.inspector.shown[1]

    def _table(self) -> Table:
        table = self.session.table
        if table is None:
            got = "activations that are not computed yet"
            raise InputError("id", got, "rows that are known", "Call wait() first.")
        return table

    def _quality(self) -> dict[str, Known]:
        """The quality of the first map as columns of the table view."""
        shown = self.session.maps.get(0)
        quality = None if shown is None or shown.audit is None else shown.audit.quality
        if quality is None:
            return {}
        names = ("kept", "false", "missing", "stretch")
        return {
            name: Known(name, name.capitalize(), values=getattr(quality, name).double().numpy())
            for name in names
        }

    def _row_for(self, new: Any, table: Table) -> Tensor:
        borrowed = self.collection.borrowed
        if borrowed is None:
            row = torch.as_tensor(np.asarray(new)).to(table.data.dtype).reshape(1, -1)
            if row.shape[1] != table.data.shape[1] or not torch.isfinite(row).all():
                got = f"{row.shape[1]} numbers"
                raise InputError("image", got, f"{table.data.shape[1]} finite ones, as the rows of the data")
            return row
        rows = Rows(new if isinstance(new, list) else [new], borrowed.preprocessing, borrowed.module)
        pool = self.tables.pool
        return activations(borrowed, rows, table.layer, pool=pool, chunk_size=self._chunk_size).values[:1]


def opened(data: Any) -> Image.Image:
    """A picture from the bytes of a file that somebody dropped on the page.

    Raises
    ------
    InputError
        If it is none, or too large.
    """
    if not isinstance(data, bytes | bytearray | memoryview) or not 0 < len(data) <= MOST_FILE:
        raise InputError(
            "image", "no file, or a very large one", f"a picture of at most {MOST_FILE >> 20} MiB"
        )
    try:
        image = Image.open(io.BytesIO(bytes(data)), formats=_FORMATS)
        image.load()
    except (UnidentifiedImageError, OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise InputError("image", "a file that is no picture", f"one of {', '.join(_FORMATS)}") from error
    return image
