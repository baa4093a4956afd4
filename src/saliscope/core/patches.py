"""Run a network where its input changes in a rectangle alone: what does not see it is not computed again.

The clean maps are computed once. Of a variant, only the changed rectangle goes through the layers, and grows
by the field of view of each, until it covers a good part of the map; from there on the variant is computed as
a whole. What a layer sees around the rectangle is taken from the clean maps, so every value is the network's
own. (The idea: Nakandala, Kumar and Papakonstantinou 2019, "Krypton", SIGMOD.)

Nothing of the model is taken apart: a tensor goes in that knows its rectangle, and torch asks it for each
operation, however that is written. What is not known to keep to rectangles is given the whole.
"""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, NamedTuple, TypeVar

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.modules import module as everywhere

from saliscope.core.batching import mixes_rows

R = TypeVar("R")
Starts = tuple[np.ndarray, np.ndarray]
_aten = torch.ops.aten

LARGEST = 0.5
"""Share of a map from which on a rectangle is no longer worth it."""

_MOST_ROWS = 64
_LARGEST_BYTES = 16 * 2**20
"""Of the maps of a chunk, as far as they are looked at here: about half of what is made of them next."""

_BY_VALUE = {_aten.hardswish, _aten.hardswish_, _aten._prelu_kernel, _aten.clone}
"""Functions of each value by itself that torch has not marked as such."""

_NORMS = {_aten.native_batch_norm, _aten.cudnn_batch_norm}
_PLAIN = ((0, 0, 0, 0), 0.0)


class Astray(RuntimeError):
    """The network does other operations than before: what is known of its clean maps does not help."""


@dataclass(eq=False)
class _Map:
    """Where rectangles are on a map of the network, and its clean values where they are asked for.

    `clean` has them by the border (left, right, top, bottom) and the filling that they are padded with.
    """

    starts: Starts
    size: tuple[int, int]
    shape: tuple[int, ...]
    dtype: torch.dtype
    clean: dict[Any, Tensor] = field(default_factory=dict)

    @property
    def covered(self) -> float:
        """Share of the map that a rectangle covers."""
        return self.size[0] * self.size[1] / (self.shape[2] * self.shape[3])


@dataclass(frozen=True)
class _Step:
    """How an operation does rectangles: what it puts out, and what it must see, as for `_Patched.within`.

    `rest` are its arguments behind the first one, where what it sees has the border already.
    """

    made: _Map
    starts: Starts
    size: tuple[int, int]
    border: Any = _PLAIN
    rest: tuple[Any, ...] | None = None


class Patches:
    """A network at inputs that differ from clean ones in a rectangle.

    Parameters
    ----------
    module : nn.Module
        In eval mode whenever it is run.
    inputs : Tensor of shape (n, channels, height, width)
        The clean inputs.
    starts : pair of int arrays
        First rows, and first columns, that a rectangle may have.
    size : pair of int
        Height and width of the rectangles.

    Attributes
    ----------
    apply : bool
        Whether they are of use: not for half precision, nor where somebody listens to the layers.
    at_once : int
        Variants that are a good chunk on a CPU; known after the first ones.
    """

    def __init__(self, module: nn.Module, inputs: Tensor, starts: Starts, size: tuple[int, int]) -> None:
        self._map = _Map(starts, size, tuple(inputs.shape), inputs.dtype, {_PLAIN: inputs})
        self.apply = (
            self._map.covered < LARGEST
            and inputs.dtype in (torch.float32, torch.float64)
            and not mixes_rows(module)
            and not _is_heard(module)
        )
        self.at_once = _MOST_ROWS
        self.steps: dict[Any, tuple[_Step | None, Any]] = {}
        self.known = False
        self.rows = np.zeros(0, dtype=int)
        self.places: Starts = (self.rows, self.rows)

    def __call__(self, work: Callable[[Tensor], R], values: Tensor, rows: np.ndarray, places: Starts) -> R:
        """What `work` gives for variants of the clean inputs.

        Parameters
        ----------
        work : callable
            Runs the model without a graph, at the tensor that it is given.
        values : Tensor of shape (k, channels, height, width)
            What is in the rectangle of each variant; given away.
        rows : int array of shape (k,)
            Which input each is a variant of.
        places : pair of int arrays of shape (k,)
            Where in `starts` its rectangle is.

        Raises
        ------
        Astray
            From within `work`, if the network does other operations than the first time.
        """
        self.rows, self.places = rows, places
        made = work(_Patched(self, self._map, values, self._map.clean[_PLAIN]))
        self.known = True
        return made

    def at(self, starts: Starts) -> Starts:
        """First rows and columns at the places of the variants."""
        return starts[0][self.places[0]], starts[1][self.places[1]]


def _is_heard(module: nn.Module) -> bool:
    """Whether a hook would be given rectangles, or a compiler would see them."""
    return bool(everywhere._global_forward_hooks or everywhere._global_forward_pre_hooks) or any(
        part._forward_hooks
        or part._forward_pre_hooks
        or isinstance(part, torch.jit.ScriptModule)
        or part._compiled_call_impl is not None
        or hasattr(part, "_orig_mod")
        for part in module.modules()
    )


class _Patched(Tensor):
    """A batch of maps: the clean ones but for a rectangle in each; from when it must be, a dense batch."""

    run: Patches
    map: _Map
    patch: Tensor
    clean: Tensor | None
    dense: Tensor | None

    __torch_function__ = torch._C._disabled_torch_function_impl  # type: ignore[assignment]

    @staticmethod
    def __new__(
        cls: type["_Patched"], run: Patches, on: _Map, values: Tensor, clean: Tensor | None
    ) -> "_Patched":
        shape = (len(values), *on.shape[1:])
        made = Tensor._make_wrapper_subclass(cls, shape, dtype=on.dtype, device=values.device)
        made.run, made.map, made.patch, made.clean, made.dense = run, on, values, clean, None
        return made

    @classmethod
    def __torch_dispatch__(cls, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        given = [one for one in _tensors((*args, *kwargs.values())) if isinstance(one, _Patched)]
        if all(one.dense is None for one in given):
            made = _patched(given, func, args, kwargs)
            if made is not None:
                return made
        whole = {name: _replaced(value, _Patched.whole) for name, value in kwargs.items()}
        made = func(*_replaced(args, _Patched.whole), **whole)
        return next((one for one in given if one.dense is made), made)

    def all_clean(self) -> Tensor:
        """The clean map."""
        if self.clean is None:
            raise Astray("the network needs a clean map that it did not need before")
        return self.clean

    def padded(self, border: Any = _PLAIN) -> Tensor:
        """The clean map, with a border; kept for the next variants."""
        known, (pads, fill) = self.map.clean, border
        if border not in known:
            known[border] = F.pad(self.all_clean(), pads, value=fill) if any(pads) else self.all_clean()
        return known[border]

    def whole(self) -> Tensor:
        """As a dense batch. It stays one: whoever writes into it writes into this."""
        if self.dense is None:
            clean, run = self.padded(), self.run
            size = clean[0].numel() * clean.element_size()
            run.at_once = max(1, min(run.at_once, _LARGEST_BYTES // size))
            self.dense = clean.index_select(0, torch.from_numpy(run.rows).to(clean.device))
            _paste(self.dense, self.patch, *run.at(self.map.starts))
        return self.dense

    def within(self, starts: Starts, size: tuple[int, int], border: Any = _PLAIN) -> Tensor:
        """What is in other rectangles than its own, which may reach into the border."""
        own = self.map.starts
        if starts is own or (size == self.map.size and all(map(np.array_equal, starts, own))):
            return self.patch
        run, clean = self.run, self.padded(border)
        (left, _, top, _), _ = border
        tops, lefts = run.at(starts)
        corners = zip(run.rows.tolist(), (tops + top).tolist(), (lefts + left).tolist(), strict=True)
        made = torch.stack([clean[row, :, y : y + size[0], x : x + size[1]] for row, y, x in corners])
        own_tops, own_lefts = run.at(own)
        _paste(made, self.patch, own_tops - tops, own_lefts - lefts)
        return made


def _paste(onto: Tensor, values: Tensor, tops: np.ndarray, lefts: np.ndarray) -> None:
    """Put each row of `values` where it belongs on its row of `onto`, as far as it lies on it."""
    alike: dict[tuple[int, int], list[int]] = {}
    for row, corner in enumerate(zip(tops.tolist(), lefts.tolist(), strict=True)):
        alike.setdefault(corner, []).append(row)
    for (top, left), found in alike.items():
        rows = slice(None) if len(found) == len(values) else found
        y, from_y = _overlap(top, values.shape[2], onto.shape[2])
        x, from_x = _overlap(left, values.shape[3], onto.shape[3])
        onto[rows, :, y, x] = values[rows, :, from_y, from_x]


def _overlap(start: int, size: int, limit: int) -> tuple[slice, slice]:
    first = min(max(start, 0), limit)
    last = max(min(start + size, limit), first)
    return slice(first, last), slice(first - start, last - start)


def _patched(given: list[_Patched], func: Any, args: Any, kwargs: Any) -> Any:
    """What an operation makes of rectangles; None if it must see the whole."""
    plan = _plan_of(func, args, kwargs)
    if plan is None:
        return None
    run, writes, clean = given[0].run, func._schema.is_mutable, None
    key = (func, _key(args), _key(list(kwargs.items())))
    if not run.known:
        whole = _replaced(args, _Patched.all_clean)
        clean = _first(func(*((whole[0].clone(), *whole[1:]) if writes else whole), **kwargs))
        if key not in run.steps:
            # The other tensors are kept, so that no tensor made later can have their address.
            others = [one for one in _tensors(args) if not isinstance(one, _Patched)]
            run.steps[key] = (plan(given, clean), others)
    if key not in run.steps:
        raise Astray("the network does an operation that it did not do before")
    step, _ = run.steps[key]
    if step is None:
        return None
    parts = _replaced(args, lambda one: one.within(step.starts, step.size, step.border))
    made = func(*(parts if step.rest is None else (parts[0], *step.rest)), **kwargs)
    if writes:
        args[0].map, args[0].patch, args[0].clean = step.made, made, clean
        return args[0]
    patched = _Patched(run, step.made, _first(made), clean)
    if isinstance(made, Tensor):
        return patched
    # Beside what a pooling picks is where it was: in a rectangle, that place is of no use on the map.
    return (patched, *(_nowhere(patched, one) if one.numel() else one for one in made[1:]))


def _nowhere(beside: _Patched, values: Tensor) -> Tensor:
    return _Patched(beside.run, replace(beside.map, dtype=values.dtype, clean={}), values, None)


def _tensors(values: Any) -> Iterator[Tensor]:
    for value in values:
        if isinstance(value, Tensor):
            yield value
        elif isinstance(value, (list, tuple)):
            yield from _tensors(value)


def _replaced(value: Any, function: Callable[[_Patched], Tensor]) -> Any:
    """Arguments with something else in the place of each map."""
    if isinstance(value, _Patched):
        return function(value)
    if isinstance(value, (list, tuple)):
        return type(value)(_replaced(item, function) for item in value)
    return value


def _first(made: Any) -> Tensor:
    return made if isinstance(made, Tensor) else made[0]


def _key(value: Any) -> Any:
    """What tells the arguments of a call apart, from one run of the network to the next."""
    if isinstance(value, _Patched):
        return value.map
    if isinstance(value, Tensor):
        if value.ndim == 0:  # a number, which may have been made for this call
            return value.dtype, value.item()
        version = 0 if value.is_inference() else value._version
        return value.data_ptr(), value.shape, value.stride(), value.dtype, version
    return tuple(map(_key, value)) if isinstance(value, (list, tuple)) else value


Plan = Callable[[list[_Patched], Tensor], _Step | None]


def _plan_of(func: Any, args: Any, kwargs: Any) -> Plan | None:
    """Who knows what an operation does to a rectangle; None for nobody."""
    packet = func.overloadpacket
    if packet in _SLIDING:
        sliding = _SLIDING[packet](*args)
        return sliding and partial(_slid, sliding)
    if packet is _aten.cat:
        maps = len(args) > 1 and args[1] in (1, -3) and all(isinstance(one, _Patched) for one in args[0])
        return _together if maps else None
    if packet in _NORMS:
        return _together if isinstance(args[0], _Patched) and not args[5] else None
    by_value = torch.Tag.pointwise in func.tags or packet in _BY_VALUE
    if not by_value or any(isinstance(value, Tensor) for value in kwargs.values()):
        return None
    if func._schema.is_mutable and not isinstance(args[0], _Patched):
        return None
    return _together if all(map(_is_everywhere_the_same, args)) else None


def _is_everywhere_the_same(value: Any) -> bool:
    """Whether an argument is a map, or has one value for each channel at most."""
    if isinstance(value, _Patched) or not isinstance(value, Tensor):
        return True
    return value.ndim <= 4 and set(value.shape[-2:]) <= {1} and (value.ndim < 4 or len(value) == 1)


def _together(given: list[_Patched], clean: Tensor) -> _Step | None:
    """Value by value: the rectangles are enlarged to a common one."""
    if len({(one.map.shape[0], *one.map.shape[2:]) for one in given}) > 1:
        return None
    first = given[0].map
    if all(one.map.starts is first.starts for one in given):
        made = replace(first, shape=tuple(clean.shape), dtype=clean.dtype, clean={})
        return _Step(made, made.starts, made.size)
    starts, size = [], []
    for axis, limit in enumerate(clean.shape[2:]):
        first = np.min([one.map.starts[axis] for one in given], 0)
        last = np.max([one.map.starts[axis] + one.map.size[axis] for one in given], 0)
        size.append(int((last - first).max()))
        starts.append(np.minimum(first, limit - size[-1]))
    made = _Map((starts[0], starts[1]), (size[0], size[1]), tuple(clean.shape), clean.dtype)
    return _Step(made, made.starts, made.size) if made.covered < LARGEST else None


class _Sliding(NamedTuple):
    """A kernel that slides over a map; see `_Step` for the rest."""

    kernel: Any
    stride: Any
    padding: Any
    dilation: Any
    fill: float
    rest: tuple[Any, ...]


def _slid(by: _Sliding, given: list[_Patched], clean: Tensor) -> _Step | None:
    """All places of the kernel from where it sees some of the rectangle."""
    old, starts, size, seen, view, pads = given[0].map, [], [], [], [], []
    for axis in (0, 1):
        kernel, stride, padding, dilation = (_pair(option)[axis] for option in by[:4])
        reach, limit = dilation * (kernel - 1), clean.shape[2 + axis]
        first = np.maximum(-((reach - padding - old.starts[axis]) // stride), 0)
        last = np.minimum((old.starts[axis] + old.size[axis] - 1 + padding) // stride, limit - 1)
        size.append(max(1, int((last - first).max()) + 1))
        starts.append(np.minimum(first, limit - size[-1]))
        seen.append(starts[-1] * stride - padding)
        view.append((size[-1] - 1) * stride + reach + 1)
        beyond = (limit - 1) * stride + reach + 1 - padding - old.shape[2 + axis]
        pads = [padding, max(0, beyond), *pads]  # the last axis comes first
    made = _Map((starts[0], starts[1]), (size[0], size[1]), tuple(clean.shape), clean.dtype)
    border = (tuple(pads), by.fill) if any(pads) else _PLAIN
    step = _Step(made, (seen[0], seen[1]), (view[0], view[1]), border, by.rest)
    return step if made.covered < LARGEST else None


def _pair(value: Any) -> tuple[int, int]:
    return (value, value) if isinstance(value, int) else (value[0], value[-1])


def _convolution(
    x: Any, weight: Any, bias: Any, stride: Any, padding: Any, dilation: Any, transposed: bool, *more: Any
) -> _Sliding | None:
    if transposed or weight.ndim != 4 or any(isinstance(one, _Patched) for one in (weight, bias)):
        return None
    rest = (weight, bias, stride, [0, 0], dilation, transposed, *more)
    return _Sliding(weight.shape[2:], stride, padding, dilation, 0.0, rest)


def _max_pool(
    _x: Any, kernel: Any, stride: Any = (), padding: Any = 0, dilation: Any = 1, _up: bool = False
) -> _Sliding:
    rest = (kernel, stride, 0, dilation)
    return _Sliding(kernel, stride or kernel, padding, dilation, -math.inf, rest)


def _avg_pool(
    _x: Any,
    kernel: Any,
    stride: Any = (),
    padding: Any = 0,
    up: bool = False,
    border_counts: bool = True,
    divisor: int | None = None,
) -> _Sliding | None:
    if up or not (border_counts or divisor or not any(_pair(padding))):
        return None  # the divisor is another at the border
    return _Sliding(kernel, stride or kernel, padding, 1, 0.0, (kernel, stride, 0, False, True, divisor))


_SLIDING: dict[Any, Callable[..., _Sliding | None]] = {
    _aten.convolution: _convolution,
    _aten.max_pool2d_with_indices: _max_pool,
    _aten.avg_pool2d: _avg_pool,
}
"""How an operation slides, from its arguments; None where that is not all."""
