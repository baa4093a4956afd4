"""From factors to pixels and masks: the same factors give the same bytes.

A digit is enlarged by one small matrix product per side, so that any size and any position between
pixels costs the same, and a whole chunk of scenes is drawn at once.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image, ImageDraw

from .factors import WATERMARK_MARGIN, WATERMARK_SIZE, Factors
from .sources import digits, scaled_photograph

if TYPE_CHECKING:
    from numpy.typing import NDArray

LUMA = np.array([77, 150, 29], np.float32) / 256
"""Weights of R, G, B in a grey picture: the same as in the explorer's underlay."""
LEGIBLE = 0.30
"""Smallest difference of luma between the ink and any pixel of the photograph around it."""
FAINTEST = 1 / 16
"""Ink that covers less of a pixel is left out, so that a mask holds no invisible pixels."""
CUT = 0.4
"""Grey value at which a stroke ends. At 0.5 thin zeros break open, at 0.3 the loops of eights close."""
CHUNK = 128
"""Scenes drawn at once: 6 MB of float32 at 64 pixels, small enough to stay in a core's cache."""


def chunks(n: int, size: int) -> Iterator[slice]:
    """Cut n scenes into slices that keep memory flat, whatever the side of the pictures."""
    step = max(1, CHUNK * 64 * 64 // (size * size))
    return (slice(start, min(start + step, n)) for start in range(0, n, step))


def draw(factors: Factors, size: int) -> tuple[NDArray[np.uint8], NDArray[np.bool_], NDArray[np.bool_]]:
    """Draw scenes.

    Returns
    -------
    images : uint8 (n, size, size, 3)
    digit_mask, watermark_mask : bool (n, size, size)
        The pixels that the digit and the mark change; where both are, the mark is on top.
    """
    exposure = factors.exposure.astype(np.float32)[:, None, None, None]
    picture = _photographs(factors, size)
    picture *= 1 - np.abs(exposure)
    picture += np.maximum(exposure, 0)

    ink = _ink(factors, size)
    colour = factors.digit_colour[:, None, None].astype(np.float32) / 255
    picture += ink[..., None] * (colour - picture)

    marked = factors.watermark
    mark = watermark_layers(size)[factors.corner[marked]]  # (n_marked, size, size, 4)
    picture[marked] += mark[..., 3:] * (mark[..., :3] - picture[marked])
    watermark_mask = np.zeros(ink.shape, np.bool_)
    watermark_mask[marked] = mark[..., 3] > 0

    images = (picture * 255 + 0.5).astype(np.uint8)
    return images, (ink > 0) & ~watermark_mask, watermark_mask


def settle_contrast(
    factors: Factors, hue: NDArray[np.float64], brightness: NDArray[np.float64], size: int
) -> tuple[NDArray[np.uint8], NDArray[np.float64]]:
    """Choose the ink colour and the exposure that make the digit legible.

    In the square around the digit, the ink's luma differs by at least `LEGIBLE` from every pixel of
    the photograph. Light ink on a darkened photograph or dark ink on a lightened one: whichever
    changes the photograph less, with a small preference for the former, which looks less pale.

    Parameters
    ----------
    factors : Factors
        Their ink colour and exposure are not read.
    hue, brightness : ndarray of shape (n,)
        In [0, 1).

    Returns
    -------
    digit_colour : uint8 (n, 3)
    exposure : float64 (n,)
    """
    light, dark = 0.74 + 0.18 * brightness, 0.10 + 0.16 * brightness  # luma of the ink
    offset = np.abs(_offset_from_center(factors, size))
    near = offset <= factors.digit_size[:, None, None] / 2
    around = near[:, 0, :, None] & near[:, 1, None, :]
    luma = _photographs(factors, size) @ LUMA
    brightest = np.where(around, luma, 0).max((1, 2))
    darkest = np.where(around, luma, 1).min((1, 2))
    room = LEGIBLE + 1 / 255  # colour and picture are rounded to bytes: half a level each
    keep_light = np.minimum(1, (light - room) / np.maximum(brightest, 1e-6))
    keep_dark = np.minimum(1, (1 - dark - room) / np.maximum(1 - darkest, 1e-6))
    is_light = keep_light >= keep_dark - 0.1
    colour = _colour(hue, np.where(is_light, light, dark))
    exposure = np.where(is_light, keep_light - 1, 1 - keep_dark)
    return np.floor(colour * 255 + 0.5).astype(np.uint8), exposure


@cache
def watermark_layers(size: int) -> NDArray[np.float32]:
    """Place the mark in each of the four corners: RGBA in [0, 1], (4, size, size, 4)."""
    side, margin = round(size * WATERMARK_SIZE), round(size * WATERMARK_MARGIN)
    near, far = slice(margin, margin + side), slice(size - margin - side, size - margin)
    layers = np.zeros((4, size, size, 4), np.float32)
    for layer, corner in zip(layers, [(near, near), (near, far), (far, near), (far, far)], strict=True):
        layer[corner] = _eye(side)
    layers.flags.writeable = False  # cached, so shared by all callers
    return layers


def _eye(side: int) -> NDArray[np.float32]:
    """Draw a white eye on a dark plate with round corners, seen on any photograph: RGBA (side, side, 4)."""
    big = 16 * side  # drawn large and averaged, for smooth edges
    white, night = (255, 255, 255, 255), (24, 24, 38, 255)
    mark = Image.new("RGBA", (big, big), (24, 24, 38, 0))
    pen = ImageDraw.Draw(mark)
    pen.rounded_rectangle((0, 0, big - 1, big - 1), radius=big // 4, fill=night)
    across = np.linspace(-1, 1, 65)
    lid = 0.62 * (1 - across**2)
    outline = np.stack([np.concatenate([across, across[::-1]]), np.concatenate([lid, -lid])], axis=1)
    pen.polygon([tuple(point) for point in big * (0.5 + 0.43 * outline)], fill=white)
    pen.ellipse((0.31 * big, 0.31 * big, 0.69 * big, 0.69 * big), fill=night)
    small = np.array(mark.resize((side, side), Image.Resampling.BOX), np.float32)
    small /= 255
    small[small[..., 3] < FAINTEST] = 0
    return small


def _photographs(factors: Factors, size: int) -> NDArray[np.float32]:
    """Crop and mirror the photographs and set their contrast: (n, size, size, 3) in [0, 1]."""
    crops = np.empty((len(factors), size, size, 3), np.uint8)
    kinds = np.stack([factors.photograph, factors.crop_size], axis=1)
    for photograph, crop_size in np.unique(kinds, axis=0).tolist():
        rows = np.flatnonzero((kinds == (photograph, crop_size)).all(1))
        whole = scaled_photograph(photograph, crop_size, size)
        windows = np.lib.stride_tricks.sliding_window_view(whole, (size, size), axis=(0, 1))
        places = np.array(windows.shape[:2])  # how many there are, down and across
        down, across = np.minimum((factors.crop_position[rows] * places).astype(np.int64), places - 1).T
        crops[rows] = windows[down, across].transpose(0, 2, 3, 1)
    crops[factors.flip] = crops[factors.flip, :, ::-1]
    contrast = factors.contrast.astype(np.float32)[:, None, None, None]
    picture = crops.astype(np.float32)
    picture *= contrast / 255
    picture += (1 - contrast) / 2
    return picture


def _ink(factors: Factors, size: int) -> NDArray[np.float32]:
    """Tell how much of each pixel the digit covers: (n, size, size) in [0, 1].

    The 8x8 grey values are interpolated by a cubic and cut at `CUT`, with an edge about 1.5 pixels
    wide: smooth strokes instead of a blurred block.
    """
    pitch = factors.digit_size[:, None, None] / 8  # pixels of the picture to one of the digit
    node = _offset_from_center(factors, size) / pitch + 3.5  # in pixels of the digit, 0 to 7
    weights = _cubic(node[..., None] - np.arange(8))  # (n, 2, size, 8)
    field = weights[:, 0] @ digits()[0][factors.digit_index] @ weights[:, 1].transpose(0, 2, 1)
    ink = np.clip((field - CUT) * (pitch / 1.5) + 0.5, 0, 1).astype(np.float32)
    ink[ink < FAINTEST] = 0
    return ink


def _offset_from_center(factors: Factors, size: int) -> NDArray[np.float64]:
    """Measure from the digit's centre to each pixel row (0) and column (1): (n, 2, size)."""
    return np.arange(size) + 0.5 - factors.digit_center[:, :, None]


def _cubic(t: NDArray[np.float64]) -> NDArray[np.float32]:
    """Evaluate the interpolating cubic kernel of Keys (1981) with a = -1/2, also known as Catmull-Rom."""
    far = np.abs(t).astype(np.float32)
    inner = (1.5 * far - 2.5) * far * far + 1
    outer = ((-0.5 * far + 2.5) * far - 4) * far + 2
    return np.where(far < 1, inner, np.where(far < 2, outer, 0)).astype(np.float32)


def _colour(hue: NDArray[np.float64], luma: NDArray[np.float64]) -> NDArray[np.float64]:
    """Mix the pure hue with white or black to a given luma: RGB in [0, 1], (n, 3)."""
    pure = np.clip(np.abs((hue[:, None] * 6 + np.array([0, 4, 2])) % 6 - 3) - 1, 0, 1)
    own = pure @ LUMA.astype(np.float64)
    white = np.clip((luma - own) / (1 - own), 0, 1)[:, None]
    return np.minimum(1, luma / own)[:, None] * pure * (1 - white) + white
