"""Colours of points, the same as those of the page (``js/render/points/palette.ts``).

Colours of classes are told apart with normal and with dichromatic vision, on white and on black: the first
six are Okabe and Ito's (Color Universal Design, 2008), each of the others is as far as can be from those
before it.
"""

import numpy as np

from saliscope.errors import InputError

_CLASSES = (
    0x0072B2, 0xE69F00, 0x009E73, 0xD55E00, 0x56B4E9, 0xCC79A7, 0x543C00, 0x0C00D8, 0xA80060, 0x9C6CFC,
    0x78009C, 0x84540C, 0x84D884, 0x8424FC, 0xCC189C, 0x185448, 0x78B478, 0x00D8F0, 0x7890D8, 0xA85454,
)  # fmt: skip

# What the later rounds are mixed with, and how much of it.
_ROUNDS = ((0, 0.0), (255, 0.45), (0, 0.45))

# Viridis without its ends: the darkest is seen on black, the lightest on white.
_STOPS = (0x3E4A89, 0x31688E, 0x26828E, 0x1F9E89, 0x35B779, 0x6ECE58, 0xB5DE2B)

MISSING = (180, 180, 180)
"""Of what has no value."""


def categorical(n: int) -> np.ndarray:
    """Return the colours of classes 0..n-1.

    Parameters
    ----------
    n : int
        After 20 they come again lighter, then darker, and after 60 as they were.

    Returns
    -------
    ndarray of uint8, shape (n, 3)
        sRGB.
    """
    colours = np.empty((n, 3), np.uint8)
    for i in range(n):
        towards, share = _ROUNDS[i // len(_CLASSES) % len(_ROUNDS)]
        base = _channels(_CLASSES[i % len(_CLASSES)])
        colours[i] = _rounded(base + (towards - base) * share)
    return colours


def by_code(codes: np.ndarray, n: int) -> np.ndarray:
    """Return the colour of each point's class.

    Parameters
    ----------
    codes : ndarray of int, shape (m,)
        Any number that is none of the `n` classes' is missing.
    n : int

    Returns
    -------
    ndarray of uint8, shape (m, 3)
    """
    table = np.vstack([categorical(n), np.array(MISSING, np.uint8)])
    codes = np.asarray(codes).astype(np.int64)
    return table[np.where((codes >= 0) & (codes < n), codes, n)]


def ramp() -> np.ndarray:
    """Return the colours of numbers from small to large: uint8 (257, 3)."""
    stops = np.array([_channels(stop) for stop in _STOPS])
    at = np.linspace(0, 1, 257) * (len(stops) - 1)
    before = np.minimum(np.floor(at).astype(int), len(stops) - 2)
    share = (at - before)[:, None]
    return _rounded(stops[before] + (stops[before + 1] - stops[before]) * share)


def sequential(values: np.ndarray, ends: tuple[float, float], table: np.ndarray | None = None) -> np.ndarray:
    """Return the colour of each number.

    Parameters
    ----------
    values : ndarray of float, shape (m,)
        NaN is missing.
    ends : (low, high)
        Numbers beyond them have the colour of the end; where they are the same, all have the middle one.
    table : ndarray of uint8, shape (257, 3), optional
        `ramp` by default.

    Returns
    -------
    ndarray of uint8, shape (m, 3)

    Raises
    ------
    InputError
        If an end is not finite.
    """
    low, high = ends
    if not np.isfinite([low, high]).all():
        raise InputError("ends", repr(ends), "two finite numbers")
    table = ramp() if table is None else table
    missing = np.isnan(values)
    shares = (values - low) / (high - low) if high > low else np.full(np.shape(values), 0.5)
    shares = np.clip(np.where(missing, 0.0, shares), 0.0, 1.0)
    colours = table[np.floor(shares * (len(table) - 1) + 0.5).astype(int)]
    colours[missing] = MISSING
    return colours


def _channels(colour: int) -> np.ndarray:
    return np.array([colour >> 16, (colour >> 8) & 255, colour & 255], float)


def _rounded(colours: np.ndarray) -> np.ndarray:
    return np.floor(colours + 0.5).astype(np.uint8)
