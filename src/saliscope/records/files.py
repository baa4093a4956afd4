"""Attributions in files: safetensors with the record inside; neither pickled nor executed when read."""

import hashlib
import json
import os
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import MISSING, asdict, dataclass, fields
from pathlib import Path
from typing import Any, get_type_hints

from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from saliscope.attribution import result
from saliscope.attribution.base import Attribution, Method
from saliscope.core.borrow import Borrowed
from saliscope.core.coverage import Coverage, OpCall
from saliscope.core.targets import ResolvedTarget, Unit
from saliscope.errors import RecordError, TargetError
from saliscope.records.checks import ORIGINAL
from saliscope.records.configuration import fits, method_of, options_of, stand_in, written
from saliscope.records.fingerprint import tensor_hash
from saliscope.records.record import Record
from saliscope.records.recorded import recorded
from saliscope.records.recreate import tensors_in

_RECORD, _OUTLINE, _DIGEST = "saliscope.record", "saliscope.attribution", "saliscope.digest"
"""Keys of a file's metadata."""


@dataclass(frozen=True)
class Opened:
    """What a file holds."""

    attribution: Attribution
    record: Record


def save(
    attribution: Attribution,
    path: str | Path,
    model: nn.Module | Borrowed | None = None,
    *,
    record: Record | None = None,
) -> None:
    """Write an attribution, all its tensors and its record to a safetensors file.

    The inputs are among them: who has the file has the picture.

    Parameters
    ----------
    attribution : Attribution
    path : str or Path
    model : nn.Module or Borrowed, optional
        The model that was explained, for its fingerprint.
    record : Record, optional
        Instead of a new one, for example ``explorer.record``.
    """
    packed = _Packed()
    outline = json.dumps(packed.outline(attribution, ""), allow_nan=False)
    text = (record or Record.of(attribution, model)).to_json()
    metadata = {_RECORD: text, _OUTLINE: outline, _DIGEST: _digest(outline)}
    # Written beside and moved: a full disk leaves no half file under this name.
    path = Path(path)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=path.name, suffix=".part")
    os.close(handle)
    try:
        save_file(packed.tensors, name, metadata=metadata)
        os.replace(name, path)
    except BaseException:
        os.unlink(name)
        raise


def load(path: str | Path, *, target: Callable[[Any], Tensor] | None = None) -> Attribution:
    """Read what `save` wrote.

    Parameters
    ----------
    path : str or Path
    target : callable, optional
        The function that was explained, if it was one: the file knows its name only, and a refinement
        needs it.

    Returns
    -------
    Attribution
        On the CPU.

    Raises
    ------
    RecordError
        If the file is damaged, was changed, is from a newer version, or is something else.
    """
    return opened(path, target).attribution


def is_saved(source: Any) -> bool:
    """Whether this is the path of a safetensors file, by its name."""
    return isinstance(source, (str, Path)) and str(source).endswith(".safetensors")


def opened(path: str | Path, target: Callable[[Any], Tensor] | None = None) -> Opened:
    """Read attribution and record; parameters and errors as of `load`."""
    tensors, metadata = _read(Path(path))
    record = Record.from_json(metadata[_RECORD])
    if _digest(metadata[_OUTLINE]) != metadata[_DIGEST]:
        raise _damaged(path, "a checksum that does not fit the rest")
    try:
        attribution = _Unpacked(tensors, target).attribution(json.loads(metadata[_OUTLINE]))
    except RecordError:
        raise
    except (KeyError, TypeError, ValueError, AttributeError, IndexError, RecursionError) as error:
        got = f"contents that do not fit together ({type(error).__name__}: {error})"
        raise _damaged(path, got) from error
    if tensor_hash(attribution.values) != record.values["hash"]:
        raise _damaged(path, "values that are not those of its record")
    return Opened(attribution, record)


class _Packed:
    """Tensors under readable names, each content once; and an outline that says where which one belongs."""

    def __init__(self) -> None:
        self.tensors: dict[str, Tensor] = {}
        self._names: dict[str, str] = {}

    def outline(self, value: Any, name: str) -> Any:
        if isinstance(value, Tensor):
            return self._kept(value, name)
        if isinstance(value, (Attribution, result.Path, ResolvedTarget)):
            own = {f.name: getattr(value, f.name) for f in fields(value)}
            prefix = f"{name}." if name else ""
            return {key: self.outline(part, prefix + key) for key, part in own.items()}
        if isinstance(value, Method):
            kept = [self._kept(tensor, f"{name}.{i}") for i, tensor in enumerate(tensors_in(value))]
            return {"configuration": written(value), "tensors": kept}
        if isinstance(value, tuple) and value and isinstance(value[0], Attribution):
            return [self.outline(item, f"{name}.{i}") for i, item in enumerate(value)]
        if isinstance(value, Coverage):
            return [asdict(call) for call in value.calls]
        if isinstance(value, Unit):
            return {"unit": list(value.index), "layer": value.layer, "picture": value.picture}
        if callable(value):
            return {"callable": getattr(value, "__name__", type(value).__name__)}
        return list(value) if isinstance(value, tuple) else value

    def _kept(self, tensor: Tensor, name: str) -> dict[str, str]:
        digest = tensor_hash(tensor)
        if digest not in self._names:
            self._names[digest] = name
            # A copy of its own: safetensors refuses memory that two tensors share.
            self.tensors[name] = tensor.detach().cpu().contiguous().clone()
        return {"tensor": self._names[digest], "hash": digest}


class _Unpacked:
    """The way back, trusting nothing."""

    def __init__(self, tensors: Mapping[str, Tensor], function: Any) -> None:
        self._tensors, self._function = tensors, function

    def attribution(self, outline: Any) -> Attribution:
        """Raise whatever comes up where the outline is none."""
        made = self._fields(Attribution, outline, self._attribution_field)
        n, path = len(made.values), made.path
        lengths = [made.score, made.convergence_delta, made.map_change, made.inputs, made.target.labels]
        if path is not None:
            lengths += [path.baseline, path.baseline_score, path.score, path.node_scores[0]]
            if len({len(path.nodes), len(path.weights), len(path.node_scores), len(path.gradients)}) > 1:
                raise ValueError("a path whose parts have different lengths")
        if any(part is not None and len(part) != n for part in lengths):
            raise ValueError("parts for different numbers of inputs")
        return made

    def _attribution_field(self, name: str, value: Any) -> Any:
        if name == "method":
            return self._method(value)
        if name == "target":
            return self._fields(ResolvedTarget, value, self._target_field)
        if name == "per_baseline":
            return tuple(self.attribution(part) for part in value)
        if name == "path" and value is not None:
            return self._fields(result.Path, value, self._plain)
        if name == "coverage" and value is not None:
            return Coverage(tuple(self._fields(OpCall, call, lambda _, part: part) for call in value))
        return self._plain(name, value)

    def _target_field(self, name: str, value: Any) -> Any:
        if name == "function" and value is not None and "unit" in value:
            index, picture = tuple(value["unit"]), value["picture"]
            whole = all(type(n) is int for n in (*index, *(picture or ())))
            if not whole or not 1 <= len(index) <= 3 or len(picture or (1, 1)) != 2:
                raise ValueError("a strange unit")
            return Unit(index, str(value["layer"]), picture and (picture[0], picture[1]))
        if name == "function" and value is not None:
            return self._function or _Missing(str(value["callable"]))
        return self._plain(name, value)

    def _plain(self, name: str, value: Any) -> Any:
        if isinstance(value, dict):
            return self._tensor(value)
        if isinstance(value, list):
            if not all(isinstance(item, (str, int)) for item in value):
                raise ValueError(f"a strange list as {name}")
            return tuple(value)
        return value

    def _tensor(self, reference: Mapping[str, Any]) -> Tensor:
        tensor = self._tensors[reference["tensor"]]
        if tensor_hash(tensor) != reference["hash"]:
            raise ValueError(f"the tensor {reference['tensor']!r} was changed")
        return tensor

    def _method(self, outline: Mapping[str, Any]) -> Method:
        known = {one["hash"]: self._tensor(one) for one in outline["tensors"]}
        missing = "a file that only names it"

        def find(name: str, reference: Mapping[str, Any]) -> Any:
            if "made" in reference:
                options_of(reference, stand_in)
                return recorded(reference, tuple(known.values()))
            if reference.get("tensor") in known:
                return known[reference["tensor"]]
            raise RecordError(name, missing, "tensors, numbers and texts in a method that is loaded")

        return method_of(outline["configuration"], find)

    @staticmethod
    def _fields(kind: Any, outline: Any, read: Callable[[str, Any], Any]) -> Any:
        known = {field.name: field for field in fields(kind)}
        needed = {name for name, f in known.items() if f.default is MISSING and f.default_factory is MISSING}
        if not needed <= outline.keys() <= known.keys():
            raise ValueError(f"other fields than those of {kind.__name__}")
        made = {name: read(name, value) for name, value in outline.items()}
        hints = get_type_hints(kind, localns={"Method": Method})
        wrong = [name for name, value in made.items() if not fits(value, hints[name])]
        if wrong:
            raise ValueError(f"{', '.join(wrong)} of another type")
        return kind(**made)


class _Missing:
    """In the place of a user's function that a file knows by name only."""

    def __init__(self, name: str) -> None:
        self.__name__ = name

    def __call__(self, outputs: Any) -> Tensor:
        raise TargetError("target", "a saved attribution", f"the function {self.__name__!r}",
                          "Pass it: saliscope.load(path, target=function).")  # fmt: skip


def _read(path: Path) -> tuple[dict[str, Tensor], dict[str, str]]:
    if not path.is_file():
        raise RecordError("path", f"{str(path)!r}, which is no file", "a file that saliscope.save wrote")
    try:
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except (SafetensorError, OSError, ValueError, RuntimeError) as error:
        raise _damaged(path, f"something else than safetensors ({error})") from error
    if not {_RECORD, _OUTLINE, _DIGEST} <= metadata.keys():
        got, way_out = (
            f"{path.name!r}, safetensors of something else",
            "safetensors.torch.load_file reads it.",
        )
        raise RecordError("path", got, "a file that saliscope.save wrote", way_out)
    return tensors, metadata


def _damaged(path: str | Path, got: str) -> RecordError:
    got = f"{Path(path).name!r} with {got}"[:300]
    return RecordError("path", got, "a file as saliscope.save wrote it", ORIGINAL)


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
