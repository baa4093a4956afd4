"""What a parameter looks like to a person: menus are generated from what the engines declare."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Knob:
    """How a parameter is offered in a menu: its words, its range, and whether its slider is logarithmic."""

    label: str
    minimum: float | None = None
    maximum: float | None = None
    step: float | None = None
    log: bool = False
