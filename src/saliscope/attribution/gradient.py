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
from saliscope.specs.saliency import Card


class OneGradient(Method):
    """A method whose value at a pixel is a function of the input and its gradient there."""

    @abstractmethod
    def _values(self, inputs: Tensor, gradient: Tensor) -> Tensor:
        """Attribution from a batch of inputs and their gradients."""

    def _steps(self, question: Question) -> Iterator[Step[Attribution]]:
        points, total = question.inputs, len(question.inputs)
        values = torch.zeros_like(points)
        scores: list[Tensor] = []

        for start, stop, (score, gradient) in question.chunked(question.input_gradients, total):
            values[start:stop] = self._values(points[start:stop], gradient)
            scores.append(score)
            if stop == total:
                question.know(torch.cat(scores))
            yield Step(partial(self._answer, question, values, stop), stop, total)

    def _answer(self, question: Question, values: Tensor, done: int) -> Attribution:
        if done < len(values):
            values = torch.cat([values[:done], torch.zeros_like(values[done:])])
        return question.answer(self, values, complete=done == len(values))


@dataclass(frozen=True)
class Saliency(OneGradient):
    """The gradient of the score at the input (Simonyan et al. 2013, arXiv 1312.6034).

    ``|dF/dx|``: where the score would react most to a small change.

    Parameters
    ----------
    absolute : bool
        Absolute values, as in the paper. Without, the signed gradient.
    """

    key: ClassVar[str] = "saliency"
    title: ClassVar[str] = "Saliency (gradient)"
    summary: ClassVar[str] = (
        "Where a small change of a pixel would change the score most; not how much it contributed."
    )
    unit: ClassVar[str] = "score per unit of input"
    card: ClassVar[Card] = cards.SALIENCY
    family: ClassVar[str] = "Gradients"
    absolute: bool = knob(True, "absolute values")

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
    """

    key: ClassVar[str] = "input_x_gradient"
    title: ClassVar[str] = "Input × gradient"
    summary: ClassVar[str] = (
        "A first-order guess at each pixel's contribution, as if the model were linear around the picture."
    )
    unit: ClassVar[str] = "score"
    card: ClassVar[Card] = cards.INPUT_X_GRADIENT
    family: ClassVar[str] = "Gradients"

    def _values(self, inputs: Tensor, gradient: Tensor) -> Tensor:
        return inputs * gradient
