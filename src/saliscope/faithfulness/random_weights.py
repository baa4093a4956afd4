"""A network forgets: its layers from the output down, and new random values for the weights of each."""

import copy
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from torch import Tensor, nn

from saliscope.core.borrow import Borrowed, untouched
from saliscope.core.device import as_like
from saliscope.core.seeds import generator, preserved_rng
from saliscope.errors import ModelError

Weights = Literal["reset", "normal", "permuted"]
Buffers = Literal["reset", "kept"]
Extent = Literal["blocks", "layers"]

MOST_BLOCKS = 10
"""Blocks of a network at most: as many maps as fit into a strip."""


@dataclass(frozen=True)
class Block:
    """A part of a network.

    Attributes
    ----------
    name : str
        Of the module, or "first to last" of neighbours.
    layers : tuple of str
        The modules with parameters of their own in it, in the order in which they run.
    """

    name: str
    layers: tuple[str, ...]


def copied(module: nn.Module) -> nn.Module:
    """A copy of a network, hooks and all, in eval mode.

    Raises
    ------
    ModelError
        If it cannot be copied.
    """
    try:
        with untouched(module):
            return copy.deepcopy(module)
    except Exception as error:
        raise ModelError(
            "model",
            f"{type(error).__name__} from copy.deepcopy: {error}",
            "a network that can be copied, for your own is not changed",
            "Mostly an attribute holds a tensor with a graph: detach it, or build the network anew and load "
            "its state_dict().",
        ) from error


def blocks_of(borrowed: Borrowed, inputs: Tensor, extent: Extent) -> list[Block]:
    """The parts of a network that have parameters, the one nearest to the output first.

    A layer's place is where it last began to run for the inputs. One that is never called itself, as the
    projection inside of torch's attention, has the place of the module around it.

    Parameters
    ----------
    borrowed : Borrowed
        Is run once, for the first of the inputs.
    inputs : Tensor of shape (n, ...)
        In model space.
    extent : {"blocks", "layers"}
        Every layer for itself; or blocks, `MOST_BLOCKS` at most: the modules that the network consists of.
        The largest is taken apart while there are few or it has most of the layers; neighbours are put
        together where there would be too many.

    Raises
    ------
    ModelError
        If the network has no parameters.
    """
    module = borrowed.module
    names = [
        name for name, part in module.named_modules() if any(True for _ in part.parameters(recurse=False))
    ]
    if not names:
        got = f"a {type(module).__name__} without parameters"
        raise ModelError("model", got, "a network with weights, for they are what is randomised")
    with _beginnings(module) as places, torch.no_grad():
        borrowed(inputs[:1].clone())

    def place(name: str) -> int:
        while name and name not in places:
            name = name.rpartition(".")[0]
        return places.get(name, 0)

    layers = sorted(names, key=place)
    found = [(name, [name]) for name in layers] if extent == "layers" else _grouped(layers)
    return [Block(name or type(module).__name__, tuple(own)) for name, own in reversed(found)]


@contextmanager
def _beginnings(module: nn.Module) -> Iterator[dict[str, int]]:
    """When each module began to run for the last time: a count."""
    places: dict[str, int] = {}
    count = 0
    with untouched(module):  # which takes the hooks away again
        for name, part in module.named_modules():
            if isinstance(part, torch.jit.ScriptModule):  # which takes no hooks
                continue

            def hook(*_: object, name: str = name) -> None:
                nonlocal count
                count += 1
                places[name] = count

            part.register_forward_pre_hook(hook)
        yield places


def _grouped(layers: list[str]) -> list[tuple[str, list[str]]]:
    """Layers in the order in which they run, as at most `MOST_BLOCKS` named groups in that order."""
    groups = [("", layers)]
    while True:
        largest = max(range(len(groups)), key=lambda i: len(groups[i][1]))
        path, own = groups[largest]
        room = MOST_BLOCKS - len(groups) + 1
        fine = len(groups) * 2 >= MOST_BLOCKS and len(own) * 2 <= len(layers)
        if fine or len(own) == 1 or room < 2 or " to " in path:
            return groups
        groups[largest : largest + 1] = _runs(_parts(path, own), room)


def _parts(path: str, layers: list[str]) -> list[tuple[str, list[str]]]:
    """A module's children with their layers; a child that has all of them is gone into."""
    while True:
        found: dict[str, list[str]] = {}
        for layer in layers:
            child = layer.removeprefix(path).lstrip(".").split(".")[0]
            found.setdefault(f"{path}.{child}".strip("."), []).append(layer)
        if len(found) > 1:
            return list(found.items())
        path = next(iter(found))


def _runs(parts: list[tuple[str, list[str]]], most: int) -> list[tuple[str, list[str]]]:
    if len(parts) <= most:
        return parts
    runs = [[parts[i] for i in run] for run in np.array_split(np.arange(len(parts)), most)]
    names = [run[0][0] if len(run) == 1 else f"{run[0][0]} to {run[-1][0]}" for run in runs]
    return [(name, [layer for _, own in run for layer in own]) for name, run in zip(names, runs, strict=True)]


class Forgetting:
    """Random values for the weights of a network, a block at a time; drawn for each layer by its name.

    Parameters
    ----------
    module : nn.Module
        A copy: it is written into.
    weights : {"reset", "normal", "permuted"}
        By ``reset_parameters()`` of the layer, and where it has none as "normal"; from a normal distribution
        with the mean and standard deviation of the layer's own values; or those, permuted.
    buffers : {"reset", "kept"}
        Whether running statistics, as those of batch normalisation, go as well.
    seed : int
    """

    def __init__(self, module: nn.Module, weights: Weights, buffers: Buffers, seed: int) -> None:
        self._module, self._weights, self._buffers, self._seed = module, weights, buffers, seed
        self._done: set[int] = set()
        self._before: list[tuple[Tensor, Tensor]] = []

    def forget(self, block: Block) -> bool:
        """Draw the block's weights; whether any value changed. Shared ones are drawn once."""
        changed = False
        for name in block.layers:
            part = self._module.get_submodule(name)
            for tensor, new in self._drawn(part, name):
                if id(tensor) in self._done:
                    continue
                self._done.add(id(tensor))
                self._before.append((tensor, tensor.clone()))
                with torch.no_grad():
                    tensor.copy_(new)
                changed |= not torch.equal(tensor, self._before[-1][1])
        return changed

    def remember(self) -> None:
        """Put all values back."""
        with torch.no_grad():
            for tensor, value in self._before:
                tensor.copy_(value)
        self._before.clear()
        self._done.clear()

    def _drawn(self, part: nn.Module, name: str) -> Iterator[tuple[Tensor, Tensor]]:
        """The layer's own tensors that are to be changed, each with its new values."""
        random = generator(self._seed, zlib.crc32(name.encode()))
        anew = self._weights == "reset" and callable(getattr(part, "reset_parameters", None))
        statistics = self._buffers == "reset" and callable(getattr(part, "reset_running_stats", None))
        twin = copy.deepcopy(part).cpu() if anew or statistics else part  # one device, one draw
        if anew:
            with preserved_rng():
                torch.default_generator.manual_seed(int(random.integers(2**63)))
                _call(twin, "reset_parameters", name)
            yield from zip(part.parameters(recurse=False), twin.parameters(recurse=False), strict=True)
        else:
            for weight in part.parameters(recurse=False):
                yield weight, _redrawn(weight, self._weights == "permuted", random)
        if statistics:
            _call(twin, "reset_running_stats", name)
        if self._buffers == "reset" and twin is not part:
            yield from zip(part.buffers(recurse=False), twin.buffers(recurse=False), strict=True)


def _call(part: nn.Module, function: str, name: str) -> None:
    try:
        with torch.no_grad():
            getattr(part, function)()
    except Exception as error:
        raise ModelError(
            "model",
            f"{type(error).__name__} from {function}() of '{name}': {error}",
            "a layer that can be initialised again",
            "Pass weights='normal' and buffers='kept'.",
        ) from error


def _redrawn(weight: Tensor, permuted: bool, random: np.random.Generator) -> Tensor:
    values = weight.detach().cpu().double().numpy()
    if permuted:
        new = random.permutation(values.ravel()).reshape(values.shape)
    else:
        new = values.mean() + values.std() * random.standard_normal(values.shape)
    return as_like(new, weight)
