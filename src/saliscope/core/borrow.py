"""A model is borrowed: it comes back exactly as it was handed over."""

import operator
import re
import threading
import weakref
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.parameter import is_lazy

from saliscope.core.batching import is_out_of_memory
from saliscope.core.device import placement, plain_arithmetic
from saliscope.core.layers import find_layer, heard
from saliscope.core.preprocess import Preprocessing
from saliscope.core.seeds import preserved_rng
from saliscope.errors import LayerError, ModelError

_locks: "weakref.WeakKeyDictionary[nn.Module, threading.RLock]" = weakref.WeakKeyDictionary()
_locks_guard = threading.Lock()

_PLAIN = frozenset({bool, int, float, str, type(None), tuple})
"""Types of most attributes of a module: they are replaced, never written into."""


@dataclass(frozen=True)
class Borrowed:
    """A model with what is needed to feed it and to name its outputs.

    Attributes
    ----------
    module : nn.Module
        The user's model; never copied, never changed.
    preprocessing : Preprocessing
        From picture to model space and back.
    labels : tuple of str, optional
        Names of the output indices.
    layer : str, optional
        Name of a layer whose output a call gives in the place of the model's own.
    """

    module: nn.Module
    preprocessing: Preprocessing
    labels: tuple[str, ...] | None = None
    layer: str | None = None

    def reading(self, layer: str | None) -> "Borrowed":
        """The same model, whose calls give the output of a layer; its own again for None.

        Raises
        ------
        LayerError
            If the model has no such layer.
        """
        if layer == self.layer:
            return self
        return replace(self, layer=None if layer is None else find_layer(self.module, layer)[0])

    def label(self, index: int) -> str:
        """Name of an output index; the index itself where there is no name."""
        if self.labels is not None and 0 <= index < len(self.labels):
            return self.labels[index]
        return f"class {index}"

    def place(self, inputs: Tensor) -> Tensor:
        """A copy of the inputs, on the model's device and in its floating dtype."""
        device, dtype = placement(self.module)
        # A copy: what is explained stays what it was when the user goes on to work in place on the original.
        with torch.inference_mode(False):
            return inputs.detach().to(device or inputs.device, dtype or inputs.dtype, copy=True)

    def __call__(self, inputs: Tensor) -> Any:
        """Run the model; what it raises comes back as a `ModelError` that names the shape it was given."""
        if self.layer is None:
            return self._run(inputs)
        with heard(find_layer(self.module, self.layer)[1]) as outputs:
            self._run(inputs)
        if not outputs:
            raise LayerError(
                "layer", f"'{self.layer}', which put out no tensor", "a layer that runs in the forward pass"
            )
        return outputs[-1]

    def _run(self, inputs: Tensor) -> Any:
        try:
            return self.module(inputs)
        except Exception as error:
            if is_out_of_memory(error):
                raise
            with torch._C.DisableTorchFunction():  # a mode that counts operations is about the model's only
                raise ModelError(
                    "model",
                    f"{type(error).__name__} from {type(self.module).__name__}: {error}",
                    f"an output for inputs of shape {tuple(inputs.shape)}, {_short(inputs.dtype)}",
                    _advice(inputs, str(error)),
                ) from error


def borrow(
    model: nn.Module | Borrowed,
    *,
    transform: Any = None,
    mean: Sequence[float] | None = None,
    std: Sequence[float] | None = None,
    labels: Sequence[str] | None = None,
) -> Borrowed:
    """Say once how a model is fed and what its outputs are called.

    Parameters
    ----------
    model : nn.Module or Borrowed
        Any PyTorch model. It is never copied and never changed. One that was borrowed before is borrowed
        anew: what was said of it then is forgotten.
    transform : callable or dict, optional
        torchvision-style transform, timm data config, or Hugging Face image processor.
    mean, std : sequence of float, optional
        Normalisation per channel, when `transform` does not say it.
    labels : sequence of str, optional
        Names of the output indices.

    Returns
    -------
    Borrowed
        Accepted wherever a model is.

    Raises
    ------
    ModelError
        If `model` is not an ``nn.Module``.

    Examples
    --------
    >>> borrowed = saliscope.borrow(model, transform=weights.transforms(), labels=weights.meta["categories"])
    """
    if isinstance(model, Borrowed):
        model = model.module
    if not isinstance(model, nn.Module):
        raise ModelError(
            "model",
            f"an object of type {type(model).__name__}",
            "a torch.nn.Module",
            "Wrap a plain function in a module whose forward calls it.",
        )
    preprocessing = Preprocessing.of(transform, mean, std, model)
    return Borrowed(model, preprocessing, None if labels is None else tuple(str(name) for name in labels))


def as_borrowed(model: "nn.Module | Borrowed") -> Borrowed:
    """The argument itself when it is borrowed already; a bare module is taken in its own input space."""
    return model if isinstance(model, Borrowed) else borrow(model)


@contextmanager
def untouched(module: nn.Module) -> Iterator[None]:
    """Run the model in eval mode inside; find everything as it was outside.

    Restored, also after an exception: training flag of every module, its attributes and what its lists and
    dicts hold, hooks, buffers (identity and values), torch's random states. Inside, gradients are enabled and
    autocast is off, whatever the caller's mode. ``.grad`` and ``requires_grad`` are never written.

    Two threads that borrow the same model wait for each other: interleaved, each would take
    the other's eval mode for the user's own.
    """
    device, _ = placement(module)
    with _lock_of(module):
        before = _Snapshot(module)
        try:
            for part in before.training:
                part.training = False
            with preserved_rng(device), plain_arithmetic(), torch.enable_grad():
                yield
        finally:
            before.restore()


@contextmanager
def lent(module: nn.Module) -> Iterator[None]:
    """`untouched`, for code that is not ours: ``.grad`` and ``requires_grad`` are given back as well.

    Raises
    ------
    ModelError
        If the code has written into the weights, which cannot be undone without a copy of all of them.
    """
    with untouched(module):
        weights = [(w, w.grad, w.requires_grad, _writes(w)) for w in module.parameters()]
        for weight, gradient, *_ in weights:
            if gradient is not None:  # a backward pass would add to it in place
                weight.grad = None
        try:
            yield
        finally:
            for weight, gradient, wanted, _ in weights:
                if weight.grad is not gradient:
                    weight.grad = gradient
                if weight.requires_grad != wanted:
                    weight.requires_grad_(wanted)
        if any(_writes(weight) != writes for weight, _, _, writes in weights):
            advice = "Work on copy.deepcopy(model.module)."
            raise ModelError("model", "weights that were written to", "a model that is only read", advice)


def _writes(tensor: Tensor) -> int:
    # Lazy tensors and those of inference mode count none.
    return 0 if is_lazy(tensor) or tensor.is_inference() else tensor._version


class _Snapshot:
    """The state of a module that a forward pass could change; taken at every chunk, so it has to be quick."""

    def __init__(self, module: nn.Module) -> None:
        parts = list(module.modules())
        self.training = [part for part in parts if part.training]
        # TorchScript keeps its attributes outside of __dict__.
        self._scripted = [(part, part.training) for part in parts if isinstance(part, torch.jit.ScriptModule)]
        spaces = [vars(part) for part in parts if not isinstance(part, torch.jit.ScriptModule)]
        self._dicts = [(space, space.copy()) for space in spaces]
        self._empty: list[dict[Any, Any]] = []  # most of them: a module has a dict for each kind of hook
        self._lists: list[tuple[list[Any], list[Any]]] = []
        tensors = [t for part in parts for t in part._buffers.values() if t is not None]
        for space in spaces:
            for value in space.values():
                if type(value) in _PLAIN:
                    continue
                if isinstance(value, dict):
                    if value:
                        self._dicts.append((value, value.copy()))
                    else:
                        self._empty.append(value)
                elif isinstance(value, list):
                    self._lists.append((value, value.copy()))
                elif isinstance(value, Tensor) and not value.requires_grad:
                    tensors.append(value)
        self._tensors = _Values(t for t in tensors if not t.is_inference())

    def restore(self) -> None:
        if any(self._empty):
            for current in self._empty:
                current.clear()
        for part in self.training:
            part.training = True
        for current, saved in self._dicts:
            same = list(current) == list(saved)
            if not same or any(map(operator.is_not, current.values(), saved.values())):
                current.clear()
                current.update(saved)
        for current, saved in self._lists:
            if len(current) != len(saved) or any(map(operator.is_not, current, saved)):
                current[:] = saved
        for part, flag in self._scripted:
            part.training = flag
        self._tensors.restore()


class _Values:
    """The values of tensors; many small ones are copied as one large one."""

    def __init__(self, tensors: Iterator[Tensor]) -> None:
        groups: dict[Any, list[Tensor]] = {}
        for t in tensors:
            plain = type(t) is Tensor and t.layout is torch.strided and not t.is_quantized
            groups.setdefault((t.dtype, t.device) if plain else id(t), []).append(t)
        with torch.no_grad():
            self._groups = [
                (
                    group,
                    [t._version for t in group],
                    group[0].clone() if len(group) == 1 else torch.cat([t.reshape(-1) for t in group]),
                )
                for group in groups.values()
            ]

    def restore(self) -> None:
        for group, versions, values in self._groups:
            if [t._version for t in group] == versions:
                continue
            parts = [values] if len(group) == 1 else values.split([t.numel() for t in group])
            with torch.no_grad():
                for tensor, version, part in zip(group, versions, parts, strict=True):
                    if tensor._version != version:
                        tensor.copy_(part.view_as(tensor))


def _lock_of(module: nn.Module) -> threading.RLock:
    with _locks_guard:
        return _locks.setdefault(module, threading.RLock())


def _short(dtype: torch.dtype) -> str:
    return str(dtype).removeprefix("torch.")


def _advice(inputs: Tensor, message: str) -> str:
    several = len(inputs) > 1 and inputs.ndim != 3  # which is a picture without a batch
    alone = " If it takes one input at a time, pass chunk_size=1." if several else ""
    return _cause(inputs, message) + alone


def _cause(inputs: Tensor, message: str) -> str:
    if inputs.dtype in (torch.float16, torch.bfloat16):
        return "Half precision is not supported by every operation on every device: try model.float()."
    if inputs.ndim == 3:
        return "If this is one picture, pass a batch of one: inputs[None]."
    if any(word in message.lower() for word in ("shape", "size", "channel", "dimension")):
        return (
            "Check the size and the channels it wants; `transform=` resizes and normalises pictures for it."
        )
    if re.search(r"missing \d+ required", message):
        return (
            "If it has further inputs, wrap it: an nn.Module that keeps the model and them, and whose "
            "forward(self, x) returns self.model(x, self.others)."
        )
    return "It comes from the model's own code."
