"""Maps of an embedding as one file: points, maps, rows and pictures, and what else the kernel had said."""

import base64
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from saliscope.render.html import Embedded, Event, document, harmless
from saliscope.render.packing import packed
from saliscope.render.thumbnails import COLUMNS, sheets
from saliscope.specs.blobs import Blob

Answer = tuple[Mapping[str, Any], Sequence[Blob]]
"""What the kernel answered: JSON, and the blobs that it names."""


@dataclass(frozen=True)
class Saved:
    """What a page of maps carries.

    Parameters
    ----------
    events : sequence of (kind, JSON, blobs)
        What a kernel would send to a page that says hello.
    traits : mapping
        All traits, as plain data.
    rows : sequence of mapping
        Answers to "row", each with its "id".
    thumbnails : (ids, pictures), optional
        Row ids (m,), and uint8 (m, size, size, 3).
    attributions : sequence of (JSON, blobs)
        Results of the inspector; their "index" is a row id.
    answers : mapping
        What was answered beside: ``{"distances": {"7": answer}, "groups": {"": answer}}``, by request and by
        what it was asked of.
    """

    events: Sequence[Event]
    traits: Mapping[str, Any]
    rows: Sequence[Mapping[str, Any]] = ()
    thumbnails: tuple[np.ndarray, np.ndarray] | None = None
    attributions: Sequence[Answer] = ()
    answers: Mapping[str, Mapping[str, Answer]] = field(default_factory=dict)


def map_page(
    saved: Saved, *, title: str = "Saliscope", record: str = "", picture: bytes | None = None
) -> str:
    """Write an embedding explorer as one HTML file.

    Coordinates, colours, distances and attributions travel without loss; thumbnails as well as they fit, and
    the page says how.

    Parameters
    ----------
    saved : Saved
    title : str
        Of the page; any text.
    record : str
        JSON of how the maps were computed, shown at the foot of the page; "" for none.
    picture : bytes, optional
        A PNG for readers whose browser runs no scripts.

    Returns
    -------
    str
        To be written in UTF-8.

    Raises
    ------
    SaliscopeError
        If the front end was not built.
    """
    rows = _text(saved.rows) if saved.rows else None
    blobs = {name: packed(blob) for name, blob in _blobs(saved, rows).items()}
    pictures, of_pictures = _sheets(saved)
    data = {
        "traits": dict(saved.traits),
        "events": [{"event": kind, kind: message} for kind, message, _ in saved.events],
        "attributions": [message for message, _ in saved.attributions],
        "answers": {
            request: {of: message for of, (message, _) in answers.items()}
            for request, answers in saved.answers.items()
        },
        "rows": rows and rows.hash,
        "thumbnails": pictures,
        "record": record or None,
        "blobs": blobs,
    }
    parts = embedded(saved, {name: len(blob["data"]) for name, blob in blobs.items()}, rows)
    return document(
        "map_page",
        data,
        parts + of_pictures,
        title=title,
        records=[record] if record else [],
        picture=picture,
        alt="Map of the points",
    )


def embedded(saved: Saved, letters: Mapping[str, int], rows: Blob | None = None) -> list[Embedded]:
    """Everything that a page of maps carries, in words; `letters` is the size of each blob."""
    found: list[Embedded] = []
    left = dict(letters)
    titles: dict[str, str] = {}

    def add(kind: str, of: str, *names: Any) -> None:
        new = [left.pop(name) for name in names if name in left]
        if new:
            found.append(Embedded(kind, sum(new), of))

    for kind, message, _ in saved.events:
        if kind == "points":
            titles = {each["key"]: each["title"] for each in message["reducers"]}
            columns = message["columns"]
            arrays = [column.get(name) for column in columns for name in ("codes", "values")]
            add("columns", ", ".join(column["title"] for column in columns), *arrays)
            add("row numbers", f"{message['n']} of {message['of']} rows", message["ids"])
            found.append(Embedded("words about the points", len(harmless(message)), message["what"]))
        elif kind == "layout":
            key = str(message["reducer"])
            title = titles.get(key, key)
            add("map", f"{title}, the places of all points", message["coords"])
            add("quality of every point", title, message["quality"])
        elif kind == "sequence":
            add("sequence", f"{len(message['coords'])} maps by {message['sweep']}", *message["coords"])
            add("displacement", message["sweep"], message["displacement"])
        elif kind == "selection":
            add("selected rows", message["name"].replace("_", " "), message["ids"])
        elif kind == "info":
            add("colour maps", ", ".join(message["luts"]), *message["luts"].values())
    for message, _ in saved.attributions:
        of = f"row {message['index']}: {message['title']} of '{message['target_label'][:60]}'"
        add("attribution", of, message["map"], message["picture"])
    for of, (message, _) in saved.answers.get("distances", {}).items():
        add("distances", f"from row {of} to all", message["values"])
    for answer, _ in saved.answers.get("groups", {}).values():
        arrays = [answer[group][name] for group in "ab" for name in ("picture_mean", "mean_attribution")]
        add("groups", "mean pictures and attributions", *arrays)
    if rows is not None:
        add("rows", f"neighbours and values of {len(saved.rows)} rows", rows.hash)
    add("other arrays", "", *list(left))
    return found


def _sheets(saved: Saved) -> tuple[dict[str, Any] | None, list[Embedded]]:
    if saved.thumbnails is None:
        return None, []
    ids, pictures = saved.thumbnails
    made, numbers = sheets(pictures), packed(Blob.from_ids(ids))
    files = [base64.b64encode(file).decode("ascii") for file in made.files]
    data = {"ids": numbers, "size": made.size, "columns": COLUMNS, "type": made.type, "files": files}
    n = next((message["n"] for kind, message, _ in saved.events if kind == "points"), len(ids))
    letters = sum(map(len, files)) + len(numbers["data"])
    return data, [Embedded("thumbnails", letters, f"of {len(ids)} of {n} rows, {made.words}")]


def _text(rows: Sequence[Mapping[str, Any]]) -> Blob:
    """JSON as an array of bytes, which goes through deflate like all arrays."""
    text = json.dumps(list(rows), allow_nan=False, separators=(",", ":")).encode("utf-8")
    return Blob.from_picture(np.frombuffer(text, np.uint8))


def _blobs(saved: Saved, rows: Blob | None) -> dict[str, Blob]:
    named = [blobs for _, _, blobs in saved.events]
    named += [blobs for _, blobs in saved.attributions]
    named += [blobs for answers in saved.answers.values() for _, blobs in answers.values()]
    named += [[rows]] if rows is not None else []
    return {blob.hash: blob for blobs in named for blob in blobs}
