"""Principal components: the first frame of every map, and where t-SNE starts."""

from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from saliscope.errors import ReductionError
from saliscope.reduction.neighbors import as_rows

_DENSE = 768
"""Up to so many columns (or rows) the matrix of all products is smaller than the work around it."""
_EXTRA = 10
_MOST_ROUNDS = 50
_CONVERGED = 1e-8  # one less the cosine: an angle of 1e-4
_BLOCK = 2**22


def principal_components(
    data: Any, n_components: int = 2
) -> tuple[Float[Tensor, "n components"], Float[Tensor, " components"]]:
    """Coordinates along the directions of largest variance, and the share of the variance along each.

    Parameters
    ----------
    data : Tensor or array
        Shape (n, d).
    n_components : int
        Directions wanted. Where the data have fewer, the rest of the coordinates are zero.

    Returns
    -------
    coordinates : Tensor
        Shape (n, n_components), float32, in units of the data, on the device of the data. The sign of a
        direction is such that its largest loading is positive.
    explained_ratio : Tensor
        Shape (n_components,), float32; all zero for constant data.

    Raises
    ------
    ReductionError
        Not a table of finite numbers, or no component asked for.

    Notes
    -----
    Exact up to 768 columns or rows. Beyond, subspace iteration from a fixed start (Halko, Martinsson and
    Tropp, 0909.4061), until the directions stand still; equal calls give equal results.
    """
    if isinstance(n_components, bool) or not isinstance(n_components, int) or n_components < 1:
        raise ReductionError("n_components", repr(n_components), "a positive whole number")
    rows = as_rows(data, "data")
    # The first row goes first: a constant column becomes exactly zero, however large it is.
    rows = rows - rows[:1]
    centred = rows - rows.mean(dim=0)
    reach = centred.abs().amax().item() or 1.0
    centred = (centred / reach).float()
    variance = sum(_wide(block).square().sum() for block in _split(centred))
    directions, variances = _directions(centred, min(n_components, *centred.shape))
    loading = directions.gather(0, directions.abs().argmax(dim=0, keepdim=True))
    directions = directions * torch.where(loading < 0, -1.0, 1.0)
    coordinates = centred.new_zeros((len(centred), n_components))
    shadow = torch.cat([_wide(block) @ directions for block in _split(centred)])
    coordinates[:, : directions.shape[1]] = shadow * reach
    ratio = centred.new_zeros(n_components)
    ratio[: len(variances)] = variances.clamp_min(0) / torch.as_tensor(variance).clamp_min(1e-30)
    return coordinates, ratio


def _directions(centred: Tensor, count: int) -> tuple[Tensor, Tensor]:
    """Orthonormal directions (d, count), and the sums of squares along them, the largest first."""
    n, d = centred.shape
    if min(n, d) > _DENSE:
        return _iterated(centred, count)
    if d <= n:
        return _largest(_gram(centred), count)
    wide = _wide(centred)
    left, squares = _largest(wide @ wide.T, count)
    # A direction without variance is any: the first column's stands for it.
    directions = wide.T @ left / squares.clamp_min(1e-30).sqrt()
    return torch.linalg.qr(directions)[0] if bool((squares <= 1e-12).any()) else directions, squares


def _iterated(centred: Tensor, count: int) -> tuple[Tensor, Tensor]:
    generator = np.random.Generator(np.random.PCG64(0))
    start = generator.standard_normal((centred.shape[1], count + _EXTRA))
    basis = _orthonormal(torch.from_numpy(start).to(_wide(centred[:1]).dtype).to(centred.device))
    directions, squares = basis[:, :count], basis.new_zeros(count)
    for _ in range(_MOST_ROUNDS):
        image = _applied(centred, basis)
        turn, squares = _largest(basis.T @ image, count)
        directions, last = basis @ turn, directions
        if bool(((directions * last).sum(dim=0).abs() >= 1 - _CONVERGED).all()):
            break
        basis = _orthonormal(image)
    return directions, squares


def _applied(centred: Tensor, basis: Tensor) -> Tensor:
    """All products of columns, times a few vectors, without the matrix of them."""
    narrow = basis.to(centred.dtype)
    return sum((_wide(part.T @ (part @ narrow)) for part in _split(centred)), torch.zeros_like(basis))


def _gram(centred: Tensor) -> Tensor:
    d = centred.shape[1]
    total = _wide(centred[:1]).new_zeros((d, d))
    for part in _split(centred):
        wide = _wide(part)
        total.addmm_(wide.T, wide)
    return total


def _largest(symmetric: Tensor, count: int) -> tuple[Tensor, Tensor]:
    """Eigenvectors of the largest eigenvalues, found on the CPU: the matrix is small there."""
    values, vectors = torch.linalg.eigh(symmetric.cpu().double())
    device, dtype = symmetric.device, symmetric.dtype
    return (
        vectors.flip(1)[:, :count].to(dtype).to(device),
        values.flip(0)[:count].to(dtype).to(device),
    )


def _orthonormal(vectors: Tensor) -> Tensor:
    return torch.linalg.qr(vectors.cpu().double())[0].to(vectors.dtype).to(vectors.device)


def _split(centred: Tensor) -> tuple[Tensor, ...]:
    return centred.split(max(1, _BLOCK // centred.shape[1]))


def _wide(values: Tensor) -> Tensor:
    return values if values.device.type == "mps" else values.double()
