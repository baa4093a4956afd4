"""Layers by name, the activations they put out, and the grid behind a row of tokens."""

import difflib
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from saliscope.errors import LayerError

_MAX_PREFIX = 8
"""Tokens before the grid (class, distillation, registers): no published vision transformer has more."""

_MAX_BORDER = 3
"""Cells that unpadded convolutions have cut off a grid at most, as in Inception: 299 / 8 = 37.4 became 35."""


def find_layer(module: nn.Module, layer: str | nn.Module) -> tuple[str, nn.Module]:
    """A layer's name and module, from either.

    Raises
    ------
    LayerError
        If the model has no such layer; close names are suggested.
    """
    named = dict(module.named_modules())
    if isinstance(layer, nn.Module):
        for name, part in named.items():
            if part is layer:
                return name, part
        raise LayerError(
            "layer", f"a {type(layer).__name__} that is not part of the model", "a layer of the model"
        )
    if not isinstance(layer, str):
        raise LayerError("layer", f"{layer!r} of type {type(layer).__name__}", "the name of a layer")
    if layer in named:
        return layer, named[layer]
    names = [name for name in named if name]
    close = difflib.get_close_matches(layer, names, n=3, cutoff=0.5)
    ends = [name for name in names if name.endswith("." + layer)][:3]
    hint = " or ".join(repr(name) for name in dict.fromkeys(ends + close))
    way_out = f"Did you mean {hint}?" if hint else f"The first layers are {', '.join(names[:5])}."
    raise LayerError("layer", repr(layer), f"the name of one of the model's {len(names)} layers", way_out)


@contextmanager
def behind(layer: nn.Module, function: Callable[[Any], Any]) -> Iterator[None]:
    """Call `function` with what the layer puts out; what it returns, if anything, takes its place."""

    def hook(_module: nn.Module, _inputs: Any, output: Any) -> Any:
        with torch._C.DisableTorchFunction():  # what is asked here is no operation of the network
            return function(output)

    handle = layer.register_forward_hook(hook)
    try:
        yield
    finally:
        handle.remove()


@dataclass
class Tap:
    """Activations caught at a layer: `leaf` is where a gradient is asked for, None until the layer ran."""

    leaf: Tensor | None = None


@contextmanager
def tapped(layer: nn.Module, cut: bool = True) -> Iterator[Tap]:
    """Catch a layer's output on its way, so that the score's gradient at it can be asked for.

    The model goes on with a copy, so an operation in place behind it cannot write into the activations.
    If the layer runs several times, the last call counts.

    Parameters
    ----------
    layer : nn.Module
    cut : bool
        Cut the graph there: none is kept up to the layer; from its output on, gradients are enabled, and
        `Tap.leaf` is a leaf. Otherwise the graph is left as it is.
    """
    tap = Tap()

    def catch(output: Any) -> Any:
        if cut:
            torch.set_grad_enabled(True)
        activations = first_tensor(output)
        if activations is None:
            return None
        tap.leaf = activations.detach().clone().requires_grad_() if cut else activations.clone()
        return with_first_tensor(output, tap.leaf.clone())

    with _no_graph_yet() if cut else nullcontext(), behind(layer, catch):
        yield tap


@contextmanager
def replaced(layer: nn.Module, activations: Tensor, call: int) -> Iterator[None]:
    """Let a model go on from a layer's end with other activations; no graph is kept up to there.

    Parameters
    ----------
    layer : nn.Module
    activations : Tensor
        In the place of the layer's output. What follows may write into it.
    call : int
        Which call of the layer it is, the last one, counted from 1.

    Raises
    ------
    LayerError
        If the layer runs another number of times.
    """
    calls, graph = 0, torch.is_grad_enabled()

    def replace(output: Any) -> Any:
        nonlocal calls
        calls += first_tensor(output) is not None
        if calls != call:
            return None
        torch.set_grad_enabled(graph)
        return with_first_tensor(output, activations)

    with _no_graph_yet(), behind(layer, replace):
        yield
    if calls != call:
        got = f"a layer that runs {call} times for the input, but {calls} times on the way to it"
        raise LayerError("layer", got, "a layer that always runs as often", "Name the layer around it.")


@contextmanager
def _no_graph_yet() -> Iterator[None]:
    """Begin without a graph; what is set inside ends with this."""
    previous = torch.is_grad_enabled()
    try:
        torch.set_grad_enabled(False)
        yield
    finally:
        torch.set_grad_enabled(previous)


@contextmanager
def heard(layer: nn.Module) -> Iterator[list[Tensor]]:
    """Keep what a layer puts out at its last call, as a copy: what follows may work in place on its own."""
    outputs: list[Tensor] = []

    def keep(output: Any) -> None:
        tensor = first_tensor(output)
        if tensor is not None:
            outputs[:] = [tensor.clone()]

    with behind(layer, keep):
        yield outputs


@contextmanager
def running(module: nn.Module) -> Iterator[list[str]]:
    """The names of the modules that are running, the innermost one last; the first, "", is always there."""
    names = [""]

    def enter(name: str) -> Any:
        return lambda *_: names.append(name)

    def leave(*_: Any) -> None:
        names.pop()

    handles = []
    try:
        for name, part in module.named_modules():
            if not isinstance(part, torch.jit.ScriptModule):  # which takes no hooks
                handles.append(part.register_forward_pre_hook(enter(name), prepend=True))
                # Also after an exception, which the model itself may catch.
                handles.append(part.register_forward_hook(leave, always_call=True))
        yield names
    finally:
        for handle in handles:
            handle.remove()


@contextmanager
def recorded(module: nn.Module) -> Iterator[dict[str, Tensor]]:
    """Collect the output tensor of every submodule's last call, in the order in which they finished."""
    outputs: dict[str, Tensor] = {}
    handles = []

    def recorder(name: str) -> Any:
        def hook(_module: nn.Module, _inputs: Any, output: Any) -> None:
            tensor = first_tensor(output)
            outputs.pop(name, None)
            if tensor is not None:
                # A view is safe against nothing, but cheap; shapes and gradients are all that is asked of it.
                outputs[name] = tensor

        return hook

    try:
        for name, part in module.named_modules():
            if name:
                handles.append(part.register_forward_hook(recorder(name)))
        yield outputs
    finally:
        for handle in handles:
            handle.remove()


def grid_of(shape: tuple[int, ...], picture: tuple[int, int]) -> tuple[int, int] | None:
    """Height and width of the spatial grid in an activation's shape; None where it is no picture's grid.

    Attention weights ``(n, heads, tokens, tokens)`` have two equal sides as well, but not those of the
    picture divided by a stride.

    Parameters
    ----------
    shape : tuple of int
        ``(n, channels, h, w)``, ``(n, h, w, channels)`` or ``(n, tokens, channels)``.
    picture : tuple of int
        Height and width of the input.
    """
    layout = _layout(shape, picture)
    return layout[1] if layout is not None and _fits(*layout[1], picture) else None


def as_maps(activations: Tensor, picture: tuple[int, int]) -> Float[Tensor, "n channels h w"]:
    """Activations as channel-first maps, whatever the architecture's layout.

    Convolutions give ``(n, c, h, w)``; Swin and ConvNeXt blocks ``(n, h, w, c)``; transformers
    ``(n, prefix + h*w, c)``, where the prefix (class and register tokens) is inferred from the picture's
    aspect ratio and left out.

    Raises
    ------
    LayerError
        If the layer's output has no spatial grid.
    """
    found = _layout(tuple(activations.shape), picture)
    if found is None:
        raise LayerError(
            "layer",
            f"a layer with output shape {tuple(activations.shape)}",
            "a spatial output: (n, channels, h, w), (n, h, w, channels) or (n, tokens, channels)",
            "Choose a convolution or transformer block.",
        )
    layout, (height, width) = found
    if layout == "channels_first":
        return activations
    if layout == "channels_last":
        return activations.permute(0, 3, 1, 2)
    tokens = activations[:, activations.shape[1] - height * width :]
    return tokens.transpose(1, 2).unflatten(2, (height, width))


def enlarged(maps: Tensor, picture: tuple[int, int]) -> Float[Tensor, "n channels height width"]:
    """Maps at the size of the picture, bilinearly."""
    return torch.nn.functional.interpolate(maps, size=picture, mode="bilinear", align_corners=False)


def map_of(values: Tensor, picture: tuple[int, int]) -> Float[Tensor, "n height width"]:
    """What a picture of a layer's values shows: their sum over the channels, at the size of the picture."""
    return enlarged(as_maps(values, picture).sum(1, keepdim=True), picture)[:, 0]


def _layout(shape: tuple[int, ...], picture: tuple[int, int]) -> tuple[str, tuple[int, int]] | None:
    if len(shape) == 4:
        _, a, b, c = shape
        # Channels last only where it fits the picture's shape clearly better.
        if _fits(a, b, picture) and _mismatch(a, b, picture) + 0.05 < _mismatch(b, c, picture):
            return "channels_last", (a, b)
        return ("channels_first", (b, c)) if b * c > 1 else None
    if len(shape) == 3:
        for prefix in range(min(_MAX_PREFIX + 1, shape[1])):
            tokens = shape[1] - prefix
            height = round((tokens * picture[0] / picture[1]) ** 0.5)
            if height > 1 and tokens % height == 0 and _mismatch(height, tokens // height, picture) < 0.05:
                return "tokens", (height, tokens // height)
    return None


def _fits(height: int, width: int, picture: tuple[int, int]) -> bool:
    """Whether a grid is the picture divided by a stride, borders lost to unpadded windows allowed for."""
    if height > picture[0] or width > picture[1]:
        return False
    nearest = picture[0] / height
    return height * width > 1 and any(
        all(
            -1 <= side / stride - cells <= _MAX_BORDER
            for side, cells in zip(picture, (height, width), strict=True)
        )
        for stride in {int(nearest), int(nearest) + 1}
    )


def _mismatch(height: int, width: int, picture: tuple[int, int]) -> float:
    return abs(height * picture[1] / (width * picture[0]) - 1)


def silent(name: str) -> LayerError:
    """The error of a layer without an output."""
    return LayerError("layer", f"'{name}', which put out no tensor", "a layer that runs in the forward pass")


def check_rows(name: str, activations: Tensor | None, rows: int) -> Tensor:
    """A layer's activations, which must be one row for each input.

    Raises
    ------
    LayerError
        If they are not, or the layer put out no tensor.
    """
    if activations is None:
        raise silent(name)
    found = len(activations) if activations.ndim else 0
    if found != rows:
        inputs = "one input" if rows == 1 else f"{rows} inputs"
        got = f"'{name}', which puts out {found} rows for {inputs}"
        raise LayerError("layer", got, "one row for each input", "Name the layer around it.")
    return activations


def first_tensor(output: Any) -> Tensor | None:
    """The first tensor of floats in a layer's output; None where there is none."""
    if isinstance(output, Tensor):
        return output if output.is_floating_point() else None
    if isinstance(output, (tuple, list)):
        return next((item for item in output if isinstance(item, Tensor) and item.is_floating_point()), None)
    return None


def with_first_tensor(output: Any, replacement: Tensor) -> Any:
    """A layer's output with another tensor in the place of the one that `first_tensor` finds."""
    if isinstance(output, Tensor):
        return replacement
    items = list(output)
    position = next(
        i for i, item in enumerate(items) if isinstance(item, Tensor) and item.is_floating_point()
    )
    items[position] = replacement
    if hasattr(output, "_fields"):
        return type(output)(*items)
    return type(output)(items)
