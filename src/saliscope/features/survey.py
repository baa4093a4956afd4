"""A first look at a network: which layers put out what, and how many rows fit at once."""

from dataclasses import dataclass

import torch
from torch import Tensor

from saliscope.core.borrow import Borrowed, untouched
from saliscope.core.layers import first_tensor, recorded
from saliscope.core.targets import class_scores
from saliscope.errors import ModelError, TargetError

_CPU_BYTES = 96 * 2**20
"""Outputs of all layers for the rows of one chunk, on a CPU: beyond, more rows cost more, not less."""

_GPU_SHARE = 0.2
_MOST_ROWS = 256


@dataclass(frozen=True)
class Survey:
    """What one forward pass tells.

    Attributes
    ----------
    shapes : dict of str to tuple of int
        Shape of one row of each layer's output, in the order in which the layers finished; layers without a
        tensor of floats, or with another first axis than the inputs, are left out.
    last : str
        The last layer before the model's own output; "", the model itself, if there is none.
    n_classes : int
        0 where the output is no list of classes.
    rows : int
        How many go through the model at once.
    """

    shapes: dict[str, tuple[int, ...]]
    last: str
    n_classes: int
    rows: int


def survey(borrowed: Borrowed, inputs: Tensor) -> Survey:
    """Send a few inputs through the model, and note what its layers put out.

    Parameters
    ----------
    borrowed : Borrowed
    inputs : Tensor of shape (n, ...)
        One or two are enough.

    Raises
    ------
    ModelError
        If the model does not run.
    """
    module, placed = borrowed.module, borrowed.place(inputs)
    scripted = any(isinstance(part, torch.jit.ScriptModule) for part in module.modules())
    with untouched(module), torch.no_grad():
        if scripted:  # takes no hooks
            output, outputs = borrowed(placed), {}
        else:
            with recorded(module) as outputs:
                output = borrowed(placed)
    usable = {name: value for name, value in outputs.items() if value.ndim and len(value) == len(inputs)}
    final = first_tensor(output)
    before = [name for name, value in usable.items() if value.ndim > 1 and not _same(value, final)]
    try:
        n_classes = class_scores(output).shape[1]
    except (TargetError, ModelError):
        n_classes = 0
    size = sum(value.numel() * value.element_size() for value in outputs.values()) // len(inputs)
    shapes = {name: tuple(value.shape[1:]) for name, value in usable.items()}
    return Survey(shapes, before[-1] if before else "", n_classes, _rows(size, placed.device))


def _same(value: Tensor, other: Tensor | None) -> bool:
    return other is not None and value.data_ptr() == other.data_ptr() and value.shape == other.shape


def _rows(size: int, device: torch.device) -> int:
    room = _CPU_BYTES
    if device.type == "cuda":
        room = int(torch.cuda.mem_get_info(device)[0] * _GPU_SHARE)
    return max(1, min(_MOST_ROWS, room // max(1, size)))
