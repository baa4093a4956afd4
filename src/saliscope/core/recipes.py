"""Reading how a model wants its pictures, from whatever the libraries use to say it.

torchvision presets and `Compose`, timm data configs, Hugging Face image processors: told apart by
what they have, because none of these libraries has to be installed. A function that says nothing is
asked: what it makes of black and of white tells its mean and std.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from saliscope.errors import InputError

_TIMM = {"input_size", "crop_pct", "crop_mode", "mean", "std"}
_HUGGING_FACE = {"image_mean", "image_std", "do_resize", "do_normalize", "do_rescale", "size", "crop_size"}
_HUGGING_FACE_ALL = (*_HUGGING_FACE, "crop_pct", "do_center_crop", "rescale_factor", "resample")
# The numbers of PIL.Image.Resampling, which Hugging Face writes into its configs.
_RESAMPLE = {0: "nearest", 1: "lanczos", 2: "bilinear", 3: "bicubic", 4: "box", 5: "hamming"}


def recipe(transform: Any, channels: int | None = None) -> dict[str, Any]:
    """Read what a transform or a config says.

    Parameters
    ----------
    transform : callable, mapping or image processor
        What the user passed.
    channels : int, optional
        How many the model wants.

    Returns
    -------
    dict
        Fields of a `Preprocessing`, where they are known; `whose` says whose mean and std they are.

    Raises
    ------
    InputError
        If it is nothing of the kind.
    """
    if isinstance(transform, Mapping):
        if _HUGGING_FACE & transform.keys() and "input_size" not in transform:
            return hugging_face(transform)
        if _TIMM & transform.keys():
            return timm(transform, "the config's")
        raise InputError(
            "transform",
            f"a dict with the keys {', '.join(map(repr, transform))}" if transform else "an empty dict",
            "a timm data config (input_size, mean, ...) or an image processor's dict (size, image_mean, ...)",
        )
    processor = getattr(transform, "image_processor", transform)
    if hasattr(processor, "image_mean"):
        config = {key: getattr(processor, key, None) for key in _HUGGING_FACE_ALL}
        return hugging_face(config) | {"transform": processor if callable(processor) else None}
    if callable(transform):
        return _callable(transform, channels)
    raise InputError(
        "transform",
        f"an object of type {type(transform).__name__}",
        "a callable from PIL image to tensor, a timm data config, or a Hugging Face image processor",
    )


def own_recipe(model: Any) -> dict[str, Any]:
    """Read the config that timm leaves on its models; nothing for any other model."""
    for attribute in ("pretrained_cfg", "default_cfg"):
        config = getattr(model, attribute, None)
        if config is not None and not isinstance(config, Mapping):
            config = getattr(config, "__dict__", None)
        if config and _TIMM & config.keys():
            return timm(config, "the model's own")
    return {}


def timm(config: Mapping[str, Any], whose: str) -> dict[str, Any]:
    """Read a timm data config: scaled to `input_size / crop_pct`, then cropped to `input_size`."""
    if config.get("crop_mode") not in (None, "center", "squash"):
        raise InputError(
            "transform",
            f"a data config with crop_mode {config['crop_mode']!r}",
            "'center' or 'squash'",
            "Pass the transform itself: `timm.data.create_transform(**config)`.",
        )
    fields: dict[str, Any] = {"mean": config.get("mean"), "std": config.get("std"), "whose": whose}
    fields["interpolation"] = interpolation(config.get("interpolation"))
    if config.get("input_size"):
        channels, height, width = (int(n) for n in config["input_size"])
        share = config.get("crop_pct") or 0.875
        scaled = (int(height / share), int(width / share))
        squash = config.get("crop_mode") == "squash"
        fields |= {"size": (height, width), "channels": channels}
        fields["resize"] = scaled if squash else min(scaled)
    return fields


def hugging_face(config: Mapping[str, Any]) -> dict[str, Any]:
    """Read the settings of an image processor."""
    fields: dict[str, Any] = {"interpolation": interpolation(config.get("resample"))}
    fields["whose"] = "the image processor's"
    crop = _edges(config.get("crop_size")) if config.get("do_center_crop") is not False else None
    if config.get("do_resize") is not False:
        edges = _edges(config.get("size"))
        if isinstance(edges, int) and config.get("crop_pct"):
            # ConvNeXT's rule: small inputs are cropped from a larger picture, large ones are squashed.
            crop = (edges, edges)
            edges = int(edges / config["crop_pct"]) if edges < 384 else crop
        fields["resize"] = edges
    fields["size"] = (crop, crop) if isinstance(crop, int) else crop
    return fields | _hugging_face_normalisation(config)


def interpolation(value: Any) -> str:
    """Return the lower-case name of an interpolation that is a name, a PIL number or an enum member."""
    value = getattr(value, "value", value)
    name = str(_RESAMPLE.get(value, value) if isinstance(value, int) else value).lower()
    return name if name in _RESAMPLE.values() else "bilinear"


def sentence(fields: Mapping[str, Any], whose: str) -> str:
    """Say in words what happens to a picture."""
    size, resize, transform = fields.get("size"), fields.get("resize"), fields.get("transform")
    words: list[str] = []
    if transform is not None and size is None and resize is None:
        steps = (getattr(step, "__name__", type(step).__name__) for step in _steps(transform))
        words.append(f"prepared by the transform ({', '.join(steps)})")
    scaled = size if resize is None else resize
    if scaled is not None:
        words.append(f"resized to {_by(scaled)}")
    if resize is not None and size is not None and size != resize:
        words.append(f"cropped to {_by(size)}")
    if fields.get("mean") is not None and not is_identity(fields):
        words.append(f"normalised by {whose} mean and std")
    else:
        unknown = transform is not None and fields.get("mean") is None
        words.append("normalisation unknown" if unknown else "scaled to 0..1, not normalised")
    return ", ".join(words)


def is_identity(fields: Mapping[str, Any]) -> bool:
    """Tell whether pixels in [0, 1] are known to be fed as they are."""
    return fields.get("mean") == (0.0,) and fields.get("std") == (1.0,)


@dataclass(frozen=True)
class Then:
    """A transform that ends in pixels, with the normalisation after it."""

    transform: Callable[[Any], Any]
    normalise: Callable[[Tensor], Tensor]

    @property
    def transforms(self) -> tuple[Any, ...]:
        """What `sentence` names."""
        return (self.transform,)

    def __call__(self, image: Any) -> Any:
        """Normalise what is a tensor of pixels; a picture is left to whoever turns it into a tensor."""
        made = self.transform(image)
        return self.normalise(made) if isinstance(made, Tensor) and made.is_floating_point() else made


def _callable(transform: Any, channels: int | None) -> dict[str, Any]:
    """Look into a transform for its normalisation; where there is none to be seen, measure it."""
    fields: dict[str, Any] = {"transform": transform, "whose": "the transform's"}
    steps = [step for step in _steps(transform) if hasattr(step, "mean") and hasattr(step, "std")]
    if len(steps) == 1:
        fields |= {"mean": steps[0].mean, "std": steps[0].std}
    else:
        fields |= _measured(transform, "L" if channels == 1 else "RGB")
    if hasattr(transform, "resize_size") and hasattr(transform, "crop_size"):
        crop, resize = _edges(transform.crop_size), _edges(transform.resize_size)
        fields |= {"size": (crop, crop) if isinstance(crop, int) else crop, "resize": resize}
    return fields


def _measured(transform: Any, mode: str) -> dict[str, Any]:
    """Find mean and std from what becomes of a black, a white and a grey picture.

    The grey one only checks that the transform is a straight line from pixel to input; a random one is
    not, and one that refuses plain pictures cannot be asked: then nothing is known.
    """
    levels: list[Tensor] = []
    with torch.random.fork_rng(devices=[]):
        for level in (0, 255, 51):
            try:
                out = transform(Image.new("L", (256, 256), level).convert(mode))
            except Exception:
                return {}
            if isinstance(out, Image.Image) or getattr(out, "dtype", None) in (
                torch.uint8,
                np.dtype(np.uint8),
            ):
                return {"mean": (0.0,), "std": (1.0,)}
            if not isinstance(out, Tensor) or not out.is_floating_point() or out.ndim not in (3, 4):
                return {}
            levels.append(out[..., out.shape[-2] // 2, out.shape[-1] // 2].flatten().double())
    black, white, grey = levels
    if not bool((white > black).all()) or not torch.allclose(black + (white - black) / 5, grey, atol=1e-4):
        return {}
    std = 1 / (white - black)
    mean, std = ([round(v, 6) + 0.0 for v in values.tolist()] for values in (-black * std, std))
    if len({*mean}) == len({*std}) == 1:
        mean, std = mean[:1], std[:1]
    return {"mean": mean, "std": std}


def _steps(transform: Any) -> Iterator[Any]:
    """Walk through a `Compose`, however nested."""
    inner = getattr(transform, "transforms", None)
    if inner is None and isinstance(transform, torch.nn.Sequential):
        inner = transform
    if inner is None:
        yield transform
    else:
        for step in inner:
            yield from _steps(step)


def _hugging_face_normalisation(config: Mapping[str, Any]) -> dict[str, Any]:
    """Return mean and std for pixels in [0, 1], whatever factor the processor scales 0..255 by."""
    factor = config.get("rescale_factor") or 1 / 255
    gain = 255 * (factor if config.get("do_rescale") is not False else 1.0)
    mean, std = config.get("image_mean"), config.get("image_std")
    if config.get("do_normalize") is False or mean is None or std is None:
        mean, std = (None, None) if abs(gain - 1) < 1e-6 else ((0.0,), (1.0,))
    if mean is None or std is None or abs(gain - 1) < 1e-6:
        return {"mean": mean, "std": std}
    return {"mean": tuple(m / gain for m in mean), "std": tuple(s / gain for s in std)}


def _edges(size: Any) -> int | tuple[int, int] | None:
    """Return one number for the shorter side, two for height and width."""
    if size is None or isinstance(size, int):
        return size
    if isinstance(size, list | tuple):
        return int(size[0]) if len(size) == 1 else (int(size[0]), int(size[1]))
    keys = ("height", "width", "shortest_edge")
    edges = size if isinstance(size, Mapping) else {key: getattr(size, key, None) for key in keys}
    height, width, shortest = (edges.get(key) for key in keys)
    if height and width:
        return int(height), int(width)
    return int(shortest) if shortest else None


def _by(size: int | tuple[int, int]) -> str:
    return str(size) if isinstance(size, int) else f"{size[0]} x {size[1]}"
