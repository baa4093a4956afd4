"""From a map's trial to what the page is told: specs and blobs."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from weakref import ref

import numpy as np
import torch
from torch import Tensor

from saliscope.attribution.base import Attribution
from saliscope.core.borrow import Borrowed
from saliscope.core.device import exact
from saliscope.core.preprocess import show
from saliscope.core.query import Query
from saliscope.faithfulness.controls import AgainstRandom, against_random
from saliscope.faithfulness.curves import Curve, Trial
from saliscope.faithfulness.infill import Road
from saliscope.faithfulness.randomisation import Randomisation
from saliscope.faithfulness.replacement import filler
from saliscope.faithfulness.verdict import Evidence, verdict
from saliscope.render import scales
from saliscope.sessions.failures import failure_of
from saliscope.sessions.publish import thinned
from saliscope.sessions.trial_settings import TrialSettings
from saliscope.specs import trial as specs
from saliscope.specs.blobs import Blob

FED_PICTURES = 17
"""Pictures along a curve that the page keeps where it cannot make them itself."""

LEVEL = 0.95
"""Share of the random orders that their band holds."""


@dataclass(eq=False)
class Case:
    """A map on trial, and what has been found out so far.

    Attributes
    ----------
    attribution : Attribution
        Of one picture, without its path: gradients along it are as large as many maps.
    whose : weakref.ref of Attribution
        The one on screen. It dies when nobody shows or remembers that map any more.
    settings : TrialSettings
        Those that its curves depend on.
    curves : saliscope.faithfulness.Trial or None
        Of the map, "map", and of its blurred copy, "blurred".
    band : saliscope.faithfulness.Trial or None
        With the random orders of the same picture and target.
    randomisation : Randomisation or None
    error : Exception or None
        Why it cannot be judged.
    not_randomised : Exception or None
        Why its method cannot run while weights are randomised.
    """

    attribution: Attribution
    whose: "ref[Attribution]"
    settings: TrialSettings
    curves: Trial | None = None
    band: Trial | None = None
    randomisation: Randomisation | None = None
    error: Exception | None = None
    not_randomised: Exception | None = None
    seconds: float = 0.0
    fed: dict[str, Blob] = field(default_factory=dict)

    @classmethod
    def of(cls, attribution: Attribution, settings: TrialSettings) -> "Case":
        """A map of which nothing is known yet."""
        return cls(replace(attribution, path=None), ref(attribution), settings)

    @property
    def whole(self) -> Trial | None:
        """The curves with the random orders beside them."""
        if self.curves is None:
            return None
        return self.curves if self.band is None else replace(self.curves, random=self.band.random)

    @property
    def sentence(self) -> str:
        """What the evidence comes to; "" before it is complete."""
        whole, randomised = self.whole, self.randomisation
        if whole is None or not self.judged:
            return ""
        # Of a strip that is not whole yet nothing is said.
        alike = randomised.measured("signed")[0].tolist() if randomised and randomised.complete else ()
        found = {
            curve.protocol.kind: Evidence.of(against_random(whole, "map", p, LEVEL), whole, p)
            for p, curve in enumerate(whole.curves["map"])
        }
        return verdict(self.attribution.method.title, found, alike)

    @property
    def judged(self) -> bool:
        """Whether the curves and the random orders are complete."""
        return all(part is not None and part.complete for part in (self.curves, self.band))


def trial_of(
    case: Case, borrowed: Borrowed, inputs: Tensor, panel: int, job: int, *, strip: bool
) -> tuple[specs.Trial, list[Blob]]:
    """Describe what is known of a case, and pack its arrays.

    Parameters
    ----------
    case : Case
    borrowed : Borrowed
    inputs : Tensor of shape (1, channels, height, width)
        What the map explains.
    panel, job : int
        Where the map stands, and the number of its result.
    strip : bool
        Whether the randomised maps are wanted.
    """
    attribution = case.attribution
    indices = attribution.target.indices
    told = specs.Trial(
        panel=panel,
        job=job,
        stage="partial",
        title=attribution.method.title,
        target=None if indices is None else int(indices[0]),
        target_label=attribution.target.labels[0],
        output="score",
        seconds=case.seconds,
        labels={},
    )
    if case.error is not None:
        return replace(told, stage="error", error=failure_of(case.error)), []
    blobs: list[Blob] = []
    whole = case.whole
    if whole is not None:
        told, blobs = _with_curves(told, case, whole, borrowed, inputs)
    tried = not strip or case.not_randomised is not None
    if strip and case.not_randomised is not None:
        note = f"The weights could not be randomised: {case.not_randomised}"
        told = replace(told, notes=(*told.notes, note))
    elif strip and case.randomisation is not None:
        shown, more = _strip_of(case.randomisation)
        told, blobs = replace(told, randomisation=shown), blobs + more
        tried = case.randomisation.complete
    return replace(told, stage="final" if case.judged and tried else "partial"), blobs


def _with_curves(
    told: specs.Trial, case: Case, whole: Trial, borrowed: Borrowed, inputs: Tensor
) -> tuple[specs.Trial, list[Blob]]:
    first, *others = whole.curves["map"]
    shape = (int(first.ranks.shape[1]), int(first.ranks.shape[2]))
    points = first.protocol.points(shape)
    # A chunk may end between the curves: what is told of one is told of all.
    at = np.array(sorted(_reached(first, points).intersection(*(_reached(o, points) for o in others))), int)
    codes = np.searchsorted(points, first.ranks[0].numpy(), side="right")
    ranks = Blob.from_codes(codes.astype(np.uint16))
    curves = [_curve_of(case, whole, p, borrowed, inputs, points, at) for p in range(1 + len(others))]
    top = sorted({int(c) for curve in whole.curves["map"] for c in curve.top[0]} - {-1})
    notes = [*first.notes]
    if case.judged:
        beside = [against_random(whole, "map", p, LEVEL) for p in range(len(curves))]
        notes += [note for one in beside for note in one.notes]
    target = first.target
    return replace(
        told,
        target_label=target.labels[0],  # of a margin the other class too, which the map's own may not have
        output="score" if target.function is not None else str(first.protocol.output),
        points=len(points),
        at=at.tolist(),
        fractions=(points[at] / points[-1]).tolist(),
        ranks=ranks.hash,
        labels={str(c): borrowed.label(c) for c in top},
        curves=[curve for curve, _ in curves],
        sentence=case.sentence,
        notes=tuple(dict.fromkeys(note.replace(" for input 0", "") for note in notes)),
    ), [ranks, *(blob for _, blob in curves)]


def _reached(curve: Curve, points: np.ndarray) -> set[int]:
    """Places of a curve's fractions among all that it will have."""
    taken = (curve.fractions.numpy() * points[-1]).round().astype(int)
    return set(np.searchsorted(points, taken).tolist())


def _curve_of(
    case: Case,
    whole: Trial,
    p: int,
    borrowed: Borrowed,
    inputs: Tensor,
    points: np.ndarray,
    at: np.ndarray,
) -> tuple[specs.TrialCurve, Blob]:
    own, soft = whole.curves["map"][p], whole.curves["blurred"][p]
    kind = own.protocol.kind
    random = [one[p] for one in whole.random]
    beside = against_random(whole, "map", p, LEVEL) if case.judged else None
    varies = isinstance(own.protocol.replacement, Road)
    if kind not in case.fed:
        make = _fed_pictures if varies else _replaced
        case.fed[kind] = make(own, borrowed, inputs, points)
    fed = case.fed[kind]
    told = torch.from_numpy(np.isin(sorted(_reached(own, points)), at))
    return specs.TrialCurve(
        kind=kind,
        scores=own.scores[0][told].tolist(),
        top=own.top[0][told].tolist(),
        auc=_number(own.auc),
        protocol=str(own.protocol),
        replaced=None if varies else fed.hash,
        pictures=fed.hash if varies else None,
        blurred=specs.BlurredCurve(soft.scores[0][told].tolist(), _number(soft.auc)),
        random=_band_of(random, case.judged) if random else None,
        **({} if beside is None else _ratio_of(beside)),
    ), fed


def _ratio_of(beside: AgainstRandom) -> dict[str, float | None]:
    return {
        "ratio": _number(beside.ratio),
        "ratio_low": _number(beside.low),
        "ratio_high": _number(beside.high),
        "beaten": _number(beside.beaten),
    }


def _band_of(random: Sequence[Curve], complete: bool) -> specs.RandomBand | None:
    """None as long as there is one point, and where areas are not defined."""
    scores = torch.stack([one.scores[0] for one in random])
    areas = torch.stack([one.auc[0] for one in random])
    if scores.shape[1] < 2 or not areas.isfinite().all():
        return None
    ends = torch.tensor([(1 - LEVEL) / 2, (1 + LEVEL) / 2], dtype=scores.dtype)
    low, high = scores.quantile(ends, dim=0)
    # Areas under a few points would be taken for those of the whole curves.
    known = [float(areas.mean()), *areas.quantile(ends).tolist()] if complete else [None] * 3
    return specs.RandomBand(
        len(random),
        random[0].fractions.tolist(),
        scores.mean(0).tolist(),
        low.tolist(),
        high.tolist(),
        *known,
    )


def _replaced(curve: Curve, borrowed: Borrowed, inputs: Tensor, points: np.ndarray) -> Blob:
    """The picture that stands where a pixel is not."""
    everywhere = torch.ones(1, *curve.ranks.shape[1:], dtype=torch.bool)
    return _fed(curve, borrowed, inputs, everywhere)


def _fed_pictures(curve: Curve, borrowed: Borrowed, inputs: Tensor, points: np.ndarray) -> Blob:
    """What the model was fed at points spread evenly over the curve."""
    at = points[thinned(len(points), FED_PICTURES)]
    taken = curve.ranks[0] < torch.as_tensor(at)[:, None, None]
    return _fed(curve, borrowed, inputs, taken if curve.protocol.kind == "deletion" else ~taken)


def _fed(curve: Curve, borrowed: Borrowed, inputs: Tensor, hidden: Tensor) -> Blob:
    query = Query(borrowed, inputs, curve.target, "auto")
    fill = filler(curve.protocol.replacement, query)
    pictures = exact(fill(torch.zeros(len(hidden), dtype=torch.long), hidden))
    shown, _ = show(pictures, borrowed.preprocessing, exact(inputs).expand_as(pictures))
    return Blob.from_picture(shown if len(hidden) > 1 else shown[0])


def _strip_of(randomised: Randomisation) -> tuple[specs.RandomisationStrip, list[Blob]]:
    maps = [randomised.maps[0].double().numpy(), *(s.maps[0].double().numpy() for s in randomised.stages)]
    blobs = [Blob.from_map(one) for one in maps]
    limits = [scales.limit(one) for one in maps]
    stages = [
        specs.RandomisedStage(
            name=stage.block.name,
            layers=len(stage.block.layers),
            map=blob.hash,
            limit=limit,
            signed=_number(stage.similarity.signed),
            absolute=_number(stage.similarity.absolute),
            ssim=_number(stage.similarity.ssim),
            top=_number(stage.similarity.top),
        )
        for stage, blob, limit in zip(randomised.stages, blobs[1:], limits[1:], strict=True)
    ]
    mean = _number(randomised.mean("signed")) if randomised.complete else None
    strip = specs.RandomisationStrip(
        len(stages), randomised.n_blocks, blobs[0].hash, limits[0], stages, mean, randomised.notes
    )
    return strip, blobs


def _number(values: Tensor) -> float | None:
    """The first input's; None where it is not defined."""
    value = float(values[0])
    return value if np.isfinite(value) else None
