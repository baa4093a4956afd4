"""What a method answers: the values, and what a reader needs to judge them."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from jaxtyping import Float
from torch import Tensor

from saliscope.core.coverage import Coverage
from saliscope.core.device import as_like
from saliscope.core.targets import ResolvedTarget

if TYPE_CHECKING:
    from saliscope.attribution.base import Method


@dataclass(frozen=True)
class Path:
    """A straight path from a baseline to the inputs, with all that was computed on it.

    Attributes
    ----------
    nodes, weights : Tensor of shape (n_nodes,)
        Quadrature nodes in [0, 1], ascending, and their weights (float64, on the CPU).
    node_scores : Tensor of shape (n_nodes, n)
        Score at each node.
    gradients : Tensor of shape (n_nodes, n, ...)
        Gradient of the score at each node.
    difference : Tensor of shape (n, ...)
        Input minus baseline: what the gradients are multiplied by.
    baseline : Tensor of shape (n, ...)
        Start of the path, in model space.
    baseline_score, score : Tensor of shape (n,)
        Score at both ends.
    """

    nodes: Tensor
    weights: Tensor
    node_scores: Tensor
    gradients: Tensor
    difference: Tensor
    baseline: Tensor
    baseline_score: Tensor
    score: Tensor

    @property
    def alphas(self) -> Float[Tensor, " k"]:
        """Points of the path: both ends and every node."""
        return torch.cat([self.nodes.new_zeros(1), self._inner(self.nodes), self.nodes.new_ones(1)])

    @property
    def scores(self) -> Float[Tensor, "k n"]:
        """Score at each of `alphas`."""
        return torch.cat([self.baseline_score[None], self._inner(self.node_scores), self.score[None]])

    @property
    def terms(self) -> Float[Tensor, "k n *features"]:
        """``(input - baseline) * gradient`` at each node."""
        return self.gradients * self.difference

    @property
    def cumulative(self) -> Float[Tensor, "k n *features"]:
        """Attribution accumulated from 0 to each of `alphas`; the last one is the whole attribution."""
        return self.accumulate(self.gradients) * self.difference

    def accumulate(self, values: Tensor) -> Tensor:
        """Integral from 0 to each of `alphas` of values at the nodes; each holds as wide as its weight is."""
        shape = (-1,) + (1,) * (values.ndim - 1)
        edges = torch.cat([self.weights.new_zeros(1), self.weights.cumsum(0)])
        # Only rounding can push a node out of its own cell: weights partition [0, 1] around the nodes.
        inside = (self.nodes - edges[:-1]).clamp_min(0).minimum(self.weights)
        mass = values * as_like(self.weights, values).reshape(shape)
        total = mass.cumsum(0)
        at_nodes = total - mass + values * as_like(inside, values).reshape(shape)
        return torch.cat([torch.zeros_like(total[:1]), self._inner(at_nodes), total[-1:]])

    def _inner(self, values: Tensor) -> Tensor:
        # The ends are added by the properties above; a rule that has them as nodes must not list them twice.
        return values[(self.nodes > 0) & (self.nodes < 1)]


@dataclass(frozen=True)
class Attribution:
    """Importance of every input value for one score.

    Attributes
    ----------
    values : Tensor of shape (n, channels, height, width)
        Attribution in the shape of the inputs; methods that know no channels give one.
    signed : bool
        Whether negative values mean evidence against the score.
    unit : str
        What a value is measured in.
    score : Tensor of shape (n,)
        The score at the inputs.
    target : ResolvedTarget
        What was explained.
    method : Method
        The configuration that gives this result again.
    inputs : Tensor
        What was explained, in model space.
    convergence_delta : Tensor of shape (n,), optional
        Sum of attributions minus the change of score from baseline to input. No bound on the map's error.
    map_change : Tensor of shape (n,), optional
        Relative L2 change of the map between half of the steps and all: an estimate of the map's own error.
    standard_error : Tensor of the shape of `map`, optional
        For methods that sample: standard error of `map`, estimated from the samples themselves.
    coverage : Coverage, optional
        For methods that replace the gradient of operations: which ones had a rule, and which had none.
    path : Path, optional
        For path methods with one baseline.
    per_baseline : tuple of Attribution
        For several baselines: each one's own result.
    layer : str, optional
        The layer that was read.
    grid : tuple of int, optional
        Height and width of the map before it was enlarged to the input's size.
    notes : tuple of str
        Caveats in words.
    complete : bool
        False for what a stream gives before its last step.
    """

    values: Tensor
    signed: bool
    unit: str
    score: Tensor
    target: ResolvedTarget
    method: "Method"
    inputs: Tensor
    convergence_delta: Tensor | None = None
    map_change: Tensor | None = None
    standard_error: Tensor | None = None
    coverage: Coverage | None = None
    path: Path | None = None
    per_baseline: "tuple[Attribution, ...]" = ()
    layer: str | None = None
    grid: tuple[int, int] | None = None
    notes: tuple[str, ...] = ()
    complete: bool = True

    def __repr__(self) -> str:
        shape = "×".join(map(str, self.values.shape))
        return f"Attribution({shape}, {self.method}, of {', '.join(dict.fromkeys(self.target.labels))})"

    @property
    def map(self) -> Float[Tensor, "n height width"]:
        """Sum over the channels: what a picture of the attribution shows."""
        return self.values.sum(1)
