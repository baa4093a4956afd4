"""Pictures whose every cause is known, and small networks that were trained on them.

`scenes` makes the pictures, `cnn` and `shortcut_cnn` are the networks, `photo` is one of the real
photographs behind them. Names are loaded when they are used: importing this package loads neither
torch nor scikit-learn.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .models import card, cnn, shortcut_cnn
    from .scene_maker import Scenes, scenes
    from .sources import photo

__all__ = ["Scenes", "card", "cnn", "photo", "scenes", "shortcut_cnn"]

_HOMES = {
    "Scenes": "scene_maker",
    "card": "models",
    "cnn": "models",
    "photo": "sources",
    "scenes": "scene_maker",
    "shortcut_cnn": "models",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f".{_HOMES[name]}", __name__), name)
    globals()[name] = value  # the next access does not come here
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
