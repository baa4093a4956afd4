"""Gaussian smoothing in double precision, to the last bit as in `js/render/smooth.ts`."""

import math

import numpy as np

from saliscope.errors import InputError

MOST = 20.0
"""Largest sigma: beyond it little more than the picture's mean is left."""

_TERMS = 20  # of the series below: 0.66 ** 20 / 20! is beyond double precision
_HALVINGS = 10


def smooth(values: np.ndarray, sigma: float) -> np.ndarray:
    """Smooth a map with a Gaussian, first along its rows, then along its columns.

    Parameters
    ----------
    values : ndarray, shape (height, width)
        The map.
    sigma : float
        Standard deviation in pixels, 0 to 20; 0 leaves the map as it is. The kernel ends at ``ceil(3 sigma)``
        pixels and its weights sum to 1; beyond its border the picture is mirrored, edge pixels repeated.

    Returns
    -------
    ndarray of float64, shape (height, width)

    Raises
    ------
    InputError
        If sigma is out of range.
    """
    if not 0 <= sigma <= MOST:
        raise InputError("smoothing", repr(sigma), f"a sigma of 0 to {MOST:g} pixels")
    exact = np.asarray(values, dtype=np.float64)
    if sigma == 0:
        return exact
    weights = kernel(sigma)
    # The transpose is copied, so that neighbours lie side by side in memory both times.
    return _along_last(np.ascontiguousarray(_along_last(exact, weights).T), weights).T


def kernel(sigma: float) -> list[float]:
    """Return the weights of the centre and of the neighbours at 1, 2, ... ceil(3 sigma) pixels."""
    weights = [decay(k * k / (2 * sigma * sigma)) for k in range(math.ceil(3 * sigma) + 1)]
    total = 0.0
    for k, weight in enumerate(weights):
        total += 2 * weight if k else weight
    return [weight / total for weight in weights]


def decay(x: float) -> float:
    """Return exp(-x) for x >= 0 by sums and products alone.

    Python's `math.exp` and JavaScript's may differ in the last bit.
    """
    if x > 675:
        return 0.0
    part = x / 2**_HALVINGS
    total = 1.0
    for n in range(_TERMS, 0, -1):
        total = 1 - part * total / n
    for _ in range(_HALVINGS):
        total *= total
    return total


def _along_last(values: np.ndarray, weights: list[float]) -> np.ndarray:
    size, radius = values.shape[1], len(weights) - 1
    place = np.arange(-radius, size + radius) % (2 * size)
    padded = values[:, np.where(place < size, place, 2 * size - 1 - place)]
    out = weights[0] * values
    for k in range(1, radius + 1):
        before, after = (padded[:, start : start + size] for start in (radius - k, radius + k))
        out += weights[k] * (before + after)
    return out
