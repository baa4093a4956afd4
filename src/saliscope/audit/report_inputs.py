"""What a report is made of: a sample of the user's pictures, their classes and masks, the model's word."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Bool, UInt8
from PIL import Image
from torch import Tensor, nn

from saliscope.attribution import Method
from saliscope.attribution.cam import LayerMaps
from saliscope.audit.choice import Choice, as_method, choice
from saliscope.audit.report_cases import Explained, by_class, by_function, function_of, true_classes
from saliscope.core.borrow import Borrowed, borrow
from saliscope.core.preprocess import Prepared, prepare
from saliscope.core.seeds import generator
from saliscope.errors import InputError, MethodError, SaliscopeError
from saliscope.faithfulness.protocol import check_count


@dataclass(frozen=True)
class Sample:
    """Pictures that are audited, and what is known of them.

    Attributes
    ----------
    borrowed : Borrowed
    inputs : Tensor of shape (n, channels, height, width)
        In model space.
    pictures : ndarray of uint8, shape (n, height, width, 3)
    given : int
        How many pictures they are a sample of.
    explained : Explained
        What is explained of each, and what the model makes of it.
    notes : tuple of str
        How the pictures came about.
    masks, marks : Tensor of shape (n, height, width), optional
        Which pixels the object has, and which the watermark has.
    """

    borrowed: Borrowed
    inputs: Tensor
    pictures: UInt8[np.ndarray, "n height width 3"]
    given: int
    explained: Explained
    notes: tuple[str, ...] = ()
    masks: Bool[Tensor, "n height width"] | None = None
    marks: Bool[Tensor, "n height width"] | None = None


def sampled(
    borrowed: Borrowed,
    images: Any,
    labels: Any,
    target: Any,
    explain: str = "model",
    *,
    masks: Any = None,
    marks: Any = None,
    n_images: int = 16,
    seed: int = 0,
) -> Sample:
    """Draw the pictures and ask the model what it makes of them.

    Parameters
    ----------
    borrowed : Borrowed
    images, labels, target, explain, masks, marks, n_images, seed
        See `saliscope.audit.report_stream`.

    Raises
    ------
    InputError
        If there is no picture, or labels or masks are not one for each.
    TargetError
        If the model has no such class.
    """
    check_count("n_images", n_images, 1)
    check_count("seed", seed, 0)
    function = function_of(target, labels, explain)
    listed, given = _listed(images, borrowed)
    picks = tuple(range(given))
    if given > n_images:
        picks = tuple(sorted(generator(seed, 0).choice(given, n_images, replace=False).tolist()))
    truth = true_classes(labels, given)
    drawn = [listed[i] for i in picks] if isinstance(listed, Sequence) else listed[list(picks)]
    prepared = _prepared(drawn, borrowed)
    inputs = prepared.inputs
    regions = {
        name: _regions(name, region, given, picks, prepared)
        for name, region in (("masks", masks), ("marks", marks))
        if region is not None
    }
    if function is None:
        explained = by_class(borrowed, inputs, picks, truth, explain)
    else:
        explained = by_function(borrowed, inputs, picks, function)
    notes = (*prepared.notes, *explained.notes)
    return Sample(borrowed, inputs, prepared.pictures, given, explained, notes, **regions)


def fed(model: nn.Module | Borrowed, **said: Any) -> Borrowed:
    """The model, with what is said of how it is fed: ``transform``, ``mean`` and ``std`` of `borrow`."""
    said = {name: value for name, value in said.items() if value is not None}
    if isinstance(model, Borrowed):
        return replace(borrow(model, **said), labels=model.labels) if said else model
    return borrow(model, **said)


def _listed(images: Any, borrowed: Borrowed) -> tuple[Any, int]:
    """Something that a picture can be taken from by its number, and how many there are."""
    if isinstance(images, (str, Path, Image.Image)):
        return [images], 1
    if isinstance(images, (list, tuple)):
        if not images:
            raise InputError("images", f"an empty {type(images).__name__}", "at least one picture")
        if all(getattr(each, "ndim", 3) < 4 for each in images):
            return images, len(images)
        batches = _prepared(images, borrowed).inputs
        return batches, len(batches)
    if getattr(images, "ndim", 3) == 4:
        if not len(images):
            raise InputError("images", f"a batch of shape {tuple(images.shape)}", "at least one picture")
        return images, len(images)
    return [images], 1


def _prepared(images: Any, borrowed: Borrowed) -> Prepared:
    try:
        return prepare(images, borrowed.preprocessing, borrowed.module)
    except SaliscopeError as error:
        raise _about("images", error) from error.__cause__


def _about(argument: str, error: SaliscopeError) -> SaliscopeError:
    """The same error, about the argument that the user knows."""
    argument = error.argument.replace("inputs", argument) if "inputs" in error.argument else argument
    return type(error)(argument, error.got, error.expected, error.way_out)


def _regions(name: str, given: Any, n: int, picks: tuple[int, ...], prepared: Prepared) -> Tensor:
    size = tuple(prepared.inputs.shape[2:])
    try:
        listed = [np.asarray(one.cpu() if isinstance(one, Tensor) else one) for one in given]
        listed = [np.asarray(given)] if listed and listed[0].ndim == 1 else listed  # of a single picture
    except (TypeError, ValueError, RuntimeError):
        got = f"an object of type {type(given).__name__}"
        raise InputError(name, got, f"an array ({n}, height, width)") from None
    if len(listed) != n:
        got = f"{len(listed)} of them for {n} picture{'s' * (n != 1)}"
        raise InputError(name, got, "one for each")
    for i in picks:
        if listed[i].shape != size:
            raise InputError(
                f"{name}[{i}]",
                f"shape {listed[i].shape}",
                f"{size}, the size of what the model is fed",
                "Resize and crop a mask in the way of its picture.",
            )
    chosen = np.stack([listed[i] for i in picks])
    if not np.array_equal(chosen.astype(bool), chosen):
        raise InputError(name, "values beside 0 and 1", "a boolean for each pixel", "As in masks > 0.5.")
    return torch.as_tensor(chosen.astype(bool))


def methods_of(given: Any, sample: Sample, layer: str | None) -> Choice:
    """The methods that are audited, by title.

    Parameters
    ----------
    given : sequence or dict of methods, or None
        As of `saliscope.audit.choice.as_method`; None: those that suit the model.
    sample : Sample
    layer : str, optional
        What class activation maps read.

    Raises
    ------
    MethodError
        If it is none of these.
    """
    if given is None:
        made = choice(sample.borrowed, sample.inputs, sample.explained.target.rows(torch.arange(1)))
        return replace(made, methods={title: _reading(one, layer) for title, one in made.methods.items()})
    if isinstance(given, Mapping):
        named = {str(title): as_method(one, f"methods[{title!r}]") for title, one in given.items()}
    else:
        named = {}
        several = given if isinstance(given, (list, tuple)) else [given]
        for one in map(as_method, several):
            title = _title(one)
            again = sum(known == title or known.startswith(f"{title} (") for known in named)
            named[f"{title} ({again + 1})" if again else title] = one
    if not named:
        raise MethodError("methods", f"an empty {type(given).__name__}", "at least one method")
    return Choice({title: _reading(one, layer) for title, one in named.items()}, {})


def _title(method: Any) -> str:
    return method.title if isinstance(method, Method) else getattr(method, "__name__", type(method).__name__)


def _reading(method: Any, layer: str | None) -> Any:
    """A class activation map without a layer of its own reads the one that was asked for."""
    reads = layer is not None and isinstance(method, LayerMaps) and method.layer is None
    return replace(method, layer=layer) if reads else method
