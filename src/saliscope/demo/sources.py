"""The real material of the demo pictures: what scikit-learn ships, and nothing downloaded.

Handwriting: the 1797 digits of ``load_digits`` (8x8 grey; UCI "Optical Recognition of Handwritten
Digits", Alpaydin and Kaynak 1998). Photographs: ``china.jpg`` and ``flower.jpg`` of
``load_sample_images`` (CC BY, see scikit-learn's own README for them).

scikit-learn is imported when a picture is asked for, never when this module is imported.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from saliscope.errors import InputError

if TYPE_CHECKING:
    from numpy.typing import NDArray

PHOTOGRAPHS = ("china", "flower")
N_CLASSES = 10
SPLITS = ("all", "train", "held_out")


def photo(name: str = "flower") -> Image.Image:
    """Open one of scikit-learn's two photographs, whole.

    Parameters
    ----------
    name : {"flower", "china"}

    Returns
    -------
    PIL.Image.Image
        RGB, 640 wide and 427 high; a fresh copy.

    Raises
    ------
    InputError
        If there is no photograph of that name.
    """
    if name not in PHOTOGRAPHS:
        raise InputError("name", repr(name), f"one of {', '.join(map(repr, PHOTOGRAPHS))}")
    return Image.fromarray(_photograph_arrays()[PHOTOGRAPHS.index(name)])


@cache
def digits() -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Load the handwritten digits: ink in [0, 1] of shape (1797, 8, 8), and labels (1797,)."""
    from sklearn.datasets import load_digits

    grey, labels = load_digits(return_X_y=True)
    ink = (grey / 16).astype(np.float32).reshape(-1, 8, 8)
    labels = labels.astype(np.int64)
    ink.flags.writeable = labels.flags.writeable = False  # cached, so shared by all callers
    return ink, labels


@cache
def digit_pool(split: str) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """List the digits of each class that belong to a split.

    Every fifth run of ten in file order is held out: ``index // 10 % 5 == 4``, 357 of 1797. Runs of
    ten, because the file often counts 0, 1, ..., 9, so that every fifth digit alone would hold out
    mostly two classes. The writers of the two parts overlap; the digits do not.

    Parameters
    ----------
    split : {"all", "train", "held_out"}

    Returns
    -------
    pool : ndarray of shape (10, largest class)
        Indices into `digits`, row c for class c, padded with -1.
    counts : ndarray of shape (10,)
        How many of each row are real.
    """
    if split not in SPLITS:
        raise InputError("digits", repr(split), f"one of {', '.join(map(repr, SPLITS))}")
    labels = digits()[1]
    index = np.arange(len(labels))
    held_out = index // 10 % 5 == 4
    chosen = {"all": index >= 0, "train": ~held_out, "held_out": held_out}[split]
    rows = [index[chosen & (labels == c)] for c in range(N_CLASSES)]
    counts = np.array([len(row) for row in rows])
    pool = np.full((N_CLASSES, counts.max()), -1)
    for row, members in zip(pool, rows, strict=True):
        row[: len(members)] = members
    return pool, counts


@cache
def scaled_photograph(index: int, crop_size: int, size: int) -> NDArray[np.uint8]:
    """Scale photograph `index` so that `crop_size` of its pixels become `size`: (height, width, 3)."""
    image = Image.fromarray(_photograph_arrays()[index])
    scale = size / crop_size
    shape = round(image.width * scale), round(image.height * scale)
    return np.asarray(image.resize(shape, Image.Resampling.LANCZOS))


@cache
def _photograph_arrays() -> tuple[NDArray[np.uint8], ...]:
    from sklearn.datasets import load_sample_images

    bunch = load_sample_images()
    by_name = {str(path).replace("\\", "/").rsplit("/", 1)[-1]: i for i, path in enumerate(bunch.filenames)}
    return tuple(np.asarray(bunch.images[by_name[f"{name}.jpg"]]) for name in PHOTOGRAPHS)
