"""What an explorer shows and asks: its traits, their checks, and the way back."""

from abc import abstractmethod
from dataclasses import fields
from typing import Any

import traitlets

from saliscope.attribution.registry import find_method, methods
from saliscope.core.targets import OUTPUTS
from saliscope.errors import BaselineError, InputError, MethodError
from saliscope.render import colormaps
from saliscope.sessions.given import as_question, is_object, spread
from saliscope.sessions.menus import (
    MOST_STEPS,
    baseline_spec,
    build_method,
    check_layer,
    check_reach,
    defaults,
    layer_role,
    method_menu,
)
from saliscope.sessions.panels import MOST_PANELS
from saliscope.specs.view import View
from saliscope.widgets.code import code_of
from saliscope.widgets.link import Link
from saliscope.widgets.live import Live, check_names, own_traits, usual_of
from saliscope.widgets.traits import (
    BaselineTrait,
    Choice,
    CompareTrait,
    LayerTrait,
    MethodTrait,
    Number,
    OcclusionTrait,
    ParamsTrait,
    RegionTrait,
    ScaleTrait,
    TargetTrait,
    TrialTrait,
    ZoomTrait,
    as_params,
    is_derived,
)

QUESTION = ("method", "params", "n_steps", "baseline", "target", "output", "layer", "index", "occlusion")
"""Traits whose change asks the engine; a panel may have its own value of each."""

_LOOKS = (*(field.name for field in fields(View)), "taken", "curve")
"""Traits that the page draws by itself."""

_YOURS = "# model and images are yours; so are transform= and labels=, if they were given"
"""What the view does not know; the page says the same."""


class ExplorerState(Live):
    """The traits of an explorer. A click and an assignment both end here, and are checked on their line."""

    arguments = ("model", "images", "transform", "mean", "std", "labels", "chunk_size")
    remembered = (*QUESTION, *_LOOKS, "compare", "trial")
    asking = frozenset((*QUESTION, "compare", "trial"))

    method = MethodTrait(
        "integrated_gradients",
        lambda: tuple(methods()),
        help="Key of the attribution method, a method object, or one of captum or zennit.",
    )
    params = ParamsTrait(help="The method's own parameters, by field name.")
    n_steps = Number(32, 1, MOST_STEPS, integer=True, help="Steps of path methods.")
    baseline = BaselineTrait(
        help="Start of the path: a name, a saliscope.baselines object, a tensor, several."
    )
    target = TargetTrait(help="Class index, label or function; None for the top prediction.")
    output = Choice("logit", lambda: OUTPUTS, help="Kind of score.")
    layer = LayerTrait(help="Layer that is read: None finds one for CAMs, and is the input for others.")
    index = Number(0, 0, integer=True, help="Picture of the batch.")
    occlusion = OcclusionTrait(help="{'region': ..., 'fill': a baseline}: hidden before the model sees it.")

    compare = CompareTrait(
        QUESTION, help="Up to five more panels: what differs from the first, or made of others."
    )
    panel = Number(0, 0, MOST_PANELS - 1, integer=True, help="The active panel; 0 is the first.")

    alpha = Number(1.0, 0.0, 1.0, help="Point of the path that is shown: 0 the baseline, 1 the picture.")
    along = Choice("cumulative", lambda: ("cumulative", "gradient"), help="What is shown at alpha.")
    opacity = Number(0.85, 0.0, 1.0, help="Of the map over the picture.")
    threshold = Number(1.0, 0.0, 1.0, above=True, help="Share of the pixels shown, the strongest first.")
    sign = Choice("both", lambda: ("both", "positive", "negative", "absolute"), help="Values shown.")
    overlay = Choice("blend", lambda: ("blend", "map", "multiply", "contour"), help="How the map is laid on.")
    smoothing = Number(0.0, 0.0, 20.0, help="Standard deviation of a Gaussian, in pixels of the input.")
    scale = ScaleTrait(help="Where the colours end: a saliscope.Scale, a number, or None for automatic.")
    colormap = Choice(colormaps.DEFAULT, lambda: colormaps.names, help="Perceptually uniform, zero neutral.")
    zoom = ZoomTrait(help="(factor, x, y): the centre as shares of width and height.")
    region = RegionTrait(help="(x, y, width, height) in pixels, a mask, or None.")
    trial = TrialTrait(help="How the maps are put on trial: True, a dict of what differs, or None.")
    taken = Number(
        None, 0.0, 1.0, allow_none=True, help="Share of pixels taken in the pictures shown; None: the maps."
    )
    curve = Choice("deletion", lambda: ("deletion", "insertion"), help="Which curve `taken` walks.")
    theme = Choice("auto", lambda: ("auto", "light", "dark"), help="Colours of the window.")
    mode = Choice(
        "full",
        lambda: ("full", "guided", "trial"),
        help="All controls, a workshop's cards, or the curves first.",
    )

    def __init__(self, **view: Any) -> None:
        view = spread(view)
        view.setdefault("params", {})
        self._left: dict[str, dict[str, Any]] = {}  # parameters of methods that were left, by key
        self._layers: dict[str, str | None] = {}  # layers of methods that were left, by `layer_role`
        super().__init__(**view)
        self._was = self._read_now()

    @property
    @abstractmethod
    def n_models(self) -> int:
        """How many models are compared."""

    @property
    @abstractmethod
    def n_images(self) -> int:
        """How many pictures there are to choose from."""

    @property
    @abstractmethod
    def picture_size(self) -> tuple[int, int]:
        """Height and width of the first model's pictures."""

    @abstractmethod
    def index_of(self, target: int | str) -> int:
        """Check a class index of the first model, or find it by its label."""

    @abstractmethod
    def layer_of(self, layer: Any, model: int = 0) -> str | None:
        """Name of a layer of a model; None stays None."""

    def link(self, other: "ExplorerState", *names: str) -> Link:
        """Let two explorers follow each other.

        Parameters
        ----------
        other : SaliencyExplorer
            Takes this one's values first.
        *names : str
            Traits to share; all looks without any, alpha, opacity, scale, zoom, region and so on, and the
            trial.

        Returns
        -------
        Link
            ``link.close()`` ends it; closing either explorer does too.

        Raises
        ------
        InputError
            For an unknown trait.
        """
        check_names(dict.fromkeys(names), (*QUESTION, *_LOOKS, "compare", "trial"), self)
        return self._joined(other, names or (*_LOOKS, "trial"))

    def __setattr__(self, name: str, value: Any) -> None:
        if name == "layer" and self._ready:
            check_layer(find_method(self.method), value)
        if name != "method" or not is_object(value):
            return super().__setattr__(name, value)
        # The object's values are those of several controls: all of them change, or none.
        own = as_question(value)
        if "layer" in own:
            own["layer"] = self.layer_of(own["layer"])
        checked = {
            key: self.traits()[key]._validate(self, each) for key, each in own.items() if key != "params"
        }
        with self.hold_trait_notifications():
            for key, each in {**own, **checked}.items():
                super().__setattr__(key, each)
            self._layers |= {layer_role(find_method(self.method)): own.get("layer")}
        return None

    def code(self) -> str:
        """Python code that makes this view again, for variables `model` and `images`."""
        state = {name: self._plain(name) for name in KNOWN}
        usual = defaults(find_method(self.method))
        # Nobody chose what a method brings along, nor the limits of others on the same scale.
        state["params"] = {name: v for name, v in self.params.items() if v != usual.get(name)}
        if self.scale.mode != "fixed":
            state["scale"] = {"mode": self.scale.mode, "limits": {}}
        if self.trial is not None:
            state["trial"] = self.trial.changes or True
        state["panel"] = min(self.panel, len(state["compare"]))
        menu = {one.key: one.to_json() for one in method_menu()}
        return f"{_YOURS}\n{code_of(state, USUAL, self.n_models, menu)}"

    def _check_sent(self, sent: dict[str, Any]) -> dict[str, Any]:
        new = super()._check_sent(sent)
        # A panel that is there keeps what Python gave it, however far that goes.
        kept = [
            id(value) for entry in (*self.compare, {"baseline": self.baseline}) for value in entry.values()
        ]
        entries = [entry for entry in new.get("compare", ()) if not is_derived(entry)]
        for entry in [
            {name: new[name] for name in ("method", "params", "baseline") if name in new},
            *entries,
        ]:
            if "params" in entry and id(entry["params"]) not in kept:
                cls = find_method(entry.get("method", new.get("method", self.method)))
                build_method(cls, as_params(entry["params"]))
                check_reach(cls, entry["params"], self.params, MethodError)
            baseline = entry.get("baseline")
            if baseline is not None and id(baseline) not in kept:
                for one in _parts(baseline):
                    before = {} if isinstance(self.baseline, tuple) else baseline_spec(self.baseline)
                    check_reach(type(one), baseline_spec(one), before, BaselineError)
        return new

    @traitlets.validate("params")
    def _check_params(self, proposal: Any) -> dict[str, Any]:
        cls = find_method(self.method)
        method = build_method(cls, proposal["value"])
        return {name: getattr(method, name) for name in defaults(cls)}

    @traitlets.validate("layer")
    def _check_layer(self, proposal: Any) -> str | None:
        return self.layer_of(proposal["value"])

    @traitlets.validate("index")
    def _check_index(self, proposal: Any) -> int:
        last = self.n_images - 1
        if proposal["value"] > last:
            raise InputError("index", str(proposal["value"]), f"a picture from 0 to {last}")
        return proposal["value"]

    @traitlets.validate("region")
    def _check_region(self, proposal: Any) -> Any:
        region = proposal["value"]
        if region is not None and not region.mask(*self.picture_size).any():
            height, width = self.picture_size
            expected = f"a part of the picture, {width} x {height} pixels"
            raise InputError("region", str(region), expected)
        return region

    @traitlets.observe(*QUESTION, "compare")
    def _on_question(self, change: Any) -> None:
        if not self._ready:
            return
        before, self._was = self._was, self._read_now()
        if getattr(self._quiet, "now", False):
            return
        if change["name"] == "method":
            with self._quietly():
                self.params = self._params_for(change["new"], change["old"])
        self._settle_layer(*before)
        self._history.note(self._state_now())
        self._ask()

    def _read_now(self) -> tuple[str, str | None]:
        return layer_role(find_method(self.method)), self.layer

    def _settle_layer(self, role: str, layer: str | None) -> None:
        """Keep the layer of a CAM from making layer maps of other methods: each role has the one it had last.

        A CAM takes one that was named before, as it has to read some layer.
        """
        new = layer_role(find_method(self.method))
        if new == role:
            return
        self._layers[role] = layer
        if self.layer == layer:  # it did not come together with the method
            with self._quietly():
                self.layer = self._layers.get(new, layer if new == "always" else None)

    def _params_for(self, new: str, old: str) -> dict[str, Any]:
        """Parameters of a method that was just chosen: those it had last, or as usual.

        Nothing comes from the method before: what is called alike there may mean something else.
        """
        usual = defaults(find_method(new))
        if self.params.keys() == usual.keys():  # they came together with the method
            return self.params
        self._left[old] = self.params
        kept = self._left.get(new, usual)
        try:
            build_method(find_method(new), kept)
        except MethodError:  # a method of the user's own that was written anew since
            return usual
        return kept

    @traitlets.observe(*_LOOKS)
    def _on_look(self, change: Any) -> None:
        if self._ready and change["name"] == "scale":
            self._observe_scale(change["old"])
        self._note()

    @traitlets.observe("trial")
    def _on_trial(self, change: Any) -> None:
        self._note()
        if self._ready and not getattr(self._quiet, "now", False):
            self._ask()

    def _view(self) -> View:
        own = {field.name: getattr(self, field.name) for field in fields(View)}
        return View(**own | {"scale": self.scale.to_json()})


KNOWN = own_traits(ExplorerState)
"""All traits of its own, in the order in which they are written down."""


USUAL = usual_of(ExplorerState, KNOWN)
"""Every trait's default, as plain data."""


def _parts(baseline: Any) -> list[Any]:
    """The baselines that have sliders: the members of an average, the colours of a painted one."""
    several = baseline if isinstance(baseline, tuple) else (baseline,)
    colours = [getattr(one, name, None) for one in several for name in ("fill", "rest")]
    return [*several, *(colour for colour in colours if colour is not None)]
