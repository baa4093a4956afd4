"""What of an EmbeddingExplorer leaves the notebook: figures, pages, records."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from saliscope.errors import InputError
from saliscope.sessions.map_record import record_of as record_of_atlas
from saliscope.sessions.map_saved import saved_of
from saliscope.sessions.map_screen import Looks, screen_of
from saliscope.specs.map_view import MapScreen
from saliscope.widgets.channel import Reply
from saliscope.widgets.files import bytes_of, file_reply

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from saliscope.widgets.embedding import EmbeddingExplorer

_SCREEN = 110  # dots per inch
_CHOSEN = ("selection", "group_a", "group_b")


def reply(explorer: "EmbeddingExplorer", kind: Any) -> Reply:
    """Answer a page that wants a file.

    Raises
    ------
    InputError
        For an unknown format, or if there is nothing to show.
    """
    return file_reply(
        kind,
        "_".join(explorer.maps),
        html=lambda: html_of(explorer),
        record=lambda: record_of(explorer),
        figure=lambda: figure_of(explorer),
    )


def figure_of(explorer: "EmbeddingExplorer", **options: Any) -> "Figure":
    """The maps on screen as a matplotlib figure.

    Parameters
    ----------
    explorer : EmbeddingExplorer
    **options
        See `saliscope.render.map_figure.map_figure`: ``width``, ``dpi``, ``columns``, ``title``.

    Raises
    ------
    InputError
        If nothing was computed yet.
    """
    from saliscope.render.map_figure import map_figure

    return map_figure(_screen(explorer), **options)


def png_of(explorer: "EmbeddingExplorer") -> bytes | None:
    """The picture that stands beside the widget; None before there is a map."""
    if not explorer._atlas.session.maps:
        return None
    return bytes_of(figure_of(explorer), "png", dpi=_SCREEN)


def record_of(explorer: "EmbeddingExplorer") -> str:
    """How the maps came about, as JSON; see `saliscope.sessions.map_record`.

    Raises
    ------
    InputError
        If nothing was computed yet.
    """
    _screen(explorer)
    return record_of_atlas(explorer._atlas)


def html_of(explorer: "EmbeddingExplorer") -> str:
    """The explorer as a page that needs no kernel; see `EmbeddingExplorer.to_html`.

    Raises
    ------
    InputError
        If nothing was computed yet.
    SaliscopeError
        If the front end was not built.
    """
    from saliscope.render.map_html import map_page

    _screen(explorer)
    chosen = {name: _ids(explorer, name) for name in _CHOSEN}
    saved = saved_of(explorer._atlas, explorer._view(), chosen, explorer.target)
    return map_page(saved, title=_title(explorer), record=record_of(explorer), picture=png_of(explorer))


def _screen(explorer: "EmbeddingExplorer") -> MapScreen:
    """What is on screen; there is something."""
    if not explorer._atlas.session.maps:
        raise InputError("explorer", "nothing computed yet", "a map to show", "Call wait() first.")
    zoom, x, y = explorer.camera
    looks = Looks(
        color_by=explorer.color_by,
        point=explorer.point,
        selection=np.asarray(_ids(explorer, "selection"), np.int64),
        sweep=explorer.sweep,
        sweep_at=explorer.sweep_at,
        camera=(zoom, x, y),
        point_size=explorer.point_size,
        opacity=explorer.opacity,
        spokes=explorer.spokes,
    )
    return screen_of(explorer._atlas, looks)


def _ids(explorer: "EmbeddingExplorer", name: str) -> Sequence[int]:
    return tuple(getattr(explorer, name))


def _title(explorer: "EmbeddingExplorer") -> str:
    """What is mapped and how, in words: a person reads it in a list of files."""
    titles = [shown.reducer.title for _, shown in sorted(explorer._atlas.session.maps.items())]
    points, _ = explorer._atlas.points()
    of = f" of {points.what}" if points.what else ""
    return f"{', '.join(titles)}{of}{f' in {points.model}' if points.model else ''}"
