"""The map over its picture, to the byte as the page draws it (`js/render/recolour.ts`)."""

import math
from dataclasses import dataclass
from typing import Any, get_args

import numpy as np

from saliscope.errors import InputError
from saliscope.render import colormaps, scales
from saliscope.render.scales import Overlay, Sign

LEVELS = (0.25, 0.5, 0.75)
"""Shares of the limit at which contours are drawn, on either side of zero."""


def compose(
    picture: np.ndarray,
    values: np.ndarray,
    limit: float,
    lut: np.ndarray,
    opacity: float = 0.85,
    threshold: float = 1.0,
    sign: Sign = "both",
    overlay: Overlay = "blend",
    signed: bool = True,
) -> np.ndarray:
    """Colour a map and lay it over its picture, to the byte as the page does.

    Parameters
    ----------
    picture : ndarray of uint8, shape (height, width, 3)
        What the model was fed.
    values : ndarray, shape (height, width)
        The map.
    limit : float
        Value at which the colours end, above zero; see `scales.limit`.
    lut : ndarray of uint8, shape (257, 3)
        See `colormaps.lut`.
    opacity : float
        0 to 1.
    threshold : float
        Share of the pixels that are shown, in (0, 1].
    sign : {"both", "positive", "negative", "absolute"}
        Which values are shown.
    overlay : {"blend", "map", "multiply", "contour"}
        "blend" lays the map over the grey picture, zero being transparent; "map" shows the colours
        over the plain neutral; "multiply" darkens the picture where the map is weak; "contour" leaves the
        picture as it is, see `contours` for the lines.
    signed : bool
        False for a map without a sign.

    Returns
    -------
    ndarray of uint8, shape (height, width, 3)

    Raises
    ------
    InputError
        If the map does not fit the picture, the limit is not positive or an option is unknown.
    """
    _check(picture, values, limit, overlay)
    shown = scales.cut(scales.apply_sign(values, sign, signed), threshold)
    return coloured(picture, shown, limit, lut, opacity, overlay)


def coloured(
    picture: np.ndarray, shown: np.ndarray, limit: float, lut: np.ndarray, opacity: float, overlay: Overlay
) -> np.ndarray:
    """Return the overlay of a map whose sign and threshold are applied already; else as `compose`."""
    if overlay == "contour":
        return picture.copy()
    t = np.clip(shown / limit, -1.0, 1.0)
    if overlay == "multiply":
        weight = (1 - opacity) + opacity * np.abs(t)
        return np.floor(picture.astype(np.float64) * weight[..., None] + 0.5).astype(np.uint8)
    colour = lut[np.floor((t + 1) * colormaps.ZERO + 0.5).astype(np.intp)].astype(np.float64)
    if overlay == "map":
        ground = np.broadcast_to(lut[colormaps.ZERO].astype(np.float64), colour.shape)
        weight = np.full(t.shape, opacity, dtype=np.float64)
    else:
        red, green, blue = np.moveaxis(picture.astype(np.int64), -1, 0)
        ground = ((77 * red + 150 * green + 29 * blue + 128) >> 8).astype(np.float64)[..., None]
        weight = opacity * np.abs(t)
    return np.floor(ground + (colour - ground) * weight[..., None] + 0.5).astype(np.uint8)


def between(baseline: np.ndarray, picture: np.ndarray, alpha: float) -> np.ndarray:
    """Return the picture at `alpha` on the way from the baseline to the input, to the byte as the page does.

    Parameters
    ----------
    baseline, picture : ndarray of uint8, shape (height, width, 3)
        The two ends.
    alpha : float
        0 is the baseline, 1 the picture.

    Returns
    -------
    ndarray of uint8, shape (height, width, 3)
    """
    start = baseline.astype(np.float64)
    return np.floor(start + (picture.astype(np.float64) - start) * alpha + 0.5).astype(np.uint8)


@dataclass(frozen=True)
class Contour:
    """Lines of equal value.

    Attributes
    ----------
    level : float
        Share of the limit: below zero on the negative side.
    points : ndarray, shape (n, 2)
        Points (x, y) of all lines in pixel coordinates: the picture is from (0, 0) to (width, height).
    offsets : ndarray of int
        Where each line begins, and the end of the last.
    """

    level: float
    points: np.ndarray
    offsets: np.ndarray

    @property
    def lines(self) -> list[np.ndarray]:
        """The lines, each of shape (n, 2)."""
        return np.split(self.points, self.offsets[1:-1]) if len(self.offsets) > 1 else []

    def larger_than(self, size: float) -> list[np.ndarray]:
        """Return the lines that are longer than so many pixels across or down.

        A noisy map has a speck for every other pixel; what is smaller than a pen is wide is no line.
        """
        if len(self.offsets) < 2:
            return []
        starts = self.offsets[:-1]
        extent = np.maximum.reduceat(self.points, starts) - np.minimum.reduceat(self.points, starts)
        large = np.flatnonzero(extent.max(axis=1) > size)
        return [self.points[self.offsets[i] : self.offsets[i + 1]] for i in large]

    def moved(self, x: float, y: float) -> "Contour":
        """Return the same lines in a window whose corner is at (x, y)."""
        return Contour(self.level, self.points - (x, y), self.offsets)


def contours(shown: np.ndarray, limit: float) -> list[Contour]:
    """Return the lines at 25, 50 and 75 % of the limit, for both signs.

    Each sign has lines of its own: between +1 and -1 the size |a| would never pass zero.

    Parameters
    ----------
    shown : ndarray, shape (height, width)
        The map after smoothing, sign and threshold; the value of a pixel stands at its centre.
    limit : float
        Value at which the colours end.

    Returns
    -------
    list of Contour
        In ascending order; the negative side only where there is one.
    """
    from contourpy import contour_generator

    # From the outermost centres the lines go straight on to the border.
    x, y = (np.r_[0.0, np.arange(size) + 0.5, size] for size in shown.shape[::-1])
    generator = contour_generator(x, y, np.pad(shown, 1, mode="edge"), line_type="ChunkCombinedOffset")
    sides = (-1, 1) if (shown < 0).any() else (1,)
    levels = sorted(side * level for side in sides for level in LEVELS)
    return [_contour(level, *generator.lines(level * limit)) for level in levels]


def _contour(level: float, points: Any, offsets: Any) -> Contour:
    """One level, from the one chunk that contourpy returns, which is None without lines."""
    if points[0] is None:
        return Contour(level, np.empty((0, 2)), np.zeros(1, int))
    return Contour(level, points[0], offsets[0].astype(int))


def _check(picture: np.ndarray, values: np.ndarray, limit: float, overlay: str) -> None:
    if picture.dtype != np.uint8 or picture.ndim != 3 or picture.shape[2] != 3:
        got = f"{picture.dtype} of shape {picture.shape}"
        raise InputError("picture", got, "uint8 of shape (height, width, 3)")
    if values.shape != picture.shape[:2]:
        expected = f"the height and width of the picture, {picture.shape[:2]}"
        raise InputError("values", f"shape {values.shape}", expected)
    if not (limit > 0 and math.isfinite(limit)):
        raise InputError("limit", repr(limit), "a finite number above zero")
    if overlay not in get_args(Overlay):
        raise InputError("overlay", repr(overlay), ", ".join(map(repr, get_args(Overlay))))
