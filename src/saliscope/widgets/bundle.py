"""The built front end that travels in the package."""

import os
from pathlib import Path

from saliscope.errors import SaliscopeError

_STATIC = Path(__file__).parent.parent / "static"


def bundled(name: str) -> str | Path:
    """Text of a file of the front end.

    As a path only while developing (``ANYWIDGET_HMR=1``): anywidget watches the file then, and keeps every
    widget, and with it the model, alive.

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
    return path if os.environ.get("ANYWIDGET_HMR") == "1" else path.read_text(encoding="utf-8")
