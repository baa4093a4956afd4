"""What the methods share that replace the gradient of operations."""

from abc import abstractmethod
from collections.abc import Iterator
from contextlib import AbstractContextManager
from functools import partial
from typing import Any, ClassVar

import torch
from torch import Tensor

from saliscope.attribution.base import Attribution, Question
from saliscope.attribution.layered import Layered
from saliscope.core.anytime import Step
from saliscope.core.coverage import Coverage
from saliscope.core.ops import Rewriter


class RuledGradient(Layered):
    """A method whose value at a pixel is a function of the input and a modified gradient there."""

    family: ClassVar[str] = "Rules"

    @abstractmethod
    def _rewriter(self, question: Question) -> Rewriter:
        """The rules, for the whole question."""

    def _around(self, rewriter: Rewriter) -> AbstractContextManager[Any]:
        """In which the model runs, for one chunk of rows."""
        return rewriter.run()

    def _start(self, question: Question) -> Question:
        """The question whose score the modified gradient starts from."""
        return question

    def _values(self, inputs: Tensor, gradient: Tensor, score: Tensor) -> Tensor:
        """Attribution from a batch of inputs, their modified gradients and their scores."""
        return gradient

    def _steps(self, question: Question) -> Iterator[Step[Attribution]]:
        rewriter, total, asked = self._rewriter(question), len(question), self._start(question)
        values: list[Tensor] = []
        scores: list[Tensor] = []

        def work(start: int, stop: int) -> tuple[Tensor, Tensor]:
            score, inputs, gradient = asked.input_gradients(start, stop, partial(self._around, rewriter))
            return score, self._values(inputs, gradient, score)

        for _, stop, (score, part) in question.whole.chunked(work, total):
            values.append(part)
            scores.append(score)
            if stop == total and asked is question:
                question.know(torch.cat(scores))
            answer = partial(self._answer, question, tuple(values), rewriter.coverage)
            yield Step(answer, stop, total)

    def _answer(self, question: Question, parts: tuple[Tensor, ...], coverage: Coverage) -> Attribution:
        values = filled(parts, len(question))
        complete = sum(map(len, parts)) == len(values)
        return question.answer(
            self, values, coverage=coverage, complete=complete, notes=self._notes(question)
        )

    def _notes(self, question: Question) -> tuple[str, ...]:
        """Caveats of this very answer."""
        return ()


def filled(parts: tuple[Tensor, ...], total: int) -> Tensor:
    """Consecutive rows, with zeros for those that are still to come."""
    values = torch.cat(parts)
    return torch.cat([values, values.new_zeros(total - len(values), *values.shape[1:])])
