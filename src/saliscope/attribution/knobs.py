"""What a parameter looks like to a person: menus are generated from the dataclasses, not written by hand."""

from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Knob:
    """How a parameter is offered in a menu: its words, its range, and whether its slider is logarithmic."""

    label: str
    minimum: float | None = None
    maximum: float | None = None
    step: float | None = None
    log: bool = False


def knob(default: Any, label: str, *limits: float, log: bool = False) -> Any:
    """A dataclass field with a `Knob`; `limits` are minimum, maximum and step of a number."""
    return field(default=default, metadata={"knob": Knob(label, *limits, log=log)})
