"""`SaliencyExplorer`: see on the picture what a model relied on."""

import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from torch import nn

from saliscope.attribution import registry
from saliscope.attribution.base import Attribution
from saliscope.core.batching import ChunkSize
from saliscope.core.borrow import Borrowed
from saliscope.core.layers import find_layer
from saliscope.errors import InputError
from saliscope.faithfulness.verdict import Judgement
from saliscope.render.static import figure_png
from saliscope.sessions.failures import failure_of
from saliscope.sessions.menus import defaults
from saliscope.sessions.panels import MOST_PANELS, Panels
from saliscope.sessions.saliency import SaliencySession
from saliscope.sessions.subject import Subject
from saliscope.sessions.trials import Told, Trials, kind_of
from saliscope.specs.blobs import Blob
from saliscope.specs.saliency import Info, Result, State
from saliscope.specs.view import Screen
from saliscope.widgets import export
from saliscope.widgets.asking import wanted
from saliscope.widgets.bundle import entry, front_end
from saliscope.widgets.channel import Channel, Message, Reply
from saliscope.widgets.keeper import Keeper
from saliscope.widgets.live import check_names, with_picture
from saliscope.widgets.state import QUESTION, ExplorerState

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from saliscope.records.record import Record

_PNG_PATIENCE = 0.7
"""Seconds that displaying waits for the finished map, so that the picture beside the widget shows it."""

_FIRST_PATIENCE = 5.0
"""Seconds that it waits for a first picture of any kind: without one a closed notebook shows nothing."""


class SaliencyExplorer(ExplorerState):
    """Explore what a PyTorch model relied on in a picture.

    Every control is a trait: what a click does, an assignment does too.

    Parameters
    ----------
    model : nn.Module, saliscope.borrow(...), or a list of them
        Comes back exactly as it was. Several models stand side by side.
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
    >>> explorer.compare = ["grad_cam", {"baseline": "white"}, {"difference": [0, 2]}]
    >>> explorer.wait()
    True
    >>> explorer.attribution.map.shape
    torch.Size([1, 224, 224])
    >>> explorer.to_html("cat.html")
    """

    _esm = entry("explorer")

    def __init__(
        self,
        model: nn.Module | Borrowed | Sequence[nn.Module | Borrowed],
        images: Any,
        *,
        transform: Any = None,
        mean: Sequence[float] | None = None,
        std: Sequence[float] | None = None,
        labels: Sequence[str] | None = None,
        chunk_size: ChunkSize = "auto",
        **view: Any,
    ) -> None:
        check_names(view, [name for name in self.trait_names(sync=True) if not name.startswith("_")], self)
        options: dict[str, Any] = {"transform": transform, "mean": mean, "std": std, "labels": labels}
        options["chunk_size"] = chunk_size
        self._panels = Panels([Subject(each, images, **options) for each in _models(model)])
        self._trials = Trials(self._panels)
        if self.n_models > 1:
            view.setdefault("compare", [{"model": i} for i in range(1, self.n_models)])
        requests = {
            "hello": self._welcome,
            "bye": lambda message: self._keeper.bye(),
            "here": lambda message: self._keeper.here(),
            "code": lambda message: front_end(message.get("files")),
            "cancel": self._cancel,
            "refine": lambda message: self._session_of(message).refine(),
            "run": self._run,
            "gradients": self._gradients,
            "predictions": lambda message: Reply(self._session_of(message).predictions().to_json()),
            "export": lambda message: export.reply(self, message.get("format")),
        }
        lasting = ("gradients", "predictions", "export")
        self._channel = Channel(self.send, requests, self._blobs, lasting)
        self._keeper = Keeper(self, lambda: self._channel.event("roll"))
        super().__init__(**view)
        self._panels.listener = self._hear
        self._trials.listener = self._tell
        self.on_msg(_receive)
        registry.watch(self._on_methods)
        self._ask()

    @property
    def n_models(self) -> int:
        """How many models are compared."""
        return len(self._panels.subjects)

    @property
    def n_images(self) -> int:
        """How many pictures there are."""
        return len(self._panels.subjects[0].inputs)

    @property
    def picture_size(self) -> tuple[int, int]:
        """Height and width of the first model's pictures, in pixels."""
        height, width = self._panels.subjects[0].pictures.shape[1:3]
        return height, width

    @property
    def attribution(self) -> Attribution | None:
        """The newest finished `Attribution` of the first panel; None before there is one. See `wait`."""
        return self._panels.lead.attribution

    @property
    def attributions(self) -> tuple[Attribution | None, ...]:
        """Those of all panels that ask the model, in their order."""
        return tuple(session.attribution for session in self._panels.sessions)

    @property
    def trials(self) -> tuple[Judgement | None, ...]:
        """What is known of each of these maps: its curves, and what they come to. See the trait `trial`."""
        return tuple(self._trials.judgement(session.panel) for session in self._panels.sessions)

    @property
    def status(self) -> State:
        """Where the work of the first panel stands."""
        return self._panels.lead.state

    @property
    def record(self) -> "Record":
        """What was computed in the active panel, with what, and how to do it again: see `saliscope.replay`.

        Raises
        ------
        InputError
            If there is no finished map.
        """
        return export.record_of(self)

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
            What the computation of a panel stopped with.
        """
        until = None if timeout is None else time.monotonic() + timeout
        done = self._panels.wait(timeout)
        # A finished map puts itself on trial before its own work ends.
        done = done and self._trials.wait(None if until is None else max(0.0, until - time.monotonic()))
        for session in self._panels.sessions:
            if done and session.state.phase == "error" and session.error is not None:
                if session.panel and not getattr(session.error, "__notes__", ()):
                    name = type(session.subject.borrowed.module).__name__
                    session.error.add_note(f"In panel {session.panel + 1}, of {name}. The others are there.")
                raise session.error
        if done:
            self._trials.raise_errors()
        return done

    def run(self) -> None:
        """Compute the maps again, nothing remembered: after the model was changed, an error, or a cancel."""
        for subject in self._panels.subjects:
            subject.forget()
        self._trials.forget()
        self._ask(anew=True)

    def refine(self, panel: int = 0) -> None:
        """Go on from a finished map with twice the steps or samples.

        Parameters
        ----------
        panel : int
            Whose map; 0 is the first.

        Raises
        ------
        InputError, MethodError
            If there is no finished map, or its method has nothing to refine.
        """
        self._session_of({"panel": panel}).refine()

    def cancel(self) -> None:
        """Stop the computation; what is on screen stays."""
        self._panels.cancel()
        self._trials.cancel()

    def close(self) -> None:
        """Cancel, and let go of model, pictures and page."""
        if hasattr(self, "_history"):  # not if the constructor refused its arguments
            self._trials.close()
            self._panels.close()
            self._channel.close()
        super().close()

    def index_of(self, target: int | str) -> int:
        """Check a class index of the first model, or find it by its label.

        Raises
        ------
        TargetError
            If the model has no such class, as far as that is known yet.
        """
        return self._panels.subjects[0].index_of(target)

    def layer_of(self, layer: Any, model: int = 0) -> str | None:
        """Name of a layer of a model; None stays None.

        Raises
        ------
        LayerError
            If the model has no such layer.
        """
        return None if layer is None else find_layer(self._panels.subjects[model].borrowed.module, layer)[0]

    @property
    def screen(self) -> Screen:
        """What is on screen, as arrays and words: what the figures are drawn from."""
        return self._panels.screen(self._view())

    def png(self) -> bytes | None:
        """Give the current view as a PNG; None before there is anything to show."""
        screen = self.screen
        return None if screen.panels[0] is None else figure_png(screen, *self._trials.told)

    def figure(self, **options: Any) -> "Figure":
        """Draw the current view for a publication: input, maps, colour bars with unit and clipped share.

        Parameters
        ----------
        **options
            See `saliscope.render.publication.figure`: ``width`` in inches, ``columns``, ``dpi``, ``title``.

        Returns
        -------
        matplotlib.figure.Figure
            ``figure.savefig("map.svg")`` writes PNG, SVG or PDF.

        Raises
        ------
        InputError
            If there is nothing to show yet.
        """
        return export.figure_of(self, **options)

    def trial_figure(self, **options: Any) -> "Figure":
        """Draw the curves of the maps on trial for a publication, with their areas and what they come to.

        Where weights were randomised, the maps of every stage stand below.

        Parameters
        ----------
        **options
            See `saliscope.render.trial_figure.figure`: ``width`` in inches, ``dpi``.

        Returns
        -------
        matplotlib.figure.Figure

        Raises
        ------
        NotDefinedError
            If nothing is on trial, or no curve is known yet.
        """
        from saliscope.render.trial_figure import figure

        return figure(*self._trials.told, sign=self.sign, colormap=self.colormap, **options)

    def to_html(self, path: str | Path) -> Path:
        """Write the explorer as one file that opens from disk, without network and without kernel.

        Everything that is a look works in it. It holds the pictures, the maps with their paths, the classes'
        names and the record; the page lists it.

        Parameters
        ----------
        path : str or Path
            File to write.

        Returns
        -------
        Path
            The file.

        Raises
        ------
        InputError
            If there is nothing to show yet.
        """
        file = Path(path)
        file.write_text(export.html_of(self), encoding="utf-8")
        return file

    def __repr__(self) -> str:
        n, height, width, _ = self._panels.subjects[0].pictures.shape
        names = ", ".join(type(subject.borrowed.module).__name__ for subject in self._panels.subjects)
        return f"SaliencyExplorer({names}, {n} × {height}×{width}, method={self.method!r})"

    def _repr_mimebundle_(self, **kwargs: Any) -> tuple[dict[str, Any], dict[str, Any]] | None:
        bundle = super()._repr_mimebundle_(**kwargs)
        if bundle is None:
            return None
        self._keeper.here()
        if not self._panels.wait(_PNG_PATIENCE):
            self._panels.lead.first.wait(_FIRST_PATIENCE)
        return with_picture(bundle, self.png())

    def _ask(self, anew: bool = False) -> None:
        lead = {name: getattr(self, name) for name in QUESTION}
        self._panels.ask(wanted(lead, self.compare, self._panels.subjects), anew)
        self._report_limits()
        self._trials.consider(self.trial)

    def _refuse(self, error: Exception) -> None:
        state = State("error", self.status.job, text="Refused.", error=failure_of(error))
        self._channel.event("state", state)

    def _limits(self) -> dict[str, float]:
        limits: dict[str, float] = {}
        for result in (session.result for session in self._panels.sessions):
            if result is not None:
                limits[result.unit] = max(limits.get(result.unit, 0.0), result.limit)
        return limits

    def _hear(self, message: Info | State | Result, blobs: list[Blob]) -> None:
        final = isinstance(message, Result) and message.stage == "final"
        if isinstance(message, Result) and final:
            self._follow(message.panel)
        self._tell(message, blobs)
        if final:
            self._report_limits()
            self._trials.consider(self.trial)

    def _tell(self, message: Told, blobs: list[Blob]) -> None:
        self._channel.event(kind_of(message), message, blobs)

    def _run(self, message: Message) -> None:
        if message.get("what") == "trial":
            self._trials.consider(self.trial, again=True)
        else:
            self.run()

    def _cancel(self, message: Message) -> None:
        if message.get("what") == "trial":
            self._trials.cancel()
        else:
            self.cancel()

    def _follow(self, panel: int) -> None:
        """After a refinement, show the configuration that gives the refined map."""
        session = self._panels.session(panel)
        if session is None or not session.settled or session.asked is None or session.attribution is None:
            return
        method = session.attribution.method
        if method == session.asked.method or panel > len(tuple(self.compare)):
            return
        entries: list[dict[str, Any]] = [*self.compare]
        entry = entries[panel - 1] if panel else {}
        if method.key != entry.get("method", self.method):  # another one was chosen a moment ago
            return
        own: dict[str, Any] = {"params": {name: getattr(method, name) for name in defaults(type(method))}}
        if hasattr(method, "n_steps"):
            own["n_steps"] = method.n_steps  # type: ignore[attr-defined]
        with self._quietly():
            if panel:
                self.compare = [*entries[: panel - 1], entry | own, *entries[panel:]]
            else:
                self.params = own["params"]
                self.n_steps = own.get("n_steps", self.n_steps)

    def _welcome(self, message: Message) -> None:
        self._keeper.here()
        self._panels.tell_all(self._tell)
        self._trials.tell_all(self._tell)

    def _on_methods(self) -> None:
        self._tell(*self._panels.info())

    def _blobs(self) -> list[Blob]:
        return [*self._panels.blobs, *self._trials.blobs, *self._panels.info()[1]]

    def _gradients(self, message: Message) -> Reply:
        result, _, blobs = self._session_of(message).gradients()
        return Reply({"job": result.job, "stack": blobs[0].hash}, blobs)

    def _session_of(self, message: Message) -> SaliencySession:
        panel = message.get("panel", 0)
        whole = isinstance(panel, int) and not isinstance(panel, bool)
        session = self._panels.session(panel) if whole else None
        if session is None:
            raise InputError("panel", repr(panel), "the number of a panel that asks the model")
        return session


def _receive(widget: SaliencyExplorer, content: Any, buffers: Any) -> None:
    widget._channel.receive(content, buffers)


def _models(model: Any) -> Sequence[Any]:
    if not isinstance(model, (list, tuple)):
        return [model]
    if not 1 <= len(model) <= MOST_PANELS:
        raise InputError("model", f"{len(model)} models", f"1 to {MOST_PANELS} models")
    return model
