"""What stands on screen, panel by panel: pixels and words, for every kind of figure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np

from saliscope.errors import SaliscopeError
from saliscope.render import along, colormaps, compare, scales, words
from saliscope.render.overlay import Contour, coloured, contours
from saliscope.render.regions import outline, region_stats
from saliscope.render.scale import limits_of
from saliscope.render.smoothing import smooth
from saliscope.specs.saliency import Result
from saliscope.specs.view import Screen, Shown, View

Kind = Literal["input", "map", "difference", "average", "empty"]

_BLANK = 240  # grey of a panel that has nothing to show
_PLACES = 8  # points of the path at which a derived panel's gradients are looked at for its limit


@dataclass(frozen=True)
class PanelPicture:
    """One panel of a figure, ready to be drawn.

    Attributes
    ----------
    kind : {"input", "map", "difference", "average", "empty"}
    rgb : ndarray of uint8, shape (height, width, 3)
        The part of the picture that is in view.
    title, subject : str
        "Integrated Gradients", "digit 3"; that of a derived panel depends on what its sources are called,
        see `words.heading`.
    score : str
        "logit 8.41"; empty where there is none.
    marks : tuple of str
        What tells the panel from the others.
    caveats : tuple of str
        What keeps it from being taken at face value: a preview, a map that was cancelled.
    details : tuple of str
        Sentences that a reader needs to judge the map.
    sources : tuple of int
        Panels that a derived one is made of, 0 the lead.
    meaning : str
        What the colours mean.
    values : ndarray of float64, shape (height, width), optional
        What is drawn, after all looks; None for an input.
    limit : float
        Value at which the colours end.
    unit : str
    ends : (float, float)
        The part of the scale that can occur, in units of the limit.
    clipped : float
        Share of the whole map's pixels beyond the limit.
    lines : tuple of Contour
        In the coordinates of `rgb`.
    outline : tuple of (x0, y0, x1, y1)
        Border of the region, in the coordinates of `rgb`.
    """

    kind: Kind
    rgb: np.ndarray
    title: str
    subject: str = ""
    score: str = ""
    marks: tuple[str, ...] = ()
    caveats: tuple[str, ...] = ()
    details: tuple[str, ...] = ()
    sources: tuple[int, ...] = ()
    meaning: str = ""
    values: np.ndarray | None = None
    limit: float = 1.0
    unit: str = ""
    ends: tuple[float, float] = (-1.0, 1.0)
    clipped: float = 0.0
    lines: tuple[Contour, ...] = ()
    outline: tuple[tuple[float, float, float, float], ...] = ()


@dataclass(frozen=True)
class _Map:
    """A map before its looks, of a question or made of others."""

    kind: Kind
    shown: Shown
    values: np.ndarray
    unit: str
    signed: bool
    own: float
    gradient: bool
    sources: tuple[int, ...] = ()
    marks: tuple[str, ...] = ()


def panels_of(screen: Screen) -> list[PanelPicture]:
    """Apply all looks: the input first, then one picture for each panel.

    Parameters
    ----------
    screen : Screen

    Returns
    -------
    list of PanelPicture
        Empty as long as the lead has no result.

    Raises
    ------
    InputError
        If a look is out of range.
    """
    lead = screen.panels[0] if screen.panels else None
    if not isinstance(lead, Shown):
        return []
    view = screen.view
    made = [_made(screen, i) for i in range(len(screen.panels))]
    several = sum(isinstance(each, _Map) for each in made) > 1
    known = iter(limits_of(view.scale, [(m.unit, m.own) for m in made if isinstance(m, _Map)]))
    pictures = [_input(lead, view)]
    differing = words.differing([each.result for each in screen.panels if isinstance(each, Shown)])
    for each in made:
        if isinstance(each, _Map):
            pictures.append(_drawn(each, view, next(known), lead, differing if several else ()))
        else:
            height, width = lead.values.shape
            blank = np.full((height, width, 3), _BLANK, np.uint8)
            pictures.append(PanelPicture("empty", _cropped(blank, view), "Nothing to show", caveats=(each,)))
    return pictures


def _made(screen: Screen, panel: int) -> _Map | str:
    """The map of a panel, or why there is none."""
    each, view = screen.panels[panel], screen.view
    if each is None:
        return "Not computed yet."
    if isinstance(each, Shown):
        gradient = along.shows_gradient(each, view)
        return _Map(
            "map",
            each,
            along.values_at(each, view),
            along.unit_of(each, view),
            each.result.signed,
            along.own_limit(each, view),
            gradient,
            marks=words.shown_at(each.result, view, gradient),
        )
    try:
        return _derived(screen, each)
    except SaliscopeError as error:
        return f"Cannot be computed from {error.got}."


def _derived(screen: Screen, spec: Mapping[str, Any]) -> _Map | str:
    subtract = "difference" in spec
    sources = tuple(spec["difference"] if subtract else spec["average"])
    parts: list[Shown] = []
    for i in sources:
        part = screen.panels[i] if 0 <= i < len(screen.panels) else None
        if not isinstance(part, Shown):
            return f"Panel {i + 1} has no map of its own."
        parts.append(part)
    units = [along.unit_of(part, screen.view) for part in parts]

    def combined(view: View) -> np.ndarray:
        maps = [along.values_at(part, view) for part in parts]
        if subtract:
            return compare.difference(maps[0], maps[1], (units[0], units[1]))
        return compare.average(maps, units)

    values = combined(screen.view)
    gradient = any(along.shows_gradient(part, screen.view) for part in parts)
    marks = next(filter(None, (words.shown_at(part.result, screen.view, gradient) for part in parts)), ())
    if subtract:
        found = compare.rank_correlation(*(along.values_at(part, screen.view) for part in parts))
        marks = (words.correlation(found), *marks)
    worst = min(parts, key=lambda part: words.STAGES.index(part.result.stage))
    return _Map(
        "difference" if subtract else "average",
        replace(parts[0], result=_common([part.result for part in parts], worst.result), words=()),
        values,
        units[0],
        subtract or any(part.result.signed for part in parts),
        _own_limit(combined, screen.view, gradient),
        gradient,
        sources,
        marks,
    )


def _own_limit(combined: Any, view: View, gradients: bool) -> float:
    """As `along.own_limit`: it does not move with alpha."""
    places = [i / (_PLACES - 1) for i in range(_PLACES)] if gradients else [1.0]
    return along.limit_of([smooth(combined(replace(view, alpha=alpha)), view.smoothing) for alpha in places])


def _common(results: Sequence[Result], worst: Result) -> Result:
    """What holds for all panels that a derived one is made of."""
    first = results[0]
    same = all(each.target_label == first.target_label for each in results)
    return replace(
        first,
        stage=worst.stage,
        target_label=first.target_label if same else "",
        path=None,
        completeness=None,
        steps=None,
        layer=None,
        grid=None,
        baseline=None,
    )


def _input(lead: Shown, view: View) -> PanelPicture:
    picture, marks = lead.picture, ()
    if lead.result.path is not None and lead.baseline is not None and view.alpha < 1:
        picture = along.picture_at(lead, view.alpha)
        marks = (words.at_alpha(view.alpha),)
    title = f"Input {lead.result.index + 1}" if lead.result.index else "Input"
    return PanelPicture(
        "input", _cropped(picture, view), title, marks=marks, outline=_outlined(picture, lead, view)
    )


def _drawn(each: _Map, view: View, limit: float, lead: Shown, differing: Sequence[str]) -> PanelPicture:
    result, picture = each.shown.result, each.shown.picture
    shown = scales.apply_sign(smooth(each.values, view.smoothing), view.sign, each.signed)  # type: ignore[arg-type]
    clipped = scales.clipped_share(shown, limit)
    shown = scales.cut(shown, view.threshold)
    lut = colormaps.lut(view.colormap)
    rgb = coloured(picture, shown, limit, lut, view.opacity, view.overlay)  # type: ignore[arg-type]
    own = (*words.own(result, differing), *each.shown.words) if each.kind == "map" else ()
    statistics: tuple[str, ...] = ()
    if view.region is not None:
        mask = view.region.mask(*shown.shape, lead=_size(lead))
        stats = region_stats(each.values, mask, None if each.gradient else result.completeness)
        statistics = words.region(stats)
    return PanelPicture(
        kind=each.kind,
        rgb=_cropped(rgb, view),
        title=result.title if each.kind == "map" else "",
        subject=result.target_label,
        score="" if each.sources else words.score(result),
        marks=(*own, *each.marks),
        caveats=words.stage(result),
        details=(*words.details(result, differing), *statistics),
        sources=each.sources,
        meaning=words.meaning(each.kind, each.signed, view, each.gradient),
        values=_cropped(shown, view),
        limit=limit,
        unit=each.unit,
        ends=words.ends(view.sign, each.signed),
        clipped=clipped,
        lines=_lines(shown, limit, view),
        outline=_outlined(picture, lead, view),
    )


def _size(shown: Shown) -> tuple[int, int]:
    height, width = shown.values.shape
    return height, width


def _window(values: np.ndarray, view: View) -> tuple[int, int, int, int]:
    """Left, top, right and bottom of the whole pixels in view."""
    factor, *centre = view.zoom
    sides = []
    for middle, size in zip(centre, (values.shape[1], values.shape[0]), strict=True):
        start = min(max(middle - 0.5 / factor, 0.0), 1 - 1 / factor)
        # A hair inwards: 0.1 + 0.2 must not add a row of pixels of which nothing is in view.
        low, high = int(np.floor(start * size + 1e-6)), int(np.ceil((start + 1 / factor) * size - 1e-6))
        sides.append((low, max(high, low + 1)))
    (left, right), (top, bottom) = sides
    return left, top, right, bottom


def _cropped(pixels: np.ndarray, view: View) -> np.ndarray:
    left, top, right, bottom = _window(pixels, view)
    return pixels[top:bottom, left:right]


def _lines(shown: np.ndarray, limit: float, view: View) -> tuple[Contour, ...]:
    """Contours in view; they are found with one pixel more all around, into which they lead."""
    if view.overlay != "contour":
        return ()
    left, top, right, bottom = _window(shown, view)
    x, y = max(left - 1, 0), max(top - 1, 0)
    found = contours(shown[y : bottom + 1, x : right + 1], limit)
    return tuple(each.moved(left - x, top - y) for each in found)


def _outlined(picture: np.ndarray, lead: Shown, view: View) -> tuple[tuple[float, float, float, float], ...]:
    if view.region is None:
        return ()
    left, top, _, _ = _window(picture, view)
    mask = view.region.mask(picture.shape[0], picture.shape[1], lead=_size(lead))
    return tuple((x0 - left, y0 - top, x1 - left, y1 - top) for x0, y0, x1, y1 in outline(mask))
