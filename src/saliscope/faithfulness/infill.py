"""Hidden pixels made up from those that are known: the infill of ROAD (arXiv 2202.00449).

Each hidden pixel is the weighted mean of its eight neighbours, 1/6 for a direct one and 1/12 for a diagonal
one; beyond the border there are none, and the weights of the others are scaled to sum to one. That is a
sparse symmetric positive definite system for each picture. All are solved at once by conjugate gradients.
Where holes are large, multigrid preconditions them; its finest grid needs no matrix, for the sum over the
neighbours is a tent filter. Where every hole is small, a sparse matrix of the hidden
pixels alone is less work.
"""

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar

import torch
from jaxtyping import Bool, Float
from torch import Tensor
from torch.nn.functional import pad

from saliscope.core.baselines import Baseline
from saliscope.core.borrow import Borrowed
from saliscope.core.device import as_like
from saliscope.core.seeds import generator
from saliscope.errors import BaselineError

_ACCURACY = 1e-8
"""Largest error of an answer in the system's own norm, as a share of what there was to solve."""
_INNER = 1e-4
"""Share of the error that single precision leaves, before the residual is taken again in double precision."""
_MOST_ROUNDS, _MOST_STEPS = 8, 200
_SHALLOW = 4
"""How far the next known pixel may be, in pixels, for conjugate gradients without multigrid."""
_COARSEST = 4
"""Height and width of the grid that is solved directly."""
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
        if not 0 <= self.noise < float("inf"):
            raise BaselineError("noise", repr(self.noise), "a standard deviation of 0 or more")

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
    size = max(1, _AT_ONCE.get(where.type, _AT_ONCE["cpu"]) // max(1, pictures[0].numel()))
    parts = [
        _solved(values.to(where).double(), mask.to(where)[:, None])
        for values, mask in zip(pictures.split(size), hidden.split(size), strict=True)
    ]
    return torch.cat(parts).to(pictures.dtype).to(pictures.device)


def _solved(pictures: Tensor, hidden: Tensor) -> Tensor:
    known = (~hidden).double()
    known = torch.where(known.sum((2, 3), keepdim=True) > 0, known, 1.0)
    mean = (pictures * known).sum((2, 3), keepdim=True) / known.sum((2, 3), keepdim=True)
    right = hidden * _neighbours(torch.where(hidden, 0.0, pictures - mean))
    found = torch.zeros_like(right)
    # Each picture takes the way that its own holes call for, whatever stands beside it.
    deep = _is_deep(hidden)
    if bool(deep.any()):
        coarser = _Multigrid(hidden[deep].float())
        system = _Pixels(hidden[deep].double())
        found[deep] = _refined(system, coarser.grids[0], coarser, right[deep], (2, 3))
    if not bool(deep.all()):
        few = _Listed(hidden[~deep])
        values = _refined(
            few.system(torch.float64), few.system(torch.float32), few.divided, few.of(right[~deep]), (1,)
        )
        found[~deep] = few.placed(values)
    return torch.where(hidden, found.add_(mean), pictures)


def _is_deep(hidden: Tensor) -> Tensor:
    """Whether some hidden pixel of a picture has no known one near, where only multigrid is fast."""
    near = (~hidden).float()
    for _ in range(_SHALLOW):
        near = near + _neighbours(near)
    return (near == 0).flatten(1).any(1)


_Product = Callable[[Tensor], Tensor]


def _refined(
    system: _Product, rough: _Product, inverse: _Product, right: Tensor, dims: tuple[int, ...]
) -> Tensor:
    """Solve ``system(x) = right`` by corrections in single precision to residuals in double precision.

    Each channel of each picture is a system of its own; `dims` are those of its values.
    """
    found, residual, enough = torch.zeros_like(right), right, None
    for _ in range(_MOST_ROUNDS):
        # Scaled, for squares of small residuals would leave the range of single precision.
        scale = residual.abs().amax(dims, keepdim=True).clamp_min(1e-300)
        r = (residual / scale).float()
        z = inverse(r)
        rz = _dot(r, z, dims)
        error = rz.double() * scale**2
        enough = error * _ACCURACY**2 if enough is None else enough
        active = error > enough
        if not bool(active.any()):
            break
        share = torch.clamp(0.25 * enough / error.clamp_min(1e-300), min=_INNER**2).float() * rz
        correction = _conjugate_gradients(rough, inverse, (r, z, rz), active, share, dims)
        found = found + correction.double() * scale
        residual = right - system(found)
    return found


def _conjugate_gradients(
    system: _Product,
    inverse: _Product,
    start: tuple[Tensor, Tensor, Tensor],
    active: Tensor,
    enough: Tensor,
    dims: tuple[int, ...],
) -> Tensor:
    """Each system stands still as soon as it is good enough, so its answer does not depend on the others."""
    r, direction, rz = start
    found = torch.zeros_like(r)
    for _ in range(_MOST_STEPS):
        image = system(direction)
        step = torch.where(active, rz / _dot(direction, image, dims), 0.0)
        found.addcmul_(step, direction)
        r = r.addcmul(step, image, value=-1)
        z = inverse(r)
        before, rz = rz, _dot(r, z, dims)
        active = active & (rz > enough)
        if not bool(active.any()):
            break
        direction = torch.addcmul(z, torch.where(active, rz / before, 0.0), direction)
    return found


def _dot(a: Tensor, b: Tensor, dims: tuple[int, ...]) -> Tensor:
    return (a * b).sum(dims, keepdim=True)


def _neighbours(x: Tensor) -> Tensor:
    """Weighted sum over the eight neighbours: the tent filter [1 2 1] x [1 2 1] without its centre."""
    p = pad(x, (1, 1, 1, 1))
    lines = (p[..., :-2, :] + p[..., 2:, :]).add_(p[..., 1:-1, :], alpha=2)
    return (lines[..., :-2] + lines[..., 2:]).add_(lines[..., 1:-1], alpha=2).sub_(x, alpha=4).div_(12)


def _to_fine(x: Tensor, height: int, width: int) -> Tensor:
    """Linear interpolation to twice as fine a grid; every second pixel is a coarse one."""
    *rest, rows, columns = x.shape
    tall = x.new_empty(*rest, 2 * rows - 1, columns)
    tall[..., ::2, :] = x
    torch.lerp(x[..., :-1, :], x[..., 1:, :], 0.5, out=tall[..., 1::2, :])
    full = x.new_empty(*rest, 2 * rows - 1, 2 * columns - 1)
    full[..., ::2] = tall
    torch.lerp(tall[..., :-1], tall[..., 1:], 0.5, out=full[..., 1::2])
    return full[..., :height, :width]


def _to_coarse(x: Tensor) -> Tensor:
    """The transpose of `_to_fine`."""
    height, width = x.shape[-2:]
    p = pad(x, (1, 2 - width % 2, 1, 2 - height % 2))
    lines = (p[..., :-2:2, :] + p[..., 2::2, :]).mul_(0.5).add_(p[..., 1:-1:2, :])
    return (lines[..., :-2:2] + lines[..., 2::2]).mul_(0.5).add_(lines[..., 1:-1:2])


class _Pixels:
    """The system itself: each hidden pixel less the mean of its neighbours, times their weights."""

    def __init__(self, hidden: Tensor) -> None:
        self.hidden = hidden
        self.weights = _neighbours(torch.ones_like(hidden[:1]))
        self.smoother = hidden / self.weights

    def __call__(self, x: Tensor) -> Tensor:
        return torch.mul(self.weights, x).sub_(_neighbours(x)).mul_(self.hidden)

    def finer(self, x: Tensor) -> Tensor:
        return _to_fine(x, *self.hidden.shape[-2:]).mul_(self.hidden)


class _Grid:
    """The system seen from a coarser grid (Galerkin): again with eight neighbours each."""

    def __init__(self, fine: "_Pixels | _Grid") -> None:
        n, _, height, width = fine.smoother.shape
        height, width = height // 2 + 1, width // 2 + 1
        self.weights = fine.smoother.new_zeros(3, 3, n, 1, height, width)
        # Of points that are three apart no two share a neighbour, so one product gives the weights of all.
        for a in range(3):
            for b in range(3):
                points = fine.smoother.new_zeros(n, 1, height, width)
                points[..., a::3, b::3] = 1
                rows = _to_coarse(fine(fine.finer(points)))
                for i in range(3):
                    for j in range(3):
                        places = (..., slice((a - i + 1) % 3, None, 3), slice((b - j + 1) % 3, None, 3))
                        self.weights[i, j][places] = rows[places]
        diagonal = self.weights[1, 1]
        # 0.9 damps it: the largest eigenvalue is above that of the pixels.
        self.smoother = torch.where(diagonal > 1e-12, 0.9 / diagonal, 0.0)

    def __call__(self, x: Tensor) -> Tensor:
        height, width = x.shape[-2:]
        p, total = pad(x, (1, 1, 1, 1)), torch.zeros_like(x)
        for i in range(3):
            for j in range(3):
                total.addcmul_(self.weights[i, j], p[..., i : i + height, j : j + width])
        return total

    def finer(self, x: Tensor) -> Tensor:
        return _to_fine(x, *self.smoother.shape[-2:])


class _Listed:
    """The hidden pixels as lists (n, most, channels), for pictures whose holes are small."""

    def __init__(self, hidden: Tensor) -> None:
        mask = hidden[:, 0]
        n, height, width = mask.shape
        counts = mask.flatten(1).sum(1)
        self.most = max(1, int(counts.max()))
        self._picture, self._row, self._column = mask.nonzero(as_tuple=True)
        number = mask.flatten(1).cumsum(1).reshape(n, height, width) - 1
        self._number = number[mask]
        place = pad(
            torch.where(mask, number + self.most * torch.arange(n).to(number)[:, None, None], -1),
            (1,) * 4,
            value=-1,
        )
        # Neighbours in reading order: their places rise, as the columns of a row must.
        around = torch.stack(
            [place[self._picture, self._row + i, self._column + j] for i in range(3) for j in range(3)], 1
        )
        there = around >= 0
        sizes = torch.zeros(n * self.most + 1, dtype=torch.int64, device=mask.device)
        sizes[1 + self._picture * self.most + self._number] = there.sum(1)
        self._starts, self._ends = sizes.cumsum(0), around[there]
        weights = _neighbours(torch.ones(1, 1, height, width, dtype=torch.float64, device=mask.device))
        own = weights[0, 0, self._row, self._column]
        side, corner = -1 / 6, -1 / 12
        table = torch.tensor([corner, side, corner, side, 0.0, side, corner, side, corner]).to(weights)
        values = table.expand(len(own), 9).clone()
        values[:, 4] = own
        self._values = values[there]
        self._hidden = hidden
        self._inverse = self.of(hidden / weights).float()

    def of(self, pictures: Tensor) -> Tensor:
        """The values of the hidden pixels."""
        lists = pictures.new_zeros(len(pictures), self.most, pictures.shape[1])
        lists[self._picture, self._number] = pictures.movedim(1, -1)[self._picture, self._row, self._column]
        return lists

    def placed(self, lists: Tensor) -> Tensor:
        """Pictures with these values; the inverse of `of`."""
        pictures = lists.new_zeros(*self._hidden[:, 0].shape, lists.shape[2])
        pictures[self._picture, self._row, self._column] = lists[self._picture, self._number]
        return pictures.movedim(-1, 1)

    def system(self, dtype: torch.dtype) -> _Product:
        """The product with the matrix of all pictures, which is sparse."""
        size = len(self._starts) - 1
        parts = self._starts, self._ends, self._values.to(dtype)
        with warnings.catch_warnings():
            # Torch calls the layout a beta; all that is asked of it here is one product.
            warnings.filterwarnings("ignore", message="Sparse")
            matrix = torch.sparse_csr_tensor(*parts, (size, size), check_invariants=False)
        return lambda lists: (matrix @ lists.flatten(0, 1)).reshape(lists.shape)

    def divided(self, lists: Tensor) -> Tensor:
        """By the diagonal."""
        return lists * self._inverse


class _Multigrid:
    """Roughly the inverse of the system: smoothed on each grid, and corrected from the next coarser one."""

    def __init__(self, hidden: Tensor) -> None:
        self.grids: list[_Pixels | _Grid] = [_Pixels(hidden)]
        while max(self.grids[-1].smoother.shape[-2:]) > _COARSEST:
            self.grids.append(_Grid(self.grids[-1]))
        n, _, height, width = self.grids[-1].smoother.shape
        points = torch.eye(height * width).to(hidden).reshape(1, -1, height, width).expand(n, -1, -1, -1)
        matrix = self.grids[-1](points).flatten(2).double()
        self.last = torch.linalg.pinv(matrix, hermitian=True, rtol=1e-6).float()

    def __call__(self, right: Tensor, level: int = 0) -> Tensor:
        grid = self.grids[level]
        if level == len(self.grids) - 1:
            return (right.flatten(2) @ self.last).reshape(right.shape)
        x = grid.smoother * right
        x += grid.finer(self(_to_coarse(right - grid(x)), level + 1))
        return x.addcmul_(grid.smoother, right - grid(x))
