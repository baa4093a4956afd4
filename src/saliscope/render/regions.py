"""What a region holds, and its border."""

from dataclasses import dataclass

import numpy as np

from saliscope.errors import InputError
from saliscope.specs.saliency import Completeness


@dataclass(frozen=True)
class RegionStats:
    """Numbers of a region.

    Attributes
    ----------
    sum : float
        Sum of the attributions inside.
    of_change : float or None
        The sum as a share of the change in score; None where that has no meaning.
    of_total : float or None
        Share of the sum of |a|; None for a map that is zero.
    area : float
        Share of the pixels.
    density : float or None
        `of_total` per area: 1 is the average of the picture.
    """

    sum: float
    of_change: float | None
    of_total: float | None
    area: float
    density: float | None


def region_stats(
    values: np.ndarray, mask: np.ndarray, completeness: Completeness | None = None
) -> RegionStats:
    """Sum up a part of a map.

    Parameters
    ----------
    values : ndarray, shape (height, width)
        The attributions, before smoothing, sign and threshold.
    mask : ndarray of bool, shape (height, width)
        See `Region.mask`.
    completeness : Completeness, optional
        That of the result; not given where the values are no part of a change in score, as a gradient's or
        a difference's.

    Raises
    ------
    InputError
        If mask and values differ in shape.
    """
    if mask.shape != values.shape:
        raise InputError("mask", f"shape {mask.shape}", f"the shape of the values, {values.shape}")
    inside = np.asarray(values, dtype=np.float64)[mask]
    total = float(np.abs(values).sum(dtype=np.float64))
    area = len(inside) / mask.size
    of_total = float(np.abs(inside).sum()) / total if total > 0 else None
    amount = float(inside.sum())
    # A change too small to be divided by has no share of its own either.
    known = completeness is not None and completeness.share is not None
    return RegionStats(
        sum=amount,
        of_change=amount / completeness.change if known else None,  # type: ignore[union-attr]
        of_total=of_total,
        area=area,
        density=of_total / area if of_total is not None and area > 0 else None,
    )


def outline(mask: np.ndarray) -> list[tuple[int, int, int, int]]:
    """Return the border of a mask as lines (x0, y0, x1, y1) in pixel coordinates, runs joined."""
    padded = np.pad(mask, 1).astype(np.int8)
    across = [(x0, y, x1, y) for y, x0, x1 in _runs(padded[1:, 1:-1] != padded[:-1, 1:-1])]
    down = [(x, y0, x, y1) for x, y0, y1 in _runs((padded[1:-1, 1:] != padded[1:-1, :-1]).T)]
    return across + down


def _runs(edges: np.ndarray) -> list[tuple[int, int, int]]:
    """Row, start and end of every run of True in the rows."""
    steps = np.diff(np.pad(edges, ((0, 0), (1, 1))).astype(np.int8), axis=1)
    starts, ends = np.argwhere(steps == 1), np.argwhere(steps == -1)
    return [(int(row), int(x0), int(x1)) for (row, x0), (_, x1) in zip(starts, ends, strict=True)]
