"""How alike two maps of one picture are: rank correlation, structural similarity, common top pixels.

All take batches of maps (n, height, width), compare them pair by pair and give one number for each pair, in
float64; NaN where it is not defined. None depends on the scale of a map.
"""

from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from saliscope.core.device import exact
from saliscope.errors import InputError, MethodError

WINDOW = 7
"""Side of the window of `ssim`, in pixels."""


@dataclass(frozen=True)
class Similarity:
    """How alike the maps of each pair are.

    Attributes
    ----------
    signed, absolute : Tensor of shape (n,)
        Rank correlation of the values, and of their magnitudes; see `spearman`.
    ssim : Tensor of shape (n,)
        Structural similarity of the values; see `ssim`.
    ssim_absolute : Tensor of shape (n,)
        Of their magnitudes.
    top : Tensor of shape (n,)
        Share of the highest pixels that both have; see `top_overlap`.
    """

    signed: Float[Tensor, " n"]
    absolute: Float[Tensor, " n"]
    ssim: Float[Tensor, " n"]
    ssim_absolute: Float[Tensor, " n"]
    top: Float[Tensor, " n"]


def similarity(
    a: Float[Tensor, "n height width"], b: Float[Tensor, "n height width"], top: float = 0.05
) -> Similarity:
    """Every measure of this file, of the same pairs.

    Parameters
    ----------
    a, b : Tensor of shape (n, height, width)
        Two maps of each picture.
    top : float
        Share of the pixels that are the highest.
    """
    return Similarity(
        spearman(a, b), spearman(a.abs(), b.abs()), ssim(a, b), ssim(a.abs(), b.abs()), top_overlap(a, b, top)
    )


def spearman(a: Float[Tensor, "n height width"], b: Float[Tensor, "n height width"]) -> Float[Tensor, " n"]:
    """Spearman's rank correlation; pixels of one value share their mean rank.

    Returns
    -------
    Tensor of shape (n,)
        From -1 to 1; NaN where a map has one value throughout, and so no order.
    """
    x, y = (_mean_ranks(one) for one in _pairs(a, b))
    x, y = x - x.mean(1, keepdim=True), y - y.mean(1, keepdim=True)
    # Ranks are halves of integers, so the norm of a constant map is 0 exactly, and 0 / 0 is NaN.
    return ((x * y).sum(1) / (x.square().sum(1).sqrt() * y.square().sum(1).sqrt())).clamp(-1, 1)


def ssim(a: Float[Tensor, "n height width"], b: Float[Tensor, "n height width"]) -> Float[Tensor, " n"]:
    """Mean structural similarity (Wang et al. 2004) over windows of 7 x 7 pixels that lie in the picture.

    Each map is divided by its own largest magnitude first. The range of values, which the two constants
    (0.01 and 0.03 of it, squared) are measured by, is 2 where either map has a negative value, else 1.

    Returns
    -------
    Tensor of shape (n,)
        At most 1; NaN where a map has one value throughout, or is smaller than the window.
    """
    x, y = _pairs(a, b)
    flat = _flat(x, y)
    x, y = (one.reshape(a.shape) for one in (x, y))
    if min(a.shape[1:]) < WINDOW:
        return x.new_full((len(x),), torch.nan)
    x, y = (one / one.abs().amax((1, 2), keepdim=True) for one in (x, y))
    span = 1 + (torch.minimum(x, y).amin((1, 2), keepdim=True) < 0).double()
    first, second = (0.01 * span).square(), (0.03 * span).square()

    def mean(values: Tensor) -> Tensor:
        return torch.nn.functional.avg_pool2d(values[:, None], WINDOW, stride=1)[:, 0]

    mean_x, mean_y = mean(x), mean(y)
    unbiased = WINDOW**2 / (WINDOW**2 - 1)
    covariance = unbiased * (mean(x * y) - mean_x * mean_y)
    variances = unbiased * (mean(x * x) + mean(y * y) - mean_x.square() - mean_y.square())
    light = (2 * mean_x * mean_y + first) / (mean_x.square() + mean_y.square() + first)
    found = (light * (2 * covariance + second) / (variances + second)).mean((1, 2))
    return torch.where(flat, torch.nan, found)


def top_overlap(
    a: Float[Tensor, "n height width"], b: Float[Tensor, "n height width"], share: float = 0.05
) -> Float[Tensor, " n"]:
    """Share of the k highest pixels of one map that are among the k highest of the other.

    Where more pixels have the lowest value of the k than there is room for, each counts as much as it would
    on average if they were drawn at random, for each map by itself: so two maps that agree in what they leave
    at zero get nothing for it.

    Parameters
    ----------
    a, b : Tensor of shape (n, height, width)
        Two maps of each picture.
    share : float
        k as a share of the pixels, above 0 and below 1; at least one pixel is taken.

    Returns
    -------
    Tensor of shape (n,)
        From 0 to 1; `share` is what maps that have nothing to do with each other get. NaN where a map has one
        value throughout.
    """
    check_share("share", share)
    x, y = _pairs(a, b)
    k = max(1, round(share * x.shape[1]))
    found = (_top(x, k) * _top(y, k)).sum(1) / k
    return torch.where(_flat(x, y), torch.nan, found)


def check_share(name: str, value: Any) -> None:
    """Raise `MethodError` unless `value` is a share of the pixels, above 0 and below 1."""
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 < value < 1:
        raise MethodError(name, repr(value), "a share of the pixels, above 0 and below 1")


def _pairs(a: Tensor, b: Tensor) -> tuple[Float[Tensor, "n pixels"], Float[Tensor, "n pixels"]]:
    if a.ndim != 3 or a.shape != b.shape:
        got = f"shapes {tuple(a.shape)} and {tuple(b.shape)}"
        raise InputError("maps", got, "two batches of maps of one shape (n, height, width)")
    return exact(a).flatten(1).contiguous(), exact(b).flatten(1).contiguous()


def _flat(x: Float[Tensor, "n pixels"], y: Float[Tensor, "n pixels"]) -> Tensor:
    """Where either map has one value throughout."""
    return torch.stack([one.amin(1) == one.amax(1) for one in (x, y)]).any(0)


def _mean_ranks(values: Float[Tensor, "n pixels"]) -> Float[Tensor, "n pixels"]:
    ascending = values.sort(dim=1).values
    below = torch.searchsorted(ascending, values)
    upto = torch.searchsorted(ascending, values, right=True)
    return (below + upto - 1).double() / 2


def _top(values: Float[Tensor, "n pixels"], k: int) -> Float[Tensor, "n pixels"]:
    """How much of each pixel is among the k highest: 1, 0, or the same share of all on the edge."""
    edge = values.topk(k, dim=1).values[:, -1:]
    above, on = (values > edge).double(), (values == edge).double()
    return above + on * (k - above.sum(1, keepdim=True)) / on.sum(1, keepdim=True)
