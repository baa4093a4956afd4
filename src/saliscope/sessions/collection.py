"""The rows of an EmbeddingExplorer: what was given of each; pictures are made when somebody looks."""

import threading
from collections import Counter, OrderedDict
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from torch import Tensor, nn

from saliscope.core.borrow import Borrowed
from saliscope.core.preprocess import Preprocessing, show
from saliscope.errors import InputError, ReductionError
from saliscope.features.rows import Rows
from saliscope.reduction.neighbors import as_rows
from saliscope.sessions.columns import columns_of, labels_of
from saliscope.sessions.subject import lend

THUMBNAIL = 48
"""Height and width of a thumbnail."""

_THUMBNAIL_BYTES = 64 * 2**20
_MOST_TEXTS = 20_000
_GREY = 128
_FEWEST = 3


class Collection:
    """A model and its inputs, or a table of numbers with or without pictures, and what is known of the rows.

    Parameters
    ----------
    source : nn.Module, Borrowed, or table (n, d)
    images : pictures, batch, data set or DataLoader
        Inputs of the model; pictures of the rows of a table.
    labels, columns, classes
        See `EmbeddingExplorer`.
    transform, mean, std
        See `saliscope.borrow`.

    Attributes
    ----------
    borrowed : Borrowed or None
    rows : Rows or None
        Inputs of the model, or pictures of the table's rows.
    data : Tensor or None
        The table, in float32.
    label : Known or None
    given : dict of str to Known
        The user's columns.
    """

    def __init__(
        self,
        source: Any,
        images: Any = None,
        labels: Any = None,
        columns: Any = None,
        classes: Sequence[str] | None = None,
        transform: Any = None,
        mean: Sequence[float] | None = None,
        std: Sequence[float] | None = None,
    ) -> None:
        self.borrowed: Borrowed | None = None
        self.data: Tensor | None = None
        self.rows: Rows | None = None
        self._notes: list[str] = []
        if isinstance(source, nn.Module | Borrowed):
            if images is None:
                raise InputError(
                    "images", "None", "the model's inputs", "Pass pictures, a batch or a DataLoader."
                )
            self.borrowed = lend(source, transform, mean, std, classes)
            self.rows = Rows(images, self.borrowed.preprocessing, self.borrowed.module)
            self.n = _enough(len(self.rows), "images")
        else:
            self.data = _table(source, self._notes)
            self.n = len(self.data)
            self.rows = None if images is None else self._pictures(images)
        self.classes = None if classes is None else tuple(map(str, classes))
        if self.classes is None and self.borrowed is not None:
            self.classes = self.borrowed.labels
        self.label = labels_of(labels, self.classes, self.n)
        self.given = columns_of(columns, self.n)
        self._thumbnails: OrderedDict[int, np.ndarray] = OrderedDict()
        self._lock = threading.Lock()

    @property
    def notes(self) -> tuple[str, ...]:
        """How the rows came about, as far as they have been looked at."""
        return (*self._notes, *(self.rows.notes if self.rows is not None else ()))

    @property
    def has_pictures(self) -> bool:
        """Whether a row can be looked at."""
        if self.rows is None:
            return False
        # Where a model is fed something else, its first row says so.
        return self.borrowed is None or self.rows.inputs([0]).ndim == 4

    def picture(self, row: int) -> np.ndarray:
        """What the model is fed, or the picture given for the row: uint8 of shape (height, width, 3).

        Raises
        ------
        InputError
            If there is no such row, or it has no picture.
        """
        return self.pictures([self.check(row)])[0]

    def pictures(self, ids: Sequence[int]) -> list[np.ndarray]:
        """Several of them; they may differ in size where no model wants them to be equal."""
        if self.rows is None:
            raise InputError("images", "None", "pictures of the rows", "Pass `images=`.")
        if self.borrowed is None:
            return [show(self.rows.inputs([i]), Preprocessing())[0][0] for i in ids]
        inputs = self.rows.inputs(ids)
        if inputs.ndim != 4:
            raise InputError("images", f"inputs of shape {tuple(inputs.shape[1:])}", "pictures")
        return [*show(inputs, self.borrowed.preprocessing)[0]]

    def thumbnails(self, ids: Sequence[int]) -> np.ndarray:
        """Small pictures, uint8 of shape (len(ids), size, size, 3), the shorter side filled up with grey."""
        with self._lock:
            missing = [i for i in dict.fromkeys(ids) if i not in self._thumbnails]
        made = {i: thumbnail(picture) for i, picture in zip(missing, self._each(missing), strict=True)}
        with self._lock:
            self._thumbnails.update(made)
            found = [self._thumbnails[i] if i in self._thumbnails else made[i] for i in ids]
            while len(self._thumbnails) * 3 * THUMBNAIL**2 > _THUMBNAIL_BYTES:
                self._thumbnails.popitem(last=False)
        return np.stack(found)

    def texts(self) -> list[str] | None:
        """What a row can be found by beside its columns: names of files, texts; None if there is nothing."""
        columns = [known for known in self.given.values() if known.texts is not None]
        paths = self.rows is not None and isinstance(self.rows.source, list)
        named = [str(i) for i in self.rows.source if isinstance(i, str | Path)] if paths and self.rows else []
        if self.n > _MOST_TEXTS or (not columns and len(named) != self.n):
            return None
        names = [Path(one).name for one in named] if len(named) == self.n else [""] * self.n
        return [" ".join([names[i], *(known.text(i) for known in columns)]).strip() for i in range(self.n)]

    def check(self, row: Any, name: str = "id") -> int:
        """The number of a row.

        Raises
        ------
        InputError
            If it is none.
        """
        plain = row.item() if isinstance(row, np.generic) else row
        if isinstance(plain, bool) or not isinstance(plain, int) or not 0 <= plain < self.n:
            raise InputError(name, repr(row), f"the number of a row, from 0 to {self.n - 1}")
        return plain

    def _each(self, ids: Sequence[int]) -> Any:
        for start in range(0, len(ids), 32):
            yield from self.pictures(ids[start : start + 32])

    def _pictures(self, images: Any) -> Rows:
        rows = Rows(_stretched(images, self.n, self._notes), Preprocessing())
        if len(rows) != self.n:
            raise InputError("images", f"{len(rows)} pictures", f"{self.n}, one for each row of the data")
        return rows


def thumbnail(picture: np.ndarray) -> np.ndarray:
    """A small square picture, the whole of it: uint8 of shape (size, size, 3)."""
    height, width = picture.shape[:2]
    scale = THUMBNAIL / max(height, width)
    size = max(1, round(width * scale)), max(1, round(height * scale))
    # Pixels of a small picture stay pixels.
    how = Image.Resampling.NEAREST if scale >= 1 else Image.Resampling.BOX
    small = np.asarray(Image.fromarray(picture).resize(size, how))
    whole = np.full((THUMBNAIL, THUMBNAIL, 3), _GREY, np.uint8)
    top, left = (THUMBNAIL - size[1]) // 2, (THUMBNAIL - size[0]) // 2
    whole[top : top + size[1], left : left + size[0]] = small
    return whole


def _table(source: Any, notes: list[str]) -> Tensor:
    """The numbers of a table, checked; says what is odd about them but does no harm."""
    if hasattr(source, "values") and isinstance(source.values, Tensor):  # Activations
        source = source.values
    rows = as_rows(source, "data").cpu()
    _enough(len(rows), "data")
    notes += oddities(rows)
    return rows


def _enough(n: int, argument: str) -> int:
    if n < _FEWEST:
        got = f"{n} row{'s' * (n != 1)}"
        raise ReductionError(argument, got, f"at least {_FEWEST}", "One or two points are no map.")
    return n


def oddities(rows: Tensor) -> list[str]:
    """What of a table does no harm but should be known: columns without a difference, rows that are equal."""
    said = []
    constant = int((rows == rows[:1]).all(0).sum())
    if constant:
        said.append(f"{constant} of {rows.shape[1]} columns are constant: they tell no row from another.")
    if constant == rows.shape[1]:
        raise ReductionError(
            "data", "rows that are all equal", "rows that differ", "There is nothing to map."
        )
    equal = _equal_rows(rows)
    if equal:
        said.append(
            f"{equal} of {len(rows)} rows are equal to another one: what sets them apart on a map is chance."
        )
    return said


def _equal_rows(rows: Tensor) -> int:
    """Rows that have a twin, by a hash of their bytes."""
    # Adding 0 makes 0 of -0, which is equal to it and has other bytes.
    hashes = (hash((row + 0).tobytes()) for row in rows.numpy())
    return sum(count for count in Counter(hashes).values() if count > 1)


def _stretched(images: Any, n: int, notes: list[str]) -> Any:
    """Pictures as an array, as data sets for tables have them: often without channels, and of any range."""
    if not isinstance(images, np.ndarray) or images.ndim not in (3, 4) or not np.isfinite(images).all():
        return images
    if images.ndim == 3:
        images = images[..., None]
    if images.dtype.kind != "f" or (images.min() >= 0 and images.max() <= 1):
        return images
    low, high = float(images.min()), float(images.max())
    notes.append(f"For display, pictures were stretched from {low:g} (black) to {high:g} (white).")
    return ((images - low) / max(high - low, 1e-12)).astype(np.float32)
