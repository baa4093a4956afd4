"""Methods and baselines as plain data, and back; tensors and functions only by name."""

import json
import types
from collections.abc import Callable, Mapping
from dataclasses import MISSING, fields, is_dataclass
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

import numpy as np
import torch
from torch import Tensor

from saliscope.attribution.adapters import Adapted
from saliscope.attribution.base import Method
from saliscope.attribution.registry import find_method
from saliscope.core.baselines import Baseline
from saliscope.errors import RecordError, SaliscopeError
from saliscope.records.fingerprint import short, tensor_hash
from saliscope.records.recorded import Recorded, recorded
from saliscope.specs.region import Region

Find = Callable[[str, Mapping[str, Any]], Any]
"""Gives the value for a reference: its field's name, and what is known of it."""

_REFERENCES = ("tensor", "callable", "object")
"""Keys of what plain data cannot hold: a record names it, and whoever replays it brings it."""


def written(value: Any) -> Any:
    """Plain data for a parameter of a method.

    Methods become ``{"key", "params"}``, those of other packages with ``"made"``: their class, version and
    plain arguments, see `saliscope.attribution.foreign.recipe_of`. Baselines become ``{"kind", ...}``,
    regions their JSON, tensors ``{"tensor": hash, "dtype", "shape"}``, functions and other objects their
    name.
    """
    if isinstance(value, np.generic) or (isinstance(value, np.ndarray) and value.ndim == 0):
        value = value.item()
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    if isinstance(value, (tuple, list)):
        return [written(item) for item in value]
    if isinstance(value, (Tensor, np.ndarray)):
        tensor = torch.as_tensor(value)
        return {"tensor": tensor_hash(tensor), "dtype": short(tensor.dtype), "shape": list(tensor.shape)}
    if isinstance(value, Region):
        return value.to_json()
    if isinstance(value, Recorded):
        return json.loads(value.spec)
    if isinstance(value, Adapted):
        own = {"baseline": written(value.baselines)} if value.baselines else {}
        own |= {name: written(option) for name, option in value.options}
        made = {**value.recipe, "title": value.title, "signed": value.signed}
        return {"key": value.key, "params": own, "made": made}
    if isinstance(value, (Method, Baseline)) and is_dataclass(value):
        own = {field.name: written(getattr(value, field.name)) for field in fields(value) if field.init}
        if isinstance(value, Baseline):
            return {"kind": value.kind} | own
        return {"key": (value.origin or type(value)).key, "params": own}
    kind = "callable" if callable(value) else "object"
    return {kind: str(getattr(value, "__name__", type(value).__name__))}


def method_of(spec: Mapping[str, Any], find: Find) -> Method:
    """The method that `written` wrote down.

    Parameters
    ----------
    spec : Mapping
    find : callable
        Called for tensors, functions and objects, and for the spec of a method of another package.

    Raises
    ------
    RecordError
        For an unknown method or parameter, or a value that the method refuses.
    """
    made = _made(spec, "method", find)
    if not isinstance(made, Method):
        raise RecordError("method", repr(spec)[:80], 'a method: {"key": ..., "params": {...}}')
    return made


def baseline_of(spec: Mapping[str, Any], find: Find) -> Baseline:
    """The baseline that `written` wrote down; parameters and errors as of `method_of`."""
    made = _made(spec, "baseline", find)
    if not isinstance(made, Baseline):
        raise RecordError("baseline", repr(spec)[:80], 'a baseline: {"kind": ...}')
    return made


def stand_in(name: str, reference: Mapping[str, Any]) -> Any:
    """Something of the right kind, for looking whether the rest of a configuration makes sense."""
    if "made" in reference:
        options_of(reference, stand_in)
        return recorded(reference)
    return torch.zeros(()) if "tensor" in reference else _nothing


def options_of(spec: Mapping[str, Any], find: Find) -> dict[str, Any]:
    """What a method of another package was given, by name; parameters and errors as of `method_of`."""
    params = spec.get("params")
    if not isinstance(params, Mapping):
        raise RecordError("method", repr(spec)[:80], '{"key": ..., "params": {...}, "made": {...}}')
    return {name: _made(value, name, find) for name, value in params.items()}


def _is_reference(spec: Mapping[str, Any]) -> bool:
    return any(isinstance(spec.get(key), str) for key in _REFERENCES)


def _nothing(*_: Any) -> None:
    """Stand in for a function that is not there."""


def _made(spec: Any, name: str, find: Find) -> Any:
    if isinstance(spec, list):
        return tuple(_made(item, name, find) for item in spec)
    if not isinstance(spec, Mapping):
        return spec
    try:
        if "made" in spec:
            return find(name, spec)
        if "key" in spec:
            params = spec.get("params")
            if set(spec) != {"key", "params"} or not isinstance(params, Mapping):
                raise RecordError(name, repr(spec)[:80], '{"key": ..., "params": {...}}')
            return _called(find_method(str(spec["key"])), params, find)
        if "kind" in spec:
            params = {key: value for key, value in spec.items() if key != "kind"}
            return _called(_baseline_class(spec["kind"]), params, find)
        if _is_reference(spec):
            return find(name, spec)
        return Region.from_json(spec)
    except RecordError:
        raise
    except SaliscopeError as error:
        way_out = error.way_out or "Define your own methods before their records are read."
        raise RecordError(error.argument, error.got, error.expected, way_out) from error


def _called(cls: Any, params: Mapping[str, Any], find: Find) -> Any:
    known = {field.name: field for field in fields(cls) if field.init}
    # A parameter that came later has its default: so it was before there was a choice.
    needed = {k for k, f in known.items() if f.default is MISSING and f.default_factory is MISSING}
    wrong = (params.keys() - known.keys()) | (needed - params.keys())
    if wrong:
        wrong = ", ".join(sorted(map(repr, wrong)))
        got = f"parameters of {cls.__name__} in which {wrong} is missing or unknown"
        expected = ", ".join(sorted(known)) or "none"
        raise RecordError("params", got, expected, "The record is of another version of this method.")
    hints = get_type_hints(cls)
    made = {key: _made(value, key, find) for key, value in params.items()}
    for key, value in made.items():
        if not fits(value, hints.get(key, Any)):
            raise RecordError(key, repr(value)[:80], f"a value for this parameter of {cls.__name__}")
    return cls(**made)


def _baseline_class(kind: Any) -> Any:
    found = {cls.kind: cls for cls in _descendants(Baseline) if hasattr(cls, "kind")}
    if not isinstance(kind, str) or kind not in found:
        raise RecordError("baseline", repr(kind)[:80], f"one of {', '.join(found)}")
    return found[kind]


def _descendants(cls: Any) -> list[Any]:
    return [each for child in cls.__subclasses__() for each in (child, *_descendants(child))]


def fits(value: Any, hint: Any) -> bool:
    """Whether a value has the annotated type, as far as that is a plain one."""
    origin = get_origin(hint)
    if origin is Literal:
        return value in get_args(hint)
    if origin in (Union, types.UnionType):
        return any(fits(value, each) for each in get_args(hint))
    if hint is float:
        return isinstance(value, (int, float)) and not isinstance(value, bool)
    if hint is int:
        return isinstance(value, int) and not isinstance(value, bool)
    plain = origin or hint
    return plain is Any or not isinstance(plain, type) or isinstance(value, plain)
