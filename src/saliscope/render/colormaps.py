"""Look-up tables for signed values: perceptually uniform, with a neutral zero in the middle.

The curves are Peter Kovesi's diverging maps (Good Colour Maps: How to Design Them,
arXiv:1509.03700), as colorcet ships them: equal steps of the value are equal steps to the eye,
and equal amounts of either sign are equally light, so that neither sign looks stronger.
"""

from functools import cache

import numpy as np

from saliscope.errors import InputError

ZERO = 128
"""Index of the neutral zero; a table has 2 * ZERO + 1 colours."""

DEFAULT = "diverging"

# Positive is the warm end. "blue_yellow" stays readable for the colour blind; "_dark" has a dark zero for
# a dark page, "_light" one that is nearly white, for print. What a map must fulfil is said in
# tests/render/test_colormaps.py. Others of the family do not: their signs look alike to the colour blind
# (CET_D3, D10, D12), are not equally light (D7, D8, CBD2), hardly differ from zero (D11, CBTD1) or have an
# edge there (D1A, D13). Sequential maps are not here: a map without a sign uses one arm of these, and
# begins at the same neutral zero.
_CURVES = {
    "diverging": "CET_D1",
    "diverging_light": "CET_D9",
    "diverging_dark": "CET_D4",
    "blue_yellow": "CET_CBD1",
    "blue_yellow_dark": "CET_D6",
    "green_violet": "CET_D2",
}

names = tuple(_CURVES)
"""The names that `lut` knows, the default first."""


@cache
def lut(name: str = DEFAULT) -> np.ndarray:
    """Return the colours of a diverging map.

    Parameters
    ----------
    name : str
        One of `names`.

    Returns
    -------
    ndarray of uint8, shape (257, 3)
        sRGB colours from the most negative value to the most positive one; entry 128 is the
        neutral zero, with r = g = b. Read-only, because it is shared.

    Raises
    ------
    InputError
        If there is no map of that name.
    """
    if name not in _CURVES:
        raise InputError("colormap", repr(name), "one of " + ", ".join(map(repr, names)))
    import colorcet  # slow to import, and needed only once a picture is drawn

    table = np.floor(_with_neutral_zero(_resampled(getattr(colorcet, _CURVES[name]))) + 0.5)
    table = table.astype(np.uint8)
    table.setflags(write=False)
    return table


def _resampled(hexes: list[str]) -> np.ndarray:
    """Give an even number of colours a middle: (257, 3) floats in 0..255 from "#rrggbb" strings."""
    colours = np.array([list(bytes.fromhex(code.removeprefix("#"))) for code in hexes], dtype=float)
    at = np.linspace(0, len(colours) - 1, 2 * ZERO + 1)
    return np.stack([np.interp(at, np.arange(len(colours)), channel) for channel in colours.T], axis=1)


def _with_neutral_zero(colours: np.ndarray) -> np.ndarray:
    """Take the slight cast out of the middle, fading to nothing at the ends.

    Only the middle entry could be replaced, but then weak values would be separated from zero by a
    visible edge.
    """
    grey = np.arange(256.0)
    middle = np.interp(_luminance(colours[ZERO]), _luminance(np.repeat(grey[:, None], 3, axis=1)), grey)
    distance = np.abs(np.linspace(-1, 1, len(colours)))
    fading = (1 - distance) ** 2
    return np.clip(colours - (colours[ZERO] - np.floor(middle + 0.5)) * fading[:, None], 0, 255)


def _luminance(colours: np.ndarray) -> np.ndarray:
    """Relative luminance of sRGB colours (IEC 61966-2-1) given in 0..255."""
    share = colours / 255
    linear = np.where(share <= 0.04045, share / 12.92, ((share + 0.055) / 1.055) ** 2.4)
    return linear @ np.array([0.2126, 0.7152, 0.0722])
