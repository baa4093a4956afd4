"""The built front end that travels in the package."""

import json
import os
from functools import cache
from pathlib import Path
from typing import Any

from saliscope.errors import InputError, SaliscopeError
from saliscope.widgets.channel import Reply

_STATIC = Path(__file__).parent.parent / "static"


def entry(name: str) -> str | Path:
    """What every widget carries, and every saved notebook with it: a loader of a few hundred letters.

    It asks for the files of the front end once for a page. While developing (``ANYWIDGET_HMR=1``) it is the
    front end itself as a path, which anywidget watches; that keeps every widget alive, and its model.

    Parameters
    ----------
    name : str
        Of the front end's door, such as "explorer".
    """
    if os.environ.get("ANYWIDGET_HMR") == "1":
        return _file(f"{name}.js")
    files = json.dumps(_files()[name], separators=(",", ":"))
    return _text("loader.js").replace('"__SALISCOPE_FILES__"', files)


def front_end(names: Any) -> Reply:
    """Files of the front end, for a page that has not got them yet, as text in UTF-8.

    Raises
    ------
    InputError
        If one of them is no file of this version's front end.
    """
    known = {name for files in _files().values() for name in (*files["first"], *files["rest"])}
    if not isinstance(names, list) or not known.issuperset(map(str, names)):
        raise InputError(
            "files", repr(names), "files of this version", "Reload the page, and run the cell again."
        )
    return Reply({}, buffers=[_text(f"front/{name}").encode() for name in names])


def _files() -> dict[str, dict[str, Any]]:
    """By door: what the build wrote down."""
    return json.loads(_text("front/files.json"))


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
