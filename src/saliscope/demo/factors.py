"""What a scene is before it is drawn: its generative factors, and how they are drawn at random.

Every factor has a random stream of its own, derived from the seed and the factor's name. So the
first 10 of 1000 scenes are the 10 scenes of that seed, and asking for a watermark or for held-out
digits changes nothing else about a scene.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any
from zlib import crc32

import numpy as np

from saliscope.errors import InputError

from .sources import N_CLASSES, PHOTOGRAPHS, digit_pool, digits

if TYPE_CHECKING:
    from numpy.typing import NDArray

CORNERS = ("top left", "top right", "bottom left", "bottom right")
CROP_SIZES = (112, 160, 224, 320)
"""Sides of the crops in pixels of the 640 x 427 photograph: from a detail to most of the picture."""
DIGIT_SIZES = (0.48, 0.68)
"""Sides of the 8x8 grid of a digit, as shares of the picture; its ink fills 9/10 x 6/10 of it."""
WATERMARK_SIZE, WATERMARK_MARGIN = 0.20, 0.03
"""Side of the watermark and its distance from the border, as shares of the picture."""


@dataclass(frozen=True)
class Factors:
    """The generative factors of n scenes; every field is an array of length n.

    Pixel positions are (row, column), in pixels of the picture, with 0 at its upper left corner and
    pixel centres at .5.

    Attributes
    ----------
    digit_index : int64 (n,)
        Which digit of ``sklearn.datasets.load_digits`` it is.
    digit_size : float64 (n,)
        Side in pixels of the square into which the 8x8 digit is scaled.
    digit_center : float64 (n, 2)
        Centre of that square.
    digit_colour : uint8 (n, 3)
        RGB of the ink. Its hue is random; it is light on a dark photograph and dark on a light one.
    photograph : int64 (n,)
        Index into ``saliscope.demo.sources.PHOTOGRAPHS``.
    crop_size : int64 (n,)
        Side of the crop in pixels of the photograph.
    crop_position : float64 (n, 2)
        Where the crop lies, (down, across): 0 is the first place that is possible, 1 the last.
    flip : bool (n,)
        Whether the crop is mirrored left to right.
    contrast : float64 (n,)
        Factor on the photograph's distance from middle grey.
    exposure : float64 (n,)
        Then the photograph is mixed with black (below 0) or white (above 0), by this share: just
        enough for the digit to be legible (see `saliscope.demo.drawing.settle_contrast`).
    watermark : bool (n,)
        Whether the mark is there.
    corner : int64 (n,)
        Index into `CORNERS`: where the mark is, or would be. Only corners free of the digit are used.
    """

    digit_index: NDArray[np.int64]
    digit_size: NDArray[np.float64]
    digit_center: NDArray[np.float64]
    digit_colour: NDArray[np.uint8]
    photograph: NDArray[np.int64]
    crop_size: NDArray[np.int64]
    crop_position: NDArray[np.float64]
    flip: NDArray[np.bool_]
    contrast: NDArray[np.float64]
    exposure: NDArray[np.float64]
    watermark: NDArray[np.bool_]
    corner: NDArray[np.int64]

    @property
    def label(self) -> NDArray[np.int64]:
        """The class of the digit, 0 to 9: int64 (n,)."""
        return digits()[1][self.digit_index]

    def __len__(self) -> int:
        return len(self.digit_index)

    def __getitem__(self, rows: Any) -> Factors:
        """Take the factors of some scenes; `rows` is a slice, a mask or an index array."""
        return Factors(**{field.name: getattr(self, field.name)[rows] for field in fields(self)})


def sample(
    n: int, seed: int, size: int, split: str, rate: NDArray[np.float64]
) -> tuple[Factors, NDArray[np.float64], NDArray[np.float64]]:
    """Draw n scenes at random.

    Parameters
    ----------
    n, seed, size, split
        As in `saliscope.demo.scenes`.
    rate : ndarray of shape (10,)
        Probability of the watermark for each class.

    Returns
    -------
    factors : Factors
        With ink colour and exposure still zero: they depend on the photograph under the digit.
    hue, brightness : ndarray of shape (n,)
        Uniform in [0, 1), from which the ink colour is made.
    """

    def uniform(name: str, *shape: int) -> NDArray[np.float64]:
        return np.random.default_rng([seed, crc32(name.encode())]).random((n, *shape))

    label = _pick(uniform("label"), N_CLASSES)
    pool, counts = digit_pool(split)
    digit_size = size * _between(uniform("digit_size"), *DIGIT_SIZES)
    reach = 0.5 * digit_size[:, None] + 0.02 * size
    digit_center = reach + uniform("digit_center", 2) * (size - 2 * reach)
    factors = Factors(
        digit_index=pool[label, _pick(uniform("digit_index"), counts[label])],
        digit_size=digit_size,
        digit_center=digit_center,
        digit_colour=np.zeros((n, 3), np.uint8),
        photograph=_pick(uniform("photograph"), len(PHOTOGRAPHS)),
        crop_size=np.array(CROP_SIZES)[_pick(uniform("crop_size"), len(CROP_SIZES))],
        crop_position=uniform("crop_position", 2),
        flip=uniform("flip") < 0.5,
        contrast=_between(uniform("contrast"), 0.85, 1.0),
        exposure=np.zeros(n),
        watermark=uniform("watermark") < rate[label],
        corner=_free_corner(uniform("corner"), digit_center, digit_size, size),
    )
    return factors, uniform("hue"), uniform("brightness")


def _pick(u: NDArray[np.float64], count: int | NDArray[np.int64]) -> NDArray[np.int64]:
    return (u * count).astype(np.int64)


def _between(u: NDArray[np.float64], low: float, high: float) -> NDArray[np.float64]:
    return low + (high - low) * u


def _free_corner(
    u: NDArray[np.float64], center: NDArray[np.float64], digit_size: NDArray[np.float64], size: int
) -> NDArray[np.int64]:
    """Pick a corner where the watermark does not touch the digit's ink (in 1 of 2000, by a few pixels)."""
    reserved = size * (WATERMARK_SIZE + WATERMARK_MARGIN)
    half = digit_size[:, None] * [0.5, 0.4]  # the outer columns of the 8x8 grid are almost always empty
    near = center - half < reserved  # (n, 2): reaches into the upper, the left band
    far = center + half > size - reserved
    taken = np.stack([a[:, 0] & b[:, 1] for a in (near, far) for b in (near, far)], axis=1)  # (n, 4)
    free = ~taken | taken.all(1, keepdims=True)
    wanted = _pick(u, free.sum(1))
    return np.argmax(free & (free.cumsum(1) - 1 == wanted[:, None]), axis=1)


def checked(factors: Factors, changes: dict[str, Any], size: int) -> dict[str, NDArray[Any]]:
    """Turn replacements for some factors into arrays of the right shape and type.

    Raises
    ------
    InputError
        For an unknown factor, a wrong shape, or a value outside the factor's range.
    """
    limits = _limits(size)
    arrays = {}
    for name, value in changes.items():
        if name not in limits:
            near = get_close_matches(name, limits, 1)
            raise InputError(
                name,
                "no factor of that name",
                f"one of {', '.join(limits)}",
                f"Did you mean `{near[0]}`?" if near else "",
            )
        arrays[name] = _conformed(name, value, getattr(factors, name), *limits[name])
    return arrays


def _conformed(name: str, value: Any, like: NDArray[Any], low: float, high: float) -> NDArray[Any]:
    try:
        array = np.broadcast_to(np.asarray(value), like.shape)
    except ValueError:
        shape = np.shape(value)
        raise InputError(name, f"shape {shape}", f"one value, or shape {like.shape}") from None
    kind = "numbers" if like.dtype.kind == "f" else "whole numbers"
    expected = f"{kind} from {low} to {high}"
    if array.dtype.kind not in "biuf":
        raise InputError(name, f"values of type {array.dtype}", expected)
    wrong = ~((array >= low) & (array <= high))  # also true for NaN
    if like.dtype.kind != "f":
        wrong |= array != np.floor(array)
    if wrong.any():
        raise InputError(name, f"{array[wrong][0]}", expected)
    return array.astype(like.dtype)


def _limits(size: int) -> dict[str, tuple[float, float]]:
    """Give the smallest and largest value of every factor, for pictures `size` pixels wide."""
    return {
        "digit_index": (0, len(digits()[0]) - 1),
        "digit_size": (1, 2 * size),
        "digit_center": (0, size),
        "digit_colour": (0, 255),
        "photograph": (0, len(PHOTOGRAPHS) - 1),
        "crop_size": (64, 427),  # the photographs are 427 pixels high
        "crop_position": (0, 1),
        "flip": (0, 1),
        "contrast": (0, 1),
        "exposure": (-1, 1),
        "watermark": (0, 1),
        "corner": (0, len(CORNERS) - 1),
    }
