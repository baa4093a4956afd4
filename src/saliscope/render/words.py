"""What is said beside a picture, in the words of the page."""

import math
import string
from collections.abc import Sequence

from saliscope.render.regions import RegionStats
from saliscope.render.scale import EACH
from saliscope.render.typeset import number
from saliscope.specs.saliency import Result
from saliscope.specs.view import Screen, View

STAGES = ("cancelled", "preview", "partial", "final")
"""Furthest from the end first."""

_MARKS = {
    "preview": "preview: the method had not finished",
    "partial": "partial: the method had not finished",
    "cancelled": "cancelled, incomplete",
}


def heading(kind: str, title: str, sources: Sequence[int], names: Sequence[str]) -> str:
    """Return the title of a panel; `names` are what panels are called in this figure, the lead's first."""
    called = [names[i] for i in sources]
    if kind == "difference":
        return f"Difference {called[0]} − {called[1]}"
    return f"Average of {', '.join(called)}" if kind == "average" else title


def letters(n: int) -> list[str]:
    """Return a, b, c, ..."""
    return list(string.ascii_lowercase[:n])


def score(result: Result) -> str:
    """Return "logit 8.41"."""
    return f"{result.output.replace('_', ' ')} {number(result.score)}"


def at_alpha(alpha: float) -> str:
    """Return where on the path."""
    return f"at {_percent(alpha)} of the path from the baseline"


def shown_at(result: Result, view: View, gradient: bool) -> tuple[str, ...]:
    """Return what of a path is shown, where that is not the whole sum."""
    if gradient:
        return (f"gradient {at_alpha(view.alpha)}",)
    return (f"sum up to {_percent(view.alpha)} of the path",) if result.path and view.alpha < 1 else ()


def _percent(share: float) -> str:
    return f"{number(100 * share, digits=2)} %"


def stage(result: Result) -> tuple[str, ...]:
    """Return what keeps a map from being taken as finished."""
    return (_MARKS[result.stage],) if result.stage in _MARKS else ()


def differing(results: Sequence[Result]) -> tuple[str, ...]:
    """Return the fields of a result in which the panels differ, and which their titles do not say."""
    fields = ("model", "index", "output", "baseline", "layer", "steps")
    known = {name: {getattr(each, name) for each in results} - {None} for name in fields}
    # How many an adaptive method took is an answer: what was asked may be the same.
    known["steps"] = {each.steps for each in results if _error_of(each) is None} - {None}
    return tuple(name for name in fields if len(known[name]) > 1)


def own(result: Result, fields: Sequence[str]) -> tuple[str, ...]:
    """Return these fields of a panel in words."""
    said = {
        "model": f"model {result.model + 1}",
        "index": f"input {result.index + 1}",
        "output": result.output.replace("_", " "),
        "baseline": f"baseline {result.baseline}" if result.baseline else "",
        "layer": f"layer {result.layer}" if result.layer else "",
        "steps": _steps(result),
    }
    return tuple(said[name] for name in fields if said[name])


def details(result: Result, said_already: Sequence[str] = ()) -> tuple[str, ...]:
    """Return what a reader needs to judge a map; fields that stand above it need not be said again."""
    said = []
    if result.baseline and "baseline" not in said_already:
        said.append(f"Baseline {result.baseline}.")
    if result.layer is not None and result.grid is not None:
        grid = f"grid {result.grid[0]} × {result.grid[1]}"
        said.append(f"G{grid[1:]}." if "layer" in said_already else f"Layer {result.layer}, {grid}.")
    if result.steps is not None and "steps" not in said_already:
        said.append(f"{_steps(result)}.")
    gap = result.completeness
    if gap is not None and gap.share is not None:
        share, rest = (f"{100 * part:.1f} %" for part in (gap.share, abs(1 - gap.share)))
        said.append(f"Explains {share} of the change in score; gap {rest}.")
    error = _error_of(result)
    if error is not None and math.isfinite(error):
        said.append(f"Error of the map about {100 * error:.1f} %.")
    if result.coverage is not None and result.coverage.gaps:
        said.append(f"Without a rule, so by the gradient: {', '.join(result.coverage.gaps)}.")
    return tuple(said)


def _steps(result: Result) -> str:
    if result.steps is None:
        return ""
    if _error_of(result) is not None:
        return f"{result.steps} gradients" + ("" if result.path else " on each path at most")
    return f"{result.steps} {result.work}"


def _error_of(result: Result) -> float | None:
    """What an adaptive method estimates of its map's error."""
    return result.completeness and result.completeness.map_error


def notes(screen: Screen, maps: int) -> tuple[str, ...]:
    """Return what holds for all panels of a figure."""
    view, said = screen.view, []
    if view.scale["mode"] == "each" and maps > 1:
        said.append(f"{EACH[0].upper()}{EACH[1:]}.")
    if view.smoothing > 0:
        said.append(f"Smoothed, sigma {round(view.smoothing, 2):g} px.")
    if view.threshold < 1:
        said.append(f"The strongest {_percent(view.threshold)} of the pixels.")
    if view.overlay == "contour":
        said.append("Lines at 25, 50 and 75 % of the scale.")
    if view.zoom[0] > 1:
        said.append(f"Zoomed in {round(view.zoom[0], 1):g}×.")
    return tuple(said)


def region(stats: RegionStats) -> tuple[str, ...]:
    """Return the numbers of the region."""
    change = () if stats.of_change is None else (f"{100 * stats.of_change:.1f} % of the change in score",)
    density = () if stats.density is None else (f"density {number(stats.density)}× the average",)
    said = (f"Region: sum {number(stats.sum)}", *change, f"{100 * stats.area:.1f} % of the area", *density)
    return tuple(each.replace("-", "−") for each in said)


def correlation(found: float | None) -> str:
    """Return Spearman's coefficient in words."""
    number = "undefined" if found is None else f"{found:.2f}".replace("-", "−")
    return f"rank correlation {number}"


def meaning(kind: str, signed: bool, view: View, gradient: bool) -> str:
    """Say what the colours of a map mean."""
    if not signed or view.sign == "absolute":
        return "Strength of the influence, without its sign"
    if kind == "difference":
        more, less = "larger", "smaller"
        side = {"both": f"{more} (+) or {less} (−)", "positive": more}.get(view.sign, less)
        return f"Difference: where the first map is {side}"
    raises, lowers = ("would raise", "would lower") if gradient else ("raises", "lowers")
    both = f"{raises} (+) or {lowers.removeprefix('would ')} (−)"
    side = {"both": both, "positive": raises}.get(view.sign, lowers)
    return f"{'Gradient' if gradient else 'Attribution'}: what {side} the score"


def ends(sign: str, signed: bool) -> tuple[float, float]:
    """Return the part of the scale that can occur, in units of the limit."""
    if sign == "negative" and signed:
        return -1.0, 0.0
    return (0.0, 1.0) if sign in ("positive", "absolute") or not signed else (-1.0, 1.0)
