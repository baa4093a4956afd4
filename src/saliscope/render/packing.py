"""Arrays as an exported page carries them: without loss, and small."""

import base64
import zlib
from typing import Any

import numpy as np

from saliscope.specs.blobs import Blob

_MOST_DIFFERENCES = 2

_INTEGERS = {"float16": "<u2", "uint8": "u1", "uint16": "<u2", "uint32": "<u4"}


def packed(blob: Blob) -> dict[str, Any]:
    """A blob as JSON, without loss.

    Half floats become integers in the order of their values. Then each slice along the first axis is replaced
    by its difference from the one before, as often as makes the whole smallest: neighbouring maps of a
    path are alike, and so are row numbers in their order. Low and high bytes go apart and through
    deflate. The path of a trained network, 34 maps of 224x224, comes to 1.9 MB of 3.4 (2.6 MB as base64);
    deflate alone would leave 3.1.
    """
    raw = np.frombuffer(blob.data, dtype=_INTEGERS[blob.dtype]).reshape(blob.shape)
    half = blob.dtype == "float16"
    ordered = np.where(raw < 0x8000, raw, raw ^ 0x7FFF).astype(raw.dtype) if half else raw
    candidates = []
    for order in range(_MOST_DIFFERENCES + 1):
        planes = _planes(ordered)
        # Noise has runs at most, looking for repetitions takes ten times as long; drawings have both.
        candidates.append((_deflated(planes, zlib.Z_RLE), order, planes))
        ordered = ordered.copy()
        ordered[1:] -= ordered[:-1].copy()
    data, order, planes = min(candidates, key=lambda candidate: len(candidate[0]))
    data = min(data, _deflated(planes, zlib.Z_DEFAULT_STRATEGY), key=len)
    return {
        "dtype": blob.dtype,
        "shape": list(blob.shape),
        "scale": blob.scale,
        "order": order,
        "data": base64.b64encode(data).decode("ascii"),
    }


def _planes(values: np.ndarray) -> bytes:
    bits = 8 * values.itemsize
    signed = values.astype(f"<i{values.itemsize}")
    # Small numbers of either sign become small numbers: their high bytes are zero.
    folded = ((signed << 1) ^ (signed >> (bits - 1))).astype(f"<u{values.itemsize}")
    return folded.reshape(-1, 1).view(np.uint8).T.tobytes()


def _deflated(data: bytes, strategy: int) -> bytes:
    stream = zlib.compressobj(6, zlib.DEFLATED, zlib.MAX_WBITS, 9, strategy)
    return stream.compress(data) + stream.flush()
