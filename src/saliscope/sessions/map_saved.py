"""What a page without a kernel needs of an atlas: all that was said, and what it may be asked."""

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from saliscope.errors import SaliscopeError
from saliscope.render.html import Event
from saliscope.render.map_html import Answer, Saved
from saliscope.sessions.answers import Request
from saliscope.sessions.inspecting import spread
from saliscope.sessions.publish import result_of
from saliscope.specs.blobs import Blob
from saliscope.specs.embedding import Selection

if TYPE_CHECKING:
    from saliscope.sessions.atlas import Atlas

MOST_ROWS = 5000
"""Rows whose neighbours and values a page carries; all points are on its maps."""

MOST_THUMBNAILS = 4096

_MOST_BYTES = 3 * 2**20
"""Of attributions with their pictures, the newest first."""

_DIGITS = 5
_SHARE = ("point", "selection", "group_a", "group_b")


def saved_of(
    atlas: "Atlas",
    traits: Mapping[str, Any],
    chosen: Mapping[str, Sequence[int]],
    target: Any = None,
    *,
    most_rows: int = MOST_ROWS,
    most_thumbnails: int = MOST_THUMBNAILS,
) -> Saved:
    """Gather what a page of maps carries.

    Parameters
    ----------
    atlas : Atlas
        With at least one map.
    traits : mapping
        All traits, as plain data.
    chosen : mapping of str to sequence of int
        Ids in ``selection``, ``group_a`` and ``group_b``.
    target : optional
        What mean attributions of the groups explain.
    most_rows, most_thumbnails : int
        Of a larger explorer, the row in focus with its neighbours and the chosen ones come first, then
        others, evenly spread.

    Returns
    -------
    Saved
    """
    point = traits.get("point")
    near = [] if point is None else [point, *atlas.row(point).neighbors]
    first = [*near, *(i for name in _SHARE[1:] for i in chosen.get(name, ()))]
    rows = _some(atlas.n, most_rows, first)
    pictured = _some(atlas.n, most_thumbnails, first) if atlas.collection.has_pictures else None
    attributions = list(_attributions(atlas))
    explained = {message["index"] for message, _ in attributions}
    distances = {*explained} | ({point} if point is not None else set())
    answers = {"distances": {str(i): _distances(atlas, i) for i in sorted(distances)}}
    answers["row"] = dict(_walked(atlas, sorted(distances)))
    if chosen.get("group_a") or chosen.get("group_b"):
        groups, blobs = atlas.groups(chosen.get("group_a", ()), chosen.get("group_b", ()), target)
        answers["groups"] = {"": (groups.to_json(), blobs)}
    return Saved(
        events=list(_events(atlas, chosen)),
        traits=traits,
        rows=[_row(atlas, int(i)) for i in rows],
        thumbnails=None if pictured is None else (pictured, atlas.collection.thumbnails(pictured.tolist())),
        attributions=attributions,
        answers=answers,
    )


def _events(atlas: "Atlas", chosen: Mapping[str, Sequence[int]]) -> Iterator[Event]:
    """What a new page would be told."""
    session = atlas.session
    points, blobs = atlas.points()
    yield "points", points.to_json(), blobs
    info, blobs = atlas.info()
    yield "info", info.to_json(), blobs
    for _, shown in sorted(session.maps.items()):
        yield "layout", shown.layout.to_json(), shown.blobs
    if session.sequence is not None:
        sequence, blobs = session.sequence
        yield "sequence", sequence.to_json(), blobs
    for name in _SHARE[1:]:
        if len(chosen.get(name, ())):
            blob = Blob.from_ids(np.asarray(chosen[name], np.int64))
            yield "selection", Selection(name, blob.hash).to_json(), [blob]
    for placed in atlas.placed:
        yield "placed", placed.to_json(), []
    yield "state", session.state.to_json(), []


def _some(n: int, most: int, first: Sequence[int]) -> np.ndarray:
    """Ids in their order: all of them, or those that come first and as many others as there is room for."""
    if n <= most:
        return np.arange(n)
    kept = np.array(list(dict.fromkeys(first))[:most], np.int64)
    others = np.setdiff1d(np.arange(n), kept)
    return np.sort(np.concatenate([kept, spread(others, most - len(kept))]))


def _walked(atlas: "Atlas", rows: Sequence[int]) -> Iterator[tuple[str, Answer]]:
    """At each step of the sequence, the rows that were looked at: all of them would make the page large."""
    walk = atlas.session.walk
    for step in range(0 if walk is None else len(walk.embeddings)):
        for row in rows:
            yield f"{row} {step}", (_row(atlas, row, step), [])


def _row(atlas: "Atlas", row: int, step: int | None = None) -> dict[str, Any]:
    """The answer about a row, its numbers no longer than somebody reads."""
    found = atlas.row(row, step).to_json()
    found["distances"] = [_short(each) for each in found["distances"]]
    for each in found["top5"]:
        each["p"] = _short(each["p"])
    return found


def _short(value: float | None) -> float | None:
    return None if value is None else float(f"{value:.{_DIGITS}g}")


def _distances(atlas: "Atlas", row: int) -> Answer:
    blob = Blob.from_map(atlas.distances(row).numpy())
    return {"row": row, "values": blob.hash}, [blob]


def _attributions(atlas: "Atlas") -> Iterator[Answer]:
    """Maps that the inspector has computed, the newest first and without paths, as far as there is room."""
    inspector = atlas.inspector
    if inspector is None:
        return
    subject, room = inspector.subject, _MOST_BYTES
    known: set[tuple[str, int]] = set()
    for key, attribution in reversed(subject.cache.entries):
        request = Request(*key)
        # Of one row and method the page shows one map: the newest.
        if request.occlusion is not None or (request.method.key, request.index) in known:
            continue
        known.add((request.method.key, request.index))
        try:
            result, blobs = result_of(
                attribution,
                subject.borrowed,
                subject.picture(request),
                job=0,
                stage="final",
                index=request.index,
                probabilities=subject.glance(request).probabilities,
                notes=subject.notes,
                seconds=0.0,
            )
        except SaliscopeError:
            continue  # a map that could not be shown is not saved either
        message = result.to_json() | {"path": None}
        needed = {message["picture"], message["map"]}
        kept = [blob for blob in blobs if blob.hash in needed]
        room -= sum(len(blob.data) for blob in kept)
        if room < 0:
            return
        yield message, kept
