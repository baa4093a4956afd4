"""The messages of the EmbeddingExplorer: points, their places on maps, what is true of them.

The field names are the names in JSON; `js/lib/map_wire.ts` declares the same types in TypeScript. A hash
names a blob that is sent before the message.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from saliscope.specs.saliency import Control, Probability, Spec, State

Work = Literal["activations", "neighbors", "layout", "sequence", "attribution", "trial"]
LayoutStage = Literal["start", "partial", "final", "cancelled"]
GroupName = Literal["selection", "group_a", "group_b"]

MISSING_CODE = 65535
"""In a column of codes: the row has no value."""

GRID = 65535
"""Coordinates are whole numbers from 0 to this on both axes of a map's box."""

STRETCH_UNITS = 2.0
"""Natural-log units of stretch between the middle of a byte and each of its ends."""


@dataclass(frozen=True)
class WorkState(State):
    """Where the work stands; `what` says which work. The layouts have one state, attributions their own."""

    what: Work = "layout"


@dataclass(frozen=True)
class ReducerInfo(Spec):
    """A reducer that can be chosen, with its controls and what to be careful about."""

    key: str
    title: str
    summary: str
    cautions: Sequence[str] = ()
    controls: Sequence[Control] = ()


@dataclass(frozen=True)
class MethodName(Spec):
    """An attribution method that the inspector can use."""

    key: str
    title: str


@dataclass(frozen=True)
class Column(Spec):
    """Something known of every row, to colour by.

    A category has `names` and `codes` (uint16 (n,), 65535 where it is missing); a number has `values`
    (float16 (n,), NaN where it is missing).
    """

    name: str
    title: str
    kind: Literal["category", "number"]
    names: Sequence[str] = ()
    codes: str | None = None
    values: str | None = None


@dataclass(frozen=True)
class Points(Spec):
    """The rows that are shown, and everything that the page chooses from.

    `n` of `of` rows; `d` columns of `what`, 0 before the model has run; `ids` (uint32 (n,)) only where rows
    were sampled; `search` has a text for each row, or is None where there are too many.
    """

    n: int
    of: int
    sampling: str
    d: int
    what: str
    classes: Sequence[str]
    layers: Sequence[str]
    pictures: bool
    model: str | None
    reducers: Sequence[ReducerInfo]
    methods: Sequence[MethodName]
    columns: Sequence[Column]
    ids: str | None = None
    search: Sequence[str] | None = None
    notes: Sequence[str] = ()


@dataclass(frozen=True)
class Numbers(Spec):
    """How far a map can be believed; None where a number was not computed.

    `kept` is the mean share of the `k` true neighbours that are neighbours on the map; `trustworthiness` and
    `continuity` are means over `rows` sampled rows; `rho` is the rank correlation of distances; `kl` is the
    divergence that was made small, `kl_of` says between what.
    """

    kept: float | None = None
    trustworthiness: float | None = None
    continuity: float | None = None
    rho: float | None = None
    kl: float | None = None
    kl_of: str | None = None
    k: int = 15
    rows: int | None = None


@dataclass(frozen=True)
class ShepardPlot(Spec):
    """Counts of pairs: distances in the data along x (columns), on the map along y (rows)."""

    x: Sequence[float]
    y: Sequence[float]
    counts: Sequence[Sequence[int]]


@dataclass(frozen=True)
class Layout(Spec):
    """Where the points are on one of the maps, finished or on the way.

    `coords` names whole numbers on a grid (uint16 (n, 2)) over `box` (x, y, width, height), in the map's own
    units. `quality` names bytes (n, 4): kept, false, missing, stretch; 128 is a median stretch. A finished
    layout may come a second time, with more `numbers`.
    """

    job: int
    map: int
    reducer: str
    stage: LayoutStage
    iteration: int
    total: int
    coords: str
    box: tuple[float, float, float, float]
    quality: str | None = None
    numbers: Numbers = Numbers()
    caution: Sequence[str] = ()
    shepard: ShepardPlot | None = None
    notes: Sequence[str] = ()
    seconds: float = 0.0


@dataclass(frozen=True)
class LayoutSequence(Spec):
    """Layouts of one map after another, aligned, so that the page may move between them.

    They take the place of `map`, which is one of `reducer`. All lie in the same `box`. `displacement`
    (float16 (m - 1, n)) is how far each point moves in each step, as a share of the first map's radius.
    Without `coords` there is no sequence any more: what it was made of has changed.
    """

    job: int
    sweep: str
    map: int
    reducer: str
    names: Sequence[str]
    coords: Sequence[str]
    box: tuple[float, float, float, float]
    displacement: str | None
    numbers: Sequence[Mapping[str, float | None]]
    done: int
    total: int


@dataclass(frozen=True)
class Row(Spec):
    """All about one row: its true neighbours (nearest first), and what each map makes of them.

    `false` has, by map, the neighbours on the map that are none in the data, `missing` the other way round.
    With a `step`, all of it is about that step of the sequence, and of the map that is walked alone.
    """

    id: int
    neighbors: Sequence[int]
    distances: Sequence[float]
    false: Mapping[int, Sequence[int]]
    missing: Mapping[int, Sequence[int]]
    values: Mapping[str, str]
    top5: Sequence[Probability] = ()
    step: int | None = None


@dataclass(frozen=True)
class Selection(Spec):
    """Rows that Python has selected: `ids` names their numbers (uint32 (m,))."""

    name: GroupName
    ids: str


@dataclass(frozen=True)
class PlacedPoint(Spec):
    """A new point on a map, in grid units that may lie outside of the grid.

    `ratio` is the distance of its neighbours over the one beyond which 1 % of the rows have theirs, `local`
    the same relative to the rows around; `inside` says whether neither is above 1, or the rows have it.
    """

    id: int
    map: int
    x: float
    y: float
    inside: bool
    ratio: float
    local: float
    neighbors: Sequence[int]
    name: str


@dataclass(frozen=True)
class Group(Spec):
    """What a group of rows is: its class mix, its mean picture, its mean attribution.

    The mean attribution is over `mean_of` of its rows.
    """

    n: int
    classes: Sequence[tuple[str, float]]
    mean_attribution: str | None = None
    picture_mean: str | None = None
    mean_of: int = 0


@dataclass(frozen=True)
class Groups(Spec):
    """Two groups, and the columns in which they differ most with Cohen's d (a minus b)."""

    a: Group
    b: Group
    differs: Sequence[tuple[str, float]] = ()


@dataclass(frozen=True)
class TableRow(Spec):
    """A line of the table view."""

    id: int
    values: Mapping[str, Any]
