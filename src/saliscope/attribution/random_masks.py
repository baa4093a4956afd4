"""Random smooth masks, and the covariance of a score with them."""

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from saliscope.core.device import as_like


class MaskSource:
    """The masks of RISE (arXiv 1806.07421), each a function of the seed and of its number only.

    Values on a square grid, 1 with probability p and else 0, are interpolated bilinearly at the pixels'
    centres. The grid's step is a cell, its offset uniform. So the mean of every pixel is p, its variance
    ``4/9 p (1 - p)``, and the covariance of two pixels depends on their distance alone.

    Parameters
    ----------
    seed : int
        Key of the generators.
    cells : int
        Cells along each side of the picture.
    p : float
        Probability of a 1.
    picture : tuple of int
        Height and width.
    """

    def __init__(self, seed: int, cells: int, p: float, picture: tuple[int, int]) -> None:
        self._seed, self._cells, self._p, self._picture = seed, cells, p, picture

    def draw(self, start: int, stop: int, like: Tensor) -> Float[Tensor, "k height width"]:
        """Masks `start` to `stop`, stacked, on the device and in the dtype of `like`."""
        knots = self._cells + 2
        drawn = np.empty((stop - start, knots * knots + 2))
        for i in range(start, stop):
            stream = np.random.SFC64(np.random.SeedSequence((self._seed, i)))
            np.random.Generator(stream).random(out=drawn[i - start])
        kept = as_like(drawn[:, 2:] < self._p, like).reshape(-1, knots, knots)
        rows, columns = (
            as_like(_interpolation(size, self._cells, drawn[:, axis]), like)
            for axis, size in enumerate(self._picture)
        )
        return rows @ kept @ columns.mT


def _interpolation(size: int, cells: int, offset: np.ndarray) -> np.ndarray:
    """Weight of each knot at each of `size` pixels, one matrix for each offset."""
    places = (np.arange(size) + 0.5) * cells / size + offset[:, None]
    return np.maximum(0.0, 1.0 - np.abs(places[:, :, None] - np.arange(cells + 2)))


@dataclass(frozen=True)
class Moments:
    """Sums over masks from which the covariance of the score with each pixel's mask follows, and its error.

    Attributes
    ----------
    count, total : Tensor of shape (n,)
        How many masks each input has had, and the sum of their scores g.
    maps : Tensor of shape (5, n, height, width)
        Sums of ``m, g m, m^2, g m^2, g^2 m^2``, where m is a mask minus its mean p.
    """

    count: Tensor
    total: Tensor
    maps: Tensor

    @classmethod
    def none(cls, n_inputs: int, picture: tuple[int, int], like: Tensor) -> "Moments":
        """Those of no mask."""
        nothing = like.new_zeros(n_inputs)
        return cls(nothing, nothing, like.new_zeros((5, n_inputs, *picture)))

    @classmethod
    def of(cls, masks: Tensor, scores: Tensor, present: Tensor) -> "Moments":
        """Those of one chunk.

        Parameters
        ----------
        masks : Tensor of shape (k, height, width)
            Minus their mean p.
        scores : Tensor of shape (k, n)
            Small against their spread, or digits are lost; zero where there is none.
        present : Tensor of shape (k, n)
            1 where there is a score, else 0.
        """
        first, second = masks.flatten(1), masks.flatten(1).square()
        g0, g1, g2 = present.T, scores.T, scores.T.square()
        sums = torch.cat([torch.cat([g0, g1]) @ first, torch.cat([g0, g1, g2]) @ second])
        return cls(present.sum(0), scores.sum(0), sums.reshape(5, len(g0), *masks.shape[1:]))

    def __add__(self, other: "Moments") -> "Moments":
        return Moments(self.count + other.count, self.total + other.total, self.maps + other.maps)

    def covariance(self) -> tuple[Tensor, Tensor]:
        """Covariance of the score with each pixel's mask, without bias, and its standard error.

        With ``d_i = (g_i - mean g) m_i`` it is ``sum d / (N - 1)``: the mean of g is estimated, that of m is
        known to be zero. Its standard error is that of N independent values d. With one mask it is zero, and
        the error is not known.
        """
        count, total = (values[:, None, None] for values in (self.count, self.total))
        mean = total / count.clamp_min(1)
        m, gm, mm, gmm, ggmm = self.maps
        sum_d = gm - mean * m
        sum_dd = ggmm - 2 * mean * gmm + mean.square() * mm
        degrees = (count - 1).clamp_min(1)
        variance = (sum_dd - sum_d.square() / count.clamp_min(1)).clamp_min(0) / degrees
        error = (count * variance).sqrt() / degrees
        return sum_d / degrees, error.where(count > 1, torch.nan)
