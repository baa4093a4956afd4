"""The model's plain answer to one picture: what the menus and the list of predictions need."""

from typing import Any

import torch
from torch import Tensor, nn

from saliscope.attribution.base import Question
from saliscope.attribution.cam import spatial_layers
from saliscope.core.batching import ChunkSize
from saliscope.core.borrow import Borrowed, untouched
from saliscope.core.targets import ResolvedTarget, class_scores
from saliscope.errors import ModelError, TargetError
from saliscope.specs.saliency import Probability

_TOP = 5


class Glance:
    """One forward pass.

    Parameters
    ----------
    borrowed : Borrowed
    inputs : Tensor of shape (1, channels, height, width)
        In model space.

    Attributes
    ----------
    outputs : Any
        What the model returned.
    n_classes : int
        0 where the output is no list of classes, as a segmentation model's: a function explains it.
    probabilities : tuple of Probability
        The strongest predictions.
    """

    def __init__(self, borrowed: Borrowed, inputs: Tensor) -> None:
        with untouched(borrowed.module), torch.no_grad():
            self.outputs: Any = borrowed(borrowed.place(inputs).clone())
        self.n_classes, self.probabilities = 0, ()
        try:
            logits = class_scores(self.outputs)[0].float()
        except (TargetError, ModelError):
            return
        self.n_classes = len(logits)
        p = logits.softmax(0) if len(logits) > 1 else logits.sigmoid()
        top = p.topk(min(_TOP, len(p)))
        self.probabilities = tuple(
            Probability(int(i), borrowed.label(int(i)), float(v))
            for v, i in zip(top.values, top.indices, strict=True)
        )


def version_of(module: nn.Module) -> tuple[tuple[int, int], ...]:
    """What changes when weights are trained, loaded or replaced."""
    tensors = (*module.parameters(), *module.buffers())
    return tuple((id(tensor), 0 if tensor.is_inference() else tensor._version) for tensor in tensors)


def layers_of(borrowed: Borrowed, inputs: Tensor, chunk_size: ChunkSize) -> tuple[str, ...]:
    """Names of the layers that a CAM can read."""
    any_score = ResolvedTarget("logit", None, None, lambda outputs: outputs, ("",))
    return tuple(spatial_layers(Question(borrowed, inputs, any_score, chunk_size)))
