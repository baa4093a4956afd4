"""t-SNE: points attract along the neighbour graph and repel each other everywhere.

The gradient of KL(P || Q) is 4 Σ_j (p_ij - q_ij) w_ij (y_i - y_j), with w = 1 / (1 + |y_i - y_j|²) and
q = w / Σ w (van der Maaten and Hinton, 2008). `attraction` multiplies the first part: 1 is t-SNE, more draws
neighbours closer and makes the map more continuous (Böhm, Berens and Kobak, 2007.08902).
"""

import math
from collections.abc import Generator, Iterator
from functools import partial

import torch
from jaxtyping import Float
from torch import Tensor

from saliscope.core.anytime import Step, steadily
from saliscope.errors import ReductionError
from saliscope.reduction.affinities import Graph
from saliscope.reduction.fft import GridRepulsion
from saliscope.reduction.segments import segment_sum

EXACT = 2500
"""Up to so many points all pairs are cheaper than a grid."""
EXAGGERATION = 12.0
_BLOCK = 2**18  # pairs at once, where all are summed: they stay in a core's cache
_LOOK_EVERY = 25
_MOMENTUM_EARLY = 0.5
_MOMENTUM_FEW = 0.8
"""Up to `EXACT` points 300 iterations suffice: with more momentum they end in worse minima."""
_MOMENTUM_MANY = 0.95
"""Beyond, they do not: 10 000 points in clusters keep 0.12 of their neighbours instead of 0.11, and as many
of a cloud of 32 dimensions 0.13 instead of 0.08."""
_LEAST_RATE = 5.0
_LEAST_GAIN = 0.01


def tsne_stream(
    graph: Graph,
    start: Float[Tensor, "n 2"],
    *,
    attraction: float = 1.0,
    n_iter: int = 300,
    early: int = 100,
    tolerance: float = 5e-4,
) -> Iterator[Step[Tensor]]:
    """Unfold a map, one step an iteration; its result is the coordinates (n, 2), in the dtype of `start`.

    Parameters
    ----------
    graph : Graph
        What attracts what; on the device of `start`.
    start : Tensor
        Where the points begin, (n, 2): `small_start` of principal components, or a map to go on with.
    attraction : float
        Weight of the attraction, above 0; 1 is t-SNE.
    n_iter : int
        Iterations at most.
    early : int
        How many of them attract 12-fold, so that clusters find each other; 0 for a map that has its shape.
    tolerance : float
        The run ends when the objective changes by less than this share in 25 iterations; 0 for all of them.

    Raises
    ------
    ReductionError
        A start that does not fit the graph, or a parameter outside its range.
    """
    _check(graph, start, attraction, n_iter, early)
    return steadily(_iterations(graph, start, attraction, n_iter, early, tolerance))


def kl(graph: Graph, coordinates: Float[Tensor, "n 2"]) -> float:
    """Kullback-Leibler divergence of the map's similarities from the graph's, in nats: t-SNE's objective."""
    forces = Forces(graph, coordinates)
    points = coordinates.T.contiguous()
    _, normaliser = forces.repulsion(points)
    return float(forces.divergence(points, normaliser))


def gradient(
    graph: Graph, coordinates: Float[Tensor, "n 2"], attraction: float = 1.0
) -> Float[Tensor, "n 2"]:
    """Gradient of the objective at these coordinates, as the engine follows it."""
    forces = Forces(graph, coordinates)
    return forces(coordinates.T.contiguous(), attraction)[0].T.contiguous()


def small_start(coordinates: Float[Tensor, "n 2"], random_state: int = 0) -> Float[Tensor, "n 2"]:
    """Coordinates with a spread of 1e-4, as a start, and a hundredth of that at random.

    Without the noise a start on a line would stay on it for ever, and equal points would stay together.
    The noise depends on the seed only, not on the device.
    """
    moved = coordinates - coordinates.mean(dim=0)
    spread = moved.std(dim=0, unbiased=False).max()
    scaled = moved * (1e-4 / spread) if float(spread) > 0 else moved
    generator = torch.Generator().manual_seed(random_state)
    noise = torch.randn(coordinates.shape, generator=generator, dtype=torch.float32)
    return scaled + noise.to(scaled) * 1e-6


def _check(graph: Graph, start: Tensor, attraction: float, n_iter: int, early: int) -> None:
    if start.shape != (len(graph), 2):
        raise ReductionError(
            "start", f"shape {tuple(start.shape)}", f"({len(graph)}, 2), a place for each row"
        )
    if not bool(start.isfinite().all()):
        raise ReductionError("start", "NaN or infinity in it", "finite coordinates")
    if not attraction > 0:
        raise ReductionError("attraction", repr(attraction), "a number above 0", "1 is t-SNE.")
    if n_iter < 1 or early < 0:
        raise ReductionError("n_iter", f"{n_iter}, {early} of them early", "at least 1, and early at least 0")


class Forces:
    """What the graph and all pairs do to the points; a graph is laid out once for many calls."""

    def __init__(self, graph: Graph, like: Tensor) -> None:
        self.n = len(graph)
        self.weights = graph.weights.to(like.dtype)
        self.pointers = graph.pointers
        # A gather takes half as long by small indices.
        self.columns = graph.columns.to(torch.int32)
        lengths = graph.pointers.diff()
        self.rows = torch.arange(self.n, device=like.device, dtype=torch.int32).repeat_interleave(lengths)
        self.entropy = (self.weights * self.weights.clamp_min(1e-37).log()).sum()
        self.repulsion = GridRepulsion() if self.n > EXACT else _all_pairs

    def __call__(self, points: Tensor, attraction: float) -> tuple[Tensor, Tensor]:
        """Gradient (2, n) at the points (2, n), and the normaliser."""
        apart, normaliser = self.repulsion(points)
        pull = self.attraction(points)
        return (pull * attraction).sub_(apart / normaliser).mul_(4), normaliser

    def attraction(self, points: Tensor) -> Tensor:
        """Sum over the graph of p_ij w_ij (y_i - y_j)."""
        x, y, kernel = self._edges(points)
        strength = self.weights / kernel
        return torch.stack(
            [segment_sum(x * strength, self.pointers), segment_sum(y * strength, self.pointers)]
        )

    def divergence(self, points: Tensor, normaliser: Tensor, attraction: float = 1.0) -> Tensor:
        """KL(P || Q): Σ p log p + Σ p log(1 + d²) + log Σ w; `attraction` multiplies the second part."""
        _, _, kernel = self._edges(points)
        return self.entropy + attraction * (self.weights * kernel.log_()).sum() + normaliser.log()

    def _edges(self, points: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        x = points[0].index_select(0, self.rows).sub_(points[0].index_select(0, self.columns))
        y = points[1].index_select(0, self.rows).sub_(points[1].index_select(0, self.columns))
        return x, y, (x * x).addcmul_(y, y).add_(1)


def _all_pairs(points: Float[Tensor, "2 n"]) -> tuple[Float[Tensor, "2 n"], Tensor]:
    """Repulsion without approximation, block by block."""
    n = points.shape[1]
    force = torch.empty_like(points)
    total = points.new_zeros(())
    size = max(1, _BLOCK // n)
    for start in range(0, n, size):
        block = slice(start, start + size)
        x = points[0, block, None] - points[0]
        y = points[1, block, None] - points[1]
        kernel = (x * x).addcmul_(y, y).add_(1).reciprocal_()
        kernel.diagonal(start).zero_()
        total = total + kernel.sum()
        kernel.square_()
        force[0, block] = x.mul_(kernel).sum(dim=1)
        force[1, block] = y.mul_(kernel).sum(dim=1)
    return force, total


class _Descent:
    """Gradient descent with momentum and a gain for each coordinate (Jacobs 1988).

    A gain grows while its coordinate keeps its direction and shrinks where it turns. `shares` are those of
    the points in the attraction, (n,).
    """

    def __init__(self, points: Tensor, shares: Tensor) -> None:
        self.points = points
        # A point that many others hold is on a steeper slope: steps as long as theirs would throw it out of
        # the map and back, and its neighbours with it.
        self._damping = (shares * len(shares)).clamp_min(1).reciprocal()
        self._step = torch.zeros_like(points)
        self._gains = torch.ones_like(points)

    def go(self, slope: Tensor, rate: float, momentum: float) -> None:
        """One step down; the points become new ones, since somebody may still hold the old."""
        slope = slope * self._damping
        turned = self._step * slope > 0
        self._gains = torch.where(turned, self._gains * 0.8, self._gains + 0.2).clamp_min_(_LEAST_GAIN)
        self._step = self._step * momentum - slope * self._gains * rate
        moved = self.points + self._step
        self.points = moved - moved.mean(dim=1, keepdim=True)


def _iterations(
    graph: Graph, start: Tensor, attraction: float, n_iter: int, early: int, tolerance: float
) -> Generator[Step[Tensor], None, None]:
    forces = Forces(graph, start)
    descent = _Descent(start.T.contiguous(), segment_sum(forces.weights, forces.pointers))
    momentum = _MOMENTUM_MANY if len(graph) > EXACT else _MOMENTUM_FEW
    last = math.inf
    for done in range(1, n_iter + 1):
        hurried = done <= early
        strength = max(EXAGGERATION, attraction) if hurried else attraction
        slope, normaliser = forces(descent.points, strength)
        total = n_iter
        if done > early and done % _LOOK_EVERY == 0:
            now = float(forces.divergence(descent.points, normaliser, attraction))
            total = done if abs(last - now) <= tolerance * abs(now) else n_iter
            last = now
        # The steeper the attraction, the shorter the steps (Belkina et al. 2019, openTSNE).
        rate = max(len(graph) / (4 * max(strength, 1.0)), _LEAST_RATE)
        descent.go(slope, rate, _MOMENTUM_EARLY if hurried else momentum)
        yield Step(partial(_rows, descent.points), done, total)
        if done == total:
            return


def _rows(points: Tensor) -> Tensor:
    return points.T.contiguous()
