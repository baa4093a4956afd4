"""What was computed, with what, on what: enough to do it again and to see whether the same comes out."""

import hashlib
import json
import platform
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

import torch
from torch import nn

from saliscope.attribution.base import Attribution
from saliscope.core.borrow import Borrowed, as_borrowed
from saliscope.core.device import exact
from saliscope.core.targets import ResolvedTarget, Unit
from saliscope.errors import RecordError
from saliscope.records.checks import ORIGINAL, check, completed
from saliscope.records.configuration import written
from saliscope.records.fingerprint import fingerprint, number, short, sketch, tensor_hash
from saliscope.render import scales
from saliscope.version import __version__

FORMAT = 1
"""Counts up when a field is added or changes its meaning."""


@dataclass(frozen=True)
class Record:
    """Everything that has to be known to compute an attribution again, and to recognise it. No pixels.

    Lists have one entry for each input. A number that is not finite is None. Its checksum in JSON shows that
    something was changed by accident; it is no signature.

    Attributes
    ----------
    versions : dict
        Of saliscope, torch and Python.
    machine : dict
        Device, processor, threads, and whether convolutions ran in TensorFloat-32.
    method : dict
        ``key`` and ``params``. A tensor is named by its hash, a function by its name: a replay needs them.
    model : dict or None
        ``name`` of the class, and SHA-256 of ``architecture`` and ``weights``.
    preprocessing : str
        In words.
    inputs : dict
        ``hash``, ``dtype`` and ``shape`` of what was explained, in model space.
    index : int
        Place of the picture in the batch that it came from.
    occlusion : dict or None
        ``region`` that was filled from the baseline ``fill`` before the model saw the picture.
    target : dict
        ``output``, ``indices``, ``against``, ``labels``, and the name of a ``function`` of the user's own. If
        a layer's output was read: its name, ``layer``, and the ``unit``, as of `saliscope.Target`.
    layer : str or None
        The layer that was read.
    complete : bool
        False where the computation was stopped.
    score, convergence_delta, map_change, map_error : list of float, or None
        As of `saliscope.attribution.Attribution`.
    values : dict
        ``hash``, ``dtype``, ``shape``, L2 ``norm`` and ``sketch`` of the attribution; see
        `saliscope.records.fingerprint.sketch`.
    map : dict
        ``sum``, ``abs_sum``, ``max`` and automatic ``limit`` of the map, its channels summed.
    view : dict
        How it was shown: scale, colour map and other looks.
    """

    method: dict[str, Any]
    model: dict[str, str] | None
    preprocessing: str
    inputs: dict[str, Any]
    index: int
    occlusion: dict[str, Any] | None
    target: dict[str, Any]
    layer: str | None
    complete: bool
    score: list[float | None]
    convergence_delta: list[float | None] | None
    map_change: list[float | None] | None
    map_error: list[float | None] | None
    values: dict[str, Any]
    map: dict[str, Any]
    versions: dict[str, str]
    machine: dict[str, Any]
    view: dict[str, Any] = field(default_factory=dict)
    format: int = FORMAT

    @classmethod
    def of(
        cls,
        attribution: Attribution,
        model: nn.Module | Borrowed | None = None,
        *,
        view: Mapping[str, Any] | None = None,
        index: int = 0,
        occlusion: Any = None,
    ) -> "Record":
        """Write down how an attribution came about.

        Parameters
        ----------
        attribution : Attribution
        model : nn.Module or Borrowed, optional
            The model that was explained, as it is now; without it a replay cannot tell another model.
        view : mapping, optional
            Looks, as plain data.
        index : int
            Place of the picture in the batch that it came from.
        occlusion : optional
            An object with a ``region`` and a baseline ``fill``.
        """
        borrowed = None if model is None else as_borrowed(model)
        inputs, values, target = attribution.inputs, attribution.values, attribution.target
        return cls(
            method=written(attribution.method),
            model=None if borrowed is None else fingerprint(borrowed.module),
            preprocessing="" if borrowed is None else borrowed.preprocessing.source,
            inputs=_tensor(inputs),
            index=index,
            occlusion=occlusion and {"region": written(occlusion.region), "fill": written(occlusion.fill)},
            target=_target(target),
            layer=attribution.layer,
            complete=attribution.complete,
            score=_numbers(attribution.score),
            convergence_delta=_numbers(attribution.convergence_delta),
            map_change=_numbers(attribution.map_change),
            map_error=_numbers(attribution.map_error),
            values=_tensor(values) | {"norm": _numbers(_flat(values).norm(dim=1)), "sketch": sketch(values)},
            map=_summary(attribution),
            versions=versions(),
            machine=machine(inputs),
            view=json.loads(json.dumps(dict(view or {}), allow_nan=False)),
        )

    @property
    def seed(self) -> int | None:
        """Seed of the method; None where nothing is drawn at random."""
        return self.method["params"].get("seed")

    @property
    def digest(self) -> str:
        """SHA-256 of the whole record in a canonical form."""
        return _digest(self._plain())

    def to_json(self, path: str | Path | None = None) -> str:
        """Return the record as JSON, and write it to a file if asked.

        Parameters
        ----------
        path : str or Path, optional
            Where to write it.
        """
        plain = self._plain() | {"digest": self.digest}
        # A line for each field: 64 numbers on 64 lines would hide the rest.
        dumped = {
            name: json.dumps(value, ensure_ascii=False, allow_nan=False) for name, value in plain.items()
        }
        lines = [f'"{name}": {value}' for name, value in dumped.items()]
        text = "{\n " + ",\n ".join(lines) + "\n}"
        if path is not None:
            Path(path).write_text(text + "\n", encoding="utf-8")
        return text

    @classmethod
    def from_json(cls, source: str | Path | Mapping[str, Any]) -> "Record":
        """Read a record, as suspiciously as anything that a stranger wrote.

        Parameters
        ----------
        source : str, Path or mapping
            A path, JSON text, or what was read from it.

        Raises
        ------
        RecordError
            If there is none, it was changed or damaged, or it is from a newer version.
        """
        data = dict(source) if isinstance(source, Mapping) else _read(source)
        _check_format(data)
        digest = data.pop("digest", None)
        try:
            whole = completed(data)
            check(whole)
            if digest != _digest(data):
                got = "a checksum that does not fit the rest"
                raise RecordError("record.digest", got, "a record as it was written", ORIGINAL)
        except RecursionError:
            got = "data nested hundreds of levels deep"
            raise RecordError("record", got, "a record as it was written", ORIGINAL) from None
        return cls(**whole)

    def __repr__(self) -> str:
        labels = ", ".join(dict.fromkeys(self.target["labels"]))
        of = "" if self.model is None else f" from {self.model['name']}"
        key = str(self.method["key"])[:60]
        return f"Record({key} of {labels[:60]}{of}, saliscope {self.versions['saliscope']})"

    def _plain(self) -> dict[str, Any]:
        names = sorted(field.name for field in fields(self))
        return {"format": self.format} | {name: getattr(self, name) for name in names}


def versions() -> dict[str, str]:
    """Versions of what computes."""
    return {"saliscope": __version__, "torch": torch.__version__, "python": platform.python_version()}


def machine(inputs: torch.Tensor) -> dict[str, Any]:
    """What else decides on the last bits: device, instruction set, threads, TensorFloat-32."""
    device, tf32 = inputs.device.type, False
    if device == "cuda":
        device = f"cuda ({torch.cuda.get_device_name(inputs.device)})"
        tf32 = bool(torch.backends.cudnn.allow_tf32 or torch.backends.cuda.matmul.allow_tf32)
    processor = f"{platform.machine()} {torch.backends.cpu.get_cpu_capability()}"
    return {"device": device, "processor": processor, "threads": torch.get_num_threads(), "tf32": tf32}


def _tensor(tensor: torch.Tensor) -> dict[str, Any]:
    return {"hash": tensor_hash(tensor), "dtype": short(tensor.dtype), "shape": list(tensor.shape)}


def _target(target: ResolvedTarget) -> dict[str, Any]:
    unit = target.function if isinstance(target.function, Unit) else None
    named = target.function is not None and unit is None
    return {
        "output": target.output,
        "indices": None if target.indices is None else target.indices.tolist(),
        "against": None if target.against is None else target.against.tolist(),
        "function": written(target.function)["callable"] if named else None,
        "labels": list(target.labels),
        "layer": target.layer,
        "unit": None if unit is None else list(unit.index),
    }


def _flat(values: torch.Tensor) -> torch.Tensor:
    return exact(values).flatten(1)


def _numbers(values: torch.Tensor | None) -> Any:
    return None if values is None else [number(value) for value in exact(values).tolist()]


def _summary(attribution: Attribution) -> dict[str, Any]:
    maps = exact(attribution.map).reshape(len(attribution.values), -1)
    finite = [bool(torch.isfinite(one).all()) for one in maps]
    limits = [scales.limit(one.numpy()) if good else None for one, good in zip(maps, finite, strict=True)]
    return {
        "sum": _numbers(maps.sum(1)),
        "abs_sum": _numbers(maps.abs().sum(1)),
        "max": _numbers(maps.abs().amax(1)),
        "limit": limits,
    }


def _digest(data: Mapping[str, Any]) -> str:
    text = json.dumps(_canonical(data), sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()


def _canonical(value: Any) -> Any:
    # JavaScript and many tools write 1.0 as 1: it is the same number.
    if isinstance(value, float) and value.is_integer() and abs(value) < 2**53:
        return int(value)
    if isinstance(value, Mapping):
        return {key: _canonical(item) for key, item in value.items()}
    return [_canonical(item) for item in value] if isinstance(value, list) else value


def _read(source: str | Path) -> dict[str, Any]:
    expected = "a record's JSON or the path of one"
    try:
        is_text = isinstance(source, str) and source.lstrip()[:1] in ("{", "[")
        text = source if is_text else Path(source).read_text(encoding="utf-8")
        data = json.loads(str(text), parse_constant=_refuse)
    except (OSError, TypeError) as error:
        got = f"{str(source)[:80]!r}, which cannot be read ({error})"[:300]
        raise RecordError("record", got, expected) from None
    except (ValueError, RecursionError) as error:  # no JSON, no UTF-8, a NaN, too deep
        raise RecordError("record", f"something else than JSON: {error}"[:200], expected, ORIGINAL) from None
    if not isinstance(data, dict):
        raise RecordError("record", f"a {type(data).__name__}", expected, ORIGINAL)
    return data


def _refuse(constant: str) -> Any:
    raise ValueError(f"{constant} is no JSON")


def _check_format(data: Mapping[str, Any]) -> None:
    found = data.get("format")
    if isinstance(found, bool) or not isinstance(found, int) or found < 1:
        expected = f"the number {FORMAT}"
        raise RecordError("record.format", repr(found)[:80], expected, "This is no record of Saliscope.")
    if found > FORMAT:
        got = f"format {found}, written by a newer version of Saliscope"
        way_out = "Update: pip install --upgrade saliscope."
        raise RecordError("record.format", got, f"format {FORMAT}", way_out)
