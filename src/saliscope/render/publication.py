"""The figure for a paper, drawn with matplotlib, which writes it as PNG, SVG or PDF."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from saliscope.errors import InputError, NotDefinedError
from saliscope.render import colormaps, words
from saliscope.render.bars import Bar, bars_of, line_colour, line_width
from saliscope.render.panels import PanelPicture, panels_of
from saliscope.render.paper import (
    GAP,
    INCH,
    INK,
    LINE,
    MARGIN,
    MUTED,
    SMALL,
    TITLE,
    TITLE_LINE,
    WHITE,
    Paper,
    check_size,
    plain_text,
)
from saliscope.render.typeset import number, one_line, shortened, width_of, wrapped
from saliscope.specs.view import Screen

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_BAR, _BAR_WIDTH, _FOOT = 5.0, 156.0, 33.0


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
    check_size(width, dpi)
    with plain_text():
        return _Page(screen, panels, width * INCH, dpi, columns, title).figure


def _columns(n: int) -> int:
    """Up to four in a row, all rows filled as equally as can be."""
    return math.ceil(n / math.ceil(n / 4))


@dataclass(frozen=True)
class _Cell:
    """A panel with its words: a heading and lines above its picture, lines below it."""

    panel: PanelPicture
    letter: str
    heading: str
    above: list[str]
    below: list[str]
    height: float


class _Page(Paper):
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
        self.screen, self.title = screen, title
        self.lut = colormaps.lut(screen.view.colormap)
        self.letters = words.letters(len(panels))
        self.lettered = len(panels) > 2 or not title
        self.side = (width - 2 * MARGIN - (columns - 1) * GAP) / columns
        cells = [self._cell(panel, i) for i, panel in enumerate(panels)]
        rows = [cells[i : i + columns] for i in range(0, len(cells), columns)]
        bars = bars_of(panels)
        fitting = max(1, int((width - 2 * MARGIN + GAP) // (_BAR_WIDTH + GAP)))
        bar_rows = [bars[i : i + fitting] for i in range(0, len(bars), fitting)]
        notes = wrapped(words.notes(screen, len(panels) - 1), SMALL, width - 2 * MARGIN)
        height = 2 * MARGIN + sum(self._height(row) + GAP for row in rows) - GAP
        height += len(bar_rows) * (GAP + _FOOT) + (GAP / 2 + len(notes) * LINE if notes else 0)
        super().__init__(width, height, dpi)
        y = MARGIN
        for row in rows:
            self._draw_row(row, y)
            y += self._height(row) + GAP
        for row in bar_rows:
            self._draw_bars(row, len(bars), len(panels), y)
            y += _FOOT + GAP
        for line, text in enumerate(notes):
            self.write(MARGIN, y - GAP / 2 + line * LINE, text, SMALL, MUTED)

    def _cell(self, panel: PanelPicture, place: int) -> _Cell:
        letter = self.letters[place] if self.lettered else ""
        height = self.side * panel.rgb.shape[0] / panel.rgb.shape[1]
        heading = words.heading(panel.kind, panel.title, panel.sources, self.letters[1:])
        subject = shortened(one_line(panel.subject), SMALL, self.side)
        said = (subject, panel.score, *panel.marks, *panel.caveats) if self.title else panel.caveats
        details = (each.rstrip(".") for each in panel.details) if self.title else ()
        return _Cell(
            panel,
            letter,
            one_line(heading) if self.title else "",
            wrapped([one_line(each) for each in said if each], SMALL, self.side),
            wrapped(map(one_line, details), SMALL, self.side),
            height,
        )

    def _above(self, row: Sequence[_Cell]) -> float:
        """Room above the pictures of a row, which are level."""
        return TITLE_LINE + max(len(cell.above) for cell in row) * LINE + 2

    def _height(self, row: Sequence[_Cell]) -> float:
        below = (cell.height + (3 + len(cell.below) * LINE if cell.below else 0) for cell in row)
        return self._above(row) + max(below)

    def _draw_row(self, row: Sequence[_Cell], y: float) -> None:
        top = y + self._above(row)
        for i, cell in enumerate(row):
            x = MARGIN + i * (self.side + GAP)
            shift = 11.0 if cell.letter else 0.0
            if cell.letter:
                self.write(x, y, cell.letter, TITLE, INK, bold=True)
            heading = shortened(cell.heading, TITLE, self.side - shift)
            self.write(x + shift, y, heading, TITLE, INK, bold=not cell.letter)
            for line, text in enumerate(cell.above):
                self.write(x, y + TITLE_LINE + line * LINE, text, SMALL, MUTED)
            self._draw_panel(cell, x, top)
            for line, text in enumerate(cell.below):
                self.write(x, top + cell.height + 3 + line * LINE, text, SMALL, MUTED)

    def _draw_panel(self, cell: _Cell, x: float, y: float) -> None:
        height, width = cell.panel.rgb.shape[:2]
        axes = self.axes(x, y, self.side, cell.height)
        axes.imshow(cell.panel.rgb, extent=(0, width, height, 0), interpolation="antialiased", aspect="auto")
        axes.set(xlim=(0, width), ylim=(height, 0))
        lines = [(each.level, each.larger_than(width / self.side)) for each in cell.panel.lines]
        for casing in (1.0, 0.0):
            for level, paths in lines:
                colour = WHITE if casing else tuple(c / 255 for c in line_colour(self.lut, level))
                _draw_lines(axes, paths, colour, line_width(level) + casing)
        segments = [((x0, y0), (x1, y1)) for x0, y0, x1, y1 in cell.panel.outline]
        _draw_lines(axes, segments, WHITE, 1.8)
        _draw_lines(axes, segments, INK, 0.8)

    def _draw_bars(self, bars: Sequence[Bar], of: int, panels: int, y: float) -> None:
        """Beside one input, the bar stands under its map; else they stand in the middle of the page."""
        width = self.side if panels == 2 else _BAR_WIDTH
        total = len(bars) * (width + GAP) - GAP
        x = self.width - MARGIN - width if panels == 2 else (self.width - total) / 2
        for bar in bars:
            self._draw_bar(bar, x, y, width, several=of > 1)
            x += width + GAP

    def _draw_bar(self, bar: Bar, x: float, y: float, width: float, several: bool) -> None:
        axes = self.axes(x, y, width, _BAR)
        if self.screen.view.overlay == "contour":
            for place, level in bar.levels():
                colour = tuple(c / 255 for c in line_colour(self.lut, level))
                axes.axvline(place, color=colour, linewidth=2 * line_width(level))
        else:
            axes.imshow(bar.colours(self.lut, 512)[None], extent=(0, 1, 0, 1), aspect="auto")
        axes.set(xlim=(0, 1), ylim=(0, 1))
        for place, value in bar.ticks():
            side = "left" if place == 0 else "right" if place == 1 else "center"
            self.write(x + place * width, y + _BAR + 2, number(value), SMALL, INK, side)
        called = f" ({', '.join(self.letters[i + 1] for i in bar.panels)})" if several else ""
        unit = shortened(one_line(bar.unit), SMALL, width - width_of(called, SMALL)) + called
        for line, text in enumerate((unit, _clipped(bar.clipped)), start=1):
            self.write(x + width / 2, y + _BAR + 2 + line * LINE, text, SMALL, MUTED, "center")


def _draw_lines(axes: "Axes", lines: Sequence[Any], colour: Any, width: float) -> None:
    from matplotlib.collections import LineCollection

    axes.add_collection(LineCollection(lines, colors=[colour], linewidths=width, capstyle="round"))


def _clipped(shares: Sequence[float]) -> str:
    """Share of the pixels beyond the scale, from the least to the most of several panels."""
    least, most = (number(100 * share, digits=2) for share in (min(shares), max(shares)))
    return f"{least if least == most else f'{least} to {most}'} % of pixels clipped"
