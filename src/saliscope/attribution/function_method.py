"""Methods that are a function of the user's own: how it is called, and what is taken from it."""

import itertools
import math
from abc import abstractmethod
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from dataclasses import fields
from functools import partial
from typing import Any, ClassVar, Literal, get_args, get_origin

import torch
from torch import Tensor, nn

from saliscope.attribution.base import Attribution, Method, Question, check_count
from saliscope.attribution.cam import default_layer
from saliscope.core.anytime import Step
from saliscope.core.baselines import Baseline, as_baselines
from saliscope.core.batching import is_out_of_memory
from saliscope.core.borrow import lent
from saliscope.core.device import wide
from saliscope.core.layers import find_layer
from saliscope.core.seeds import Randomness
from saliscope.errors import MethodError, SaliscopeError

SHARED = ("n_steps", "baseline", "layer")
"""Parameters that mean the same to every method that has them."""


class Scores:
    """The model as a function of the user's own sees it: called with inputs, it gives scores.

    Attributes
    ----------
    module : nn.Module
        The user's model, in eval mode while the function runs: for its layers, or for hooks on them.
    """

    def __init__(self, question: Question, row: int) -> None:
        self.module: nn.Module = question.borrowed.module
        self._question, self._row = question, row

    def __call__(self, inputs: Tensor) -> Tensor:
        """Scores of shape (n, classes) of n inputs, of which the target's column is what is explained.

        They are logits, or what else the question is about: probabilities, log-probabilities, distances to
        the other class of a margin. A target that is a function has one column.
        """
        rows = torch.full((len(inputs),), self._row)
        # A copy: a model that works in place on its input may not write into a leaf.
        return self._question.target.rows(rows).scores(self._question.borrowed(inputs.clone()))


class FunctionMethod(Method):
    """What `saliscope.method` makes of a function: its parameters are the fields of a dataclass."""

    sign_matters: ClassVar[bool] = True
    takes_question: ClassVar[bool] = False

    @staticmethod
    @abstractmethod
    def function(*_: Any, **__: Any) -> Any:
        """The user's function."""

    def __post_init__(self) -> None:
        for field in fields(self):  # type: ignore[arg-type]
            check_parameter(field.name, getattr(self, field.name), field.type)

    @property
    def signed(self) -> bool:
        """As declared."""
        return self.sign_matters

    @property
    def baselines(self) -> tuple[Baseline, ...]:
        """The baselines, if it is a function of one."""
        baseline = getattr(self, "baseline", None)
        return () if baseline is None else as_baselines(baseline)

    def _steps(self, question: Question) -> Iterator[Step[Attribution]]:
        _ = question.score  # what is wrong with model or target comes first
        given = {field.name: getattr(self, field.name) for field in fields(self)}  # type: ignore[arg-type]
        if "layer" in given:
            layer = default_layer(question) if given["layer"] is None else given["layer"]
            given["layer"] = find_layer(question.borrowed.module, layer)[0]
        starts = [None]
        if "baseline" in given:
            starts = [one.make(question.borrowed, question.inputs) for one in self.baselines]
        n = len(question.inputs)
        batches = [slice(0, n)] if self.takes_question else [slice(i, i + 1) for i in range(n)]
        runs, expected = len(batches) * len(starts), 1
        finished: list[Tensor] = []
        for batch, rows in enumerate(batches):
            earlier: list[Tensor] = []
            for start in starts:
                before = batch * len(starts) + len(earlier)
                more = given if start is None else {**given, "baseline": start[rows].clone()}
                for values, done, steps in _Run(self, question, rows, more).values(expected):
                    now = torch.stack([*earlier, values]).mean(0) if earlier else values
                    parts = (*finished, now)
                    expected = steps
                    if done == steps:
                        earlier.append(values)
                    complete = before + 1 == runs and done == steps
                    answer = partial(self._answer, question, parts, given.get("layer"), complete)
                    yield Step(answer, before * steps + done, runs * steps)
            finished.append(torch.stack(earlier).mean(0))

    def _answer(
        self, question: Question, parts: tuple[Tensor, ...], layer: str | None, complete: bool
    ) -> Attribution:
        values = torch.cat(parts)
        missing = len(question.inputs) - len(values)
        values = torch.cat([values, values.new_zeros(missing, *values.shape[1:])])
        return question.answer(self, values, layer=layer, complete=complete)


class _Run:
    """One call of the function, to which the model is lent until its next yield only."""

    def __init__(
        self, method: FunctionMethod, question: Question, rows: slice, given: dict[str, Any]
    ) -> None:
        self._method, self._question = method, question
        self._like = question.inputs[rows]
        # Whatever is drawn depends on the seed alone: on no other input, and not on what was drawn before.
        self._randomness = Randomness(getattr(method, "seed", 0), self._like.device)
        if method.takes_question:
            self._call = partial(method.function, question, **given)
        else:
            indices = question.target.indices
            target = self._like.new_zeros(1, dtype=torch.long) if indices is None else indices[rows]
            leaf = self._like.clone().requires_grad_()
            self._call = partial(method.function, Scores(question, rows.start), leaf, target, **given)

    def values(self, expected: int) -> Generator[tuple[Tensor, int, int], None, None]:
        """Maps with their progress; a generator that counts no steps is expected to take so many."""
        made = self._lent(self._call)
        if not isinstance(made, Iterator):
            yield self._checked(made), 1, 1
            return
        values: Tensor | None = None
        try:
            for count in itertools.count(1):
                item = self._lent(partial(next, made, _END))
                if item is _END:
                    break
                counted = isinstance(item, tuple)
                values = self._checked(item[0] if counted and len(item) == 3 else item)
                done, total = self._progress(item) if counted else (count, max(count + 1, expected))
                expected = total
                if done == total:
                    break
                yield values, done, total
        finally:
            if isinstance(made, Generator):
                self._lent(made.close)
        if values is None:
            raise MethodError(self._method.key, "a generator without a yield", "at least one map")
        yield values, expected, expected

    def _lent(self, work: Callable[[], Any]) -> Any:
        module = self._question.borrowed.module
        with _in_words(self._method), lent(module), self._randomness.going_on():
            return work()

    def _progress(self, item: tuple[Any, ...]) -> tuple[int, int]:
        done, total = item[1:]
        numbers = all(isinstance(one, int) and not isinstance(one, bool) for one in (done, total))
        if not numbers or not 1 <= done <= total:
            raise MethodError(self._method.key, f"progress {done!r} of {total!r}", "1 <= done <= total")
        return done, total

    def _checked(self, values: Any) -> Tensor:
        """The user's values as (n, channels, height, width), in a tensor of its own."""
        key, shape = self._method.key, tuple(self._like.shape)
        flat = (shape[0], *shape[2:])
        if not isinstance(values, Tensor):
            got, advice = f"an object of type {type(values).__name__}", "Use torch.as_tensor(values)."
            raise MethodError(key, got, "a tensor", advice)
        if not values.is_floating_point():
            raise MethodError(key, f"a tensor of {values.dtype}", "floating values", "Use values.float().")
        if values.shape not in (shape, (shape[0], 1, *shape[2:]), flat):
            advice = "A coarser map grows with torch.nn.functional.interpolate(values, inputs.shape[2:])."
            raise MethodError(key, f"values of shape {tuple(values.shape)}", f"{shape} or {flat}", advice)
        values = values.detach().to(self._like.device, wide(self._like.dtype), copy=True)
        bad = int((~torch.isfinite(values)).sum())
        if bad:
            raise MethodError(key, f"{bad} values that are NaN or infinite", "finite values")
        if not self._method.signed and bool((values < 0).any()):
            raise MethodError(key, "negative values", "values from 0 on, as signed=False says")
        return values if values.ndim == len(shape) else values.unsqueeze(1)


_END = object()


def check_parameter(name: str, value: Any, kind: Any) -> None:
    """Raise `MethodError` (or `BaselineError`) unless a value is what its parameter's type says."""
    if name == "n_steps":
        check_count(name, value)
    elif name == "baseline":
        as_baselines(value)
    elif name == "layer":
        if value is not None and not isinstance(value, str):
            raise MethodError(name, repr(value), "the name of a layer, or None")
    elif name == "seed":
        check_count(name, value, minimum=0)
    elif get_origin(kind) is Literal:
        if not isinstance(value, str) or value not in get_args(kind):
            raise MethodError(name, repr(value), f"one of {', '.join(get_args(kind))}")
    else:
        types = {bool: bool, int: int, float: (int, float)}[kind]
        right = isinstance(value, types) and isinstance(value, bool) == (kind is bool)
        if not right or (kind is float and not math.isfinite(value)):
            words = {bool: "True or False", int: "an integer", float: "a finite number"}
            raise MethodError(name, repr(value), words[kind])


@contextmanager
def _in_words(method: FunctionMethod) -> Iterator[None]:
    """What the user's function raises comes back as a `MethodError` that names the function and the line."""
    try:
        yield
    except Exception as error:
        if isinstance(error, SaliscopeError) or is_out_of_memory(error):
            raise
        code, trace, line = getattr(method.function, "__code__", None), error.__traceback__, None
        while trace is not None:
            line = trace.tb_lineno if trace.tb_frame.f_code is code else line
            trace = trace.tb_next
        where = "" if line is None else f", line {line}"
        got = f"{type(error).__name__}: {error}"
        way_out = f"It comes from the method's own code{where}."
        raise MethodError(method.key, got, "a map", way_out) from error
