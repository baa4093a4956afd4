"""Picture space of a batch of inputs, and blurring in it."""

import torch
from jaxtyping import Float
from torch import Tensor

from saliscope.core.borrow import Borrowed

_SLACK = 0.5 / 255
"""Half a step of 8 bits: what lies less than this beyond black or white is rounding."""


class PictureSpace:
    """Between pixel values in [0, 1] and what the model is fed.

    Where the normalisation is unknown, an input with values outside [0, 1] is stretched: its own smallest and
    largest value stand for 0 and 1, as in the picture that is shown of it.
    """

    def __init__(self, borrowed: Borrowed, inputs: Tensor) -> None:
        self._preprocessing = borrowed.preprocessing
        # Of each input by itself: its baseline may not depend on the inputs beside it.
        low, high = inputs.flatten(1).aminmax(dim=1)
        inside = (low >= -_SLACK) & (high <= 1 + _SLACK)
        span = torch.where(inside | (high == low), 1.0, high - low)
        shape = (-1, *[1] * (inputs.ndim - 1))
        self._low, self._span = torch.where(inside, 0.0, low).reshape(shape), span.reshape(shape)

    def to_picture(self, inputs: Tensor) -> Tensor:
        """From model space to pixel values."""
        if self._preprocessing.mean is not None:
            return self._preprocessing.to_picture_space(inputs)
        return (inputs - self._low) / self._span

    def to_model(self, pictures: Tensor) -> Tensor:
        """From pixel values to model space."""
        if self._preprocessing.mean is not None:
            return self._preprocessing.to_model_space(pictures)
        return pictures * self._span + self._low


def blur_matrix(size: int, sigma: float, like: Tensor) -> Float[Tensor, "size size"]:
    """What a row of pixels is multiplied by to be blurred by a Gaussian, its borders mirrored."""
    # Built in float64: the rows sum to one, so a constant picture stays itself at any sigma.
    if sigma == 0:
        return torch.eye(size, dtype=like.dtype, device=like.device)
    radius = int(4 * sigma + 0.5)
    offsets = torch.arange(-radius, radius + 1)
    kernel = torch.exp(-0.5 * (offsets.double() / sigma) ** 2)
    kernel /= kernel.sum()
    source = torch.arange(size)[:, None] + offsets[None, :]
    folded = source % (2 * size)
    folded = torch.where(folded >= size, 2 * size - 1 - folded, folded)
    matrix = torch.zeros(size, size, dtype=torch.float64)
    matrix.scatter_add_(1, folded, kernel.expand(size, -1).contiguous())
    return matrix.to(like)
