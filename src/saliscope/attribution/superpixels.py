"""Superpixels: a picture cut into pieces that are kept or replaced as a whole."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from saliscope.attribution.question import Question
from saliscope.core.device import as_like
from saliscope.core.picture_space import PictureSpace
from saliscope.errors import MethodError


@dataclass(frozen=True)
class Superpixels:
    """The superpixels of a batch of pictures.

    Attributes
    ----------
    labels : Tensor of shape (n, height, width)
        Which superpixel each pixel belongs to, from 0.
    counts : tuple of int
        Number of superpixels of each picture.
    """

    labels: Int[Tensor, "n height width"]
    counts: tuple[int, ...]

    @classmethod
    def of(cls, question: Question, n_segments: int, segments: Any = None) -> "Superpixels":
        """Superpixels of a question's inputs: those that the user gave, or SLIC's.

        Raises
        ------
        InputError
            If the inputs are no pictures.
        MethodError
            If `segments` do not match them.
        """
        question.pictures("for superpixels")
        given = None if segments is None else _given(segments, tuple(question.inputs.shape))
        cut = [_slic(p, n_segments) for p in seen(question)] if given is None else given
        # Numbered from 0 without gaps, whatever labels came.
        parts = [np.unique(one, return_inverse=True)[1].reshape(one.shape) for one in cut]
        labels = torch.as_tensor(np.stack(parts), device=question.inputs.device)
        return cls(labels, tuple(int(part.max()) + 1 for part in parts))

    def where(self, rows: Tensor, kept: Bool[Tensor, "r m"]) -> Bool[Tensor, "r 1 height width"]:
        """The pixels that are kept where superpixels are: row ``i`` is about picture ``rows[i]``."""
        labels = self.labels.index_select(0, rows.to(self.labels.device))
        return kept.to(labels.device).gather(1, labels.flatten(1)).reshape(labels.shape)[:, None]

    def spread(self, values: Sequence[Tensor], like: Tensor) -> Float[Tensor, "n 1 height width"]:
        """Each superpixel's value shared out equally over its pixels, so that the sum stays what it was."""
        maps = []
        for labels, own in zip(self.labels.cpu(), values, strict=True):
            area = torch.bincount(labels.flatten(), minlength=len(own))
            maps.append((own / area)[labels])
        return as_like(torch.stack(maps)[:, None], like)


def seen(question: Question) -> list[np.ndarray]:
    """Each input as the picture that it shows: float64, (height, width, channels), values from 0 to 1.

    Rounded to bfloat16 first, which is as fine as 8 bits: so a picture is cut alike in every precision.
    """
    rounded = question.inputs.to(torch.bfloat16).cpu().double()
    pictures = PictureSpace(question.borrowed, rounded).to_picture(rounded)
    return [picture.permute(1, 2, 0).clamp(0, 1).numpy() for picture in pictures]


def _slic(picture: np.ndarray, n_segments: int) -> np.ndarray:
    height, width, channels = picture.shape
    if n_segments >= height * width:  # every pixel by itself
        return np.arange(height * width).reshape(height, width)
    from skimage.segmentation import slic  # half a second, and only superpixels need it

    # One channel is grey, three are colours; what is neither is compared as it is. Lab is 100 times wider.
    colours = picture.repeat(3, axis=2) if channels == 1 else picture
    lab = colours.shape[2] == 3
    cut = np.zeros((height, width), dtype=int)
    # In a noisy picture pieces of one colour are crumbs, which SLIC joins until one piece is left. The more
    # nearness counts beside colour, the closer to a grid.
    for nearness in (1, 10, 100, 1000):
        compactness = nearness * (10.0 if lab else 0.1)
        cut = slic(colours, n_segments, compactness, convert2lab=lab, start_label=0, channel_axis=-1)
        if 2 * len(np.unique(cut)) >= n_segments:
            break
    return cut


def _given(segments: Any, shape: tuple[int, ...]) -> np.ndarray:
    array = segments.detach().cpu().numpy() if isinstance(segments, Tensor) else np.asarray(segments)
    n_inputs, _, height, width = shape
    if array.dtype.kind not in "iub" or array.shape not in ((height, width), (n_inputs, height, width)):
        raise MethodError(
            "segments",
            f"{array.dtype} values of shape {array.shape}",
            f"an integer for each pixel: shape {(height, width)} or {(n_inputs, height, width)}",
            "Cut the picture at the size that the model is fed, or leave `segments` out.",
        )
    return np.broadcast_to(array, (n_inputs, height, width))
