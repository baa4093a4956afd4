"""Doing it again, and saying whether the same came out."""

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import nn

from saliscope.attribution.adapters import adapt
from saliscope.attribution.base import Attribution, Method
from saliscope.core.batching import ChunkSize, forget
from saliscope.core.borrow import Borrowed, borrow
from saliscope.core.device import exact
from saliscope.records.differences import differences, record_dtype
from saliscope.records.files import is_saved, opened
from saliscope.records.fingerprint import distance, sketch, tensor_hash
from saliscope.records.record import Record, machine
from saliscope.records.recreate import inputs_for, method_for, target_for

BANDS = {"float64": 1e-9, "float32": 1e-4, "float16": 0.15, "bfloat16": 0.4}
"""Relative L2 distance that arithmetic alone may cause, by the less precise dtype of the two.

Against float64, gradient, Integrated Gradients and Grad-CAM of four networks, trained and untrained: float32
at most 8e-7, float16 0.1, bfloat16 0.25. A rounding error turns a ReLU near zero on or off, and with it a
part of the gradient: that is why half precision is so far off, and networks with GELU are 30 times closer.
The bands leave room for other networks; float64 is as far from float32 as its unit in the last place.
"""

TF32_BAND = BANDS["float16"]
"""TensorFloat-32 has the 10 bits of float16 behind the point."""

_UNEXPLAINED = (
    "numbers: other ones, though everything that was recorded is the same; a function of your own may have "
    "changed, or the model has state or chance in its forward pass"
)


@dataclass(frozen=True, repr=False)
class Replay:
    """An attribution that was computed again, beside the record of the first time.

    Attributes
    ----------
    attribution : Attribution
        What came out now.
    record : Record
        Of the first time.
    verdict : str
        "identical", bit for bit; "within band", as close as arithmetic allows; or "different".
    differences : tuple of str
        What is not as it was: model, image, versions, device, dtype, target, score.
    relative : float or None
        L2 distance of the two attributions, relative to the recorded one; None if their shapes differ.
    max_abs : float or None
        Largest distance of two values; None where only a record is there: `relative` is an estimate then,
        right to 9 % (one standard deviation).
    expected : float
        The band: largest `relative` that arithmetic explains.
    """

    attribution: Attribution
    record: Record
    verdict: str
    differences: tuple[str, ...]
    relative: float | None
    max_abs: float | None
    expected: float

    @property
    def same(self) -> bool:
        """Whether the numbers are the recorded ones, as far as arithmetic lets them."""
        return self.verdict != "different"

    def __repr__(self) -> str:
        words = {"identical": "bit for bit", "within band": "as close as arithmetic allows"}
        lines = [f"Replay: {self.verdict} ({words.get(self.verdict, 'not the recorded numbers')})"]
        lines.append(f"  {self.record}")
        if self.relative is not None and self.verdict != "identical":
            about = "about " if self.max_abs is None else ""
            largest = "" if self.max_abs is None else f", largest {self.max_abs:.2g}"
            apart = f"{about}{self.relative:.2g}{largest}"
            lines.append(f"  relative L2 distance {apart}; band {self.expected:g}")
        lines.extend(f"  {difference}" for difference in self.differences)
        return "\n".join(lines)


def replay(
    record: Record | str | Path | Mapping[str, Any],
    model: nn.Module | Borrowed,
    img: Any,
    *,
    transform: Any = None,
    mean: Any = None,
    std: Any = None,
    labels: Any = None,
    target: Any = None,
    baseline: Any = None,
    method: Any = None,
    chunk_size: ChunkSize = "auto",
) -> Replay:
    """Compute a recorded attribution again and compare.

    Parameters
    ----------
    record : Record, path, JSON text or dict
        With a file of `saliscope.save` the values themselves are compared.
    model : nn.Module or Borrowed
        Where and in which dtype it is. Another one than the recorded is compared all the same, and named.
    img : picture or batch
        As `SaliencyExplorer` takes it, or the tensor that was explained.
    transform, mean, std, labels
        See `saliscope.borrow`.
    target : callable, optional
        The function that was explained, where the record names one.
    baseline : optional
        The baselines, where the record names a tensor.
    method : Method, or object of captum or zennit, optional
        The whole configuration, where the record names something else that it cannot hold.
    chunk_size : int or "auto"

    Returns
    -------
    Replay

    Raises
    ------
    RecordError
        If the record cannot be read, or needs a function or a tensor that was not given.
    SaliscopeError
        If picture or target do not fit the model at all.
    """
    recorded, saved = _opened(record)
    borrowed = _borrowed(model, transform, mean, std, labels)
    if method is None:
        how = method_for(recorded, borrowed.module, (baseline, saved and saved.method))
    else:
        how = method if isinstance(method, Method) else adapt(method)
    inputs, inputs_hash = inputs_for(recorded, borrowed, img)
    asked = target_for(recorded, borrowed, inputs, target)

    def again() -> Attribution:
        return how.attribute(borrowed, inputs, asked, chunk_size=chunk_size)

    made = again()
    expected = band(recorded, made)
    found = differences(recorded, made, borrowed, inputs_hash, expected)
    if not found:
        made = _to_the_bit(recorded, made, borrowed, again)
    relative, largest = _distances(recorded, saved, made)
    if tensor_hash(made.values) == recorded.values["hash"]:
        verdict, relative, largest = "identical", 0.0, 0.0
    else:
        near = relative is not None and relative <= expected
        verdict = "within band" if near else "different"
        found = found if near else found or (_UNEXPLAINED,)
    return Replay(made, recorded, verdict, found, relative, largest, expected)


def band(record: Record, made: Attribution) -> float:
    """Largest relative L2 distance that arithmetic explains between a record and what was made now."""
    rough = record.machine["tf32"] or machine(made.inputs)["tf32"]
    return max(BANDS[record.inputs["dtype"]], BANDS[record_dtype(made)], TF32_BAND if rough else 0.0)


def _opened(source: Any) -> tuple[Record, Attribution | None]:
    if isinstance(source, Record):
        return source, None
    if is_saved(source):
        found = opened(source)
        return found.record, found.attribution
    return Record.from_json(source), None


def _borrowed(model: nn.Module | Borrowed, transform: Any, mean: Any, std: Any, labels: Any) -> Borrowed:
    """What the user said when borrowing stays, unless it is said again."""
    if isinstance(model, Borrowed):
        transform = model.preprocessing if transform is None else transform
        labels = model.labels if labels is None else labels
    return borrow(model, transform=transform, mean=mean, std=std, labels=labels)


def _to_the_bit(
    record: Record, made: Attribution, borrowed: Borrowed, again: Callable[[], Attribution]
) -> Attribution:
    """The attempt that repeats the record bit for bit, if there is one.

    How rows are grouped moves the last bit of a matrix product, and the first chunk that a process gives to a
    model is another than the later ones, because it is measured. So both histories are tried.
    """

    def attempts() -> Iterator[Attribution]:
        yield made
        forget(borrowed.module)
        yield again()
        yield again()

    wanted = record.values["hash"]
    return next((one for one in attempts() if tensor_hash(one.values) == wanted), made)


def _distances(
    record: Record, saved: Attribution | None, made: Attribution
) -> tuple[float | None, float | None]:
    if list(made.values.shape) != record.values["shape"]:
        return None, None
    norm = math.hypot(*(math.nan if one is None else one for one in record.values["norm"]))
    if saved is None:
        apart, largest = distance(record.values["sketch"], sketch(made.values)), None
    else:
        difference = exact(made.values) - exact(saved.values)
        apart, largest = float(difference.norm()), float(difference.abs().max())
    if norm == 0:
        return (0.0 if apart == 0 else math.inf), largest
    return apart / norm, largest
