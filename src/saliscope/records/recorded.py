"""What is left of a method of captum or zennit in a record: its name and how it was made."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import field, make_dataclass, replace
from functools import lru_cache
from typing import Any, ClassVar

from torch import Tensor, nn

from saliscope.attribution.adapters import Adapted, adapt
from saliscope.attribution.base import Attribution, Method, Question
from saliscope.attribution.foreign import model_of, rebuilt
from saliscope.attribution.registry import methods
from saliscope.core.anytime import Step
from saliscope.errors import MethodError, RecordError

_MADE = {"class": str, "version": str, "title": str, "signed": bool, "whole": bool, "arguments": dict}
_PARTS = ({"model"}, {"layer"}, {"yours"})
_TAKEN = {"made", "title", "signed"}
"""What `adapt` takes itself: no options of a method."""

_INSIDE = {key: kind for key, kind in _MADE.items() if key not in ("title", "signed")}


class Recorded(Method):
    """In the place of a method of another package, which a file cannot hold: its name and its parameters.

    The result that it belongs to can be looked at; `saliscope.replay` makes it again where that is possible.
    """

    spec: str
    is_signed: ClassVar[bool]
    family: ClassVar[str] = Adapted.family

    @property
    def signed(self) -> bool:
        """As it was."""
        return self.is_signed

    def _steps(self, question: Question) -> Iterator[Step[Attribution]]:
        got = f"what a record knows of {self.title}"
        raise MethodError(
            "method", got[:120], "the method itself", "Use saliscope.replay(record, model, img)."
        )


def recorded(spec: Mapping[str, Any], tensors: tuple[Tensor, ...] = ()) -> Recorded:
    """The stand-in for a method that `saliscope.records.configuration.written` wrote down.

    Raises
    ------
    RecordError
        If it is none.
    """
    _check(spec)
    cls = _class(json.dumps(spec, sort_keys=True))
    return cls(tensors=tensors)


@lru_cache(maxsize=64)
def _class(spec: str) -> Any:
    """One for each spec: what was loaded twice is equal."""
    plain = json.loads(spec)
    made = plain["made"]
    namespace = {
        "key": str(plain["key"]),
        "title": made["title"],
        "summary": f"What {made['title']} gave.",
        "unit": f"value of {made['title']}",
        "is_signed": made["signed"],
    }
    own = [
        ("spec", str, field(default=spec, repr=False)),
        ("tensors", tuple, field(default=(), repr=False, compare=False)),
    ]
    name = made["class"].rpartition(".")[2]
    words = name if name.isidentifier() and not name.startswith("_") else "Recorded"
    return make_dataclass(words, own, bases=(Recorded,), namespace=namespace, frozen=True)


def made_again(spec: Mapping[str, Any], options: Mapping[str, Any], model: nn.Module) -> Method:
    """The method of another package that a record describes, with its options, for a model.

    Raises
    ------
    RecordError, MethodError
        If the record is damaged, or does not hold all of it; then the message says what to pass.
    """
    _check(spec)
    made, given = spec["made"], dict(options)
    baseline = {"baseline": given.pop("baseline")} if "baseline" in given else {}
    here: Any = methods().get(str(spec["key"]))
    if not made["whole"] and _is_of(here, made, model):
        return here(options=tuple(given.items()), **baseline)
    again = adapt(rebuilt(made, model), title=made["title"], signed=made["signed"], **given)
    if baseline and not hasattr(again, "baseline"):
        raise RecordError("baseline", "one of a method that takes none", "a record as it was written")
    return replace(again, **baseline)  # type: ignore[type-var]


def _is_of(cls: Any, made: Mapping[str, Any], model: nn.Module) -> bool:
    """Whether a method of the menu is what a record describes: the very object may still be here."""
    if not (isinstance(cls, type) and issubclass(cls, Adapted) and model_of(cls.made) in (None, model)):
        return False
    return all(cls.recipe[key] == made[key] for key in ("class", "arguments"))


def _check(spec: Mapping[str, Any]) -> None:
    params = spec.get("params")
    if set(spec) != {"key", "params", "made"} or not isinstance(params, Mapping) or params.keys() & _TAKEN:
        raise RecordError("method", repr(spec)[:80], '{"key": ..., "params": {...}, "made": {...}}')
    _check_made(spec["made"], _MADE)


def _check_made(made: Any, wanted: Mapping[str, type]) -> None:
    right = isinstance(made, Mapping) and made.keys() == wanted.keys()
    if not right or not all(isinstance(made[key], kind) for key, kind in wanted.items()):
        raise RecordError("method", repr(made)[:80], f"an object with {', '.join(wanted)}")
    for value in made["arguments"].values():
        if isinstance(value, Mapping):
            if set(value) not in _PARTS or not all(isinstance(one, str) for one in value.values()):
                _check_made(value, _INSIDE)
        elif isinstance(value, list):
            raise RecordError("method", repr(value)[:80], "a number, a text or a part of the model")
