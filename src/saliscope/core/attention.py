"""The weights of every attention of a model, caught while it runs, however the model is written."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode
from torch.utils.weak import WeakTensorKeyDictionary

from saliscope.core.layers import running
from saliscope.core.op_names import opened
from saliscope.core.op_parts import attention

_SOFTMAX = (F.softmax, torch.softmax, torch.special.softmax, Tensor.softmax)
_PRODUCTS = frozenset({"matmul", "__matmul__", "bmm", "einsum"})


@dataclass(frozen=True)
class AttentionCall:
    """One call of an attention while the model ran.

    Attributes
    ----------
    layer : str
        The innermost module it was called in; "" for the model itself.
    weights : Tensor of shape (..., queries, keys)
        Each row sums to one. A tensor of the model's own graph: the score has a gradient there.
    """

    layer: str
    weights: Tensor

    def by_head(self, n: int, values: Tensor | None = None) -> Tensor | None:
        """Weights, or values of their shape, as (n, heads, queries, keys) for `n` inputs.

        None where an input has several sets of weights, as windowed attention has.
        """
        values = self.weights if values is None else values
        if values.ndim == 3 and len(values) % n == 0:  # of `bmm`: heads and inputs in one dimension
            values = values.unflatten(0, (n, -1))
        return values if values.ndim == 4 and len(values) == n else None


@contextmanager
def attending(module: nn.Module) -> Iterator[list[AttentionCall]]:
    """Collect every attention that runs inside, in order.

    An attention is a softmax over the last dimension whose result is multiplied with a matrix: in the model's
    own code, in `scaled_dot_product_attention`, which computes it step by step here, or in
    ``torch.nn.MultiheadAttention``, which is kept off its fast path. The model's output stays what it was, up
    to rounding.
    """
    with running(module) as path, _Watch(path) as watch:
        yield watch.calls


class _Watch(TorchFunctionMode):
    """Sees every function of torch that the model calls."""

    def __init__(self, path: list[str]) -> None:
        super().__init__()
        self.calls: list[AttentionCall] = []
        self._path = path
        # From a softmax, and from what elementwise functions made of it, to that softmax.
        self._softmax = WeakTensorKeyDictionary()

    def __torch_function__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        kwargs = kwargs or {}
        if func in (F.multi_head_attention_forward, F.scaled_dot_product_attention):
            step_by_step = attention if func is F.scaled_dot_product_attention else _multi_head
            with self:  # what it is made of arrives here again
                return step_by_step(*args, **kwargs)
        name = getattr(func, "__name__", "")
        if name in _PRODUCTS:
            self._note(args, kwargs)
            return func(*args, **kwargs)
        made = func(*args, **kwargs)
        if isinstance(made, Tensor) and made.ndim >= 3:
            softmax = made if func in _SOFTMAX and _last_dimension(args, kwargs, made.ndim) else None
            if softmax is None and args and isinstance(args[0], Tensor) and args[0].numel() == made.numel():
                softmax = self._softmax.get(args[0])  # through dropout, a cast, a reshape, a mask
            if softmax is not None:
                self._softmax[made] = softmax
        return made

    def _note(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        flat = [x for arg in (*args, *kwargs.values()) for x in (arg if isinstance(arg, list) else [arg])]
        for one in flat:
            weights = self._softmax.get(one) if isinstance(one, Tensor) else None
            if weights is not None and all(call.weights is not weights for call in self.calls):
                self.calls.append(AttentionCall(self._path[-1], weights))


def _last_dimension(args: tuple[Any, ...], kwargs: dict[str, Any], ndim: int) -> bool:
    return (args[1] if len(args) > 1 else kwargs.get("dim")) in (-1, ndim - 1)


_multi_head = opened(F.multi_head_attention_forward)
