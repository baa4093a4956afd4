"""What an explorer shows and asks: its traits, their checks, and the way back."""

import difflib
import threading
from abc import abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import fields
from typing import Any

import anywidget
import traitlets

from saliscope.attribution.registry import find_method, methods
from saliscope.core.targets import OUTPUTS
from saliscope.errors import BaselineError, InputError, MethodError, SaliscopeError
from saliscope.render import colormaps
from saliscope.sessions.menus import MOST_STEPS, baseline_spec, build_method, check_reach, defaults
from saliscope.sessions.panels import MOST_PANELS
from saliscope.specs.view import View
from saliscope.widgets.code import code_of
from saliscope.widgets.history import History
from saliscope.widgets.link import Link
from saliscope.widgets.traits import (
    BaselineTrait,
    Choice,
    CompareTrait,
    LayerTrait,
    Number,
    OcclusionTrait,
    ParamsTrait,
    RegionTrait,
    ScaleTrait,
    TargetTrait,
    ZoomTrait,
    as_params,
    is_derived,
)

QUESTION = ("method", "params", "n_steps", "baseline", "target", "output", "layer", "index", "occlusion")
"""Traits whose change asks the engine; a panel may have its own value of each."""

_LOOKS = tuple(field.name for field in fields(View))
"""Traits that the page draws by itself."""

_YOURS = "# model and images are yours; so are transform= and labels=, if they were given"
"""What the view does not know; the page says the same."""

_ARGUMENTS = ("model", "images", "transform", "mean", "std", "labels", "chunk_size")


class ExplorerState(anywidget.AnyWidget):
    """The traits of an explorer. A click and an assignment both end here, and are checked on their line."""

    method = Choice("integrated_gradients", lambda: tuple(methods()), help="Key of the attribution method.")
    params = ParamsTrait(help="The method's own parameters, by field name.")
    n_steps = Number(32, 1, MOST_STEPS, integer=True, help="Steps of path methods.")
    baseline = BaselineTrait(
        help="Start of the path: a name, a saliscope.baselines object, a tensor, several."
    )
    target = TargetTrait(help="Class index, label or function; None for the top prediction.")
    output = Choice("logit", lambda: OUTPUTS, help="Kind of score.")
    layer = LayerTrait(help="Layer of CAM methods; None finds one.")
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
    theme = Choice("auto", lambda: ("auto", "light", "dark"), help="Colours of the window.")
    mode = Choice("full", lambda: ("full", "guided"), help="All controls, or the cards of a workshop.")

    def __init__(self, **view: Any) -> None:
        self._ready = False
        self._quiet = threading.local()
        self._links: list[Link] = []
        view.setdefault("params", {})
        super().__init__(**view)
        self._history = History(self._state_now())
        self._observe_scale(None)
        self._ready = True

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

    @abstractmethod
    def _ask(self) -> None:
        """Have what the traits ask answered."""

    @abstractmethod
    def _refuse(self, error: Exception) -> None:
        """Tell the pages why a change of theirs was not taken."""

    @abstractmethod
    def _limits(self) -> dict[str, float]:
        """The automatic limits of what is on screen, by unit."""

    def undo(self) -> None:
        """Take the last change of the view or the question back; nothing happens at the beginning."""
        self._apply(self._history.back())

    def redo(self) -> None:
        """Do again what `undo` took back."""
        self._apply(self._history.forth())

    def link(self, other: "ExplorerState", *names: str) -> Link:
        """Let two explorers follow each other.

        Parameters
        ----------
        other : SaliencyExplorer
            Takes this one's values first.
        *names : str
            Traits to share; all looks without any: alpha, opacity, scale, zoom, region and so on.

        Returns
        -------
        Link
            ``link.close()`` ends it; closing either explorer does too.

        Raises
        ------
        InputError
            For an unknown trait.
        """
        check_names(dict.fromkeys(names), (*QUESTION, *_LOOKS, "compare"))
        link = Link(self, other, names or _LOOKS)
        self._links.append(link)
        other._links.append(link)
        return link

    def code(self) -> str:
        """Python code that makes this view again, for variables `model` and `images`."""
        state = {name: self._plain(name) for name in KNOWN}
        usual = defaults(find_method(self.method))
        # Nobody chose what a method brings along, nor the limits of others on the same scale.
        state["params"] = {name: v for name, v in self.params.items() if v != usual.get(name)}
        if self.scale.mode != "fixed":
            state["scale"] = {"mode": self.scale.mode, "limits": {}}
        state["panel"] = min(self.panel, len(state["compare"]))
        return f"{_YOURS}\n{code_of(state, USUAL, self.n_models)}"

    def close(self) -> None:
        """Let the links and the shared scale go, and close the page's end."""
        if hasattr(self, "_history"):  # not if the constructor refused its arguments
            for link in [*self._links]:
                link.close()
            self.scale.unobserve(self._on_scale)
            self.scale.report(self, {})
        super().close()

    def set_state(self, sync_data: dict[str, Any]) -> None:
        """Take in what a page has changed, all of it or nothing; what is refused is said in the window."""
        sent = {name: v for name, v in sync_data.items() if name in self.keys and not name.startswith("_")}
        try:
            new = self._check_sent(sent)
        except (SaliscopeError, traitlets.TraitError) as error:
            self._refuse(error)
            self.send_state(list(sent))
        else:
            # The page moves the scale that there is: others may share it.
            scale = new.pop("scale", None)
            if scale is not None:
                self.scale.set(scale.mode, scale.limits)
            super().set_state({name: value for name, value in sent.items() if name != "scale"})

    def _check_sent(self, sent: dict[str, Any]) -> dict[str, Any]:
        new = dict(sent)
        for name, value in sent.items():
            new[name] = self.trait_metadata(name, "from_json", self._trait_from_json)(value, self)
            if name != "params":
                new[name] = self.traits()[name]._validate(self, new[name])
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
        if not self._ready or getattr(self._quiet, "now", False):
            return
        if change["name"] == "method":
            own = defaults(find_method(change["new"]))
            with self._quietly():
                self.params = {name: self.params.get(name, value) for name, value in own.items()}
        self._history.note(self._state_now())
        self._ask()

    @traitlets.observe(*_LOOKS)
    def _on_look(self, change: Any) -> None:
        if self._ready and change["name"] == "scale":
            self._observe_scale(change["old"])
        if self._ready and not getattr(self._quiet, "now", False):
            self._history.note(self._state_now())

    def _observe_scale(self, old: Any) -> None:
        """Follow the scale, which others may share, and tell it what is on screen here."""
        if old is not None and old is not self.scale:
            old.unobserve(self._on_scale)
            old.report(self, {})
        self.scale.observe(self._on_scale)
        self._report_limits()

    def _on_scale(self, _scale: Any) -> None:
        self.send_state("scale")
        self._history.note(self._state_now())

    def _report_limits(self) -> None:
        self.scale.report(self, self._limits())

    def _plain(self, name: str) -> Any:
        plain = self.trait_metadata(name, "to_json", self._trait_to_json)(getattr(self, name), self)
        return list(plain) if isinstance(plain, tuple) else plain

    def _state_now(self) -> dict[str, Any]:
        state = {
            name: _Kept(self._plain(name), getattr(self, name)) for name in (*QUESTION, *_LOOKS, "compare")
        }
        if self.scale.mode != "fixed":
            state["scale"].plain["limits"] = {}  # those of others on the same scale: nobody chose them
        return state

    def _apply(self, changes: Mapping[str, Any]) -> None:
        """Go back or forth, as one step."""
        with self._quietly():
            for name, kept in changes.items():
                if name == "scale":
                    self.scale.set(kept.plain["mode"], kept.plain["limits"])
                elif name != "params":
                    setattr(self, name, kept.value)
            if "params" in changes:  # last: which there are depends on the method
                self.params = changes["params"].value
        self._history.note(self._state_now())
        if {*changes} & {*QUESTION, "compare"}:
            self._ask()

    def _view(self) -> View:
        own = {field.name: getattr(self, field.name) for field in fields(View)}
        return View(**own | {"scale": self.scale.to_json()})

    @contextmanager
    def _quietly(self) -> Iterator[None]:
        """Change traits without asking again, in this thread only: others may be changing them as well."""
        before = getattr(self._quiet, "now", False)
        self._quiet.now = True
        try:
            yield
        finally:
            self._quiet.now = before

    def __setattr__(self, name: str, value: Any) -> None:
        # `explorer.methd = ...` would be an attribute like any other, and do nothing.
        if getattr(self, "_ready", False) and not name.startswith("_") and not hasattr(type(self), name):
            check_names({name: value}, self.trait_names())
        super().__setattr__(name, value)


def _default(trait: Any) -> Any:
    plain = trait.metadata.get("to_json", lambda value, _widget: value)(trait.default(), None)
    return list(plain) if isinstance(plain, tuple) else plain


KNOWN = tuple(
    name
    for name, trait in vars(ExplorerState).items()
    if isinstance(trait, traitlets.TraitType) and name[0] != "_"
)
"""All traits of its own, in the order in which they are written down."""


USUAL = {name: _default(ExplorerState.class_own_traits()[name]) for name in KNOWN}
"""Every trait's default, as plain data."""


def _parts(baseline: Any) -> list[Any]:
    """The baselines that have sliders: the members of an average, the colours of a painted one."""
    several = baseline if isinstance(baseline, tuple) else (baseline,)
    colours = [getattr(one, name, None) for one in several for name in ("fill", "rest")]
    return [*several, *(colour for colour in colours if colour is not None)]


class _Kept:
    """A trait's value and its plain data: equal if the data are, for tensors have no truth of their own."""

    def __init__(self, plain: Any, value: Any) -> None:
        self.plain, self.value = plain, value

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Kept) and self.plain == other.plain

    __hash__ = None  # type: ignore[assignment]


def check_names(given: Mapping[str, Any], known: Sequence[str]) -> None:
    """Raise `InputError` for a name that is not known, with the nearest one that is."""
    for name in given:
        if name not in known:
            close = difflib.get_close_matches(name, (*known, *_ARGUMENTS), n=1)
            hint = f"Did you mean {close[0]!r}?" if close else ""
            raise InputError(name, "an unknown argument", "an argument or trait of SaliencyExplorer", hint)
