"""How an object of captum or zennit was made, as plain data; and making it again.

Objects of both packages do not keep what they were made with. So one is made beside each, with another value
than the default: where that value turns up inside it, the user's object has its own. Whether all is found is
seen by making it once more and comparing the two.
"""

import importlib
import inspect
import sys
import types
import warnings
import weakref
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from torch import nn

from saliscope.core.layers import find_layer
from saliscope.errors import MethodError, SaliscopeError

HOMES = {"captum": "captum.attr", "zennit": "zennit.composites"}
"""The modules that records may name: nothing else is ever imported for one."""

_NEEDED = {"captum": "attribute", "zennit": "context"}
_MODEL, _LAYER, YOURS = "model", "layer", "yours"
_PROBE = "a value of saliscope's, to see where it goes"
_DEEPEST = 30

Recipe = Mapping[str, Any]
"""``class`` and ``version``; ``arguments`` that are plain, with ``{"model": ""}`` and ``{"layer": name}`` for
parts of the model, ``{"yours": ""}`` for what plain data cannot hold, and a recipe for an object inside;
``whole`` if it can be made from these."""


def package_of(made: Any) -> str | None:
    """Which of the packages an object is from, if it is one that makes maps."""
    if isinstance(made, type):
        return None
    for package, needed in _NEEDED.items():
        homes = {base.__module__.partition(".")[0] for base in type(made).__mro__}
        if package in homes and callable(getattr(made, needed, None)):
            return package
    return None


def model_of(made: Any) -> Any:
    """What a captum object runs: a module, or a function. A composite has none of its own."""
    return _owner(getattr(made, "forward_func", None))


def recipe_of(made: Any) -> Recipe:
    """The recipe of an object for which `package_of` has a name."""
    package = package_of(made) or ""
    cls, home = type(made), HOMES.get(package, "")
    public = getattr(sys.modules.get(home), cls.__name__, None) is cls
    name = f"{home}.{cls.__name__}" if public else f"{cls.__module__}.{cls.__qualname__}"
    arguments, whole = _arguments(made) if public else ({}, False)
    kept = {key: _plain(value, model_of(made)) for key, value in arguments.items()}
    inside = [one for one in kept.values() if isinstance(one, dict)]
    whole = whole and all(one.get("whole", YOURS not in one) for one in inside)
    return {"class": name, "version": version_of(package), "arguments": kept, "whole": whole}


def version_of(package: str) -> str:
    """Of a package that is imported or installed; "" where it says none."""
    said = getattr(sys.modules.get(package), "__version__", None)
    if isinstance(said, str):
        return said
    try:
        return version(package)
    except PackageNotFoundError:
        return ""


def rebuilt(recipe: Recipe, model: nn.Module) -> Any:
    """The object that a recipe describes, for a model.

    Raises
    ------
    MethodError
        If it cannot be made: the recipe is not whole or names another module, or the package is not there.
    """
    name = str(recipe["class"])
    home, _, own = name.rpartition(".")
    package = home.partition(".")[0]
    way_out = f"Pass it: saliscope.replay(record, model, img, method={own}(...))."
    if HOMES.get(package) != home or not recipe["whole"]:
        got = f"a record of {name} with arguments that it could not hold"
        raise MethodError("method", got[:200], "the object itself", way_out[:200])
    try:
        module = importlib.import_module(HOMES[package])
    except ImportError as error:
        got = f"a record of {name} {recipe['version']}, and no {package} here"
        raise MethodError("method", got[:200], f"{package}", f"pip install {package}") from error
    cls = getattr(module, own, None)
    if not isinstance(cls, type) or not callable(getattr(cls, _NEEDED[package], None)):
        got = f"a record of {name}, which {package} {version_of(package)} does not have"
        raise MethodError("method", got[:200], "one of its methods", way_out[:200])
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return cls(**{key: _value(value, model) for key, value in recipe["arguments"].items()})
    except SaliscopeError:
        raise
    except Exception as error:
        got = f"a {type(error).__name__} from {name}: {error}"
        raise MethodError("method", got[:200], "arguments that it takes", way_out[:200]) from error


def parameters_of(made: Any) -> list[inspect.Parameter]:
    """What the constructor of an object takes by name."""
    named = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)
    return [one for one in inspect.signature(type(made)).parameters.values() if one.kind in named]


def _arguments(made: Any) -> tuple[dict[str, Any], bool]:
    """Arguments with which an object like `made` is made, as far as they are found; whether these are all."""
    needed, found, cls = dict[str, Any](), dict[str, Any](), type(made)
    lost = dict[str, Any]()
    try:
        own = dict(_leaves(made))
        parameters = parameters_of(made)
        for one in parameters:
            if one.default is one.empty:
                try:
                    needed[one.name] = _given(made, one.name)
                except (AttributeError, StopIteration):
                    lost[one.name] = _UNKNOWN
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            others = {name: 3e7 + number for number, name in enumerate(lost)}
            probe = dict(_leaves(cls(**needed, **others)))
            for name, other in others.items():
                values = {own.get(at) for at, leaf in probe.items() if leaf == other}
                value = values.pop() if len(values) == 1 else None
                if isinstance(value, (bool, int, float)):
                    needed[name] = value
                    del lost[name]
            stand_ins = needed | {name: others[name] for name in lost}
            usual = dict(_leaves(cls(**stand_ins)))
            for one in parameters:
                if isinstance(one.default, (bool, int, float)):
                    other = not one.default if isinstance(one.default, bool) else 3 * one.default + 7
                    probe = dict(_leaves(cls(**stand_ins, **{one.name: other})))
                    places = [at for at, leaf in probe.items() if leaf == other and usual.get(at) != leaf]
                    values = {own[at] for at in places if at in own}
                    value = values.pop() if len(values) == 1 else one.default
                    found[one.name] = value if isinstance(value, (bool, int, float)) else one.default
            again = dict(_leaves(cls(**stand_ins, **found)))
            # Where something else stands in for a lost one, a list that holds it is another anyway.
            probes: tuple[Any, ...] = (_PROBE,) if lost else (_PROBE, [_PROBE])
            make = partial(cls, **stand_ins, **found)
            for name in [one.name for one in parameters if one.default is None]:
                if any(_is_given(partial(make, **{name: probe}), own, again) for probe in probes):
                    lost[name] = _UNKNOWN
            whole = again == own
    except Exception:  # whatever a constructor of another package may raise: then it is not known
        return needed | found | lost, False
    return needed | found | lost, whole


def _is_given(make: Callable[[], Any], own: Mapping[Any, Any], again: Mapping[Any, Any]) -> bool:
    """Whether an argument that is None by default was another: where it goes is another thing."""
    try:
        probe = dict(_leaves(make()))
    except Exception:  # as above; here it takes no text
        return False
    places = [at for at, leaf in probe.items() if leaf == _PROBE]

    def there(leaves: Mapping[Any, Any], place: tuple[Any, ...]) -> dict[Any, Any]:
        n = len(place)
        return {at[n:]: leaf for at, leaf in leaves.items() if at[:n] == place}

    seen = [there(own, place) for place in places]
    # Where another argument has moved the places there is nothing, or not everywhere the same.
    same = all(one and one == seen[0] for one in seen)
    return same and any(one != there(again, place) for one, place in zip(seen, places, strict=True))


def _given(made: Any, name: str) -> Any:
    """What an object was given under a name that its constructor needs."""
    if hasattr(made, name):
        return getattr(made, name)
    if name in ("model", "forward_func"):
        return made.forward_func
    # Guided Grad-CAM keeps it in its part: one level down, and only one.
    return next(getattr(part, name) for part in vars(made).values() if hasattr(part, name))


def _leaves(value: Any, at: tuple[Any, ...] = (), inside: tuple[int, ...] = ()) -> Iterator[tuple[Any, Any]]:
    """What an object holds, as far down as it goes: numbers, texts, types, code; tensors by identity."""
    if value is None or isinstance(value, (bool, int, float, str, type, types.CodeType, types.ModuleType)):
        yield at, value
        return
    if id(value) in inside or len(at) > _DEEPEST:
        return
    parts: Any = ()
    if isinstance(value, Mapping):
        parts = value.items()
    elif isinstance(value, (list, tuple)):
        parts = enumerate(value)
    elif isinstance(value, partial):
        parts = (("function", value.func), ("arguments", value.args), ("named", value.keywords))
    elif isinstance(value, types.MethodType):
        parts = (("function", value.__func__), ("self", value.__self__))
    elif isinstance(value, types.FunctionType):
        closed = tuple(cell.cell_contents for cell in value.__closure__ or ())
        parts = (("code", value.__code__), ("closed", closed), ("defaults", value.__defaults__))
    elif isinstance(value, (weakref.ref, weakref.WeakSet)):
        parts = ()  # whom it knows at the moment
    elif hasattr(value, "__dict__") and not (_is_the_users(value) or hasattr(value, "dtype")):
        parts = vars(value).items()
    else:
        yield at, (type(value), len(value) if isinstance(value, (set, frozenset)) else id(value))
        return
    yield (*at, "type"), type(value)
    for name, part in parts:
        yield from _leaves(part, (*at, str(name)), (*inside, id(value)))


def _is_the_users(value: Any) -> bool:
    """Whether it is a module of the user's own: captum has some as well, such as the linear model of LIME."""
    return isinstance(value, nn.Module) and type(value).__module__.partition(".")[0] not in HOMES


class _Unknown:
    """What an object no longer says, or plain data cannot hold."""


_UNKNOWN = _Unknown()


def _plain(value: Any, model: Any) -> Any:
    """An argument as plain data."""
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    if package_of(value) is not None:
        return dict(recipe_of(value))
    owner = _owner(value)
    if isinstance(owner, nn.Module) and owner is model:
        return {_MODEL: ""}
    if isinstance(value, nn.Module) and isinstance(model, nn.Module):
        try:
            return {_LAYER: find_layer(model, value)[0]}
        except SaliscopeError:
            return {YOURS: ""}
    return {YOURS: ""}


def _value(plain: Any, model: nn.Module) -> Any:
    """An argument from plain data."""
    if not isinstance(plain, Mapping):
        return plain
    if _MODEL in plain:
        return model
    return find_layer(model, plain[_LAYER])[1] if _LAYER in plain else rebuilt(plain, model)


def _owner(held: Any) -> Any:
    """The module whose forward pass a function is; anything else as it is."""
    owner = getattr(held, "__self__", None)
    whole = isinstance(owner, nn.Module) and getattr(held, "__name__", "") == "forward"
    return owner if whole else held
