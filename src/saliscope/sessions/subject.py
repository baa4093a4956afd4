"""A model and its pictures, and what is remembered of its answers: what all panels of an explorer share."""

import threading
from collections import OrderedDict
from collections.abc import Hashable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from saliscope.attribution.base import Attribution, Question
from saliscope.attribution.gradient import InputXGradient, Saliency
from saliscope.attribution.layered import Layered
from saliscope.attribution.walk import PathMethod
from saliscope.core.baselines import occlude
from saliscope.core.batching import ChunkSize, check_chunk_size
from saliscope.core.borrow import Borrowed, borrow
from saliscope.core.preprocess import prepare, show
from saliscope.core.targets import ResolvedTarget, class_index
from saliscope.errors import InputError, SaliscopeError, TargetError
from saliscope.sessions.answers import Cache, Request
from saliscope.sessions.failures import in_our_words
from saliscope.sessions.glance import Glance, layers_of, probabilities_of, version_of
from saliscope.specs.saliency import ModelInfo

CACHE_BYTES = 256 * 2**20
"""Of finished maps and their paths, so that going back to an earlier choice costs nothing."""

_GLANCES = 8
"""Pictures whose plain answers are kept: as many as there can be panels, and a little more."""


class Subject:
    """A model, pictures, and the model's answers to them.

    Parameters
    ----------
    model : nn.Module or Borrowed
    images : picture, batch or list of pictures
        See `saliscope.core.preprocess.prepare`.
    transform, mean, std, labels
        See `saliscope.borrow`.
    chunk_size : int or "auto"

    Attributes
    ----------
    borrowed : Borrowed
    inputs : Tensor of shape (n, channels, height, width)
        In model space.
    pictures : ndarray of uint8, shape (n, height, width, 3)
        The same as pictures.
    notes : tuple of str
        How they came about.
    labels, layers : tuple of str
        All classes, and the layers that a CAM can read; empty before the model first ran.
    generation : object
        Another one each time that `forget` begins anew: what was computed before is of another model.
    """

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
    ) -> None:
        check_chunk_size(chunk_size)
        self.borrowed = lend(model, transform, mean, std, labels)
        self.chunk_size: ChunkSize = chunk_size
        self.inputs: Tensor
        self.pictures: np.ndarray
        self.notes: tuple[str, ...]
        self._take(images)
        self.labels: tuple[str, ...] = ()
        self.layers: tuple[str, ...] = ()
        self._surveyed = False
        # Requests come from any thread; the answers are all given by the worker's.
        self._lock = threading.RLock()
        self.forget()

    def _take(self, images: Any) -> None:
        """Prepare the pictures."""
        try:
            prepared = prepare(images, self.borrowed.preprocessing, self.borrowed.module)
        except SaliscopeError as error:
            raise in_our_words(error) from error.__cause__
        self.inputs, self.pictures = prepared.inputs, prepared.pictures
        self.notes = tuple(prepared.notes)

    def forget(self) -> None:
        """Let go of everything that is kept to save time, and begin with the model as it is now."""
        with self._lock:
            self._version = version_of(self.borrowed.module)
            self.cache = Cache(CACHE_BYTES)
            self.generation = object()
            self._glances: OrderedDict[Hashable, Glance] = OrderedDict()
            self._gradients: dict[Hashable, Tensor] = {}

    @property
    def changed(self) -> bool:
        """Whether the model was changed since its last answer."""
        return version_of(self.borrowed.module) != self._version

    def settle(self) -> None:
        """Count the model as unchanged: what a forward pass wrote was undone, which counts as a write."""
        self._version = version_of(self.borrowed.module)

    def doubt(self) -> None:
        """Look at the pictures anew when asked next: something failed, and the user may mend it."""
        self._glances.clear()

    def survey(self) -> bool:
        """Learn what the menus need, once; whether there was something to learn."""
        if self._surveyed:
            return False
        glance = self.glance(Request(InputXGradient()))
        self.labels = tuple(self.borrowed.label(i) for i in range(glance.n_classes))
        self.layers = layers_of(self.borrowed, self.inputs[:1], self.chunk_size)
        given = len(self.borrowed.labels or self.labels)
        if self.labels and given != len(self.labels):
            self.notes = (*self.notes, f"{given} labels were given for {len(self.labels)} classes.")
        self._surveyed = True
        return True

    def glance(self, request: Request) -> Glance:
        """The model's plain answer to the picture of a request."""
        key = (request.index, request.occlusion)
        if key not in self._glances:
            self._glances[key] = Glance(self.borrowed, self._inputs_of(request))
        self._glances.move_to_end(key)
        while len(self._glances) > _GLANCES:
            self._glances.popitem(last=False)
        return self._glances[key]

    def _inputs_of(self, request: Request) -> Tensor:
        inputs = self.inputs[request.index : request.index + 1]
        if request.occlusion is None:
            return inputs
        return occlude(self.borrowed, inputs, request.occlusion.region, request.occlusion.fill)

    def resolve(self, request: Request) -> ResolvedTarget:
        """Bind the request's target to what the model returned.

        Without one, an occluded picture is asked about the class that the whole picture has.

        Raises
        ------
        TargetError
            If it does not fit.
        """
        if request.occlusion is not None and request.target is None:
            whole = self.glance(replace(request, occlusion=None))
            if whole.probabilities:
                request = replace(request, target=whole.probabilities[0].index)
        return self.glance(request).resolve(request)

    def picture(self, request: Request) -> np.ndarray:
        """What the model is fed, as a picture: uint8 of shape (height, width, 3)."""
        if request.occlusion is None:
            return self.pictures[request.index]
        original = self.inputs[request.index : request.index + 1]
        shown, _ = show(self.glance(request).inputs.cpu(), self.borrowed.preprocessing, original.cpu())
        return shown[0]

    def preview(self, request: Request, target: ResolvedTarget) -> Attribution:
        """One gradient: its product with the way from the baseline, or with the input or a layer's output."""
        method, inputs = request.method, self.glance(request).inputs
        if isinstance(method, Layered) and method.layer is not None:
            made = InputXGradient(layer=method.layer).attribute(self.borrowed, inputs, target)
            return replace(made, method=method)
        gradient = self._gradients.get(request.subject)
        if gradient is None:
            gradient = Saliency(absolute=False).attribute(self.borrowed, inputs, target).values
            self._gradients = {request.subject: gradient}
        question = Question(self.borrowed, inputs, target, self.chunk_size)
        way = question.inputs
        if isinstance(method, PathMethod):
            way = way - method.starts(self.borrowed, question.inputs).mean(0)
        return replace(question.answer(InputXGradient(), way * gradient), method=method)

    def probabilities_at(self, attribution: Attribution, alphas: Sequence[float]) -> Tensor:
        """Probabilities of all classes at points of an attribution's path, of shape (k, n_classes)."""
        assert attribution.path is not None
        if attribution.units is not None:
            got = f"a path of the activations of '{attribution.layer}'"
            raise InputError("predictions", got, "a path of pictures, which a model can be shown")
        at = torch.as_tensor(alphas, dtype=torch.float64)
        points = attribution.path.of(0).points_at(at, attribution.inputs)
        return probabilities_of(self.borrowed, points, self.chunk_size)

    def index_of(self, target: int | str) -> int:
        """Check a class index or find it by its label.

        Raises
        ------
        TargetError
            If there is no such class. Before the model first ran, any index from zero on may be right.
        """
        names = self.labels or self.borrowed.labels
        if self.labels or isinstance(target, str):
            return class_index(target, len(names or ()), names)
        if target < 0:
            raise TargetError("target", str(target), "an index from 0 on")
        return target

    def info(self) -> ModelInfo:
        """What the page needs to know of this model."""
        return ModelInfo(
            name=type(self.borrowed.module).__name__,
            device=str(self.borrowed.place(self.inputs[:1]).device),
            labels=self.labels,
            layers=self.layers,
            preprocessing=self.borrowed.preprocessing.source,
        )


def translated(target: Any, lead: Subject, other: Subject) -> Any:
    """The lead's target as another model counts it: classes of the same name are the same class.

    Raises
    ------
    TargetError
        If the other model has no class of that name.
    """
    names, others = lead.borrowed.labels, other.borrowed.labels
    if lead is other or isinstance(target, bool) or not isinstance(target, int) or not names or not others:
        return target
    if names == others or target >= len(names):
        return target
    if names[target] in others:
        return others.index(names[target])
    raise TargetError(
        "target",
        f"{names[target]!r}, which {type(other.borrowed.module).__name__} has no class for",
        "a class that both models know",
        "Give this panel a target of its own.",
    )


def lend(model: Any, transform: Any, mean: Any, std: Any, labels: Any) -> Borrowed:
    """What the user said when borrowing stays, unless it is said again."""
    if isinstance(model, Borrowed):
        transform = model.preprocessing if transform is None else transform
        labels = model.labels if labels is None else labels
        model = model.module
    return borrow(model, transform=transform, mean=mean, std=std, labels=labels)
