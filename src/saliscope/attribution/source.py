"""A method of the menu as Python source: what makes it again in a session that has never heard of it."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, fields, is_dataclass
from typing import Any

from saliscope.attribution.adapters import Adapted
from saliscope.attribution.base import Method
from saliscope.attribution.foreign import HOMES, YOURS, Recipe
from saliscope.attribution.kept import changed, kept_in
from saliscope.attribution.registry import OWN_FAMILY
from saliscope.core.baselines import Baseline

MODEL = "{model}"
"""Stands in the source for the variable that holds the model."""

_HOME = "saliscope.attribution"


@dataclass(frozen=True)
class Source:
    """Python source of a method.

    Attributes
    ----------
    text : str
        An expression, in which `MODEL` stands for the model; "" where the key is enough.
    before : tuple of str
        Lines that come before it: imports, and comments on what is the user's to give.
    """

    text: str = ""
    before: tuple[str, ...] = ()


def source_of(cls: type[Method]) -> Source:
    """What makes a method of the menu with its controls as usual."""
    writer = _Writer()
    if issubclass(cls, Adapted):
        text = writer.adapted(cls)
    elif cls.origin is not None:
        text = writer.call(cls.origin, kept_in(cls))
    elif cls.family == OWN_FAMILY:
        text = ""
        writer.own(cls)
    else:
        return Source()
    return Source(text, writer.before)


class _Writer:
    """Writes expressions and remembers what has to come before them."""

    def __init__(self) -> None:
        self._imports: dict[str, set[str]] = {}
        self._notes: dict[str, None] = {}

    @property
    def before(self) -> tuple[str, ...]:
        """Imports, then comments."""
        lines = [
            f"from {home} import {', '.join(sorted(names))}" if names else f"import {home}"
            for home, names in sorted(self._imports.items())
        ]
        return (*lines, *self._notes)

    def adapted(self, cls: type[Adapted], method: Adapted | None = None) -> str:
        """A method of another package, with what `adapt` was given."""
        made, options = self.foreign(cls.recipe), dict((method or cls()).options)
        if not options:
            return made
        given = [f"{name}={self.value(name, value)}" for name, value in options.items()]
        return f"{self._named(_HOME, 'adapt')}({', '.join([made, *given])})"

    def foreign(self, recipe: Recipe) -> str:
        """An object of another package; a comment where it was made with more than can be written."""
        name = recipe["class"]
        home = name.rpartition(".")[0]
        if home in HOMES.values():
            self._imports.setdefault(home, set())
        inside = [value for value in recipe["arguments"].values() if isinstance(value, Mapping)]
        if not recipe["whole"] and all(one.get("whole", YOURS not in one) for one in inside):
            self._note(f"{name}: made with values of your own that are left out here")
        given = []
        for key, value in recipe["arguments"].items():
            if not isinstance(value, Mapping):
                given.append(f"{key}={_plain(value)}")
            elif "class" in value:
                given.append(self.foreign(value))
            elif YOURS in value:
                given.append(f"{key}={self._yours(key)}")
            else:
                part = f".get_submodule({_plain(value['layer'])})" if "layer" in value else ""
                given.append(f"{MODEL}{part}")
        return f"{name}({', '.join(given)})"

    def call(self, cls: type[Method], given: Mapping[str, Any]) -> str:
        """A method of ours, or of the user's own."""
        if cls.family == OWN_FAMILY:
            self.own(cls)
            name = cls.__name__
        else:
            name = self._named(_HOME, cls.__name__)
        return f"{name}({', '.join(f'{key}={self.value(key, value)}' for key, value in given.items())})"

    def own(self, cls: type[Method]) -> None:
        """A comment on a method that its user wrote."""
        self._note(f"{cls.key}: your own method, whose definition under @saliscope.method comes first")

    def value(self, name: str, value: Any) -> str:
        """A parameter's value; a name where it is a tensor or a function."""
        if isinstance(value, Adapted):
            made = self.adapted(type(value), value)
            return made if "adapt(" in made else f"{self._named(_HOME, 'adapt')}({made})"
        if isinstance(value, Method):
            return self.call(value.origin or type(value), changed(value))
        if isinstance(value, (tuple, list)):
            inside = ", ".join(self.value(name, each) for each in value)
            return f"({inside},)" if len(value) == 1 else f"({inside})"
        if value is None or isinstance(value, (bool, int, float, str)):
            return _plain(value)
        if isinstance(value, Baseline) and is_dataclass(value):
            given = [
                f"{one.name}={self.value(one.name, getattr(value, one.name))}"
                for one in fields(value)
                if one.init
            ]
            return f"{self._named('saliscope.core.baselines', type(value).__name__)}({', '.join(given)})"
        return self._yours(name)

    def _yours(self, name: str) -> str:
        """A name for what only the user's own session has."""
        self._note(f"my_{name}: your own {name}")
        return f"my_{name}"

    def _named(self, home: str, name: str) -> str:
        self._imports.setdefault(home, set()).add(name)
        return name

    def _note(self, text: str) -> None:
        self._notes[f"# {text}"] = None


def _plain(value: Any) -> str:
    return json.dumps(value) if isinstance(value, str) else repr(value)
