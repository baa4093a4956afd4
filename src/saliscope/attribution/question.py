"""A question to an engine: a model, inputs and a score, checked; and how the model is run to answer it."""

import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, nullcontext
from dataclasses import replace
from typing import TYPE_CHECKING, Any, TypeVar

import torch
from jaxtyping import Float
from torch import Tensor, nn

from saliscope.attribution.result import Attribution
from saliscope.core.batching import ChunkSize, Kind, chunks, is_out_of_memory
from saliscope.core.borrow import Borrowed, as_borrowed, untouched
from saliscope.core.device import wide
from saliscope.core.targets import ResolvedTarget, Target, resolve
from saliscope.errors import InputError, ModelError, SaliscopeError, TargetError

if TYPE_CHECKING:
    from saliscope.attribution.base import Method

R = TypeVar("R")
Around = Callable[[], AbstractContextManager[Any]]


class Question:
    """A model, inputs and a target: everything that is asked of an engine, checked.

    Parameters
    ----------
    model : nn.Module or Borrowed
    inputs : Tensor of shape (n, ...)
        Batch of inputs in model space.
    target : see `saliscope.Target`
    chunk_size : int or "auto"

    Raises
    ------
    InputError
        If the inputs are no finite floating batch.
    TargetError
        If the target does not fit the model's output.
    ModelError
        If the model raises.
    """

    layer: str | None = None
    part: nn.Module | None = None

    def __init__(
        self, model: nn.Module | Borrowed, inputs: Tensor, target: Any, chunk_size: ChunkSize
    ) -> None:
        self._asked = Target.of(target)
        # The score of a layer's unit reads that layer's output, in the place of the model's own.
        self.borrowed = as_borrowed(model).reading(self._asked.layer)
        self.chunk_size: ChunkSize = chunk_size
        check_inputs(inputs)
        self.inputs = self.borrowed.place(inputs)
        if isinstance(self._asked, Target):
            self._asked = self._asked.on(tuple(self.inputs.shape))
        self._target = self._asked if isinstance(self._asked, ResolvedTarget) else None
        self._score: Tensor | None = None

    @classmethod
    def again(
        cls, attribution: Attribution, model: nn.Module | Borrowed, chunk_size: ChunkSize
    ) -> "Question":
        """The question that `attribution` answers; the model is not asked anew."""
        question = cls(model, attribution.inputs, attribution.target, chunk_size)
        question.know(attribution.score)
        return question

    def __len__(self) -> int:
        """Number of inputs."""
        return len(self.inputs)

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

    @property
    def target(self) -> ResolvedTarget:
        """The target, bound to the model's output at the inputs; the model is run for it if it must be."""
        if self._target is None:
            self._target, self._score = self._ask()
        return self._target

    @property
    def output(self) -> str:
        """Kind of score that is asked for; the model is not run for it."""
        return self._asked.output

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

    def know(self, score: Tensor) -> None:
        """Take the score at the inputs from a computation that had it anyway."""
        self._score = score

    @property
    def score(self) -> Float[Tensor, " n"]:
        """Score at the inputs."""
        if self._target is None:
            self._target, self._score = self._ask()
        if self._score is None:
            self._score = self.scores(self.inputs)
        return self._score

    def scores(self, points: Tensor) -> Tensor:
        """Score of each of `points`, which stand for the inputs in order; no graph is built."""

        def work(start: int, stop: int) -> Tensor:
            return self.scores_at(points[start:stop], torch.arange(start, stop))

        return torch.cat([r for _, _, r in self.chunked(work, len(points), "forward")])

    def scores_at(self, points: Tensor, rows: Tensor) -> Tensor:
        """Score at `points`, all at once, without a graph; point ``i`` belongs to input ``rows[i]``."""
        target = self.target.rows(rows)
        with untouched(self.borrowed.module), torch.no_grad():
            return target.score(self._outputs(points, rows)).detach()

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

    def _outputs(self, points: Tensor, rows: Tensor) -> Any:
        """What the model gives for `points`, of the inputs `rows`."""
        # A copy: a model that works in place on its input may not write into a leaf.
        return self.borrowed(points.clone())

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

    @property
    def picture(self) -> tuple[int, int]:
        """Height and width of the inputs."""
        height, width = self.inputs.shape[2:]
        return height, width

    def pictures(self, purpose: str) -> Float[Tensor, "n channels height width"]:
        """The inputs, which must be pictures.

        Raises
        ------
        InputError
            If they are not; if the model does not take them either, its own error comes first.
        """
        if self.inputs.ndim != 4:
            _ = self.target
            shape = tuple(self.inputs.shape)
            raise InputError("inputs", f"shape {shape}", f"pictures (n, channels, height, width) {purpose}")
        return self.inputs

    def chunked(
        self,
        work: Callable[[int, int], R],
        total: int,
        kind: Kind = "gradient",
        chunk_size: ChunkSize | None = None,
    ) -> Iterator[tuple[int, int, R]]:
        """`saliscope.core.batching.chunks` over this model and these inputs."""
        size = self.chunk_size if chunk_size is None else chunk_size
        return chunks(work, total, size, self.borrowed.module, self.inputs, kind)

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

    def _ask(self) -> tuple[ResolvedTarget, Tensor]:
        # Resolved chunk by chunk, so that a large batch needs no more memory here than later.
        def work(start: int, stop: int) -> tuple[ResolvedTarget, Tensor]:
            with untouched(self.borrowed.module), torch.no_grad():
                outputs = self.borrowed(self.inputs[start:stop].clone())
                target = self._bound(outputs, start, stop)
                return target, target.score(outputs).detach()

        parts = [result for _, _, result in self.chunked(work, len(self.inputs), "forward")]
        targets, scores = zip(*parts, strict=True)
        score = torch.cat(scores)
        check_score(score)
        return join_targets(targets), score

    def _bound(self, outputs: Any, start: int, stop: int) -> ResolvedTarget:
        part = _part(self._asked, start, stop, len(self.inputs))
        return resolve(part, outputs, stop - start, self.borrowed.label, self.borrowed.labels)


def _in_words(unit: str, target: ResolvedTarget) -> str:
    """A unit with the kind of score for "score": what is measured in logits is no share of a probability."""
    kind = "score" if target.function is not None else target.output.replace("_", " ")
    return re.sub(r"\bscore\b", kind, unit)


def check_inputs(inputs: Any) -> None:
    """Raise `InputError` unless `inputs` is a finite floating batch."""
    if not isinstance(inputs, Tensor):
        raise InputError(
            "inputs",
            f"an object of type {type(inputs).__name__}",
            "a tensor of shape (n, channels, height, width)",
            "SaliencyExplorer takes pictures of any kind; engines take tensors.",
        )
    if not inputs.is_floating_point():
        raise InputError(
            "inputs", f"a tensor of {inputs.dtype}", "floating values", "Use inputs.float() / 255."
        )
    if inputs.ndim < 2 or inputs.numel() == 0:
        raise InputError(
            "inputs", f"shape {tuple(inputs.shape)}", "a batch with at least one input, batch dimension first"
        )
    bad = ~torch.isfinite(inputs)
    if bool(bad.any()):
        first = tuple(bad.nonzero()[0].tolist())
        raise InputError(
            "inputs", f"{int(bad.sum())} NaN or infinite values, the first at index {first}", "finite values"
        )


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


def check_score(score: Tensor) -> None:
    """Raise `TargetError` unless every score is finite."""
    if bool(torch.isfinite(score).all()):
        return
    advice = "Half precision overflows easily: try model.float()." if score.dtype == torch.float16 else ""
    raise TargetError("target", "a score that is NaN or infinite", "a finite score", advice)


def join_targets(targets: Sequence[ResolvedTarget]) -> ResolvedTarget:
    """One resolved target from those of consecutive rows."""
    first = targets[0]

    def join(parts: list[Tensor | None]) -> Tensor | None:
        return None if parts[0] is None else torch.cat([p for p in parts if p is not None])

    return replace(
        first,
        indices=join([t.indices for t in targets]),
        against=join([t.against for t in targets]),
        labels=tuple(label for t in targets for label in t.labels),
    )


def _part(target: Target | ResolvedTarget, start: int, stop: int, total: int) -> Target | ResolvedTarget:
    index = None if isinstance(target, ResolvedTarget) else target.index
    if not isinstance(index, tuple) or len(index) == 1:
        return target
    if len(index) != total:
        raise TargetError(
            "target", f"{len(index)} targets for {total} inputs", "one for each input, or one for all"
        )
    return replace(target, index=index[start:stop])
