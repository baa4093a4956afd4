"""What the measures of one map come to, in plain sentences."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import torch

from saliscope.faithfulness.controls import AgainstRandom
from saliscope.faithfulness.curves import Trial
from saliscope.faithfulness.randomisation import Randomisation

GOOD, BAD = 0.95, 0.25
"""Shares of the random orders that a map has to beat to pass, and with which it does worse than chance."""
ENOUGH = 20
"""Random orders that a verdict needs: of three, a map of noise beats all every fourth time."""
ALIKE = 0.5
"""Rank correlation with the map of a randomised network from which on a map is much the same."""
_NEAR = 0.05
"""Areas that differ by less than this share of each other are about the same; a probability that moves by
less than this share of itself stands still."""
_ROUNDING = 1e-6
"""The same share of scores that have no zero of their own."""


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
        Share of the random orders that it beats, where those that are just as good count half; NaN where it
        is not defined.
    ties, n_random : int
        How many are just as good, and how many there are.
    area, random, blurred : float
        The map's area, the mean of theirs, and that of its blurred copy.
    whole, emptied : float
        Scores of the whole picture, and of the one from which every pixel is taken.
    lowest, highest : float
        Scores along all of these curves.
    probability : bool
        Whether the scores are probabilities: only these have a zero of their own.
    replacement : str
        What stands where a pixel is not.
    """

    beaten: float
    ties: int
    n_random: int
    area: float
    random: float
    blurred: float
    whole: float
    emptied: float
    lowest: float
    highest: float
    probability: bool
    replacement: str

    @property
    def still(self) -> bool:
        """Whether the score stands still whatever is taken: then no order can be good."""
        least = _NEAR if self.probability else _ROUNDING
        return self.highest - self.lowest <= least * max(abs(self.lowest), abs(self.highest))

    @property
    def slight(self) -> bool:
        """Whether its area is about theirs."""
        return self.still or self._about(self.area, self.random)

    @property
    def blurred_is_alike(self) -> bool:
        """Whether the area of its blurred copy is about its own."""
        return self._about(self.blurred, self.area)

    def _about(self, one: float, other: float) -> bool:
        # A constant that is added to a logit changes nothing that a map could know.
        floor = 0.0 if self.probability else self.lowest
        return abs(one - other) <= _NEAR * (max(one, other) - floor)

    @classmethod
    def of(cls, own: AgainstRandom, result: Trial, protocol: int, index: int = 0) -> "Evidence":
        """For one input of a trial whose maps are called "map" and "blurred"."""
        curves = [result.curves[name][protocol] for name in ("map", "blurred")]
        scores = torch.stack(
            [one.scores[index] for one in (*curves, *(each[protocol] for each in result.random))]
        )
        whole, emptied = scores[0, [0, -1]].tolist()
        if own.protocol.kind == "insertion":
            whole, emptied = emptied, whole
        return cls(
            beaten=float(own.beaten[index]),
            ties=int((own.random[:, index] == own.area[index]).sum()),
            n_random=len(own.random),
            area=float(own.area[index]),
            random=float(own.random[:, index].mean()),
            blurred=float(curves[1].auc[index]),
            whole=whole,
            emptied=emptied,
            lowest=float(scores.min()),
            highest=float(scores.max()),
            probability=own.protocol.output == "probability",
            replacement=str(own.protocol.replacement),
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
    counts = _counts(known)
    if all(one.still for one in known.values()):
        low, high = min(one.lowest for one in known.values()), max(one.highest for one in known.values())
        return (
            f"{title} cannot be judged here: the score stands still, from {_written(low, '.3g')} to "
            f"{_written(high, '.3g')}, whichever pixels are taken (it beats {counts})."
        ), False
    if min(one.n_random for one in known.values()) < ENOUGH:
        return f"{title} beats {counts}; a verdict takes {ENOUGH} random orders.", False
    passed = [one.beaten >= GOOD and not one.slight for one in known.values()]
    failed = [one.beaten <= BAD and not one.slight for one in known.values()]
    slight = [kind for kind, one in known.items() if one.slight]
    beside = f", and differs from chance by next to nothing in {' and '.join(slight)}" if slight else ""
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
    return f"{title} does not pass: it beats {'' if slight else 'only '}{counts}{beside}.", False


def _counts(known: Mapping[str, Evidence]) -> str:
    """How many random orders are beaten in each test, and with which replacement."""
    numbers = [f"{one.beaten * one.n_random:g} of {one.n_random}" for one in known.values()]
    numbers[0] += " random orders"
    said = " and ".join(f"{number} in {kind}" for number, kind in zip(numbers, known, strict=True))
    fills = ", ".join(dict.fromkeys(one.replacement for one in known.values()))
    ties = "; ties count half" if any(one.ties for one in known.values()) else ""
    return f"{said} (hidden pixels: {fills}{ties})"


def _emptied(known: Mapping[str, Evidence]) -> str:
    """A score that rises as the picture goes is about the replacement more than about the map."""
    # As they are written: two runs of the model may differ in their last bits.
    said = dict.fromkeys(
        f"{_written(one.emptied, '.3g')}, no less than the whole one ({_written(one.whole, '.3g')})"
        for one in known.values()
        if one.emptied >= one.whole
    )
    return f"Mind that the emptied picture scores {'; or '.join(said)}." if said else ""


def _beside_blurred(known: Mapping[str, Evidence]) -> str:
    if any(math.isnan(one.blurred) for one in known.values()):
        return ""
    as_good = [
        one.blurred_is_alike or (one.blurred < one.area) == (kind == "deletion")
        for kind, one in known.items()
    ]
    if all(as_good):
        return "Its blurred copy does as well: the place counts, not the single pixel."
    return "" if any(as_good) else "It also does better than its blurred copy: its detail counts."


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
