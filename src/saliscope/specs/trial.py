"""A map on trial, as the page is told of it; `js/lib/wire.ts` declares the same types."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from saliscope.specs.saliency import Failure, Spec

TrialStage = Literal["partial", "final", "error"]


@dataclass(frozen=True)
class BlurredCurve(Spec):
    """The curve of the map's blurred copy, at the points of the map's own."""

    scores: Sequence[float]
    auc: float | None


@dataclass(frozen=True)
class RandomBand(Spec):
    """Where the curves of `n` random orders lie: their mean, and the interval that holds 95 % of them.

    Areas are None before the curves are complete.
    """

    n: int
    fractions: Sequence[float]
    mean: Sequence[float]
    low: Sequence[float]
    high: Sequence[float]
    auc: float | None
    auc_low: float | None
    auc_high: float | None


@dataclass(frozen=True)
class TrialCurve(Spec):
    """Deletion or insertion by the order of one map.

    `replaced` names the picture (H, W, 3) that stands where a pixel is not; where that depends on which
    others are hidden, `pictures` names what was fed at points spread evenly over the curve (P, H, W, 3).
    `ratio` is the area over that of the random orders, `beaten` the share of them that the map beats.
    Numbers that are not defined are None; the trial's notes say why.
    """

    kind: Literal["deletion", "insertion"]
    scores: Sequence[float]
    top: Sequence[int]
    auc: float | None
    protocol: str
    replaced: str | None = None
    pictures: str | None = None
    blurred: BlurredCurve | None = None
    random: RandomBand | None = None
    ratio: float | None = None
    ratio_low: float | None = None
    ratio_high: float | None = None
    beaten: float | None = None


@dataclass(frozen=True)
class RandomisedStage(Spec):
    """The map after one more block of the network was randomised, and how alike it still is."""

    name: str
    layers: int
    map: str
    limit: float
    signed: float | None
    absolute: float | None
    ssim: float | None
    top: float | None


@dataclass(frozen=True)
class RandomisationStrip(Spec):
    """The map as the network forgets, block by block from its output; `mean` is that of `signed`."""

    done: int
    total: int
    map: str
    limit: float
    stages: Sequence[RandomisedStage]
    mean: float | None
    notes: Sequence[str] = ()


@dataclass(frozen=True)
class Trial(Spec):
    """A panel's map on trial.

    `job` is that of the map's own `Result`. A whole curve has `points` points, of which those at the indices
    `at` are known, where `fractions` of the pixels are taken. `ranks` names a blob (H, W): the first point
    at which each pixel is taken. `labels` names the classes in `top`.
    """

    panel: int
    job: int
    stage: TrialStage
    title: str
    target: int | None
    target_label: str
    output: str
    points: int = 0
    at: Sequence[int] = ()
    fractions: Sequence[float] = ()
    ranks: str = ""
    labels: Mapping[str, str] | None = None
    curves: Sequence[TrialCurve] = ()
    sentence: str = ""
    notes: Sequence[str] = ()
    seconds: float = 0.0
    error: Failure | None = None
    randomisation: RandomisationStrip | None = None
