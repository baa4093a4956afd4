"""What is asked of a model: inputs and a score, checked; and how the model is run to answer it."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any, TypeVar

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from saliscope.core.batching import ChunkSize, Kind, chunks, measuring
from saliscope.core.borrow import Borrowed, as_borrowed, untouched
from saliscope.core.targets import ResolvedTarget, Target, class_scores, resolve
from saliscope.errors import InputError, TargetError

R = TypeVar("R")


class Query:
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

    def __len__(self) -> int:
        """Number of inputs."""
        return len(self.inputs)

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

    def scores_and_top(
        self, points: Tensor, rows: Tensor, check: bool = True
    ) -> tuple[Tensor, Int[Tensor, " m"]]:
        """`scores_at`, and the class that has the highest score there; -1 where the target is a function.

        Where it is measured what a row needs, a graph is built, and let go: `chunked` as for a gradient finds
        in it how many rows are a good chunk. Forward passes of this many are neither slow nor large. So the
        points are given away. Without `check` a score may be NaN: whoever asks can say better of what.
        """
        target, measured = self.target.rows(rows), measuring()
        with untouched(self.borrowed.module), torch.set_grad_enabled(measured):
            outputs = self._outputs(points.requires_grad_() if measured else points, rows)
            score = target.score(outputs).detach()
            one = target.function is not None
            top = torch.full((len(points),), -1) if one else class_scores(outputs).argmax(1).cpu()
        if check:
            check_score(score)
        return score, top

    def scores_at(self, points: Tensor, rows: Tensor) -> Tensor:
        """Score at `points`, all at once, without a graph; point ``i`` belongs to input ``rows[i]``."""
        target = self.target.rows(rows)
        with untouched(self.borrowed.module), torch.no_grad():
            return target.score(self._outputs(points, rows)).detach()

    def _outputs(self, points: Tensor, rows: Tensor) -> Any:
        """What the model gives for `points`, of the inputs `rows`."""
        # A copy: a model that works in place on its input may not write into a leaf.
        return self.borrowed(points.clone())

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
