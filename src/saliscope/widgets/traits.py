"""Traits that check what they are given on the line that gives it, and say the way out.

What the page sends goes through the same checks: saved state and messages are a stranger's.
"""

import difflib
import math
import reprlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from torch import nn
from traitlets import TraitType

from saliscope.core.baselines import as_baseline, as_baselines
from saliscope.core.targets import Target
from saliscope.errors import InputError, LayerError, MethodError, TargetError, one_of
from saliscope.render.scale import Scale
from saliscope.sessions.answers import Occlusion
from saliscope.sessions.given import as_question, is_object, spread
from saliscope.sessions.menus import baseline_spec, build_baseline, is_number
from saliscope.sessions.panels import MOST_PANELS
from saliscope.sessions.trial_settings import TrialSettings
from saliscope.specs.region import Region

MOST_ZOOM = 32


class Number(TraitType[Any, Any]):
    """A finite number between two limits, the lower one exclusive if asked; None where allowed."""

    def __init__(
        self,
        default: float | None,
        low: float,
        high: float = math.inf,
        *,
        integer: bool = False,
        above: bool = False,
        allow_none: bool = False,
        help: str = "",
    ) -> None:
        super().__init__(default, allow_none=allow_none, help=help)
        self._low, self._high, self._integer, self._above = low, high, integer, above
        self.tag(sync=True)

    def validate(self, obj: Any, value: Any) -> float | int:
        """Return the number, or raise `InputError`."""
        number = _plain(value)
        above_low = is_number(number) and (self._low < number if self._above else self._low <= number)
        if not above_low or number > self._high or (self._integer and number != int(number)):
            raise InputError(str(self.name), reprlib.repr(value), self._words())
        return int(number) if self._integer else float(number)

    def _words(self) -> str:
        kind = "an integer" if self._integer else "a number"
        low = f"above {self._low:g}" if self._above else f"from {self._low:g}"
        return f"{kind} {low}" + ("" if math.isinf(self._high) else f" to {self._high:g}")


class Choice(TraitType[Any, Any]):
    """One of a few words."""

    def __init__(self, default: str, choices: Callable[[], Sequence[str]], help: str = "") -> None:
        super().__init__(default, help=help)
        self._choices = choices
        self.tag(sync=True)

    def validate(self, obj: Any, value: Any) -> str:
        """Return the word, or raise `InputError` with the nearest one."""
        known = tuple(self._choices())
        if isinstance(value, str) and value in known:
            return value
        close = (
            difflib.get_close_matches(value[:99], known, n=1, cutoff=0.4) if isinstance(value, str) else []
        )
        hint = f"Did you mean {close[0]!r}?" if close else ""
        raise InputError(str(self.name), reprlib.repr(value), one_of(known), hint)


class MethodTrait(Choice):
    """A method's key. Of an object, which is spread over several traits before, it takes the key."""

    def validate(self, obj: Any, value: Any) -> str:
        """Return the key, or raise `InputError` or `MethodError`."""
        return super().validate(obj, as_question(value)["method"] if is_object(value) else value)


class LayerTrait(TraitType[Any, Any]):
    """A layer's name, or None; the layer itself becomes its name in the widget's own check."""

    def __init__(self, help: str = "") -> None:
        super().__init__(None, allow_none=True, help=help)
        self.tag(sync=True)

    def validate(self, obj: Any, value: Any) -> Any:
        """Return the name or module, or raise `LayerError`."""
        if isinstance(value, (str, nn.Module)):
            return value
        raise LayerError("layer", reprlib.repr(value), "a layer's name, a layer of the model, or None")


class ParamsTrait(TraitType[Any, Any]):
    """A method's parameters by name; which there are depends on the method, and the widget checks it."""

    def __init__(self, help: str = "") -> None:
        super().__init__({}, help=help)
        self.tag(sync=True)

    def validate(self, obj: Any, value: Any) -> dict[str, Any]:
        """Return the dict, or raise `MethodError`."""
        return as_params(value)


class TargetTrait(TraitType[Any, Any]):
    """What is explained: None, an index, a label, a function, or a `saliscope.Target`.

    A label becomes its index. The page sees an index, null, or the name of what it cannot choose.
    """

    default_value = None

    def __init__(self, help: str = "") -> None:
        super().__init__(None, allow_none=True, help=help)
        self.tag(sync=True, to_json=self._to_json, from_json=self._from_json)

    def validate(self, obj: Any, value: Any) -> Any:
        """Return an index or what stands for itself, or raise `TargetError`."""
        if isinstance(value, str):
            return obj.index_of(value)
        if callable(value) or isinstance(value, Target):
            return value
        number = _plain(value)
        if isinstance(number, bool) or not isinstance(number, int):
            expected = "an index, a label, a function, a saliscope.Target or None"
            raise TargetError("target", reprlib.repr(value), expected)
        return obj.index_of(number)

    @staticmethod
    def _to_json(value: Any, _widget: Any) -> Any:
        if value is None or isinstance(value, int):
            return value
        name = "my_target" if isinstance(value, Target) else getattr(value, "__name__", type(value).__name__)
        return {"callable": name}

    @staticmethod
    def _from_json(value: Any, widget: Any) -> Any:
        # The page cannot make a function; it can only send back the name of the one there is.
        return widget.target if isinstance(value, dict) else value


class BaselineTrait(TraitType[Any, Any]):
    """Where paths start: what `saliscope.attribution.IntegratedGradients` takes as baseline."""

    def __init__(self, help: str = "") -> None:
        super().__init__(as_baseline("black"), help=help)
        self.tag(sync=True, to_json=self._to_json, from_json=self._from_json)

    def validate(self, obj: Any, value: Any) -> Any:
        """Return a baseline or a tuple of them, or raise `BaselineError`."""
        return baseline_of(value)

    @staticmethod
    def _to_json(value: Any, _widget: Any) -> Any:
        return baseline_spec(value)

    @staticmethod
    def _from_json(value: Any, widget: Any) -> Any:
        # The page cannot make a tensor; it can only send back the name of the one there is.
        own = isinstance(value, dict) and value.get("kind") == "custom"
        return widget.baseline if own or value == baseline_spec(widget.baseline) else value


def baseline_of(value: Any) -> Any:
    """A baseline, or a tuple of several, from whatever people write."""
    if isinstance(value, dict):
        return build_baseline(value)
    if isinstance(value, (tuple, list)):
        return as_baselines(value)
    return as_baseline(value.item() if isinstance(value, np.generic) else value)


class RegionTrait(TraitType[Any, Any]):
    """A part of the picture, or None; see `saliscope.specs.region.Region.of`."""

    def __init__(self, help: str = "") -> None:
        super().__init__(None, allow_none=True, help=help)
        self.tag(sync=True, to_json=lambda value, _widget: None if value is None else value.to_json())

    def validate(self, obj: Any, value: Any) -> Region:
        """Return the region, or raise `InputError`."""
        return Region.of(value)


class OcclusionTrait(TraitType[Any, Any]):
    """A region that is filled from a baseline before the model sees the picture, or None."""

    def __init__(self, help: str = "") -> None:
        super().__init__(None, allow_none=True, help=help)
        self.tag(sync=True, to_json=self._to_json)

    def validate(self, obj: Any, value: Any) -> Occlusion:
        """Return the occlusion, or raise `InputError` or `BaselineError`."""
        if isinstance(value, Occlusion):
            return value
        if not isinstance(value, dict) or set(value) != {"region", "fill"}:
            raise InputError("occlusion", reprlib.repr(value), "{'region': ..., 'fill': a baseline} or None")
        fill = baseline_of(value["fill"])
        if isinstance(fill, tuple):
            raise InputError("fill", f"{len(fill)} baselines", "one baseline")
        return Occlusion(Region.of(value["region"]), fill)

    @staticmethod
    def _to_json(value: Any, _widget: Any) -> Any:
        return value and {"region": value.region.to_json(), "fill": baseline_spec(value.fill)}


class ScaleTrait(TraitType[Any, Any]):
    """A `saliscope.Scale`, or what makes one: a limit, limits by unit, or None for the automatic one."""

    def __init__(self, help: str = "") -> None:
        super().__init__(help=help)
        self.tag(sync=True, to_json=lambda value, _widget: value.to_json())

    def make_dynamic_default(self) -> Scale:
        """Give every explorer a scale of its own."""
        return Scale()

    def validate(self, obj: Any, value: Any) -> Scale:
        """Return the scale, or raise `InputError`."""
        if isinstance(value, Scale):
            return value
        try:
            if isinstance(value, dict) and "mode" in value:
                return Scale.from_json(value)
            return Scale(_plain(value))
        except InputError as error:
            raise InputError("scale", error.got, error.expected, error.way_out) from None


class ZoomTrait(TraitType[Any, Any]):
    """How much is seen: (factor, x, y), with the centre as shares of width and height."""

    def __init__(self, help: str = "") -> None:
        super().__init__((1.0, 0.5, 0.5), help=help)
        self.tag(sync=True)

    def validate(self, obj: Any, value: Any) -> tuple[float, float, float]:
        """Return the three numbers, or raise `InputError`."""
        numbers = [_plain(each) for each in value] if isinstance(value, (tuple, list)) else []
        if len(numbers) == 3 and all(map(is_number, numbers)):
            factor, x, y = map(float, numbers)
            if 1 <= factor <= MOST_ZOOM and 0 <= x <= 1 and 0 <= y <= 1:
                return factor, x, y
        expected = f"(factor from 1 to {MOST_ZOOM}, x and y of the centre from 0 to 1)"
        raise InputError("zoom", reprlib.repr(value), expected)


class TrialTrait(TraitType[Any, Any]):
    """How the maps on screen are put on trial, or None; see `TrialSettings.of`."""

    def __init__(self, help: str = "") -> None:
        super().__init__(None, allow_none=True, help=help)
        self.tag(sync=True, to_json=self._to_json, from_json=self._from_json)

    def validate(self, obj: Any, value: Any) -> TrialSettings | None:
        """Return the settings, None for False, or raise `MethodError` or `BaselineError`."""
        return None if value is False else TrialSettings.of(value)

    @staticmethod
    def _to_json(value: Any, _widget: Any) -> Any:
        return value and value.to_json()

    @staticmethod
    def _from_json(value: Any, widget: Any) -> Any:
        # The page cannot make a tensor; it can only send back the name of the one there is.
        if not isinstance(value, dict) or widget.trial is None:
            return value
        spec, there = value.get("replacement"), widget.trial.replacement
        own = isinstance(spec, dict) and spec.get("kind") == "custom"
        return {**value, "replacement": there} if own or spec == baseline_spec(there) else value


class CompareTrait(TraitType[Any, Any]):
    """The panels beside the lead: where each one's question differs, or what it is made of.

    Values are checked by the traits of the same name; which parameters there are depends on the method, and
    the widget checks it when it asks.
    """

    def __init__(self, fields: Sequence[str], help: str = "") -> None:
        super().__init__((), help=help)
        self._fields = tuple(fields)
        self.tag(sync=True, to_json=self._to_json, from_json=self._from_json)

    def validate(self, obj: Any, value: Any) -> tuple[dict[str, Any], ...]:
        """Return a tuple of dicts, or raise `InputError` or what a field's own trait raises."""
        if isinstance(value, (str, dict)) or is_object(value):
            value = [value]
        if not isinstance(value, (tuple, list)):
            raise InputError("compare", reprlib.repr(value), "a list of panels")
        if len(value) >= MOST_PANELS:
            expected = f"at most {MOST_PANELS - 1} panels beside the first"
            raise InputError("compare", f"{len(value)} panels", expected)
        checked = tuple(self._entry(obj, f"compare[{i}]", entry) for i, entry in enumerate(value))
        for i, entry in enumerate(checked):
            self._check_sources(f"compare[{i}]", entry, checked)
        return checked

    def _entry(self, obj: Any, name: str, entry: Any) -> dict[str, Any]:
        if isinstance(entry, str) or is_object(entry):
            entry = {"method": entry}
        if not isinstance(entry, dict):
            raise InputError(name, reprlib.repr(entry), "a method's key, or a dict of what differs")
        entry = spread(entry)
        if set(entry) in ({"difference"}, {"average"}):
            return self._derived(name, entry)
        for field in entry:
            if field != "model" and field not in self._fields:
                close = difflib.get_close_matches(str(field)[:99], (*self._fields, "model"), n=1)
                hint = f"Did you mean {close[0]!r}?" if close else ""
                known = f"one of {', '.join(self._fields)}, model"
                raise InputError(name, reprlib.repr(field), known, hint)
        model = _plain(entry.get("model", 0))
        if isinstance(model, bool) or not isinstance(model, int) or not 0 <= model < obj.n_models:
            raise InputError(f"{name}['model']", reprlib.repr(model), f"an index below {obj.n_models}")
        traits = obj.traits()
        own = {field: value for field, value in entry.items() if field not in ("model", "params", "layer")}
        checked: dict[str, Any] = {f: traits[f]._validate(obj, value) for f, value in own.items()}
        if "params" in entry:
            checked["params"] = as_params(entry["params"])
        if "layer" in entry:
            checked["layer"] = obj.layer_of(entry["layer"], model)
        return checked | ({"model": model} if "model" in entry else {})

    @staticmethod
    def _derived(name: str, entry: dict[str, Any]) -> dict[str, Any]:
        ((kind, sources),) = entry.items()
        panels = [_plain(each) for each in sources] if isinstance(sources, (tuple, list)) else []
        whole = all(isinstance(each, int) and not isinstance(each, bool) for each in panels)
        if not whole or len(panels) < 2 or (kind == "difference" and len(panels) != 2):
            expected = "two panels" if kind == "difference" else "two panels or more"
            raise InputError(name, reprlib.repr(sources), f"the numbers of {expected}, 0 being the first")
        return {kind: panels}

    @staticmethod
    def _check_sources(name: str, entry: dict[str, Any], entries: Sequence[dict[str, Any]]) -> None:
        for panel in entry.get("difference", entry.get("average", ())):
            source = entries[panel - 1] if 1 <= panel <= len(entries) else None
            if panel != 0 and (source is None or is_derived(source)):
                raise InputError(name, f"panel {panel}", "panels that ask the model, 0 being the first")

    def _to_json(self, value: Any, widget: Any) -> Any:
        def plain(field: str, item: Any) -> Any:
            known = field in self._fields
            return widget.trait_metadata(field, "to_json", _same)(item, widget) if known else item

        return [{field: plain(field, item) for field, item in entry.items()} for entry in value]

    def _from_json(self, value: Any, widget: Any) -> Any:
        # What the page cannot make itself, as a function or a tensor, it sends back by name.
        present = [entry for entry in widget.compare if not is_derived(entry)]
        known = [*zip(present, self._to_json(present, widget), strict=True)]

        def full(field: str, item: Any) -> Any:
            for entry, plain in known:
                if field in plain and plain[field] == item:
                    return entry[field]
            here = field in self._fields
            return widget.trait_metadata(field, "from_json", _same)(item, widget) if here else item

        if not isinstance(value, list) or not all(isinstance(entry, dict) for entry in value):
            return value
        return [{field: full(field, item) for field, item in entry.items()} for entry in value]


def is_derived(entry: Mapping[str, Any]) -> bool:
    """Whether an entry of `compare` is made of other panels, and asks nothing."""
    return "difference" in entry or "average" in entry


def _same(value: Any, _widget: Any) -> Any:
    return value


def as_params(value: Any) -> dict[str, Any]:
    """The argument itself if it is a dict.

    Raises
    ------
    MethodError
        If it is not.
    """
    if isinstance(value, dict):
        return value
    raise MethodError("params", reprlib.repr(value), "a dict of the method's parameters by name")


def _plain(value: Any) -> Any:
    """A number of numpy or torch as Python's own; anything else as it came."""
    return value.item() if hasattr(value, "item") and getattr(value, "ndim", None) == 0 else value
