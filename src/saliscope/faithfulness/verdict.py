"""What the measures of one map come to, in plain sentences."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from saliscope.faithfulness.controls import AgainstRandom
from saliscope.faithfulness.curves import Trial
from saliscope.faithfulness.randomisation import Randomisation

GOOD, BAD = 0.95, 0.25
"""Shares of the random orders that a map has to beat to pass, and with which it does worse than chance."""
ALIKE = 0.5
"""Rank correlation with the map of a randomised network from which on a map is much the same."""
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
    trial: Trial = field(repr=False)
    randomisation: Randomisation | None = field(repr=False)
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
    area, random, blurred : float
        The map's area, the mean of theirs, and that of its blurred copy.
    whole, emptied : float
        Scores of the whole picture, and of the one from which every pixel is taken.
    """

    beaten: float
    n_random: int
    area: float
    random: float
    blurred: float
    whole: float
    emptied: float

    @property
    def slight(self) -> bool:
        """Whether its area is about theirs: the score hardly depends on which pixels are taken."""
        return _about(self.area, self.random)

    @classmethod
    def of(cls, own: AgainstRandom, result: Trial, protocol: int, index: int = 0) -> "Evidence":
        """From a map beside the random orders of a trial that has a map called "blurred", for one input."""
        blurred = result.curves["blurred"][protocol]
        whole, emptied = blurred.scores[index, [0, -1]].tolist()
        if blurred.protocol.kind == "insertion":
            whole, emptied = emptied, whole
        return cls(
            beaten=float(own.beaten[index]),
            n_random=len(own.random),
            area=float(own.area[index]),
            random=float(own.random[:, index].mean()),
            blurred=float(blurred.auc[index]),
            whole=whole,
            emptied=emptied,
        )


def verdict(title: str, measured: Mapping[str, Evidence], randomised: Sequence[float] = ()) -> str:
    """Sum up what was measured of one map.

    Parameters
    ----------
    title : str
        What the map is called.
    measured : dict of str to Evidence
        By "deletion" and "insertion"; either may be missing.
    randomised : sequence of float
        Signed rank correlations of the map with those of the network after each randomised block. Of
        magnitudes they mislead: these follow the edges of the picture whatever the network has learnt.

    Returns
    -------
    str
        A few sentences; what is not defined is said to be so.
    """
    known = {kind: one for kind, one in measured.items() if not math.isnan(one.beaten)}
    first, passes = _against_random(title, known)
    parts = [first, _emptied(known), _beside_blurred(known) if passes else ""]
    if len(randomised) and not any(map(math.isnan, randomised)):
        parts.append(_when_randomised(randomised))
    return " ".join(filter(None, parts))


def _against_random(title: str, known: Mapping[str, Evidence]) -> tuple[str, bool]:
    """The sentence, and whether the map passes, if only in part."""
    if not known:
        return f"{title} cannot be judged by deletion and insertion here: no area is defined.", False
    # Orders that are just as good count half.
    numbers = [f"{one.beaten * one.n_random:g} of {one.n_random}" for one in known.values()]
    numbers[0] += " random orders"
    counts = " and ".join(f"{number} in {kind}" for number, kind in zip(numbers, known, strict=True))
    if all(one.slight for one in known.values()):
        return (
            f"{title} cannot be judged with this replacement: its areas are within {100 * _NEAR:g} % of "
            "those of random orders, so the score hardly depends on which pixels are taken (it beats "
            f"{counts})."
        ), False
    passed = [one.beaten >= GOOD and not one.slight for one in known.values()]
    failed = [one.beaten <= BAD for one in known.values()]
    slight = [kind for kind, one in known.items() if one.slight]
    beside = f", hardly by more than chance in {' and '.join(slight)}" if slight else ""
    if all(passed):
        return f"{title} passes: it beats {counts}.", True
    if any(passed) and any(failed):
        return (
            f"{title} is contradicted: it beats {counts}. One of the two misleads; look at what was fed, and "
            "try another replacement."
        ), False
    if any(passed):
        return f"{title} passes in part: it beats {counts}{beside}.", True
    if all(failed):
        return f"{title} fails: it does worse than chance, for it beats only {counts}.", False
    return f"{title} does not pass: it beats only {counts}{beside}.", False


def _emptied(known: Mapping[str, Evidence]) -> str:
    """A score that rises as the picture goes is about the replacement more than about the map."""
    rising = {
        (f"{one.emptied:.3g}", f"{one.whole:.3g}") for one in known.values() if one.emptied >= one.whole
    }
    said = (
        f"the emptied picture scores {emptied}, the whole one {whole}" for emptied, whole in sorted(rising)
    )
    return f"Mind that {'; '.join(said)}: try another replacement." if rising else ""


def _beside_blurred(known: Mapping[str, Evidence]) -> str:
    if any(math.isnan(one.blurred) for one in known.values()):
        return ""
    if all(_as_good(kind, one.blurred, one.area) for kind, one in known.items()):
        return "Its blurred copy does as well: the place counts, not the single pixel."
    if all(not _as_good(kind, one.blurred, one.area) for kind, one in known.items()):
        return "It also does better than its blurred copy: its detail counts."
    return ""


def _as_good(kind: str, blurred: float, own: float) -> bool:
    return _about(blurred, own) or (blurred < own) == (kind == "deletion")


def _about(one: float, other: float) -> bool:
    return abs(one - other) <= _NEAR * max(abs(one), abs(other))


def _when_randomised(alike: Sequence[float]) -> str:
    """By how many blocks can be randomised until the map is another: a mean would hide the course."""
    n, stays = len(alike), next((i for i, one in enumerate(alike) if one < ALIKE), len(alike))
    if stays == n:
        return (
            "It stays much the same even when the whole network is randomised (rank correlation "
            f"{_written(alike[-1])}): it shows the picture more than what was learnt."
        )
    blocks = f"{stays} of {n} blocks are" if stays > 1 else f"1 of {n} blocks is"
    if stays:
        after = f"{_written(alike[stays - 1])}, then {_written(alike[stays])}"
        return f"It stays much the same until more than {blocks} randomised (rank correlation {after})."
    return (
        f"It changes as soon as the first of {n} blocks is randomised (rank correlation "
        f"{_written(alike[0])}): it depends on what was learnt."
    )


def _written(value: float, form: str = ".2f") -> str:
    return f"{value:{form}}".replace("-", "−")
