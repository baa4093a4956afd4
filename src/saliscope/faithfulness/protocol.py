"""How a curve of deletion or insertion is measured: all that its area depends on."""

import difflib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields, replace
from typing import Any, Literal, TypeVar, get_args

import numpy as np
from jaxtyping import Int

from saliscope.core.targets import OUTPUTS, Output
from saliscope.errors import MethodError, one_of
from saliscope.faithfulness.order import Ranking
from saliscope.faithfulness.replacement import as_replacement

Kind = Literal["deletion", "insertion"]
Rounding = Literal["step", "points"]
Widths = Literal["pixels", "equal"]

Agreed = TypeVar("Agreed", bound=Any)


@dataclass(frozen=True)
class Protocol:
    """How a curve is measured. Areas may be compared only where all of this is the same.

    Parameters
    ----------
    kind : {"deletion", "insertion"}
        Pixels are taken away from the picture, or brought into what replaces it.
    replacement : Baseline, str, float or Tensor
        What stands where a pixel is not; see `saliscope.faithfulness.replacement`.
    step : int, optional
        Pixels from one point of the curve to the next; the last step may be shorter. None: as many as the
        picture is wide.
    n_steps : int, optional
        Number of steps from none to all, in the place of `step`.
    rounding : {"step", "points"}
        Where `n_steps` does not divide the pixels: the step is rounded up, or each point is rounded down.
    ranking : {"signed", "absolute"}
        Whether a pixel with evidence against the class comes last, or among the first.
    output : {"probability", "logit", "log_probability", "margin"}, optional
        Kind of score, as in `saliscope.Target`. None: as the target says. A curve has None here if its target
        is a function or a layer's unit, which are scores of their own.
    widths : {"pixels", "equal"}
        Whether a step is as wide in the area as its share of the pixels, or as every other one.
    seed : int
        Draws the order of pixels that have one value, and the random orders.

    Raises
    ------
    MethodError
        If a value is none of these.
    BaselineError
        If the replacement is not known.
    """

    kind: Kind = "deletion"
    replacement: Any = "zero"
    step: int | None = None
    n_steps: int | None = None
    rounding: Rounding = "step"
    ranking: Ranking = "signed"
    output: Output | None = "probability"
    widths: Widths = "pixels"
    seed: int = 0

    def __post_init__(self) -> None:
        check_choice("kind", self.kind, get_args(Kind))
        check_choice("rounding", self.rounding, get_args(Rounding))
        check_choice("ranking", self.ranking, get_args(Ranking))
        check_choice("widths", self.widths, get_args(Widths))
        if self.output is not None:
            check_choice("output", self.output, OUTPUTS)
        for name in ("step", "n_steps"):
            if getattr(self, name) is not None:
                check_count(name, getattr(self, name), 1)
        if self.step is not None and self.n_steps is not None:
            raise MethodError("n_steps", f"{self.n_steps} beside step={self.step}", "one of the two")
        check_count("seed", self.seed, 0)
        object.__setattr__(self, "replacement", as_replacement(self.replacement))

    def __str__(self) -> str:
        # What every number is printed with: two areas may be compared where these words are the same.
        taken = "taken away to" if self.kind == "deletion" else "brought into"
        by = "value" if self.ranking == "signed" else "magnitude"
        pace = f"{self.step} pixels a step" if self.n_steps is None else f"{self.n_steps} steps"
        pace = "a picture's width of pixels a step" if self.step is self.n_steps is None else pace
        widths = "share of pixels" if self.widths == "pixels" else "step"
        score = (self.output or "the target's own score").replace("_", " ")
        return (
            f"{self.kind}: pixels {taken} {self.replacement} by decreasing {by}, {pace}; {score}; area by "
            f"trapezoids over the {widths}; ties by seed {self.seed}"
        )

    def points(self, shape: tuple[int, int]) -> Int[np.ndarray, " k"]:
        """How many pixels have been taken at each point of the curve, from none to all."""
        total = shape[0] * shape[1]
        if self.n_steps is not None and self.rounding == "points":
            return np.unique(np.arange(self.n_steps + 1) * total // self.n_steps)
        step = self.step or shape[1]
        if self.n_steps is not None:
            step = -(-total // self.n_steps)
        return np.append(np.arange(0, total, step), total)


def agreed(default: Agreed, given: Any, options: Mapping[str, Any]) -> Agreed:
    """The protocol of a test: the one that is given, or the default, with the options in their fields.

    Raises
    ------
    MethodError
        If `given` is a protocol of another test, or an option no field.
    """
    asked = default if given is None else given
    kind = type(default)
    known = ["protocol", *(field.name for field in fields(kind))]
    if not isinstance(asked, kind):
        got = f"a {type(given).__name__}"
        raise MethodError("protocol", got, f"a {kind.__name__}", f"Its fields: {', '.join(known[1:])}.")
    check_options(options, known)
    return replace(asked, **options)


def check_options(options: Iterable[str], known: Iterable[str]) -> None:
    """Raise `MethodError` for an option that is none of those known."""
    known = tuple(known)
    for name in options:
        if name not in known:
            close = difflib.get_close_matches(name, known, n=1)
            way_out = f"Did you mean {close[0]!r}?" if close else ""
            raise MethodError(name, "an option that is not known", one_of(known), way_out)


def check_choice(name: str, value: Any, known: tuple[str, ...]) -> None:
    """Raise `MethodError` unless `value` is one of the words."""
    if value not in known:
        raise MethodError(name, repr(value), one_of(known))


def check_count(name: str, value: Any, least: int) -> None:
    """Raise `MethodError` unless `value` is an integer of at least `least`."""
    if isinstance(value, bool) or not isinstance(value, (int, np.integer)) or value < least:
        raise MethodError(name, repr(value), f"an integer of at least {least}")


def check_positive(name: str, value: Any) -> None:
    """Raise `MethodError` unless `value` is a finite number above 0."""
    number = isinstance(value, (int, float)) and not isinstance(value, bool)
    if not number or not 0 < value < float("inf"):
        raise MethodError(name, repr(value), "a number above 0")
