"""What is on screen of an atlas, for a figure: places of the points, their colours, the numbers."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from saliscope.sessions.columns import Known
from saliscope.sessions.embedding import Shown
from saliscope.specs.embedding import MISSING_CODE, STRETCH_UNITS, Numbers
from saliscope.specs.map_view import Colours, MapScreen, ShownMap

if TYPE_CHECKING:
    from saliscope.sessions.atlas import Atlas
    from saliscope.sessions.sequences import Walk

_TAIL = 0.005
"""Share of the values beyond either end of an automatic scale, as in the page."""

_QUALITIES = {
    "kept": ("Neighbours kept", "share of a point's {k} nearest rows that are also its nearest on the map"),
    "false": (
        "False neighbours",
        "share of a point's {k} nearest on the map that are not near in the data",
    ),
    "missing": ("Missing neighbours", "share of a point's {k} nearest rows that the map put elsewhere"),
    "stretch": ("Stretch", "distances on the map against those in the data, around the median"),
}


@dataclass(frozen=True)
class Looks:
    """Traits that say what is seen; see `EmbeddingExplorer`."""

    color_by: str = "none"
    point: int | None = None
    selection: np.ndarray = field(default_factory=lambda: np.zeros(0, np.int64))
    sweep: str | None = None
    sweep_at: float = 0.0
    camera: tuple[float, float, float] = (1.0, 0.5, 0.5)
    point_size: float = 0.0
    opacity: float = 0.85
    spokes: bool = True


def screen_of(atlas: "Atlas", looks: Looks) -> MapScreen:
    """Describe what is on screen.

    Parameters
    ----------
    atlas : Atlas
    looks : Looks

    Returns
    -------
    MapScreen
        Without maps before the first one is there.
    """
    session = atlas.session
    maps = dict(session.maps)
    walk = session.walk if session.walk is not None and session.walk.sweep == looks.sweep else None
    walked = None if walk is None else walk.map
    shown = [
        _map(atlas, looks, each, walk if place == walked else None) for place, each in sorted(maps.items())
    ]
    table, near = session.table, ()
    if looks.point is not None and looks.spokes and maps:
        near = tuple(atlas.row(looks.point).neighbors)
    return MapScreen(
        maps=shown,
        what="" if table is None else table.what,
        selection=np.asarray(looks.selection, np.int64),
        point=looks.point,
        neighbors=near,
        camera=looks.camera,
        point_size=looks.point_size,
        opacity=looks.opacity,
    )


def _map(atlas: "Atlas", looks: Looks, shown: Shown, walk: "Walk | None") -> ShownMap:
    layout = shown.layout
    quality = None if shown.audit is None else shown.audit.quality
    torn: tuple[int, ...] = ()
    if quality is not None and looks.point is not None and shown.table.near is not None:
        near = shown.table.near.indices[looks.point, : quality.k]
        torn = tuple(near[quality.missing_neighbors[looks.point]].tolist())
    made = ShownMap(
        title=shown.reducer.title,
        coordinates=shown.embedding.coordinates.double().cpu().numpy(),
        colours=_colours(atlas, looks, shown),
        numbers=layout.numbers,
        cautions=tuple(layout.caution),
        stage=layout.stage,
        iteration=layout.iteration,
        total=layout.total,
        torn=torn,
    )
    return made if walk is None or not walk.embeddings else _walked(atlas, made, walk, looks, shown)


def _walked(atlas: "Atlas", made: ShownMap, walk: "Walk", looks: Looks, shown: Shown) -> ShownMap:
    """The map at a place of the sequence; between two steps, points are on their way."""
    at = min(max(looks.sweep_at, 0.0), len(walk.embeddings) - 1.0)
    before = int(at)
    after = min(before + 1, len(walk.embeddings) - 1)
    first, second = (walk.embeddings[i].coordinates.double().cpu().numpy() for i in (before, after))
    where = walk.names[before] if at == before else f"between {walk.names[before]} and {walk.names[after]}"
    moved = None if looks.color_by != "displacement" else walk.displacement()
    colours = made.colours
    if moved is not None:
        step = min(before, len(moved) - 1)
        colours = _numbers(moved[step], "Displacement", "in radii of the map")
    elif looks.color_by in _QUALITIES:
        colours = Colours()  # of another map than the one that is seen
    elif looks.color_by == "distance" and looks.point is not None:
        colours = _distances(atlas, looks.point, walk.nearest(at))
    there = first + (second - first) * (at - before)
    near: tuple[int, ...] | None = None
    torn: tuple[int, ...] = ()
    if looks.point is not None and looks.spokes:
        row = atlas.row(looks.point, walk.nearest(at))
        near = tuple(row.neighbors)
        # A step has its own answer; on the way, what is near is found where the points stand.
        torn = tuple(row.missing.get(walk.map, ())) if at == before else _torn(near, looks.point, there)
    return ShownMap(
        title=f"{made.title}, {where}",
        coordinates=there,
        torn=torn,
        neighbors=near,
        colours=colours,
        numbers=_kept(atlas, before) if at == before else Numbers(),
        cautions=tuple(shown.reducer.cautions),
    )


def _torn(neighbors: Sequence[int], point: int, coordinates: np.ndarray) -> tuple[int, ...]:
    """True neighbours that are not among as many nearest points of the map."""
    far = ((coordinates - coordinates[point]) ** 2).sum(1)
    limit = np.partition(np.delete(far, point), len(neighbors) - 1)[len(neighbors) - 1]
    return tuple(row for row in neighbors if far[row] > limit)


def _kept(atlas: "Atlas", step: int) -> Numbers:
    told = () if atlas.session.sequence is None else atlas.session.sequence[0].numbers
    return Numbers(kept=told[step].get("kept")) if step < len(told) else Numbers()


def _colours(atlas: "Atlas", looks: Looks, shown: Shown) -> Colours:
    by = looks.color_by
    known = atlas.columns.get(by)
    if known is not None:
        return _of_column(known)
    if by == "distance" and looks.point is not None:
        return _distances(atlas, looks.point)
    quality = None if shown.audit is None else shown.audit.quality
    if by not in _QUALITIES or quality is None:
        return Colours()
    title, note = _QUALITIES[by]
    values = getattr(quality, by).double().numpy()
    note = note.format(k=quality.k)
    if by != "stretch":
        return Colours("number", title, values, ends=(0.0, 1.0), said=("0 %", "100 %"), note=note)
    said = tuple(f"×\N{NO-BREAK SPACE}{np.exp(sign * STRETCH_UNITS):.2g}" for sign in (-1, 1))
    ends = (-STRETCH_UNITS, STRETCH_UNITS)
    return Colours("number", title, values, ends=ends, said=(said[0], said[1]), note=note, signed=True)


def _distances(atlas: "Atlas", point: int, step: int | None = None) -> Colours:
    note = "Euclidean, in the data's own units; not on the map"
    return _numbers(atlas.distances(point, step).numpy(), "Real distance to the point", note)


def _of_column(known: Known) -> Colours:
    if known.codes is not None:
        codes = np.where(known.codes == MISSING_CODE, -1, known.codes.astype(np.int64))
        return Colours("category", known.title, codes, known.names)
    return Colours() if known.values is None else _numbers(known.values, known.title)


def _numbers(values: np.ndarray, title: str, note: str = "") -> Colours:
    """All but the outermost values; the legend says how many are beyond."""
    values = np.asarray(values, np.float64)
    finite = np.sort(values[np.isfinite(values)])
    beyond = int(_TAIL * len(finite))
    ends = (float(finite[beyond]), float(finite[-1 - beyond])) if len(finite) else (0.0, 1.0)
    return Colours("number", title, values, ends=ends, note=note)
