"""One map laid over another: turned, mirrored, scaled and shifted, so that only real moves are left.

A map has no direction, no side and no unit. Two of them can be compared by eye, or animated, only after
what means nothing is taken out.
"""

from collections.abc import Sequence
from itertools import pairwise

import torch
from jaxtyping import Float
from torch import Tensor

from saliscope.core.device import as_like, exact
from saliscope.errors import ReductionError


def procrustes(moving: Float[Tensor, "n axes"], fixed: Float[Tensor, "m axes"]) -> Float[Tensor, "n axes"]:
    """Lay one map over another, point on point, as well as turning, mirroring, scaling and shifting allow.

    Least squares over rotations and reflections ``R``, scales ``s`` and shifts ``t``:
    ``min ||s * moving @ R + t - fixed||``. With ``moving' @ fixed = U S V'`` (both centred), ``R = U V'``
    and ``s = sum(S) / ||moving||^2`` (Schönemann and Carroll, Psychometrika 35, 1970).

    Parameters
    ----------
    moving, fixed : Tensor of shape (n, axes)
        Rows belong together.

    Returns
    -------
    Tensor of shape (n, axes)
        `moving` in the frame of `fixed`, in its own dtype and on its own device. Where all points of
        `moving` lie on one spot there is nothing to turn or to scale: they come to the centre of `fixed`.

    Raises
    ------
    ReductionError
        If the maps have different shapes.
    """
    _check(moving, fixed)
    centre = exact(fixed).mean(0)
    source, goal = exact(moving), exact(fixed) - centre
    source = source - source.mean(0)
    rotation, overlap = _rotation(source, goal)
    size = source.square().sum()
    scale = overlap / size if size > 0 else 0.0
    return as_like(source @ rotation * scale + centre, moving)


def disparity(a: Float[Tensor, "n axes"], b: Float[Tensor, "m axes"]) -> float:
    """How unlike two maps are after the best alignment: 0 for the same shape, at most 1.

    The share of the squared size of one map that the other one does not explain,
    ``1 - (sum S)^2 / (||a||^2 ||b||^2)``, as in `scipy.spatial.procrustes`. It does not matter which map is
    moved. Two maps that are both one spot are alike; a spot and a map have nothing in common.

    Parameters
    ----------
    a, b : Tensor of shape (n, axes)
        Rows belong together.

    Raises
    ------
    ReductionError
        If the maps have different shapes.
    """
    _check(a, b)
    a, b = exact(a), exact(b)
    a, b = a - a.mean(0), b - b.mean(0)
    sizes = a.square().sum() * b.square().sum()
    if sizes == 0:
        return float(bool(a.any() or b.any()))
    return max(0.0, 1 - float(_rotation(a, b)[1].square() / sizes))


def displacement(maps: Sequence[Float[Tensor, "n axes"]]) -> Float[Tensor, "steps n"]:
    """How far every point moves from each map to the next, in radii of the first of the two.

    Parameters
    ----------
    maps : sequence of m Tensors of shape (n, axes)
        Aligned maps. The radius is the root mean square distance from a map's centre.

    Returns
    -------
    Tensor of shape (m - 1, n), float32
    """
    moves = [
        (after - before).float().norm(dim=1) / radius(before).clamp_min(1e-12)
        for before, after in pairwise(maps)
    ]
    return torch.stack(moves) if moves else maps[0].new_zeros(0, len(maps[0]))


def radius(coordinates: Float[Tensor, "n axes"]) -> Float[Tensor, ""]:
    """Root mean square distance of the points from their centre."""
    return (coordinates - coordinates.mean(0)).square().sum(1).mean().sqrt()


def _rotation(source: Tensor, goal: Tensor) -> tuple[Tensor, Tensor]:
    """The best turn or reflection of centred points, and the overlap (sum of singular values) it reaches."""
    left, values, right = torch.linalg.svd(source.T @ goal)
    return left @ right, values.sum()


def _check(moving: Tensor, fixed: Tensor) -> None:
    if moving.shape != fixed.shape:
        raise ReductionError(
            "moving",
            f"a map of shape {tuple(moving.shape)}",
            f"the shape of the other map, {tuple(fixed.shape)}",
            "Rows of both maps must be the same points, in the same order.",
        )
