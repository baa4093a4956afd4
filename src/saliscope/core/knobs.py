"""What a parameter looks like to a person: menus are generated from the dataclasses, not written by hand."""

from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Knob:
    """How a parameter is offered in a menu: its words, its range, and whether its slider is logarithmic.

    `when` names another parameter and the value of it without which this one has no effect, and is not shown.
    `stops` tells that a value above zero ends the work as soon as the map is that good: steps and samples are
    then the most there may be. `first` is what an explorer begins with, where that is not the default.
    """

    label: str
    minimum: float | None = None
    maximum: float | None = None
    step: float | None = None
    log: bool = False
    when: tuple[str, str] | None = None
    stops: bool = False
    first: Any = None


def knob(
    default: Any,
    label: str,
    *limits: float,
    log: bool = False,
    when: tuple[str, str] | None = None,
    stops: bool = False,
    first: Any = None,
) -> Any:
    """A dataclass field with a `Knob`; `limits` are minimum, maximum and step of a number."""
    own = Knob(label, *limits, log=log, when=when, stops=stops, first=first)
    return field(default=default, metadata={"knob": own})
