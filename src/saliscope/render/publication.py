"""The figure for a paper, drawn with matplotlib, which writes it as PNG, SVG or PDF."""

import io
import math
from collections.abc import Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from saliscope.errors import InputError, NotDefinedError
from saliscope.render import colormaps, words
from saliscope.render.bars import Bar, bars_of, line_colour, line_width
from saliscope.render.panels import PanelPicture, panels_of
from saliscope.render.typeset import number, one_line, shortened, width_of, wrapped
from saliscope.specs.view import Screen

if TYPE_CHECKING:
    from collections.abc import Iterator

    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_SCREEN = 110  # dots per inch
_INCH = 72.0  # points; everything below is in points
_MARGIN, _GAP = 4.0, 9.0
_TITLE, _SMALL = 8.0, 6.5
_TITLE_LINE, _LINE = 11.0, 8.6
_BAR, _BAR_WIDTH, _FOOT = 5.0, 156.0, 33.0
_INK, _MUTED, _HAIRLINE, _PAPER = "#1f2328", "#59636e", "#b9c0c8", "#ffffff"


def figure(
    screen: Screen,
    *,
    width: float = 7.0,
    dpi: float = 200.0,
    columns: int | None = None,
    title: bool = True,
) -> "Figure":
    """Make a figure of what is on screen: input, maps, colour bars with unit and clipped share.

    It belongs to no `pyplot` state: a notebook shows it once, and nothing has to be closed.

    Parameters
    ----------
    screen : Screen
    width : float
        In inches; 7 is the text width of most journals.
    dpi : float
        Of the figure on screen and in a PNG; `savefig` takes another.
    columns : int, optional
        Panels in a row, the input among them; by default up to four, rows equally filled.
    title : bool
        Whether titles and details stand at the panels; else letters only, and the caption says the rest.

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    NotDefinedError
        If nothing was computed yet.
    InputError
        If width, dpi or columns are out of range, or a look is.
    """
    panels = panels_of(screen)
    if not panels:
        raise NotDefinedError("figure", "no map yet", "a computed one", "Call wait() first.")
    columns = _columns(len(panels)) if columns is None else columns
    if not 1 <= columns <= len(panels):
        raise InputError("columns", repr(columns), f"1 to {len(panels)}")
    for name, value, low, high in (("width", width, 1.0, 100.0), ("dpi", dpi, 10.0, 2400.0)):
        if not low <= value <= high:
            raise InputError(name, repr(value), f"{low:g} to {high:g}")
    with _plain_text():
        return _Page(screen, panels, width * _INCH, dpi, columns, title).figure


def _columns(n: int) -> int:
    """Up to four in a row, all rows filled as equally as can be."""
    return math.ceil(n / math.ceil(n / 4))


@contextmanager
def _plain_text() -> "Iterator[None]":
    """Whatever the user's settings: no TeX, which would run words from data; a font with all our signs."""
    import matplotlib

    family = matplotlib.rcParams["font.family"]
    family = [*([family] if isinstance(family, str) else family), "DejaVu Sans"]
    with matplotlib.rc_context({"text.usetex": False, "font.family": family, "axes.linewidth": 0.5}):
        yield


def _as_png(figure: "Figure") -> bytes:
    """A picture for the end of a cell, at the resolution of a screen."""
    stream = io.BytesIO()
    figure.savefig(stream, format="png", dpi=_SCREEN)
    return stream.getvalue()


@dataclass(frozen=True)
class _Cell:
    """A panel with its words: a heading and lines above its picture, lines below it."""

    panel: PanelPicture
    letter: str
    heading: str
    above: list[str]
    below: list[str]
    height: float


class _Page:
    """Measures first, then draws from the top down; all lengths in points."""

    def __init__(
        self,
        screen: Screen,
        panels: Sequence[PanelPicture],
        width: float,
        dpi: float,
        columns: int,
        title: bool,
    ) -> None:
        from matplotlib.figure import Figure

        self.screen, self.title, self.width = screen, title, width
        self.lut = colormaps.lut(screen.view.colormap)
        self.letters = words.letters(len(panels))
        self.lettered = len(panels) > 2 or not title
        self.side = (width - 2 * _MARGIN - (columns - 1) * _GAP) / columns
        cells = [self._cell(panel, i) for i, panel in enumerate(panels)]
        rows = [cells[i : i + columns] for i in range(0, len(cells), columns)]
        bars = bars_of(panels)
        fitting = max(1, int((width - 2 * _MARGIN + _GAP) // (_BAR_WIDTH + _GAP)))
        bar_rows = [bars[i : i + fitting] for i in range(0, len(bars), fitting)]
        notes = wrapped(words.notes(screen, len(panels) - 1), _SMALL, width - 2 * _MARGIN)
        self.height = 2 * _MARGIN + sum(self._height(row) + _GAP for row in rows) - _GAP
        self.height += len(bar_rows) * (_GAP + _FOOT) + (_GAP / 2 + len(notes) * _LINE if notes else 0)
        size = (width / _INCH, self.height / _INCH)
        self.figure = Figure(figsize=size, dpi=dpi, facecolor=_PAPER)
        # Notebooks draw figures by themselves only where pyplot was imported.
        setattr(self.figure, "_repr_png_", partial(_as_png, self.figure))  # noqa: B010
        y = _MARGIN
        for row in rows:
            self._draw_row(row, y)
            y += self._height(row) + _GAP
        for row in bar_rows:
            self._draw_bars(row, len(bars), len(panels), y)
            y += _FOOT + _GAP
        for line, text in enumerate(notes):
            self._text(_MARGIN, y - _GAP / 2 + line * _LINE, text, _SMALL, _MUTED)

    def _cell(self, panel: PanelPicture, place: int) -> _Cell:
        letter = self.letters[place] if self.lettered else ""
        height = self.side * panel.rgb.shape[0] / panel.rgb.shape[1]
        heading = words.heading(panel.kind, panel.title, panel.sources, self.letters[1:])
        subject = shortened(one_line(panel.subject), _SMALL, self.side)
        said = (subject, panel.score, *panel.marks, *panel.caveats) if self.title else panel.caveats
        details = (each.rstrip(".") for each in panel.details) if self.title else ()
        return _Cell(
            panel,
            letter,
            one_line(heading) if self.title else "",
            wrapped([one_line(each) for each in said if each], _SMALL, self.side),
            wrapped(map(one_line, details), _SMALL, self.side),
            height,
        )

    def _above(self, row: Sequence[_Cell]) -> float:
        """Room above the pictures of a row, which are level."""
        return _TITLE_LINE + max(len(cell.above) for cell in row) * _LINE + 2

    def _height(self, row: Sequence[_Cell]) -> float:
        below = (cell.height + (3 + len(cell.below) * _LINE if cell.below else 0) for cell in row)
        return self._above(row) + max(below)

    def _draw_row(self, row: Sequence[_Cell], y: float) -> None:
        top = y + self._above(row)
        for i, cell in enumerate(row):
            x = _MARGIN + i * (self.side + _GAP)
            shift = 11.0 if cell.letter else 0.0
            if cell.letter:
                self._text(x, y, cell.letter, _TITLE, _INK, bold=True)
            heading = shortened(cell.heading, _TITLE, self.side - shift)
            self._text(x + shift, y, heading, _TITLE, _INK, bold=not cell.letter)
            for line, text in enumerate(cell.above):
                self._text(x, y + _TITLE_LINE + line * _LINE, text, _SMALL, _MUTED)
            self._draw_panel(cell, x, top)
            for line, text in enumerate(cell.below):
                self._text(x, top + cell.height + 3 + line * _LINE, text, _SMALL, _MUTED)

    def _draw_panel(self, cell: _Cell, x: float, y: float) -> None:
        height, width = cell.panel.rgb.shape[:2]
        axes = self._axes(x, y, self.side, cell.height)
        axes.imshow(cell.panel.rgb, extent=(0, width, height, 0), interpolation="antialiased", aspect="auto")
        axes.set(xlim=(0, width), ylim=(height, 0))
        lines = [(each.level, each.larger_than(width / self.side)) for each in cell.panel.lines]
        for casing in (1.0, 0.0):
            for level, paths in lines:
                colour = _PAPER if casing else tuple(c / 255 for c in line_colour(self.lut, level))
                _draw_lines(axes, paths, colour, line_width(level) + casing)
        segments = [((x0, y0), (x1, y1)) for x0, y0, x1, y1 in cell.panel.outline]
        _draw_lines(axes, segments, _PAPER, 1.8)
        _draw_lines(axes, segments, _INK, 0.8)

    def _draw_bars(self, bars: Sequence[Bar], of: int, panels: int, y: float) -> None:
        """Beside one input, the bar stands under its map; else they stand in the middle of the page."""
        width = self.side if panels == 2 else _BAR_WIDTH
        total = len(bars) * (width + _GAP) - _GAP
        x = self.width - _MARGIN - width if panels == 2 else (self.width - total) / 2
        for bar in bars:
            self._draw_bar(bar, x, y, width, several=of > 1)
            x += width + _GAP

    def _draw_bar(self, bar: Bar, x: float, y: float, width: float, several: bool) -> None:
        axes = self._axes(x, y, width, _BAR)
        if self.screen.view.overlay == "contour":
            for place, level in bar.levels():
                colour = tuple(c / 255 for c in line_colour(self.lut, level))
                axes.axvline(place, color=colour, linewidth=2 * line_width(level))
        else:
            axes.imshow(bar.colours(self.lut, 512)[None], extent=(0, 1, 0, 1), aspect="auto")
        axes.set(xlim=(0, 1), ylim=(0, 1))
        for place, value in bar.ticks():
            side = "left" if place == 0 else "right" if place == 1 else "center"
            self._text(x + place * width, y + _BAR + 2, number(value), _SMALL, _INK, side)
        called = f" ({', '.join(self.letters[i + 1] for i in bar.panels)})" if several else ""
        unit = shortened(one_line(bar.unit), _SMALL, width - width_of(called, _SMALL)) + called
        for line, text in enumerate((unit, _clipped(bar.clipped)), start=1):
            self._text(x + width / 2, y + _BAR + 2 + line * _LINE, text, _SMALL, _MUTED, "center")

    def _axes(self, x: float, y: float, width: float, height: float) -> "Axes":
        left, bottom = x / self.width, 1 - (y + height) / self.height
        axes = self.figure.add_axes((left, bottom, width / self.width, height / self.height))
        axes.set(xticks=[], yticks=[])
        axes.spines[:].set(color=_HAIRLINE, linewidth=0.5)
        return axes

    def _text(
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


def _draw_lines(axes: "Axes", lines: Sequence[Any], colour: Any, width: float) -> None:
    from matplotlib.collections import LineCollection

    axes.add_collection(LineCollection(lines, colors=[colour], linewidths=width, capstyle="round"))


def _clipped(shares: Sequence[float]) -> str:
    """Share of the pixels beyond the scale, from the least to the most of several panels."""
    least, most = (number(100 * share, digits=2) for share in (min(shares), max(shares)))
    return f"{least if least == most else f'{least} to {most}'} % of pixels clipped"
