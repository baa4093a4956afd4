"""The figure of an embedding for a paper: maps, their numbers and cautions, and what the colours mean."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from saliscope.errors import InputError, NotDefinedError
from saliscope.render import map_words
from saliscope.render.map_legend import colours_of, legend_of
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
from saliscope.render.typeset import one_line, shortened, wrapped
from saliscope.render.words import letters
from saliscope.specs.map_view import MapScreen, ShownMap

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_ONE, _SEVERAL = 4.5, 7.0  # inches
_FADED = 0.15
_MANY = 5000  # points; a vector figure of more would be slow wherever it is opened
_FILLED = 0.94  # of the frame: a point at the border of the box is whole
_PIXEL = 0.75  # points


def map_figure(
    screen: MapScreen,
    *,
    width: float | None = None,
    dpi: float = 200.0,
    columns: int | None = None,
    title: bool = True,
) -> "Figure":
    """Make a figure of the maps on screen.

    It belongs to no `pyplot` state: a notebook shows it once, and nothing has to be closed.

    Parameters
    ----------
    screen : MapScreen
    width : float, optional
        In inches; 4.5 for one map, 7 for several.
    dpi : float
        Of the figure on screen and in a PNG; `savefig` takes another. Many points are pixels in an SVG or
        PDF, too.
    columns : int, optional
        Maps in a row; up to three by default, and two for four.
    title : bool
        Whether reducer and numbers stand at each map; else letters only, and the caption says the rest.
        Cautions stay.

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    NotDefinedError
        If nothing was computed yet.
    InputError
        If width, dpi or columns are out of range.
    """
    maps = screen.shown
    if not maps:
        raise NotDefinedError("figure", "no map yet", "a computed one", "Call wait() first.")
    width = (_ONE if len(maps) == 1 else _SEVERAL) if width is None else width
    columns = math.ceil(len(maps) / math.ceil(len(maps) / 3)) if columns is None else columns
    if not 1 <= columns <= len(maps):
        raise InputError("columns", repr(columns), f"1 to {len(maps)}")
    check_size(width, dpi)
    with plain_text():
        return _Page(screen, maps, width * INCH, dpi, columns, title).figure


@dataclass(frozen=True)
class _Cell:
    """A map with its words: lines above, and cautions below."""

    shown: ShownMap
    letter: str
    above: list[str]
    below: list[str]


class _Page(Paper):
    """Measures first, then draws from the top down; all lengths in points."""

    def __init__(
        self, screen: MapScreen, maps: Sequence[ShownMap], width: float, dpi: float, columns: int, title: bool
    ) -> None:
        self.screen, self.title = screen, title
        self.side = (width - 2 * MARGIN - (columns - 1) * GAP) / columns
        names = letters(len(maps)) if len(maps) > 1 else [""]
        cells = [self._cell(shown, name) for shown, name in zip(maps, names, strict=True)]
        rows = [cells[i : i + columns] for i in range(0, len(cells), columns)]
        legend = legend_of(maps, width - 2 * MARGIN)
        notes = wrapped(map(one_line, map_words.notes(screen)), SMALL, width - 2 * MARGIN, most=8)
        height = 2 * MARGIN + sum(self._height(row) + GAP for row in rows)
        height += (legend.height + GAP if legend else 0) + len(notes) * LINE
        super().__init__(width, height, dpi)
        y = MARGIN
        for row in rows:
            self._draw_row(row, y)
            y += self._height(row) + GAP
        if legend:
            legend.draw(self, MARGIN, y)
            y += legend.height + GAP
        for line, text in enumerate(notes):
            self.write(MARGIN, y + line * LINE, text, SMALL, MUTED)

    def _cell(self, shown: ShownMap, letter: str) -> _Cell:
        said = (*map_words.stage(shown), *(map_words.figures(shown.numbers) if self.title else ()))
        room = 0.97 * self.side  # letters are a little wider at a low resolution
        cautions = [one_line(each) for each in shown.cautions if each]
        above = wrapped(map(one_line, said), SMALL, room)
        return _Cell(shown, letter, above, wrapped(cautions, SMALL, room, most=12))

    def _above(self, row: Sequence[_Cell]) -> float:
        heading = TITLE_LINE if self.title or row[0].letter else 0
        return heading + max(len(cell.above) for cell in row) * LINE + 2

    def _height(self, row: Sequence[_Cell]) -> float:
        return self._above(row) + self.side + max(3 + len(cell.below) * LINE for cell in row)

    def _draw_row(self, row: Sequence[_Cell], y: float) -> None:
        top = y + self._above(row)
        for i, cell in enumerate(row):
            x = MARGIN + i * (self.side + GAP)
            shift = 11.0 if cell.letter else 0.0
            self.write(x, y, cell.letter, TITLE, INK, bold=True)
            bold = not cell.letter
            heading = one_line(cell.shown.title) if self.title else ""
            heading = shortened(heading, TITLE, self.side - shift, bold)
            self.write(x + shift, y, heading, TITLE, INK, bold=bold)
            first = top - 2 - len(cell.above) * LINE
            for line, text in enumerate(cell.above):
                self.write(x, first + line * LINE, text, SMALL, MUTED)
            self._draw_map(cell.shown, self.axes(x, top, self.side, self.side))
            for line, text in enumerate(cell.below):
                self.write(x, top + self.side + 3 + line * LINE, text, SMALL, INK)

    def _draw_map(self, shown: ShownMap, axes: "Axes") -> None:
        places = np.asarray(shown.coordinates, float)
        n = len(places)
        colours = colours_of(shown.colours, n) / 255
        # Rows often come class by class: drawn as they come, the last class would lie over all others.
        order = np.random.default_rng(0).permutation(n)
        chosen = np.isin(order, self.screen.selection)
        size = (self.screen.point_size * _PIXEL or self._size(n)) ** 2
        some = chosen.any()
        for part, opacity in ((order[~chosen], _FADED if some else 1.0), (order[chosen], 1.0)):
            axes.scatter(
                places[part, 0],
                places[part, 1],
                s=size,
                c=colours[part],
                alpha=self.screen.opacity * opacity,
                linewidths=0,
                rasterized=n > _MANY,
            )
        if self.screen.point is not None:
            self._draw_focus(shown, places, axes, size)
        self._frame(places, axes)

    def _size(self, n: int) -> float:
        """Diameter in points: a third of the frame is covered at most, whatever the number of points."""
        return float(np.clip(self.side * math.sqrt(0.1 / max(n, 1)), 0.6, 5.0))

    def _draw_focus(self, shown: ShownMap, places: np.ndarray, axes: "Axes", size: float) -> None:
        from matplotlib.collections import LineCollection

        here, torn = places[self.screen.point], set(shown.torn)
        near = self.screen.neighbors if shown.neighbors is None else shown.neighbors
        for far in (False, True):
            ends = [places[i] for i in near if (i in torn) == far]
            style = (0, (3, 2)) if far else "solid"
            lines = [np.array([here, end]) for end in ends]
            axes.add_collection(LineCollection(lines, colors=INK, linewidths=0.6, linestyles=[style]))
        axes.scatter(*here, s=4 * size + 12, facecolors="none", edgecolors=WHITE, linewidths=2.2, zorder=3)
        axes.scatter(*here, s=4 * size + 12, facecolors="none", edgecolors=INK, linewidths=1.0, zorder=4)

    def _frame(self, places: np.ndarray, axes: "Axes") -> None:
        """The same square as on screen: as long in x as in y."""
        low, high = places.min(0), places.max(0)
        side = float((high - low).max()) or 1.0
        zoom, x, y = self.screen.camera
        middle = (low + high) / 2 + (np.array([x, y]) - 0.5) * side
        half = side / zoom / _FILLED / 2
        axes.set(xlim=(middle[0] - half, middle[0] + half), ylim=(middle[1] - half, middle[1] + half))
        axes.set_aspect("equal", adjustable="box")
