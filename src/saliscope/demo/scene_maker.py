"""The bundled dataset: scenes whose every cause is known.

The module is not called ``scenes``, because `saliscope.demo.scenes` is the function: importing a
submodule of that name would put the module in the function's place.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from numbers import Integral, Real
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from saliscope.errors import InputError

from . import drawing
from .factors import Factors, checked, sample
from .sources import N_CLASSES

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from torch import Tensor

SIZES = (32, 256)
"""Smallest and largest side of a scene: below, the digits crumble; above, 8x8 digits are only blur."""


@dataclass(frozen=True, repr=False, eq=False)
class Scenes:
    """Pictures with the truth about them.

    Attributes
    ----------
    images : uint8 (n, size, size, 3)
        RGB.
    digit_mask, watermark_mask : bool (n, size, size)
        The pixels that digit and watermark change, soft edges included; the watermark is on top.
    factors : Factors
        Every generative factor, see `saliscope.demo.factors.Factors`.
    """

    images: NDArray[np.uint8]
    digit_mask: NDArray[np.bool_]
    watermark_mask: NDArray[np.bool_]
    factors: Factors

    @property
    def labels(self) -> NDArray[np.int64]:
        """The class of each scene, 0 to 9: (n,)."""
        return self.factors.label

    @property
    def background_mask(self) -> NDArray[np.bool_]:
        """The pixels that show the photograph alone: (n, size, size)."""
        return ~(self.digit_mask | self.watermark_mask)

    def inputs(self) -> Tensor:
        """Convert the pictures to what the demo models take: float32 (n, 3, size, size) in [0, 1]."""
        from .models import as_inputs

        return as_inputs(self.images).contiguous()

    def redraw(self, **changes: Any) -> Scenes:
        """Draw the same scenes with some factors changed and all others kept: the counterfactual.

        Exposure and ink are factors like any other and are kept too, so a digit that is moved may
        be less legible in its new place.

        Parameters
        ----------
        **changes
            Names of `Factors`; each an array over the n scenes, or one value for all.

        Raises
        ------
        InputError
            For an unknown factor, a wrong shape, or a value outside the factor's range.

        Examples
        --------
        >>> clean = scenes(8, seed=0)
        >>> marked = clean.redraw(watermark=True)
        """
        size = self.images.shape[1]
        return _drawn(replace(self.factors, **checked(self.factors, changes, size)), size)

    def __len__(self) -> int:
        return len(self.images)

    def __repr__(self) -> str:
        n, size = self.images.shape[:2]
        return f"Scenes({n} of {size}x{size}, {self.factors.watermark.sum()} with the watermark)"


def scenes(
    n: int,
    seed: int = 0,
    *,
    shortcut: float | None = None,
    shortcut_class: int = 3,
    watermark: float | None = None,
    digits: Literal["all", "train", "held_out"] = "all",
    size: int = 64,
) -> Scenes:
    """Make scenes: a real handwritten digit on a random crop of a real photograph.

    The digit has a random size, place and colour and is always legible; optionally a watermark (a
    small eye) sits in a corner. Classes are equally likely. Every factor has its own random stream:
    the first scenes of a larger n are the same scenes, and `shortcut` and `watermark` change nothing
    but the watermark. NumPy's global random state is neither read nor changed.

    Parameters
    ----------
    n : int
        How many scenes, at least 1.
    seed : int
        At least 0. One seed gives the same scenes on every run.
    shortcut : float in [0, 1], optional
        The watermark goes with `shortcut_class`: with this probability for a scene of that class,
        and with probability ``1 - shortcut`` (or `watermark`, if given) for a scene of another.
    shortcut_class : int
        The class, 0 to 9, that the shortcut marks.
    watermark : float in [0, 1], optional
        Probability of the watermark where no shortcut decides it; 0 by default. True and False are
        1 and 0.
    digits : {"all", "train", "held_out"}
        Which of scikit-learn's 1797 digits are used. The split is fixed: 357 digits are held out,
        and the bundled models have never seen them.
    size : int
        Side of the pictures in pixels, 32 to 256. The bundled models are trained at 64.

    Returns
    -------
    Scenes

    Raises
    ------
    InputError
        If an argument is outside its range.

    Examples
    --------
    >>> s = scenes(8, seed=0)
    >>> s.images.shape, s.digit_mask.shape
    ((8, 64, 64, 3), (8, 64, 64))
    """
    n = _whole("n", n, 1)
    seed = _whole("seed", seed, 0)
    size = _whole("size", size, *SIZES)
    rate = _watermark_rate(shortcut, _whole("shortcut_class", shortcut_class, 0, N_CLASSES - 1), watermark)
    factors, hue, brightness = sample(n, seed, size, digits, rate)
    for rows in drawing.chunks(n, size):
        factors.digit_colour[rows], factors.exposure[rows] = drawing.settle_contrast(
            factors[rows], hue[rows], brightness[rows], size
        )
    return _drawn(factors, size)


def _drawn(factors: Factors, size: int) -> Scenes:
    n = len(factors)
    images = np.empty((n, size, size, 3), np.uint8)
    digit_mask, watermark_mask = np.empty((2, n, size, size), np.bool_)
    for rows in drawing.chunks(n, size):
        images[rows], digit_mask[rows], watermark_mask[rows] = drawing.draw(factors[rows], size)
    return Scenes(images, digit_mask, watermark_mask, factors)


def _watermark_rate(
    shortcut: float | None, shortcut_class: int, watermark: float | None
) -> NDArray[np.float64]:
    """Give the probability of the watermark for each class: (10,)."""
    if shortcut is None:
        return np.full(N_CLASSES, 0.0 if watermark is None else _probability("watermark", watermark))
    shortcut = _probability("shortcut", shortcut)
    others = 1 - shortcut if watermark is None else _probability("watermark", watermark)
    rate = np.full(N_CLASSES, others)
    rate[shortcut_class] = shortcut
    return rate


def _whole(name: str, value: int, low: int, high: int | None = None) -> int:
    whole = isinstance(value, Integral) and not isinstance(value, bool)
    if not whole or value < low or (high is not None and value > high):
        bounds = f"at least {low}" if high is None else f"from {low} to {high}"
        raise InputError(name, repr(value), f"a whole number {bounds}")
    return int(value)


def _probability(name: str, value: float) -> float:
    if not isinstance(value, Real) or not 0 <= value <= 1:
        raise InputError(name, repr(value), "a probability from 0 to 1")
    return float(value)
