"""From a record back to a question: method, inputs and target."""

from collections.abc import Iterable, Mapping
from dataclasses import fields, is_dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from saliscope.attribution.base import Method
from saliscope.core.baselines import Baseline, occlude
from saliscope.core.borrow import Borrowed, untouched
from saliscope.core.preprocess import prepare
from saliscope.core.targets import ResolvedTarget, Target, class_scores, resolve
from saliscope.errors import InputError, RecordError, TargetError
from saliscope.records.checks import DTYPES
from saliscope.records.configuration import baseline_of, method_of, options_of
from saliscope.records.fingerprint import tensor_hash
from saliscope.records.record import Record
from saliscope.records.recorded import made_again
from saliscope.specs.region import Region


def method_for(record: Record, model: nn.Module, given: Any = None) -> Method:
    """The recorded method.

    Parameters
    ----------
    record : Record
    model : nn.Module
        Held by a method of captum.
    given : tensor, baseline, or sequence of them, optional
        Holds the tensors that the record only names.

    Raises
    ------
    RecordError
        If something that the record names was not given.
    """
    return method_of(record.method, _Pool(given, model))


def inputs_for(record: Record, borrowed: Borrowed, img: Any) -> tuple[Tensor, str]:
    """What goes into the model, and its hash in the recorded dtype.

    Parameters
    ----------
    record : Record
    borrowed : Borrowed
    img : picture or batch
        A floating tensor of the recorded shape is taken as it is.

    Raises
    ------
    InputError
        If there are more or fewer pictures than were recorded.
    """
    shape = record.inputs["shape"]
    if isinstance(img, Tensor) and img.is_floating_point() and list(img.shape) == shape:
        inputs = img.detach()
    else:
        inputs = prepare(img, borrowed.preprocessing, borrowed.module).inputs
    if len(inputs) > shape[0] == 1 and record.index < len(inputs):
        inputs = inputs[record.index : record.index + 1]
    if len(inputs) != shape[0]:
        raise InputError("img", f"{len(inputs)} pictures", f"{shape[0]}, as many as were explained")
    if record.occlusion is not None and inputs is not img:
        region = Region.from_json(record.occlusion["region"])
        fill = baseline_of(record.occlusion["fill"], _Pool(None, borrowed.module))
        inputs = occlude(borrowed, inputs, region, fill)
    return inputs, tensor_hash(inputs.to(DTYPES[record.inputs["dtype"]]))


def target_for(record: Record, borrowed: Borrowed, inputs: Tensor, given: Any = None) -> Any:
    """The recorded target, bound to this model; what is `given` takes its place.

    Raises
    ------
    RecordError
        If a function is needed and none was given.
    TargetError
        If this model has fewer classes than the record needs.
    """
    asked = record.target
    layer = asked["layer"]
    if given is not None:
        of_layer: Any = given if layer is not None and callable(given) else None
        return Target.of(given) if of_layer is None else Target(of_layer, layer=layer)
    if asked["unit"] is not None:
        unit = asked["unit"]
        return Target(tuple(unit) if len(unit) > 1 else unit[0], layer=layer)
    if asked["function"] is not None:
        of = "" if layer is None else f" of the layer {layer[:80]!r}"
        got = f"a record that explains the function {asked['function'][:80]!r}{of}"
        raise RecordError("target", got, "that function", "Pass it: replay(..., target=function).")
    with untouched(borrowed.module), torch.no_grad():
        logits = class_scores(borrowed(borrowed.place(inputs)))
    highest = max([*asked["indices"], *(asked["against"] or ())])
    if highest >= logits.shape[1]:
        got, expected = f"class {highest} of the record", f"a class from 0 to {logits.shape[1] - 1}"
        raise TargetError("target", got, expected, "This model has fewer classes than the recorded one.")
    found = resolve(Target(tuple(asked["indices"])), logits, len(inputs), borrowed.label, borrowed.labels)
    labels, against = found.labels, None
    if asked["against"] is not None:
        against = torch.tensor(asked["against"], device=logits.device)
        labels = tuple(f"{a} over {borrowed.label(b)}" for a, b in zip(labels, asked["against"], strict=True))
    return ResolvedTarget(asked["output"], found.indices, against, None, labels)


class _Pool:
    """Tensors by their hash, found anywhere in what the user gave; methods of other packages for a model."""

    def __init__(self, given: Any, model: nn.Module) -> None:
        self._tensors = {tensor_hash(tensor): tensor for tensor in tensors_in(given)}
        self._model = model

    def __call__(self, name: str, reference: Mapping[str, Any]) -> Tensor | Method:
        if "made" in reference:
            return made_again(reference, options_of(reference, self), self._model)
        wanted = reference.get("tensor")
        if wanted is None:
            kind, what = next(iter(reference.items()))
            got = f"a record that only names it: {kind} {what!r}"[:120]
            raise RecordError(name, got, "the whole method", "Pass it: replay(..., method=...).")
        if wanted in self._tensors:
            return self._tensors[wanted]
        alike = [one for one in self._tensors.values() if list(one.shape) == reference.get("shape")]
        if alike:  # another one: it is computed with, and named as a difference
            return alike[0]
        got = f"a record that only names a tensor of shape {reference.get('shape')}"[:120]
        raise RecordError(name, got, "that tensor", "Pass it: replay(..., baseline=tensor).")


def tensors_in(given: Any) -> Iterable[Tensor]:
    """All tensors in a tensor, baseline or method, or a sequence of them, at any depth."""
    if isinstance(given, (Tensor, np.ndarray)):
        yield torch.as_tensor(given)
    elif isinstance(given, (tuple, list)):
        for item in given:
            yield from tensors_in(item)
    elif isinstance(given, (Baseline, Method)) and is_dataclass(given):
        for field in fields(given):
            yield from tensors_in(getattr(given, field.name))
