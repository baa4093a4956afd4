"""Pictures without a page: the figure that stands beside the widget.

A notebook on GitHub, or one whose kernel is gone, shows this figure in place of the widget.
"""

import io
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from saliscope.render.overlay import between, compose
from saliscope.render.panels import panels_of
from saliscope.render.sheet import sheet
from saliscope.render.typeset import SCALE
from saliscope.specs.blobs import Blob
from saliscope.specs.trial import Trial
from saliscope.specs.view import Screen

if TYPE_CHECKING:
    from PIL.Image import Image

__all__ = ["between", "compose", "figure_png"]


_DPI = 96 * SCALE
_LEAST = 7.0
"""Inches that curves need."""


def figure_png(
    screen: Screen, trials: Sequence[Trial | None] = (), blobs: Mapping[str, Blob] | None = None
) -> bytes | None:
    """Draw what is on screen, with all that is needed to read it.

    Parameters
    ----------
    screen : Screen
    trials : sequence of Trial or None
        Maps on trial, panel by panel; curves stand below the maps as soon as one is known.
    blobs : dict of str to Blob, optional
        Arrays of these trials.

    Returns
    -------
    bytes or None
        A PNG at two pixels per CSS pixel (192 dpi); None as long as there is nothing to show.

    Raises
    ------
    InputError
        If a look is out of range.
    """
    panels = panels_of(screen)
    if not panels:
        return None
    page = sheet(screen, panels)
    if any(trial is not None and len(trial.at) > 1 for trial in trials):
        page = _with_curves(page, screen, trials, blobs or {})
    stream = io.BytesIO()
    # Level 3: twice as fast as the default for photographs, and no larger.
    page.save(stream, "PNG", compress_level=3, dpi=(_DPI, _DPI))
    return stream.getvalue()


def _with_curves(
    page: "Image", screen: Screen, trials: Sequence[Trial | None], blobs: Mapping[str, Blob]
) -> "Image":
    from PIL import Image

    from saliscope.render.trial_figure import figure

    drawn = io.BytesIO()
    look, width = screen.view, max(_LEAST, page.width / _DPI)
    made = figure(
        trials,
        blobs,
        sign=look.sign,  # type: ignore[arg-type]
        colormap=look.colormap,
        width=width,
        dpi=_DPI,
    )
    made.savefig(drawn, dpi=_DPI)
    with Image.open(drawn) as curves:
        both = Image.new("RGB", (max(page.width, curves.width), page.height + curves.height), "white")
        both.paste(page, (0, 0))
        both.paste(curves.convert("RGB"), (0, page.height))
    return both
