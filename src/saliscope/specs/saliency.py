"""The messages of the SaliencyExplorer: what the kernel tells the page, as frozen dataclasses.

The field names are the names in JSON; `js/lib` declares the same types in TypeScript.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any, Literal

import numpy as np

Phase = Literal["idle", "running", "done", "error", "cancelled"]
Stage = Literal["preview", "partial", "final", "cancelled"]
ControlKind = Literal["int", "float", "choice", "bool", "layer"]


class Spec:
    """A dataclass that can be sent."""

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON data; NaN and infinity, which JSON does not have, become None."""
        names = [field.name for field in fields(self)]  # pyright: ignore[reportArgumentType]
        return {name: _plain(getattr(self, name)) for name in names}


def _plain(value: Any) -> Any:
    """Turn a value into what `json.dumps` writes without surprises."""
    if isinstance(value, Spec):
        return value.to_json()
    if isinstance(value, np.generic | np.ndarray):
        return _plain(value.tolist())
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if value is None or isinstance(value, bool | int | str):
        return value
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, Sequence):
        return [_plain(item) for item in value]
    raise TypeError(f"{type(value).__name__} cannot be sent to the page")


@dataclass(frozen=True)
class Control(Spec):
    """One control of a method or baseline; `name` is the field it sets.

    `min`, `max`, `step` and `log` (a logarithmic slider) matter to numbers only, `choices` to a
    choice only. `when` is the name and value of another control without which this one has no effect.
    `stops`: a value above zero ends the work when the map is that good; steps are then the most there may be.
    """

    name: str
    kind: ControlKind
    label: str
    default: float | int | str | bool | None
    min: float | None = None
    max: float | None = None
    step: float | None = None
    choices: Sequence[str] | None = None
    log: bool = False
    when: Sequence[str] | None = None
    stops: bool = False


@dataclass(frozen=True)
class Card(Spec):
    """What a reader of a method's maps should know, each in a few short sentences; "" where nobody said."""

    shows: str = ""
    assumes: str = ""
    costs: str = ""
    fails: str = ""
    reference: str = ""


@dataclass(frozen=True)
class MethodInfo(Spec):
    """A method that can be chosen; `path` tells whether its results can be scrubbed, `family` heads menus.

    `code` is the Python source that makes it where its key is not known, with "{model}" for the model;
    `before` are the lines that come first.
    """

    key: str
    title: str
    summary: str
    family: str = ""
    path: bool = False
    uses_baseline: bool = False
    uses_steps: bool = False
    controls: Sequence[Control] = ()
    card: Card = Card()
    code: str = ""
    before: Sequence[str] = ()


@dataclass(frozen=True)
class BaselineInfo(Spec):
    """A baseline that can be chosen."""

    kind: str
    title: str
    controls: Sequence[Control] = ()


@dataclass(frozen=True)
class ModelInfo(Spec):
    """A model that is explored.

    `labels` names all its classes, `layers` those layers that Grad-CAM can use, `preprocessing` is one
    sentence.
    """

    name: str
    device: str
    labels: Sequence[str]
    layers: Sequence[str]
    preprocessing: str


@dataclass(frozen=True)
class Info(Spec):
    """What hardly changes while a widget lives: sent in answer to the page's hello.

    `images` is the size of the batch, `luts` maps the names of the colour maps to blobs, `offline` is
    true for an exported page: looks work there, questions do not; `replacements` may stand for the pixels
    that a trial hides.
    """

    methods: Sequence[MethodInfo]
    baselines: Sequence[BaselineInfo]
    images: int
    outputs: Sequence[str]
    luts: Mapping[str, str]
    models: Sequence[ModelInfo]
    version: str
    offline: bool = False
    replacements: Sequence[BaselineInfo] = ()


@dataclass(frozen=True)
class Failure(Spec):
    """An error as the page shows it: its class, the argument at fault and the whole message."""

    type: str
    argument: str | None
    message: str


@dataclass(frozen=True)
class State(Spec):
    """Where the work of a panel stands; `eta` in seconds. `at_most`: it may be done before `total`."""

    phase: Phase
    job: int
    done: int = 0
    total: int = 0
    text: str = ""
    eta: float | None = None
    error: Failure | None = None
    panel: int = 0
    at_most: bool = False


@dataclass(frozen=True)
class Probability(Spec):
    """One of the model's strongest predictions."""

    index: int
    label: str
    p: float


@dataclass(frozen=True)
class PathSpec(Spec):
    """What scrubbing needs: K points of the path, in the order of alpha.

    `stack` names the blob of the cumulative maps (K, H, W), `sums` are the sums of each of them,
    `baseline` names the picture at alpha 0; `total_nodes` counts the points that were computed. `pictures`
    names the blob of the K pictures on the way (K, H, W, 3); None where they are mixtures of both ends.
    """

    stack: str
    alphas: Sequence[float]
    scores: Sequence[float]
    sums: Sequence[float]
    baseline: str
    baseline_score: float
    total_nodes: int
    pictures: str | None = None


@dataclass(frozen=True)
class Completeness(Spec):
    """How far the attributions add up to the change in score; `share` is None where that has no meaning.

    `delta` is `sum` minus `change`; `map_change` is the relative change of the map itself between half
    of the points and all of them, `map_error` what an adaptive method estimates of its error.
    """

    change: float
    sum: float
    delta: float
    share: float | None
    map_change: float | None = None
    map_error: float | None = None


@dataclass(frozen=True)
class CoverageSpec(Spec):
    """How many calls of operations had a rule, and the names of those that needed one, counted."""

    ruled: int
    gaps: Mapping[str, int]


@dataclass(frozen=True)
class Result(Spec):
    """A map, finished or on its way; `picture` and `map` name blobs that were sent before it.

    `limit` is the automatic end of the scale, `grid` the (height, width) of a map that was computed on
    a coarser grid than the picture, `sampling_error` the L2 norm of its standard error as a share of the
    map's, `steps` how much was computed and `work` what that counts, `panel` the place on screen, `model` the
    index of the model.
    """

    job: int
    stage: Stage
    method: str
    title: str
    target: int | None
    target_label: str
    output: str
    score: float
    signed: bool
    unit: str
    index: int
    picture: str
    map: str
    limit: float
    probabilities: Sequence[Probability] = ()
    path: PathSpec | None = None
    completeness: Completeness | None = None
    coverage: CoverageSpec | None = None
    sampling_error: float | None = None
    notes: Sequence[str] = ()
    seconds: float = 0.0
    can_refine: bool = False
    steps: int | None = None
    work: str = "steps"
    layer: str | None = None
    grid: tuple[int, int] | None = None
    baseline: str | None = None
    panel: int = 0
    model: int = 0


@dataclass(frozen=True)
class Predictions(Spec):
    """Probabilities along the path: a row of `p` for each alpha, a column for each class in `indices`.

    The classes are all that are among the first five anywhere on the path.
    """

    job: int
    alphas: Sequence[float]
    indices: Sequence[int]
    labels: Sequence[str]
    p: Sequence[Sequence[float]]
