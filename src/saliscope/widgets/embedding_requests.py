"""What a page may ask of a map explorer, and how it is answered."""

import base64
import binascii
from collections.abc import Callable, Generator
from typing import TYPE_CHECKING, Any

import numpy as np

from saliscope.errors import InputError
from saliscope.sessions.atlas import opened
from saliscope.sessions.collection import THUMBNAIL
from saliscope.sessions.embedding_facts import MOST_LINES
from saliscope.sessions.sequences import SWEEPS
from saliscope.specs.blobs import Blob
from saliscope.specs.embedding import Selection
from saliscope.widgets.bundle import front_end
from saliscope.widgets.channel import Answer, Message, Reply
from saliscope.widgets.embedding_state import SETS

if TYPE_CHECKING:
    from saliscope.widgets.embedding import EmbeddingExplorer

MOST_THUMBNAILS = 256
"""In one answer."""

_LONGEST_NAME = 200

LASTING = ("thumbnails", "groups", "place", "stability", "export")
"""Requests that the worker does, so that Cancel need not wait for them."""


def requests_of(explorer: "EmbeddingExplorer") -> dict[str, Callable[[Message], Answer]]:
    """All requests by name."""
    return {
        "hello": lambda message: explorer._welcome(),
        "bye": lambda message: explorer._keeper.bye(),
        "here": lambda message: explorer._keeper.here(),
        "code": lambda message: front_end(message.get("files")),
        "cancel": lambda message: explorer.cancel(),
        "run": lambda message: explorer.run(),
        "refine": lambda message: explorer.refine(message.get("map", 0)),
        "ack": lambda message: explorer._atlas.session.acknowledge(message.get("job"), message.get("map")),
        "sweep": lambda message: _sweep(explorer),
        "row": lambda message: Reply(
            explorer._atlas.row(_row(explorer, message), message.get("step")).to_json()
        ),
        "explain": lambda message: explorer.explain(_row(explorer, message)),
        "picture": lambda message: _picture(explorer, message),
        "distances": lambda message: _distances(explorer, message),
        "select": lambda message: _select(explorer, message),
        "table": lambda message: _table(explorer, message),
        "thumbnails": lambda message: _thumbnails(explorer, message),
        "groups": lambda message: _groups(explorer),
        "place": lambda message: _place(explorer, message),
        "stability": lambda message: _stability(explorer, message),
        "export": lambda message: _export(explorer, message),
    }


def set_message(explorer: "EmbeddingExplorer", name: Any) -> tuple[Selection, list[Blob]]:
    """What the pages are told of a set of rows."""
    blob = Blob.from_ids(np.array(getattr(explorer, name), dtype=np.int64))
    return Selection(name, blob.hash), [blob]


def _row(explorer: "EmbeddingExplorer", message: Message, name: str = "row") -> int:
    return explorer._atlas.collection.check(message.get(name), name)


def _sweep(explorer: "EmbeddingExplorer") -> None:
    if explorer.sweep is None:
        raise InputError("sweep", "None", f"one of {', '.join(SWEEPS)}")
    explorer._walk_now()


def _picture(explorer: "EmbeddingExplorer", message: Message) -> Reply:
    blob = Blob.from_picture(explorer._atlas.collection.picture(_row(explorer, message)))
    return Reply({"picture": blob.hash}, [blob])


def _distances(explorer: "EmbeddingExplorer", message: Message) -> Reply:
    row = _row(explorer, message)
    blob = Blob.from_map(explorer._atlas.distances(row, message.get("step")).numpy())
    return Reply({"row": row, "values": blob.hash}, [blob])


def _select(explorer: "EmbeddingExplorer", message: Message) -> None:
    name = message.get("name")
    if name not in SETS:
        raise InputError("name", repr(name), f"one of {', '.join(SETS)}")
    try:
        data = base64.b64decode(message.get("ids"), validate=True)  # type: ignore[arg-type]
        ids = np.frombuffer(data, dtype="<u4")
    except (TypeError, ValueError, binascii.Error) as error:
        raise InputError("ids", "no numbers", "little-endian uint32 in base64") from error
    with explorer._quietly():  # the page knows
        setattr(explorer, name, ids.astype(np.int64))


def _table(explorer: "EmbeddingExplorer", message: Message) -> Reply:
    start, count = (_count(message.get(name, usual), name) for name, usual in (("from", 0), ("count", 50)))
    within = message.get("within", "all")
    if within not in ("all", *SETS):
        raise InputError("within", repr(within), f"one of all, {', '.join(SETS)}")
    ids = None if within == "all" else np.array(getattr(explorer, within), dtype=np.int64)
    lines = explorer._atlas.lines(
        start,
        min(count, MOST_LINES),
        sort=message.get("sort"),
        descending=message.get("descending") is True,
        within=ids,
    )
    total = explorer.n_rows if ids is None else len(ids)
    return Reply({"rows": [line.to_json() for line in lines], "from": start, "total": total})


def _count(value: Any, name: str) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise InputError(name, repr(value), "a whole number from 0")
    return value


def _thumbnails(explorer: "EmbeddingExplorer", message: Message) -> Reply:
    ids = message.get("ids")
    if not isinstance(ids, list) or not 1 <= len(ids) <= MOST_THUMBNAILS:
        raise InputError("ids", "no list, or a long one", f"1 to {MOST_THUMBNAILS} numbers of rows")
    collection = explorer._atlas.collection
    rows = [collection.check(each, "ids") for each in ids]
    blob = Blob.from_picture(collection.thumbnails(rows))
    return Reply({"ids": rows, "size": THUMBNAIL, "sprite": blob.hash}, [blob])


def _groups(explorer: "EmbeddingExplorer") -> Reply:
    groups, blobs = explorer._atlas.groups(explorer.group_a, explorer.group_b, explorer.target)
    return Reply(groups.to_json(), blobs)


def _place(explorer: "EmbeddingExplorer", message: Message) -> Generator[None, None, Reply]:
    buffers, name = message["buffers"], message.get("name")
    image = opened(buffers[0] if buffers else None)
    said = name[:_LONGEST_NAME] if isinstance(name, str) else ""
    found = yield from explorer._atlas.place(image, said)
    for point in found:
        explorer._tell(point, [])
    return Reply({"placed": [point.to_json() for point in found]})


def _stability(explorer: "EmbeddingExplorer", message: Message) -> Generator[None, None, Reply]:
    return Reply((yield from explorer._atlas.stability(message.get("map", 0))))


def _export(explorer: "EmbeddingExplorer", message: Message) -> Reply:
    from saliscope.widgets import embedding_export

    return embedding_export.reply(explorer, message.get("format"))
