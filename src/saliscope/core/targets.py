"""What is explained: one number for each input, read from whatever the model returns."""

import difflib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal, get_args

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from saliscope.core.batching import is_out_of_memory
from saliscope.core.labels import plain
from saliscope.core.layers import as_maps, grid_of
from saliscope.errors import ModelError, SaliscopeError, TargetError

Output = Literal["logit", "probability", "log_probability", "margin"]
OUTPUTS: tuple[str, ...] = get_args(Output)
Index = int | np.integer | str | Tensor
ScoreFunction = Callable[[Any], Tensor]


@dataclass(frozen=True)
class Target:
    """Which number of the model's output, or of one of its layers, is explained.

    Parameters
    ----------
    index : int, str, sequence of them, callable or None
        Output index, label, one of them for each input, or a function from the model's whole output to
        one score for each input, shape ``(n_inputs,)``. None: each input's own top class. An index below zero
        counts from the end, as in ``output[:, -1]``.
        With `layer`, a unit of that layer, the same for every input: a channel, whose mean over space is the
        score; ``(channel, y, x)``, its value at one place of the layer's grid; ``(token, channel)``, a value
        in a row of tokens, class and register tokens counted; or a function of the layer's output.
    output : {"logit", "probability", "log_probability", "margin"}
        The raw output at `index`; its softmax; its log-softmax; or its distance to another class's raw
        output. The only output of a model is read as one logit against zero: its probability is the sigmoid.
    against : int, str or None
        For "margin": the other class. None: the strongest other class at the inputs, and that one throughout.
    layer : str, optional
        Name of the layer whose unit is explained, such as "layer3.1"; None for the model's own output.

    Examples
    --------
    >>> Target(281, output="probability")
    >>> Target((40, 3, 5), layer="layer3.1")
    """

    index: Index | Sequence[Index] | np.ndarray | Tensor | ScoreFunction | None = None
    output: Output = "logit"
    against: Index | None = None
    layer: str | None = None

    def __post_init__(self) -> None:
        if self.output not in OUTPUTS:
            raise TargetError("output", repr(self.output), f"one of {', '.join(OUTPUTS)}")
        if self.against is not None and self.output != "margin":
            raise TargetError("against", repr(self.against), "None unless output='margin'")
        index = plain(self.index)
        if isinstance(index, Sequence) and not isinstance(index, str):
            index = tuple(map(plain, index))
        object.__setattr__(self, "index", index)
        object.__setattr__(self, "against", plain(self.against))
        if self.layer is not None:
            self._check_unit()

    def _check_unit(self) -> None:
        if not isinstance(self.layer, str) or not self.layer:
            raise TargetError("layer", repr(self.layer), "the name of a layer, or None")
        if self.output != "logit":
            raise TargetError(
                "output", repr(self.output), "'logit', the unit's own value, for one of a layer"
            )
        numbers = self.index if isinstance(self.index, tuple) else (self.index,)
        whole = all(isinstance(n, (int, np.integer)) and not isinstance(n, bool) for n in numbers)
        if not callable(self.index) and not (whole and 1 <= len(numbers) <= 3):
            expected = (
                f"a channel, (channel, y, x), (token, channel) or a function of the output of {self.layer}"
            )
            raise TargetError("index", repr(self.index), expected)

    def on(self, shape: tuple[int, ...]) -> "Target":
        """The same target for inputs of a shape: a layer's unit becomes a function of the layer's output."""
        if self.layer is None or callable(self.index):
            return self
        index = self.index if isinstance(self.index, tuple) else (self.index,)
        picture = (shape[2], shape[3]) if len(shape) == 4 else None
        return replace(self, index=Unit(tuple(map(int, index)), self.layer, picture))  # type: ignore[arg-type]

    @classmethod
    def of(cls, target: Any) -> "Target | ResolvedTarget":
        """A `Target` from any of the shorthands that `target=` accepts."""
        return target if isinstance(target, (Target, ResolvedTarget)) else cls(target)


@dataclass(frozen=True)
class ResolvedTarget:
    """A target that has met the model: an index for each input, or a function.

    Attributes
    ----------
    output : str
        Kind of score.
    indices, against : Tensor of shape (n_inputs,), or None
        Class explained, and the other class of a margin.
    function : callable, optional
        The user's own score.
    labels : tuple of str
        In words, one for each input.
    layer : str, optional
        The layer whose output `score` reads; None for the model's own.
    """

    output: Output
    indices: Int[Tensor, " n"] | None
    against: Int[Tensor, " n"] | None
    function: ScoreFunction | None
    labels: tuple[str, ...]
    layer: str | None = None

    def rows(self, rows: Tensor) -> "ResolvedTarget":
        """The target of a selection of inputs, with repetition."""

        def pick(values: Tensor | None) -> Tensor | None:
            return None if values is None else values[rows.to(values.device)]

        labels = tuple(self.labels[i] for i in rows.tolist())
        return replace(self, indices=pick(self.indices), against=pick(self.against), labels=labels)

    def score(self, outputs: Any) -> Float[Tensor, " n"]:
        """One score for each row of the model's output."""
        if self.function is not None:
            return _custom_score(self.function, outputs, len(self.labels))
        assert self.indices is not None
        return _gather(self.scores(outputs), self.indices)

    def scores(self, outputs: Any) -> Float[Tensor, "n classes"]:
        """`score` of every class in the place of the one explained; of a function, its one column."""
        if self.function is not None:
            return self.score(outputs)[:, None]
        logits = class_scores(outputs)
        if self.output == "logit":
            return logits
        if self.output == "margin":
            return logits if self.against is None else logits - _gather(logits, self.against)[:, None]
        log_p = torch.nn.functional.logsigmoid(logits) if logits.shape[1] == 1 else logits.log_softmax(1)
        return log_p if self.output == "log_probability" else log_p.exp()


@dataclass(frozen=True)
class Unit:
    """The score of one unit of a layer, as a function of the layer's output.

    Parameters
    ----------
    index : tuple of int
        A channel, whose mean over space is taken; (channel, y, x); or (token, channel).
    layer : str
        The layer's name.
    picture : tuple of int, optional
        Height and width of the input, from which a grid of tokens is inferred.
    """

    index: tuple[int, ...]
    layer: str
    picture: tuple[int, int] | None = None

    @property
    def __name__(self) -> str:  # what other functions are called in words
        first, *rest = self.index
        if len(rest) == 2:
            return f"channel {first} at row {rest[0]}, column {rest[1]}"
        return f"channel {rest[0]} of token {first}" if rest else f"channel {first}"

    def averages(self, activations: Tensor) -> bool:
        """Whether there is a space over which a mean is taken."""
        return len(self.index) == 1 and activations.ndim > 2

    def __call__(self, activations: Tensor) -> Float[Tensor, " n"]:
        """Value of the unit for each row."""
        units = activations
        if self.picture is not None and len(self.index) != 2:
            grid = grid_of(tuple(activations.shape), self.picture)
            units = activations if grid is None else as_maps(activations, self.picture)
        fits = units.ndim > 1 and len(self.index) in (1, units.ndim - 1)
        sizes = tuple(units.shape[1 : 1 + len(self.index)])
        if not fits or not all(-size <= i < size for i, size in zip(self.index, sizes, strict=True)):
            kinds = {2: "a channel", 3: "(token, channel)", 4: "a channel or (channel, y, x)"}
            shape = "×".join(map(str, units.shape[1:]))
            index = self.index[0] if len(self.index) == 1 else self.index
            expected = f"{kinds.get(units.ndim, 'a function')} within {shape}, the shape of '{self.layer}'"
            raise TargetError("index", str(index), expected)
        return units[(slice(None), *self.index)].reshape(len(units), -1).mean(1)


def output_tensor(outputs: Any) -> Tensor:
    """The tensor of scores inside a model's output.

    Parameters
    ----------
    outputs : Tensor, mapping, object or sequence
        A tensor; a mapping with "logits", "out" or a single tensor (Hugging Face and torchvision's
        segmentation models); an object with "logits"; a tuple or list, whose first tensor is taken.

    Raises
    ------
    ModelError
        If there is no tensor in it, or it is open which one is meant.
    """
    if isinstance(outputs, Tensor):
        return outputs
    if isinstance(outputs, Mapping):
        for name in ("logits", "out"):
            if isinstance(outputs.get(name), Tensor):
                return outputs[name]
        tensors = [name for name, value in outputs.items() if isinstance(value, Tensor)]
        if len(tensors) == 1:
            return outputs[tensors[0]]
        if tensors:
            raise ModelError(
                "model",
                f"an output with the tensors {', '.join(map(repr, tensors))}",
                "one of them, or 'logits' or 'out' among them",
                f"Pass a function, for example target=lambda out: out[{tensors[0]!r}][:, 3].",
            )
    elif isinstance(getattr(outputs, "logits", None), Tensor):
        return outputs.logits
    if isinstance(outputs, (tuple, list)):
        for item in outputs:
            if isinstance(item, Tensor):
                return item
    raise ModelError(
        "model",
        f"an output of type {type(outputs).__name__} without a tensor in it",
        "a tensor, or a tuple, dict or ModelOutput with one",
        "Pass target= a function from the output to one score for each input.",
    )


def class_scores(outputs: Any) -> Float[Tensor, "n classes"]:
    """The output as one row of class scores for each input.

    Raises
    ------
    TargetError
        If the output has further dimensions, as a segmentation model's has.
    """
    logits = output_tensor(outputs)
    if logits.ndim < 2:  # one score for each input; a squeeze leaves not even that axis of a single one
        logits = logits.reshape(-1, 1)
    if logits.ndim != 2 or not logits.is_floating_point():
        raise TargetError(
            "target",
            f"a model whose output has shape {tuple(logits.shape)} and type {logits.dtype}",
            "floating scores of shape (n_inputs, n_classes)",
            "Pass a function, for example target=lambda out: out['out'][:, 3].mean((1, 2)).",
        )
    return logits


def resolve(
    target: Any, outputs: Any, n_inputs: int, label: Callable[[int], str], labels: Sequence[str] | None
) -> ResolvedTarget:
    """Bind a target to the model's output at the inputs.

    Parameters
    ----------
    target : see `Target`
    outputs : Any
        What the model returned for the inputs.
    n_inputs : int
        Number of inputs.
    label : callable
        Name of an output index.
    labels : sequence of str, optional
        All names, when the user gave some.

    Raises
    ------
    TargetError
        Index out of range, unknown label, wrong number of indices.
    """
    asked = Target.of(target)
    if isinstance(asked, ResolvedTarget):
        return asked
    if callable(asked.index):
        name = getattr(asked.index, "__name__", type(asked.index).__name__)
        name = "the given function" if name == "<lambda>" else name
        if asked.layer is not None:
            mean = isinstance(asked.index, Unit) and asked.index.averages(outputs)
            name = f"{'mean of ' if mean else ''}{name} of {asked.layer}"
        return ResolvedTarget("logit", None, None, asked.index, (name,) * n_inputs, asked.layer)
    logits = class_scores(outputs).detach()
    if logits.shape[0] != n_inputs:
        raise TargetError(
            "model", f"{logits.shape[0]} output rows for {n_inputs} inputs", "one output row for each input"
        )
    indices = _indices(asked.index, logits, labels)
    against = None
    if asked.output == "margin" and (logits.shape[1] > 1 or asked.against is not None):
        against = _against(asked.against, indices, logits, labels)
    alone = logits.shape[1] == 1 and labels is None  # perhaps a regression, which has no classes
    names = tuple("the only output" if alone else label(i) for i in indices.tolist())
    if against is not None:
        names = tuple(f"{a} over {label(b)}" for a, b in zip(names, against.tolist(), strict=True))
    return ResolvedTarget(asked.output, indices, against, None, names)


def _indices(index: Any, logits: Tensor, labels: Sequence[str] | None) -> Tensor:
    n_inputs, n_classes = logits.shape
    if index is None:
        return logits.argmax(1)
    many = index if isinstance(index, tuple) else (index,)
    if len(many) not in (1, n_inputs):
        raise TargetError(
            "target", f"{len(many)} targets for {n_inputs} inputs", "one for each input, or one for all"
        )
    chosen = [class_index(one, n_classes, labels) for one in many]
    return torch.tensor(chosen, device=logits.device).expand(n_inputs)


def class_index(index: Index, n_classes: int, labels: Sequence[str] | None) -> int:
    """Check an index, or find it by its label.

    Raises
    ------
    TargetError
        If there is no such class; close labels are suggested.
    """
    if isinstance(index, str):
        index = _index_of_label(index, labels)
    if isinstance(index, bool) or not isinstance(index, int):
        raise TargetError(
            "target", f"{index!r} of type {type(index).__name__}", "an index, a label, a function or None"
        )
    if not -n_classes <= index < n_classes:
        expected = f"an index from 0 to {n_classes - 1}, or down to {-n_classes} from the end"
        raise TargetError("target", str(index), expected)
    return index % n_classes


def _index_of_label(name: str, labels: Sequence[str] | None) -> int:
    if labels is None:
        raise TargetError(
            "target", repr(name), "an index, since the model has no labels", "Pass labels=[...] as well."
        )
    exact = [i for i, label in enumerate(labels) if label == name]
    lower = [label.lower() for label in labels]
    found = exact or [i for i, label in enumerate(lower) if label == name.lower()]
    if len(found) == 1:
        return found[0]
    if found:
        way_out = f"Pass one of the indices {', '.join(map(str, found))}."
        raise TargetError("target", f"{name!r}, which names {len(found)} classes", "a label of one", way_out)
    close = [labels[lower.index(match)] for match in difflib.get_close_matches(name.lower(), lower, n=3)]
    hint = f"Did you mean {' or '.join(map(repr, dict.fromkeys(close)))}?" if close else ""
    raise TargetError("target", repr(name), f"one of the {len(labels)} labels", hint)


def _against(other: Index | None, indices: Tensor, logits: Tensor, labels: Sequence[str] | None) -> Tensor:
    if other is not None:
        index = torch.full_like(indices, class_index(other, logits.shape[1], labels))
        if bool((index == indices).any()):
            raise TargetError("against", repr(other), "another class than the target")
        return index
    rest = logits.scatter(1, indices[:, None], float("-inf"))
    return rest.argmax(1)


def _gather(scores: Tensor, indices: Tensor) -> Tensor:
    return scores.gather(1, indices.to(scores.device)[:, None])[:, 0]


def _custom_score(function: ScoreFunction, outputs: Any, n_rows: int) -> Tensor:
    try:
        score = function(outputs)
    except Exception as error:
        if isinstance(error, SaliscopeError) or is_out_of_memory(error):
            raise
        raise TargetError(
            "target",
            f"{type(error).__name__} from the target function: {error}",
            "a function from the model's output to one score for each input",
        ) from error
    if not isinstance(score, Tensor):
        raise TargetError("target", f"a {type(score).__name__} from the target function", "a tensor")
    if score.shape == (n_rows, 1):
        score = score[:, 0]
    if score.ndim == 0 and n_rows == 1:
        score = score[None]
    if score.shape != (n_rows,):
        raise TargetError(
            "target",
            f"a score of shape {tuple(score.shape)} from the target function",
            f"shape ({n_rows},), one score for each input",
        )
    return score
