"""Methods that read one gradient at the input."""

from abc import abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from typing import ClassVar

import torch
from torch import Tensor

from saliscope.attribution.base import Attribution, Method, Question
from saliscope.attribution.cards import gradients as cards
from saliscope.attribution.knobs import knob
from saliscope.core.anytime import Step
from saliscope.core.layers import as_maps, enlarged
from saliscope.specs.saliency import Card


class OneGradient(Method):
    """A method whose value at a pixel is a function of the input and its gradient there.

    With a `layer`, that layer's activations stand in the input's place.
    """

    layer: str | None = None
    unit_of_layer: ClassVar[str]

    @abstractmethod
    def _values(self, inputs: Tensor, gradient: Tensor) -> Tensor:
        """Attribution from a batch of inputs and their gradients."""

    def _steps(self, question: Question) -> Iterator[Step[Attribution]]:
        total = len(question.inputs)
        values: list[Tensor] = []
        scores: list[Tensor] = []

        def work(start: int, stop: int) -> tuple[Tensor, Tensor]:
            if self.layer is None:
                score, gradient = question.input_gradients(start, stop)
                return score, self._values(question.inputs[start:stop], gradient)
            question.pictures("for the map of a layer")
            score, activations, gradient = question.layer_gradients(self.layer, start, stop)
            as_maps(gradient, question.picture)  # a layer without a grid is refused here
            return score, self._values(activations, gradient)

        kind = "gradient" if self.layer is None else "tail"
        for _, stop, (score, part) in question.chunked(work, total, kind):
            values.append(part)
            scores.append(score)
            if stop == total:
                question.know(torch.cat(scores))
            yield Step(partial(self._answer, question, tuple(values)), stop, total)

    def _answer(self, question: Question, parts: tuple[Tensor, ...]) -> Attribution:
        values = torch.cat(parts)
        missing = len(question.inputs) - len(values)
        values = torch.cat([values, values.new_zeros(missing, *values.shape[1:])])
        if self.layer is None:
            return question.answer(self, values, complete=missing == 0)
        coarse = as_maps(values, question.picture).sum(1, keepdim=True)
        return question.answer(
            self,
            enlarged(coarse, question.picture),
            unit=self.unit_of_layer,
            layer=self.layer,
            grid=(coarse.shape[2], coarse.shape[3]),
            units=values,
            complete=missing == 0,
        )


@dataclass(frozen=True)
class Saliency(OneGradient):
    """The gradient of the score at the input (Simonyan et al. 2013, arXiv 1312.6034).

    ``|dF/dx|``: where the score would react most to a small change.

    Parameters
    ----------
    absolute : bool
        Absolute values, as in the paper. Without, the signed gradient.
    layer : str, optional
        Name of a layer at whose activations the gradient is taken: their sum over the channels, enlarged
        bilinearly to the input's size; `Attribution.units` has each one's own. None: at the input.
    """

    key: ClassVar[str] = "saliency"
    title: ClassVar[str] = "Saliency (gradient)"
    summary: ClassVar[str] = (
        "Where a small change of a pixel would change the score most; not how much it contributed."
    )
    unit: ClassVar[str] = "score per unit of input"
    card: ClassVar[Card] = cards.SALIENCY
    family: ClassVar[str] = "Gradients"
    unit_of_layer: ClassVar[str] = "score per unit of activation"
    absolute: bool = knob(True, "absolute values")
    # Without a knob: a layer chosen for a CAM shall not turn this map into another one.
    layer: str | None = None

    @property
    def signed(self) -> bool:
        """Absolute values carry no sign."""
        return not self.absolute

    def _values(self, inputs: Tensor, gradient: Tensor) -> Tensor:
        return gradient.abs() if self.absolute else gradient


@dataclass(frozen=True)
class InputXGradient(OneGradient):
    """Input times gradient (Shrikumar et al. 2016, arXiv 1605.01713): ``x * dF/dx``.

    The first-order share of each pixel in the score, measured from a zero input in model space.

    Parameters
    ----------
    layer : str, optional
        Name of a layer whose activations are weighed instead, measured from zero: see `Saliency`.
    """

    key: ClassVar[str] = "input_x_gradient"
    title: ClassVar[str] = "Input × gradient"
    summary: ClassVar[str] = (
        "A first-order guess at each pixel's contribution, as if the model were linear around the picture."
    )
    unit: ClassVar[str] = "score"
    card: ClassVar[Card] = cards.INPUT_X_GRADIENT
    family: ClassVar[str] = "Gradients"
    unit_of_layer: ClassVar[str] = "score"
    layer: str | None = None

    def _values(self, inputs: Tensor, gradient: Tensor) -> Tensor:
        return inputs * gradient
