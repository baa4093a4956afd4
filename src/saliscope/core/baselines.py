"""Where a path starts: "nothing to see", declared in picture space.

A zero in normalised space is the data set's mean grey, not black. So baselines are made from pixel values
between 0 and 1 and normalised with the model's own mean and standard deviation.
"""

import difflib
from abc import ABC, abstractmethod
from dataclasses import dataclass, field, fields
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor

from saliscope.core.borrow import Borrowed
from saliscope.core.knobs import knob
from saliscope.core.picture_space import PictureSpace, blur_matrix
from saliscope.core.seeds import NoiseSource
from saliscope.errors import BaselineError, InputError
from saliscope.specs.region import Region


class Baseline(ABC):
    """A recipe for the start of a path."""

    kind: ClassVar[str]

    @abstractmethod
    def make(self, borrowed: Borrowed, inputs: Tensor) -> Tensor:
        """The baseline of each input in model space, with the shape of `inputs`.

        Raises
        ------
        BaselineError
            If the recipe does not fit the inputs.
        """

    def __str__(self) -> str:
        values = ", ".join(
            f"{f.name}={getattr(self, f.name)!r}"
            for f in fields(self)  # type: ignore[arg-type]
            if not isinstance(getattr(self, f.name), (Tensor, np.ndarray, type(None)))
        )
        return f"{self.kind} ({values})" if values else self.kind


class _OfPixels(Baseline):
    """A recipe in picture space."""

    def make(self, borrowed: Borrowed, inputs: Tensor) -> Tensor:
        """Normalise the recipe's pixels as the model wants them; same parameters and errors."""
        space = PictureSpace(borrowed, inputs)
        return space.to_model(self._picture(space.to_picture(inputs)))

    @abstractmethod
    def _picture(self, pictures: Tensor) -> Tensor:
        """The baseline of each picture, in picture space (0 to 1)."""


@dataclass(frozen=True)
class Black(_OfPixels):
    """Every pixel 0. It can never highlight what is black in the picture."""

    kind: ClassVar[str] = "black"

    def _picture(self, pictures: Tensor) -> Tensor:
        return torch.zeros_like(pictures)


@dataclass(frozen=True)
class White(_OfPixels):
    """Every pixel 1. It can never highlight what is white in the picture."""

    kind: ClassVar[str] = "white"

    def _picture(self, pictures: Tensor) -> Tensor:
        return torch.ones_like(pictures)


@dataclass(frozen=True)
class Grey(_OfPixels):
    """Every pixel at one grey level.

    Parameters
    ----------
    level : float
        From 0 (black) to 1 (white).
    """

    kind: ClassVar[str] = "grey"
    level: float = knob(0.5, "grey level", 0.0, 1.0, 0.01)

    def __post_init__(self) -> None:
        _check_range("level", self.level, 0.0, 1.0)

    def _picture(self, pictures: Tensor) -> Tensor:
        return torch.full_like(pictures, self.level)


@dataclass(frozen=True)
class Blur(_OfPixels):
    """The picture itself, blurred by a Gaussian; borders are mirrored, so they do not darken.

    Parameters
    ----------
    sigma : float
        Standard deviation in pixels of the model's input.
    """

    kind: ClassVar[str] = "blur"
    sigma: float = knob(12.0, "blur sigma (px)", 0.0, 50.0, 0.5)

    def __post_init__(self) -> None:
        _check_range("sigma", self.sigma, 0.0, 1000.0)

    def _picture(self, pictures: Tensor) -> Tensor:
        if pictures.ndim != 4:
            raise BaselineError(
                "baseline",
                f"inputs of shape {tuple(pictures.shape)}",
                "pictures (n, channels, height, width) to blur",
            )
        rows = blur_matrix(pictures.shape[2], self.sigma, pictures)
        columns = blur_matrix(pictures.shape[3], self.sigma, pictures)
        return rows @ pictures @ columns.T


@dataclass(frozen=True)
class Noise(_OfPixels):
    """The picture under Gaussian pixel noise, clipped to what a picture can hold.

    Parameters
    ----------
    level : float
        Standard deviation as a share of the pixel range; 0 is the picture itself.
    seed : int
        The same seed gives the same noise.
    """

    kind: ClassVar[str] = "noise"
    level: float = knob(0.2, "noise level", 0.0, 2.0, 0.01)
    seed: int = knob(0, "seed", 0, 9999, 1)

    def __post_init__(self) -> None:
        _check_range("level", self.level, 0.0, 100.0)
        if isinstance(self.seed, bool) or not isinstance(self.seed, int) or self.seed < 0:
            raise BaselineError("seed", repr(self.seed), "an integer of at least 0")

    def _picture(self, pictures: Tensor) -> Tensor:
        # The same for every input: which inputs are beside it, or in its chunk, may not matter.
        noise = NoiseSource(self.seed, tuple(pictures.shape[1:])).draw(0, 1, pictures)
        return (pictures + self.level * noise).clamp(0.0, 1.0)


@dataclass(frozen=True, eq=False)
class Mean(_OfPixels):
    """The mean picture of a set; without one, each input's own mean colour.

    Parameters
    ----------
    images : Tensor of shape (n_images, channels, height, width), optional
        In picture space, values from 0 to 1.
    """

    kind: ClassVar[str] = "mean"
    images: Tensor | None = None

    def __eq__(self, other: object) -> bool:
        # A set of pictures may be written to meanwhile: with one, only the very same object is equal.
        return self is other or (type(other) is Mean and self.images is None and other.images is None)

    def __hash__(self) -> int:
        return hash(Mean) if self.images is None else id(self)

    def _picture(self, pictures: Tensor) -> Tensor:
        if self.images is None:
            dims = tuple(range(2, pictures.ndim)) or (1,)
            return pictures.mean(dims, keepdim=True).expand_as(pictures).clone()
        images = torch.as_tensor(self.images).detach()
        pixels = images.numel() > 0 and bool(((images >= 0) & (images <= 1)).all())
        if images.ndim != pictures.ndim or not pixels:
            raise BaselineError(
                "images",
                f"{str(images.dtype).removeprefix('torch.')} values of shape {tuple(images.shape)}",
                f"a batch of pictures with values from 0 to 1, {pictures.ndim} axes in all",
                "Stack them with torch.stack, and divide bytes by 255.",
            )
        return _fit(images.to(pictures).mean(0), pictures)


@dataclass(frozen=True, eq=False)
class Custom(Baseline):
    """A tensor of the user's own, in model space, one for all inputs or one for each."""

    kind: ClassVar[str] = "custom"
    tensor: Tensor

    def make(self, borrowed: Borrowed, inputs: Tensor) -> Tensor:
        """Return the tensor itself, once for each input; same parameters and errors."""
        baseline = _fit(torch.as_tensor(self.tensor).detach().to(inputs), inputs)
        if not bool(torch.isfinite(baseline).all()):
            raise BaselineError("baseline", "a tensor with NaN or infinite values", "finite values")
        return baseline


@dataclass(frozen=True)
class Painted(Baseline):
    """One baseline in a region of the picture, and another one or the picture itself around it.

    Parameters
    ----------
    region : Region, (x, y, width, height), or ndarray of bool of shape (height, width)
        In pixels of the model's input; see `saliscope.specs.region.Region.of`.
    fill : Baseline, str, float or Tensor
        What the region is filled from.
    rest : Baseline, str, float, Tensor or None
        What is around it; None is the picture itself, where nothing can then be attributed.
    """

    kind: ClassVar[str] = "painted"
    region: Any
    fill: Any = field(default_factory=Black)
    rest: Any = None

    def __post_init__(self) -> None:
        try:
            region = Region.of(self.region)
        except InputError as error:
            raise BaselineError(error.argument, error.got, error.expected, error.way_out) from None
        object.__setattr__(self, "region", region)
        for name in ("fill", "rest"):
            value = getattr(self, name)
            if value is None and name == "rest":
                continue
            made = as_baseline(value)
            if isinstance(made, Painted):
                raise BaselineError(name, "a painted baseline", "one that is not painted itself")
            object.__setattr__(self, name, made)

    def make(self, borrowed: Borrowed, inputs: Tensor) -> Tensor:
        """Paint over the inputs, or over another baseline; same parameters and errors."""
        shape = tuple(inputs.shape)
        if inputs.ndim != 4:
            expected = "pictures (n, channels, height, width) to paint on"
            raise BaselineError("baseline", f"inputs of shape {shape}", expected)
        mask = self.region.mask(*shape[2:])
        if not mask.any():
            got = f"the region {self.region} in a picture of {shape[3]} x {shape[2]} pixels"
            raise BaselineError("region", got, "a region with a pixel of the picture")
        around = inputs if self.rest is None else self.rest.make(borrowed, inputs)
        inside = torch.as_tensor(mask, device=inputs.device)
        return torch.where(inside, self.fill.make(borrowed, inputs), around)

    def __str__(self) -> str:
        return f"painted ({self.fill} over {self.rest or 'the picture'}, {self.region})"


BASELINES: dict[str, type[Baseline]] = {b.kind: b for b in (Black, White, Grey, Blur, Noise, Mean)}
"""What can be chosen by name."""


def occlude(borrowed: Borrowed, inputs: Tensor, region: Any, fill: Any) -> Tensor:
    """The inputs, with a region of each filled from a baseline.

    Parameters
    ----------
    borrowed : Borrowed
    inputs : Tensor of shape (n, channels, height, width)
        In model space.
    region, fill
        As of `Painted`, with the same errors.
    """
    return Painted(region, fill).make(borrowed, inputs)


def as_baseline(baseline: Any) -> Baseline:
    """A `Baseline` from itself, a kind's name, a number (grey level) or a tensor in model space.

    Raises
    ------
    BaselineError
        For anything else.
    """
    if isinstance(baseline, Baseline):
        return baseline
    if isinstance(baseline, str) and baseline in BASELINES:
        return BASELINES[baseline]()
    if isinstance(baseline, (Tensor, np.ndarray)):
        return Custom(torch.as_tensor(baseline))
    if isinstance(baseline, (int, float)) and not isinstance(baseline, bool):
        return Grey(float(baseline))
    expected = f"one of {', '.join(BASELINES)}, a saliscope.baselines object, or a tensor"
    if not isinstance(baseline, str):
        way_out = "A picture of your own goes in as a tensor in model space."
        raise BaselineError("baseline", f"an object of type {type(baseline).__name__}", expected, way_out)
    close = difflib.get_close_matches(baseline, BASELINES, n=1)
    raise BaselineError("baseline", repr(baseline), expected, f"Did you mean {close[0]!r}?" if close else "")


def as_baselines(baseline: Any) -> tuple[Baseline, ...]:
    """One baseline or several, as a tuple.

    Raises
    ------
    BaselineError
        If the sequence is empty or holds something else.
    """
    several = baseline if isinstance(baseline, (tuple, list)) else (baseline,)
    if not several:
        raise BaselineError("baseline", "an empty sequence", "at least one baseline")
    return tuple(as_baseline(one) for one in several)


def _fit(tensor: Tensor, inputs: Tensor) -> Tensor:
    try:
        return tensor.expand_as(inputs).clone()
    except RuntimeError:
        raise BaselineError(
            "baseline",
            f"a tensor of shape {tuple(tensor.shape)}",
            f"a shape that broadcasts to the inputs' {tuple(inputs.shape)}",
        ) from None


def _check_range(name: str, value: float, low: float, high: float) -> None:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not low <= value <= high:
        raise BaselineError(name, repr(value), f"a number from {low:g} to {high:g}")


__all__ = [
    "BASELINES",
    "Baseline",
    "Black",
    "Blur",
    "Custom",
    "Grey",
    "Mean",
    "Noise",
    "Painted",
    "White",
    "as_baseline",
    "as_baselines",
    "occlude",
]
