"""What is on screen, without a page: the looks of an explorer, and the arrays of each of its panels."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from saliscope.specs.region import Region
from saliscope.specs.saliency import Result


@dataclass(frozen=True)
class View:
    """Looks: what the page decides without the kernel. See the traits of `SaliencyExplorer`."""

    alpha: float = 1.0
    along: str = "cumulative"
    opacity: float = 0.85
    threshold: float = 1.0
    sign: str = "both"
    overlay: str = "blend"
    smoothing: float = 0.0
    scale: Mapping[str, Any] = field(default_factory=lambda: {"mode": "auto", "limits": {}})
    colormap: str = "diverging"
    zoom: tuple[float, float, float] = (1.0, 0.5, 0.5)
    region: Region | None = None


@dataclass(frozen=True)
class Shown:
    """One question panel's newest result, with its arrays.

    Parameters
    ----------
    result : Result
    picture : ndarray of uint8, shape (height, width, 3)
        What the model was fed.
    values : ndarray, shape (height, width)
        The whole map, before any look.
    stack : ndarray, shape (k, height, width), optional
        Cumulative maps at ``result.path.alphas``.
    gradients : ndarray, shape (k, height, width), optional
        Gradients at ``result.path.alphas``.
    baseline : ndarray of uint8, shape (height, width, 3), optional
        The picture at alpha 0.
    words : sequence of str
        What else tells this panel from the others: a parameter, a model.
    pictures : ndarray of uint8, shape (k, height, width, 3), optional
        The pictures at ``result.path.alphas``, of a path that is not straight.
    """

    result: Result
    picture: np.ndarray
    values: np.ndarray
    stack: np.ndarray | None = None
    gradients: np.ndarray | None = None
    baseline: np.ndarray | None = None
    words: Sequence[str] = ()
    pictures: np.ndarray | None = None


@dataclass(frozen=True)
class Screen:
    """Everything on screen, in its order.

    Parameters
    ----------
    view : View
    panels : sequence of Shown, Mapping or None
        The lead first; a derived panel as its ``{"difference": [i, j]}`` or ``{"average": [...]}``, None
        where nothing was computed yet.
    """

    view: View
    panels: Sequence[Shown | Mapping[str, Any] | None]
