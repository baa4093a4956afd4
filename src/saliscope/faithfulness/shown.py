"""A result in a few lines: what `print` says of it."""

from dataclasses import fields, is_dataclass
from typing import Any

from torch import Tensor

_MOST = 8
"""Numbers, or things in a row, that are written out."""


class Shown:
    """A dataclass that `print` shows by a line for each field and property; `repr` says all."""

    def __str__(self) -> str:
        known: Any = self
        made = (name for name, held in vars(type(self)).items() if isinstance(held, property))
        names = (*(field.name for field in fields(known)), *made)
        lines = (f"  {name}: {_short(getattr(self, name))}" for name in names)
        return "\n".join((type(self).__name__, *lines))


def _short(value: Any) -> str:
    if isinstance(value, Tensor):
        if value.ndim == 1 and len(value) <= _MOST:
            floats = value.is_floating_point()
            return f"[{', '.join(f'{one:.4g}' if floats else str(one) for one in value.tolist())}]"
        return f"{str(value.dtype).removeprefix('torch.')} of shape {tuple(value.shape)}"
    if is_dataclass(value):
        held = (f"{field.name}={_short(getattr(value, field.name))}" for field in fields(value))
        return f"{type(value).__name__}({', '.join(held)})"
    if isinstance(value, tuple):
        few = len(value) <= _MOST and not any(is_dataclass(one) for one in value)
        return repr(value) if few else f"{len(value)} of {type(value[0]).__name__}"
    return repr(value)
