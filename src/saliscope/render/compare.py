"""Maps made of other maps, and how alike two maps are; `js/render/compare.ts` has the same arithmetic."""

from collections.abc import Sequence

import numpy as np

from saliscope.errors import InputError, NotDefinedError


def difference(a: np.ndarray, b: np.ndarray, units: tuple[str, str] = ("score", "score")) -> np.ndarray:
    """Return ``a - b``, pixel by pixel.

    Parameters
    ----------
    a, b : ndarray, shape (height, width)
        Two maps.
    units : (str, str)
        What they are measured in.

    Raises
    ------
    InputError
        If they differ in size.
    NotDefinedError
        If they differ in unit.
    """
    check_alike([a, b], units)
    return np.asarray(a, dtype=np.float64) - np.asarray(b, dtype=np.float64)


def average(maps: Sequence[np.ndarray], units: Sequence[str] = ()) -> np.ndarray:
    """Return the mean of maps, added up in their order.

    Parameters
    ----------
    maps : sequence of ndarray, each of shape (height, width)
        At least one.
    units : sequence of str
        What they are measured in; not checked where left out.

    Raises
    ------
    InputError
        If there is none, or they differ in size.
    NotDefinedError
        If they differ in unit.
    """
    check_alike(maps, units)
    total = np.asarray(maps[0], dtype=np.float64)
    for each in maps[1:]:
        total = total + each
    return total / len(maps)


def check_alike(maps: Sequence[np.ndarray], units: Sequence[str]) -> None:
    """Raise if maps of these shapes and units cannot be put together."""
    if not len(maps):
        raise InputError("maps", "none", "at least one map")
    for other in maps[1:]:
        if other.shape != maps[0].shape:
            first, second = (f"{m.shape[-1]} × {m.shape[0]}" for m in (maps[0], other))
            raise InputError("maps", f"sizes {first} and {second}", "maps of one size")
    for unit in units[1:]:
        if unit != units[0]:
            got = f"units {units[0]!r} and {unit!r}"
            raise NotDefinedError("maps", got, "maps of one unit", "Values of different units do not add up.")


def rank_correlation(a: np.ndarray, b: np.ndarray) -> float | None:
    """Return Spearman's rank correlation of two maps, ties sharing their mean rank.

    Parameters
    ----------
    a, b : ndarray
        Of the same shape.

    Returns
    -------
    float or None
        -1 to 1; None where a map is constant, and has no order.

    Raises
    ------
    InputError
        If they differ in shape.
    """
    if a.shape != b.shape:
        raise InputError("maps", f"shapes {a.shape} and {b.shape}", "maps of one size")
    first, second = _ranks(a), _ranks(b)
    one, two = float(first @ first), float(second @ second)
    return float(first @ second) / float(np.sqrt(one * two)) if one > 0 and two > 0 else None


def _ranks(values: np.ndarray) -> np.ndarray:
    """Twice the distance of every rank from the middle one: whole numbers, so that sums are exact."""
    _, where, counts = np.unique(values, return_inverse=True, return_counts=True)
    ends = np.cumsum(counts)
    doubled = 2 * ends - counts - values.size
    return doubled[where.ravel()].astype(np.float64)
