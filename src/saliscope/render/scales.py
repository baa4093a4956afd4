"""The steps between a signed map and its colours: sign, cut, limit.

All of it is double precision and written in the order in which the page computes it, because the
two must agree to the byte.
"""

import math
from collections.abc import Sequence
from typing import Literal

import numpy as np

from saliscope.errors import InputError

Sign = Literal["both", "positive", "negative", "absolute"]
Overlay = Literal["blend", "map", "multiply", "contour"]

QUANTILE = 0.995


def limit(maps: np.ndarray | Sequence[np.ndarray]) -> float:
    """Return the value at which the colours of all the maps on screen end.

    Parameters
    ----------
    maps : ndarray, or sequence of ndarray
        One map or several maps that share a scale, of any shapes.

    Returns
    -------
    float
        The 99.5 % quantile of the absolute values, an element of the maps: `a[ceil(0.995 n) - 1]` of
        the ascending `a`. If that is zero (a map with few non-zero pixels), the largest; if all is
        zero, 1. Always positive.

    Raises
    ------
    InputError
        If there is no value at all, or one that is not finite.
    """
    several = [maps] if isinstance(maps, np.ndarray) else maps
    flat = [np.abs(np.asarray(each, dtype=np.float64)).ravel() for each in several]
    values = np.concatenate(flat) if flat else np.empty(0)
    if values.size == 0 or not np.isfinite(values).all():
        got = "no values" if values.size == 0 else "values that are not finite"
        raise InputError("maps", got, "finite values")
    place = math.ceil(QUANTILE * values.size) - 1
    quantile = float(np.partition(values, place)[place])
    return quantile or float(values.max()) or 1.0


def clipped_share(values: np.ndarray, limit: float) -> float:
    """Return the share of pixels, 0 to 1, whose absolute value lies beyond the limit."""
    return float(np.count_nonzero(np.abs(values) > limit) / values.size)


def apply_sign(values: np.ndarray, sign: Sign, signed: bool = True) -> np.ndarray:
    """Keep what the reader asked to see.

    Parameters
    ----------
    values : ndarray
        The map.
    sign : {"both", "positive", "negative", "absolute"}
        Which values stay; the others become zero.
    signed : bool
        False for a map without a sign, such as the absolute gradient: there "both" is "absolute".

    Returns
    -------
    ndarray of float64, of the same shape

    Raises
    ------
    InputError
        If `sign` is none of the four.
    """
    v = np.asarray(values, dtype=np.float64)
    if sign == "positive":
        return np.maximum(v, 0.0)
    if sign == "negative":
        return np.minimum(v, 0.0)
    if sign == "absolute" or (sign == "both" and not signed):
        return np.abs(v)
    if sign == "both":
        return v
    raise InputError("sign", repr(sign), "'both', 'positive', 'negative' or 'absolute'")


def cut(values: np.ndarray, share: float) -> np.ndarray:
    """Set all but the strongest pixels to zero.

    Parameters
    ----------
    values : ndarray
        The map, after the sign was applied.
    share : float
        Share of the pixels that stay, in (0, 1]. With `k = ceil(share * n)`, what is weaker than the
        k-th strongest pixel goes; pixels tied with it all stay.

    Returns
    -------
    ndarray of float64, of the same shape

    Raises
    ------
    InputError
        If `share` is not in (0, 1].
    """
    if not 0 < share <= 1:
        raise InputError("threshold", repr(share), "a share of the pixels, above 0 and at most 1")
    v = np.asarray(values, dtype=np.float64)
    if share == 1:
        return v
    strength = np.abs(v)
    place = v.size - math.ceil(share * v.size)
    weakest = np.partition(strength, place, axis=None)[place]
    return np.where(strength < weakest, 0.0, v)
