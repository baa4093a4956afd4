"""A figure for print, whatever is drawn on it: lengths in points from the top left, text as it is."""

import io
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any

from saliscope.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from matplotlib.axes import Axes

_SCREEN = 110  # dots per inch
INCH = 72.0
MARGIN, GAP = 4.0, 9.0
TITLE, SMALL = 8.0, 6.5
TITLE_LINE, LINE = 11.0, 8.6
INK, MUTED, HAIRLINE, WHITE = "#1f2328", "#59636e", "#b9c0c8", "#ffffff"


def check_size(width: float, dpi: float, least: float = 1.0) -> None:
    """Refuse a figure that nobody can want; `least` is the smallest width.

    Raises
    ------
    InputError
        If `width` (inches) or `dpi` are out of range, or not numbers.
    """
    for name, value, low, high in (("width", width, least, 100.0), ("dpi", dpi, 10.0, 2400.0)):
        if not low <= value <= high:
            raise InputError(name, repr(value), f"{low:g} to {high:g}")


@contextmanager
def plain_text() -> "Iterator[None]":
    """Whatever the user's settings: no TeX, which would run words from data; a font with all our signs."""
    import matplotlib

    family = matplotlib.rcParams["font.family"]
    family = [*([family] if isinstance(family, str) else family), "DejaVu Sans"]
    with matplotlib.rc_context({"text.usetex": False, "font.family": family, "axes.linewidth": 0.5}):
        yield


class Paper:
    """A matplotlib figure that belongs to no `pyplot` state; `width` and `height` in points."""

    def __init__(self, width: float, height: float, dpi: float) -> None:
        from matplotlib.figure import Figure

        self.width, self.height = width, height
        self.figure = Figure(figsize=(width / INCH, height / INCH), dpi=dpi, facecolor=WHITE)
        # Notebooks draw figures by themselves only where pyplot was imported.
        setattr(self.figure, "_repr_png_", partial(_as_png, self.figure))  # noqa: B010

    def axes(self, x: float, y: float, width: float, height: float) -> "Axes":
        """Add a frame without ticks."""
        left, bottom = x / self.width, 1 - (y + height) / self.height
        axes = self.figure.add_axes((left, bottom, width / self.width, height / self.height))
        axes.set(xticks=[], yticks=[])
        axes.spines[:].set(color=HAIRLINE, linewidth=0.5)
        return axes

    def write(
        self, x: float, y: float, text: str, size: float, colour: str, side: Any = "left", bold: bool = False
    ) -> None:
        """Write one line as it is: what comes from data is never read as a formula."""
        self.figure.text(
            x / self.width,
            1 - y / self.height,
            text,
            fontsize=size,
            color=colour,
            ha=side,
            va="top",
            weight="bold" if bold else "normal",
            parse_math=False,
        )


def _as_png(figure: Any) -> bytes:
    """A picture for the end of a cell, at the resolution of a screen."""
    stream = io.BytesIO()
    figure.savefig(stream, format="png", dpi=_SCREEN)
    return stream.getvalue()
