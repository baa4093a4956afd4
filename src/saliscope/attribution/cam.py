"""Methods that read the maps of one layer: coarse, but about concepts rather than pixels."""

from abc import abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from saliscope.attribution.base import Attribution, Method, Question
from saliscope.attribution.cards import cam as cards
from saliscope.attribution.layered import LayerQuestion
from saliscope.attribution.question import gradients_of
from saliscope.core.anytime import Step
from saliscope.core.batching import Kind
from saliscope.core.borrow import untouched
from saliscope.core.knobs import knob
from saliscope.core.layers import as_maps, enlarged, find_layer, grid_of, recorded
from saliscope.errors import LayerError
from saliscope.specs.saliency import Card


@dataclass(frozen=True)
class LayerMaps(Method):
    """A method that reads the maps A of one layer, and enlarges what it makes of them to the input's size.

    Parameters
    ----------
    layer : str, optional
        Name of the layer whose activations A are read. None: the last layer with a spatial output that the
        score depends on.
    """

    family: ClassVar[str] = "Class activation maps"

    layer: str | None = knob(None, "layer")

    def _steps(self, question: Question) -> Iterator[Step[Attribution]]:
        question.pictures("for a CAM")
        _check_hooks(question.borrowed.module, self.layer)
        name = self.layer if self.layer is not None else default_layer(question)
        yield from self._read(question, *find_layer(question.borrowed.module, name))

    @abstractmethod
    def _read(self, question: Question, name: str, layer: nn.Module) -> Iterator[Step[Attribution]]:
        """Answer a question from a layer."""

    def _answer(self, question: Question, name: str, maps: Sequence[Tensor], complete: bool) -> Attribution:
        """What the maps (n, 1, h, w) of the first inputs come to; the others are empty so far."""
        coarse = torch.cat(list(maps))
        grid = (coarse.shape[2], coarse.shape[3])
        values = enlarged(coarse, question.picture)
        values = F.pad(values, (0, 0, 0, 0, 0, 0, 0, len(question.inputs) - len(values)))
        notes = (_SILENT,) if complete and not coarse.any() else ()
        return question.answer(self, values, layer=name, grid=grid, complete=complete, notes=notes)


_SILENT = (
    "No place of this layer reaches the score: behind the last attention of a transformer "
    "only its class token does. An earlier layer may."
)


class OneRun(LayerMaps):
    """A method whose map of an input takes one run of the network."""

    _kind: ClassVar[Kind] = "forward"

    def _read(self, question: Question, name: str, layer: nn.Module) -> Iterator[Step[Attribution]]:
        work = partial(self._coarse, question, name)
        maps: list[Tensor] = []
        scores: list[Tensor] = []
        total = len(question.inputs)
        for _, stop, (part, score) in question.chunked(work, total, self._kind):
            maps.append(part)
            scores.append(score)
            if stop == total:
                question.know(torch.cat(scores))
            yield Step(partial(self._answer, question, name, tuple(maps), stop == total), stop, total)

    @abstractmethod
    def _coarse(self, question: Question, name: str, start: int, stop: int) -> tuple[Tensor, Tensor]:
        """Maps (n, 1, h, w) and scores (n,) of the inputs `start` to `stop`."""


class _OfGradients(OneRun):
    """A method that weighs a layer's maps A by the gradient of the score there."""

    _kind: ClassVar[Kind] = "tail"

    def _coarse(self, question: Question, name: str, start: int, stop: int) -> tuple[Tensor, Tensor]:
        score, activations, gradient = LayerQuestion(question, name).input_gradients(start, stop)
        maps = as_maps(activations, question.picture)
        weights = self._weights(maps, as_maps(gradient, question.picture))
        return (weights * maps).sum(1, keepdim=True), score

    @abstractmethod
    def _weights(self, maps: Tensor, gradient: Tensor) -> Tensor:
        """What each channel counts, (n, c, 1, 1), or each of its places, (n, c, h, w)."""


@dataclass(frozen=True)
class GradCAM(_OfGradients):
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

    def _weights(self, maps: Tensor, gradient: Tensor) -> Tensor:
        return gradient.mean((2, 3), keepdim=True)


@dataclass(frozen=True)
class GradCAMPlusPlus(_OfGradients):
    """Grad-CAM++ (Chattopadhyay et al. 2017, arXiv 1710.11063).

    ``sum over channels c of w_c A_c`` with ``w_c = sum over space of alpha ReLU(dF/dA_c)``. The paper
    explains ``exp(F)`` behind piecewise linear layers, where its ratio of second and third derivatives is
    ``alpha = 1 / (2 + S_c dF/dA_c)``, ``S_c`` the sum of the channel. Its common factor ``exp(F)`` scales the
    whole map and is left out. The ReLU of the gradient is part of the weights; the outer one is a view.

    Parameters
    ----------
    layer : str, optional
        As in `GradCAM`.
    """

    key: ClassVar[str] = "grad_cam_plus_plus"
    title: ClassVar[str] = "Grad-CAM++"
    summary: ClassVar[str] = (
        "As Grad-CAM, but a channel counts by the places that raise the score, however few they are."
    )
    unit: ClassVar[str] = "weight × activation"
    card: ClassVar[Card] = cards.GRAD_CAM_PLUS_PLUS

    def _weights(self, maps: Tensor, gradient: Tensor) -> Tensor:
        divisor = 2 + maps.sum((2, 3), keepdim=True) * gradient
        counts = (gradient > 0) & (divisor != 0)
        return torch.where(counts, gradient / divisor, 0).sum((2, 3), keepdim=True)


@dataclass(frozen=True)
class HiResCAM(_OfGradients):
    """HiRes-CAM (Draelos and Carin 2020, arXiv 2011.08891): ``sum over channels c of dF/dA_c * A_c``.

    Gradient times activation at the layer, place by place: no mean over space that could mark what the model
    did not use. The signed sum is kept, as in the paper.

    Parameters
    ----------
    layer : str, optional
        As in `GradCAM`.
    """

    key: ClassVar[str] = "hires_cam"
    title: ClassVar[str] = "HiRes-CAM"
    summary: ClassVar[str] = (
        "What each place of a layer's map contributed to the score, as if all behind it were linear."
    )
    unit: ClassVar[str] = "score per cell of the layer"
    card: ClassVar[Card] = cards.HIRES_CAM

    def _weights(self, maps: Tensor, gradient: Tensor) -> Tensor:
        return gradient


@dataclass(frozen=True)
class LayerCAM(_OfGradients):
    """Layer-CAM (Jiang et al. 2021, doi 10.1109/TIP.2021.3089943).

    ``sum over channels c of ReLU(dF/dA_c) * A_c``: HiRes-CAM without the places where more activation would
    lower the score. That ReLU is part of the weights; the outer one is a view, and changes nothing behind a
    ReLU.

    Parameters
    ----------
    layer : str, optional
        As in `GradCAM`.
    """

    key: ClassVar[str] = "layer_cam"
    title: ClassVar[str] = "Layer-CAM"
    summary: ClassVar[str] = (
        "Where a layer's activations raised the score; of the layers that can be read also the early ones."
    )
    unit: ClassVar[str] = "score per cell of the layer"
    card: ClassVar[Card] = cards.LAYER_CAM

    def _weights(self, maps: Tensor, gradient: Tensor) -> Tensor:
        return gradient.relu()


def _check_hooks(model: nn.Module, layer: str | None) -> None:
    """Refuse a model whose layers cannot be listened to.

    Parameters
    ----------
    model : nn.Module
    layer : str or None
        The one that is read; None for any of them.

    Raises
    ------
    LayerError
        If there is a part that takes no hooks, or runs without them: the one that is read, or any.
    """
    parts = list(model.modules()) if layer is None else [find_layer(model, layer)[1]]
    names = [layer] if layer is not None else [name for name, _ in model.named_modules()]
    if any(isinstance(part, torch.jit.ScriptModule) for part in parts):
        got, way_out = "a layer of TorchScript, which takes no hooks", "Pass the model from before torch.jit."
    elif any("_orig_mod" in name.split(".") for name in names):
        got, way_out = "a layer of a compiled model, which may run without hooks", "Pass model._orig_mod."
    else:
        return
    raise LayerError("layer", got, "a layer of a model in PyTorch itself", way_out)


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
        "a convolutional network or a vision transformer whose layers are modules, such as nn.Conv2d",
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
