"""A question to an engine: a model, inputs and a score, checked; and how the model is run to answer it."""

import re
from collections.abc import Callable
from contextlib import AbstractContextManager, ExitStack, nullcontext
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from saliscope.attribution.result import Attribution
from saliscope.core.batching import ChunkSize, is_out_of_memory
from saliscope.core.borrow import Borrowed, untouched
from saliscope.core.device import wide
from saliscope.core.query import Query, check_score
from saliscope.core.targets import ResolvedTarget
from saliscope.errors import ModelError, SaliscopeError, TargetError

if TYPE_CHECKING:
    from saliscope.attribution.base import Method

Around = Callable[[], AbstractContextManager[Any]]


class Question(Query):
    """A `Query` that is answered by an `Attribution`, from gradients too. Same parameters and errors."""

    layer: str | None = None
    part: nn.Module | None = None

    @classmethod
    def again(
        cls, attribution: Attribution, model: nn.Module | Borrowed, chunk_size: ChunkSize
    ) -> "Question":
        """The question that `attribution` answers; the model is not asked anew."""
        question = cls(model, attribution.inputs, attribution.target, chunk_size)
        question.know(attribution.score)
        return question

    @property
    def whole(self) -> "Question":
        """The question about the whole model: this one, or the one that a layer's is part of."""
        return self

    def lifted(self, pictures: Tensor) -> Tensor:
        """What stands in the place of other inputs, any number of them: for a layer its activations there."""
        return pictures

    def maps(self, values: Tensor) -> Tensor:
        """What a picture of such values shows, for each row: their sum over the channels."""
        return values.sum(1)

    def binder(self, start: int, stop: int) -> Callable[[Any], ResolvedTarget]:
        """How the target of the inputs `start` to `stop` follows from the model's output at them.

        If these are all inputs and nobody has asked before, the target is bound to that very output: this
        spares a forward pass.
        """
        if self._target is not None or (start, stop) != (0, len(self.inputs)):
            target = self.target.rows(torch.arange(start, stop))
            return lambda outputs: target

        def bind(outputs: Any) -> ResolvedTarget:
            self._target = self._bound(outputs, start, stop)
            return self._target

        return bind

    def gradients(
        self, points: Tensor, rows: Tensor, around: Around = nullcontext, to_score: bool = False
    ) -> tuple[Tensor, Tensor]:
        """Score and its gradient at `points`, where point ``i`` belongs to input ``rows[i]``.

        The model runs inside ``around()``, which may replace the gradient of its operations; the way from its
        output to the score is no operation of the model, and inside only if `to_score`.

        Raises
        ------
        TargetError
            If the score does not depend on the inputs, or is not finite.
        ModelError
            If the model raises, in its forward or backward pass.
        """
        target = self.target.rows(rows)
        return self._gradients(points, rows, lambda outputs: target, around, to_score)

    def input_gradients(
        self, start: int, stop: int, around: Around = nullcontext
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Score of the inputs `start` to `stop`, these inputs, and the score's gradient at them.

        As of `gradients`, but the target is bound on the way. For a layer, its activations are the inputs.
        """
        return self._at_inputs(torch.arange(start, stop), self.binder(start, stop), around, False)

    def row_gradients(
        self, rows: Tensor, around: Around = nullcontext, to_score: bool = False
    ) -> tuple[Tensor, Tensor, Tensor]:
        """`input_gradients` of any inputs, also repeated ones."""
        target = self.target.rows(rows)
        return self._at_inputs(rows, lambda outputs: target, around, to_score)

    def _at_inputs(
        self, rows: Tensor, bind: Callable[[Any], ResolvedTarget], around: Around, to_score: bool
    ) -> tuple[Tensor, Tensor, Tensor]:
        points = self.inputs[rows]
        score, gradient = self._gradients(points, rows, bind, around, to_score)
        return score, points, gradient

    def _gradients(
        self,
        points: Tensor,
        rows: Tensor,
        bind: Callable[[Any], ResolvedTarget],
        around: Around,
        to_score: bool,
    ) -> tuple[Tensor, Tensor]:
        with untouched(self.borrowed.module), ExitStack() as inside:
            leaf = points.detach().clone().requires_grad_()
            inside.enter_context(around())
            outputs = self._outputs(leaf, rows)
            score = scored(outputs, bind, inside, to_score)
            (gradient,) = gradients_of(score, (leaf,))
        if gradient is None:
            raise self._no_gradient()
        return score.detach(), gradient

    def _no_gradient(self) -> SaliscopeError:
        return TargetError(
            "target",
            f"the score '{self.target.labels[0]}', which does not depend on the input",
            "a score that can be differentiated",
            "argmax, detach, rounding and integer outputs cut the gradient, as does torch.no_grad in the "
            "model's own code: explain a score before them, or take them out.",
        )

    def answer(self, method: "Method", values: Tensor, **details: Any) -> Attribution:
        """An `Attribution` to this question; `details` are its other fields."""
        notes = list(details.pop("notes", ()))
        if values.dtype != self.inputs.dtype or self.inputs.dtype in (torch.float16, torch.bfloat16):
            notes.append(
                f"The model computed in {str(self.inputs.dtype).removeprefix('torch.')}: about 3 digits hold."
            )
        return Attribution(
            values=values.to(wide(values.dtype)),  # a sum over channels in half precision would lose digits
            signed=method.signed,
            unit=_in_words(details.pop("unit", method.unit), self.target),
            score=self.score,
            target=self.target,
            method=method,
            inputs=self.inputs,
            notes=tuple(dict.fromkeys(notes)),
            **details,
        )


def _in_words(unit: str, target: ResolvedTarget) -> str:
    """A unit with the kind of score for "score": what is measured in logits is no share of a probability."""
    kind = "score" if target.function is not None else target.output.replace("_", " ")
    return re.sub(r"\bscore\b", kind, unit)


def gradients_of(
    score: Tensor, points: tuple[Tensor, ...], keep_graph: bool = False
) -> tuple[Tensor | None, ...]:
    """Gradient of each row's score at its row of each of `points`; None where no graph leads there.

    Raises
    ------
    TargetError
        If a score is not finite.
    ModelError
        If the backward pass raises.
    """
    gradients: tuple[Tensor | None, ...] = (None,) * len(points)
    if score.requires_grad and points:
        try:
            gradients = torch.autograd.grad(score.sum(), points, retain_graph=keep_graph, allow_unused=True)
        except Exception as error:
            if is_out_of_memory(error):
                raise
            raise _backward_error(error) from error
    check_score(score)
    return gradients


def scored(outputs: Any, bind: Callable[[Any], ResolvedTarget], inside: ExitStack, to_score: bool) -> Tensor:
    """The score of a run; it is computed `inside` of what the model ran in only if asked."""
    if not to_score:
        inside.close()
    score = bind(outputs).score(outputs)
    inside.close()
    return score


def _backward_error(error: Exception) -> ModelError:
    """What a failed backward pass means in words."""
    if "checkpoint" not in str(error):
        got = f"{type(error).__name__} in the backward pass: {error}"
        return ModelError("model", got, "a score that can be differentiated")
    return ModelError(
        "model",
        f"{type(error).__name__} from its activation checkpoints, which run it again on the way back",
        "a model that keeps its activations",
        "Switch it off: model.gradient_checkpointing_disable() in transformers, "
        "model.set_grad_checkpointing(False) in timm.",
    )
