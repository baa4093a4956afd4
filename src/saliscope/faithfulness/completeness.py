"""Completeness: whether a map sums to the change of the score; and what the map gains from twice the work."""

from dataclasses import dataclass, is_dataclass, replace
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from saliscope.core.borrow import Borrowed
from saliscope.core.device import exact
from saliscope.core.query import Query
from saliscope.core.targets import ResolvedTarget
from saliscope.errors import MethodError
from saliscope.faithfulness.order import as_values, asked, explained
from saliscope.faithfulness.replacement import as_replacement

WORK = ("n_steps", "n_samples", "n_masks", "n_iterations")
"""Parameters that say how much work a method does; the first that it has is doubled."""


@dataclass(frozen=True)
class CompletenessProtocol:
    """What a sum is compared to.

    Parameters
    ----------
    baseline : Baseline, str, float or Tensor, optional
        Where the score is taken as what a map starts from; see `saliscope.faithfulness.replacement`. None:
        the method's own, from its answer's ``convergence_delta``.

    Raises
    ------
    BaselineError
        If it is not known.
    """

    baseline: Any = None

    def __post_init__(self) -> None:
        if self.baseline is not None:
            object.__setattr__(self, "baseline", as_replacement(self.baseline))


@dataclass(frozen=True)
class Completeness:
    """Sum of a map, beside the change of the score that it should be.

    Attributes
    ----------
    protocol : CompletenessProtocol
        What it was compared to.
    gap : Tensor of shape (n,)
        ``sum(values) - (F(x) - F(x'))``: 0 is best, but no bound on the map's error.
    change : Tensor of shape (n,)
        ``F(x) - F(x')``.
    relative : Tensor of shape (n,)
        Magnitude of `gap` over that of `change`; NaN where the score does not change.
    target : ResolvedTarget
        What was scored.
    notes : tuple of str
        Caveats in words.
    """

    protocol: CompletenessProtocol
    gap: Float[Tensor, " n"]
    change: Float[Tensor, " n"]
    relative: Float[Tensor, " n"]
    target: ResolvedTarget
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class StepDoubling:
    """How far a map moves when its method does twice the work.

    Attributes
    ----------
    change : Tensor of shape (n,)
        L2 norm of the change of the values over that of the better values: an estimate of the error before.
    doubled : str
        What was doubled, in words.
    target : ResolvedTarget
        What was explained.
    notes : tuple of str
        Caveats in words.
    """

    change: Float[Tensor, " n"]
    doubled: str
    target: ResolvedTarget
    notes: tuple[str, ...] = ()


def completeness(
    model: nn.Module | Borrowed, inputs: Tensor, maps: Any, target: Any = None, *, baseline: Any = None
) -> Completeness:
    """Gap between the sum of a map and the change of the score (Sundararajan et al. 2017, arXiv 1703.01365).

    Parameters
    ----------
    model : nn.Module or Borrowed
    inputs : Tensor of shape (n, channels, height, width)
        In model space.
    maps : Attribution, Tensor or ndarray
        See `saliscope.faithfulness.order.as_values`.
    target : see `saliscope.Target`
        None: that of the attribution, or else each input's own top class.
    baseline : Baseline, str, float or Tensor, optional
        As of `CompletenessProtocol`.

    Returns
    -------
    Completeness

    Raises
    ------
    MethodError
        If neither the method nor the caller says what the sum should be compared to.
    """
    protocol = CompletenessProtocol(baseline)
    query = Query(model, inputs, asked(maps, target), "auto")
    x = query.pictures("for a sum over pixels")
    total = as_values(maps, x).flatten(1).sum(1)
    notes = []
    if protocol.baseline is not None:
        start = query.scores(protocol.baseline.make(query.borrowed, x))
        change = exact(query.score) - exact(start)
        gap = total - change
    else:
        delta = getattr(maps, "convergence_delta", None)
        if not isinstance(delta, Tensor):
            expected = "the baseline that the map starts from: this method does not name one"
            raise MethodError("baseline", "None", expected, "For gradient x input it is 'zero'.")
        gap = exact(delta)
        # A layer's units sum to the change, where the picture of them was enlarged.
        change = exact(getattr(maps, "summands", total)).flatten(1).sum(1) - gap
    if not getattr(maps, "signed", True):
        gap = torch.full_like(gap, torch.nan)
        notes.append("Not defined for magnitudes: without their signs they sum to no change of a score.")
    if bool((change == 0).any()):
        notes.append("No relative number where the score at the baseline is that at the input.")
    relative = torch.where(change != 0, gap.abs() / change.abs(), torch.nan)
    return Completeness(protocol, gap, change, relative, query.target, tuple(notes))


def step_doubling(
    method: Any, model: nn.Module | Borrowed, inputs: Tensor, target: Any = None
) -> StepDoubling:
    """Relative change of the map when its method does twice the work.

    Parameters
    ----------
    method : object
        A method with ``attribute``, and either one whose answers it can ``refine`` (its ``refinable`` says
        so), or a dataclass with one of the parameters of `WORK`.
    model : nn.Module or Borrowed
    inputs : Tensor of shape (n, channels, height, width)
        In model space.
    target : see `saliscope.Target`
        None: each input's own top class.

    Returns
    -------
    StepDoubling

    Raises
    ------
    MethodError
        If there is nothing to double.
    """
    query = Query(model, inputs, target, "auto")
    x = query.pictures("to explain")
    refine = getattr(method, "refine", None) if getattr(method, "refinable", False) else None
    work = next((name for name in WORK if isinstance(getattr(method, name, None), int)), None)
    if refine is None and (work is None or not is_dataclass(method)):
        expected = f"one with .refine, or with one of {', '.join(WORK)}"
        raise MethodError("method", f"{method!r}"[:80], expected, "A method without steps has no such error.")
    answer, before = explained(method, model, x, query.target)
    if refine is not None:
        doubled = "the work, by .refine" if work is None else f"{work}={getattr(method, work)}, by .refine"
        after = as_values(refine(answer, model), x)
    else:
        doubled = f"{work}={getattr(method, str(work))}"
        better = replace(method, **{str(work): 2 * getattr(method, str(work))})  # type: ignore[type-var]
        _, after = explained(better, model, x, query.target)
    norms = after.flatten(1).norm(dim=1)
    change = torch.where(norms > 0, (after - before).flatten(1).norm(dim=1) / norms, torch.nan)
    notes = ("Not defined for a map that is zero throughout.",) if bool((norms == 0).any()) else ()
    return StepDoubling(change, doubled, query.target, notes)
