"""What a method is, in words by which its finished parts are found again."""

import hashlib
import json
import sys
from types import BuiltinFunctionType, CodeType, FunctionType, ModuleType
from typing import Any

from saliscope.attribution import Method

_PLAIN = (type(None), bool, int, float, complex, str, bytes)
_FIXED = {"saliscope", "torch", "numpy", *sys.stdlib_module_names}
"""Packages that change with their versions only."""


def described(method: Any) -> str | None:
    """What a method depends on, or None where that cannot be known.

    A method of the package is known by its parameters, a function by its name and its code, with that of the
    functions that it calls by a global name. What a closure, an object or another module of one's own does to
    its maps leaves nothing to see here: such parts are not kept.
    """
    if isinstance(method, Method):
        return repr(method) if type(method).__module__.startswith("saliscope.") else None
    if not isinstance(method, FunctionType):
        return None
    name = f"{method.__module__}.{method.__qualname__}"
    try:
        told = _value(method, frozenset())
    except _UnknownError:
        return None
    if isinstance(told, str):
        return name
    return f"{name} {hashlib.sha256(json.dumps(told).encode()).hexdigest()}"


class _UnknownError(Exception):
    """Something that has no words."""


def _function(function: FunctionType, seen: frozenset[FunctionType]) -> list[Any]:
    if function.__closure__:
        raise _UnknownError
    if function in seen:
        return [function.__qualname__]
    seen |= {function}
    code, known = function.__code__, function.__globals__
    used = {name: _value(known[name], seen) for name in sorted(_names(code)) if name in known}
    named = tuple(sorted((function.__kwdefaults__ or {}).items()))
    defaults = _value(function.__defaults__, seen), _value(named, seen)
    return [_code(code), *defaults, used]


def _names(code: CodeType) -> set[str]:
    inner = (_names(one) for one in code.co_consts if isinstance(one, CodeType))
    return set(code.co_names).union(*inner)


def _code(code: CodeType) -> list[Any]:
    consts = [_code(one) if isinstance(one, CodeType) else repr(one) for one in code.co_consts]
    return [code.co_code.hex(), code.co_names, code.co_varnames, consts]


def _value(value: Any, seen: frozenset[FunctionType]) -> Any:
    """A value that a function uses, as JSON has it."""
    if isinstance(value, (ModuleType, FunctionType, BuiltinFunctionType, type)):
        module = value.__name__ if isinstance(value, ModuleType) else value.__module__ or ""
        if module.partition(".")[0] in _FIXED:
            return f"{module}.{getattr(value, '__qualname__', '')}"
    if isinstance(value, FunctionType):
        return _function(value, seen)
    if isinstance(value, tuple):
        return [_value(one, seen) for one in value]
    if type(value) in _PLAIN:
        return repr(value)
    raise _UnknownError
