"""Words and numbers on a static figure."""

import math
from bisect import bisect_right
from collections.abc import Iterable
from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from PIL.ImageDraw import ImageDraw
    from PIL.ImageFont import FreeTypeFont

SCALE = 2
"""Pixels per CSS pixel. All lengths and sizes here are in CSS pixels."""

BETWEEN = "   ·   "
"""What separates two phrases on one line."""


def number(value: float, digits: int = 3) -> str:
    """Return at least so many digits, with a true minus and powers of ten instead of long rows of zeros."""
    if value == 0 or not math.isfinite(value):
        return "0" if value == 0 else "undefined"
    mantissa, exponent = f"{value:.{digits - 1}e}".split("e")
    power = int(exponent)
    if -3 <= power <= 4:
        text = f"{value:.{max(0, digits - 1 - power)}f}"
    else:
        text = f"{mantissa}·10" + str(power).translate(str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹"))
    return text.replace("-", "−")


def one_line(text: str) -> str:
    """Take line breaks and control characters out of a text that comes from data."""
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())


def width_of(text: str, size: float, bold: bool = False) -> float:
    """Return the width of a line."""
    return _font(size, bold).getlength(text) / SCALE


def shortened(text: str, size: float, width: float, bold: bool = False) -> str:
    """Cut a line that is too long for its place, visibly."""
    if width_of(text, size, bold) <= width:
        return text
    fits = bisect_right(range(len(text)), width, key=lambda n: width_of(text[:n] + "…", size, bold)) - 1
    return text[: max(0, fits)].rstrip() + "…"


def wrapped(phrases: Iterable[str], size: float, width: float) -> list[str]:
    """Fill lines with phrases, none of them broken; one that is longer than a line is shortened."""
    lines: list[str] = []
    for phrase in phrases:
        joined = f"{lines[-1]}{BETWEEN}{phrase}" if lines else phrase
        if lines and width_of(joined, size) <= width:
            lines[-1] = joined
        else:
            lines.append(shortened(phrase, size, width))
    return lines


def write(
    draw: "ImageDraw",
    x: float,
    y: float,
    text: str,
    size: float,
    colour: str,
    *,
    bold: bool = False,
    width: float = math.inf,
    anchor: str = "l",
) -> None:
    """Write one line with its top at `y`; `x` is its left end ("l"), middle ("m") or right end ("r")."""
    line = shortened(text, size, width, bold)
    draw.text((x * SCALE, y * SCALE), line, fill=colour, font=_font(size, bold), anchor=f"{anchor}a")


@cache
def _font(size: float, bold: bool = False) -> "FreeTypeFont":
    # Matplotlib brings DejaVu along, so that no font of the machine is needed; it has Greek, a true
    # minus and superscripts.
    import matplotlib
    from PIL import ImageFont

    name = "DejaVuSans-Bold.ttf" if bold else "DejaVuSans.ttf"
    path = f"{matplotlib.get_data_path()}/fonts/ttf/{name}"
    return ImageFont.truetype(path, size * SCALE, layout_engine=ImageFont.Layout.BASIC)
