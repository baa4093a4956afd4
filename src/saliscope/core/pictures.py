"""Reading whatever holds a picture: a file, a PIL image, an array.

The result is always an array (height, width, channels) with 1 or 3 channels: uint8, or float32 in
[0, 1] where the source has more than 8 bits.
"""

from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageOps

from saliscope.errors import InputError

_CHANNELS = (1, 3, 4)
_PICTURE = "a picture: a PIL image, a path, an array (height, width, 3) or a tensor (3, height, width)"


def read(item: Any, name: str, notes: list[str], channels_first: bool = False) -> np.ndarray:
    """Read one picture.

    Parameters
    ----------
    item : PIL image, str, Path or array
        EXIF rotation is applied, palettes are resolved, transparent pixels are laid on white. Arrays are
        uint8, uint16 or float in [0, 1]; (height, width), (height, width, channels) or (channels, height,
        width), with 1, 3 or 4 channels. Where both ends could be the channels, the last axis is.
    name : str
        What errors call the item.
    notes : list of str
        Receives what the reader should know.
    channels_first : bool
        Where both ends could be the channels, the first axis is.

    Returns
    -------
    ndarray of uint8 or float32, shape (height, width, 1 or 3)

    Raises
    ------
    InputError
        If there is no picture in it.
    """
    if isinstance(item, str | Path):
        return _from_image(_opened(str(item), name), name, notes)
    if isinstance(item, Image.Image):
        return _from_image(item, name, notes)
    if hasattr(item, "__array__") or hasattr(item, "__array_interface__"):
        return _from_array(np.asarray(item), name, notes, channels_first)
    raise InputError(name, f"an object of type {type(item).__name__}", _PICTURE)


def finite(broken: np.ndarray, what: str, axes: tuple[str, ...], name: str) -> None:
    """Raise if a mask has an entry: tell how many values are broken and where the first one is.

    Parameters
    ----------
    broken : ndarray of bool
        Where values are NaN or infinite.
    what : str
        "picture", "batch".
    axes : tuple of str
        Names of the mask's axes.
    name : str
        What the error calls the argument.
    """
    places = np.argwhere(broken)
    if len(places):
        where = ", ".join(f"{axis} {place}" for axis, place in zip(axes, places[0], strict=True))
        count = f"{len(places)} NaN or infinite value" + "s" * (len(places) > 1)
        raise InputError(
            name,
            f"a {what} with {count}, the first at {where}",
            "finite pixels",
            "Repair it first: `nan_to_num` of numpy or torch sets them to zero.",
        )


def _opened(path: str, name: str) -> Image.Image:
    """Open a file and read its pixels, so that a broken file is found here."""
    if path.startswith(("http://", "https://")):
        got = f"the address {path!r}"
        raise InputError(name, got, "a file", "Nothing is fetched from the network: download it first.")
    if not Path(path).is_file():
        got = f"{path!r}, which is a folder" if Path(path).is_dir() else f"{path!r}, which does not exist"
        raise InputError(name, got, "the path of a picture")
    try:
        image = Image.open(path)
        image.load()
    except Exception as error:  # a broken file can raise nearly anything inside its decoder
        raise InputError(
            name, f"{path!r}, which cannot be read ({error})", "a picture that Pillow can read"
        ) from error
    return image


def _from_image(image: Image.Image, name: str, notes: list[str]) -> np.ndarray:
    if 0 in image.size:
        raise InputError(name, f"a picture of {image.width} x {image.height} pixels", "at least one pixel")
    if getattr(image, "n_frames", 1) > 1:
        say(notes, f"Frame {image.tell() + 1} of {image.n_frames} was used.")  # pyright: ignore[reportAttributeAccessIssue]
    upright = ImageOps.exif_transpose(image)
    if upright.mode.startswith("I") or upright.mode == "F":
        return _from_array(_deep(np.asarray(upright), name), name, notes, False)
    grey = upright.mode in ("1", "L", "LA", "La")
    if upright.has_transparency_data:
        pixels = np.asarray(upright.convert("LA" if grey else "RGBA"))
        return _on_white(pixels, notes)
    if upright.mode in ("CMYK", "LAB", "HSV"):
        say(notes, f"{upright.mode} colours were converted to RGB without a colour profile.")
    try:
        pixels = np.asarray(upright.convert("L" if grey else "RGB"))
    except ValueError as error:
        got = f"a picture of mode {upright.mode}"
        raise InputError(name, got, "a mode that Pillow can convert to RGB") from error
    return pixels[..., None] if grey else pixels


def _deep(pixels: np.ndarray, name: str) -> np.ndarray:
    """Bring Pillow's modes of more than 8 bits to uint16 or float."""
    if pixels.dtype.kind == "f":
        return pixels
    low, high = int(pixels.min()), int(pixels.max())
    if low < 0 or high > 65535:
        got = f"a 32-bit picture with values from {low} to {high}"
        raise InputError(name, got, "values from 0 to 65535", "Scale it to a float array in [0, 1].")
    return pixels.astype(np.uint16)


def _from_array(array: np.ndarray, name: str, notes: list[str], channels_first: bool) -> np.ndarray:
    pixels = _channels_last(array, name, notes, channels_first)
    if pixels.dtype.kind == "u" and pixels.dtype.itemsize == 2:
        pixels = (pixels / 65535).astype(np.float32)
    elif pixels.dtype.kind == "f":
        axes = ("row", "column", "channel") if array.ndim == 3 else ("row", "column")
        finite(~np.isfinite(pixels if array.ndim == 3 else pixels[..., 0]), "picture", axes, name)
        pixels = _unit_range(pixels, name)
    elif pixels.dtype != np.uint8:
        raise InputError(
            name,
            f"an array of {pixels.dtype}",
            "uint8, uint16, or float in [0, 1]",
            "If its values go from 0 to 255, pass `array.astype(numpy.uint8)`.",
        )
    return _on_white(pixels, notes) if pixels.shape[-1] == 4 else np.ascontiguousarray(pixels)


def _channels_last(array: np.ndarray, name: str, notes: list[str], channels_first: bool) -> np.ndarray:
    if 0 in array.shape:
        raise InputError(name, f"an array of shape {array.shape}", "at least one pixel")
    if array.ndim == 2:
        return array[..., None]
    if array.ndim == 3:
        first, last = array.shape[0] in _CHANNELS, array.shape[-1] in _CHANNELS
        if first and last and not channels_first:
            say(notes, f"An array of shape {array.shape} was read as (height, width, channels).")
        if last and not (first and channels_first):
            return array
        if first:
            return np.moveaxis(array, 0, -1)
    raise InputError(
        name,
        f"an array of shape {array.shape}",
        "(height, width), (height, width, channels) or (channels, height, width), with 1, 3 or 4 channels",
        "A batch has one axis more: (n, height, width, channels).",
    )


def _unit_range(pixels: np.ndarray, name: str) -> np.ndarray:
    """Check that floats are what they have to be; rounding of a resize just beyond the ends is forgiven."""
    low, high = float(pixels.min()), float(pixels.max())
    if low >= -1e-6 and high <= 1 + 1e-6:
        return pixels.astype(np.float32).clip(0, 1)
    way_out = "If it is already normalised for the model, pass it as a tensor: `torch.from_numpy(array)`."
    if low >= 0 and high <= 255:
        way_out = "Pass `array / 255`, or `array.astype(numpy.uint8)`."
    got = f"a float array with values from {low:.4g} to {high:.4g}"
    raise InputError(name, got, "floats from 0 (black) to 1 (white)", way_out)


def _on_white(pixels: np.ndarray, notes: list[str]) -> np.ndarray:
    """Lay colours with an alpha channel, the last one, on white."""
    white = 255.0 if pixels.dtype == np.uint8 else 1.0
    alpha = pixels[..., -1:] / white
    if (alpha < 1).any():
        say(notes, "Transparent pixels were laid on white.")
    laid = pixels[..., :-1] * alpha + white * (1 - alpha)
    return np.floor(laid + 0.5).astype(np.uint8) if pixels.dtype == np.uint8 else laid.astype(np.float32)


def say(notes: list[str], note: str) -> None:
    """Add a note once, however many pictures it is true of."""
    if note not in notes:
        notes.append(note)
