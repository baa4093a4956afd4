"""What a parameter looks like to a person: menus are generated from what the engines declare."""

from dataclasses import dataclass
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
