"""What a parameter looks like to a person: menus are generated from what the engines declare."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Knob:
    """How a parameter is offered in a menu: its words, its range, and whether its slider is logarithmic.

    `when` names another parameter and the value of it without which this one has no effect, and is not shown.
    """

    label: str
    minimum: float | None = None
    maximum: float | None = None
    step: float | None = None
    log: bool = False
    when: tuple[str, str] | None = None
