"""What a parameter looks like to a person: menus are generated from the dataclasses, not written by hand."""

from dataclasses import field
from typing import Any

from saliscope.core.knobs import Knob

__all__ = ["Knob", "knob"]


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
