"""Traits that check what they are given on the line that gives it, and say the way out.

What the page sends goes through the same checks: saved state and messages are a stranger's.
"""

import difflib
import math
import reprlib
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from torch import nn
from traitlets import TraitType

from saliscope.attribution.baselines import as_baseline, as_baselines
from saliscope.core.targets import Target
from saliscope.errors import InputError, LayerError, MethodError, TargetError
from saliscope.sessions.menus import baseline_spec, build_baseline, is_number


class Number(TraitType[Any, Any]):
    """A finite number between two limits, the lower one exclusive if asked; None where allowed."""

    def __init__(
        self,
        default: float | None,
        low: float,
        high: float = math.inf,
        *,
        integer: bool = False,
        above: bool = False,
        allow_none: bool = False,
        help: str = "",
    ) -> None:
        super().__init__(default, allow_none=allow_none, help=help)
        self._low, self._high, self._integer, self._above = low, high, integer, above
        self.tag(sync=True)

    def validate(self, obj: Any, value: Any) -> float | int:
        """Return the number, or raise `InputError`."""
        number = _plain(value)
        above_low = is_number(number) and (self._low < number if self._above else self._low <= number)
        if not above_low or number > self._high or (self._integer and number != int(number)):
            raise InputError(str(self.name), reprlib.repr(value), self._words())
        return int(number) if self._integer else float(number)

    def _words(self) -> str:
        kind = "an integer" if self._integer else "a number"
        low = f"above {self._low:g}" if self._above else f"from {self._low:g}"
        return f"{kind} {low}" + ("" if math.isinf(self._high) else f" to {self._high:g}")


class Choice(TraitType[Any, Any]):
    """One of a few words."""

    def __init__(self, default: str, choices: Callable[[], Sequence[str]], help: str = "") -> None:
        super().__init__(default, help=help)
        self._choices = choices
        self.tag(sync=True)

    def validate(self, obj: Any, value: Any) -> str:
        """Return the word, or raise `InputError` with the nearest one."""
        known = tuple(self._choices())
        if isinstance(value, str) and value in known:
            return value
        close = (
            difflib.get_close_matches(value[:99], known, n=1, cutoff=0.4) if isinstance(value, str) else []
        )
        hint = f"Did you mean {close[0]!r}?" if close else ""
        raise InputError(str(self.name), reprlib.repr(value), f"one of {', '.join(known)}", hint)


class LayerTrait(TraitType[Any, Any]):
    """A layer's name, or None; the layer itself becomes its name in the widget's own check."""

    def __init__(self, help: str = "") -> None:
        super().__init__(None, allow_none=True, help=help)
        self.tag(sync=True)

    def validate(self, obj: Any, value: Any) -> Any:
        """Return the name or module, or raise `LayerError`."""
        if isinstance(value, (str, nn.Module)):
            return value
        raise LayerError("layer", reprlib.repr(value), "a layer's name, a layer of the model, or None")


class ParamsTrait(TraitType[Any, Any]):
    """A method's parameters by name; which there are depends on the method, and the widget checks it."""

    def __init__(self, help: str = "") -> None:
        super().__init__({}, help=help)
        self.tag(sync=True)

    def validate(self, obj: Any, value: Any) -> dict[str, Any]:
        """Return the dict, or raise `MethodError`."""
        return as_params(value)


class TargetTrait(TraitType[Any, Any]):
    """What is explained: None, an index, a label, a function, or a `saliscope.Target`.

    A label becomes its index. The page sees an index, null, or the name of what it cannot choose.
    """

    default_value = None

    def __init__(self, help: str = "") -> None:
        super().__init__(None, allow_none=True, help=help)
        self.tag(sync=True, to_json=self._to_json, from_json=self._from_json)

    def validate(self, obj: Any, value: Any) -> Any:
        """Return an index or what stands for itself, or raise `TargetError`."""
        if isinstance(value, str):
            return obj.index_of(value)
        if callable(value) or isinstance(value, Target):
            return value
        number = _plain(value)
        if isinstance(number, bool) or not isinstance(number, int):
            expected = "an index, a label, a function, a saliscope.Target or None"
            raise TargetError("target", reprlib.repr(value), expected)
        return obj.index_of(number)

    @staticmethod
    def _to_json(value: Any, _widget: Any) -> Any:
        if value is None or isinstance(value, int):
            return value
        return {"callable": getattr(value, "__name__", type(value).__name__)}

    @staticmethod
    def _from_json(value: Any, widget: Any) -> Any:
        # The page cannot make a function; it can only send back the name of the one there is.
        return widget.target if isinstance(value, dict) else value


class BaselineTrait(TraitType[Any, Any]):
    """Where paths start: what `saliscope.attribution.IntegratedGradients` takes as baseline."""

    def __init__(self, help: str = "") -> None:
        super().__init__(as_baseline("black"), help=help)
        self.tag(sync=True, to_json=self._to_json, from_json=self._from_json)

    def validate(self, obj: Any, value: Any) -> Any:
        """Return a baseline or a tuple of them, or raise `BaselineError`."""
        if isinstance(value, dict):
            return build_baseline(value)
        if isinstance(value, (tuple, list)):
            return as_baselines(value)
        return as_baseline(value.item() if isinstance(value, np.generic) else value)

    @staticmethod
    def _to_json(value: Any, _widget: Any) -> Any:
        if isinstance(value, tuple):
            return {"kind": "custom", "count": len(value)}
        return baseline_spec(value)

    @staticmethod
    def _from_json(value: Any, widget: Any) -> Any:
        return widget.baseline if isinstance(value, dict) and value.get("kind") == "custom" else value


def as_params(value: Any) -> dict[str, Any]:
    """The argument itself if it is a dict.

    Raises
    ------
    MethodError
        If it is not.
    """
    if isinstance(value, dict):
        return value
    raise MethodError("params", reprlib.repr(value), "a dict of the method's parameters by name")


def _plain(value: Any) -> Any:
    """A number of numpy or torch as Python's own; anything else as it came."""
    return value.item() if hasattr(value, "item") and getattr(value, "ndim", None) == 0 else value
