"""The maps that are tested, and which pixel comes first: the order that a map puts a picture's pixels in."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from inspect import signature
from typing import Any, Literal

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from saliscope.core.batching import ChunkSize
from saliscope.core.borrow import Borrowed, as_borrowed, lent
from saliscope.core.seeds import Randomness, generator
from saliscope.core.targets import Output, ResolvedTarget, Target
from saliscope.errors import InputError, MethodError, TargetError

Ranking = Literal["signed", "absolute"]


def as_maps(maps: Any, inputs: Tensor, name: str = "maps") -> Float[Tensor, "n height width"]:
    """One map for each input, from whatever holds them.

    Parameters
    ----------
    maps : Attribution, Tensor or ndarray
        An attribution, or its values: (n, height, width), (n, channels, height, width), whose sum over the
        channels is taken, or (height, width) for a single input.
    inputs : Tensor of shape (n, channels, height, width)
        The pictures that the maps are of.
    name : str
        What an error calls them.

    Returns
    -------
    Tensor
        In float64, on the CPU.

    Raises
    ------
    InputError
        If the maps are not as large as the pictures, not one for each, or hold NaN or infinite values.
    """
    return as_values(maps, inputs, name).sum(1)


def as_values(given: Any, inputs: Tensor, name: str = "maps") -> Float[Tensor, "n channels height width"]:
    """`as_maps` with the channels that the maps have: one where they have none.

    Parameters
    ----------
    given, inputs, name
        As of `as_maps`, with the same errors; of an attribution, its `values`.
    """
    if inputs.ndim != 4:
        raise InputError("inputs", f"shape {tuple(inputs.shape)}", "pictures (n, channels, height, width)")
    n, _, height, width = inputs.shape
    full, shape = numbers(given, name)
    sides = tuple(full.shape[2:])
    if (len(full), *sides) != (n, height, width):
        way_out = ""
        if sides == (width, height):
            way_out = "Rows come before columns: transpose it, as by m.mT."
        elif sides[0] < height and sides[1] < width:
            way_out = (
                "Enlarge a coarse map first: "
                "torch.nn.functional.interpolate(m[:, None], size, mode='bilinear')."
            )
        raise InputError(
            name,
            f"shape {shape} for {n} picture{'s' * (n != 1)} of {height} x {width}",
            f"shape ({n}, {height}, {width}), one value for each pixel that the model is fed",
            way_out,
        )
    return full


def numbers(given: Any, name: str) -> tuple[Float[Tensor, "n channels height width"], tuple[int, ...]]:
    """The numbers of `as_values`, of whatever size, and the shape that they came in."""
    held = getattr(given, "values", None)
    held = held if isinstance(held, Tensor) else getattr(given, "map", given)
    try:
        values = torch.as_tensor(held).detach().cpu()
    except (TypeError, ValueError, RuntimeError):
        expected = "an attribution, a tensor or an array of numbers"
        raise InputError(name, f"an object of type {type(given).__name__}", expected) from None
    if values.is_complex():
        raise InputError(name, "complex numbers", "real ones", "Take one part of them, as m.real or m.abs().")
    shape, values = tuple(values.shape), values.double()
    full = values if values.ndim == 4 else values[:, None] if values.ndim == 3 else values[None, None]
    if full.ndim != 4 or not full.shape[1]:
        expected = "shape (n, height, width), one value for each pixel that the model is fed"
        raise InputError(name, f"shape {shape}", expected)
    bad = ~torch.isfinite(values)
    if bool(bad.any()):
        first = tuple(bad.nonzero()[0].tolist())
        raise InputError(
            name,
            f"{int(bad.sum())} NaN or infinite values, the first at index {first}",
            "finite values",
            "Leave these maps out; or, if they mean that a pixel has no relevance, write 0 there.",
        )
    return full, shape


def asked(maps: Any, target: Any) -> Any:
    """The target that is asked for; where none is, that of the maps, if they know it."""
    own = getattr(maps, "target", None)
    return own if target is None and isinstance(own, ResolvedTarget) else target


def scored(maps: Mapping[str, Any], target: Any, output: Output | None) -> Target | ResolvedTarget:
    """The target that is scored: the one that is given, or that of the maps that have one."""
    if target is None:
        target = _common(maps)
    asked = Target.of(target)
    if isinstance(asked, ResolvedTarget):
        if asked.function is not None or output in (None, asked.output):
            return asked
        assert asked.indices is not None
        return Target(asked.indices, output)
    if output is None or asked.layer or callable(asked.index):
        return asked
    return replace(asked, output=output, against=asked.against if output == "margin" else None)


def _common(maps: Mapping[str, Any]) -> ResolvedTarget | None:
    """The target that all attributions among the maps share."""
    known = {name: getattr(given, "target", None) for name, given in maps.items()}
    known = {name: one for name, one in known.items() if isinstance(one, ResolvedTarget)}
    if not known:
        return None
    first, target = next(iter(known.items()))
    for name, other in known.items():
        if other.function is not target.function or _classes(other) != _classes(target):
            raise TargetError(
                "target",
                f"None, with maps of {_words(target)} ({first}) and of {_words(other)} ({name})",
                "one target for all maps",
                "Say which class the curves are about: target=...",
            )
    return target


def _classes(target: ResolvedTarget) -> list[int] | None:
    return None if target.indices is None else target.indices.tolist()


def _words(target: ResolvedTarget) -> str:
    return " and ".join(dict.fromkeys(target.labels))


def explained(
    explain: Any,
    model: nn.Module | Borrowed,
    inputs: Tensor,
    target: ResolvedTarget,
    chunk_size: ChunkSize = "auto",
) -> tuple[Any, Float[Tensor, "n channels height width"]]:
    """Run a method again, whatever it is.

    The model is lent for the call; torch's random numbers start from the same place at every call.

    Parameters
    ----------
    explain : object or callable
        An object with ``attribute(model, inputs, target)``, or a function of these three; it gives an
        attribution, or values that `as_values` takes.
    model : nn.Module or Borrowed
    inputs : Tensor of shape (n, channels, height, width)
    target : ResolvedTarget
        One that has met the model (`Query.target`): with another picture, the question must stay the same.
        A function that wants class indices finds them in its ``indices``.
    chunk_size : int or "auto"
        For whoever takes it; others are not told of it.

    Returns
    -------
    answer, values
        What it gave, and its values, checked; their sum over the channels is the map.

    Raises
    ------
    MethodError
        If it is neither.
    InputError
        If its maps do not fit the inputs, or hold NaN.
    """
    check_own(explain)
    own = getattr(explain, "attribute", None)
    if isinstance(explain, type) or not (callable(own) or callable(explain)):
        raise MethodError(
            "explain",
            f"the class {explain.__name__}" if isinstance(explain, type) else repr(explain)[:60],
            "a method object with .attribute(model, inputs, target), or a function of these three",
            "Make one, as in IntegratedGradients().",
        )
    run = own if callable(own) else explain
    with lent(as_borrowed(model).module), Randomness(0, inputs.device).going_on():
        answer = run(model, inputs, target, **chunks_of(run, chunk_size))
    return answer, as_values(answer, inputs, "explain")


def check_own(explain: Any) -> None:
    """Refuse an object of another package, which asks other things than a method does."""
    package = type(explain).__module__.partition(".")[0]
    if package in ("captum", "zennit"):
        got = f"a {type(explain).__name__} of {package}"
        way_out = "saliscope.attribution.adapt() makes a method of it."
        raise MethodError("explain", got, "a method, or a function of model, inputs and target", way_out)


def chunks_of(run: Callable[..., Any], chunk_size: ChunkSize) -> dict[str, ChunkSize]:
    """What a method is told of the size of chunks: others than ours need not take it."""
    return {"chunk_size": chunk_size} if "chunk_size" in signature(run).parameters else {}


def is_constant(maps: Float[Tensor, "n height width"], ranking: Ranking = "signed") -> Tensor:
    """Whether each map has one value, or one magnitude, throughout, and so no order but that of the seed."""
    low, high = _ranked(maps, ranking).flatten(1).aminmax(dim=1)
    return low == high


def ranks(
    maps: Float[Tensor, "n height width"], seed: int, ranking: Ranking = "signed"
) -> Int[Tensor, "n height width"]:
    """Place of each pixel when they are taken by decreasing value: 0 is taken first.

    Pixels of one value come in an order that the seed draws, the same for every input; so neither the sorting
    algorithm nor the layout of the picture decides what a constant part of a map is worth.
    """
    n, height, width = maps.shape
    flat = _ranked(maps, ranking).reshape(n, -1)
    drawn = torch.as_tensor(generator(seed, 0).permutation(height * width))
    taken = drawn[torch.argsort(flat[:, drawn], dim=1, descending=True, stable=True)]
    places = torch.empty(taken.shape, dtype=torch.int32)  # a trial holds many orders
    places.scatter_(1, taken, torch.arange(height * width, dtype=torch.int32).expand(n, -1))
    return places.reshape(n, height, width)


def _ranked(maps: Tensor, ranking: Ranking) -> Tensor:
    return maps.abs() if ranking == "absolute" else maps


def random_ranks(seed: int, index: int, shape: tuple[int, int]) -> Int[Tensor, "height width"]:
    """Places in an order that is drawn at random."""
    permutation: np.ndarray = generator(seed, 1 + index).permutation(shape[0] * shape[1])
    return torch.as_tensor(permutation.astype(np.int32)).reshape(shape)
