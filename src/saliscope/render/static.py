"""Pictures without a page: the map over its picture, and the figure that stands beside the widget.

A notebook on GitHub, or one whose kernel is gone, shows this figure in place of the widget.
"""

import io
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from saliscope.errors import InputError
from saliscope.render import colormaps, scales
from saliscope.render.scales import Overlay, Sign
from saliscope.render.typeset import BETWEEN, SCALE, number, one_line, shortened, width_of, wrapped, write

if TYPE_CHECKING:
    from PIL.Image import Image
    from PIL.ImageDraw import ImageDraw

_MARGIN, _GAP, _PANEL, _BAR = 20, 24, 360, 10  # CSS pixels
_TITLE, _BODY, _SMALL, _LINE = 16, 12, 10.5, 15.25
_INK, _MUTED, _HAIRLINE, _PAPER = "#1f2328", "#59636e", "#d0d7de", "#ffffff"


def compose(
    picture: np.ndarray,
    values: np.ndarray,
    limit: float,
    lut: np.ndarray,
    opacity: float = 0.85,
    threshold: float = 1.0,
    sign: Sign = "both",
    overlay: Overlay = "blend",
    signed: bool = True,
) -> np.ndarray:
    """Colour a map and lay it over its picture, to the byte as the page does.

    Parameters
    ----------
    picture : ndarray of uint8, shape (height, width, 3)
        What the model was fed.
    values : ndarray, shape (height, width)
        The map.
    limit : float
        Value at which the colours end, above zero; see `scales.limit`.
    lut : ndarray of uint8, shape (257, 3)
        See `colormaps.lut`.
    opacity : float
        0 to 1.
    threshold : float
        Share of the pixels that are shown, in (0, 1].
    sign : {"both", "positive", "negative", "absolute"}
        Which values are shown.
    overlay : {"blend", "map"}
        "blend" lays the map over the grey picture, zero being transparent; "map" shows the colours
        over the plain neutral.
    signed : bool
        False for a map without a sign.

    Returns
    -------
    ndarray of uint8, shape (height, width, 3)

    Raises
    ------
    InputError
        If the map does not fit the picture, the limit is not positive or an option is unknown.
    """
    _check(picture, values, limit, overlay)
    shown = scales.cut(scales.apply_sign(values, sign, signed), threshold)
    t = np.clip(shown / limit, -1.0, 1.0)
    colour = lut[np.floor((t + 1) * colormaps.ZERO + 0.5).astype(np.intp)].astype(np.float64)
    if overlay == "map":
        ground = np.broadcast_to(lut[colormaps.ZERO].astype(np.float64), colour.shape)
        weight = np.full(t.shape, opacity, dtype=np.float64)
    else:
        red, green, blue = np.moveaxis(picture.astype(np.int64), -1, 0)
        ground = ((77 * red + 150 * green + 29 * blue + 128) >> 8).astype(np.float64)[..., None]
        weight = opacity * np.abs(t)
    return np.floor(ground + (colour - ground) * weight[..., None] + 0.5).astype(np.uint8)


def between(baseline: np.ndarray, picture: np.ndarray, alpha: float) -> np.ndarray:
    """Return the picture at `alpha` on the way from the baseline to the input, to the byte as the page does.

    Parameters
    ----------
    baseline, picture : ndarray of uint8, shape (height, width, 3)
        The two ends.
    alpha : float
        0 is the baseline, 1 the picture.

    Returns
    -------
    ndarray of uint8, shape (height, width, 3)
    """
    start = baseline.astype(np.float64)
    return np.floor(start + (picture.astype(np.float64) - start) * alpha + 0.5).astype(np.uint8)


@dataclass(frozen=True)
class Figure:
    """What `figure_png` draws: the arrays of one result and the words that go with them.

    Parameters
    ----------
    picture : ndarray of uint8, shape (height, width, 3)
        What the model was fed.
    values : ndarray, shape (height, width)
        The map.
    limit : float
        Value at which the colours end.
    signed : bool
        Whether the map has a sign.
    method, target_label, output : str
        "Integrated Gradients", "digit 3", "logit".
    score : float
        The explained score.
    unit : str
        Unit of the map, for the colour bar.
    details : sequence of str
        What a reader needs to judge the map: baseline, steps, gap.
    colormap, opacity, threshold, sign, overlay
        As in `compose`, the colour map by name.
    """

    picture: np.ndarray
    values: np.ndarray
    limit: float
    signed: bool
    method: str
    target_label: str
    output: str
    score: float
    unit: str
    details: Sequence[str] = ()
    colormap: str = colormaps.DEFAULT
    opacity: float = 0.85
    threshold: float = 1.0
    sign: Sign = "both"
    overlay: Overlay = "blend"


def figure_png(figure: Figure) -> bytes:
    """Draw picture and map side by side, with all that is needed to read them.

    Parameters
    ----------
    figure : Figure
        Arrays, words and view.

    Returns
    -------
    bytes
        A PNG at two pixels per CSS pixel (192 dpi).

    Raises
    ------
    InputError
        As `compose`.
    """
    from PIL import Image, ImageDraw

    lut = colormaps.lut(figure.colormap)
    heat = compose(
        figure.picture, figure.values, figure.limit, lut, figure.opacity, figure.threshold, figure.sign,
        figure.overlay, figure.signed,
    )  # fmt: skip
    left, right = _fitted(figure.picture), _fitted(heat)
    column = max(math.ceil(left.width / SCALE), 300)
    words = wrapped([one_line(each) for each in figure.details], _SMALL, column)
    top = _MARGIN + 62
    foot = top + math.ceil(left.height / SCALE) + 12
    height = foot + max(54, math.ceil(len(words) * _LINE)) + _MARGIN - 6
    size = (2 * _MARGIN + 2 * column + _GAP, height)
    page = Image.new("RGB", (size[0] * SCALE, size[1] * SCALE), _PAPER)
    draw = ImageDraw.Draw(page)
    second = _MARGIN + column + _GAP
    _draw_header(draw, figure, size[0] - 2 * _MARGIN)
    for x, image, caption in ((_MARGIN, left, "Input"), (second, right, _meaning(figure))):
        write(draw, x, top - 19, caption, _SMALL, _MUTED, width=column)
        _draw_panel(page, draw, x, top, image)
    for row, line in enumerate(words):
        write(draw, _MARGIN, foot + row * _LINE, line, _SMALL, _MUTED)
    _draw_bar(page, draw, figure, lut, second, foot, column)
    stream = io.BytesIO()
    # Level 3: twice as fast as the default for photographs, and no larger.
    page.save(stream, "PNG", compress_level=3, dpi=(96 * SCALE, 96 * SCALE))
    return stream.getvalue()


def _check(picture: np.ndarray, values: np.ndarray, limit: float, overlay: str) -> None:
    if picture.dtype != np.uint8 or picture.ndim != 3 or picture.shape[2] != 3:
        got = f"{picture.dtype} of shape {picture.shape}"
        raise InputError("picture", got, "uint8 of shape (height, width, 3)")
    if values.shape != picture.shape[:2]:
        expected = f"the height and width of the picture, {picture.shape[:2]}"
        raise InputError("values", f"shape {values.shape}", expected)
    if not (limit > 0 and math.isfinite(limit)):
        raise InputError("limit", repr(limit), "a finite number above zero")
    if overlay not in ("blend", "map"):
        raise InputError("overlay", repr(overlay), "'blend' or 'map'")


def _fitted(pixels: np.ndarray) -> "Image":
    """Scale to the panel; a small picture by a whole number, so that its pixels stay squares."""
    from PIL import Image

    image = Image.fromarray(pixels)
    factor = _PANEL * SCALE / max(image.size)
    if factor >= 2:
        whole = math.floor(factor)
        return image.resize((image.width * whole, image.height * whole), Image.Resampling.NEAREST)
    size = (max(1, round(image.width * factor)), max(1, round(image.height * factor)))
    return image.resize(size, Image.Resampling.LANCZOS)


def _draw_header(draw: "ImageDraw", figure: Figure, width: float) -> None:
    """Write what a caption starts with: the method and the explained score."""
    write(draw, _MARGIN, _MARGIN - 4, one_line(figure.method), _TITLE, _INK, bold=True, width=width)
    score = f"{one_line(figure.output)} {number(figure.score)}"
    room = width - width_of(score, _BODY) - 14
    name = shortened(one_line(figure.target_label), _BODY, room)
    write(draw, _MARGIN, _MARGIN + 19, name, _BODY, _INK)
    write(draw, _MARGIN + width_of(name, _BODY) + 14, _MARGIN + 19, score, _BODY, _MUTED)


def _draw_panel(page: "Image", draw: "ImageDraw", x: int, y: int, image: "Image") -> None:
    """Paste a picture inside a hairline, which keeps a white picture apart from the paper."""
    left, top = x * SCALE, y * SCALE
    draw.rectangle((left - 1, top - 1, left + image.width, top + image.height), outline=_HAIRLINE)
    page.paste(image, (left, top))


def _draw_bar(
    page: "Image", draw: "ImageDraw", figure: Figure, lut: np.ndarray, x: int, y: int, width: int
) -> None:
    """Draw the colour bar under the map: the colours in use, limits, unit and what lies beyond."""
    from PIL import Image

    low, high = _ends(figure)
    shown = np.linspace(low, high, width * SCALE)
    row = lut[np.floor((shown + 1) * colormaps.ZERO + 0.5).astype(np.intp)]
    bar = Image.fromarray(np.repeat(row[None], _BAR * SCALE, axis=0))
    _draw_panel(page, draw, x, y, bar)
    for value in sorted({low, 0.0, high}):
        at = x + width * (value - low) / (high - low)
        draw.line([(at * SCALE, (y + _BAR) * SCALE), (at * SCALE, (y + _BAR + 3) * SCALE)], fill=_MUTED)
        anchor = "l" if value == low else "r" if value == high else "m"
        write(draw, at, y + _BAR + 5, number(value * figure.limit), _SMALL, _INK, anchor=anchor)
    beyond = scales.clipped_share(scales.apply_sign(figure.values, figure.sign, figure.signed), figure.limit)
    note = f"{one_line(figure.unit)}{BETWEEN}{number(100 * beyond, digits=2)} % of pixels beyond the scale"
    write(draw, x, y + _BAR + 21, note, _SMALL, _MUTED, width=width)


def _ends(figure: Figure) -> tuple[float, float]:
    """Return the part of the scale that can occur, in units of the limit."""
    if figure.sign == "negative":
        return -1.0, 0.0
    if figure.sign in ("positive", "absolute") or not figure.signed:
        return 0.0, 1.0
    return -1.0, 1.0


def _meaning(figure: Figure) -> str:
    """Say over the map what its colours mean."""
    if not figure.signed or figure.sign == "absolute":
        caption = "Strength of the influence, without its sign"
    else:
        caption = {
            "both": "Attribution: what raises (+) or lowers (−) the score",
            "positive": "Attribution: what raises the score",
            "negative": "Attribution: what lowers the score",
        }[figure.sign]
    kept = number(100 * figure.threshold, digits=2)
    return caption if figure.threshold == 1 else f"{caption} (strongest {kept} %)"
