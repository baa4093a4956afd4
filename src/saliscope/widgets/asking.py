"""From the traits of an explorer to what each of its panels asks."""

from collections.abc import Mapping, Sequence
from typing import Any

from saliscope.attribution.registry import find_method
from saliscope.errors import SaliscopeError
from saliscope.sessions.answers import Request
from saliscope.sessions.menus import build_method, check_layer, layer_role
from saliscope.sessions.panels import Asked
from saliscope.sessions.subject import Subject, translated
from saliscope.widgets.traits import is_derived


def wanted(
    lead: Mapping[str, Any], compare: Sequence[dict[str, Any]], subjects: Sequence[Subject]
) -> list[Asked | Mapping[str, Any]]:
    """What the panels ask, the lead first; a derived panel stands for itself.

    Parameters
    ----------
    lead : mapping
        The question traits.
    compare : sequence of dict
        The trait of that name.
    subjects : sequence of Subject
        One for each model.

    Raises
    ------
    SaliscopeError
        If the lead's question cannot be asked. Another panel's error is its own, and is shown there.
    """
    asked: list[Asked | Mapping[str, Any]] = [Asked(0, _request(lead, {}, subjects))]
    for entry in compare:
        if is_derived(entry):
            asked.append(entry)
            continue
        model = entry.get("model", 0)
        try:
            asked.append(Asked(model, _request(lead, entry, subjects)))
        except SaliscopeError as error:
            asked.append(Asked(model, error))
    return asked


def _request(lead: Mapping[str, Any], own: Mapping[str, Any], subjects: Sequence[Subject]) -> Request:
    """A panel's question: its own values over the lead's."""
    question = {**lead, **own}
    if "method" in own and "params" not in own:
        question["params"] = {}  # another method's parameters are no parameters of this one
    model = own.get("model", 0)
    if model:
        subject = subjects[model]
        if "target" not in own:
            question["target"] = translated(lead["target"], subjects[0], subject)
        if "layer" not in own and lead["layer"] not in dict(subject.borrowed.module.named_modules()):
            question["layer"] = None
    cls = find_method(question["method"])
    if "method" in own and "layer" not in own and layer_role(cls) != "always":
        question["layer"] = None  # what the lead's CAM reads would make another map of this one
    check_layer(cls, question["layer"])
    shared = {name: question[name] for name in ("n_steps", "baseline", "layer")}
    method = build_method(cls, question["params"], **shared)
    return Request(method, question["target"], question["output"], question["index"], question["occlusion"])
