"""Writes packed.json: arrays as an exported page carries them, beside the SHA-256 of what has to come out.

    python -m tests.wire.make_packed

The letters of "data" depend on the version of zlib; what they unpack to does not.
"""

import hashlib
import json
from pathlib import Path

import numpy as np

from saliscope.render.packing import packed
from saliscope.specs.blobs import Blob

PATH = Path(__file__).with_name("packed.json")


def blobs() -> dict[str, Blob]:
    """One for each way to be packed."""
    alpha = np.linspace(0, 1, 9)[:, None, None]
    places = np.linspace(-3, 3, 60).reshape(6, 10)
    every = np.arange(0x10000, dtype="<u2")  # all half floats there are, infinities and NaN included
    noise = np.random.SFC64(7).random_raw(300)
    return {
        "a smooth path": Blob.from_map(np.sin(places) * alpha**2 + places * alpha),
        "a path of lines": Blob.from_map(np.round(places) * alpha),
        "noise": Blob.from_map((noise % 2001).astype(np.float64).reshape(3, 10, 10) - 1000),
        "every half float": Blob("float16", (4, 128, 128), 0.5, every.tobytes()),
        "a map of zeros": Blob.from_map(np.zeros((4, 5))),
        "minus zero": Blob("float16", (1, 2), 1.0, b"\x00\x80\x00\x00"),
        "a picture": Blob.from_picture((np.arange(6 * 10 * 3).reshape(6, 10, 3) * 7 % 256).astype(np.uint8)),
        "places on a map": Blob.from_codes((noise % 0x10000).astype(np.uint16).reshape(150, 2)),
        "numbers of rows": Blob.from_ids(np.arange(40, dtype=np.uint32) * 7 + 65_500),
        "large numbers": Blob.from_ids((noise[:20] % 2**32).astype(np.uint32)),
        "a row": Blob.from_picture(np.array([0, 255, 1, 254, 128], np.uint8)),
    }


def main() -> None:
    cases = {
        name: packed(blob) | {"sha256": hashlib.sha256(blob.data).hexdigest()}
        for name, blob in blobs().items()
    }
    PATH.write_text(json.dumps(cases, indent=1) + "\n")


if __name__ == "__main__":
    main()
