"""Words and numbers on a static figure."""

import math
import re
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


def wrapped(phrases: Iterable[str], size: float, width: float, most: int = 3) -> list[str]:
    """Fill lines with phrases; one that is longer than a line is broken between words, into `most` lines."""
    lines: list[str] = []
    broken = True  # after what was broken, the next phrase begins a line of its own
    for phrase in phrases:
        joined = phrase if broken else f"{lines[-1]}{BETWEEN}{phrase}"
        if not broken and width_of(joined, size) <= width:
            lines[-1] = joined
        else:
            more = _folded(phrase, size, width, most)
            lines.extend(more)
            broken = len(more) > 1
    return lines


def _folded(phrase: str, size: float, width: float, most: int) -> list[str]:
    lines, words = [""], re.split(r" (?!%|px)", phrase)  # a number stays with its unit
    while words:
        joined = f"{lines[-1]} {words[0]}".strip()
        if lines[-1] and width_of(joined, size) > width:
            if len(lines) == most:
                lines[-1] = shortened(f"{lines[-1]} {' '.join(words)}", size, width)
                return lines
            lines.append("")
        else:
            lines[-1] = shortened(joined, size, width)
            words.pop(0)
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
