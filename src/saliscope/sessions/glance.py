"""The model's plain answer to one picture: what the menus and the list of predictions need."""

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.parameter import is_lazy

from saliscope.attribution.base import Question
from saliscope.attribution.cam import spatial_layers
from saliscope.core.batching import ChunkSize
from saliscope.core.borrow import Borrowed, untouched
from saliscope.core.targets import ResolvedTarget, Target, class_scores, resolve
from saliscope.errors import ModelError, TargetError
from saliscope.sessions.answers import Request
from saliscope.specs.saliency import Probability

TOP = 5
"""Predictions that are listed."""


class Glance:
    """One forward pass.

    Parameters
    ----------
    borrowed : Borrowed
    inputs : Tensor of shape (1, channels, height, width)
        In model space.

    Attributes
    ----------
    inputs : Tensor of shape (1, channels, height, width)
    outputs : Any
        What the model returned.
    n_classes : int
        0 where the output is no list of classes, as a segmentation model's: a function explains it.
    probabilities : tuple of Probability
        The strongest predictions.
    """

    def __init__(self, borrowed: Borrowed, inputs: Tensor) -> None:
        self.inputs = inputs
        self._borrowed = borrowed
        with untouched(borrowed.module), torch.no_grad():
            self.outputs: Any = borrowed(borrowed.place(inputs).clone())
        self.n_classes, self.probabilities = 0, ()
        try:
            logits = class_scores(self.outputs)[0].float()
        except (TargetError, ModelError):
            return
        self.n_classes = len(logits)
        p = _probabilities(logits[None])[0]
        top = p.topk(min(TOP, len(p)))
        self.probabilities = tuple(
            Probability(int(i), borrowed.label(int(i)), float(v))
            for v, i in zip(top.values, top.indices, strict=True)
        )

    def resolve(self, request: Request) -> ResolvedTarget:
        """Bind the request's target to what the model returned.

        Raises
        ------
        TargetError
            If it does not fit.
        """
        target = request.target
        if not isinstance(target, (Target, ResolvedTarget)):
            target = Target(target, request.output)  # type: ignore[arg-type]
        if target.layer is not None:  # what was kept is the model's own output
            return Question(self._borrowed, self.inputs, target, 1).target
        return resolve(target, self.outputs, 1, self._borrowed.label, self._borrowed.labels)


def probabilities_of(borrowed: Borrowed, points: Tensor, chunk_size: ChunkSize) -> Tensor:
    """Probabilities of all classes at each of `points`, of shape (n, n_classes).

    Raises
    ------
    TargetError, ModelError
        If the model's output is no list of classes.
    """
    any_score = ResolvedTarget("logit", None, None, lambda outputs: outputs, ("",))
    question = Question(borrowed, points, any_score, chunk_size)

    def work(start: int, stop: int) -> Tensor:
        with untouched(borrowed.module), torch.no_grad():
            return class_scores(borrowed(question.inputs[start:stop].clone())).float().cpu()

    return _probabilities(torch.cat([part for _, _, part in question.chunked(work, len(points), "forward")]))


def _probabilities(logits: Tensor) -> Tensor:
    return logits.softmax(1) if logits.shape[1] > 1 else logits.sigmoid()


def version_of(module: nn.Module) -> tuple[tuple[int, int], ...]:
    """What changes when weights are trained, loaded or replaced."""
    tensors = (*module.parameters(), *module.buffers())
    # Lazy tensors and those of inference mode count no versions.
    return tuple((id(t), 0 if is_lazy(t) or t.is_inference() else t._version) for t in tensors)


def layers_of(borrowed: Borrowed, inputs: Tensor, chunk_size: ChunkSize) -> tuple[str, ...]:
    """Names of the layers that a CAM can read."""
    if any(isinstance(part, torch.jit.ScriptModule) for part in borrowed.module.modules()):
        return ()  # TorchScript takes no hooks
    any_score = ResolvedTarget("logit", None, None, lambda outputs: outputs, ("",))
    return tuple(spatial_layers(Question(borrowed, inputs, any_score, chunk_size)))
