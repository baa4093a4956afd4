"""What a record must look like before anything is made of it."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch

from saliscope.core.targets import OUTPUTS
from saliscope.errors import RecordError, SaliscopeError
from saliscope.records.configuration import baseline_of, method_of, stand_in
from saliscope.records.fingerprint import N_PROJECTIONS
from saliscope.specs.region import Region

ORIGINAL = "Take the original file, or compute the attribution again."

DTYPES = {
    "float64": torch.float64,
    "float32": torch.float32,
    "float16": torch.float16,
    "bfloat16": torch.bfloat16,
}
"""By the names that a record may have."""


@dataclass(frozen=True)
class Check:
    """A test of one value, and what passes it in words."""

    passes: Callable[[Any], bool]
    words: str


def _is_int(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 2**53


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _list_of(check: Check, length: int | None = None) -> Check:
    def passes(value: Any) -> bool:
        return (
            isinstance(value, list)
            and (length is None or len(value) == length)
            and all(check.passes(item) for item in value)
        )

    return Check(passes, f"a list of {'' if length is None else f'{length} times '}{check.words}")


def _or_null(check: Check) -> Check:
    return Check(lambda value: value is None or check.passes(value), f"{check.words}, or null")


_TEXT = Check(lambda value: isinstance(value, str), "a text")
_FLAG = Check(lambda value: isinstance(value, bool), "true or false")
_COUNT = Check(_is_int, "an integer from 0 on")
_SIZE = Check(lambda value: _is_int(value) and value > 0, "an integer from 1 on")
_NUMBER = Check(_is_number, "a number")
_OBJECT = Check(lambda value: isinstance(value, dict), "an object")
_HASH = Check(lambda v: isinstance(v, str) and bool(re.fullmatch("[0-9a-f]{64}", v)), "a SHA-256")
_DTYPE = Check(lambda value: isinstance(value, str) and value in DTYPES, f"one of {', '.join(DTYPES)}")
_OUTPUT = Check(lambda value: isinstance(value, str) and value in OUTPUTS, f"one of {', '.join(OUTPUTS)}")
_UNIT = Check(
    lambda value: isinstance(value, list) and 1 <= len(value) <= 3 and all(type(n) is int for n in value),
    "a list of one to three integers",
)
_NUMBERS = _list_of(_or_null(_NUMBER))
_TENSOR = {"hash": _HASH, "dtype": _DTYPE, "shape": _list_of(_SIZE)}

_SHAPE: dict[str, Any] = {
    "format": _COUNT,
    "versions": {"saliscope": _TEXT, "torch": _TEXT, "python": _TEXT},
    "machine": {"device": _TEXT, "processor": _TEXT, "threads": _COUNT, "tf32": _FLAG},
    "method": _OBJECT,
    "model": {"name": _TEXT, "architecture": _HASH, "weights": _HASH},
    "preprocessing": _TEXT,
    "inputs": _TENSOR,
    "index": _COUNT,
    "occlusion": {"region": _OBJECT, "fill": _OBJECT},
    "target": {
        "output": _OUTPUT,
        "indices": _or_null(_list_of(_COUNT)),
        "against": _or_null(_list_of(_COUNT)),
        "function": _or_null(_TEXT),
        "layer": _or_null(_TEXT),
        "unit": _or_null(_UNIT),
        "labels": _list_of(_TEXT),
    },
    "layer": _or_null(_TEXT),
    "complete": _FLAG,
    "score": _NUMBERS,
    "convergence_delta": _or_null(_NUMBERS),
    "map_change": _or_null(_NUMBERS),
    "map_error": _or_null(_NUMBERS),
    "values": {**_TENSOR, "norm": _NUMBERS, "sketch": _list_of(_list_of(_or_null(_NUMBER), N_PROJECTIONS))},
    "map": {"sum": _NUMBERS, "abs_sum": _NUMBERS, "max": _NUMBERS, "limit": _NUMBERS},
    "view": _OBJECT,
}
_MAY_BE_NULL = ("model", "occlusion")


def completed(data: Mapping[str, Any]) -> dict[str, Any]:
    """A record's data; the fields that records were once written without are None."""
    whole = dict(data)
    whole.setdefault("map_error", None)
    if isinstance(whole.get("target"), dict):
        whole["target"] = dict(whole["target"])
        for name in ("layer", "unit"):
            whole["target"].setdefault(name, None)
    return whole


def check(data: Mapping[str, Any]) -> None:
    """Look at every field of a record.

    Raises
    ------
    RecordError
        For a field that is missing, unknown, of another type or out of range; for a method that does not
        exist or refuses its parameters; for lists that do not have one entry for each input.
    """
    _like(data, _SHAPE, "record")
    _counts(data)
    method_of(data["method"], stand_in)
    if data["occlusion"] is not None:
        baseline_of(data["occlusion"]["fill"], stand_in)
        try:
            Region.from_json(data["occlusion"]["region"])
        except SaliscopeError as error:
            raise RecordError("occlusion", error.got, error.expected, ORIGINAL) from error


def _like(value: Any, wanted: Any, name: str) -> None:
    if isinstance(wanted, Check):
        if not wanted.passes(value):
            raise RecordError(name, repr(value)[:80], wanted.words, ORIGINAL)
        return
    if not isinstance(value, Mapping):
        raise RecordError(name, repr(value)[:80], f"an object with {', '.join(wanted)}", ORIGINAL)
    for key in value.keys() ^ wanted.keys():
        got = "a field that no record has" if key in value else "nothing"
        raise RecordError(f"{name}.{key}"[:80], got, f"the fields {', '.join(wanted)}", ORIGINAL)
    for key, part in wanted.items():
        if not (value[key] is None and key in _MAY_BE_NULL):
            _like(value[key], part, f"{name}.{key}")


def _counts(data: Mapping[str, Any]) -> None:
    """One entry for each input, and one kind of target."""
    shape, target = data["inputs"]["shape"], data["target"]
    n = shape[0] if shape else 0
    lists = {
        "score": data["score"],
        "convergence_delta": data["convergence_delta"],
        "map_change": data["map_change"],
        "map_error": data["map_error"],
        "values.norm": data["values"]["norm"],
        "values.sketch": data["values"]["sketch"],
        "target.labels": target["labels"],
        "target.indices": target["indices"],
        "target.against": target["against"],
        **{f"map.{name}": values for name, values in data["map"].items()},
    }
    for name, values in lists.items():
        if values is not None and len(values) != n:
            got, expected = f"{len(values)} entries", f"one for each of {n} inputs"
            raise RecordError(f"record.{name}", got, expected, ORIGINAL)
    if data["values"]["shape"][:1] != [n]:
        raise RecordError("record.values.shape", str(data["values"]["shape"])[:80], f"{n} first", ORIGINAL)
    kinds = [target.get(kind) for kind in ("indices", "function", "unit")]
    if kinds.count(None) != 2:
        raise RecordError("record.target", "indices, function and unit", "one of them", ORIGINAL)
    if target.get("unit") is not None and not target.get("layer"):
        raise RecordError("record.target.layer", "a unit without its layer", "the layer's name", ORIGINAL)
