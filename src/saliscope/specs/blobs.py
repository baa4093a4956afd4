"""Arrays on the wire: float16 maps, uint8 pictures, uint16 codes, uint32 ids, named by their content's hash.

The page keeps blobs by their name and tells the kernel which it has, so that nothing is sent twice.
"""

import hashlib
import json
import math
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

import numpy as np

from saliscope.errors import InputError

MAX_PART = 1 << 20
"""Bytes in one message: far below what a server or a proxy refuses."""

DType = Literal["float16", "uint8", "uint16", "uint32"]

_WIRE = {
    "float16": np.dtype("<f2"),
    "uint8": np.dtype("u1"),
    "uint16": np.dtype("<u2"),
    "uint32": np.dtype("<u4"),
}


@dataclass(frozen=True)
class Blob:
    """An array as the page receives it.

    Parameters
    ----------
    dtype : {"float16", "uint8", "uint16", "uint32"}
        Type of the elements, little-endian.
    shape : tuple of int
        Their arrangement, row-major.
    scale : float
        What the page multiplies each element with, in double precision.
    data : bytes
        The elements.
    """

    dtype: DType
    shape: tuple[int, ...]
    scale: float
    data: bytes

    @classmethod
    def from_map(cls, values: np.ndarray, *, gaps: bool = False) -> "Blob":
        """Pack a map, or a stack of maps, into float16.

        The values are divided by the largest of them first, because float16 ends at 6e-8 and gradients
        are often smaller: so every value keeps 11 bits down to 1/16384 of the largest one.

        Parameters
        ----------
        values : ndarray of float, any shape
        gaps : bool
            Whether a value may be missing, which NaN says.

        Raises
        ------
        InputError
            If the values are not real numbers, or one of them is infinite, or NaN where none may be missing.
        """
        exact = np.asarray(values)
        if exact.dtype.kind not in "fiu":
            raise InputError("values", f"an array of {exact.dtype}", "real numbers")
        exact = exact.astype(np.float64)
        fine = np.isfinite(exact) | (np.isnan(exact) & gaps)
        broken = exact.size - int(np.count_nonzero(fine))
        if broken:
            raise InputError("values", f"{broken} NaN or infinite values", "a finite map")
        scale = float(np.nanmax(np.abs(exact), initial=0.0)) or 1.0
        packed = (exact / scale).astype(_WIRE["float16"])
        return cls("float16", exact.shape, scale, packed.tobytes())

    @classmethod
    def from_picture(cls, pixels: np.ndarray) -> "Blob":
        """Pack a picture, or a table of colours, as it is.

        Parameters
        ----------
        pixels : ndarray of uint8, any shape

        Raises
        ------
        InputError
            If the array is not uint8.
        """
        if pixels.dtype != np.uint8:
            raise InputError("pixels", f"an array of {pixels.dtype}", "uint8")
        return cls("uint8", pixels.shape, 1.0, pixels.tobytes())

    @classmethod
    def from_codes(cls, codes: np.ndarray) -> "Blob":
        """Pack whole numbers from 0 to 65535: coordinates on a grid, numbers of categories.

        Raises
        ------
        InputError
            If one of them is no such number.
        """
        return cls._whole(codes, "codes", "uint16")

    @classmethod
    def from_ids(cls, ids: np.ndarray) -> "Blob":
        """Pack numbers of rows, from 0 to 4294967295.

        Raises
        ------
        InputError
            If one of them is no such number.
        """
        return cls._whole(ids, "ids", "uint32")

    @classmethod
    def _whole(cls, values: np.ndarray, name: str, dtype: DType) -> "Blob":
        given = np.asarray(values)
        most = 2 ** (8 * _WIRE[dtype].itemsize) - 1
        if given.size and (given.dtype.kind not in "iu" or given.min() < 0 or given.max() > most):
            got = f"an array of {given.dtype}"
            if given.dtype.kind in "iu":
                got = f"numbers from {given.min()} to {given.max()}"
            raise InputError(name, got, f"whole numbers from 0 to {most}")
        return cls(dtype, given.shape, 1.0, given.astype(_WIRE[dtype]).tobytes())

    @cached_property
    def hash(self) -> str:
        """Name of the blob: 32 hexadecimal digits that depend on type, shape, scale and content."""
        digest = hashlib.blake2b(json.dumps(self._header()).encode(), digest_size=16)
        digest.update(self.data)
        return digest.hexdigest()

    def array(self) -> np.ndarray:
        """Return what the page sees: float64 values of a map, uint8 pixels of a picture."""
        raw = np.frombuffer(self.data, dtype=_WIRE[self.dtype]).reshape(self.shape)
        return raw.astype(np.float64) * self.scale if self.dtype == "float16" else raw

    def messages(self, max_part: int = MAX_PART) -> Iterator[tuple[dict[str, Any], memoryview]]:
        """Yield the messages that carry the blob, each a header and one buffer, to be joined in order.

        Parameters
        ----------
        max_part : int
            Largest number of bytes in one buffer.
        """
        parts = max(1, math.ceil(len(self.data) / max_part))
        for part in range(parts):
            header = {"event": "blob", "hash": self.hash, "part": part, "parts": parts, **self._header()}
            yield header, memoryview(self.data)[part * max_part : (part + 1) * max_part]

    def _header(self) -> dict[str, Any]:
        return {"dtype": self.dtype, "shape": list(self.shape), "scale": self.scale}
