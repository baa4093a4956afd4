"""The fast figure: panels, words and colour bars drawn with Pillow."""

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from saliscope.render import colormaps, words
from saliscope.render.bars import Bar, bars_of, line_colour, line_width
from saliscope.render.panels import PanelPicture
from saliscope.render.typeset import (
    BETWEEN,
    SCALE,
    number,
    one_line,
    shortened,
    width_of,
    wrapped,
    write,
)
from saliscope.specs.view import Screen

if TYPE_CHECKING:
    from PIL.Image import Image
    from PIL.ImageDraw import ImageDraw

_MARGIN, _GAP, _BAR = 20, 24, 10  # CSS pixels
_PANEL, _COLUMN, _COLUMNS = 360, 280, 3  # a panel beside its input; one of several, and how many in a row
_TITLE, _HEAD, _BODY, _SMALL, _LINE = 16, 12.5, 12, 10.5, 15.25
_MOST_JOINTS = 5000  # round joints take ten times as long; a map with more lines than that is noise
_FOOT = 54  # a colour bar with its numbers and its unit
_INK, _MUTED, _HAIRLINE, _PAPER = "#1f2328", "#59636e", "#d0d7de", "#ffffff"


def sheet(screen: Screen, panels: Sequence[PanelPicture]) -> "Image":
    """Draw all panels on one page: two side by side, more of them in rows."""
    if len(panels) == 2 and panels[1].kind != "empty":
        return _pair(screen, *panels)
    return _grid(screen, panels)


def _pair(screen: Screen, left: PanelPicture, right: PanelPicture) -> "Image":
    """Input and map side by side."""
    images = [_fitted(panel, screen, _PANEL) for panel in (left, right)]
    column = max(math.ceil(images[0].width / SCALE), 300)
    said = (*map(_sentence, (*right.caveats, *right.marks)), *right.details, *words.notes(screen, 1))
    lines = wrapped([one_line(each) for each in said], _SMALL, column)
    top = _MARGIN + 62
    foot = top + math.ceil(images[0].height / SCALE) + 12
    height = foot + max(_FOOT, math.ceil(len(lines) * _LINE)) + _MARGIN - 6
    page, draw = _page(2 * _MARGIN + 2 * column + _GAP, height)
    second = _MARGIN + column + _GAP
    _draw_header(draw, right, 2 * column + _GAP)
    captions = (_joined(left.title, *left.marks), right.meaning)
    for x, image, caption in zip((_MARGIN, second), images, captions, strict=True):
        write(draw, x, top - 19, caption, _SMALL, _MUTED, width=column)
        _paste(page, draw, x, top, image)
    _write_lines(draw, _MARGIN, foot, lines)
    (bar,) = bars_of([left, right])
    _draw_bar(page, draw, bar, screen, second, foot, column, _unit_line(bar))
    return page


def _grid(screen: Screen, panels: Sequence[PanelPicture]) -> "Image":
    """All panels in rows, what is said of each below it, and at the foot the scales that they share."""
    names = [str(i + 1) for i in range(len(panels) - 1)]
    images = [_fitted(panel, screen, _COLUMN) for panel in panels]
    column = max(240, *(math.ceil(image.width / SCALE) for image in images))
    columns = min(_COLUMNS, len(panels))
    width = columns * column + (columns - 1) * _GAP
    cells = [
        _Cell(panel, names, i, image, column)
        for i, (panel, image) in enumerate(zip(panels, images, strict=True))
    ]
    rows = [cells[i : i + columns] for i in range(0, len(cells), columns)]
    bars = bars_of(panels)
    lines = wrapped(words.notes(screen, len(panels) - 1), _SMALL, width)
    heights = [max(cell.above for cell in row) + max(cell.below for cell in row) + _GAP for row in rows]
    feet = math.ceil(len(bars) / columns) * (_FOOT + 8)
    height = sum(heights) + feet + math.ceil(len(lines) * _LINE)
    page, draw = _page(2 * _MARGIN + width, 2 * _MARGIN + height - 6)
    y = _MARGIN
    for row, tall in zip(rows, heights, strict=True):
        above = max(cell.above for cell in row)
        for i, cell in enumerate(row):
            cell.draw(page, draw, _MARGIN + i * (column + _GAP), y, above)
        y += tall
    for i, bar in enumerate(bars):
        x, down = _MARGIN + i % columns * (column + _GAP), y + i // columns * (_FOOT + 8)
        _draw_bar(page, draw, bar, screen, x, down, column, _members(bar, names, len(bars), column))
    _write_lines(draw, _MARGIN, y + feet, lines)
    return page


class _Cell:
    """One panel of a grid: title and marks above the picture, details below it."""

    def __init__(
        self, panel: PanelPicture, names: Sequence[str], place: int, image: "Image", width: int
    ) -> None:
        self.image, self.width = image, width
        title = one_line(words.heading(panel.kind, panel.title, panel.sources, names))
        self.title = f"{names[place - 1]}   {title}" if place else title
        subject = shortened(one_line(panel.subject), _SMALL, width)
        said = [one_line(each) for each in (subject, panel.score, *panel.marks, *panel.caveats) if each]
        self.marks = wrapped(said, _SMALL, width)
        beyond = (_beyond(panel.clipped),) if panel.values is not None else ()
        self.details = wrapped([one_line(each) for each in (*beyond, *panel.details)], _SMALL, width)
        self.above = math.ceil(24 + len(self.marks) * _LINE)
        self.below = math.ceil(image.height / SCALE + 8 + len(self.details) * _LINE)

    def draw(self, page: "Image", draw: "ImageDraw", x: float, y: float, above: float) -> None:
        """Draw it with its picture's top `above` the cell's, so that the pictures of a row are level."""
        write(draw, x, y, self.title, _HEAD, _INK, bold=True, width=self.width)
        _write_lines(draw, x, y + 19, self.marks)
        _paste(page, draw, x, y + above, self.image)
        _write_lines(draw, x, y + above + self.image.height / SCALE + 8, self.details)


def _page(width: float, height: float) -> "tuple[Image, ImageDraw]":
    from PIL import Image, ImageDraw

    page = Image.new("RGB", (math.ceil(width) * SCALE, math.ceil(height) * SCALE), _PAPER)
    return page, ImageDraw.Draw(page)


def _fitted(panel: PanelPicture, screen: Screen, size: float) -> "Image":
    """Scale to the panel, a small picture by a whole number to keep its pixels square; draw its lines."""
    from PIL import Image, ImageDraw

    image = Image.fromarray(np.ascontiguousarray(panel.rgb))
    factor = size * SCALE / max(image.size)
    if factor >= 2:
        factor = math.floor(factor)
        image = image.resize((image.width * factor, image.height * factor), Image.Resampling.NEAREST)
    else:
        width, height = (max(1, round(side * factor)) for side in image.size)
        image = image.resize((width, height), Image.Resampling.LANCZOS)
    _draw_lines(ImageDraw.Draw(image), panel, colormaps.lut(screen.view.colormap), factor)
    return image


def _draw_lines(draw: "ImageDraw", panel: PanelPicture, lut: np.ndarray, factor: float) -> None:
    """Draw contours and the region's border, each on a lighter line that keeps it apart from any picture."""
    paths = [
        (each.level, line * factor) for each in panel.lines for line in each.larger_than(2 * SCALE / factor)
    ]
    joint = "curve" if sum(len(line) for _, line in paths) < _MOST_JOINTS else None
    for casing in (True, False):
        for level, line in paths:
            colour = _PAPER if casing else line_colour(lut, level)
            width = round(line_width(level) * 2 * SCALE) + SCALE * casing
            draw.line(line.ravel().tolist(), fill=colour, width=width, joint=joint)
    for colour, width in ((_PAPER, 2 * SCALE), (_INK, SCALE)):
        for line in panel.outline:
            draw.line([side * factor for side in line], fill=colour, width=width)


def _draw_header(draw: "ImageDraw", panel: PanelPicture, width: float) -> None:
    """Write what a caption starts with: the method and the explained score."""
    write(draw, _MARGIN, _MARGIN - 4, one_line(panel.title), _TITLE, _INK, bold=True, width=width)
    score = shortened(one_line(panel.score), _BODY, width / 2)
    room = width - width_of(score, _BODY) - 14
    name = shortened(one_line(panel.subject), _BODY, room)
    write(draw, _MARGIN, _MARGIN + 19, name, _BODY, _INK)
    write(draw, _MARGIN + width_of(name, _BODY) + 14, _MARGIN + 19, score, _BODY, _MUTED)


def _paste(page: "Image", draw: "ImageDraw", x: float, y: float, image: "Image") -> None:
    """Paste a picture inside a hairline, which keeps a white picture apart from the paper."""
    left, top = round(x * SCALE), round(y * SCALE)
    draw.rectangle((left - 1, top - 1, left + image.width, top + image.height), outline=_HAIRLINE)
    page.paste(image, (left, top))


def _draw_bar(
    page: "Image", draw: "ImageDraw", bar: Bar, screen: Screen, x: float, y: float, width: int, note: str
) -> None:
    """Draw a colour bar: the colours in use, limits and zero, and a line below."""
    from PIL import Image, ImageDraw

    lut = colormaps.lut(screen.view.colormap)
    row = bar.colours(lut, width * SCALE)
    if screen.view.overlay == "contour":
        row = np.full_like(row, 255)
    image = Image.fromarray(np.repeat(row[None], _BAR * SCALE, axis=0))
    if screen.view.overlay == "contour":
        lines = ImageDraw.Draw(image)
        for place, level in bar.levels():
            thick = round(line_width(level) * 2 * SCALE)
            at = place * (image.width - 1)
            lines.line([(at, 0), (at, image.height)], fill=line_colour(lut, level), width=thick)
    _paste(page, draw, x, y, image)
    ticks = bar.ticks()
    for place, value in ticks:
        at = x + width * place
        draw.line([(at * SCALE, (y + _BAR) * SCALE), (at * SCALE, (y + _BAR + 3) * SCALE)], fill=_MUTED)
        anchor = "l" if place == 0 else "r" if place == 1 else "m"
        write(draw, at, y + _BAR + 5, number(value), _SMALL, _INK, anchor=anchor)
    write(draw, x, y + _BAR + 21, note, _SMALL, _MUTED, width=width)


def _unit_line(bar: Bar) -> str:
    return _joined(bar.unit, f"{number(100 * bar.clipped[0], digits=2)} % of pixels beyond the scale")


def _members(bar: Bar, names: Sequence[str], bars: int, width: float) -> str:
    """Unit, and where there are several scales, whose it is."""
    if bars == 1:
        return one_line(bar.unit)
    whose = f"{BETWEEN}panel{'s' if len(bar.panels) > 1 else ''} {', '.join(names[i] for i in bar.panels)}"
    return shortened(one_line(bar.unit), _SMALL, width - width_of(whose, _SMALL)) + whose


def _beyond(clipped: float) -> str:
    return f"{number(100 * clipped, digits=2)} % of pixels beyond the scale."


def _joined(*phrases: str) -> str:
    return BETWEEN.join(one_line(each) for each in phrases if each)


def _sentence(phrase: str) -> str:
    return f"{phrase[:1].upper()}{phrase[1:]}."


def _write_lines(draw: "ImageDraw", x: float, y: float, lines: Sequence[str]) -> None:
    for row, line in enumerate(lines):
        write(draw, x, y + row * _LINE, line, _SMALL, _MUTED)
