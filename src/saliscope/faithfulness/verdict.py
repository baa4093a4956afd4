"""What the measures of one map come to, in plain sentences."""

import math
from collections.abc import Mapping
from dataclasses import dataclass

from saliscope.faithfulness.controls import AgainstRandom
from saliscope.faithfulness.curves import Trial
from saliscope.faithfulness.randomisation import Randomisation

GOOD = 0.95
"""Share of the random orders that a map has to beat to pass."""
ALIKE, CHANGED = 0.5, 0.3
"""Mean rank correlation with the maps of a randomised network: from here on alike, up to here changed."""
_NEAR = 0.05
"""Areas that differ by less than this share of each other are about the same."""


@dataclass(frozen=True)
class Judgement:
    """What is known of one map.

    Attributes
    ----------
    title : str
        What the map is called.
    trial : Trial
        Deletion and insertion of the map, "map", and of its blurred copy, "blurred", with random orders.
    randomisation : Randomisation or None
        The method's maps as the network's weights are randomised, if that was asked for.
    sentence : str
        What it comes to; see `verdict`. "" before the trial is complete.
    """

    title: str
    trial: Trial
    randomisation: Randomisation | None
    sentence: str


@dataclass(frozen=True)
class Evidence:
    """What is known of one map of a trial.

    Attributes
    ----------
    beaten : float
        Share of the random orders that it beats; NaN where it is not defined.
    n_random : int
        How many there are.
    area, blurred : float
        The map's area, and that of its blurred copy.
    """

    beaten: float
    n_random: int
    area: float
    blurred: float

    @classmethod
    def of(cls, own: AgainstRandom, result: Trial, protocol: int, index: int = 0) -> "Evidence":
        """From a map beside the random orders of a trial that has a map called "blurred", for one input."""
        blurred = float(result.curves["blurred"][protocol].auc[index])
        return cls(float(own.beaten[index]), len(own.random), float(own.area[index]), blurred)


def verdict(title: str, measured: Mapping[str, Evidence], randomised: float | None = None) -> str:
    """Sum up what was measured of one map.

    Parameters
    ----------
    title : str
        What the map is called.
    measured : dict of str to Evidence
        By "deletion" and "insertion"; either may be missing.
    randomised : float, optional
        Mean signed rank correlation of the map with those of the network as it is randomised. Of magnitudes
        it misleads: they follow the edges of the picture whatever the network has learnt.

    Returns
    -------
    str
        Two or three sentences; what is not defined is said to be so.
    """
    known = {kind: one for kind, one in measured.items() if not math.isnan(one.beaten)}
    parts = [_against_random(title, known), _beside_blurred(known)]
    if randomised is not None and not math.isnan(randomised):
        parts.append(_when_randomised(randomised))
    return " ".join(filter(None, parts))


def _against_random(title: str, known: Mapping[str, Evidence]) -> str:
    if not known:
        return f"{title} cannot be judged by deletion and insertion here: no area is defined."
    # Orders that are just as good count half.
    numbers = [f"{one.beaten * one.n_random:g} of {one.n_random}" for one in known.values()]
    numbers[0] += " random orders"
    counts = " and ".join(f"{number} in {kind}" for number, kind in zip(numbers, known, strict=True))
    passed = [one.beaten >= GOOD for one in known.values()]
    if all(passed):
        return f"{title} passes: it beats {counts}."
    failed = [one.beaten <= 1 - GOOD for one in known.values()]
    if any(passed) and any(failed):
        return (
            f"{title} is contradicted: it beats {counts}. One of the two misleads; look at what was fed, and "
            "try another replacement."
        )
    if any(passed):
        return f"{title} passes in part: it beats {counts}."
    if all(failed):
        return f"{title} fails: it does worse than chance, for it beats only {counts}."
    return f"{title} does not pass: it beats only {counts}."


def _beside_blurred(known: Mapping[str, Evidence]) -> str:
    if not known or any(math.isnan(one.blurred) for one in known.values()):
        return ""
    if all(_as_good(kind, one.blurred, one.area) for kind, one in known.items()):
        return "Its blurred copy does as well: the place counts, not the single pixel."
    if all(not _as_good(kind, one.blurred, one.area) for kind, one in known.items()):
        return "It also does better than its blurred copy: its detail counts."
    return ""


def _as_good(kind: str, blurred: float, own: float) -> bool:
    margin = _NEAR * max(abs(blurred), abs(own))
    return blurred <= own + margin if kind == "deletion" else blurred >= own - margin


def _when_randomised(alike: float) -> str:
    figures = f"(mean rank correlation {alike:.2f})".replace("-", "−")
    if alike >= ALIKE:
        return (
            f"It stays much the same when the network forgets {figures}: it shows the picture more than "
            "what was learnt."
        )
    if alike <= CHANGED:
        return f"It changes when the network forgets {figures}: it depends on what was learnt."
    return f"It changes only in part when the network forgets {figures}."
