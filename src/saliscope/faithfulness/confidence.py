"""Average drop and increase in confidence: the picture is dimmed where a map is low."""

from dataclasses import dataclass, replace
from typing import Any, get_args

import torch
from jaxtyping import Float
from torch import Tensor, nn

from saliscope.core.batching import ChunkSize
from saliscope.core.borrow import Borrowed
from saliscope.core.device import as_like, exact
from saliscope.core.query import Query
from saliscope.core.targets import OUTPUTS, Output, ResolvedTarget
from saliscope.faithfulness.curves import NO_SCORE, note_of
from saliscope.faithfulness.order import Ranking, as_maps, is_constant, scored
from saliscope.faithfulness.protocol import agreed, check_choice
from saliscope.faithfulness.replacement import as_replacement
from saliscope.faithfulness.shown import Shown

_OUTPUTS = tuple(output for output in OUTPUTS if output != "log_probability")


@dataclass(frozen=True)
class ConfidenceProtocol:
    """How a picture is dimmed, and what is scored.

    Parameters
    ----------
    replacement : Baseline, str, float or Tensor
        What is seen where the map has its lowest value; see `saliscope.faithfulness.replacement`.
    ranking : {"positive", "signed", "absolute"}
        What is stretched to [0, 1]: the map without its negative values, as it is, or its magnitude.
    output : {"probability", "logit", "margin"}, optional
        Kind of score, as in `saliscope.Target`; a share of a logarithm would mean nothing. None: as the
        target says. What was measured has None here if its target is a function or a layer's unit, which are
        scores of their own.

    Raises
    ------
    MethodError
        If a value is none of these.
    BaselineError
        If the replacement is not known.
    """

    replacement: Any = "zero"
    ranking: str = "positive"
    output: Output | None = "probability"

    def __post_init__(self) -> None:
        check_choice("ranking", self.ranking, ("positive", *get_args(Ranking)))
        if self.output is not None:
            check_choice("output", self.output, _OUTPUTS)
        object.__setattr__(self, "replacement", as_replacement(self.replacement))


@dataclass(frozen=True)
class Confidence(Shown):
    """The score of pictures that were dimmed by a map.

    Attributes
    ----------
    score, dimmed : Tensor of shape (n,)
        Score of the target in the picture, and in the dimmed one.
    drop : Tensor of shape (n,)
        ``max(0, score - dimmed) / score``; NaN where it is not defined.
    increase : Tensor of shape (n,)
        1 where the dimmed picture has the higher score, 0 where not; NaN where the drop is.
    target : ResolvedTarget
        What was scored.
    protocol : ConfidenceProtocol
        How it was measured.
    notes : tuple of str
        Why a number is not defined.
    """

    score: Float[Tensor, " n"]
    dimmed: Float[Tensor, " n"]
    drop: Float[Tensor, " n"]
    increase: Float[Tensor, " n"]
    target: ResolvedTarget
    protocol: ConfidenceProtocol
    notes: tuple[str, ...] = ()

    @property
    def average_drop(self) -> float:
        """Mean drop of the pictures for which it is defined."""
        return float(self.drop.nanmean())

    @property
    def average_increase(self) -> float:
        """Share of the pictures that gain, of those for which it is defined."""
        return float(self.increase.nanmean())


def average_drop(
    model: nn.Module | Borrowed,
    inputs: Tensor,
    maps: Any,
    target: Any = None,
    *,
    protocol: ConfidenceProtocol | None = None,
    chunk_size: ChunkSize = "auto",
) -> Confidence:
    """How much confidence is lost as the picture is multiplied by its map (Grad-CAM++, arXiv 1710.11063).

    The map is stretched to M in [0, 1], and the picture x is seen as ``M x + (1 - M) x'`` with the
    replacement x'. Zero in model space, the default, is as with torch-cam's ``ClassificationMetric`` (version
    0.5). Three things differ there: it makes the maps itself, of what comes out of its ``logits_fn``, not of
    the logit; a map is stretched in the layer's size, with 1e-8 beside the range, and not again once it is
    enlarged; and a map that is zero throughout hides the whole picture, where here the drop is NaN. It also
    adds 1e-7 to the score that it divides by.

    Parameters
    ----------
    model : nn.Module or Borrowed
    inputs : Tensor of shape (n, channels, height, width)
        In model space.
    maps : Attribution, Tensor or ndarray
        See `saliscope.faithfulness.order.as_maps`.
    target : see `saliscope.Target`
        None: that of the attribution, or else each input's own top class.
    protocol : ConfidenceProtocol, optional
    chunk_size : int or "auto"
        Pictures at once; the result does not depend on it.

    Returns
    -------
    Confidence

    Raises
    ------
    InputError
        If the maps do not fit the inputs, or hold NaN.
    MethodError
        If the score is a logarithm.
    """
    protocol = agreed(ConfidenceProtocol(), protocol, {})
    query = Query(model, inputs, scored({"map": maps}, target, protocol.output), chunk_size)
    pictures = query.pictures("to be dimmed")
    target = query.target
    protocol = replace(protocol, output=None if target.function else target.output)
    values = as_maps(maps, pictures)
    if protocol.ranking != "signed":
        values = values.clamp(min=0) if protocol.ranking == "positive" else values.abs()
    flat = is_constant(values)
    low, high = values.amin((1, 2), keepdim=True), values.amax((1, 2), keepdim=True)
    masks = as_like((values - low) / torch.where(flat[:, None, None], 1.0, high - low), pictures)[:, None]
    instead = protocol.replacement.make(query.borrowed, pictures)
    score = exact(query.score)
    dimmed = exact(query.scores(masks * pictures + (1 - masks) * instead))
    none = score < NO_SCORE
    nothing = (instead == pictures).flatten(1).all(1).cpu()
    without = flat | none | nothing
    notes = (
        note_of(flat, "the map has one value throughout, which cannot be stretched"),
        note_of(none, f"the score in the whole picture is below {NO_SCORE:g}"),
        note_of(nothing, "the picture is what would replace it: nothing is dimmed"),
    )
    return Confidence(
        score=score,
        dimmed=dimmed,
        drop=torch.where(without, torch.nan, (score - dimmed).clamp(min=0) / score),
        increase=torch.where(without, torch.nan, (dimmed > score).double()),
        target=target,
        protocol=protocol,
        notes=tuple(filter(None, notes)),
    )
