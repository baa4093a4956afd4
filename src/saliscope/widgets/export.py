"""What leaves the notebook: figures, pages, records."""

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import fields
from typing import TYPE_CHECKING, Any

from saliscope.errors import InputError, SaliscopeError
from saliscope.render.static import figure_png
from saliscope.sessions.saliency import SaliencySession
from saliscope.sessions.trials import Told, kind_of
from saliscope.specs.blobs import Blob
from saliscope.specs.view import Screen, Shown, View
from saliscope.widgets.channel import Reply
from saliscope.widgets.files import file_reply
from saliscope.widgets.state import KNOWN

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from saliscope.records import Record
    from saliscope.widgets.saliency import SaliencyExplorer

_SMALL = 2**20
"""Bytes of gradients along a path that a page carries though nobody looks at them now."""


def reply(explorer: "SaliencyExplorer", kind: Any) -> Reply:
    """Answer a page that wants a file.

    Raises
    ------
    InputError
        For an unknown format, or if there is nothing to show.
    """
    return file_reply(
        kind,
        explorer.method,
        html=lambda: html_of(explorer),
        record=lambda: record_of(explorer).to_json(),
        figure=lambda: figure_of(explorer),
    )


def figure_of(explorer: "SaliencyExplorer", **options: Any) -> "Figure":
    """The current view as a matplotlib figure; see `SaliencyExplorer.figure`."""
    from saliscope.render.publication import figure

    return figure(_screen(explorer), **options)


def record_of(explorer: "SaliencyExplorer", session: SaliencySession | None = None) -> "Record":
    """The record of a panel's map, the active one's by default; see `SaliencyExplorer.record`."""
    from saliscope.records.record import Record

    session = session or explorer._panels.session(explorer.panel) or explorer._panels.lead
    attribution, request = session.attribution, session.answered
    if attribution is None or request is None:
        raise InputError("record", "no finished map", "one to write down", "Call wait() first.")
    looks = {field.name: explorer._plain(field.name) for field in fields(View)}
    return Record.of(
        attribution,
        session.subject.borrowed,
        view=looks,
        index=request.index,
        occlusion=request.occlusion,
    )


def html_of(explorer: "SaliencyExplorer") -> str:
    """The explorer as a page; see `SaliencyExplorer.to_html`."""
    from saliscope.render.html import page

    screen, panels = _screen(explorer), explorer._panels
    events: list[tuple[str, dict[str, Any], Sequence[Blob]]] = []

    def note(message: Told, blobs: Sequence[Blob]) -> None:
        events.append((kind_of(message), message.to_json(), blobs))

    panels.tell_all(note)
    explorer._trials.tell_all(note)
    answers: dict[str, dict[int, Any]] = {"gradients": {}, "predictions": {}}
    records = []
    for session in panels.sessions:
        if session.attribution is None:
            continue
        records.append(record_of(explorer, session).to_json())
        if session.attribution.path is not None and session.state.phase == "done":
            # A model whose output is no list of classes has no predictions; the page says so.
            with suppress(SaliscopeError):
                answers["predictions"][session.panel] = (session.predictions().to_json(), ())
            result, _, blobs = session.gradients()
            if explorer.along == "gradient" or len(blobs[0].data) <= _SMALL:
                answers["gradients"][session.panel] = ({"job": result.job, "stack": blobs[0].hash}, blobs)
    traits = {name: explorer._plain(name) for name in KNOWN}
    picture = figure_png(screen, *explorer._trials.told)
    return page(events, traits, title=_title(explorer), record=records, answers=answers, picture=picture)


def _title(explorer: "SaliencyExplorer") -> str:
    """What the first panel shows, in words: a person reads it in a list of files."""
    lead = explorer._panels.lead
    if lead.result is None:
        return repr(explorer)
    model = type(lead.subject.borrowed.module).__name__
    return f"{lead.result.title} of {lead.result.target_label} in {model}"


def _screen(explorer: "SaliencyExplorer") -> Screen:
    screen = explorer.screen
    if not any(isinstance(panel, Shown) for panel in screen.panels):
        raise InputError("explorer", "nothing computed yet", "a map to show", "Call wait() first.")
    return screen
