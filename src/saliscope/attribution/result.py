"""What a method answers: the values, and what a reader needs to judge them."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from jaxtyping import Float
from torch import Tensor

from saliscope.core.coverage import Coverage
from saliscope.core.device import as_like
from saliscope.core.layers import map_of
from saliscope.core.targets import ResolvedTarget

if TYPE_CHECKING:
    from saliscope.attribution.base import Method


@dataclass(frozen=True)
class Path:
    """A path from a baseline to the inputs, with all that was computed on it.

    Attributes
    ----------
    nodes, weights : Tensor of shape (n_nodes,) or (n_nodes, n)
        Quadrature nodes in [0, 1], ascending, and their weights (float64, on the CPU). One column for each
        input where every input has nodes of its own: then both ends are among them, and an input with fewer
        nodes than others repeats its last one with weight 0. `of` gives one input's path without these.
    node_scores : Tensor of shape (n_nodes, n)
        Score at each node.
    gradients : Tensor of shape (n_nodes, n, ...)
        Gradient of the score at each node.
    difference : Tensor of shape (n, ...) or (n_nodes, n, ...)
        What the gradients are multiplied by: the derivative of the point on the path by its position. On a
        straight path it is input minus baseline everywhere.
    baseline : Tensor of shape (n, ...)
        Start of the path, in model space.
    baseline_score, score : Tensor of shape (n,)
        Score at both ends.
    points : Tensor of shape (n_nodes, n, ...), optional
        Where the gradients were taken; None for a straight path.
    products : Tensor of the shape of `gradients`, optional
        ``difference * gradient`` at each node, where a node stands for several points: the mean of products
        is no product of means. All else is then a mean as well.
    """

    nodes: Tensor
    weights: Tensor
    node_scores: Tensor
    gradients: Tensor
    difference: Tensor
    baseline: Tensor
    baseline_score: Tensor
    score: Tensor
    points: Tensor | None = None
    products: Tensor | None = None

    def of(self, i: int) -> "Path":
        """The path of one input, still as a batch of one, with `nodes` and `weights` of shape (n_nodes,)."""
        own, one = self.nodes.ndim == 2, slice(i, i + 1)
        nodes, weights = (self.nodes[:, i], self.weights[:, i]) if own else (self.nodes, self.weights)
        k = int((nodes < 1).sum()) + 1 if own else len(nodes)
        curved = self.difference.ndim == self.gradients.ndim
        return Path(
            nodes=nodes[:k],
            weights=weights[:k],
            node_scores=self.node_scores[:k, one],
            gradients=self.gradients[:k, one],
            difference=self.difference[:k, one] if curved else self.difference[one],
            baseline=self.baseline[one],
            baseline_score=self.baseline_score[one],
            score=self.score[one],
            points=None if self.points is None else self.points[:k, one],
            products=None if self.products is None else self.products[:k, one],
        )

    @property
    def alphas(self) -> Float[Tensor, "k *n"]:
        """Points of the path: both ends and every node."""
        return self._with_ends(self.nodes, torch.zeros_like(self.nodes[0]), torch.ones_like(self.nodes[0]))

    @property
    def scores(self) -> Float[Tensor, "k n"]:
        """Score at each of `alphas`."""
        return self._with_ends(self.node_scores, self.baseline_score, self.score)

    @property
    def terms(self) -> Float[Tensor, "k n *features"]:
        """``difference * gradient`` at each node."""
        return self.gradients * self.difference if self.products is None else self.products

    @property
    def cumulative(self) -> Float[Tensor, "k n *features"]:
        """Attribution accumulated from 0 to each of `alphas`; the last one is the whole attribution."""
        return self.accumulate(self.terms)

    def points_at(self, alphas: Tensor, inputs: Float[Tensor, "1 *features"]) -> Float[Tensor, "m *features"]:
        """Points of the path of a single input, in model space; between nodes of a curved path, mixed.

        Parameters
        ----------
        alphas : Tensor of shape (m,)
            In [0, 1].
        inputs : Tensor of shape (1, ...)
            The end of the path.
        """
        if self.points is None:
            shares = as_like(alphas, inputs).reshape(-1, *[1] * (inputs.ndim - 1))
            return torch.lerp(self.baseline, inputs, shares)
        known = self.alphas
        points = self._with_ends(self.points, self.baseline, inputs.to(self.points.dtype))[:, 0]
        after = torch.searchsorted(known, alphas.to(known), right=True).clamp(1, len(known) - 1)
        shares = (alphas.to(known) - known[after - 1]) / (known[after] - known[after - 1])
        shares = as_like(shares, points).reshape(-1, *[1] * (points.ndim - 1))
        return torch.lerp(points[after - 1], points[after], shares).to(inputs.dtype)

    def accumulate(self, values: Tensor) -> Tensor:
        """Integral from 0 to each of `alphas` of values at the nodes; each holds as wide as its weight is."""
        edges = torch.cat([torch.zeros_like(self.weights[:1]), self.weights.cumsum(0)])
        # Only rounding can push a node out of its own cell: weights partition [0, 1] around the nodes.
        inside = (self.nodes - edges[:-1]).clamp_min(0).minimum(self.weights)

        def by_node(weights: Tensor) -> Tensor:
            return as_like(weights, values).reshape(*weights.shape, *[1] * (values.ndim - weights.ndim))

        mass = values * by_node(self.weights)
        total = mass.cumsum(0)
        at_nodes = total - mass + values * by_node(inside)
        return self._with_ends(at_nodes, torch.zeros_like(total[0]), total[-1])

    def _with_ends(self, values: Tensor, first: Tensor, last: Tensor) -> Tensor:
        if self.nodes.ndim == 2:
            return values
        # A rule that has the ends as nodes must not list them twice.
        inner = values[(self.nodes > 0) & (self.nodes < 1)]
        return torch.cat([first.reshape(1, *inner.shape[1:]), inner, last.reshape(1, *inner.shape[1:])])


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
        Sum of `summands` minus the change of score from baseline to input. No bound on the map's error.
    map_change : Tensor of shape (n,), optional
        Relative L2 change of the map between half of the steps and all: an estimate of the map's own error.
    map_error : Tensor of shape (n,), optional
        Of adaptive methods: the map's own relative L2 error, estimated from how far the gradients of
        neighbouring nodes differ. It was at least the true error in nine of ten cases that were measured.
    standard_error : Tensor of the shape of `map`, optional
        For methods that sample: standard error of `map`, estimated from the samples themselves.
    sample_scores : Tensor of shape (n_samples, n), optional
        For methods that ask about altered inputs at random: the score of each (float64, on the CPU).
    sample_groups : Tensor of shape (k, n, height, width), optional
        For methods whose samples come from k independent sequences: the mean of each, as a map.
    sample_counts : Tensor of shape (n,), optional
        For methods that average over noisy copies, or ask about coalitions: how many each input has had.
    sample_mean : Tensor of the shape of `values`, optional
        Where `values` are a variance over copies: the mean, from which more copies go on.
    coverage : Coverage, optional
        For methods that replace the gradient of operations: which ones had a rule, and which had none.
    path : Path, optional
        For path methods with one baseline; for a layer, in the layer's own space.
    per_baseline : tuple of Attribution
        For several baselines: each one's own result.
    layer : str, optional
        The layer that was read.
    grid : tuple of int, optional
        Height and width of the map before it was enlarged to the input's size.
    units : Tensor of shape (n, ...), optional
        For the attribution of a layer: one value for each of its units, in the layer's own layout. `values`
        shows their sum over the channels.
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
    map_error: Tensor | None = None
    standard_error: Tensor | None = None
    sample_scores: Tensor | None = None
    sample_groups: Tensor | None = None
    sample_counts: Tensor | None = None
    sample_mean: Tensor | None = None
    coverage: Coverage | None = None
    path: Path | None = None
    per_baseline: "tuple[Attribution, ...]" = ()
    layer: str | None = None
    grid: tuple[int, int] | None = None
    units: Tensor | None = None
    notes: tuple[str, ...] = ()
    complete: bool = True

    def __repr__(self) -> str:
        shape = "×".join(map(str, self.values.shape))
        return f"Attribution({shape}, {self.method}, of {', '.join(dict.fromkeys(self.target.labels))})"

    @property
    def map(self) -> Float[Tensor, "n height width"]:
        """Sum over the channels: what a picture of the attribution shows."""
        return self.values.sum(1)

    @property
    def summands(self) -> Tensor:
        """What sums to the change of the score, where a method says so: `units` of a layer, else `values`."""
        return self.values if self.units is None else self.units

    def shown(self, values: Tensor) -> Float[Tensor, "k height width"]:
        """Values in the layout of `summands`, any number of rows, in the way of `map`."""
        if self.units is None:
            return values.sum(1)
        height, width = self.inputs.shape[2:]
        return map_of(values, (height, width))
