"""Method objects as what an explorer asks: a key, and the values of its controls."""

from collections.abc import Mapping
from dataclasses import fields
from typing import Any

from saliscope.attribution.adapters import Adapted, adopt
from saliscope.attribution.base import Method
from saliscope.attribution.foreign import package_of
from saliscope.attribution.kept import entry_of
from saliscope.attribution.registry import methods
from saliscope.errors import MethodError
from saliscope.sessions.menus import OWN_TRAITS, controls, defaults


def is_object(value: Any) -> bool:
    """Whether a value is a method, a class of the menu, or an object of captum or zennit."""
    return _is_class(value) or isinstance(value, Method) or package_of(value) is not None


def _is_class(value: Any) -> bool:
    return isinstance(value, type) and value in methods().values()


def spread(question: Mapping[str, Any]) -> dict[str, Any]:
    """A question whose method may be an object: its values take their places, if none is said beside it.

    Parameters
    ----------
    question : mapping
        Values of an explorer's traits by name.

    Raises
    ------
    MethodError
        If the object is no method that the menu can have.
    """
    if not is_object(question.get("method")):
        return dict(question)
    own, said = as_question(question["method"]), {k: v for k, v in question.items() if k != "method"}
    if "params" in own:
        usual = defaults(methods()[own["method"]])
        own["params"] = {name: value for name, value in own["params"].items() if value != usual[name]}
    if isinstance(said.get("params"), Mapping):
        said["params"] = own.get("params", {}) | dict(said["params"])
    return own | said


def as_question(made: Any) -> dict[str, Any]:
    """The traits that ask for a method: its key, its parameters, and those that it shares with others.

    What menus have no control for is kept in an entry of its own, see `saliscope.attribution.kept`.
    """
    made = made() if _is_class(made) else made
    if not isinstance(made, Method) or isinstance(made, Adapted):
        baseline = getattr(made, "baseline", None) if isinstance(made, Method) else None
        return {"method": adopt(made)} | ({} if baseline is None else {"baseline": baseline})
    cls = type(made)
    if methods().get(cls.key) is not cls:
        got = f"a {cls.__name__} object, which is not of the method that the menu has as {cls.key!r}"
        expected = "an object of a method of the menu"
        raise MethodError(
            "method", got[:200], expected, "Put @saliscope.method above its class, and make it anew."
        )
    shown = {control.name for control in controls(cls)} | {*OWN_TRAITS}
    names = [field.name for field in fields(cls) if field.name in shown]  # type: ignore[arg-type]
    values = {name: getattr(made, name) for name in names}
    params = {name: value for name, value in values.items() if name not in OWN_TRAITS}
    shared = {name: value for name, value in values.items() if name in OWN_TRAITS}
    return {"method": entry_of(made, {*names}).key, "params": params, **shared}
