"""A part of the picture: a rectangle, or what a brush painted."""

import base64
import binascii
import operator
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from saliscope.errors import InputError

MOST_CELLS = 64
"""Columns or rows of a brush mask: 64 x 64 cells are 684 letters of base64."""

_FARTHEST = 1 << 24  # pixels: beyond any picture, and every product with it is exact in the page
_EXPECTED = "(x, y, width, height) in pixels, or a mask of True and False of shape (height, width)"


@dataclass(frozen=True)
class Region:
    """A rectangle in pixels, or a mask on a grid of at most 64 x 64 cells; see `Region.of`.

    Parameters
    ----------
    rect : (x, y, width, height), optional
        Of the leading panel's picture, in whole pixels; what lies outside the picture does not count.
    cells : (columns, rows), optional
        The grid of a mask, laid over the whole picture: pixel (x, y) lies in the cell
        (floor(x * columns / width), floor(y * rows / height)).
    bits : str
        The mask, row by row, the most significant bit first, as base64.

    Raises
    ------
    InputError
        If it is neither or both, out of range, or empty.
    """

    rect: tuple[int, int, int, int] | None = None
    cells: tuple[int, int] | None = None
    bits: str = ""

    def __post_init__(self) -> None:
        if (self.rect is None) == (self.cells is None):
            raise InputError("region", f"rect={self.rect}, cells={self.cells}", "one of the two")
        if self.rect is not None:
            object.__setattr__(self, "rect", _checked_rect(self.rect))
            object.__setattr__(self, "bits", "")
        else:
            columns, rows = cells = _whole(self.cells, 2)
            if not (1 <= columns <= MOST_CELLS and 1 <= rows <= MOST_CELLS):
                raise InputError("region", f"{columns} x {rows} cells", f"1 to {MOST_CELLS} each way")
            grid = _unpacked(self.bits, columns * rows)
            if not grid.any():
                raise InputError("region", "an empty mask", "at least one cell", "Use None for no region.")
            object.__setattr__(self, "cells", cells)
            object.__setattr__(self, "bits", _packed(grid))  # what stands after the last cell is dropped

    @classmethod
    def of(cls, value: Any) -> "Region":
        """Make a region of what people write.

        Parameters
        ----------
        value : (x, y, width, height), ndarray of bool of shape (height, width), dict or Region
            A mask that is no rectangle goes onto the coarsest grid that holds it exactly; where 64 x 64
            cells cannot, a cell is in if at least half of its pixels are.

        Raises
        ------
        InputError
            If it is none of them.
        """
        if isinstance(value, Region):
            return value
        if isinstance(value, Mapping):
            return cls.from_json(value)
        if isinstance(value, tuple | list) and len(value) == 4:
            return cls(rect=_whole(value, 4))  # type: ignore[arg-type]
        if hasattr(value, "__array__"):
            return _of_mask(np.asarray(value))
        raise InputError("region", _short(value), _EXPECTED)

    @classmethod
    def from_json(cls, spec: Mapping[str, Any]) -> "Region":
        """Read what `to_json` wrote.

        Raises
        ------
        InputError
            If it is no region.
        """
        if isinstance(spec, Mapping):
            if set(spec) == {"rect"}:
                return cls(rect=_whole(spec["rect"], 4))  # type: ignore[arg-type]
            if set(spec) == {"cells", "bits"}:
                return cls(cells=_whole(spec["cells"], 2), bits=spec["bits"])  # type: ignore[arg-type]
        raise InputError("region", _short(spec), "{'rect': [...]} or {'cells': [...], 'bits': '...'}")

    def to_json(self) -> dict[str, Any]:
        """Return it as plain JSON data."""
        if self.rect is not None:
            return {"rect": list(self.rect)}
        return {"cells": list(self.cells or ()), "bits": self.bits}

    def mask(self, height: int, width: int, lead: tuple[int, int] | None = None) -> np.ndarray:
        """Return which pixels of a picture belong to it.

        Parameters
        ----------
        height, width : int
            Size of the picture.
        lead : (height, width), optional
            Size of the leading panel's picture, where this one has another.

        Returns
        -------
        ndarray of bool, shape (height, width)
        """
        if self.rect is not None:
            x, y, across, down = self.rect
            tall, wide = lead or (height, width)
            inside = np.zeros((height, width), dtype=bool)
            inside[_placed(y, down, tall, height), _placed(x, across, wide, width)] = True
            return inside
        rows, columns = self._grid.shape
        down, across = (_cell_of(size, n) for size, n in ((height, rows), (width, columns)))
        return self._grid[down[:, None], across]

    @cached_property
    def _grid(self) -> np.ndarray:
        columns, rows = self.cells or (0, 0)
        return _unpacked(self.bits, columns * rows).reshape(rows, columns)

    def __str__(self) -> str:
        if self.rect is not None:
            x, y, width, height = self.rect
            return f"{width} x {height} at ({x}, {y})"
        return f"{int(self._grid.sum())} of {self._grid.size} cells"


def _placed(start: int, length: int, size: int, other: int) -> slice:
    """A side in another picture, rounded to its pixels, never empty."""
    if size == other:
        return slice(start, start + length)
    first, last = ((2 * at * other + size) // (2 * size) for at in (start, start + length))
    return slice(first, max(last, first + 1))


def _cell_of(size: int, cells: int) -> np.ndarray:
    """Cell of every pixel along one side."""
    return np.arange(size) * cells // size


def _of_mask(mask: np.ndarray) -> Region:
    if mask.dtype != bool or mask.ndim != 2 or not mask.size:
        raise InputError("region", f"{mask.dtype} of shape {mask.shape}", _EXPECTED)
    down, across = (np.flatnonzero(mask.any(axis)) for axis in (1, 0))
    if not len(down):
        raise InputError("region", "an empty mask", "at least one pixel", "Use None for no region.")
    y, x = int(down[0]), int(across[0])
    tall, wide = int(down[-1]) + 1 - y, int(across[-1]) + 1 - x
    if mask[y : y + tall, x : x + wide].all():
        return Region(rect=(x, y, wide, tall))
    rows, columns = _cells(mask), _cells(mask.T)
    size = rows * columns
    cell = _cell_of(mask.shape[0], rows)[:, None] * columns + _cell_of(mask.shape[1], columns)
    inside = np.bincount(cell[mask], minlength=size)
    grid = 2 * inside >= np.bincount(cell.ravel(), minlength=size)
    if not grid.any():
        raise InputError(
            "region", "a mask of thin lines", f"one that fills half a cell of a {columns} x {rows} grid"
        )
    return Region(cells=(columns, rows), bits=_packed(grid))


def _cells(mask: np.ndarray) -> int:
    """Fewest cells whose borders include every line at which a row differs from the one before it."""
    size = len(mask)
    changes = np.flatnonzero((mask[1:] != mask[:-1]).any(axis=1)) + 1
    for cells in range(1, min(size, MOST_CELLS) + 1):
        if (changes * cells // size != (changes - 1) * cells // size).all():
            return cells
    return MOST_CELLS


def _checked_rect(rect: Any) -> tuple[int, int, int, int]:
    x, y, width, height = _whole(rect, 4)
    if not (0 <= x <= _FARTHEST and 0 <= y <= _FARTHEST):
        raise InputError("region", f"a corner at ({x}, {y})", "whole pixels from 0 on")
    if not (1 <= width <= _FARTHEST and 1 <= height <= _FARTHEST):
        raise InputError("region", f"{width} x {height} pixels", "at least one pixel each way")
    return x, y, width, height


def _whole(values: Any, n: int) -> tuple[int, ...]:
    """Exactly `n` whole numbers; True and 1.5 are none."""
    try:
        numbers = tuple(operator.index(each) for each in values if not isinstance(each, bool | np.bool_))
    except TypeError:
        numbers = ()
    if len(numbers) != n or len(values) != n:
        raise InputError("region", _short(values), _EXPECTED if n == 4 else f"{n} whole numbers")
    return numbers


def _packed(grid: np.ndarray) -> str:
    return base64.b64encode(np.packbits(grid.ravel()).tobytes()).decode("ascii")


def _unpacked(bits: Any, n: int) -> np.ndarray:
    try:
        data = base64.b64decode(bits, validate=True) if isinstance(bits, str) else b""
    except (binascii.Error, ValueError):
        data = b""
    if len(data) != -(-n // 8):
        raise InputError("region", f"bits {_short(bits)}", f"{n} bits as base64")
    return np.unpackbits(np.frombuffer(data, np.uint8), count=n).astype(bool)


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 80 else text[:79] + "…"
