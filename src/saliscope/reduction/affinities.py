"""How strongly two points attract each other: the neighbour graph, with weights."""

import math
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor

from saliscope.errors import ReductionError
from saliscope.reduction.neighbors import Neighbors

_ENTROPY_ERROR = 1e-5
_ITERATIONS = 100
_SIGMA_FLOOR = 1e-3  # of the mean distance, as in umap-learn: a point is never alone in its scale


@dataclass(frozen=True)
class Graph:
    """A symmetric weighted graph in rows (CSR); its weights sum to 1.

    Attributes
    ----------
    pointers : Tensor
        Where each row's entries begin, (n + 1,), int64.
    columns : Tensor
        The other end, (m,), int64, ascending within a row.
    weights : Tensor
        Shares of the whole attraction, (m,), floating.
    """

    pointers: Int64[Tensor, " n_plus_1"]
    columns: Int64[Tensor, " m"]
    weights: Float[Tensor, " m"]

    def __len__(self) -> int:
        return len(self.pointers) - 1

    def __repr__(self) -> str:
        return f"Graph({len(self)} rows, {len(self.columns)} entries)"

    def to(self, device: torch.device | str) -> "Graph":
        """The same on another device."""
        return Graph(self.pointers.to(device), self.columns.to(device), self.weights.to(device))


def neighbors_needed(perplexity: float, n: int) -> int:
    """Neighbours of each of `n` points that hold the weights of a perplexity: three times as many.

    Raises
    ------
    ReductionError
        The perplexity is below 1, or not below the number of other points.
    """
    _check_perplexity(perplexity, n - 1, n)
    return min(n - 1, int(3 * perplexity) + 1)


def perplexity_graph(neighbors: Neighbors, perplexity: float) -> Graph:
    """Gaussian affinities whose width gives each point the same effective number of neighbours.

    ``p_{j|i} ∝ exp(-β_i d_ij²)`` over the neighbours given, with entropy ``log(perplexity)``;
    ``p_ij = (p_{j|i} + p_{i|j}) / 2n`` (van der Maaten and Hinton, 2008). Points with more equally near
    neighbours than the perplexity weight those equally.

    Parameters
    ----------
    neighbors : Neighbors
        Of each point among the same points; `neighbors_needed` says how many are enough.
    perplexity : float
        Effective number of neighbours, from 1 up to less than the number of neighbours given.

    Raises
    ------
    ReductionError
        The perplexity is outside its range; the message names the largest possible.
    """
    _check_perplexity(perplexity, neighbors.k, len(neighbors))
    squared = _precise(neighbors.distances).square()
    nearest = squared.amin(dim=1, keepdim=True)
    # Beyond the nearest, which weighs 1: no row underflows.
    return _symmetric(neighbors, _gaussian(squared - nearest, math.log(perplexity)))


def uniform_graph(neighbors: Neighbors) -> Graph:
    """Every neighbour attracts alike; mutual ones twice as much.

    With k = 15 close to a perplexity of 30 in what it keeps, at a fraction of the neighbours
    (Böhm, Berens and Kobak, 2007.08902).
    """
    return _symmetric(neighbors, _precise(torch.ones_like(neighbors.distances)))


def fuzzy_graph(neighbors: Neighbors) -> Graph:
    """The weights of UMAP (1802.03426), scaled to sum to 1.

    ``exp(-(d_ij - ρ_i)⁺ / σ_i)``, ρ_i the distance of the nearest point elsewhere, σ_i such that the
    weights of a row sum to log2(k + 1); both directions are joined by ``a + b - ab``. (umap-learn
    counts the point itself among its ``n_neighbors``: k + 1.)
    """
    distances = _precise(neighbors.distances)
    apart = torch.where(distances > 0, distances, torch.inf)
    nearest = apart.amin(dim=1, keepdim=True)
    beyond = (distances - torch.where(nearest.isfinite(), nearest, 0.0)).clamp_min(0)
    sigma = _fuzzy_widths(beyond, math.log2(neighbors.k + 1))
    means = distances.mean(dim=1, keepdim=True)
    sigma = torch.maximum(sigma, _SIGMA_FLOOR * torch.where(nearest.isfinite(), means, distances.mean()))
    weights = torch.where(beyond > 0, torch.exp(-beyond / sigma), 1.0)
    return _symmetric(neighbors, weights, union=True)


def _check_perplexity(perplexity: float, most: int, n: int) -> None:
    if isinstance(perplexity, bool) or not isinstance(perplexity, (int, float)) or not perplexity >= 1:
        raise ReductionError("perplexity", repr(perplexity), "a number, 1 or more")
    if perplexity >= most:
        raise ReductionError(
            "perplexity",
            f"{perplexity:g} with {most} neighbours of each of {n} points",
            f"less than {most}",
            "Perplexity is an effective number of neighbours; a third of those there are serves well.",
        )


def _precise(values: Tensor) -> Tensor:
    return values if values.device.type == "mps" else values.double()


def _gaussian(squared: Tensor, wanted: float) -> Tensor:
    """Rows of weights that sum to 1 and have the wanted entropy: Newton's steps for log β, kept in bounds."""
    rows = torch.arange(len(squared), device=squared.device)
    weights = torch.full_like(squared, 1 / squared.shape[1])  # rows without any difference stay so
    rows = rows[squared[:, -1] > 0]
    part = squared[rows]
    log_beta = -part.mean(dim=1, keepdim=True).log()
    low, high = log_beta - 60, log_beta + 60
    for _ in range(_ITERATIONS):
        beta = log_beta.exp()
        p = torch.exp(-beta * part)
        total = p.sum(dim=1, keepdim=True)
        p /= total
        mean = (p * part).sum(dim=1, keepdim=True)
        entropy = total.log() + beta * mean
        weights[rows] = p
        # Entropy falls as β grows; its slope along log β is -β² times the variance of the squared distances.
        spread = (p * (part - mean).square()).sum(dim=1, keepdim=True)
        error = entropy - wanted
        low, high = torch.where(error > 0, log_beta, low), torch.where(error > 0, high, log_beta)
        newton = log_beta + error / (beta.square() * spread).clamp_min(1e-30)
        between = (low + high) / 2
        log_beta = torch.where((newton > low) & (newton < high), newton, between)
        undone = ((error.abs() > _ENTROPY_ERROR) & (high - low > 1e-6)).flatten()
        if not undone.any():
            break
        rows, part = rows[undone], part[undone]
        log_beta, low, high = log_beta[undone], low[undone], high[undone]
    return weights


def _fuzzy_widths(beyond: Tensor, wanted: float) -> Tensor:
    """σ of each row, so that the weights sum to `wanted`: bisection, since the sum grows with σ."""
    scale = beyond.amax(dim=1, keepdim=True).clamp_min(1e-30)
    low, high = torch.full_like(scale, math.log(1e-6)), torch.full_like(scale, math.log(1e6))
    for _ in range(40):
        middle = (low + high) / 2
        above = torch.exp(-beyond / (scale * middle.exp())).sum(dim=1, keepdim=True) > wanted
        low, high = torch.where(above, low, middle), torch.where(above, middle, high)
    return scale * ((low + high) / 2).exp()


def _symmetric(neighbors: Neighbors, weights: Tensor, union: bool = False) -> Graph:
    """Join the edges of both directions, sorted by row and column: each pair occurs at most twice."""
    n, k = neighbors.indices.shape
    rows = torch.arange(n, device=weights.device).repeat_interleave(k)
    columns, values = neighbors.indices.flatten(), weights.flatten()
    keys, order = torch.cat([rows * n + columns, columns * n + rows]).sort(stable=True)
    values = torch.cat([values, values])[order]
    first, second = _pairs(keys)
    one = values[first]
    other = torch.where(second, torch.cat([values, values[:1]])[first.nonzero().flatten() + 1], 0.0)
    joined = one + other - one * other if union else one + other
    keys = keys[first]
    rows = torch.div(keys, n, rounding_mode="floor")
    pointers = torch.nn.functional.pad(torch.bincount(rows, minlength=n).cumsum(0), (1, 0))
    return Graph(pointers, keys - rows * n, (joined / joined.sum()).float())


def _pairs(keys: Tensor) -> tuple[Bool[Tensor, " e"], Bool[Tensor, " m"]]:
    """Which places begin a new key, and for each of these whether the next place has the same key."""
    same = keys[1:] == keys[:-1]
    first = torch.nn.functional.pad(~same, (1, 0), value=True)
    return first, torch.nn.functional.pad(same, (0, 1))[first]
