"""`EmbeddingExplorer`: a map of what a network makes of many inputs, and how far to believe it."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from torch import nn

from saliscope.attribution.base import Attribution
from saliscope.attribution.registry import find_method
from saliscope.core.batching import ChunkSize
from saliscope.errors import InputError
from saliscope.features.pooling import Pool
from saliscope.reduction.embedding import Embedding
from saliscope.reduction.quality import Quality
from saliscope.sessions.answers import Request
from saliscope.sessions.atlas import Atlas
from saliscope.sessions.collection import Collection
from saliscope.sessions.embedding import Asked
from saliscope.sessions.failures import failure_of
from saliscope.sessions.menus import build_method, defaults
from saliscope.sessions.sequences import Walk
from saliscope.specs.blobs import Blob
from saliscope.specs.embedding import Numbers, PlacedPoint, WorkState
from saliscope.specs.saliency import Info, Result, State
from saliscope.widgets.bundle import entry
from saliscope.widgets.channel import Channel
from saliscope.widgets.embedding_requests import LASTING, requests_of, set_message
from saliscope.widgets.embedding_state import SETS, EmbeddingState
from saliscope.widgets.keeper import Keeper
from saliscope.widgets.link import Link
from saliscope.widgets.live import check_names, with_picture

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from saliscope.widgets.saliency import SaliencyExplorer

_PNG_PATIENCE = 0.7
"""Seconds that displaying waits for the finished map, so that the picture beside the widget shows it."""

_FIRST_PATIENCE = 5.0
"""Seconds that it waits for a first map of any kind: without one a closed notebook shows nothing."""

_EVENTS = {"LayoutSequence": "sequence", "WorkState": "state", "PlacedPoint": "placed"}
_LINKED = ("point", "selection", "color_by", "camera")


class EmbeddingExplorer(EmbeddingState):
    """Explore a map of activations, or of any table of numbers, and see where it is wrong.

    Every control is a trait: what a click does, an assignment does too. Rows have the numbers 0 to n - 1 in
    the order in which they were given.

    Parameters
    ----------
    model : nn.Module, saliscope.borrow(...), or array of shape (n, d)
        A model comes back exactly as it was.
    images : pictures, tensor, data set or DataLoader
        The model's inputs; or pictures of an array's rows, which are optional.
    layer : str or nn.Module, optional
        Whose activations are mapped; the last one before the output by default.
    labels : sequence of int or str, optional
        True class of each row.
    columns : dict of sequences, or data frame, optional
        What else is known of each row.
    classes : sequence of str, optional
        Names of the classes.
    layers : sequence, optional
        For ``sweep="layers"``; the model's large parts by default.
    transform, mean, std
        See `SaliencyExplorer`.
    pool : {"auto", "mean", "max", "token", "flatten"}
        See `saliscope.features.activations`.
    chunk_size : int or "auto"
        Inputs that go through the model at once; the map does not depend on it.
    **traits
        Any trait below, for example ``maps=["pca", "tsne"]``, ``params={"tsne": {"perplexity": 50}}``.

    Raises
    ------
    SaliscopeError
        One of its children, naming the argument, what came, what was expected and the way out.

    Examples
    --------
    >>> explorer = EmbeddingExplorer(model, scenes.images, layer="layer4", labels=scenes.labels)
    >>> explorer.wait()
    True
    >>> explorer.embedding.coordinates.shape
    torch.Size([1000, 2])
    >>> explorer.selection = explorer.quality.kept < 0.2
    >>> explorer.link(SaliencyExplorer(model, scenes.images))
    """

    _esm = entry("embedding")

    def __init__(
        self,
        model: Any,
        images: Any = None,
        layer: str | nn.Module | None = None,
        labels: Any = None,
        columns: Any = None,
        classes: Sequence[str] | None = None,
        *,
        layers: Sequence[str | nn.Module] = (),
        transform: Any = None,
        mean: Sequence[float] | None = None,
        std: Sequence[float] | None = None,
        pool: Pool = "auto",
        chunk_size: ChunkSize = "auto",
        **view: Any,
    ) -> None:
        check_names(view, [*self.trait_names(sync=True), *SETS], self)
        collection = Collection(model, images, labels, columns, classes, transform, mean, std)
        self._atlas = Atlas(collection, pool, chunk_size, layers)
        view["layer"] = self._atlas.usual_layer if layer is None else layer
        view.setdefault("color_by", "none" if collection.label is None else "label")
        self._channel = Channel(self.send, requests_of(self), lambda: self._atlas.blobs, LASTING)
        self._keeper = Keeper(self, lambda: self._channel.event("roll"))
        super().__init__(**view)
        self._atlas.session.listener = self._hear
        if self._atlas.inspector is not None:
            self._atlas.inspector.listener = self._hear_inspector
        self.on_msg(_receive)
        if self.sweep is None:
            self._ask()
        else:
            self._walk_now()

    @property
    def n_rows(self) -> int:
        """How many rows there are."""
        return self._atlas.n

    @property
    def columns(self) -> tuple[str, ...]:
        """Names of what is known of the rows, or will be once the model has run."""
        return self._atlas.column_names

    @property
    def embedding(self) -> Embedding | None:
        """The first map as far as it has come, None before there is one. See `wait`."""
        return self.embeddings[0]

    @property
    def embeddings(self) -> tuple[Embedding | None, ...]:
        """Those of all maps, in their order."""
        shown = self._atlas.session.maps
        return tuple(shown[i].embedding if i in shown else None for i in range(len(self.maps)))

    @property
    def quality(self) -> Quality | None:
        """Quality of the first map, point by point; None before it is judged."""
        return self.qualities[0]

    @property
    def qualities(self) -> tuple[Quality | None, ...]:
        """Those of all maps."""
        shown = self._atlas.session.maps
        audits = [shown[i].audit if i in shown else None for i in self._at]
        return tuple(None if audit is None else audit.quality for audit in audits)

    @property
    def numbers(self) -> tuple[Numbers | None, ...]:
        """How far each map can be believed: neighbours kept, trustworthiness, rank correlation and so on."""
        shown = self._atlas.session.maps
        return tuple(shown[i].layout.numbers if i in shown else None for i in self._at)

    @property
    def activations(self) -> Any:
        """The rows that are mapped, a tensor (n, d); None before the model has run."""
        table = self._atlas.session.table
        return None if table is None else table.data

    @property
    def sequence(self) -> Walk | None:
        """The aligned maps that the slider walks along, as far as they have come."""
        return self._atlas.session.walk

    @property
    def attribution(self) -> Attribution | None:
        """The newest finished one of the inspector."""
        return None if self._atlas.inspector is None else self._atlas.inspector.attribution

    @property
    def placed(self) -> tuple[PlacedPoint, ...]:
        """New points on the maps, in the order in which they came."""
        return tuple(self._atlas.placed)

    @property
    def status(self) -> WorkState:
        """Where the work on the maps stands."""
        return self._atlas.session.state

    @property
    def _at(self) -> range:
        return range(len(self.maps))

    def wait(self, timeout: float | None = None) -> bool:
        """Wait until nothing is computed any more; see `SaliencyExplorer.wait`."""
        done = self._atlas.wait(timeout)
        for desk in (self._atlas.session, self._atlas.inspector):
            if done and desk is not None and desk.state.phase == "error" and desk.error is not None:
                raise desk.error
        return done

    def run(self) -> None:
        """Compute the maps again, nothing remembered: after the model was changed, an error, or a cancel."""
        self._atlas.forget()
        self._ask()

    def refine(self, map: int = 0) -> None:
        """Go on from a map with as many iterations again.

        Raises
        ------
        ReductionError
            If there is no such map, or nothing to refine.
        """
        self._atlas.session.refine(map)

    def cancel(self) -> None:
        """Stop the computation; what is on screen stays, and a map on its way can be used."""
        self._atlas.cancel()

    def explain(self, row: int) -> None:
        """Have the inspector explain a row, with `method`, `n_steps` and `target`.

        Raises
        ------
        InputError
            If there is no such row, or no model that sees pictures.
        """
        inspector = self._atlas.inspector
        row = self._atlas.collection.check(row)
        if inspector is None:
            got = "rows without a model that sees pictures"
            raise InputError("explain", got, "EmbeddingExplorer(model, images)")
        cls = find_method(self.method)
        request = Request(build_method(cls, defaults(cls), n_steps=self.n_steps), self.target, index=row)
        # The page asks when a point is clicked, and a linked explorer may have asked already.
        if inspector.asked != request or inspector.state.phase in ("error", "cancelled"):
            inspector.explain(request)

    def place(self, image: Any, name: str = "") -> tuple[PlacedPoint, ...]:
        """Find the place of a new picture, or of a new row of numbers, on every map.

        Parameters
        ----------
        image : picture, or array of shape (d,)
        name : str
            Shown beside the point.

        Raises
        ------
        SaliscopeError
            If it does not fit the model or the data, or there is no map yet.
        """
        work = self._atlas.place(image, name)
        while True:
            try:
                next(work)
            except StopIteration as done:
                for point in done.value:
                    self._tell(point, [])
                return done.value

    def link(self, other: "EmbeddingExplorer | SaliencyExplorer", *names: str) -> Link:
        """Let two explorers follow each other, through Python and wherever they are shown.

        Parameters
        ----------
        other : SaliencyExplorer or EmbeddingExplorer
            Of the same rows. A `SaliencyExplorer` shows the point in focus, and shares target and scale.
        *names : str
            Traits to share with an `EmbeddingExplorer`: point, selection, color_by and camera without any.

        Returns
        -------
        Link
            ``link.close()`` ends it; closing either explorer does too.

        Raises
        ------
        InputError
            If the other one has other rows.
        """
        theirs = other.n_rows if isinstance(other, EmbeddingExplorer) else other.n_images
        if theirs != self.n_rows:
            raise InputError("other", f"an explorer of {theirs} rows", f"one of the same {self.n_rows}")
        if isinstance(other, EmbeddingExplorer):
            check_names(dict.fromkeys(names), (*_LINKED, *SETS, *self.remembered), self)
            same = self.colors == other.colors
            shared = tuple(name for name in _LINKED if same or name != "color_by")
            return self._joined(other, names or shared)
        if self.point is None:
            self.point = other.index
        if self.target is None:
            self.target = other.target
        return self._joined(other, {"point": "index", "target": "target", "scale": "scale"})

    def close(self) -> None:
        """Cancel, and let go of model, rows and page."""
        if hasattr(self, "_history"):  # not if the constructor refused its arguments
            self._atlas.close()
            self._channel.close()
        super().close()

    def layer_of(self, layer: Any) -> str | None:
        """Name of a layer of the model; None for data that were given.

        Raises
        ------
        LayerError
            If the model has no such layer, or it has no tensor of floats for each row.
        """
        if layer is None:
            return self._atlas.usual_layer
        return self._atlas.tables.layer_of(layer)

    def index_of(self, target: int | str) -> int:
        """Check a class index of the model, or find it by its label.

        Raises
        ------
        TargetError, InputError
            If there is no such class, or no model.
        """
        if self._atlas.inspector is None:
            raise InputError("target", repr(target), "None, as there is no model that sees pictures")
        return self._atlas.inspector.subject.index_of(target)

    def png(self) -> bytes | None:
        """Give the maps as a PNG; None before there is anything to show."""
        from saliscope.widgets import embedding_export

        return embedding_export.png_of(self)

    def figure(self, **options: Any) -> "Figure":
        """Draw the maps for a publication, with what their colours mean and how far to believe them.

        Raises
        ------
        InputError
            If there is nothing to show yet.
        """
        from saliscope.widgets import embedding_export

        return embedding_export.figure_of(self, **options)

    def to_html(self, path: str | Path) -> Path:
        """Write the explorer as one file that opens from disk, without network and without kernel.

        Raises
        ------
        InputError
            If there is nothing to show yet.
        """
        from saliscope.widgets import embedding_export

        file = Path(path)
        file.write_text(embedding_export.html_of(self), encoding="utf-8")
        return file

    def __repr__(self) -> str:
        borrowed = self._atlas.collection.borrowed
        what = "array" if borrowed is None else f"{type(borrowed.module).__name__}, layer={self.layer!r}"
        return f"EmbeddingExplorer({what}, {self.n_rows} rows, maps={list(self.maps)})"

    def _repr_mimebundle_(self, **kwargs: Any) -> tuple[dict[str, Any], dict[str, Any]] | None:
        bundle = super()._repr_mimebundle_(**kwargs)
        if bundle is None:
            return None
        self._keeper.here()
        if not self._atlas.session.wait(_PNG_PATIENCE):
            self._atlas.session.first.wait(_FIRST_PATIENCE)
        return with_picture(bundle, self.png())

    def _ask(self) -> None:
        self._atlas.session.ask(Asked(self.layer, self._reducers()))

    def _walk_now(self) -> None:
        self._atlas.session.ask(Asked(self.layer, self._reducers(), self.sweep))

    def _inspect(self) -> None:
        inspector = self._atlas.inspector
        if inspector is not None and inspector.asked is not None:
            self.explain(inspector.asked.index)

    def _refuse(self, error: Exception) -> None:
        state = WorkState("error", self.status.job, text="Refused.", error=failure_of(error))
        self._channel.event("state", state)

    def _limits(self) -> dict[str, float]:
        result = None if self._atlas.inspector is None else self._atlas.inspector.result
        return {} if result is None else {result.unit: result.limit}

    def _tell_set(self, name: str) -> None:
        self._tell(*set_message(self, name))

    def _hear(self, message: Any, blobs: list[Blob]) -> None:
        if message is None:
            message, blobs = self._atlas.points()
        self._tell(message, blobs)

    def _hear_inspector(self, message: State | Result | None, blobs: list[Blob]) -> None:
        told: Info | State | Result | None = message
        if told is None:
            told, blobs = self._atlas.info()
        elif isinstance(told, State):
            told = attributing(told)
        self._tell(told, blobs)
        if isinstance(message, Result) and message.stage == "final":
            self._report_limits()

    def _tell(self, message: Any, blobs: list[Blob]) -> None:
        name = type(message).__name__
        self._channel.event(_EVENTS.get(name, name.lower()), message, blobs)

    def _welcome(self) -> None:
        """Tell a page that comes late where everything stands."""
        atlas = self._atlas
        self._keeper.here()
        atlas.session.welcome()
        self._tell(*atlas.points())
        self._tell(*atlas.info())
        for shown in dict(atlas.session.maps).values():
            self._tell(shown.layout, shown.blobs)
        if atlas.session.sequence is not None:
            self._tell(*atlas.session.sequence)
        for point in atlas.placed:
            self._tell(point, [])
        for name in SETS:
            if getattr(self, name):
                self._tell_set(name)
        self._tell(atlas.session.state, [])
        if atlas.inspector is not None and atlas.inspector.shown[0] is not None:
            result, blobs = atlas.inspector.shown
            self._tell(result, blobs)
            self._tell(attributing(atlas.inspector.state), [])


def attributing(state: State) -> WorkState:
    """The inspector's state, as one of several kinds of work."""
    own = {name: getattr(state, name) for name in ("phase", "job", "done", "total", "text", "eta", "error")}
    return WorkState(**own, what="attribution")


def _receive(widget: EmbeddingExplorer, content: Any, buffers: Any) -> None:
    widget._channel.receive(content, buffers)
