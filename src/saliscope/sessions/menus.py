"""The menus of an explorer, generated from the dataclasses of methods and baselines."""

import reprlib
import sys
import types
from collections.abc import Mapping, Sequence
from dataclasses import MISSING, Field, fields, is_dataclass
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

import numpy as np

from saliscope.attribution.base import Method
from saliscope.attribution.registry import methods
from saliscope.attribution.source import source_of
from saliscope.attribution.walk import PathMethod
from saliscope.core.baselines import BASELINES, Baseline, Custom, Painted
from saliscope.core.knobs import Knob
from saliscope.core.targets import OUTPUTS
from saliscope.errors import BaselineError, LayerError, MethodError, SaliscopeError
from saliscope.faithfulness.replacement import Average
from saliscope.render import colormaps
from saliscope.specs.blobs import Blob
from saliscope.specs.saliency import BaselineInfo, Control, Info, MethodInfo, ModelInfo
from saliscope.version import __version__

OWN_TRAITS = ("n_steps", "baseline", "layer")
"""Fields that several methods share and that keep their value when the method changes."""

MOST_STEPS = 1024
"""Points of a path: beyond, the pictures of the path no longer fit a laptop's memory."""

_WORK = ("n_steps", "n_samples", "n_masks")
"""What says how much work a method does."""

MOST_BASELINES = 8
"""In an average: each of them has a path of its own."""


def controls(cls: type) -> tuple[Control, ...]:
    """A control for each field that has a `Knob`."""
    hints = get_type_hints(cls)
    own = [field for field in fields(cls) if "knob" in field.metadata]
    return tuple(_control(field, field.metadata["knob"], hints[field.name]) for field in own)


def method_menu() -> tuple[MethodInfo, ...]:
    """All methods with their controls."""
    return tuple(_method_info(cls) for cls in methods().values())


def baseline_menu() -> tuple[BaselineInfo, ...]:
    """All named baselines with their controls."""
    return tuple(BaselineInfo(kind, kind.capitalize(), controls(cls)) for kind, cls in BASELINES.items())


def info_of(models: Sequence[ModelInfo], images: int) -> tuple[Info, list[Blob]]:
    """Everything that the page chooses from, with the colour maps."""
    luts = {name: Blob.from_picture(colormaps.lut(name)) for name in colormaps.names}
    info = Info(
        methods=method_menu(),
        baselines=baseline_menu(),
        images=images,
        outputs=OUTPUTS,
        luts={name: blob.hash for name, blob in luts.items()},
        models=tuple(models),
        version=__version__,
    )
    return info, list(luts.values())


def defaults(cls: type) -> dict[str, Any]:
    """What an explorer gives a method: its own parameters, those of the shared traits left out."""
    return {control.name: control.default for control in controls(cls) if control.name not in OWN_TRAITS}


def build_method(cls: type[Method], params: dict[str, Any], **shared: Any) -> Method:
    """A method from its own parameters and those of the shared traits that it has.

    Raises
    ------
    MethodError
        For a parameter it does not have, or a value out of range.
    """
    own = {control.name: control for control in controls(cls) if control.name not in OWN_TRAITS}
    for name in params:
        if name not in own:
            known = f"parameters of {cls.__name__}: {', '.join(own) or 'none'}"
            hint = f"It has a place of its own: explorer.{name}." if name in OWN_TRAITS else ""
            raise MethodError("params", repr(name), known, hint)
    given = defaults(cls) | params
    checked = {name: _checked(own[name], value, MethodError) for name, value in given.items()}
    names = _field_names(cls)
    return cls(**checked, **{name: value for name, value in shared.items() if name in names})


def layer_role(cls: type[Method]) -> Literal["always", "named", "never"]:
    """When a method reads a layer: always, as CAMs do, only one that is named, as gradients do, or never."""
    if any(control.name == "layer" for control in controls(cls)):
        return "always"
    return "named" if "layer" in _field_names(cls) else "never"


def check_layer(cls: type[Method], layer: Any) -> None:
    """Refuse a layer for a method that reads none: its map would be that of the input, and nothing said so.

    Raises
    ------
    LayerError
        If the method reads none.
    """
    if layer is not None and layer_role(cls) == "never":
        name = layer if isinstance(layer, str) else type(layer).__name__
        got, way_out = (
            f"{name!r} for {cls.title}, which reads no layer",
            "CAMs and gradients do.",
        )
        raise LayerError("layer", got[:200], "None, or a method that reads one", way_out)


def build_baseline(
    spec: dict[str, Any], known: Mapping[str, type[Baseline]] = BASELINES
) -> Baseline | tuple[Baseline, ...]:
    """A baseline from plain data such as ``{"kind": "blur", "sigma": 12}``; several for an average.

    Parameters
    ----------
    spec : dict
    known : mapping
        The kinds that may be named.

    Raises
    ------
    BaselineError
        For an unknown kind or parameter, or a value out of range.
    """
    kind = spec.get("kind")
    if kind != "average":
        return _painted(spec) if kind == "painted" else _named(spec, known)
    several = _arguments(spec, ("of",)).get("of")
    if not isinstance(several, list | tuple) or not 1 <= len(several) <= MOST_BASELINES:
        got = f"{len(several)} baselines" if isinstance(several, list | tuple) else reprlib.repr(several)
        raise BaselineError("of", got, f"a list of 1 to {MOST_BASELINES} baselines")
    return tuple(_painted(one) if _kind_of(one) == "painted" else _named(one) for one in several)


def _painted(spec: dict[str, Any]) -> Baseline:
    given = _arguments(spec, ("region", "fill", "rest"))
    if not isinstance(given.get("region"), dict):
        raise BaselineError("region", reprlib.repr(given.get("region")), "a region as plain data")
    # Fill and rest are named ones: painting goes one level deep, however deep what was sent is.
    colours = {name: _named(given[name]) for name in ("fill", "rest") if given.get(name) is not None}
    return Painted(given["region"], **colours)


def _named(spec: Any, known: Mapping[str, type[Baseline]] = BASELINES) -> Baseline:
    kind = _kind_of(spec)
    if not isinstance(kind, str) or kind not in known:
        raise BaselineError("baseline", reprlib.repr(kind), f"one of {', '.join(known)}")
    own = {control.name: control for control in controls(known[kind])}
    params = _arguments(spec, tuple(own))
    return known[kind](**{name: _checked(own[name], value, BaselineError) for name, value in params.items()})


def _kind_of(spec: Any) -> Any:
    if not isinstance(spec, dict):
        raise BaselineError("baseline", reprlib.repr(spec), 'plain data such as {"kind": "black"}')
    return spec.get("kind")


def _arguments(spec: dict[str, Any], known: tuple[str, ...]) -> dict[str, Any]:
    """What a spec says beside its kind, all of it known."""
    given = {name: value for name, value in spec.items() if name != "kind"}
    for name in given:
        if name not in known:
            expected = f"parameters of {spec['kind']}: {', '.join(known) or 'none'}"
            raise BaselineError("baseline", reprlib.repr(name), expected)
    return given


def is_number(value: Any) -> bool:
    """Whether a value is a finite number that a float can hold; True and False are none."""
    right = isinstance(value, (int, float)) and not isinstance(value, bool)
    return right and abs(value) <= sys.float_info.max


def check_reach(cls: type, sent: dict[str, Any], before: dict[str, Any], error: type[SaliscopeError]) -> None:
    """Hold a page to its menus: from Python a value may go further than the slider that shows it.

    Raises
    ------
    SaliscopeError
        An `error`, for a number that `before` does not have and that lies beyond its control's ends.
    """
    for control in controls(cls):
        value, low, high = sent.get(control.name), control.min, control.max
        if low is None or high is None or value is None or value == before.get(control.name):
            continue
        if not low <= value <= high:
            raise error(control.name, reprlib.repr(value), f"a number from {low:g} to {high:g}")


def baseline_spec(baseline: Baseline | tuple[Baseline, ...]) -> dict[str, Any]:
    """Plain data for a baseline; `build_baseline` reads it back, unless a tensor of the user's is in it."""
    if isinstance(baseline, tuple):
        return {"kind": "average", "of": [baseline_spec(one) for one in baseline]}
    if isinstance(baseline, Painted):
        rest = None if baseline.rest is None else baseline_spec(baseline.rest)
        fill = baseline_spec(baseline.fill)
        return {"kind": "painted", "region": baseline.region.to_json(), "fill": fill, "rest": rest}
    if isinstance(baseline, Average):
        return baseline_spec(baseline.baselines)
    known = {control.name: getattr(baseline, control.name) for control in controls(type(baseline))}
    others = [one for one in fields(baseline) if one.name not in known] if is_dataclass(baseline) else []
    if any(not _same(getattr(baseline, one.name), one.default) for one in others):
        return {"kind": Custom.kind}  # a picture of the user's own, a seed that no menu has
    return {"kind": baseline.kind} | known


def _same(value: Any, usual: Any) -> bool:
    return value is usual or (isinstance(value, (bool, int, float, str)) and value == usual)


def work_of(method: Method) -> int | None:
    """Steps, samples or masks of a method; None where it has none."""
    return next((getattr(method, name) for name in _WORK if hasattr(method, name)), None)


def work_words(method: Method) -> str:
    """What `work_of` counts, as its control is called."""
    labels = {control.name: control.label for control in controls(type(method))}
    return next((labels.get(name, "steps") for name in _WORK if hasattr(method, name)), "steps")


def may_stop(method: Method) -> bool:
    """Whether it ends when its map is good enough: its steps or samples are then the most there may be."""

    def acts(control: Control) -> bool:
        when = control.when
        return getattr(method, control.name) > 0 and (when is None or getattr(method, when[0]) == when[1])

    return any(control.stops and acts(control) for control in controls(type(method)))


def can_refine(method: Method) -> bool:
    """Whether twice the work is possible and still within what the menus offer."""
    ends = [control.max for control in controls(type(method)) if control.name in _WORK]
    return method.refinable and 2 * (work_of(method) or 0) <= (ends[0] if ends and ends[0] else MOST_STEPS)


def _field_names(cls: Any) -> set[str]:
    return {field.name for field in fields(cls)}


def _method_info(cls: type[Method]) -> MethodInfo:
    names, source = _field_names(cls), source_of(cls)
    return MethodInfo(
        key=cls.key,
        title=cls.title,
        summary=cls.summary,
        family=cls.family,
        path=issubclass(cls, PathMethod),
        uses_baseline="baseline" in names,
        uses_steps="n_steps" in names,
        controls=tuple(c for c in controls(cls) if c.name == "layer" or c.name not in OWN_TRAITS),
        card=cls.card,
        code=source.text,
        before=source.before,
    )


def _control(field: Field[Any], knob: Knob, hint: Any) -> Control:
    kind, choices = _kind(field.name, hint)
    default = None if field.default is MISSING else field.default
    default = default if knob.first is None else knob.first
    return Control(
        name=field.name,
        kind=kind,
        label=knob.label,
        default=default,
        min=knob.minimum,
        max=knob.maximum,
        step=knob.step,
        choices=choices,
        log=knob.log,
        when=knob.when,
        stops=knob.stops,
    )


def _kind(name: str, hint: Any) -> tuple[Any, tuple[str, ...] | None]:
    if get_origin(hint) is Literal:
        return "choice", get_args(hint)
    if name == "layer" and get_origin(hint) in (Union, types.UnionType):
        return "layer", None
    return {bool: "bool", int: "int", float: "float"}[hint], None


def _checked(control: Control, value: Any, error: type[SaliscopeError]) -> Any:
    """A value in its control's type; how far it may go is the dataclass's own affair."""
    plain = value.item() if isinstance(value, np.generic) else value
    if control.kind == "choice":
        if isinstance(plain, str) and plain in (control.choices or ()):
            return plain
        expected = f"one of {', '.join(control.choices or ())}"
    elif control.kind == "bool":
        if isinstance(plain, bool):
            return plain
        expected = "True or False"
    else:
        # JSON has one kind of number: a slider at 2 sends an integer for a float, and the other way round.
        if is_number(plain) and control.kind == "float":
            return float(plain)
        if is_number(plain) and plain == int(plain):
            return int(plain)
        expected = "an integer" if control.kind == "int" else "a number"
    raise error(control.name, reprlib.repr(value), expected)
