"""Traits of a map explorer: what they are given is checked on the line that gives it."""

import math
import reprlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from traitlets import TraitType

from saliscope.errors import InputError, ReductionError
from saliscope.sessions.menus import is_number
from saliscope.sessions.reducer_menus import build_reducer, keys
from saliscope.widgets.traits import Choice

MOST_MAPS = 4
MOST_ZOOM = 4096


class MapsTrait(TraitType[Any, Any]):
    """Keys of the reducers whose maps stand side by side."""

    def __init__(self, help: str = "") -> None:
        super().__init__(("tsne",), help=help)
        self.tag(sync=True)

    def validate(self, obj: Any, value: Any) -> tuple[str, ...]:
        """Return the keys, or raise `ReductionError`."""
        given = (value,) if isinstance(value, str) else value
        if not isinstance(given, tuple | list) or not 1 <= len(given) <= MOST_MAPS:
            raise ReductionError("maps", reprlib.repr(value), f"1 to {MOST_MAPS} of {', '.join(keys())}")
        for key in given:
            build_reducer(key, {})
        return tuple(given)


class ReducerParamsTrait(TraitType[Any, Any]):
    """By a reducer's key, those of its parameters that are not as usual."""

    def __init__(self, help: str = "") -> None:
        super().__init__({}, help=help)
        self.tag(sync=True)

    def make_dynamic_default(self) -> dict[str, Any]:
        """Give every explorer a dict of its own."""
        return {}

    def validate(self, obj: Any, value: Any) -> dict[str, dict[str, Any]]:
        """Return them, or raise `ReductionError`."""
        if not isinstance(value, Mapping) or not all(isinstance(each, Mapping) for each in value.values()):
            expected = "parameters by reducer, as {'tsne': {'perplexity': 50}}"
            raise ReductionError("params", reprlib.repr(value), expected)
        for key, params in value.items():
            build_reducer(key, params)
        return {key: dict(params) for key, params in value.items() if params}


class Maybe(Choice):
    """One of a few words, or None."""

    def __init__(self, choices: Callable[[], Sequence[str]], help: str = "") -> None:
        super().__init__(None, choices, help=help)  # type: ignore[arg-type]
        self.allow_none = True


class CameraTrait(TraitType[Any, Any]):
    """How much is seen: (factor, x, y), with the centre as shares of the map's box."""

    def __init__(self, help: str = "") -> None:
        super().__init__((1.0, 0.5, 0.5), help=help)
        self.tag(sync=True)

    def validate(self, obj: Any, value: Any) -> tuple[float, float, float]:
        """Return the three numbers, or raise `InputError`."""
        if isinstance(value, tuple | list) and len(value) == 3 and all(map(is_number, value)):
            factor, x, y = map(float, value)
            # The centre may lie a little outside, where the box's edge was dragged to the middle.
            if 1 <= factor <= MOST_ZOOM and max(abs(x - 0.5), abs(y - 0.5)) <= 1:
                return factor, x, y
        expected = f"(factor from 1 to {MOST_ZOOM}, x and y of the centre as shares of the box)"
        raise InputError("camera", reprlib.repr(value), expected)


class ColorTrait(TraitType[Any, Any]):
    """What the colours of the points say; which columns there are, the widget knows."""

    def __init__(self, help: str = "") -> None:
        super().__init__("none", help=help)
        self.tag(sync=True)

    def validate(self, obj: Any, value: Any) -> str:
        """Return the word, or raise `InputError`."""
        known = obj.colors
        if isinstance(value, str) and value in known:
            return value
        if isinstance(value, str) and f"column:{value}" in known:
            return f"column:{value}"
        raise InputError("color_by", reprlib.repr(value), f"one of {', '.join(known)}")


class IdsTrait(TraitType[Any, Any]):
    """Numbers of rows, each once, in the order given. Not sent as state: there may be thousands."""

    def __init__(self, help: str = "") -> None:
        super().__init__((), help=help)

    def validate(self, obj: Any, value: Any) -> tuple[int, ...]:
        """Return the numbers, or raise `InputError`."""
        ids = self._array(value)
        if ids is None or (len(ids) and (ids.min() < 0 or ids.max() >= obj.n_rows)):
            expected = f"numbers of rows, from 0 to {obj.n_rows - 1}"
            raise InputError(str(self.name), reprlib.repr(value), expected)
        return tuple(dict.fromkeys(ids.tolist()))

    @staticmethod
    def _array(value: Any) -> np.ndarray | None:
        """Whole numbers, or a mask of all rows as its numbers; None for anything else."""
        given = value.cpu() if isinstance(value, torch.Tensor) else value
        if isinstance(given, set | frozenset | range):
            given = sorted(given)
        try:
            ids = np.asarray(given)
        except ValueError:
            return None
        if ids.ndim != 1:
            return None
        if not len(ids):
            return np.empty(0, np.int64)
        if ids.dtype == bool:
            return np.flatnonzero(ids)
        return ids if ids.dtype.kind in "iu" and math.isfinite(float(ids.max())) else None
