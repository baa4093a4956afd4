"""The menu of reducers, generated from what they declare; reducers made of what a page or a person asks."""

import inspect
import reprlib
from collections.abc import Mapping
from functools import cache
from typing import TYPE_CHECKING, Any, Literal, get_args, get_origin, get_type_hints

import numpy as np

from saliscope.core.knobs import Knob
from saliscope.errors import ReductionError
from saliscope.sessions.menus import is_number
from saliscope.specs.embedding import ReducerInfo
from saliscope.specs.saliency import Control

if TYPE_CHECKING:
    from saliscope.reduction.estimators import Reducer


@cache
def keys() -> tuple[str, ...]:
    """Keys of all reducers."""
    return tuple(_known())


def reducer_menu() -> tuple[ReducerInfo, ...]:
    """All reducers with their controls."""
    return tuple(
        ReducerInfo(cls.key, cls.title, cls.summary, cls.cautions, controls_of(cls))
        for cls in _known().values()
    )


def controls_of(cls: "type[Reducer]") -> tuple[Control, ...]:
    """A control for each parameter that people should see."""
    usual, hints = defaults(cls), get_type_hints(cls.__init__)
    return tuple(_control(name, knob, usual[name], hints[name]) for name, knob in cls.knobs.items())


def build_reducer(key: Any, params: Mapping[str, Any]) -> "Reducer":
    """A reducer from its key and those of its parameters that differ from the usual.

    Raises
    ------
    ReductionError
        For an unknown key or parameter, or a value out of range.
    """
    cls = _known().get(key) if isinstance(key, str) else None
    if cls is None:
        raise ReductionError("maps", reprlib.repr(key), f"one of {', '.join(_known())}")
    own = defaults(cls)
    for name in params:
        if name not in own:
            known = f"parameters of {cls.title}: {', '.join(own) or 'none'}"
            raise ReductionError("params", repr(name), known)
    plain = {name: value.item() if isinstance(value, np.generic) else value for name, value in params.items()}
    made = cls(**{name: _whole(own[name], value) for name, value in plain.items()})
    made.check_parameters()
    return made


def check_sent(key: str, sent: Mapping[str, Any], before: Mapping[str, Any]) -> None:
    """Hold a page to its menus: from Python a value may go further than the slider that shows it.

    Raises
    ------
    ReductionError
        For a parameter without a control, or a value beyond its control's ends.
    """
    shown = {control.name: control for control in controls_of(_known()[key])}
    for name, value in sent.items():
        if value == before.get(name):
            continue
        control = shown.get(name)
        if control is None:
            raise ReductionError("params", repr(name), f"one of {', '.join(shown) or 'no parameters'}")
        low, high = control.min, control.max
        if low is not None and high is not None and not (is_number(value) and low <= value <= high):
            raise ReductionError(name, reprlib.repr(value), f"a number from {low:g} to {high:g}")


def defaults(cls: "type[Reducer]") -> dict[str, Any]:
    """What the parameters of a reducer are if nobody says anything."""
    return {name: each.default for name, each in inspect.signature(cls).parameters.items()}


def _known() -> "dict[str, type[Reducer]]":
    from saliscope.reduction.estimators import reducers

    return reducers()


def _whole(usual: Any, value: Any) -> Any:
    """JSON has one kind of number: a slider of whole numbers may send 30.0."""
    integer = isinstance(usual, int) and not isinstance(usual, bool)
    return int(value) if integer and isinstance(value, float) and value.is_integer() else value


def _control(name: str, knob: Knob, usual: Any, hint: Any) -> Control:
    literal = get_origin(hint) is Literal
    kind = "choice" if literal else {bool: "bool", int: "int"}.get(hint, "float")
    choices = get_args(hint) if literal else None
    ends = {"min": knob.minimum, "max": knob.maximum, "step": knob.step}
    return Control(name, kind, knob.label, usual, choices=choices, log=knob.log, **ends)  # type: ignore[arg-type]
