"""What is measured of a map: one card for each number, with the protocol that it rests on."""

import difflib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

from saliscope.core.targets import Output
from saliscope.errors import MethodError, one_of
from saliscope.faithfulness import (
    CompletenessProtocol,
    ControlProtocol,
    InfidelityProtocol,
    PointingProtocol,
    Protocol,
    RandomisationProtocol,
    RelevanceProtocol,
    RoadProtocol,
    SensitivityProtocol,
)
from saliscope.faithfulness.protocol import check_count

Better = Literal["low", "high"]
Needs = Literal["maps", "masks", "marks"]


@dataclass(frozen=True)
class Measure:
    """One number for each map of a method.

    Attributes
    ----------
    key : str
        Name in code; it decides what is computed.
    label : str
        Name in a table.
    unit : str
        What the number is measured in.
    better : {"low", "high"}
        Which end is good.
    says : str
        What it tells, in one sentence.
    protocol : object
        How it is measured; None where there is nothing to agree on. Numbers may be compared only where it is
        the same. What it leaves open, a `Finding` has filled in.
    needs : {"maps", "masks", "marks"}
        What must be known of the pictures: nothing, which pixels the object has, or which the watermark has.
    chance : float, optional
        What a map that knows nothing gets on average, where that is the same for every picture.
    blurred : bool
        Whether a blurred copy of the map is measured beside it, which knows where but not which pixel.
    """

    key: str
    label: str
    unit: str
    better: Better
    says: str
    protocol: Any = None
    needs: Needs = "maps"
    chance: float | None = None
    blurred: bool = False

    @property
    def hits(self) -> bool:
        """Whether each value is a hit, 1, or a miss, 0: they have intervals of their own."""
        return isinstance(self.protocol, PointingProtocol)


_ROAD, _EXACT, _NEAR, _MASS = RoadProtocol(), PointingProtocol(0), PointingProtocol(3), RelevanceProtocol()
_FORGETTING = RandomisationProtocol()

MEASURES: dict[str, Measure] = {
    one.key: one
    for one in (
        Measure(
            "deletion",
            "Deletion",
            "area − random",
            "low",
            "Area under the score as the highest pixels go first, minus that of random orders of the same "
            "picture.",
            ControlProtocol(Protocol("deletion", n_steps=20)),
            chance=0.0,
            blurred=True,
        ),
        Measure(
            "insertion",
            "Insertion",
            "area − random",
            "high",
            "Area under the score as the highest pixels come first, minus that of random orders of the same "
            "picture.",
            ControlProtocol(Protocol("insertion", "blur", n_steps=20)),
            chance=0.0,
            blurred=True,
        ),
        Measure(
            "road",
            "ROAD",
            "probability",
            "low",
            "Score with the highest pixels infilled minus that with the lowest; mean over shares of pixels.",
            _ROAD,
            chance=0.0,
            blurred=True,
        ),
        Measure(
            "road_morf",
            "ROAD, highest first",
            "probability",
            "low",
            "Mean score as the pixels that the map ranks highest are infilled (MoRF).",
            _ROAD,
            blurred=True,
        ),
        Measure(
            "road_lerf",
            "ROAD, lowest first",
            "probability",
            "high",
            "Mean score as the pixels that the map ranks lowest are infilled (LeRF).",
            _ROAD,
            blurred=True,
        ),
        Measure(
            "randomisation",
            "Randomisation",
            "rank correlation",
            "low",
            "Mean rank correlation of the signed map with those of the network as it forgets, block by "
            "block: 1 for a map that does not depend on what was learnt.",
            _FORGETTING,
        ),
        Measure(
            "randomisation_ssim",
            "Randomisation, SSIM",
            "SSIM",
            "low",
            "Mean structural similarity of the map with those of the network as it forgets, block by block.",
            _FORGETTING,
        ),
        Measure(
            "sensitivity",
            "Sensitivity",
            "relative change",
            "low",
            "Largest change of the map for small random changes of the picture, over the map's own norm.",
            SensitivityProtocol(),
        ),
        Measure(
            "infidelity",
            "Infidelity",
            "of an empty map's",
            "low",
            "Squared error of the map in foretelling what random changes of the picture do to the score; 1 "
            "is what an empty map gets.",
            InfidelityProtocol(scaled=True, n_samples=50),
        ),
        Measure(
            "completeness",
            "Completeness gap",
            "share",
            "low",
            "How far the map's sum is from the change of the score that it should be, as a share of that.",
            CompletenessProtocol(),
        ),
        Measure(
            "seconds",
            "Seconds",
            "s / picture",
            "low",
            "Time of the maps, on the machine that made them, beside whatever else it did.",
        ),
        Measure(
            "pointing",
            "Pointing game",
            "share of hits",
            "high",
            "Whether the map's maximum is a pixel of the object.",
            _EXACT,
            "masks",
        ),
        Measure(
            "pointing_near",
            "Pointing game, near",
            "share of hits",
            "high",
            "Whether the map's maximum is less than 3 pixels from the object.",
            _NEAR,
            "masks",
        ),
        Measure(
            "mass",
            "Mass on the object",
            "share",
            "high",
            "Share of the map's positive values that lies on the object; a flat map gets the object's area.",
            _MASS,
            "masks",
        ),
        Measure(
            "rank",
            "Rank on the object",
            "share",
            "high",
            "Share of the K highest pixels that lies on the object, which has K.",
            _MASS,
            "masks",
        ),
        Measure(
            "mark_share",
            "Share on the mark",
            "share",
            "low",
            "Share of the map's positive values that lies on the watermark; a flat map gets the mark's area. "
            "Low is good of a model that does not use the mark, high of one that does.",
            _MASS,
            "marks",
        ),
        Measure(
            "mark_hit",
            "Pointing at the mark",
            "share of hits",
            "low",
            "Whether the map's maximum is less than 3 pixels from the watermark: a coarse map can point at a "
            "mark that it cannot fit. Low and high are good as for the share.",
            _NEAR,
            "marks",
        ),
    )
}
"""All measures by key. A protocol of your own: ``dataclasses.replace(MEASURES["road"], protocol=...)``, which
is kept as it is, its seed and its number of random orders too."""

DEFAULT = tuple(MEASURES)
"""What is measured where nobody says; measures that need a mask only where there is one."""


def chosen(
    measures: Sequence[str | Measure],
    known: Sequence[Needs],
    random_orders: int,
    seed: int,
    *,
    output: Output | None = "logit",
) -> tuple[Measure, ...]:
    """The cards that are measured: those that need what is not there are left out.

    Parameters
    ----------
    measures : sequence of str or Measure
    known : sequence of {"maps", "masks", "marks"}
    random_orders : int
        Number of random orders, beside which areas stand, of measures that are named.
    seed : int
        Of every protocol that has one, of measures that are named.
    output : {"probability", "logit", "log_probability", "margin"}, optional
        Kind of score that is explained; None where a function is: a score of its own, and no probability.

    Raises
    ------
    MethodError
        If there is no such measure, one is there twice, or has the protocol of another.
    """
    check_count("random_orders", random_orders, 2)
    check_count("seed", seed, 0)
    if isinstance(measures, str) or not isinstance(measures, Sequence) or not measures:
        raise MethodError("measures", repr(measures)[:80], "a sequence of names or Measure objects")
    cards: dict[str, Measure] = {}
    for given in measures:
        card = _card(given) if isinstance(given, Measure) else _agreed(_named(given), random_orders, seed)
        if card.key in cards:
            way_out = "Measure once more for another protocol."
            raise MethodError("measures", f"{card.key!r} twice", "every measure once", way_out)
        cards[card.key] = card
    able = (one for one in cards.values() if one.needs in known)
    return tuple(_in_words(one if output else _of_function(one), output) for one in able)


def _named(key: Any) -> Measure:
    if isinstance(key, str) and key in MEASURES:
        return MEASURES[key]
    close = difflib.get_close_matches(str(key), MEASURES, n=1)
    hint = f"Did you mean {close[0]!r}?" if close else ""
    raise MethodError("measures", repr(key)[:80], one_of(MEASURES), hint)


def _card(given: Measure) -> Measure:
    """A card of the user's own, if its protocol is one of its measure."""
    usual = _named(given.key).protocol
    if type(given.protocol) is not type(usual):
        got = f"{given.key!r} with a {type(given.protocol).__name__}"
        raise MethodError("measures", got, "nothing" if usual is None else f"a {type(usual).__name__}")
    if isinstance(usual, ControlProtocol) and given.protocol.curve.kind != usual.curve.kind:
        raise MethodError("measures", f"{given.key!r} with a curve of {given.protocol.curve.kind}", "its own")
    return given


def _agreed(card: Measure, random_orders: int, seed: int) -> Measure:
    protocol = card.protocol
    if isinstance(protocol, ControlProtocol):
        protocol = replace(protocol, curve=replace(protocol.curve, seed=seed), n_random=random_orders)
    elif hasattr(protocol, "seed"):
        protocol = replace(protocol, seed=seed)
    return replace(card, protocol=protocol)


def _of_function(card: Measure) -> Measure:
    """The same measure of a function, whose score is its own."""
    protocol = card.protocol
    if isinstance(protocol, ControlProtocol):
        protocol = replace(protocol, curve=replace(protocol.curve, output=None))
    elif isinstance(protocol, RoadProtocol):
        protocol = replace(protocol, output=None)
    return replace(card, protocol=protocol)


def _in_words(card: Measure, output: Output | None) -> Measure:
    """The same measure, whose unit and sentence are those of its own protocol."""
    protocol, usual = card.protocol, MEASURES[card.key].protocol
    if isinstance(protocol, RoadProtocol):
        return replace(card, unit=card.unit.replace("probability", score_words(protocol.output or output)))
    if isinstance(protocol, PointingProtocol):
        return replace(card, says=card.says.replace(_hit(usual), _hit(protocol)))
    return card


def score_words(output: Output | None) -> str:
    """What a kind of score is called; None is that of a function."""
    return (output or "score").replace("_", " ")


def _hit(protocol: PointingProtocol) -> str:
    """Where a maximum counts as a hit."""
    near = protocol.tolerance
    return f"is less than {near:g} pixel{'s' * (near != 1)} from" if near else "is a pixel of"
