"""Methods with values that menus have no control for: entries of their own, such as "SmoothGrad of LRP"."""

import re
from dataclasses import MISSING, field, fields, make_dataclass
from functools import partial
from typing import Any, get_type_hints

from saliscope.attribution.base import Method
from saliscope.attribution.registry import OWN_FAMILY, methods, register
from saliscope.core.baselines import Baseline


def entry_of(method: Method, names: set[str]) -> type[Method]:
    """The class that stands in the menu for a method: its own if only the fields `names` are not as usual.

    What the other fields hold is kept as the default of a subclass with a key and title of its own, which is
    put into the menu; the same values again find the same entry.
    """
    cls, origin = type(method), method.origin or type(method)
    held = {name: value for name, value in _values(method).items() if name not in names}
    usual = _usual(cls)
    if all(_same(value, usual[name]) for name, value in held.items()):
        return cls
    known = methods()
    for entry in known.values():
        if entry.origin is origin and all(_same(value, _usual(entry)[name]) for name, value in held.items()):
            return entry
    before, hints = _usual(origin), get_type_hints(origin)
    shown = {one.name: one.repr for one in fields(origin)}  # type: ignore[arg-type]
    own = {name: value for name, value in held.items() if not _same(value, before[name])}
    title = _title(origin, own)
    number = 1 + sum(
        each.title.partition(" [")[0] == title for each in known.values() if each.origin is origin
    )
    title += f" [{number}]" if number > 1 else ""
    # One class holds one value: it says nothing of whether two methods of the class are equal.
    parts = [
        (name, hints[name], field(default_factory=partial(_itself, value), compare=False, repr=shown[name]))
        for name, value in own.items()
    ]
    namespace = {
        "key": re.sub(r"\W+", "_", title).strip("_").lower(),
        "title": title,
        "summary": f"{origin.summary} Here with {', '.join(_word(*each) for each in own.items())}.",
        "family": OWN_FAMILY,
        "origin": origin,
        "__module__": origin.__module__,
    }
    made = make_dataclass(origin.__name__, parts, bases=(origin,), namespace=namespace, frozen=True)
    register(made)
    return made


def kept_in(cls: type[Method]) -> dict[str, Any]:
    """What an entry of the menu holds beside its controls."""
    return changed(cls()) if cls.origin is not None else {}


def changed(method: Method) -> dict[str, Any]:
    """Parameters that are not as usual."""
    usual = _usual(method.origin or type(method))
    return {name: value for name, value in _values(method).items() if not _same(value, usual[name])}


def _itself(value: Any) -> Any:
    return value


def _values(method: Method) -> dict[str, Any]:
    return {one.name: getattr(method, one.name) for one in fields(method) if one.init}  # type: ignore[arg-type]


def _usual(cls: type[Method]) -> dict[str, Any]:
    """The defaults of a method's fields."""
    return {
        one.name: one.default if one.default_factory is MISSING else one.default_factory()
        for one in fields(cls)  # type: ignore[arg-type]
        if one.init
    }


def _same(one: Any, other: Any) -> bool:
    """Whether two values are one: of arrays and tensors only if they are the same object."""
    if one is other:
        return True
    try:
        return type(one) is type(other) and bool(one == other)
    except (RuntimeError, ValueError):  # arrays, tensors, or what holds them
        return False


def _title(cls: type[Method], held: dict[str, Any]) -> str:
    """What an entry is called: what is averaged first, then the values that fit into a few words."""
    inner = held.get("method")
    of = f" of {_named(inner)}" if isinstance(inner, Method) else ""
    words = [_word(name, value) for name, value in held.items() if not isinstance(value, Method)]
    return f"{cls.title}{of}" + (f" ({', '.join(words)})" if words else "")


def _named(method: Method) -> str:
    return _title(type(method), changed(method))


def _word(name: str, value: Any) -> str:
    if isinstance(value, Method):
        return f"{name}={_named(value)}"
    value = value.kind if isinstance(value, Baseline) else value
    plain = isinstance(value, (bool, int, float, str)) and len(str(value)) < 30
    return f"{name}={value}" if plain else name
