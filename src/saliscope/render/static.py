"""Pictures without a page: the figure that stands beside the widget.

A notebook on GitHub, or one whose kernel is gone, shows this figure in place of the widget.
"""

import io

from saliscope.render.overlay import between, compose
from saliscope.render.panels import panels_of
from saliscope.render.sheet import sheet
from saliscope.render.typeset import SCALE
from saliscope.specs.view import Screen

__all__ = ["between", "compose", "figure_png"]


def figure_png(screen: Screen) -> bytes | None:
    """Draw what is on screen, with all that is needed to read it.

    Parameters
    ----------
    screen : Screen

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
    stream = io.BytesIO()
    # Level 3: twice as fast as the default for photographs, and no larger.
    sheet(screen, panels).save(stream, "PNG", compress_level=3, dpi=(96 * SCALE, 96 * SCALE))
    return stream.getvalue()
