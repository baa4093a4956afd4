"""What the colours of points mean: names beside their colours, or a scale with its unit."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from saliscope.render import colormaps, palette
from saliscope.render.map_words import percent
from saliscope.render.paper import GAP, INK, LINE, MUTED, SMALL, TITLE_LINE, Paper
from saliscope.render.typeset import number, one_line, shortened, width_of
from saliscope.specs.map_view import Colours, ShownMap

_MOST = 40
_NAME = 120.0  # points
_SWATCH = 5.0
_BAR, _BAR_WIDTH = 5.0, 156.0
_GREY = "#" + bytes(palette.MISSING).hex()


def colours_of(colours: Colours, n: int) -> np.ndarray:
    """Return the colour of each point, as the page has it.

    Parameters
    ----------
    colours : Colours
        Of a map with `n` points.
    n : int

    Returns
    -------
    ndarray of uint8, shape (n, 3)
    """
    if colours.values is None or colours.kind == "none":
        return np.repeat(palette.categorical(1), n, axis=0)
    if colours.kind == "category":
        return palette.by_code(colours.values, max(1, len(colours.names)))
    return palette.sequential(colours.values, colours.ends, _table(colours))


def _table(colours: Colours) -> np.ndarray:
    return colormaps.lut() if colours.signed else palette.ramp()


@dataclass(frozen=True)
class Entry:
    """A name beside its colour, at a place within the legend."""

    x: float
    y: float
    colour: str
    name: str


@dataclass(frozen=True)
class Legend:
    """Measured in points, ready to be drawn; either it has entries, or it is a scale.

    Parameters
    ----------
    colours : Colours
    entries : sequence of Entry
    height : float
    notes : sequence of str
        Below the scale.
    """

    colours: Colours
    entries: Sequence[Entry]
    height: float
    notes: Sequence[str] = ()

    def draw(self, paper: Paper, x: float, y: float) -> None:
        """Draw it with its top left there."""
        title = ", ".join(filter(None, (one_line(self.colours.title), one_line(self.colours.unit))))
        paper.write(x, y, shortened(title, SMALL, paper.width - 2 * x, bold=True), SMALL, INK, bold=True)
        if self.colours.kind == "number":
            self._draw_scale(paper, x, y + TITLE_LINE)
        for entry in self.entries:
            left, top = x + entry.x, y + TITLE_LINE + entry.y
            if entry.colour:
                swatch = paper.axes(left, top + 0.8, _SWATCH, _SWATCH)
                swatch.set_facecolor(entry.colour)
                swatch.spines[:].set_visible(False)
            paper.write(left + (_SWATCH + 3 if entry.colour else 0), top, entry.name, SMALL, INK)

    def _draw_scale(self, paper: Paper, x: float, y: float) -> None:
        colours = self.colours
        width = min(_BAR_WIDTH, paper.width - 2 * x)
        axes = paper.axes(x, y, width, _BAR)
        axes.imshow(_table(colours)[None], extent=(0, 1, 0, 1), aspect="auto")
        said = [words or number(end) for words, end in zip(colours.said, colours.ends, strict=True)]
        paper.write(x, y + _BAR + 2, said[0], SMALL, INK)
        paper.write(x + width, y + _BAR + 2, said[1], SMALL, INK, "right")
        for line, text in enumerate(self.notes, start=1):
            text = shortened(one_line(text), SMALL, paper.width - 2 * x)
            paper.write(x, y + _BAR + 2 + line * LINE, text, SMALL, MUTED)


def legend_of(maps: Sequence[ShownMap], width: float) -> Legend | None:
    """Make the legend that all maps share, or none where all points have one colour.

    Parameters
    ----------
    maps : sequence of ShownMap
        Coloured by the same thing.
    width : float
        Room for it, in points.
    """
    coloured = [each.colours for each in maps if each.colours.kind != "none"]
    if not coloured:
        return None
    first, values = coloured[0], [each.values for each in coloured if each.values is not None]
    if first.kind == "category":
        return _names(first, values, width)
    notes = _notes(first, values)
    return Legend(first, (), TITLE_LINE + _BAR + 2 + (1 + len(notes)) * LINE, notes)


def _notes(colours: Colours, values: Sequence[np.ndarray]) -> list[str]:
    """What the numbers are, how many the scale does not reach, and how many there are not."""
    every = np.concatenate(values) if values else np.zeros(0)
    known = every[~np.isnan(every)]
    low, high = colours.ends
    said = (
        [f"{percent(((known < low) | (known > high)).mean())} of points beyond the scale"]
        if len(known)
        else []
    )
    missing = int(np.isnan(values[0]).sum()) if values else 0
    if missing:
        said.append(f"grey: {missing} points without a value")
    return [text for text in (colours.note, ", ".join(said)) if text]


def _names(colours: Colours, values: Sequence[np.ndarray], width: float) -> Legend:
    n = len(colours.names)
    swatches = ["#" + bytes(row).hex() for row in palette.categorical(n)]
    named = list(zip(swatches, map(one_line, colours.names), strict=True))[:_MOST]
    if n > _MOST:
        named.append(("", f"and {n - _MOST} more"))
    missing = int(((values[0] < 0) | (values[0] >= n)).sum()) if values else 0
    if missing:
        named.append((_GREY, f"no value ({missing})"))
    entries: list[Entry] = []
    x = y = 0.0
    for colour, name in named:
        text = shortened(name, SMALL, min(_NAME, width - _SWATCH - 3))
        needed = width_of(text, SMALL) + (_SWATCH + 3 if colour else 0)
        if x and x + needed > width:
            x, y = 0.0, y + LINE
        entries.append(Entry(x, y, colour, text))
        x += needed + GAP
    return Legend(colours, entries, TITLE_LINE + y + LINE)
