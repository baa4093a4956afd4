"""Hidden pixels made up from those that are known: the infill of ROAD (arXiv 2202.00449).

Each hidden pixel is the weighted mean of its eight neighbours, 1/6 for a direct one and 1/12 for a diagonal
one; beyond the border there are none, and the weights of the others are scaled to sum to one. That is a
sparse symmetric positive definite system for each channel of each picture.

Many systems are solved at once, by conjugate gradients that multigrid preconditions. No matrix is built: the
sum over the neighbours is a convolution. The systems stand side by side as the channels of one picture whose
channels are the innermost dimension, so that every operation, also one on each second pixel, works on whole
vectors.
"""

from dataclasses import dataclass
from typing import ClassVar

import torch
from jaxtyping import Bool, Float
from torch import Tensor
from torch.nn.functional import conv2d, interpolate, pad

from saliscope.core.baselines import Baseline
from saliscope.core.batching import keep_freed_memory
from saliscope.core.borrow import Borrowed
from saliscope.core.device import as_like, plain_arithmetic
from saliscope.core.seeds import generator
from saliscope.errors import BaselineError

_ENOUGH = 2e-7
"""Largest error of an answer in the system's own norm, as a share of the range of the known values.

In a picture about as wide as it is high no pixel is further off than a few times that, for none is that
loosely bound to the known ones; along a corridor some are, the more loosely the longer it is for its width.
"""
_MOST_STEPS = 200
_SINGLE = 6
"""Steps before the residual is taken again in double precision; at first two less."""
_COARSEST = 8
"""Height and width of the grid that is solved directly."""
_SIDE_BY_SIDE = 16
"""Systems at once, or a multiple of that: what fills a vector."""
_AT_ONCE = {"cpu": 2**19, "cuda": 2**25}
"""Numbers at once: what stays in a cache, or what keeps a GPU busy."""


@dataclass(frozen=True)
class Road(Baseline):
    """Hidden pixels made up from the known ones, with a little noise (ROAD, arXiv 2202.00449).

    The noise is added in model space, as in ROAD's code: its size in the picture depends on
    the normalisation.

    Parameters
    ----------
    noise : float
        Standard deviation of the Gaussian noise on hidden pixels.
    seed : int
        With the number of hidden pixels it gives the noise, which is the same for every input.
    """

    kind: ClassVar[str] = "road"
    noise: float = 0.01
    seed: int = 0

    def __post_init__(self) -> None:
        number = isinstance(self.noise, (int, float)) and not isinstance(self.noise, bool)
        if not number or not 0 <= self.noise < float("inf"):
            raise BaselineError("noise", repr(self.noise), "a standard deviation of 0 or more")
        if isinstance(self.seed, bool) or not isinstance(self.seed, int) or self.seed < 0:
            raise BaselineError("seed", repr(self.seed), "an integer of at least 0")

    def make(self, borrowed: Borrowed, inputs: Tensor) -> Tensor:
        """Each input with all of its pixels hidden: its mean colour; same parameters as `Baseline.make`."""
        return self.filled(inputs, torch.ones_like(inputs[:, 0], dtype=torch.bool))

    def filled(
        self, pictures: Float[Tensor, "n channels height width"], hidden: Bool[Tensor, "n height width"]
    ) -> Float[Tensor, "n channels height width"]:
        """The pictures with their hidden pixels made up; see `infill`."""
        found = infill(pictures, hidden)
        if self.noise == 0:
            return found
        counts = hidden.flatten(1).sum(1).tolist()
        drawn = {
            count: as_like(generator(self.seed, count).standard_normal(tuple(found.shape[1:])), found)
            for count in set(counts)
        }
        noise = torch.stack([drawn[count] for count in counts])
        return torch.where(hidden[:, None], found + self.noise * noise, found)


def infill(
    pictures: Float[Tensor, "n channels height width"], hidden: Bool[Tensor, "n height width"]
) -> Float[Tensor, "n channels height width"]:
    """The pictures with their hidden pixels made up from the known ones, without noise.

    Where all is hidden there is no system; the picture's mean colour stands everywhere.

    Parameters
    ----------
    pictures : Tensor of shape (n, channels, height, width)
    hidden : Tensor of shape (n, height, width)
        True where a pixel is not known.

    Returns
    -------
    Tensor
        In the dtype of `pictures`; the error of the solution is below 1e-6 of the range of the known values.
    """
    # MPS has no float64.
    where = torch.device("cpu") if pictures.device.type == "mps" else pictures.device
    n, channels, height, width = pictures.shape
    systems = pictures.flatten(0, 1).to(where)
    own = torch.arange(n, device=where).repeat_interleave(channels)
    size = _AT_ONCE.get(where.type, _AT_ONCE["cpu"]) // max(1, height * width)
    size = max(1, size // _SIDE_BY_SIDE) * _SIDE_BY_SIDE
    hidden = hidden.to(where)
    keep_freed_memory()
    with plain_arithmetic():
        parts = [
            _solved(values, hidden[i]) for values, i in zip(systems.split(size), own.split(size), strict=True)
        ]
    return torch.cat(parts).reshape(pictures.shape).to(pictures.device)


def _solved(
    values: Float[Tensor, "m height width"], hidden: Bool[Tensor, "m height width"]
) -> Float[Tensor, "m height width"]:
    known = ~hidden | hidden.flatten(1).all(1)[:, None, None]
    exactly = values.double()
    mean = (exactly.masked_fill(~known, 0).sum((1, 2)) / known.sum((1, 2)))[:, None, None]
    start = (exactly - mean).masked_fill_(hidden, 0)
    low, high = start.flatten(1).aminmax(dim=1)
    span = torch.where(high > low, high - low, 1.0)[:, None, None]
    found = _side_by_side(start.div_(span))
    _solve(found, _side_by_side(hidden.float()))
    return torch.where(hidden, (found[0] * span).add_(mean).to(values.dtype), values)


def _side_by_side(x: Float[Tensor, "m height width"]) -> Float[Tensor, "1 m height width"]:
    """As channels of one picture, which are innermost."""
    return x[None].contiguous(memory_format=torch.channels_last)


def _solve(found: Tensor, hidden: Tensor) -> None:
    """Conjugate gradients from what stands in the hidden pixels of `found`, in place.

    Steps are taken in single precision, which drifts: a system bound to few known pixels goes astray by more
    than an answer may be off. So soon, and then now and again, what is left is taken anew from the answer,
    and only then is a system found good enough. From there on it stands still, so its answer does not depend
    on the others.
    """
    inverse, weights = _Multigrid(hidden), _neighbours(torch.ones_like(found[:, :1]))
    residual = inverse.fine.drawn(found.float()).mul_(hidden)
    direction, change = inverse(residual), torch.zeros_like(residual)
    rz = _dot(residual, direction)
    enough = (_ENOUGH * min(found.shape[2:]) / max(found.shape[2:])) ** 2
    active = going = rz > enough
    for k in range(_MOST_STEPS):
        if not bool(active.any()):
            break
        image = inverse.fine.drawn(direction)
        step = torch.where(going, rz / _dot(direction, image), 0.0)
        change.addcmul_(step, direction, value=-1)
        anew = k % _SINGLE == _SINGLE - 2
        if anew:
            found.add_(change)
            change.zero_()
            residual = _neighbours(found).addcmul_(weights, found, value=-1).float().mul_(hidden)
        else:
            residual.addcmul_(step, image, value=-1)
        z = inverse(residual)
        before, rz = rz, _dot(residual, z)
        if anew:
            active = active & (rz > enough)
        going = active & (rz > 1e-6 * enough)  # with less left it waits until it is taken anew
        # Where more is left than it seemed, that was the drift, and the old direction is worth nothing.
        kept = going & (rz < before) if anew else going
        direction = z.addcmul_(torch.where(kept, rz / before, 0.0), direction)
    found.add_(change)


def _dot(a: Tensor, b: Tensor) -> Tensor:
    return (a * b).sum((2, 3), keepdim=True)


def _neighbours(x: Tensor) -> Tensor:
    """Weighted sum over the eight neighbours: the tent filter [1 2 1] x [1 2 1] without its centre."""
    p = pad(x, (1, 1, 1, 1))
    lines = (p[..., :-2, :] + p[..., 2:, :]).add_(p[..., 1:-1, :], alpha=2)
    return (lines[..., :-2] + lines[..., 2:]).add_(lines[..., 1:-1], alpha=2).sub_(x, alpha=4).div_(12)


_TENT = ((1 / 12, 1 / 6, 1 / 12), (1 / 6, 0.0, 1 / 6), (1 / 12, 1 / 6, 1 / 12))
_EVEN = ((1 / 9, 1 / 9, 1 / 9), (1 / 9, 0.0, 1 / 9), (1 / 9, 1 / 9, 1 / 9))
"""What linear interpolation makes of `_TENT`, grid by grid."""


class _Grid:
    """A grid of pixels, each of which is drawn to its neighbours, and by `pull` to zero."""

    def __init__(self, kernel: tuple[tuple[float, ...], ...], pull: Tensor) -> None:
        self.kernel = torch.tensor(kernel).to(pull).expand(pull.shape[1], 1, 3, 3).contiguous()
        self.diagonal = self.neighbours(torch.ones_like(pull)).add_(pull)

    def neighbours(self, x: Tensor) -> Tensor:
        """Weighted sum over the eight neighbours."""
        return conv2d(x, self.kernel, padding=1, groups=x.shape[1])

    def drawn(self, x: Tensor) -> Tensor:
        """Where each pixel is drawn to: minus the product with the system."""
        return self.neighbours(x).addcmul_(self.diagonal, x, value=-1)


class _Multigrid:
    """Roughly the inverse of the system: smoothed on each grid, and corrected from the next coarser one.

    On the coarser grids a known pixel is not left out: it draws those around to zero, as strongly as a pixel
    is bound to its neighbours, and no pixel is drawn more than twice as strongly.
    """

    def __init__(self, hidden: Tensor) -> None:
        self.hidden = hidden
        line = torch.tensor([0, 0.5, 1, 0.5]).to(hidden)
        self.tent = line.outer(line).expand(hidden.shape[1], 1, 4, 4).contiguous()
        self.fine = _Grid(_TENT, torch.zeros_like(hidden))
        self.smoother = hidden / self.fine.diagonal
        self.coarse: list[_Grid] = []
        self.smoothers: list[Tensor] = []
        pull = 1 - hidden
        while not self.coarse or max(pull.shape[2:]) > _COARSEST:
            pull = self.coarser(pull).clamp_max_(2)
            self.coarse.append(_Grid(_EVEN, pull))
            self.smoothers.append(0.9 / self.coarse[-1].diagonal)
        *_, height, width = pull.shape
        points = torch.eye(height * width).to(hidden).reshape(-1, 1, height, width)
        grid = self.coarse[-1]
        bonds = conv2d(points, grid.kernel[:1], padding=1).flatten(1)
        # Where all is hidden nothing draws to zero.
        diagonal = grid.diagonal[0].flatten(1) + 1e-6
        self.last = torch.linalg.inv(torch.diag_embed(diagonal) - bonds)

    def __call__(self, right: Tensor) -> Tensor:
        # The first smoothing from zero leaves of a pixel just what its neighbours say.
        x = self.smoother * right
        left = self.fine.neighbours(x).mul_(self.hidden)
        x.addcmul_(self.hidden, _finer(self._corrected(self.coarser(left), 0), x))
        return self.fine.neighbours(x).add_(right).mul_(self.smoother)

    def _corrected(self, right: Tensor, level: int) -> Tensor:
        if level == len(self.coarse) - 1:
            return _side_by_side((self.last @ right[0].flatten(1)[..., None]).reshape(right.shape[1:]))
        grid, smoother = self.coarse[level], self.smoothers[level]
        x = smoother * right
        x += _finer(self._corrected(self.coarser(grid.drawn(x).add_(right)), level + 1), x)
        return x.addcmul_(smoother, grid.drawn(x).add_(right))

    def coarser(self, x: Tensor) -> Tensor:
        """The transpose of `_finer`: every second pixel with half of those beside it."""
        return conv2d(x, self.tent, stride=2, padding=2, groups=x.shape[1])


def _finer(x: Tensor, like: Tensor) -> Tensor:
    """Linear interpolation to twice as fine a grid; every second pixel is a coarse one."""
    height, width = x.shape[2:]
    fine = interpolate(x, (2 * height - 1, 2 * width - 1), mode="bilinear", align_corners=True)
    return fine[..., : like.shape[2], : like.shape[3]]
