"""`@saliscope.method`: a function or class of the user's own becomes a method of the menu."""

import inspect
import math
import re
from collections.abc import Mapping
from dataclasses import MISSING, Field, dataclass, field, fields, make_dataclass
from typing import Any, Literal, get_args, get_origin, get_type_hints

from saliscope.attribution.base import Method
from saliscope.attribution.function_method import SHARED, FunctionMethod, check_parameter
from saliscope.attribution.registry import OWN_FAMILY, register
from saliscope.core.baselines import as_baselines
from saliscope.core.knobs import Knob
from saliscope.errors import MethodError
from saliscope.specs.saliency import Card

_LEADING = (("question",), ("model", "inputs", "target"))
_SEEDS = 9999


def method(
    made: Any = None,
    /,
    *,
    title: str | None = None,
    summary: str | None = None,
    unit: str | None = None,
    signed: bool | None = None,
    key: str | None = None,
    card: Card | Mapping[str, str] | None = None,
) -> Any:
    """Make a method of the menu from a function or class of your own.

    Parameters
    ----------
    made : function or class
        A function ``f(model, inputs, target, **parameters)`` or ``f(question, **parameters)`` that returns a
        map or yields better and better ones, or a class that subclasses `saliscope.attribution.Method`.
        In the first form ``inputs`` is a batch of one input, with ``requires_grad``; ``model(inputs)`` gives
        the scores of all classes; ``target`` is the index of the one to explain, a tensor of shape (1,). In
        the second form a `saliscope.attribution.base.Question` holds the whole batch. A map has the shape of
        the inputs, or that without channels. A generator may yield ``(map, done, total)``.
    title : str, optional
        In menus; the name in words otherwise.
    summary : str, optional
        What the map shows, in one sentence; the docstring's first line otherwise.
    unit : str, optional
        Of the map's values. Maps of one unit share one scale; without a unit the method has its own.
    signed : bool, optional
        Whether values below zero have a meaning; they do unless this is False.
    key : str, optional
        Name in code; the function's name otherwise.
    card : Card or dict of str, optional
        ``shows``, ``assumes``, ``costs``, ``fails``, ``reference``.

    Returns
    -------
    type
        The method's class, a frozen dataclass of its parameters, in the place of the function or class.

    Raises
    ------
    MethodError
        If a parameter cannot be shown as a control, or the key is a built-in method's.

    Notes
    -----
    Parameters need a default, and are float, int, bool or a Literal of words; `saliscope.knob` gives label
    and range. Three names are shared with other methods and their controls: ``n_steps`` (an int),
    ``baseline`` (the function gets a tensor with the shape of the inputs; of several baselines the maps are
    averaged) and ``layer`` (the name of a layer, found if none is chosen). ``seed`` seeds torch's random
    numbers before each call; without it they start from 0.

    Defining the same key again, as a cell that is run again does, replaces the earlier method.

    Examples
    --------
    >>> @saliscope.method(unit="score per unit of input")
    ... def gradient(model, inputs, target, power: float = saliscope.knob(1.0, "power", 0.1, 4.0, 0.1)):
    ...     (g,) = torch.autograd.grad(model(inputs)[:, target].sum(), inputs)
    ...     return g.sign() * g.abs() ** power
    >>> SaliencyExplorer(model, img, method="gradient", params={"power": 0.5})
    """
    options = {"title": title, "summary": summary, "unit": unit, "signed": signed, "key": key, "card": card}
    given = {name: value for name, value in options.items() if value is not None}

    def decorate(thing: Any) -> Any:
        cls = _of_class(thing) if isinstance(thing, type) else _of_function(thing)
        _describe(cls, thing, given)
        _check(cls)
        register(cls)
        return cls

    return decorate if made is None else decorate(made)


def _of_class(cls: Any) -> Any:
    name = cls.__name__
    if Method not in cls.__mro__ or inspect.isabstract(cls):
        raise MethodError(name, "a class", "a subclass of saliscope.attribution.Method with its `_steps`")
    if "__dataclass_params__" not in vars(cls):
        try:
            cls = dataclass(frozen=True)(cls)
        except (TypeError, ValueError) as error:
            raise MethodError(name, str(error), "a class that can be a frozen dataclass") from error
    if not vars(cls)["__dataclass_params__"].frozen:
        raise MethodError(name, "a dataclass that can change", "one with @dataclass(frozen=True)")
    for one in fields(cls):
        if one.init and one.default is MISSING and one.default_factory is MISSING:
            raise MethodError(name, f"a parameter '{one.name}' without a default", "a default for each")
    try:
        hints = get_type_hints(cls)
    except Exception as error:
        raise MethodError(name, f"annotations: {error}", "annotations of known names") from error
    for one in fields(cls):
        knob = one.metadata.get("knob")
        if knob is not None and one.name not in SHARED:
            _check_kind(one.name, hints[one.name])
            if hints[one.name] in (int, float) and None in (knob.minimum, knob.maximum, knob.step):
                raise MethodError(one.name, "a knob without range", "minimum, maximum and step of a number")
    return cls


def _of_function(function: Any) -> type[FunctionMethod]:
    if not callable(function):
        raise MethodError("method", f"an object of type {type(function).__name__}", "a function or a class")
    name = getattr(function, "__name__", type(function).__name__)
    parameters = list(inspect.signature(function).parameters.values())
    leading = next((n for n in _LEADING if tuple(p.name for p in parameters[: len(n)]) == n), None)
    if leading is None:
        words = ", ".join(p.name for p in parameters) or "none"
        raise MethodError(name, f"the parameters {words}", "(model, inputs, target, ...) or (question, ...)")
    own = [_field(name, function, parameter) for parameter in parameters[len(leading) :]]
    namespace = {"function": staticmethod(function), "takes_question": len(leading) == 1}
    words = name if name.isidentifier() else "OwnMethod"
    cls = make_dataclass(words, own, bases=(FunctionMethod,), namespace=namespace, frozen=True)
    if inspect.isfunction(function):
        cls.__doc__ = function.__doc__
        # Where pickle looks: the method has the function's place.
        cls.__module__, cls.__qualname__ = function.__module__, function.__qualname__
    return cls


def _field(function_name: str, function: Any, parameter: inspect.Parameter) -> tuple[str, Any, Field[Any]]:
    """One field of the dataclass from one parameter of the function."""
    name, given = parameter.name, parameter.default
    if parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD, parameter.POSITIONAL_ONLY):
        raise MethodError(function_name, f"the parameter '{parameter}'", "parameters that have a name")
    if name.startswith("_") or name in {*dir(FunctionMethod), *Method.__annotations__}:
        raise MethodError(name, "a parameter of this name", "another name", "Methods use it themselves.")
    knob = None
    if isinstance(given, Field):
        knob, given = given.metadata.get("knob"), given.default
    if given is parameter.empty or given is MISSING:
        raise MethodError(name, "a parameter without a default", "a default, as in sigma: float = 0.1")
    if name in SHARED:
        return _shared(name, given)
    kind = _kind(function, parameter, given)
    _check_kind(name, kind)
    check_parameter(name, given, kind)
    metadata = {"knob": _ranged(name, given, kind, knob or Knob(""))}
    return name, kind, field(default=given, metadata=metadata)


def _shared(name: str, given: Any) -> tuple[str, Any, Field[Any]]:
    if name == "layer":
        return name, str | None, field(default=given, metadata={"knob": Knob("layer")})
    if name == "baseline":
        several = as_baselines("black" if given is None else given)
        start: Any = several[0] if len(several) == 1 else several
        return name, Any, field(default=start)
    return name, int, field(default=given)


def _kind(function: Any, parameter: inspect.Parameter, default: Any) -> Any:
    """A parameter's type: as annotated, or that of its default."""
    annotation = parameter.annotation
    if annotation is parameter.empty:
        return type(default)
    if isinstance(annotation, str):
        try:  # of this one only: Tensor may well be a name that type checkers alone know
            return eval(annotation, getattr(function, "__globals__", {}))
        except Exception as error:
            got = f"the annotation '{annotation}' with a {type(error).__name__}"
            raise MethodError(parameter.name, got, "float, int, bool or Literal['a', 'b']") from error
    return annotation


def _check_kind(name: str, kind: Any) -> None:
    words = get_args(kind) if get_origin(kind) is Literal else ("",) if kind in (float, int, bool) else ()
    if not words or not all(isinstance(word, str) for word in words):
        got = f"a parameter of type {getattr(kind, '__name__', kind)}"
        raise MethodError(name, got, "float, int, bool or Literal['a', 'b']")


def _ranged(name: str, default: Any, kind: Any, knob: Knob) -> Knob:
    """A knob with label and range; where none are given, they follow from name and default."""
    label = knob.label or name.replace("_", " ")
    if kind not in (int, float):
        return Knob(label)
    low, high, step = knob.minimum, knob.maximum, knob.step
    size = abs(default)
    reach = _SEEDS if name == "seed" else max(10, 4 * size) if kind is int else 4 * size if size > 1 else 1.0
    if low is None:
        low = -reach if default < 0 else int(kind is int and default >= 1 and name != "seed")
    high = reach if high is None else high
    step = (1 if kind is int else (high - low) / 100) if step is None else step
    limits = (low, high, step)
    if not all(isinstance(one, (int, float)) and math.isfinite(one) for one in limits):
        raise MethodError(name, f"the range {limits}", "three finite numbers: minimum, maximum, step")
    if not (low <= default <= high and low < high and step > 0) or (knob.log and low <= 0):
        from_to = f"the default {default} and the range {low} to {high} in steps of {step}"
        expected = "a default within its range" + (", above zero for a logarithm" if knob.log else "")
        raise MethodError(name, from_to, expected)
    return Knob(label, low, high, step, knob.log, knob.when)


def _describe(cls: Any, thing: Any, given: dict[str, Any]) -> None:
    """Fill in what menus and results say of the method."""
    made_of_class = isinstance(thing, type)
    name, own = getattr(thing, "__name__", cls.__name__), vars(thing) if made_of_class else {}
    words = [given.get(option, "") for option in ("title", "summary", "unit", "key")]
    if not all(isinstance(one, str) for one in words) or not isinstance(given.get("signed", True), bool):
        raise MethodError("method", repr(given), "texts, and signed=True or False")
    cls.key = given.get("key") or own.get("key") or (_snake(name) if made_of_class else name)
    cls.title = given.get("title") or own.get("title") or cls.key.replace("_", " ").capitalize()
    doc = inspect.cleandoc(vars(cls).get("__doc__") or "")
    doc = "" if doc.startswith(f"{cls.__name__}(") else doc  # what a dataclass says where nobody did
    first = " ".join(doc.partition("\n\n")[0].split()) or f"{cls.title}, a method of your own."
    cls.summary = given.get("summary") or own.get("summary") or first.rstrip(".") + "."
    if "unit" in given or getattr(cls, "unit", None) is None:
        cls.unit = given.get("unit", f"value of {cls.title}")
    if "signed" in given and issubclass(cls, FunctionMethod):
        cls.sign_matters = given["signed"]
    elif "signed" in given:
        cls.signed = property(lambda self: given["signed"])
    cls.family = OWN_FAMILY
    cls.card = _card(given.get("card") or own.get("card") or Card(shows=cls.summary))


def _card(card: Any) -> Card:
    if isinstance(card, Card):
        return card
    names = [one.name for one in fields(Card)]
    if isinstance(card, Mapping) and all(k in names and isinstance(v, str) for k, v in card.items()):
        return Card(**card)
    raise MethodError("card", repr(card), f"a Card, or a dict of texts for {', '.join(names)}")


def _check(cls: Any) -> None:
    if not cls.key.isidentifier() or len(cls.key) > 60:
        raise MethodError("key", repr(cls.key), "a short name of letters, digits and _", "Pass key='...'.")
    try:
        hash(cls())  # its defaults are checked as any values are; answers are kept by them
    except TypeError as error:
        raise MethodError(cls.key, str(error), "values that can be hashed") from error


def _snake(name: str) -> str:
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", name).lower()
