"""What is kept of a call that has a rule until the gradient comes back, and what is noted of it then."""

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Literal

from torch import Tensor

from saliscope.core.coverage import OpCall
from saliscope.core.op_call import Call, Rule


@dataclass
class Record:
    """One call in one run: what `OpCall` says of it, with the sums that its conservation follows from."""

    name: str
    layer: str
    rule: str | None
    needed: bool
    above: float | None = None
    below: float = 0.0


def joined(same: list[Record]) -> OpCall:
    """The same call in several runs, as one."""
    measured = [record for record in same if record.above is not None]
    above = sum(record.above or 0.0 for record in measured)
    conserved = sum(record.below for record in measured) / above if above else math.nan
    return OpCall(
        same[0].name,
        same[0].layer,
        same[0].rule,
        same[0].needed,
        conserved if math.isfinite(conserved) else None,
    )


class Kept:
    """A tensor as it was: should the model overwrite it, a copy is taken first."""

    def __init__(self, tensor: Tensor) -> None:
        self._tensor = tensor.detach()
        self._version = tensor._version

    def copy(self, copies: dict[Any, Tensor]) -> None:
        """Take a copy, or one of `copies` if it is of the same values."""
        tensor = self.tensor
        place = (tensor.shape, tensor.stride(), tensor.storage_offset())
        self._tensor = copies.setdefault(place, tensor if place in copies else tensor.clone())
        self._version = self._tensor._version

    @property
    def tensor(self) -> Tensor:
        """Its values."""
        if self._tensor._version != self._version:
            raise RuntimeError("a tensor needed for a rule has been overwritten by code that cannot be heard")
        return self._tensor


class Node:
    """One call that has a rule: what it was given and what it made, whatever the model did to them later.

    Parameters
    ----------
    call : Call
    rule : Rule
    record : Record
        What its conservation is noted in.
    measure : bool or "rules"
        Whether it is measured.
    keep : callable
        From a tensor to what keeps it as it is now.
    writes : bool
        Whether the call overwrites its first tensor that flows.
    """

    def __init__(
        self,
        call: Call,
        rule: Rule,
        record: Record,
        measure: bool | Literal["rules"],
        keep: Callable[[Tensor], Kept],
        writes: bool,
    ) -> None:
        self.rule, self._record, self._measure = rule, record, measure
        self.writes = writes
        self._named = name_of(rule)
        # The tensors of the call itself may be overwritten before long.
        self._call, self._likes = replace(call, tensors=()), [(t.shape, t.dtype) for t in call.tensors]
        reads = measure or not getattr(rule, "from_output", False)
        self._inputs = [keep(tensor) for tensor in call.tensors if reads]
        self._output: Kept | None = None

    def made(self, output: Kept) -> None:
        """Note the result of the call."""
        self._output = output

    @property
    def call(self) -> Call:
        """The call, with the tensors that it was given; without, where the rule does not read them."""
        return replace(self._call, tensors=self.inputs)

    @property
    def inputs(self) -> tuple[Tensor, ...]:
        """The tensors that the call was given, if the rule reads them."""
        return tuple(kept.tensor for kept in self._inputs)

    @property
    def output(self) -> Tensor:
        """What it made."""
        assert self._output is not None
        return self._output.tensor

    def backward(self, gradient: Tensor) -> tuple[Tensor | None, ...]:
        """Gradient for each tensor that flows, by the rule."""
        call, output = self.call, self.output
        rows = zip(self.rule(call, output, gradient), self._likes, call.flows, strict=True)
        found = [
            given.sum_to_size(shape).to(dtype) if flow and given is not None else None
            for given, (shape, dtype), flow in rows
        ]
        if self._record.rule is not None:  # some know their name only now
            self._record.rule = self._record.rule.replace(self._named, name_of(self.rule), 1)
        if self._measure and getattr(self.rule, "measured", True):
            self._record.above = _total(output, gradient)
            pairs = zip(call.tensors, found, strict=True)
            self._record.below = sum(_total(tensor, given) for tensor, given in pairs if given is not None)
        return tuple(given for given, flow in zip(found, call.flows, strict=True) if flow)


def name_of(rule: Any) -> str:
    """A rule's name, as the coverage has it."""
    while hasattr(rule, "func"):  # functools.partial
        rule = rule.func
    return getattr(rule, "name", None) or getattr(rule, "__name__", type(rule).__name__)


def _total(values: Tensor, gradient: Tensor) -> float:
    return float((values.double() * gradient.double()).sum())
