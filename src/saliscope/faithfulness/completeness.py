"""Completeness: whether a map sums to the change of the score; and what the map gains from twice the work."""

from collections.abc import Generator, Iterator
from dataclasses import dataclass, is_dataclass, replace
from functools import partial
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from saliscope.core.anytime import CancelToken, Step, drive, steadily
from saliscope.core.batching import ChunkSize
from saliscope.core.borrow import Borrowed
from saliscope.core.device import exact
from saliscope.core.query import Query
from saliscope.core.targets import ResolvedTarget
from saliscope.errors import MethodError
from saliscope.faithfulness.order import as_values, asked, chunks_of, explained
from saliscope.faithfulness.protocol import agreed, check_count
from saliscope.faithfulness.replacement import as_replacement
from saliscope.faithfulness.shown import Shown

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
class Completeness(Shown):
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
    complete : bool
        False for what a stream gives before its last step: NaN for the inputs that are still to come.
    """

    protocol: CompletenessProtocol
    gap: Float[Tensor, " n"]
    change: Float[Tensor, " n"]
    relative: Float[Tensor, " n"]
    target: ResolvedTarget
    notes: tuple[str, ...] = ()
    complete: bool = True


@dataclass(frozen=True)
class StepDoublingProtocol:
    """How often the work is doubled.

    Parameters
    ----------
    n_doublings : int
        Times that the work is doubled; more than one shows whether the changes shrink.

    Raises
    ------
    MethodError
        If it is less than 1.
    """

    n_doublings: int = 1

    def __post_init__(self) -> None:
        check_count("n_doublings", self.n_doublings, 1)


@dataclass(frozen=True)
class StepDoubling(Shown):
    """How far a map moves when its method does twice the work.

    Attributes
    ----------
    protocol : StepDoublingProtocol
        How it was measured.
    changes : Tensor of shape (n_doublings, n)
        L2 norm of the change of the values by each doubling, over that of the better values.
    doubled : str
        What was doubled, in words.
    target : ResolvedTarget
        What was explained.
    notes : tuple of str
        Caveats in words.
    complete : bool
        False for what a stream gives before its last step.
    """

    protocol: StepDoublingProtocol
    changes: Float[Tensor, "n_doublings n"]
    doubled: str
    target: ResolvedTarget
    notes: tuple[str, ...] = ()
    complete: bool = True

    @property
    def change(self) -> Float[Tensor, " n"]:
        """The first of `changes`: an estimate of the error of the map before."""
        return self.changes[0]


def completeness(
    model: nn.Module | Borrowed,
    inputs: Tensor,
    maps: Any,
    target: Any = None,
    *,
    progress: Any = None,
    cancel: CancelToken | None = None,
    **options: Any,
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
    progress, cancel
        See `saliscope.core.anytime.drive`.
    **options
        ``protocol`` and ``chunk_size`` as in `completeness_stream`; all else are fields of the protocol.

    Returns
    -------
    Completeness

    Raises
    ------
    MethodError
        If neither the method nor the caller says what the sum should be compared to.
    """
    return drive(completeness_stream(model, inputs, maps, target, **options), progress, cancel)


def completeness_stream(
    model: nn.Module | Borrowed,
    inputs: Tensor,
    maps: Any,
    target: Any = None,
    *,
    protocol: CompletenessProtocol | None = None,
    chunk_size: ChunkSize = "auto",
    **options: Any,
) -> Iterator[Step[Completeness]]:
    """`completeness` of more and more of the inputs; same parameters.

    Yields
    ------
    Step of Completeness
    """
    protocol = agreed(CompletenessProtocol(), protocol, options)

    def steps() -> Generator[Step[Completeness], None, None]:
        query = Query(model, inputs, asked(maps, target), chunk_size)
        x = query.pictures("for a sum over pixels")
        total = as_values(maps, x).flatten(1).sum(1)
        signed = bool(getattr(maps, "signed", True))
        if protocol.baseline is None:
            gap = _own_gap(maps)
            # A layer's units sum to the change, where the picture of them was enlarged.
            change = exact(getattr(maps, "summands", total)).flatten(1).sum(1) - gap
            yield Step(partial(_gap, protocol, gap, change, query.target, signed, True), len(x), len(x))
            return
        start, change = protocol.baseline.make(query.borrowed, x), torch.full_like(total, torch.nan)

        def score(a: int, b: int) -> Tensor:
            return query.scores_at(start[a:b], torch.arange(a, b))

        for a, b, found in query.chunked(score, len(x), "forward"):
            change = change.clone()  # an earlier step may still be looked at
            change[a:b] = exact(query.score[a:b]) - exact(found)
            parts = protocol, total - change, change, query.target, signed, b == len(x)
            yield Step(partial(_gap, *parts), b, len(x))

    return steadily(steps())


def _own_gap(maps: Any) -> Float[Tensor, " n"]:
    delta = getattr(maps, "convergence_delta", None)
    if not isinstance(delta, Tensor):
        expected = "the baseline that the map starts from: this method does not name one"
        raise MethodError("baseline", "None", expected, "For gradient x input it is 'zero'.")
    return exact(delta)


def _gap(
    protocol: CompletenessProtocol,
    gap: Tensor,
    change: Tensor,
    target: ResolvedTarget,
    signed: bool,
    complete: bool,
) -> Completeness:
    notes = []
    if not signed:
        gap = torch.full_like(gap, torch.nan)
        notes.append("Not defined for magnitudes: without their signs they sum to no change of a score.")
    if bool((change == 0).any()):
        notes.append("No relative number where the score at the baseline is that at the input.")
    relative = torch.where(change != 0, gap.abs() / change.abs(), torch.nan)
    return Completeness(protocol, gap, change, relative, target, tuple(notes), complete)


def step_doubling(
    model: nn.Module | Borrowed,
    inputs: Tensor,
    explain: Any,
    target: Any = None,
    *,
    progress: Any = None,
    cancel: CancelToken | None = None,
    **options: Any,
) -> StepDoubling:
    """Relative change of the map when its method does twice the work.

    Parameters
    ----------
    model : nn.Module or Borrowed
    inputs : Tensor of shape (n, channels, height, width)
        In model space.
    explain : object
        A method with ``attribute``, and either one whose answers it can ``refine`` (its ``refinable`` says
        so), or a dataclass with one of the parameters of `WORK`.
    target : see `saliscope.Target`
        None: each input's own top class.
    progress, cancel
        See `saliscope.core.anytime.drive`.
    **options
        ``protocol`` and ``chunk_size`` as in `step_doubling_stream`; all else are fields of the protocol.

    Returns
    -------
    StepDoubling

    Raises
    ------
    MethodError
        If there is nothing to double.
    """
    return drive(step_doubling_stream(model, inputs, explain, target, **options), progress, cancel)


def step_doubling_stream(
    model: nn.Module | Borrowed,
    inputs: Tensor,
    explain: Any,
    target: Any = None,
    *,
    protocol: StepDoublingProtocol | None = None,
    chunk_size: ChunkSize = "auto",
    **options: Any,
) -> Iterator[Step[StepDoubling]]:
    """`step_doubling`, doubling by doubling; same parameters.

    Yields
    ------
    Step of StepDoubling
    """
    protocol = agreed(StepDoublingProtocol(), protocol, options)

    def steps() -> Generator[Step[StepDoubling], None, None]:
        query = Query(model, inputs, target, chunk_size)
        x = query.pictures("to explain")
        method = explain
        work, refinable = _work(method)
        doubled = "the work" if work is None else f"{work}={getattr(method, work)}"
        doubled += ", by .refine" if refinable else ""
        answer, before = explained(method, model, x, query.target, chunk_size)
        changes: list[Tensor] = []
        for k in range(1, protocol.n_doublings + 1):
            if refinable:
                answer = method.refine(answer, model, **chunks_of(method.refine, chunk_size))
                after = as_values(answer, x)
            else:
                more: Any = replace(method, **{str(work): 2**k * getattr(method, str(work))})
                _, after = explained(more, model, x, query.target, chunk_size)
            norms = after.flatten(1).norm(dim=1)
            changes.append(torch.where(norms > 0, (after - before).flatten(1).norm(dim=1) / norms, torch.nan))
            before = after
            result = partial(_doubled, protocol, tuple(changes), doubled, query.target)
            yield Step(result, k, protocol.n_doublings)

    return steadily(steps())


def _work(method: Any) -> tuple[str | None, bool]:
    """The parameter that says how much work a method does, and whether it refines its answers."""
    work = next((name for name in WORK if isinstance(getattr(method, name, None), int)), None)
    refinable = callable(getattr(method, "refine", None)) and bool(getattr(method, "refinable", False))
    if not refinable and (work is None or not is_dataclass(method)):
        expected = f"a method with .refine, or with one of {', '.join(WORK)}"
        way_out = "A method without steps has no such error."
        raise MethodError("explain", f"{method!r}"[:80], expected, way_out)
    return work, refinable


def _doubled(
    protocol: StepDoublingProtocol, changes: tuple[Tensor, ...], doubled: str, target: ResolvedTarget
) -> StepDoubling:
    found, complete = torch.stack(changes), len(changes) == protocol.n_doublings
    notes = ("Not defined for a map that is zero throughout.",) if bool(found.isnan().any()) else ()
    return StepDoubling(protocol, found, doubled, target, notes, complete)
