"""What a report is made of: a sample of the user's pictures, their classes and masks, the model's word."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Bool, Float, Int, UInt8
from PIL import Image
from torch import Tensor, nn

from saliscope.attribution import Method
from saliscope.attribution.cam import LayerMaps
from saliscope.attribution.registry import find_method
from saliscope.audit.choice import Choice, choice
from saliscope.core.borrow import Borrowed, borrow
from saliscope.core.preprocess import Prepared, prepare
from saliscope.core.query import Query
from saliscope.core.seeds import generator
from saliscope.core.targets import ResolvedTarget, Target
from saliscope.errors import InputError, MethodError, SaliscopeError, TargetError
from saliscope.faithfulness.protocol import check_choice, check_count

_NAMES = "`labels` are the true classes; names of all classes go into sp.borrow(model, labels=[...])."


@dataclass(frozen=True)
class Sample:
    """Pictures that are audited, and what is known of them.

    Attributes
    ----------
    borrowed : Borrowed
    inputs : Tensor of shape (n, channels, height, width)
        In model space.
    pictures : ndarray of uint8, shape (n, height, width, 3)
    picks : tuple of int
        Their places among the pictures that were given.
    given : int
        How many these were.
    target : ResolvedTarget
        What is explained: the model's top class, unless the label's was asked for.
    truth : tuple of str, optional
        The true classes, where labels say them.
    predicted : Tensor of shape (n,)
        The model's top class.
    probability : Tensor of shape (n,)
        Of that class (float64).
    score : Tensor of shape (n,)
        Probability of the class that is explained (float64).
    masks, marks : Tensor of shape (n, height, width), optional
    notes : tuple of str
        How the pictures came about.
    """

    borrowed: Borrowed
    inputs: Tensor
    pictures: UInt8[np.ndarray, "n height width 3"]
    picks: tuple[int, ...]
    given: int
    target: ResolvedTarget
    truth: tuple[str, ...] | None
    predicted: Int[Tensor, " n"]
    probability: Float[Tensor, " n"]
    score: Float[Tensor, " n"]
    masks: Bool[Tensor, "n height width"] | None = None
    marks: Bool[Tensor, "n height width"] | None = None
    notes: tuple[str, ...] = ()


def sampled(
    model: nn.Module | Borrowed,
    images: Any,
    labels: Any,
    *,
    masks: Any = None,
    marks: Any = None,
    n_images: int = 16,
    seed: int = 0,
    explain: str = "model",
    **said: Any,
) -> Sample:
    """Draw the pictures and ask the model what it makes of them.

    Parameters
    ----------
    model, images, labels, masks, marks, n_images, seed, explain
        See `saliscope.audit.report`.
    **said
        ``transform``, ``mean`` and ``std``, see `saliscope.borrow`.

    Raises
    ------
    InputError
        If there is no picture, or labels or masks are not one for each.
    TargetError
        If the model has no such class.
    """
    check_count("n_images", n_images, 1)
    check_count("seed", seed, 0)
    check_choice("explain", explain, ("model", "label"))
    if explain == "label" and labels is None:
        raise InputError("labels", "None", "the class of each picture, since explain='label'", _NAMES)
    borrowed = _borrowed(model, said)
    listed, given = _listed(images, borrowed)
    picks = tuple(range(given))
    if given > n_images:
        picks = tuple(sorted(generator(seed, 0).choice(given, n_images, replace=False).tolist()))
    truth = _truth(labels, given)
    prepared = _prepared(
        [listed[i] for i in picks] if isinstance(listed, Sequence) else listed[list(picks)], borrowed
    )
    regions = {
        name: _regions(name, region, given, picks, prepared)
        for name, region in (("masks", masks), ("marks", marks))
        if region is not None
    }
    top = _top(borrowed, prepared.inputs)
    predicted, probability = top.target.indices, top.score
    assert predicted is not None
    true = None if truth is None else _asked(borrowed, prepared.inputs, tuple(truth[i] for i in picks))
    asked = true if true is not None and explain == "label" else top
    return Sample(
        borrowed=borrowed,
        inputs=prepared.inputs,
        pictures=prepared.pictures,
        picks=picks,
        given=given,
        target=replace(asked.target, output="logit"),
        truth=None if true is None else true.target.labels,
        predicted=predicted.cpu(),
        probability=probability.double().cpu(),
        score=asked.score.double().cpu(),
        notes=(*prepared.notes, *_alone(borrowed, prepared.inputs, predicted)),
        **regions,
    )


def _borrowed(model: Any, said: Mapping[str, Any]) -> Borrowed:
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


def _truth(labels: Any, given: int) -> list[int | str] | None:
    if labels is None:
        return None
    plain = labels.tolist() if hasattr(labels, "tolist") else labels
    several = [plain] if isinstance(plain, (int, str)) else plain
    if not isinstance(several, (list, tuple)):
        raise InputError(
            "labels", f"an object of type {type(labels).__name__}", "the class of each picture", _NAMES
        )
    if len(several) != given:
        got = f"{len(several)} label{'s' * (len(several) != 1)} for {given} picture{'s' * (given != 1)}"
        raise InputError("labels", got, "the true class of each picture", _NAMES)
    for i, one in enumerate(several):
        if isinstance(one, bool) or not isinstance(one, (int, str)):
            raise InputError(f"labels[{i}]", repr(one)[:60], "a class index or the name of a class")
    return list(several)


def _top(borrowed: Borrowed, inputs: Tensor) -> Query:
    query = Query(borrowed, inputs, Target(output="probability"), "auto")
    try:
        _ = query.target  # resolved, and refused, when it is looked at
    except TargetError as error:
        way_out = "Audit a module that gives them, as one that returns model(x)['out'].mean((2, 3))."
        raise TargetError(
            "model", error.got.replace("a model whose", "one whose"), error.expected, way_out
        ) from error
    return query


def _alone(borrowed: Borrowed, inputs: Tensor, predicted: Tensor) -> tuple[str, ...]:
    """A word of caution if the model has no second class."""
    if predicted.any():
        return ()
    try:
        _ = Query(borrowed, inputs[:1], Target(1), "auto").target
    except TargetError:
        return (
            "The model has one output, which is read as the logit of a class: of a regression, numbers that "
            "rest on a probability (deletion, insertion, ROAD) mean nothing.",
        )
    return ()


def _asked(borrowed: Borrowed, inputs: Tensor, truth: tuple[int | str, ...]) -> Query:
    query = Query(borrowed, inputs, Target(truth, output="probability"), "auto")
    try:
        _ = query.target  # resolved, and refused, when it is looked at
        return query
    except TargetError as error:
        if error.argument != "target":
            raise
        way_out = error.way_out.replace(
            "Pass labels=[...] as well.", "Say them: sp.borrow(model, labels=[...])."
        )
        raise TargetError("labels", error.got, error.expected, way_out) from error


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
        Keys of the registry, method objects or functions; None: those that suit the model.
    sample : Sample
    layer : str, optional
        What class activation maps read.

    Raises
    ------
    MethodError
        If it is none of these.
    """
    if given is None:
        made = choice(sample.borrowed, sample.inputs, sample.target.rows(torch.arange(1)))
        return replace(made, methods={title: _reading(one, layer) for title, one in made.methods.items()})
    if isinstance(given, Mapping):
        named = {str(title): _method(one) for title, one in given.items()}
    else:
        several = [given] if isinstance(given, (str, Method)) or callable(given) else given
        if not isinstance(several, (list, tuple)):
            raise MethodError(
                "methods", f"a {type(given).__name__}", "a list of methods, or a dict by their names"
            )
        named = {}
        for one in map(_method, several):
            title = _title(one)
            again = sum(known == title or known.startswith(f"{title} (") for known in named)
            named[f"{title} ({again + 1})" if again else title] = one
    if not named:
        raise MethodError("methods", f"an empty {type(given).__name__}", "at least one method")
    return Choice({title: _reading(one, layer) for title, one in named.items()}, {})


def _method(given: Any) -> Any:
    if isinstance(given, str):
        return find_method(given)()
    if isinstance(given, type) and issubclass(given, Method):
        return given()
    if isinstance(given, Method) or callable(given) or callable(getattr(given, "attribute", None)):
        return given
    got = f"an object of type {type(given).__name__}"
    raise MethodError("methods", got, "a method, its key, or a function of model, inputs and target")


def _title(method: Any) -> str:
    return method.title if isinstance(method, Method) else getattr(method, "__name__", type(method).__name__)


def _reading(method: Any, layer: str | None) -> Any:
    """A class activation map without a layer of its own reads the one that was asked for."""
    reads = layer is not None and isinstance(method, LayerMaps) and method.layer is None
    return replace(method, layer=layer) if reads else method
