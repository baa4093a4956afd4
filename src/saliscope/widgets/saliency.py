"""`SaliencyExplorer`: see on the picture what a model relied on."""

import base64
import difflib
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import fields
from typing import Any

import anywidget
import traitlets
from torch import nn

from saliscope.attribution.base import Attribution
from saliscope.attribution.registry import find_method, methods
from saliscope.core.batching import ChunkSize
from saliscope.core.borrow import Borrowed
from saliscope.core.layers import find_layer
from saliscope.core.targets import OUTPUTS
from saliscope.errors import BaselineError, InputError, MethodError, SaliscopeError
from saliscope.render import colormaps
from saliscope.render.static import figure_png
from saliscope.sessions.answers import Request
from saliscope.sessions.figure import View, figure_of
from saliscope.sessions.menus import MOST_STEPS, baseline_spec, build_method, check_reach, defaults
from saliscope.sessions.saliency import SaliencySession
from saliscope.specs.blobs import Blob
from saliscope.specs.saliency import Failure, Info, Result, State
from saliscope.widgets.bundle import bundled
from saliscope.widgets.channel import Channel
from saliscope.widgets.traits import (
    BaselineTrait,
    Choice,
    LayerTrait,
    Number,
    ParamsTrait,
    TargetTrait,
    as_params,
)

_QUESTION = ("method", "params", "n_steps", "baseline", "layer", "target", "output", "index")
"""Traits whose change asks the engine; all others are looks and stay in the page."""

_ARGUMENTS = ("model", "images", "transform", "mean", "std", "labels", "chunk_size")

_PNG_PATIENCE = 0.7
"""Seconds that displaying waits for the finished map, so that the picture beside the widget shows it."""

_FIRST_PATIENCE = 5.0
"""Seconds that it waits for a first picture of any kind: without one a closed notebook shows nothing."""


class SaliencyExplorer(anywidget.AnyWidget):
    """Explore what a PyTorch model relied on in a picture.

    Every control is a trait: what a click does, an assignment does too.

    Parameters
    ----------
    model : nn.Module or saliscope.borrow(...)
        Comes back exactly as it was.
    images : PIL image, ndarray, tensor, path, or a list or batch of them
        Pictures are scaled to 0..1 and prepared by `transform`; tensors of floats are taken as they are, in
        model space.
    transform : callable or dict, optional
        torchvision-style transform, timm data config or Hugging Face image processor.
    mean, std : sequence of float, optional
        Normalisation per channel, where `transform` does not say it.
    labels : sequence of str, optional
        Names of the classes.
    chunk_size : int or "auto"
        Rows that go through the model at once; the map does not depend on it.
    **traits
        Any trait below, for example ``method="grad_cam"``, ``layer="layer4"``, ``target=3``.

    Raises
    ------
    SaliscopeError
        One of its children, naming the argument, what came, what was expected and the way out.

    Examples
    --------
    >>> explorer = SaliencyExplorer(model, "cat.jpg", transform=weights.transforms())
    >>> explorer.alpha = 0.4
    >>> explorer.method = "grad_cam"
    >>> explorer.wait()
    True
    >>> explorer.attribution.map.shape
    torch.Size([1, 224, 224])
    """

    _esm = bundled("explorer.js")
    _css = bundled("explorer.css")

    method = Choice("integrated_gradients", lambda: tuple(methods()), help="Key of the attribution method.")
    params = ParamsTrait(help="The method's own parameters, by field name.")
    n_steps = Number(32, 1, MOST_STEPS, integer=True, help="Steps of path methods.")
    baseline = BaselineTrait(
        help="Start of the path: a name, a saliscope.baselines object, a tensor, several."
    )
    layer = LayerTrait(help="Layer of CAM methods; None finds one.")
    target = TargetTrait(help="Class index, label or function; None for the top prediction.")
    output = Choice("logit", lambda: OUTPUTS, help="Kind of score.")
    index = Number(0, 0, integer=True, help="Picture of the batch.")

    alpha = Number(1.0, 0.0, 1.0, help="Point of the path that is shown: 0 the baseline, 1 the picture.")
    opacity = Number(0.85, 0.0, 1.0, help="Of the map over the picture.")
    threshold = Number(1.0, 0.0, 1.0, above=True, help="Share of the pixels shown, the strongest first.")
    sign = Choice("both", lambda: ("both", "positive", "negative", "absolute"), help="Values shown.")
    overlay = Choice("blend", lambda: ("blend", "map"), help="Over the picture, or the map alone.")
    scale = Number(None, 0.0, above=True, allow_none=True, help="Where the colours end; None: by the map.")
    colormap = Choice(colormaps.DEFAULT, lambda: colormaps.names, help="Perceptually uniform, zero neutral.")
    theme = Choice("auto", lambda: ("auto", "light", "dark"), help="Colours of the window.")

    def __init__(
        self,
        model: nn.Module | Borrowed,
        images: Any,
        *,
        transform: Any = None,
        mean: Sequence[float] | None = None,
        std: Sequence[float] | None = None,
        labels: Sequence[str] | None = None,
        chunk_size: ChunkSize = "auto",
        **view: Any,
    ) -> None:
        _check_names(view, [name for name in self.trait_names(sync=True) if not name.startswith("_")])
        self._session = SaliencySession(
            model, images, transform=transform, mean=mean, std=std, labels=labels, chunk_size=chunk_size
        )
        self._ready = False
        self._quiet = threading.local()
        self._channel = Channel(
            self.send,
            {"hello": self._welcome, "cancel": self.cancel, "refine": self.refine, "run": self.run},
            lambda: (*self._session.blobs, *self._session.info()[1]),
        )
        view.setdefault("params", {})
        super().__init__(**view)
        self._session.listener = self._hear
        self.on_msg(lambda _widget, content, _buffers: self._channel.receive(content))
        self._ready = True
        self._ask()

    @property
    def attribution(self) -> Attribution | None:
        """The newest finished `Attribution`; None before there is one. See `wait`."""
        return self._session.attribution

    @property
    def status(self) -> State:
        """Where the work stands."""
        return self._session.state

    def wait(self, timeout: float | None = None) -> bool:
        """Wait until nothing is computed any more.

        Parameters
        ----------
        timeout : float, optional
            Seconds; for ever without.

        Returns
        -------
        bool
            False if the time ran out first.

        Raises
        ------
        SaliscopeError
            What the computation stopped with.
        """
        done = self._session.wait(timeout)
        if done and self._session.state.phase == "error" and self._session.error is not None:
            raise self._session.error
        return done

    def run(self) -> None:
        """Compute the map again, nothing remembered: after the model was changed, an error, or a cancel."""
        self._session.forget()
        self._ask()

    def refine(self) -> None:
        """Go on from the finished map with twice the steps or samples."""
        self._session.refine()

    def cancel(self) -> None:
        """Stop the computation; what is on screen stays."""
        self._session.cancel()

    def close(self) -> None:
        """Cancel, and let go of model, pictures and page."""
        if hasattr(self, "_session"):  # not if the constructor refused its arguments
            self._session.close()
            self.layout.close()  # a widget of its own, which ipywidgets leaves behind
        super().close()

    def index_of(self, target: int | str) -> int:
        """Check a class index, or find it by its label.

        Raises
        ------
        TargetError
            If the model has no such class, as far as that is known yet.
        """
        return self._session.index_of(target)

    def png(self) -> bytes | None:
        """Give the current view as a PNG; None before there is anything to show."""
        view = View(**{field.name: getattr(self, field.name) for field in fields(View)})
        figure = figure_of(*self._session.shown, view)
        return None if figure is None else figure_png(figure)

    def __setattr__(self, name: str, value: Any) -> None:
        # `explorer.methd = ...` would be an attribute like any other, and do nothing.
        if getattr(self, "_ready", False) and not name.startswith("_") and not hasattr(type(self), name):
            _check_names({name: value}, self.trait_names())
        super().__setattr__(name, value)

    def __repr__(self) -> str:
        n, height, width, _ = self._session.pictures.shape
        model = type(self._session.borrowed.module).__name__
        return f"SaliencyExplorer({model}, {n} × {height}×{width}, method={self.method!r})"

    def _repr_mimebundle_(self, **kwargs: Any) -> tuple[dict[str, Any], dict[str, Any]] | None:
        bundle = super()._repr_mimebundle_(**kwargs)
        if bundle is None:
            return None
        if not self._session.wait(_PNG_PATIENCE):
            self._session.first.wait(_FIRST_PATIENCE)
        png = self.png()
        if png is not None:
            # GitHub, nbviewer and a closed kernel show this in place of the widget.
            bundle[0]["image/png"] = base64.b64encode(png).decode("ascii")
        return bundle

    def set_state(self, sync_data: dict[str, Any]) -> None:
        """Take in what a page has changed, all of it or nothing; what is refused is said in the window."""
        sent = {name: v for name, v in sync_data.items() if name in self.keys and not name.startswith("_")}
        try:
            self._check_sent(sent)
        except (SaliscopeError, traitlets.TraitError) as error:
            failure = Failure(type(error).__name__, getattr(error, "argument", None), str(error))
            state = self._session.state
            self._channel.event("state", State("error", state.job, text="Refused.", error=failure))
            self.send_state(list(sent))
        else:
            super().set_state(sent)

    def _check_sent(self, sent: dict[str, Any]) -> None:
        new = dict(sent)
        for name, value in sent.items():
            new[name] = self.trait_metadata(name, "from_json", self._trait_from_json)(value, self)
            if name != "params":
                new[name] = self.traits()[name]._validate(self, new[name])
        if "params" in new:
            cls = find_method(new.get("method", self.method))
            build_method(cls, as_params(new["params"]))
            check_reach(cls, new["params"], self.params, MethodError)
        baseline = new.get("baseline", ())
        if not isinstance(baseline, tuple):
            before = {} if isinstance(self.baseline, tuple) else baseline_spec(self.baseline)
            check_reach(type(baseline), baseline_spec(baseline), before, BaselineError)

    @traitlets.validate("params")
    def _check_params(self, proposal: Any) -> dict[str, Any]:
        cls = find_method(self.method)
        method = build_method(cls, proposal["value"])
        return {name: getattr(method, name) for name in defaults(cls)}

    @traitlets.validate("layer")
    def _check_layer(self, proposal: Any) -> str | None:
        layer = proposal["value"]
        return None if layer is None else find_layer(self._session.borrowed.module, layer)[0]

    @traitlets.validate("index")
    def _check_index(self, proposal: Any) -> int:
        last = len(self._session.inputs) - 1
        if proposal["value"] > last:
            raise InputError("index", str(proposal["value"]), f"a picture from 0 to {last}")
        return proposal["value"]

    @traitlets.observe(*_QUESTION)
    def _on_question(self, change: Any) -> None:
        if not self._ready or getattr(self._quiet, "now", False):
            return
        if change["name"] == "method":
            own = defaults(find_method(change["new"]))
            with self._quietly():
                self.params = {name: self.params.get(name, value) for name, value in own.items()}
        self._ask()

    def _ask(self) -> None:
        shared = {"n_steps": self.n_steps, "baseline": self.baseline, "layer": self.layer}
        method = build_method(find_method(self.method), self.params, **shared)
        self._session.explain(Request(method, self.target, self.output, self.index))

    def _hear(self, message: Info | State | Result, blobs: list[Blob]) -> None:
        if isinstance(message, Result):
            if message.stage == "final":
                self._follow()
            self._channel.event("result", message, blobs)
        elif isinstance(message, State):
            self._channel.event("state", message)
        else:
            self._channel.event("info", message, blobs)

    def _follow(self) -> None:
        """After a refinement, show the configuration that gives the refined map."""
        asked, attribution = self._session.asked, self._session.attribution
        if (
            not self._session.settled
            or asked is None
            or attribution is None
            or attribution.method == asked.method
        ):
            return
        method = attribution.method
        if method.key != self.method:  # another one was chosen a moment ago
            return
        with self._quietly():
            self.params = {name: getattr(method, name) for name in defaults(type(method))}
            self.n_steps = getattr(method, "n_steps", self.n_steps)

    @contextmanager
    def _quietly(self) -> Iterator[None]:
        """Change traits without asking again, in this thread only: others may be changing them as well."""
        self._quiet.now = True
        try:
            yield
        finally:
            self._quiet.now = False

    def _welcome(self) -> None:
        self._channel.event("info", *self._session.info())
        result, blobs = self._session.shown
        if result is not None:
            self._channel.event("result", result, blobs)
        self._channel.event("state", self._session.state)


def _check_names(given: dict[str, Any], known: Sequence[str]) -> None:
    for name in given:
        if name not in known:
            close = difflib.get_close_matches(name, (*known, *_ARGUMENTS), n=1)
            hint = f"Did you mean {close[0]!r}?" if close else ""
            raise InputError(name, "an unknown argument", "an argument or trait of SaliencyExplorer", hint)
