"""Files that a page asks for: the same formats of every explorer."""

import io
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from saliscope.errors import InputError
from saliscope.widgets.channel import Reply

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_TYPES = {
    "png": "image/png",
    "svg": "image/svg+xml",
    "html": "text/html",
    "json": "application/json",
}


def file_reply(
    kind: Any,
    name: str,
    *,
    html: Callable[[], str],
    record: Callable[[], str],
    figure: "Callable[[], Figure]",
) -> Reply:
    """Answer a page that wants a file, with what makes it.

    Raises
    ------
    InputError
        For an unknown format, or if there is nothing to show.
    """
    if not isinstance(kind, str) or kind not in _TYPES:
        raise InputError("format", repr(kind), f"one of {', '.join(_TYPES)}")
    if kind in ("html", "json"):
        data = (html if kind == "html" else record)().encode("utf-8")
    else:
        data = bytes_of(figure(), kind)
    return Reply({"name": f"{name}.{kind}", "type": _TYPES[kind]}, buffers=[data])


def bytes_of(figure: "Figure", kind: str, **options: Any) -> bytes:
    """Bytes of a figure as a file."""
    stream = io.BytesIO()
    figure.savefig(stream, format=kind, **options)
    return stream.getvalue()
