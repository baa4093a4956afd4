"""What is not as it was when a record was made, in words."""

import math
from collections.abc import Iterator
from typing import Any

from saliscope.attribution.base import Attribution
from saliscope.core.borrow import Borrowed
from saliscope.core.targets import Unit
from saliscope.records.checks import DTYPES
from saliscope.records.configuration import written
from saliscope.records.fingerprint import fingerprint
from saliscope.records.record import Record, machine, versions


def differences(
    record: Record, made: Attribution, borrowed: Borrowed, inputs_hash: str, band: float
) -> tuple[str, ...]:
    """What is not as it was, the gravest first.

    Parameters
    ----------
    record : Record
    made : Attribution
        What came out now.
    borrowed : Borrowed
        The model of now.
    inputs_hash : str
        Hash of the inputs of now, in the recorded dtype.
    band : float
        What arithmetic alone may do to a score.
    """
    now, then = record_dtype(made), record.inputs["dtype"]
    found = [
        *_model(record, borrowed, now),
        *_inputs(record, made, inputs_hash),
        *_question(record, made),
        *_scores(record, made, band),
    ]
    if now != then:
        found.append(_changed("dtype", now, then))
    here = machine(made.inputs) | versions()
    there = record.machine | record.versions
    found.extend(_changed(name, here[name], there[name]) for name in there if here[name] != there[name])
    return tuple(found)


def record_dtype(made: Attribution) -> str:
    """Dtype in which the model computed."""
    return str(made.inputs.dtype).removeprefix("torch.")


def _model(record: Record, borrowed: Borrowed, now: str) -> Iterator[str]:
    then = record.model
    if then is None:
        yield "model: the record does not say which one it was"
        return
    here = fingerprint(borrowed.module)
    if here["name"] != then["name"]:
        yield _changed("model", here["name"], then["name"])
    if here["architecture"] != then["architecture"]:
        yield "model: another architecture"
    elif here["weights"] != then["weights"]:
        yield from _weights(then, borrowed, now, record.inputs["dtype"])


def _weights(then: dict[str, str], borrowed: Borrowed, now: str, dtype: str) -> Iterator[str]:
    if now == dtype:
        yield "model: other weights"
        return
    # The record was made in another dtype. Where that one is coarser, these weights can be rounded to it.
    if fingerprint(borrowed.module, DTYPES[dtype])["weights"] != then["weights"]:
        yield f"model: other weights, or weights that lost their last digits between {dtype} and {now}"


def _inputs(record: Record, made: Attribution, inputs_hash: str) -> Iterator[str]:
    shape = list(made.inputs.shape)
    if shape != record.inputs["shape"]:
        yield _changed("image", _sides(shape), _sides(record.inputs["shape"]))
    elif inputs_hash != record.inputs["hash"]:
        yield "image: other values in model space (another picture, crop or normalisation)"


def _question(record: Record, made: Attribution) -> Iterator[str]:
    method, target = written(made.method), made.target
    if method["key"] != record.method["key"]:
        yield _changed("method", method["key"], record.method["key"])
    else:
        names = _changes(method["params"], record.method["params"])
        if names:
            yield f"method: other values of {', '.join(names)}"
        yield from _others(method.get("made") or {}, record.method.get("made") or {})
    if not record.complete:
        yield "record: made before the computation was finished"
    if made.layer != record.layer:
        yield _changed("layer", made.layer, record.layer)
    indices = None if target.indices is None else target.indices.tolist()
    unit = list(target.function.index) if isinstance(target.function, Unit) else None
    here = {"indices": indices, "output": target.output, "layer": target.layer, "unit": unit}
    if any(record.target[name] != value for name, value in here.items()):
        yield f"target: {_short(target.labels)} here, {_short(record.target['labels'])} when it was recorded"
    elif list(target.labels) != record.target["labels"]:
        yield _changed("target label", _short(target.labels), _short(record.target["labels"]))


def _changes(here: dict[str, Any], there: dict[str, Any]) -> list[str]:
    """Names whose values differ; what a record does not know, since it came later, is no difference."""

    def known(now: Any, then: Any) -> Any:
        if isinstance(now, dict) and isinstance(then, dict):
            return {key: known(now[key], then[key]) for key in now if key in then}
        return now

    return [name for name in there if known(here.get(name), there[name]) != there[name]]


def _others(here: dict[str, Any], there: dict[str, Any]) -> Iterator[str]:
    """What differs in a method of another package."""
    package = str(there.get("class")).partition(".")[0]
    if here.get("version") != there.get("version"):
        yield _changed(package[:60], here.get("version"), there.get("version"))
    if (here.get("class"), here.get("arguments")) != (there.get("class"), there.get("arguments")):
        yield "method: made otherwise"


def _scores(record: Record, made: Attribution, band: float) -> Iterator[str]:
    for here, there in zip(made.score.tolist(), record.score, strict=False):
        if there is None or not math.isclose(here, there, rel_tol=band, abs_tol=band):
            yield _changed("score", f"{here:.6g}", f"{math.nan if there is None else there:.6g}")
            return


def _changed(name: str, here: object, there: object) -> str:
    return f"{name}: {str(here)[:80]} here, {str(there)[:80]} when it was recorded"


def _sides(shape: list[int]) -> str:
    return "×".join(map(str, shape))


def _short(labels: list[str] | tuple[str, ...]) -> str:
    text = ", ".join(dict.fromkeys(labels))
    return f"'{text[:60]}…'" if len(text) > 60 else f"'{text}'"
