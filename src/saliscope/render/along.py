"""What a panel shows at alpha, and its own automatic limit; in the order of `js/render/path.ts`."""

import math
from collections.abc import Sequence

import numpy as np

from saliscope.render import scales
from saliscope.render.overlay import between
from saliscope.render.smoothing import smooth
from saliscope.specs.view import Shown, View

_LOOKED_AT = 8
"""At most so many gradients, spread over the path, make the automatic limit of all of them."""


def shows_gradient(shown: Shown, view: View) -> bool:
    """Whether it is the gradient that is shown, and not the sum of attributions."""
    return view.along == "gradient" and shown.gradients is not None and shown.result.path is not None


def unit_of(shown: Shown, view: View) -> str:
    """Return the unit of what is shown."""
    unit = shown.result.unit
    return f"{unit or 'score'} per unit of input" if shows_gradient(shown, view) else unit


def values_at(shown: Shown, view: View) -> np.ndarray:
    """Return the values at alpha, before smoothing, sign and threshold: float64 of shape (height, width)."""
    path = shown.result.path
    if path is not None and shown.gradients is not None and view.along == "gradient":
        return gradient_at(shown.gradients, path.alphas, view.alpha)
    if path is not None and shown.stack is not None and view.alpha < 1:
        return cumulative_at(shown.stack, path.alphas, view.alpha, shown.values)
    return shown.values


def picture_at(shown: Shown, alpha: float) -> np.ndarray:
    """Return the picture at alpha, mixed of the two ends of the path or of its two nearest pictures."""
    path = shown.result.path
    if path is None or shown.baseline is None or alpha >= 1:
        return shown.picture
    if shown.pictures is None:
        return between(shown.baseline, shown.picture, alpha)
    before, after, t = _neighbours(path.alphas, alpha)
    return between(shown.pictures[before], shown.pictures[after], t)


def cumulative_at(stack: np.ndarray, alphas: Sequence[float], alpha: float, whole: np.ndarray) -> np.ndarray:
    """Return the attribution accumulated from 0 to alpha, linear between the kept points.

    Parameters
    ----------
    stack : ndarray, shape (k, height, width)
        Cumulative maps at `alphas`.
    alphas : sequence of float
        Ascending.
    alpha : float
        0 to 1.
    whole : ndarray, shape (height, width)
        The sum at alpha = 1; at 0 it is zero.
    """
    if alpha >= 1:
        return whole
    before = _last_at_most(alphas, alpha)
    last = before == len(alphas) - 1
    low, high = 0.0 if before < 0 else alphas[before], 1.0 if last else alphas[before + 1]
    t = (alpha - low) / (high - low) if high > low else 0.0
    end = (whole if last else stack[before + 1]) * t
    return end if before < 0 else stack[before] * (1 - t) + end


def gradient_at(gradients: np.ndarray, alphas: Sequence[float], alpha: float) -> np.ndarray:
    """Return the gradient at alpha, linear between the kept points; beyond the outer ones, their own."""
    before, after, t = _neighbours(alphas, alpha)
    return gradients[before] * (1 - t) + gradients[after] * t


def own_limit(shown: Shown, view: View) -> float:
    """Return the automatic limit of one panel.

    It does not depend on alpha, so that colours stay while it moves. Smoothing levels peaks, so a smoothed
    map has a limit of its own. That of a map that is zero is 0: it must not set the limit of others.
    """
    if shown.gradients is not None and shows_gradient(shown, view):
        places = looked_at(len(shown.gradients))
        return limit_of([smooth(shown.gradients[k], view.smoothing) for k in places])
    if view.smoothing > 0 or not shown.values.any():
        return limit_of([smooth(shown.values, view.smoothing)])
    return shown.result.limit


def limit_of(maps: Sequence[np.ndarray]) -> float:
    """Return the automatic limit of maps, 0 if all of them are zero."""
    return scales.limit(maps) if any(each.any() for each in maps) else 0.0


def looked_at(n: int) -> list[int]:
    """Return which of the `n` maps of a path make its automatic limit."""
    if n <= _LOOKED_AT:
        return list(range(n))
    return [math.floor(i * (n - 1) / (_LOOKED_AT - 1) + 0.5) for i in range(_LOOKED_AT)]


def _neighbours(alphas: Sequence[float], alpha: float) -> tuple[int, int, float]:
    """Return the points around alpha, and how far it is from the first to the second."""
    before = max(0, _last_at_most(alphas, alpha))
    after = min(before + 1, len(alphas) - 1)
    span = alphas[after] - alphas[before]
    return before, after, max(0.0, (alpha - alphas[before]) / span) if span > 0 else 0.0


def _last_at_most(alphas: Sequence[float], alpha: float) -> int:
    return int(np.searchsorted(np.asarray(alphas), alpha, side="right")) - 1
