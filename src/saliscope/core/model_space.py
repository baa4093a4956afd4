"""Between picture space, pixels in [0, 1], and model space, what a model is fed."""

import math
from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn

from saliscope.core import recipes
from saliscope.errors import InputError

_BYTES = 2.0
"""A mean beyond this is no mean of pixels between 0 and 1."""


@dataclass(frozen=True)
class Preprocessing:
    """How pictures become inputs of a model.

    Without a `transform`: a picture is resized, cropped around its centre, scaled to [0, 1], normalised.
    With one, the transform receives an 8-bit PIL image. A float tensor that it returns is fed as it
    is, and `mean` and `std` say how to undo it; a picture that it returns is scaled and normalised here.

    Floating-point tensors of the user are always in model space and never changed.

    Parameters
    ----------
    size : (int, int), optional
        Height and width of the inputs: of the central crop, or of the resized picture without `resize`.
    resize : int or (int, int), optional
        Length of the shorter side before the crop, or height and width.
    mean, std : tuple of float, optional
        Normalisation of pixels in [0, 1], one number per channel or one for all.
    interpolation : str
        Of the resizing: "nearest", "box", "bilinear", "hamming", "bicubic" or "lanczos".
    channels : int, optional
        How many the model wants.
    transform : callable, optional
        From a PIL image to a tensor; for an image processor, called with `images=`.
    source : str
        The whole of it in words.

    Raises
    ------
    InputError
        If only one of `mean` and `std` is given, their lengths differ, or `std` is not positive.
    """

    size: tuple[int, int] | None = None
    resize: int | tuple[int, int] | None = None
    mean: tuple[float, ...] | None = None
    std: tuple[float, ...] | None = None
    interpolation: str = "bilinear"
    channels: int | None = None
    transform: Callable[..., Any] | None = None
    source: str = "scaled to 0..1, not normalised"

    def __post_init__(self) -> None:
        mean, std = self.mean, self.std
        if (mean is None) != (std is None):
            missing, given = ("std", "mean") if std is None else ("mean", "std")
            raise InputError(missing, "None", f"a value, because `{given}` was given")
        if mean is not None and std is not None:
            if min(std) <= 0:
                raise InputError("std", repr(std), "positive numbers")
            if len(mean) != len(std) and 1 not in (len(mean), len(std)):
                raise InputError("std", f"{len(std)} numbers", f"as many as `mean` has, {len(mean)}")

    @classmethod
    def of(
        cls, transform: Any = None, mean: Any = None, std: Any = None, model: Any = None
    ) -> "Preprocessing":
        """Read how a model wants its pictures.

        Parameters
        ----------
        transform : optional
            A `Preprocessing`, a torchvision preset or `Compose`, any callable, a timm data config, a
            Hugging Face image processor or its dict. Without one, the config that timm leaves on its
            models is used.
        mean, std : float or sequence of float, optional
            Instead of what `transform` says, or where it says nothing.
        model : nn.Module, optional
            Its first convolution tells the number of channels.

        Raises
        ------
        InputError
            If `transform`, `mean` or `std` make no sense.
        """
        wanted = expected_channels(model)
        if isinstance(transform, cls):
            known = {field.name: getattr(transform, field.name) for field in fields(cls)}
        else:
            known = recipes.own_recipe(model) if transform is None else recipes.recipe(transform, wanted)
            known |= {name: _numbers(known.get(name), name) for name in ("mean", "std")}
            known["source"] = recipes.sentence(known, known.pop("whose", ""))
        if mean is not None or std is not None:
            given = cls(mean=_numbers(mean, "mean"), std=_numbers(std, "std"))
            if given.mean is not None and max(map(abs, given.mean)) > _BYTES:
                way_out = "They are those of bytes: divide mean and std by 255."
                raise InputError("mean", repr(mean), "the mean of pixels between 0 and 1", way_out)
            if known.get("transform") is not None and recipes.is_identity(known):
                known["transform"] = recipes.Then(known["transform"], given.to_model_space)
            known |= {"mean": given.mean, "std": given.std}
            known["source"] = recipes.sentence(known, "the given")
        made = cls(**known)
        three = 3 if made.mean is not None and len(made.mean) == 3 else None
        return replace(made, channels=wanted or made.channels or three)

    def to_model_space(self, picture: Float[Tensor, "*batch channel height width"]) -> Tensor:
        """Normalise pixels in [0, 1]; the identity where no normalisation is known."""
        if self.mean is None:
            return picture
        mean, std = self._constants(picture)
        return (picture - mean) / std

    def to_picture_space(self, inputs: Float[Tensor, "*batch channel height width"]) -> Tensor:
        """Undo the normalisation; the identity where none is known. Values are not clipped."""
        if self.mean is None:
            return inputs
        mean, std = self._constants(inputs)
        return inputs * std + mean

    def _constants(self, like: Tensor) -> list[Tensor]:
        channels = like.shape[-3]
        for name, values in (("mean", self.mean), ("std", self.std)):
            if values is not None and len(values) not in (1, channels):
                got = f"{len(values)} numbers for {channels} channel" + "s" * (channels > 1)
                raise InputError(name, got, "one for each channel, or one for all")
        return [
            torch.tensor(v, dtype=like.dtype, device=like.device)[:, None, None]
            for v in (self.mean, self.std)
        ]


def expected_channels(model: Any) -> int | None:
    """Return the number of channels that the first convolution wants; None without a convolution."""
    if isinstance(model, nn.Module):
        for module in model.modules():
            if isinstance(module, nn.Conv2d) and module.in_channels > 0:  # a lazy one has 0
                return module.in_channels
    return None


def _numbers(value: Any, name: str) -> tuple[float, ...] | None:
    """Return one number or several as a tuple of finite floats."""
    if value is None:
        return None
    try:
        numbers = tuple(float(v) for v in np.ravel(np.asarray(value, dtype=np.float64)))
    except (TypeError, ValueError):
        numbers = ()
    if not numbers or not all(map(math.isfinite, numbers)):
        raise InputError(name, repr(value), "a finite number, or one for each channel")
    return numbers
