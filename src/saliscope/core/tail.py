"""Run a network again from one layer on, for any `nn.Module`: what lies in front of the layer runs once."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any
from weakref import ref

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from saliscope.core.borrow import Borrowed, untouched
from saliscope.core.layers import behind, check_rows, first_tensor, with_first_tensor
from saliscope.errors import ModelError

_OF_VALUES = {"item", "tolist", "numpy", "is_nonzero", "equal", "allclose"} | {
    f"__{name}__" for name in ("bool", "int", "float", "index", "array")
}
"""Operations that read numbers out of a tensor; all others that give no tensor ask for its shape and kind."""

_AS_WRITTEN = object()
"""In the place of a call's result: let it run."""


class Tail:
    """What follows a layer, as a function of the layer's output, at one input.

    The network runs once, and every call of a torch operation is noted. When it runs again, the calls in
    front of the layer's end compute nothing: what was still in use when the layer ended (a residual
    connection, say) comes from memory, and for the rest a placeholder of the right shape will do. Behind the
    layer's end the network runs as it is written, on other activations. So no module is taken apart, and it
    is all the same whether operations are modules, functions or in place, and whether parts are reused.

    It is checked once that the unchanged activations give the known output again. Where they do not, as with
    parts that torch does not tell of (TorchScript), the whole network runs each time, with the layer's output
    replaced. If the layer runs several times, its last call counts.

    Parameters
    ----------
    borrowed : Borrowed
    name : str
        The layer's name, for messages.
    layer : nn.Module
    inputs : Tensor of shape (1, ...)
        One input, in model space.

    Attributes
    ----------
    activations : Tensor of shape (1, ...)
        The layer's output; the first of several tensors.
    outputs : Any
        The model's output.

    Raises
    ------
    LayerError
        If the layer puts out no tensor, or not one row for the input.
    ModelError
        If the model raises.
    """

    def __init__(self, borrowed: Borrowed, name: str, layer: nn.Module, inputs: Tensor) -> None:
        self._borrowed, self._layer, self._inputs = borrowed, layer, inputs
        notes = _Notes(borrowed.module, inputs.clone())
        self.outputs = self._run(notes, notes.fed, notes.cut)
        self.activations = check_rows(name, notes.activations, 1)
        self._calls = notes.n_cuts
        self._notes: _Notes | None = notes
        self._plan = _Plan(notes, 2)
        again = self._quickly(notes, _again(self.activations, 2))
        if not _repeats(again, self.outputs):
            self._notes = None

    @property
    def skips(self) -> bool:
        """Whether what is in front of the layer is left out."""
        return self._notes is not None

    def __call__(self, variants: Tensor) -> Any:
        """The model's output for other activations.

        Parameters
        ----------
        variants : Tensor of shape (k, ...)
            In the place of the layer's output. What follows may write into it; if it needs a gradient, a
            graph is kept.

        Returns
        -------
        Any
            What the model returns for k inputs.
        """
        if self._notes is not None:
            made = self._quickly(self._notes, variants)
            if made is not None:
                return made
            self._notes = None
        inputs = _again(self._inputs, len(variants))
        return self._run(nullcontext(), inputs, self._replacing(variants))

    def _quickly(self, notes: "_Notes", variants: Tensor) -> Any:
        """The tail alone; None where it does not go the way that was noted."""
        if self._plan.rows != len(variants) or self._plan.written():
            self._plan = _Plan(notes, len(variants))
        replay, version = _Replay(self._plan), variants._version
        try:
            return self._run(replay, self._plan.inputs, self._replacing(variants, replay.arrive))
        except ModelError:
            if replay.astray and variants._version == version:
                return None
            raise

    def _replacing(self, variants: Tensor, arrive: Callable[[], None] = lambda: None) -> Callable[[Any], Any]:
        calls = 0

        def replaced(output: Any) -> Any:
            nonlocal calls
            calls += first_tensor(output) is not None
            if calls != self._calls:
                return None
            arrive()
            torch.set_grad_enabled(variants.requires_grad)
            return with_first_tensor(output, variants)

        return replaced

    def _run(self, mode: AbstractContextManager[Any], inputs: Tensor, after: Callable[[Any], Any]) -> Any:
        with untouched(self._borrowed.module), torch.no_grad(), behind(self._layer, after), mode:
            return self._borrowed(inputs)


@dataclass(frozen=True)
class _Slot:
    """Stands for a tensor in the result of a call."""

    index: int


class _Notes(TorchFunctionMode):
    """What the operations of a run gave, and which of it was still in use when a layer ended.

    Attributes
    ----------
    calls : list of tuple
        Name of each operation up to the layer's end, and its result with a `_Slot` for each tensor.
    made : list of tuple
        For each slot: shape, dtype and device.
    kept : dict of Tensor
        What was still in use, by slot.
    fed : Tensor
        The input, as it was at the layer's end.
    activations : Tensor or None
        The layer's output.
    n_cuts : int
        How often the layer ran.
    """

    def __init__(self, module: nn.Module, fed: Tensor) -> None:
        super().__init__()
        # What does not depend on the input: weights, and what is computed from them alone.
        self._fixed = {id(t): ref(t) for t in (*module.parameters(), *module.buffers())}
        self._slots: dict[int, int] = {}
        self._made_by: list[ref[Tensor]] = []
        self.fed = self._now = fed
        self._noted: list[tuple[str, Any]] = []
        self.made: list[tuple[tuple[int, ...], torch.dtype, torch.device]] = []
        self.activations: Tensor | None = None
        self.n_cuts = 0

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        name = _name(func)
        self._noted.append((name, self._note(name, result, (args, kwargs))))
        return result

    def _note(self, name: str, result: Any, given: Any) -> Any:
        made = list(_tensors(result))
        if all(self._is_fixed(tensor) for tensor in _tensors(given)):
            self._fixed.update((id(tensor), ref(tensor)) for tensor in made)
            return _AS_WRITTEN
        if made:
            return _filled(result, self._slot_of)
        if result is None:  # it wrote into its first tensor
            self._fixed.pop(id(next(_tensors(given))), None)
            return None
        return result if name in _OF_VALUES else _AS_WRITTEN

    def _is_fixed(self, tensor: Tensor) -> bool:
        known = self._fixed.get(id(tensor))
        return known is not None and known() is tensor

    def _slot_of(self, tensor: Tensor) -> _Slot:
        self._fixed.pop(id(tensor), None)
        index = self._slots.get(id(tensor))
        if index is None or self._made_by[index]() is not tensor:  # not the result of an operation in place
            index = self._slots[id(tensor)] = len(self.made)
            self._made_by.append(ref(tensor))
            self.made.append((tuple(tensor.shape), tensor.dtype, tensor.device))
        return _Slot(index)

    def cut(self, output: Any) -> None:
        """Look what is in use now that the layer has ended; copy it, as the network goes on to work on it."""
        tensor = first_tensor(output)
        if tensor is None:
            return
        self.n_cuts += 1
        self.activations = tensor.clone()
        self.calls = list(self._noted)
        self.kept = {i: t.clone() for i, made in enumerate(self._made_by) if (t := made()) is not None}
        self.fed = self._now.clone()


class _Plan:
    """What each call in front of the layer's end gives when the network runs for several rows."""

    def __init__(self, notes: _Notes, rows: int) -> None:
        self.rows = rows
        self.inputs = _spread(notes.fed, rows)
        kept = {index: _spread(tensor, rows) for index, tensor in notes.kept.items()}
        self._kept = [(tensor, tensor._version) for tensor in (self.inputs, *kept.values())]

        def tensor_of(slot: _Slot) -> Tensor:
            if slot.index in kept:
                return kept[slot.index]
            shape, dtype, device = notes.made[slot.index]
            return torch.zeros((), dtype=dtype, device=device).expand(_spread_shape(shape, rows))

        self.calls = [(name, _filled(result, tensor_of)) for name, result in notes.calls]

    def written(self) -> bool:
        """Whether the network wrote into what it was given: then this plan has had its day."""
        return any(tensor._version != version for tensor, version in self._kept)


class _Replay(TorchFunctionMode):
    """Give what was noted instead of computing it, until `arrive`; `astray` if the calls are others."""

    def __init__(self, plan: _Plan) -> None:
        super().__init__()
        self._calls, self._at, self._arrived = plan.calls, 0, False
        self.astray = False

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if not self._arrived:
            name, result = self._calls[self._at] if self._at < len(self._calls) else ("", None)
            self._at += 1
            self._check(name == _name(func))
            if result is not _AS_WRITTEN:
                return result
        try:
            return func(*args, **(kwargs or {}))
        except RuntimeError:  # most likely of what it was given here; if not, it comes again
            self.astray = True
            raise

    def arrive(self) -> None:
        """The layer has ended: what follows is computed."""
        self._check(self._at == len(self._calls))
        self._arrived = True

    def _check(self, right: bool) -> None:
        if not right:
            self.astray = True
            raise RuntimeError("the network took another way")


def _name(func: Any) -> str:
    return getattr(func, "__name__", "")


def _tensors(values: Any) -> Iterator[Tensor]:
    if isinstance(values, Tensor):
        yield values
    elif isinstance(values, (tuple, list)):
        for value in values:
            yield from _tensors(value)
    elif isinstance(values, Mapping):
        yield from _tensors(list(values.values()))


def _filled(values: Any, place: Callable[[Any], Any]) -> Any:
    """Tuples and lists with each tensor or slot replaced."""
    if isinstance(values, (Tensor, _Slot)):
        return place(values)
    if isinstance(values, (tuple, list)):
        make = getattr(type(values), "_make", type(values))
        return make([_filled(value, place) for value in values])
    return values


def _spread_shape(shape: tuple[int, ...], rows: int) -> tuple[int, ...]:
    """A shape for one input, for several: the first axis of one element is taken for the batch's.

    Where there is none, the first axis is the batch folded with another one, as in windows of a picture.
    """
    if not shape:
        return shape
    axis = shape.index(1) if 1 in shape else 0
    return (*shape[:axis], rows * shape[axis], *shape[axis + 1 :])


def _again(tensor: Tensor, rows: int) -> Tensor:
    return tensor.repeat(rows, *(1,) * (tensor.ndim - 1))


def _spread(tensor: Tensor, rows: int) -> Tensor:
    shape = _spread_shape(tuple(tensor.shape), rows)
    if rows > 1 and 1 in tensor.shape:
        return tensor.expand(shape)
    return _again(tensor, rows) if tensor.ndim else tensor.clone()


def _repeats(outputs: Any, once: Any) -> bool:
    """Whether an output for several rows is that for one, again and again."""
    pairs = list(zip(_tensors(outputs), _tensors(once), strict=False))
    return bool(pairs) and all(_close(made, one) for made, one in pairs)


def _close(made: Tensor, one: Tensor) -> bool:
    if made.shape[1:] != one.shape[1:] or one.shape[:1] not in ((), (1,), made.shape[:1]):
        return False
    if not made.is_floating_point() or not made.numel():
        return bool((made == one).all())
    slack = torch.finfo(made.dtype).eps ** 0.5 * one.abs().max()
    return bool(((made - one).abs() <= slack).all())
