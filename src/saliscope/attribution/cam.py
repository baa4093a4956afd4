"""Methods that read the maps of one layer: coarse, but about concepts rather than pixels."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from typing import ClassVar

import torch
from torch import Tensor, nn

from saliscope.attribution.base import Attribution, Method, Question
from saliscope.attribution.cards import cam as cards
from saliscope.attribution.knobs import knob
from saliscope.attribution.question import gradients_of
from saliscope.core.anytime import Step
from saliscope.core.borrow import untouched
from saliscope.core.layers import as_maps, find_layer, grid_of, recorded, tapped
from saliscope.errors import InputError, LayerError
from saliscope.specs.saliency import Card


@dataclass(frozen=True)
class GradCAM(Method):
    """Grad-CAM (Selvaraju et al. 2017, arXiv 1610.02391).

    ``sum over channels c of alpha_c A_c`` with ``alpha_c = mean over space of dF/dA_c``, enlarged bilinearly
    to the input's size. The signed sum is kept; the paper's ReLU is a view (``sign="positive"``).

    Parameters
    ----------
    layer : str, optional
        Name of the layer whose activations A are read. None: the last layer with a spatial output that the
        score depends on.
    """

    key: ClassVar[str] = "grad_cam"
    title: ClassVar[str] = "Grad-CAM"
    summary: ClassVar[str] = (
        "Which regions of a layer's map raised the score; as coarse as that layer's grid."
    )
    unit: ClassVar[str] = "mean gradient × activation"
    card: ClassVar[Card] = cards.GRAD_CAM
    family: ClassVar[str] = "Class activation maps"

    layer: str | None = knob(None, "layer")

    def _steps(self, question: Question) -> Iterator[Step[Attribution]]:
        if question.inputs.ndim != 4:
            _ = question.target  # if the model takes no such inputs, that comes first
            shape = tuple(question.inputs.shape)
            raise InputError("inputs", f"shape {shape}", "pictures (n, channels, height, width) for a CAM")
        name = self.layer if self.layer is not None else default_layer(question)
        name, layer = find_layer(question.borrowed.module, name)
        work = partial(_coarse_maps, question, layer, name)
        maps: list[Tensor] = []
        scores: list[Tensor] = []
        total = len(question.inputs)
        for _, stop, (part, score) in question.chunked(work, total, "tail"):
            maps.append(part)
            scores.append(score)
            if stop == total:
                question.know(torch.cat(scores))
            yield Step(partial(self._answer, question, name, tuple(maps)), stop, total)

    def _answer(self, question: Question, name: str, maps: tuple[Tensor, ...]) -> Attribution:
        coarse = torch.cat(maps)
        missing = len(question.inputs) - len(coarse)
        coarse = torch.nn.functional.pad(coarse, (0, 0, 0, 0, 0, 0, 0, missing))
        values = torch.nn.functional.interpolate(
            coarse, size=question.inputs.shape[2:], mode="bilinear", align_corners=False
        )
        grid = (coarse.shape[2], coarse.shape[3])
        return question.answer(self, values, layer=name, grid=grid, complete=missing == 0)


def default_layer(question: Question) -> str:
    """The last layer with a spatial output through which the score flows.

    A transformer's last block is passed over where only its class token reaches the score: the gradient at
    its patch tokens is zero.

    Raises
    ------
    LayerError
        If there is none.
    """
    picture, bind = question.picture, question.binder(0, 1)
    with untouched(question.borrowed.module), recorded(question.borrowed.module) as outputs:
        leaf = question.inputs[:1].detach().clone().requires_grad_()
        output = question.borrowed(leaf.clone())
        score = bind(output).score(output)
        last = None
        # One after the other: most often it is the last one, and the way back to it is short.
        for name, tensor in reversed(outputs.items()):
            if not tensor.requires_grad or not _is_grid(grid_of(tuple(tensor.shape), picture)):
                continue
            (gradient,) = gradients_of(score, (tensor,), keep_graph=True)
            if gradient is None:
                continue
            if bool(as_maps(gradient, picture).any()):
                return name
            last = last or name
    if last is not None:  # a score that is flat here: every layer gives the zero map
        return last
    raise LayerError(
        "layer",
        "a model in which no layer with a spatial output reaches the score",
        "a convolutional network or a vision transformer",
        "Name a layer, or choose a gradient method.",
    )


def spatial_layers(question: Question) -> list[str]:
    """Names of all layers whose output has a spatial grid, in the order in which they run."""
    with untouched(question.borrowed.module), torch.no_grad(), recorded(question.borrowed.module) as outputs:
        question.borrowed(question.inputs[:1].clone())
    return [
        name for name, tensor in outputs.items() if _is_grid(grid_of(tuple(tensor.shape), question.picture))
    ]


def _is_grid(grid: tuple[int, int] | None) -> bool:
    return grid is not None and min(grid) > 1


def _coarse_maps(
    question: Question, layer: nn.Module, name: str, start: int, stop: int
) -> tuple[Tensor, Tensor]:
    bind = question.binder(start, stop)
    with untouched(question.borrowed.module), tapped(layer) as tap:
        outputs = question.borrowed(question.inputs[start:stop].clone())
        score = bind(outputs).score(outputs)
        if tap.leaf is None:
            raise LayerError(
                "layer", f"'{name}', which put out no tensor", "a layer that runs in the forward pass"
            )
        (gradient,) = gradients_of(score, (tap.leaf,))
    if gradient is None:
        raise LayerError(
            "layer", f"'{name}', which the score does not depend on", "a layer on the way to the score"
        )
    weights = as_maps(gradient, question.picture).mean((2, 3), keepdim=True)
    maps = (weights * as_maps(tap.leaf.detach(), question.picture)).sum(1, keepdim=True)
    return maps, score.detach()
