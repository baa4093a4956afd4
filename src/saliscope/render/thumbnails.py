"""Small pictures of many rows, as an exported page carries them: on sheets, within a budget."""

import io
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

COLUMNS = 16
"""Thumbnails in a row of a sheet. A full sheet has as many rows: what a page asks for at once."""

BUDGET = 2_000_000
"""Bytes that all sheets of a page may have together; base64 makes a third more of them."""

_TRIES = ((1, None), (1, 85), (1, 70), (1, 55), (2, 70), (2, 50), (4, 60), (4, 40))
"""By how much to shrink, and the quality of the JPEG; None is lossless. The best comes first."""


@dataclass(frozen=True)
class Sheets:
    """Thumbnails as picture files.

    Parameters
    ----------
    size : int
        Pixels along each side of a thumbnail.
    type : {"image/png", "image/jpeg"}
    files : sequence of bytes
        `COLUMNS` x `COLUMNS` thumbnails each, row by row; the last may be lower.
    quality : int, optional
        Of JPEG files; None where nothing was lost.
    """

    size: int
    type: str
    files: Sequence[bytes]
    quality: int | None = None

    @property
    def words(self) -> str:
        """How they are stored, for a reader."""
        loss = "without loss" if self.quality is None else f"JPEG, quality {self.quality}"
        return f"{self.size} x {self.size} pixels, {loss}"


def sheets(thumbnails: np.ndarray, budget: int = BUDGET) -> Sheets:
    """Put thumbnails on sheets, as well as the budget allows.

    Parameters
    ----------
    thumbnails : ndarray of uint8, shape (m, size, size, 3)
    budget : int
        Bytes for all files together. What is smallest is taken where nothing fits.

    Returns
    -------
    Sheets
        Lossless where that fits, else as JPEG, at last with fewer pixels.
    """
    size, full = thumbnails.shape[1], COLUMNS * COLUMNS
    pages = [_sheet(thumbnails[i : i + full]) for i in range(0, len(thumbnails), full)]
    # Pixels that are put together come from one thumbnail.
    tries = [each for each in _TRIES if size % each[0] == 0]
    for shrink, quality in tries[:-1]:
        files = _within(budget, pages, shrink, quality)
        if files is not None:
            return _named(size // shrink, quality, files)
    shrink, quality = tries[-1]
    return _named(size // shrink, quality, [_file(page, shrink, quality) for page in pages])


def _within(budget: int, pages: Sequence[np.ndarray], shrink: int, quality: int | None) -> list[bytes] | None:
    """All files, or None where they are too much, which is known before all of them are made."""
    files: list[bytes] = []
    for page in pages:
        files.append(_file(page, shrink, quality))
        budget -= len(files[-1])
        if budget < 0:
            return None
    return files


def _named(size: int, quality: int | None, files: Sequence[bytes]) -> Sheets:
    return Sheets(size, "image/png" if quality is None else "image/jpeg", files, quality)


def _sheet(thumbnails: np.ndarray) -> np.ndarray:
    m, size = thumbnails.shape[:2]
    rows = -(-m // COLUMNS)
    filled = np.zeros((rows * COLUMNS, size, size, 3), np.uint8)
    filled[:m] = thumbnails
    grid = filled.reshape(rows, COLUMNS, size, size, 3)
    return grid.transpose(0, 2, 1, 3, 4).reshape(rows * size, COLUMNS * size, 3)


def _file(sheet: np.ndarray, shrink: int, quality: int | None) -> bytes:
    from PIL import Image

    image = Image.fromarray(sheet)
    if shrink > 1:
        image = image.reduce(shrink)
    stream = io.BytesIO()
    if quality is None:
        image.save(stream, "PNG", compress_level=6)
    else:
        image.save(stream, "JPEG", quality=quality, optimize=True)
    return stream.getvalue()
