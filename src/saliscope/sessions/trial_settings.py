"""How the maps on screen are put on trial: what is asked, and the menu of what stands for a hidden pixel."""

import reprlib
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Any

from saliscope.core.baselines import BASELINES, Baseline, Mean
from saliscope.core.targets import OUTPUTS, Output
from saliscope.errors import BaselineError, MethodError
from saliscope.faithfulness.protocol import Protocol, check_choice
from saliscope.faithfulness.replacement import OWN, as_replacement
from saliscope.sessions.menus import baseline_spec, build_baseline, controls
from saliscope.specs.saliency import BaselineInfo

REPLACEMENTS: dict[str, type[Baseline]] = {
    kind: {**OWN, **BASELINES}[kind]
    for kind in ("mean", "blur", "zero", "noise", "black", "grey", "white", "static", "road")
}
"""What may stand for a hidden pixel, in the order of the menu."""

_TITLES = {"zero": "Zero", "static": "Random pixels", "road": "ROAD infill"}
MOST_POINTS, MOST_RANDOM = 1024, 100


@dataclass(frozen=True)
class TrialSettings:
    """How maps are put on trial.

    Parameters
    ----------
    replacement : Baseline, str, float, Tensor or dict
        What stands where a pixel is not, in deletion and in insertion. By default the picture's own mean
        colour: zero is the darkest a picture can be for some models, and no picture at all for others.
    steps : int
        From no pixel to all.
    random : int
        Orders that are drawn at random.
    randomise : bool
        Whether the method runs again while the network's weights are randomised, block by block.
    output : {"probability", "logit", "log_probability", "margin"}
        Kind of score that is watched. Of a target that is a function it is the function's own.

    Raises
    ------
    BaselineError, MethodError
        If a value is none of these.
    """

    replacement: Any = field(default_factory=Mean)
    steps: int = 32
    random: int = 20
    randomise: bool = False
    output: Output = "probability"

    def __post_init__(self) -> None:
        object.__setattr__(self, "replacement", _replacement(self.replacement))
        for name, least, most in (("steps", 2, MOST_POINTS), ("random", 2, MOST_RANDOM)):
            object.__setattr__(self, name, _whole(name, getattr(self, name), least, most))
        if not isinstance(self.randomise, bool):
            raise MethodError("randomise", reprlib.repr(self.randomise), "True or False")
        check_choice("output", self.output, OUTPUTS)

    @classmethod
    def of(cls, value: Any) -> "TrialSettings":
        """From itself, True for the usual ones, or a dict of what differs.

        Raises
        ------
        BaselineError, MethodError
            If a value is none of these.
        """
        if isinstance(value, cls):
            return value
        if value is True:
            return cls()
        names = [one.name for one in fields(cls)]
        if not isinstance(value, Mapping):
            raise MethodError("trial", reprlib.repr(value), f"True, None, or a dict of {', '.join(names)}")
        unknown = [name for name in value if name not in names]
        if unknown:
            raise MethodError("trial", reprlib.repr(unknown[0]), f"one of {', '.join(names)}")
        return cls(**value)

    @property
    def curves(self) -> "TrialSettings":
        """Without what the curves do not depend on."""
        return replace(self, randomise=False)

    @property
    def protocols(self) -> tuple[Protocol, Protocol]:
        """Of deletion and of insertion."""
        return (
            Protocol("deletion", self.replacement, n_steps=self.steps, output=self.output),
            Protocol("insertion", self.replacement, n_steps=self.steps, output=self.output),
        )

    def to_json(self) -> dict[str, Any]:
        """As plain data, which `of` reads back, unless a tensor of the user's is in it."""
        spec = baseline_spec(self.replacement)
        return {"replacement": spec, **{one.name: getattr(self, one.name) for one in fields(self)[1:]}}

    @property
    def changes(self) -> dict[str, Any]:
        """What differs from the usual ones, as plain data, which `of` reads back."""
        usual = TrialSettings().to_json()
        return {name: value for name, value in self.to_json().items() if value != usual[name]}


def replacement_menu() -> tuple[BaselineInfo, ...]:
    """All named replacements with their controls."""
    return tuple(
        BaselineInfo(kind, _TITLES.get(kind, kind.capitalize()), controls(cls))
        for kind, cls in REPLACEMENTS.items()
    )


def _replacement(given: Any) -> Baseline:
    if isinstance(given, Mapping) and given.get("kind") in (*REPLACEMENTS, "average", "painted"):
        made = build_baseline({**given}, REPLACEMENTS)
        if isinstance(made, tuple):
            raise MethodError("replacement", f"{len(made)} baselines", "one")
        return made
    try:
        return as_replacement(given)
    except BaselineError as error:
        names = ", ".join(REPLACEMENTS)
        expected = f"one of {names}, a grey level from 0 to 1, a saliscope.baselines object, or a tensor"
        raise BaselineError("replacement", reprlib.repr(given), expected, error.way_out) from None


def _whole(name: str, value: Any, least: int, most: int) -> int:
    plain = getattr(value, "item", lambda: value)()
    # JSON has one kind of number.
    whole = isinstance(plain, (int, float)) and not isinstance(plain, bool) and plain == int(plain)
    if not whole or not least <= plain <= most:
        raise MethodError(name, reprlib.repr(value), f"an integer from {least} to {most}")
    return int(plain)
