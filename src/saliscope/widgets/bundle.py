"""The built front end that travels in the package."""

import hashlib
import os
from functools import cache
from pathlib import Path

from saliscope.errors import SaliscopeError
from saliscope.widgets.channel import Reply

_STATIC = Path(__file__).parent.parent / "static"


def entry() -> str | Path:
    """What every widget carries, and every saved notebook with it: a loader of a few hundred letters.

    It asks for the front end once for a page and version. While developing (``ANYWIDGET_HMR=1``) it is the
    front end itself as a path, which anywidget watches; that keeps every widget alive, and its model.
    """
    if os.environ.get("ANYWIDGET_HMR") == "1":
        return _file("explorer.js")
    return _text("loader.js").replace("__SALISCOPE_BUNDLE__", _digest())


def front_end() -> Reply:
    """The front end itself, for a page that has not got it yet: code and styles, as text in UTF-8."""
    return Reply(
        {"bundle": _digest()}, buffers=[_text(name).encode() for name in ("explorer.js", "explorer.css")]
    )


@cache
def _digest() -> str:
    texts = [_text(name) for name in ("loader.js", "explorer.js", "explorer.css")]
    return hashlib.sha256("".join(texts).encode()).hexdigest()[:16]


@cache
def _text(name: str) -> str:
    return _file(name).read_text(encoding="utf-8")


def _file(name: str) -> Path:
    """Path of a file of the front end.

    Raises
    ------
    SaliscopeError
        If the front end was not built.
    """
    path = _STATIC / name
    if not path.is_file():
        raise SaliscopeError(
            "saliscope", f"an installation without its front end ({name})", "a built package",
            "In a source checkout, run `make build` or `pip install .` first.",
        )  # fmt: skip
    return path
