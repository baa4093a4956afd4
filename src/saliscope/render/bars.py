"""Colour bars: one for each scale in use."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from saliscope.render import colormaps
from saliscope.render.overlay import LEVELS
from saliscope.render.panels import PanelPicture


@dataclass(frozen=True)
class Bar:
    """One scale.

    Attributes
    ----------
    unit : str
    limit : float
        Value at which the colours end.
    ends : (float, float)
        The part of the scale that can occur, in units of the limit.
    panels : tuple of int
        Maps that are drawn on it, 0 the lead.
    clipped : tuple of float
        Share of each one's pixels beyond the limit.
    """

    unit: str
    limit: float
    ends: tuple[float, float]
    panels: tuple[int, ...]
    clipped: tuple[float, ...]

    def ticks(self) -> list[tuple[float, float]]:
        """Return place, 0 to 1, and value of what is labelled: both ends and zero."""
        low, high = self.ends
        marked = sorted({low, 0.0, high})
        return [((at - low) / (high - low), at * self.limit) for at in marked]

    def colours(self, lut: np.ndarray, n: int) -> np.ndarray:
        """Return the colours from the lowest value to the highest: uint8 of shape (n, 3)."""
        shown = np.linspace(*self.ends, n)
        return lut[np.floor((shown + 1) * colormaps.ZERO + 0.5).astype(np.intp)]

    def levels(self) -> list[tuple[float, float]]:
        """Return place, 0 to 1, and level of the contours."""
        low, high = self.ends
        levels = [side * level for side in (-1, 1) for level in LEVELS]
        return [((at - low) / (high - low), at) for at in levels if low <= at <= high]


def bars_of(panels: Sequence[PanelPicture]) -> list[Bar]:
    """Return the scales in use, in the order of the panels.

    Parameters
    ----------
    panels : sequence of PanelPicture
        The input first.
    """
    groups: dict[tuple[str, float, tuple[float, float]], list[int]] = {}
    for i, panel in enumerate(panels[1:]):
        if panel.values is not None:
            groups.setdefault((panel.unit, panel.limit, panel.ends), []).append(i)
    return [
        Bar(*key, tuple(members), tuple(panels[i + 1].clipped for i in members))
        for key, members in groups.items()
    ]


def line_colour(lut: np.ndarray, level: float) -> tuple[int, int, int]:
    """Return the colour of a contour: that of its side's end, since weak levels are pale on a pale map."""
    red, green, blue = lut[-1 if level > 0 else 0].tolist()
    return red, green, blue


def line_width(level: float) -> float:
    """Return how wide a contour is, next to the widest: the farther out, the wider."""
    return 0.4 + 0.6 * (abs(level) - LEVELS[0]) / (LEVELS[-1] - LEVELS[0])
