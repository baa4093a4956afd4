"""`SaliencyExplorer`: see on the picture what a model relied on."""

import base64
import difflib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
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
from saliscope.errors import InputError, SaliscopeError
from saliscope.render import colormaps
from saliscope.render.static import figure_png
from saliscope.sessions.figure import View, figure_of
from saliscope.sessions.menus import build_method, defaults
from saliscope.sessions.saliency import Request, SaliencySession
from saliscope.specs.blobs import Blob
from saliscope.specs.saliency import Failure, Info, Result, State
from saliscope.widgets.bundle import bundled
from saliscope.widgets.channel import Channel
from saliscope.widgets.traits import BaselineTrait, Choice, Number, TargetTrait

_QUESTION = ("method", "params", "n_steps", "baseline", "layer", "target", "output", "index")
"""Traits whose change asks the engine; all others are looks and stay in the page."""

_PNG_PATIENCE = 0.7
"""Seconds that displaying waits for the finished map, so that the picture beside the widget shows it."""


class SaliencyExplorer(anywidget.AnyWidget):
    """Explore what a PyTorch model relied on in a picture.

    Every control is a trait: what a click does, an assignment does too.

    Parameters
    ----------
    model : nn.Module or saliscope.borrow(...)
        Comes back exactly as it was.
    images : PIL image, ndarray, tensor, path, or a list or batch of them
        Pictures are scaled to 0..1 and prepared by `transform`; tensors are taken as they are, in model space.
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
    params = traitlets.Dict(help="The method's own parameters, by field name.").tag(sync=True)
    n_steps = Number(32, 1, 1024, integer=True, help="Steps of path methods.")
    baseline = BaselineTrait(help="Start of the path: a name, a saliscope.baselines object, a tensor, or several.")
    layer = traitlets.Unicode(None, allow_none=True, help="Layer of CAM methods; None finds one.").tag(sync=True)
    target = TargetTrait(help="Class index, label or function; None for the top prediction.")
    output = Choice("logit", lambda: OUTPUTS, help="Kind of score.")
    index = Number(0, 0, integer=True, help="Picture of the batch.")

    alpha = Number(1.0, 0.0, 1.0, help="Point of the path that is shown, from the baseline (0) to the picture (1).")
    opacity = Number(0.85, 0.0, 1.0, help="Of the map over the picture.")
    threshold = Number(1.0, 0.0, 1.0, above=True, help="Share of the pixels shown, the strongest first.")
    sign = Choice("both", lambda: ("both", "positive", "negative", "absolute"), help="Which values are shown.")
    overlay = Choice("blend", lambda: ("blend", "map"), help="Over the picture, or the map alone.")
    scale = Number(None, 0.0, above=True, allow_none=True, help="Value where the colours end; None follows the map.")
    colormap = Choice(colormaps.DEFAULT, lambda: colormaps.names, help="Perceptually uniform, with a neutral zero.")
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
        _check_names(view, self.trait_names())
        self._session = SaliencySession(
            model, images, transform=transform, mean=mean, std=std, labels=labels, chunk_size=chunk_size
        )
        self._ready = self._following = False
        self._channel = Channel(
            self.send,
            {"hello": self._welcome, "cancel": self.cancel, "refine": self.refine, "run": self._ask},
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
        view = View(self.alpha, self.opacity, self.threshold, self.sign, self.overlay, self.scale, self.colormap)
        figure = figure_of(self._session.result, self._session.blobs, view)
        return None if figure is None else figure_png(figure)

    def __repr__(self) -> str:
        height, width = self._session.pictures.shape[1:3]
        model = type(self._session.borrowed.module).__name__
        return f"SaliencyExplorer({model}, {len(self._session.pictures)} × {height}×{width}, method={self.method!r})"

    def _repr_mimebundle_(self, **kwargs: Any) -> tuple[dict, dict] | None:
        bundle = super()._repr_mimebundle_(**kwargs)
        if bundle is None:
            return None
        self._session.wait(_PNG_PATIENCE)
        png = self.png()
        if png is not None:
            # GitHub, nbviewer and a closed kernel show this in place of the widget.
            bundle[0]["image/png"] = base64.b64encode(png).decode("ascii")
        return bundle

    def set_state(self, sync_data: dict[str, Any]) -> None:
        """Take in what a page has changed; what is out of range is refused and said in the window."""
        before = {name: getattr(self, name) for name in sync_data if self.has_trait(name)}
        try:
            super().set_state(sync_data)
        except (SaliscopeError, traitlets.TraitError) as error:
            with self._followed():
                for name, value in before.items():
                    setattr(self, name, value)
            failure = Failure(type(error).__name__, getattr(error, "argument", None), str(error))
            state = self._session.state
            self._channel.event("state", State("error", state.job, text="Refused.", error=failure))
            self.send_state(list(sync_data))

    @traitlets.validate("params")
    def _check_params(self, proposal: Any) -> dict[str, Any]:
        cls = find_method(self.method)
        build_method(cls, proposal["value"])
        return defaults(cls) | proposal["value"]

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
        if not self._ready or self._following:
            return
        if change["name"] == "method":
            own = defaults(find_method(change["new"]))
            with self._followed():
                self.params = own | {name: value for name, value in self.params.items() if name in own}
        self._ask()

    def _ask(self) -> None:
        method = build_method(
            find_method(self.method), self.params, n_steps=self.n_steps, baseline=self.baseline, layer=self.layer
        )
        self._session.explain(Request(method, self.target, self.output, self.index))

    def _hear(self, message: Info | State | Result, blobs: list[Blob]) -> None:
        if isinstance(message, Result):
            if message.stage == "final":
                self._follow(self._session.attribution)
            self._channel.event("result", message, blobs)
        elif isinstance(message, State):
            self._channel.event("state", message)
        else:
            self._channel.event("info", message, blobs)

    def _follow(self, attribution: Attribution | None) -> None:
        """After a refinement, show the configuration that gives the refined map."""
        if attribution is None or attribution.method.key != self.method:
            return
        own = {name: getattr(attribution.method, name) for name in self.params}
        with self._followed():
            self.params = own
            self.n_steps = getattr(attribution.method, "n_steps", self.n_steps)

    @contextmanager
    def _followed(self) -> Iterator[None]:
        self._following = True
        try:
            yield
        finally:
            self._following = False

    def _welcome(self) -> None:
        self._channel.event("info", *self._session.info())
        if self._session.result is not None:
            self._channel.event("result", self._session.result, self._session.blobs)
        self._channel.event("state", self._session.state)


def _check_names(given: dict[str, Any], known: Sequence[str]) -> None:
    for name in given:
        if name not in known or name.startswith("_"):
            close = difflib.get_close_matches(name, known, n=1)
            hint = f"Did you mean {close[0]!r}?" if close else ""
            raise InputError(name, "an unknown argument", "an argument or trait of SaliencyExplorer", hint)
