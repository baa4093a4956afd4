"""From whatever holds a picture to what the model is fed, and to the picture that it was fed."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, UInt8
from PIL import Image
from torch import Tensor, nn

from saliscope.core import pictures
from saliscope.core.model_space import Preprocessing, expected_channels
from saliscope.errors import InputError, SaliscopeError

__all__ = ["Prepared", "Preprocessing", "expected_channels", "inputs_of", "prepare", "show"]

# Half a step of 8 bits: what lies less than this beyond black or white is rounding.
_SLACK = 0.5 / 255


@dataclass(frozen=True)
class Prepared:
    """A batch, ready for the model, and what it looks like.

    Parameters
    ----------
    inputs : Tensor, shape (batch, channel, height, width)
        In model space.
    pictures : ndarray of uint8, shape (batch, height, width, 3)
        The inputs as pictures: computed back from `inputs`, so that what is shown is what was fed.
    notes : tuple of str
        What the reader should know about how they came about.
    """

    inputs: Float[Tensor, "batch channel height width"]
    pictures: UInt8[np.ndarray, "batch height width 3"]
    notes: tuple[str, ...] = ()


def prepare(images: Any, preprocessing: Preprocessing, model: nn.Module | None = None) -> Prepared:
    """Turn whatever the user has into inputs of the model.

    Parameters
    ----------
    images : PIL image, path, array, tensor, or a list or batch of them
        See `pictures.read` for what is done to pictures. A floating-point tensor, (channels, height,
        width) or (n, channels, height, width), is in model space already and keeps its dtype; a uint8
        tensor is a picture.
    preprocessing : Preprocessing
        How the model wants its pictures.
    model : nn.Module, optional
        Tells the number of channels where `preprocessing` does not. A grey picture is repeated for a model
        that wants three.

    Returns
    -------
    Prepared

    Raises
    ------
    InputError
        If there is no picture, pictures do not fit the model or each other, or pixels are not finite.
    """
    inputs, notes = inputs_of(images, preprocessing, model)
    shown, more = show(inputs, preprocessing)
    return Prepared(inputs, shown, (*notes, *more))


def inputs_of(
    images: Any, preprocessing: Preprocessing, model: nn.Module | None = None
) -> tuple[Float[Tensor, "batch channel height width"], tuple[str, ...]]:
    """`prepare` without the pictures: for batches that nobody looks at. The inputs, and the notes on them."""
    channels = preprocessing.channels or expected_channels(model)
    notes: list[str] = []
    batches = {name: _batch(item, name, preprocessing, channels, notes) for name, item in _items(images)}
    _check_sizes(batches)
    device = next(iter(batches.values())).device
    inputs = torch.cat([batch.to(device) for batch in batches.values()])
    axes = ("image", "channel", "row", "column")
    pictures.finite((~torch.isfinite(inputs)).cpu().numpy(), "batch", axes, "inputs")
    return inputs, tuple(notes)


def show(
    inputs: Float[Tensor, "batch channel height width"],
    preprocessing: Preprocessing,
    like: Float[Tensor, "batch channel height width"] | None = None,
) -> tuple[UInt8[np.ndarray, "batch height width 3"], tuple[str, ...]]:
    """Compute back the pictures that a model sees.

    Parameters
    ----------
    inputs : Tensor, shape (batch, channel, height, width)
        In model space.
    preprocessing : Preprocessing
        Its normalisation is undone. Where none is known and values lie outside [0, 1], each picture is
        stretched from its smallest value to its largest.
    like : Tensor, optional
        Inputs whose range is used for stretching, so that a baseline looks right beside its input.

    Returns
    -------
    pictures : ndarray of uint8, shape (batch, height, width, 3)
        One channel is shown as grey, other numbers than 1 and 3 by their mean.
    notes : tuple of str
        Where the pictures are not quite what the model sees.
    """
    made, notes = [], []
    for one, scale in zip(inputs.cpu(), (inputs if like is None else like).cpu(), strict=True):
        # In double precision an 8-bit picture comes back exactly.
        picture = preprocessing.to_picture_space(one.double())
        if preprocessing.mean is None:
            picture = _stretched(picture, float(scale.min()), float(scale.max()), notes)
        elif picture.min() < -_SLACK or picture.max() > 1 + _SLACK:
            pictures.say(notes, "Some values lie beyond black or white; they are shown as black or white.")
        if len(picture) not in (1, 3):
            pictures.say(notes, f"The mean of the {len(picture)} channels is shown.")
            picture = picture.mean(0, keepdim=True)
        pixels = (picture.clamp(0, 1) * 255 + 0.5).floor().to(torch.uint8)
        made.append(pixels.expand(3, -1, -1).permute(1, 2, 0).numpy())
    return np.stack(made), tuple(notes)


def _stretched(picture: Tensor, low: float, high: float, notes: list[str]) -> Tensor:
    """Bring values of an unknown normalisation to [0, 1], if they are not in there."""
    if low >= -_SLACK and high <= 1 + _SLACK:
        return picture
    note = "The normalisation is unknown: for display, each picture was stretched from its smallest value to "
    pictures.say(notes, note + "its largest. `mean=` and `std=` would show the true colours.")
    return (picture - low) / (high - low) if high > low else torch.full_like(picture, 0.5)


def _items(images: Any) -> list[tuple[str, Any]]:
    if not isinstance(images, list | tuple):
        return [("inputs", images)]
    if not images:
        raise InputError("inputs", f"an empty {type(images).__name__}", "at least one picture")
    return [(f"inputs[{index}]", item) for index, item in enumerate(images)]


def _check_sizes(batches: dict[str, Tensor]) -> None:
    sizes: dict[tuple[int, ...], str] = {}
    for name, batch in batches.items():
        sizes.setdefault(tuple(batch.shape[1:]), name)
    if len(sizes) > 1:
        (one, first), (other, second) = list(sizes.items())[:2]
        raise InputError(
            "inputs",
            f"inputs of different shapes: {one} from {first} and {other} from {second}",
            "one shape (channels, height, width) in a batch",
            "Pass `transform=` with a size, resize them first, or explain them one at a time.",
        )


def _batch(
    item: Any, name: str, preprocessing: Preprocessing, channels: int | None, notes: list[str]
) -> Float[Tensor, "batch channel height width"]:
    """Make inputs from one item, which may be a batch itself."""
    if isinstance(item, Tensor) and item.is_floating_point():
        return _model_space(item, name, preprocessing, channels, notes)
    if isinstance(item, Tensor) and item.dtype != torch.uint8:
        raise InputError(
            name,
            f"a tensor of {_short(item.dtype)}",
            "floating-point values in model space, or uint8 pixels",
            "Pixels from 0 to 255: `x.to(torch.uint8)`.",
        )
    tensor = isinstance(item, Tensor)
    pixels = item.cpu() if isinstance(item, Tensor) else item
    if hasattr(pixels, "__array__") and not isinstance(pixels, Image.Image):
        pixels = np.asarray(pixels)
    if isinstance(pixels, np.ndarray) and pixels.ndim == 4 and len(pixels):
        several = [(f"{name}[{index}]", each) for index, each in enumerate(pixels)]
    else:
        several = [(name, pixels)]
    read = [
        (each_name, pictures.read(each, each_name, notes, channels_first=tensor))
        for each_name, each in several
    ]
    return torch.cat([_fed(pixels, each_name, preprocessing, channels, notes) for each_name, pixels in read])


def _model_space(
    item: Tensor, name: str, preprocessing: Preprocessing, channels: int | None, notes: list[str]
) -> Float[Tensor, "batch channel height width"]:
    """Take a tensor as it is, after a look at its shape."""
    inputs = item.detach().as_subclass(Tensor)
    inputs = inputs[None] if inputs.ndim == 3 else inputs
    if inputs.ndim != 4 or 0 in inputs.shape:
        got = f"a tensor of shape {tuple(item.shape)}"
        expected = "(channels, height, width) or (n, channels, height, width)"
        way_out = "`x[None]` adds an axis." if inputs.ndim == 2 else ""
        raise InputError(name, got, expected, way_out)
    way_out = ""
    if inputs.shape[1] == 1:
        way_out = f"`x.expand(-1, {channels}, -1, -1)` repeats the only channel."
    elif inputs.shape[3] == channels:
        way_out = "Channels come first: `x.permute(0, 3, 1, 2)`."
    _check_channels(inputs.shape[1], channels, name, way_out)
    normalised = preprocessing.mean is not None and (any(preprocessing.mean) or preprocessing.std != (1.0,))
    if normalised and bool(((inputs >= 0) & (inputs <= 1)).all()):
        note = "A tensor with values from 0 to 1 was taken as normalised already; "
        pictures.say(notes, note + "to have pixels normalised, pass an array or a PIL image.")
    return inputs


def _fed(
    pixels: np.ndarray, name: str, preprocessing: Preprocessing, channels: int | None, notes: list[str]
) -> Float[Tensor, "1 channel height width"]:
    """Make the inputs of one picture."""
    if pixels.shape[2] == 1 and channels == 3:
        pixels = np.repeat(pixels, 3, axis=2)
    if preprocessing.transform is None:
        _check_channels(pixels.shape[2], channels, name)
        return preprocessing.to_model_space(_scaled(_resized(pixels, preprocessing)))
    inputs = _transformed(pixels, name, preprocessing, notes)
    _check_channels(inputs.shape[1], channels, name)
    return inputs


def _check_channels(got: int, wanted: int | None, name: str, way_out: str = "") -> None:
    if wanted is None or got == wanted:
        return
    if not way_out:
        way_out = "Pass a tensor (n, channels, height, width) with all of them."
        way_out = 'Make it grey: `img.convert("L")`.' if wanted == 1 else way_out
    noun = "channel" + "s" * (got > 1)
    raise InputError(name, f"{got} {noun}", f"{wanted}, as the model's first convolution has", way_out)


def _scaled(pixels: np.ndarray) -> Float[Tensor, "1 channel height width"]:
    """Bring pixels (height, width, channels) to [0, 1]."""
    tensor = torch.from_numpy(np.ascontiguousarray(np.moveaxis(pixels, -1, 0)))[None]
    return tensor.float() / 255 if tensor.dtype == torch.uint8 else tensor


def _resized(pixels: np.ndarray, preprocessing: Preprocessing) -> np.ndarray:
    """Resize, then cut out the centre; both as torchvision and timm do it with PIL images."""
    size, resize = preprocessing.size, preprocessing.resize
    height, width = pixels.shape[:2]
    if isinstance(resize, int):
        longer = int(resize * max(height, width) / min(height, width))
        target = (resize, longer) if height <= width else (longer, resize)
    else:
        target = resize or size or (height, width)
    if size is not None and (target[0] < size[0] or target[1] < size[1]):
        grow = max(size[0] / target[0], size[1] / target[1])
        target = (max(size[0], round(target[0] * grow)), max(size[1], round(target[1] * grow)))
    if target != (height, width):
        pixels = _interpolated(pixels, target, preprocessing.interpolation)
    if size is None:
        return pixels
    top, left = round((target[0] - size[0]) / 2), round((target[1] - size[1]) / 2)
    return pixels[top : top + size[0], left : left + size[1]]


def _interpolated(pixels: np.ndarray, size: tuple[int, int], interpolation: str) -> np.ndarray:
    method, to = Image.Resampling[interpolation.upper()], (size[1], size[0])
    planes = [Image.fromarray(np.ascontiguousarray(plane)) for plane in np.moveaxis(pixels, -1, 0)]
    made = np.stack([np.asarray(plane.resize(to, method)) for plane in planes], axis=-1)
    return made if made.dtype == np.uint8 else made.clip(0, 1)  # bicubic overshoots at edges


def _transformed(
    pixels: np.ndarray, name: str, preprocessing: Preprocessing, notes: list[str]
) -> Float[Tensor, "1 channel height width"]:
    """Call the user's transform with a PIL image; finish what it returns as a picture."""
    transform: Any = preprocessing.transform
    if pixels.dtype != np.uint8:
        pictures.say(notes, "Pixels were rounded to 8 bits, because the transform receives a PIL image.")
        pixels = np.floor(pixels * 255 + 0.5).astype(np.uint8)
    image = Image.fromarray(pixels[..., 0] if pixels.shape[2] == 1 else pixels)
    try:
        if hasattr(transform, "image_mean"):  # an image processor of Hugging Face
            made = transform(images=image, return_tensors="pt")["pixel_values"]
        else:
            made = transform(image)
    except SaliscopeError:
        raise
    except Exception as error:
        raise InputError(
            "transform",
            f"{type(error).__name__} when it was applied to {name}: {error}",
            f"a tensor made of a PIL image of mode {image.mode}",
        ) from error
    return _finished(made, preprocessing, notes)


def _finished(
    made: Any, preprocessing: Preprocessing, notes: list[str]
) -> Float[Tensor, "1 channel height width"]:
    """Take what a transform returned: inputs as they are, a picture to be scaled and normalised."""
    if isinstance(made, Tensor) and made.is_floating_point():
        inputs = made.detach().as_subclass(Tensor)
        inputs = inputs[None] if inputs.ndim == 3 else inputs
        if inputs.ndim == 4 and len(inputs) == 1 and 0 not in inputs.shape:
            return inputs
    first = isinstance(made, Tensor)
    pixels = made.cpu().numpy() if isinstance(made, Tensor) else made
    if isinstance(pixels, Image.Image) or (isinstance(pixels, np.ndarray) and pixels.dtype == np.uint8):
        return preprocessing.to_model_space(_scaled(pictures.read(pixels, "transform", notes, first)))
    got = type(made).__name__ + (f" of shape {tuple(made.shape)}" if isinstance(made, Tensor) else "")
    raise InputError("transform", f"{got} for one picture", "a float tensor (channels, height, width)")


def _short(dtype: torch.dtype) -> str:
    return str(dtype).removeprefix("torch.")
