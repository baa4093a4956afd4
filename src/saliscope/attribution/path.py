"""Integrated Gradients: the straight path, by fixed rules or by one that looks where to look."""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar, Literal

import torch

from saliscope.attribution.adaptive import AdaptiveWalk
from saliscope.attribution.base import Attribution, Question, check_count
from saliscope.attribution.cards import paths as cards
from saliscope.attribution.layered import Layered
from saliscope.attribution.quadrature import RULES, doubled
from saliscope.attribution.quadrature import Rule as FixedRule
from saliscope.attribution.walk import FromBaseline, Walk, relative_change
from saliscope.core.anytime import Step
from saliscope.core.baselines import Black, as_baselines
from saliscope.core.knobs import knob
from saliscope.errors import MethodError
from saliscope.specs.saliency import Card

__all__ = ["IntegratedGradients", "relative_change"]

Rule = Literal[FixedRule, "adaptive"]


@dataclass(frozen=True)
class IntegratedGradients(Layered, FromBaseline):
    """Integrated Gradients (Sundararajan et al. 2017, arXiv 1703.01365).

    ``(x - x') * integral over alpha in [0, 1] of dF(x' + alpha (x - x')) / dx``. The values sum to
    ``F(x) - F(x')``, up to the error of the quadrature.

    Parameters
    ----------
    baseline : Baseline, str, float, Tensor, or a tuple of them
        Start of the path. Several are averaged, and each result is kept.
    n_steps : int
        Intervals of the path; of the adaptive rule the most gradients that it may take, two at least.
    rule : {"midpoint", "right", "trapezoid", "gauss_legendre", "gauss_kronrod", "adaptive"}
        Quadrature. Midpoint is the best of the fixed ones on ReLU networks, Gauss-Legendre on smooth ones.
        The adaptive one puts its nodes where the gradient changes and stops when the map is good enough: half
        the gradients and less where the score saturates. See `saliscope.attribution.adaptive`. An explorer
        begins with it; where a number of steps is written down, that many are meant.
    tolerance : float
        Of the adaptive rule: relative error of the map, and of its sum, at which it stops.
    layer : str, optional
        Name of a layer in whose space the path is straight, from its activations at the baseline to those at
        the input: see `Layered`. The values sum to ``F(x) - F(x')`` where nothing reaches the score but
        through the layer; whatever does stays as it is at the input.
    """

    key: ClassVar[str] = "integrated_gradients"
    title: ClassVar[str] = "Integrated Gradients"
    summary: ClassVar[str] = (
        "How much each pixel contributed to the change of the score "
        "on the way from the baseline to the picture."
    )
    unit: ClassVar[str] = "score"
    card: ClassVar[Card] = cards.INTEGRATED_GRADIENTS
    family: ClassVar[str] = "Paths"
    refinable: ClassVar[bool] = True

    baseline: Any = field(default_factory=Black)
    n_steps: int = 32
    rule: Rule = knob("midpoint", "quadrature", first="adaptive")
    tolerance: float = knob(
        0.05, "tolerance", 0.005, 0.5, 0.005, log=True, when=("rule", "adaptive"), stops=True
    )
    layer: str | None = None

    def __post_init__(self) -> None:
        check_count("n_steps", self.n_steps)
        if self.rule not in (*RULES, "adaptive"):
            raise MethodError("rule", repr(self.rule), f"one of {', '.join((*RULES, 'adaptive'))}")
        number = isinstance(self.tolerance, (int, float)) and not isinstance(self.tolerance, bool)
        if not number or not 0 <= self.tolerance <= 1:
            raise MethodError("tolerance", repr(self.tolerance), "a share from 0 to 1")
        as_baselines(self.baseline)

    def _steps(self, question: Question) -> Iterator[Step[Attribution]]:
        pictures = self.starts(question.borrowed, question.whole.inputs)
        starts = torch.stack([question.lifted(start) for start in pictures])
        if self.rule == "adaptive":
            return AdaptiveWalk(self, question, starts).steps()
        return Walk(self, question, starts, None, self.rule, self.n_steps).steps()

    def _refined(self, question: Question, attribution: Attribution) -> Iterator[Step[Attribution]]:
        parts = attribution.per_baseline or (attribution,)
        paths = [part.path for part in parts if part.path is not None]
        starts = torch.stack([path.baseline for path in paths])
        earlier: Any = attribution.method
        n_steps = 2 * earlier.n_steps
        if earlier.rule == "adaptive":
            finer = replace(earlier, n_steps=n_steps, tolerance=earlier.tolerance / 2)
            adaptive = AdaptiveWalk(finer, question, starts)
            adaptive.reuse(paths)
            return adaptive.steps()
        name, n_steps = doubled(earlier.rule, earlier.n_steps)
        scores = torch.stack([path.baseline_score for path in paths])
        finer = replace(earlier, rule=name, n_steps=n_steps)
        walk = Walk(finer, question, starts, scores, name, n_steps)
        walk.reuse(paths)
        return walk.steps()
