"""What a map explorer shows and asks: its traits, and their checks."""

from abc import abstractmethod
from typing import Any

import traitlets

from saliscope.attribution.registry import methods
from saliscope.errors import InputError, ReductionError
from saliscope.sessions.menus import MOST_STEPS
from saliscope.sessions.reducer_menus import build_reducer, check_sent
from saliscope.sessions.sequences import SWEEPS
from saliscope.widgets.code import call_of
from saliscope.widgets.embedding_traits import (
    CameraTrait,
    ColorTrait,
    IdsTrait,
    MapsTrait,
    Maybe,
    ReducerParamsTrait,
)
from saliscope.widgets.live import Live, own_traits, usual_of
from saliscope.widgets.traits import Choice, LayerTrait, Number, ScaleTrait, TargetTrait

QUESTION = ("maps", "params", "layer", "sweep")
"""Traits whose change asks for maps."""

_INSPECTED = ("method", "n_steps", "target")
"""Traits whose change asks the inspector."""

_LOOKS = (
    "sweep_at", "color_by", "point", "camera", "point_size", "opacity", "density", "spokes", "table", "scale",
)  # fmt: skip
"""Traits that the page draws by itself."""

SETS = ("selection", "group_a", "group_b")
"""Sets of rows: they cross as arrays, not as state."""

_ALSO = ("and what else was given: labels=, columns=, transform= ...",)

_ALWAYS = ("kept", "false", "missing", "stretch", "displacement", "distance", "none")


class EmbeddingState(Live):
    """The traits of a map explorer. A click and an assignment both end here, checked on their line."""

    arguments = (
        "model", "images", "layer", "labels", "columns", "classes", "layers", "transform", "mean", "std",
        "pool", "chunk_size",
    )  # fmt: skip
    remembered = (*QUESTION, *_INSPECTED, *_LOOKS)
    asking = frozenset(("maps", "params", "layer"))

    maps = MapsTrait(help="Keys of the reducers shown side by side, one to four.")
    params = ReducerParamsTrait(help="By reducer, its parameters that are not as usual.")
    layer = LayerTrait(help="Whose activations are mapped; None where data were given.")
    sweep = Maybe(lambda: SWEEPS, help="The sequence that the slider walks: layers, a parameter, or None.")
    sweep_at = Number(0.0, 0, help="Position in the sequence; between two maps it is in between.")

    method = Choice("integrated_gradients", lambda: tuple(methods()), help="Attribution in the inspector.")
    n_steps = Number(32, 1, MOST_STEPS, integer=True, help="Steps of path methods.")
    target = TargetTrait(help="What is explained; None for each row's top prediction.")

    color_by = ColorTrait(help="What the colours say: a column, the map's quality, distances, none.")
    point = Number(None, 0, integer=True, allow_none=True, help="Number of the row in focus.")
    camera = CameraTrait(help="(factor, x, y): the centre as shares of the map's box.")
    point_size = Number(0.0, 0.0, 64.0, help="Diameter in pixels; 0 fits the number of points.")
    opacity = Number(0.85, 0.0, 1.0, above=True, help="Of the points.")
    density = traitlets.Bool(False, help="Counts instead of points.").tag(sync=True)
    spokes = traitlets.Bool(True, help="Lines to the true neighbours of the row in focus.").tag(sync=True)
    table = traitlets.Bool(False, help="The rows as a table.").tag(sync=True)
    scale = ScaleTrait(help="Where the colours of attributions end: a saliscope.Scale, a number, or None.")
    theme = Choice("auto", lambda: ("auto", "light", "dark"), help="Colours of the window.")

    selection = IdsTrait(help="Numbers of the selected rows.")
    group_a = IdsTrait(help="Numbers of the rows of the first group.")
    group_b = IdsTrait(help="Numbers of the rows of the second group.")

    @property
    @abstractmethod
    def n_rows(self) -> int:
        """How many rows there are."""

    @property
    @abstractmethod
    def columns(self) -> tuple[str, ...]:
        """Names of what is known of the rows, or will be once the model has run."""

    @abstractmethod
    def layer_of(self, layer: Any) -> str | None:
        """Name of a layer of the model."""

    @abstractmethod
    def index_of(self, target: int | str) -> int:
        """Check a class index of the model, or find it by its label."""

    @abstractmethod
    def _walk_now(self) -> None:
        """Have the sequence computed."""

    @abstractmethod
    def _inspect(self) -> None:
        """Have the inspector's question answered anew."""

    @abstractmethod
    def _tell_set(self, name: str) -> None:
        """Tell the pages of a set of rows."""

    @property
    def colors(self) -> tuple[str, ...]:
        """What `color_by` may be."""
        return (*self.columns, *_ALWAYS)

    def _reducers(self) -> tuple[Any, ...]:
        return tuple(build_reducer(key, self.params.get(key, {})) for key in self.maps)

    def _view(self) -> dict[str, Any]:
        """All traits of its own, as plain data."""
        return {name: self._plain(name) for name in KNOWN}

    def code(self) -> str:
        """Python code that makes this view again, for variables `model` and `images`, or `data`."""
        state, names = self._view(), ["data"] if self.layer is None else ["model", "images"]
        if self.scale.mode != "fixed":
            state["scale"] = {"mode": self.scale.mode, "limits": {}}
        return (
            f"# {' and '.join(names)} are yours{_ALSO}\n{call_of('EmbeddingExplorer', names, state, USUAL)}"
        )

    def set_state(self, sync_data: dict[str, Any]) -> None:
        """Take in what a page has changed; see `Live.set_state`."""
        self._quiet.page = True
        try:
            super().set_state(sync_data)
        finally:
            self._quiet.page = False

    def _check_sent(self, sent: dict[str, Any]) -> dict[str, Any]:
        new = super()._check_sent(sent)
        if "params" in new:
            new["params"] = self.traits()["params"]._validate(self, new["params"])
            for key, params in (new["params"] or {}).items():
                check_sent(key, params, self.params.get(key, {}))
        return new

    @traitlets.validate("layer")
    def _check_layer(self, proposal: Any) -> str | None:
        return self.layer_of(proposal["value"])

    @traitlets.validate("point")
    def _check_point(self, proposal: Any) -> int | None:
        point = proposal["value"]
        if point is not None and point >= self.n_rows:
            raise InputError("point", str(point), f"the number of a row, from 0 to {self.n_rows - 1}")
        return point

    @traitlets.validate("sweep")
    def _check_sweep(self, proposal: Any) -> str | None:
        sweep = proposal["value"]
        if sweep == "layers" and self.layer is None:
            raise ReductionError("sweep", "'layers' of data that were given", "a model with layers")
        return sweep

    @traitlets.observe(*QUESTION)
    def _on_question(self, change: Any) -> None:
        self._note()
        if self._ready and not getattr(self._quiet, "now", False) and change["name"] != "sweep":
            self._ask()

    @traitlets.observe("sweep")
    def _on_sweep(self, change: Any) -> None:
        with self._quietly():
            self.sweep_at = 0.0
        # A page offers to compute the sequence, and asks; a line of Python asks as it is.
        if self._ready and change["new"] is not None and not getattr(self._quiet, "page", False):
            self._walk_now()

    @traitlets.observe(*_INSPECTED)
    def _on_inspected(self, change: Any) -> None:
        if self._ready:
            self._note()
            self._inspect()

    @traitlets.observe(*_LOOKS)
    def _on_look(self, change: Any) -> None:
        if self._ready and change["name"] == "scale":
            self._observe_scale(change["old"])
        self._note()

    @traitlets.observe(*SETS)
    def _on_set(self, change: Any) -> None:
        if self._ready and not getattr(self._quiet, "now", False):
            self._tell_set(change["name"])


KNOWN = tuple(name for name in own_traits(EmbeddingState) if name not in SETS)
"""All traits that are state, in the order in which they are written down."""

USUAL = usual_of(EmbeddingState, KNOWN)
"""Every trait's default, as plain data."""
