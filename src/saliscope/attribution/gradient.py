"""Methods that read one gradient at the input."""

from abc import abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from typing import ClassVar

import torch
from torch import Tensor

from saliscope.attribution.base import Attribution, Question
from saliscope.attribution.cards import gradients as cards
from saliscope.attribution.layered import Layered
from saliscope.attribution.ruled import filled
from saliscope.core.anytime import Step
from saliscope.core.knobs import knob
from saliscope.specs.saliency import Card


class OneGradient(Layered):
    """A method whose value at a pixel is a function of the input and its gradient there."""

    @abstractmethod
    def _values(self, inputs: Tensor, gradient: Tensor) -> Tensor:
        """Attribution from a batch of inputs and their gradients."""

    def _steps(self, question: Question) -> Iterator[Step[Attribution]]:
        total = len(question)
        values: list[Tensor] = []
        scores: list[Tensor] = []

        def work(start: int, stop: int) -> tuple[Tensor, Tensor]:
            score, inputs, gradient = question.input_gradients(start, stop)
            return score, self._values(inputs, gradient)

        kind = "gradient" if self.layer is None else "tail"
        for _, stop, (score, part) in question.whole.chunked(work, total, kind):
            values.append(part)
            scores.append(score)
            if stop == total:
                question.know(torch.cat(scores))
            yield Step(partial(self._answer, question, tuple(values)), stop, total)

    def _answer(self, question: Question, parts: tuple[Tensor, ...]) -> Attribution:
        complete = sum(map(len, parts)) == len(question)
        return question.answer(self, filled(parts, len(question)), complete=complete)


@dataclass(frozen=True)
class Saliency(OneGradient):
    """The gradient of the score at the input (Simonyan et al. 2013, arXiv 1312.6034).

    ``|dF/dx|``: where the score would react most to a small change.

    Parameters
    ----------
    absolute : bool
        Absolute values, as in the paper. Without, the signed gradient.
    layer : str, optional
        Name of a layer at whose activations the gradient is taken: see `Layered`.
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
        Name of a layer whose activations are weighed instead, measured from zero: see `Layered`.
    """

    key: ClassVar[str] = "input_x_gradient"
    title: ClassVar[str] = "Input × gradient"
    summary: ClassVar[str] = (
        "A first-order guess at each pixel's contribution, as if the model were linear around the picture."
    )
    unit: ClassVar[str] = "score"
    card: ClassVar[Card] = cards.INPUT_X_GRADIENT
    family: ClassVar[str] = "Gradients"
    layer: str | None = None

    def _values(self, inputs: Tensor, gradient: Tensor) -> Tensor:
        return inputs * gradient
