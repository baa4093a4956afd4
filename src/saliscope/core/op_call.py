"""One call of an operation: what it was given, how to run it again, and what it hands back."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from torch import Tensor

from saliscope.core.op_names import SIGNATURES


@dataclass(frozen=True, eq=False)
class Call:
    """One call of an operation.

    Attributes
    ----------
    name : str
        Canonical name, see `saliscope.core.op_names`.
    layer : str
        The innermost module it is called in; "" for the model itself.
    tensors : tuple of Tensor
        Its floating tensors, in the order of its arguments, weights included. They are detached, and stay
        what they were at the call even if the model overwrites them.
    flows : tuple of bool
        Which of them depend on the model's input. The others are weights and constants: whatever gradient a
        rule gives for them is dropped.
    sources : tuple
        Where each tensor comes from, copies and the hooks of modules seen through: the very rule that the
        operation before was given, `INPUT` for the model's input, None for anything else. Of memory that a
        `Source` is noted for: that one, for every view of it.
    carrier : int, optional
        Of an `ACTIVATION`, ``x * g(x)``: which of the tensors is ``x``.
    """

    name: str
    layer: str
    func: Any = field(repr=False)
    in_place: bool
    tensors: tuple[Tensor, ...] = field(repr=False)
    flows: tuple[bool, ...]
    _args: tuple[Any, ...] = field(repr=False)
    _kwargs: dict[str, Any] = field(repr=False)
    sources: tuple[Any, ...] = field(default=(), repr=False)
    carrier: int | None = None

    def run(self, *tensors: Tensor) -> Tensor:
        """The same operation, out of place, on other tensors in the places of its own."""
        return only_tensor(self.run_all(*tensors))

    def run_all(self, *tensors: Tensor) -> Any:
        """`run`, with all that the operation returns."""
        given = [filled(value, tensors) for value in self._args]
        if self.in_place:
            given[0] = given[0].clone()
        named = {name: filled(value, tensors) for name, value in self._kwargs.items()}
        return all_made(self.func, *given, **named)

    def pull(
        self, gradient: Tensor | Callable[[Tensor], Tensor], *tensors: Tensor
    ) -> tuple[Tensor | None, ...]:
        """The operation's own gradient at `tensors`, for those that flow; None for the others.

        The gradient at its output may be a function of what it makes of `tensors`.
        """
        with torch.enable_grad():
            points = [t.detach().requires_grad_(f) for t, f in zip(tensors, self.flows, strict=True)]
            output = self.run(*points)
            flowing = [point for point in points if point.requires_grad]
            given = gradient(output.detach()) if callable(gradient) else gradient
            found = iter(torch.autograd.grad(output, flowing, given, allow_unused=True))
        return tuple(next(found) if flow else None for flow in self.flows)

    def place(self, name: str) -> int | None:
        """Where in `tensors` the argument of this name is; None where it is no tensor, or not given."""
        value = self.raw(name)
        return value.index if isinstance(value, Slot) else None

    def argument(self, name: str, default: Any = None) -> Any:
        """An argument by name, for the operations in `SIGNATURES`."""
        return filled(self.raw(name, default), self.tensors)

    def raw(self, name: str, default: Any = None) -> Any:
        """`argument`, with a mark in the place of a tensor."""
        if name in self._kwargs:
            return self._kwargs[name]
        names = SIGNATURES.get(self.name, ())
        position = names.index(name) if name in names else len(self._args)
        return self._args[position] if position < len(self._args) else default


Rule = Callable[[Call, Tensor, Tensor], Sequence[Tensor | None]]
"""(call, its output, gradient at its output) -> gradient for each of its tensors; None is zero."""


def own_gradient(call: Call, output: Tensor, gradient: Tensor) -> Sequence[Tensor | None]:
    """The operation's own gradient: the rule of an operation for which it is the right one."""
    return call.pull(gradient, *call.tensors)


def carried(call: Call, output: Tensor, gradient: Tensor) -> Sequence[Tensor | None]:
    """Of ``x * g(x)``, which is one function of one input: all goes back by way of ``x``."""
    own = call.pull(gradient, *call.tensors)
    return [found if place == call.carrier else None for place, found in enumerate(own)]


class Source:
    """A rule that is remembered as the source of the memory that its operation makes, or writes to.

    Attributes
    ----------
    moves : bool
        The operation only moves values about: it keeps its own gradient, and its views share memory.
    """

    moves = False

    def __call__(self, call: Call, output: Tensor, gradient: Tensor) -> Sequence[Tensor | None]:
        """As of any `Rule`."""
        return own_gradient(call, output, gradient)

    def made(self, tensor: Tensor, before: "Source | None") -> None:
        """Hear of the result, and of the source that its memory had before."""


class Turned:
    """In the place of the rule of a write: first, all that is in the memory written to gets a rule.

    The source of that memory is then forgotten, and the write asked about again.
    """

    def __init__(self, rule: Rule) -> None:
        self.rule = rule


def from_output(rule: Rule) -> Rule:
    """Mark a rule that reads nothing but the output and its gradient: what was given need not be kept."""
    rule.from_output = True  # type: ignore[attr-defined]
    return rule


def in_parts(call: Call, output: Tensor, gradient: Tensor) -> Sequence[Tensor | None]:
    """Take the operation apart, and ask for a rule for each of its parts: a mark, which is never called."""
    raise NotImplementedError


class Linear:
    """A linear call, its result, and what of the input went in: a batch norm may follow."""

    def __init__(self, call: Call, made: Tensor, flowing: list[Tensor]) -> None:
        self.call, self.flowing = call, flowing
        self._tensors = (made, *call.tensors)
        self._versions = [tensor._version for tensor in self._tensors]

    def _is_made(self, tensor: Tensor) -> bool:
        # Not by identity: the hooks of modules hand on another tensor of the same values.
        made = self._tensors[0]
        same_place = tensor.data_ptr() == made.data_ptr()
        return same_place and (tensor.shape, tensor.stride()) == (made.shape, made.stride())

    def with_norm(self, norm: Call) -> Call | None:
        """The two as one call, with weights of its own; None where they are not one."""
        call, names = self.call, SIGNATURES.get(self.call.name, ())
        mean, variance = norm.argument("running_mean"), norm.argument("running_var")
        turned = "transpose" in call.name
        if (
            [tensor._version for tensor in self._tensors] != self._versions
            or not self._is_made(norm.tensors[0])
            or not names
            or norm.argument("training", False)
            or mean is None
            or call.flows != (True, *[False] * (len(call.flows) - 1))
            or (call.name == "linear" and self._tensors[0].ndim > 2)
            or (turned and call.argument("groups", 1) != 1)
        ):
            return None
        scale = (variance + norm.argument("eps", 1e-5)).rsqrt()
        scale = scale if norm.argument("weight") is None else scale * norm.argument("weight")
        weight, bias = call.argument("weight"), call.argument("bias")
        shape = [1] * weight.ndim
        shape[int(turned)] = -1
        weight = weight * scale.reshape(shape)
        bias = (0 if bias is None else bias) * scale - mean * scale
        bias = bias if norm.argument("bias") is None else bias + norm.argument("bias")
        others = {name: call.argument(name, Slot) for name in names[3:]}
        others = {name: value for name, value in others.items() if value is not Slot}
        slots = tuple(map(Slot, range(3)))
        return replace(
            call,
            tensors=(call.tensors[0], weight.detach(), bias.detach()),
            flows=(True, False, False),
            _args=slots,
            _kwargs=others,
        )


class Slot:
    """Stands for a tensor among the arguments of a call."""

    def __init__(self, index: int) -> None:
        self.index = index


def is_real(value: Any) -> bool:
    """Whether a value is a tensor of floating numbers."""
    return isinstance(value, Tensor) and value.is_floating_point()


def slotted(value: Any, tensors: list[Tensor]) -> Any:
    """An argument with a mark for each floating tensor in it, which goes to the end of `tensors`."""
    if is_real(value):
        tensors.append(value)
        return Slot(len(tensors) - 1)
    if type(value) in (list, tuple):
        return type(value)(slotted(item, tensors) for item in value)
    return value


def filled(value: Any, tensors: Sequence[Tensor]) -> Any:
    """An argument with tensors in the places of its marks."""
    if isinstance(value, Slot):
        return tensors[value.index]
    if type(value) in (list, tuple):
        return type(value)(filled(item, tensors) for item in value)
    return value


def tensors_in(made: Any) -> Iterator[Tensor]:
    """The tensors of what an operation took or gave."""
    for item in (made,) if isinstance(made, Tensor) else made if isinstance(made, (tuple, list)) else ():
        if isinstance(item, Tensor):
            yield item


def all_made(func: Any, *args: Any, **kwargs: Any) -> Any:
    """What an operation makes; of one that returns nothing, as ``x[0] = y``, what it wrote to."""
    made = func(*args, **kwargs)
    return args[0] if made is None else made


def only_tensor(made: Any) -> Tensor:
    """The first floating tensor of what an operation returned."""
    return next(item for item in tensors_in(made) if item.is_floating_point())


def storage_of(tensor: Tensor) -> int:
    """Where its memory is: views of one memory have the same."""
    return tensor.untyped_storage().data_ptr()
