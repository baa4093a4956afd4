"""The SaliencyExplorer without its window: a model, pictures, and answers that get better."""

import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from saliscope.attribution.base import Attribution, Method, Question
from saliscope.attribution.cam import spatial_layers
from saliscope.attribution.gradient import InputXGradient, Saliency
from saliscope.attribution.path import IntegratedGradients
from saliscope.core.batching import ChunkSize
from saliscope.core.borrow import Borrowed, borrow, untouched
from saliscope.core.preprocess import prepare
from saliscope.core.targets import OUTPUTS, ResolvedTarget, Target, class_index, class_scores, resolve
from saliscope.errors import InputError, SaliscopeError, TargetError
from saliscope.render import colormaps
from saliscope.sessions.menus import baseline_menu, method_menu
from saliscope.sessions.publish import result_of
from saliscope.sessions.worker import Job, worker
from saliscope.specs.blobs import Blob
from saliscope.specs.saliency import Failure, Info, Probability, Result, State

PUBLISH_SECONDS = 0.1
"""Partial results and progress reach the page at most this often; a server drops floods."""

CACHE_BYTES = 256 * 2**20


@dataclass(frozen=True)
class Request:
    """What is asked: a method, a score, and which picture of the batch."""

    method: Method
    target: Any = None
    output: str = "logit"
    index: int = 0

    @property
    def key(self) -> tuple:
        """Equal for requests with the same answer."""
        target = tuple(self.target) if isinstance(self.target, list) else self.target
        return (self.method, target, self.output, self.index)


class SaliencySession:
    """One explorer's model, pictures, cache and current job.

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
    listener : callable
        Called with ``(message, blobs)`` for every `Info`, `State` and `Result`, usually on the worker's thread.
    result : Result or None
        The newest one published, with its blobs in `blobs`.
    state : State
    attribution : Attribution or None
        The newest finished one.
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
        self.borrowed = _borrowed(model, transform, mean, std, labels)
        self.chunk_size: ChunkSize = chunk_size
        prepared = prepare(images, self.borrowed.preprocessing, self.borrowed.module)
        self.inputs, self.pictures, self._notes = prepared.inputs, prepared.pictures, tuple(prepared.notes)
        self.listener: Callable[[Info | State | Result, list[Blob]], None] = lambda message, blobs: None
        self.state = State("idle", 0)
        self.result: Result | None = None
        self.blobs: list[Blob] = []
        self.attribution: Attribution | None = None
        self.error: Exception | None = None
        self._lock = threading.Lock()
        self._number = 0
        self._job: Job | None = None
        self._asked: Request | None = None
        self._cache = _Cache(CACHE_BYTES)
        self._glances: dict[int, _Glance] = {}
        self._gradients: dict[tuple, Tensor] = {}
        self._labels: tuple[str, ...] = ()
        self._layers: tuple[str, ...] = ()
        self._surveyed = False

    def explain(self, request: Request) -> None:
        """Start answering; an unfinished answer to an older request is dropped."""
        if not 0 <= request.index < len(self.inputs):
            raise InputError("index", str(request.index), f"an image from 0 to {len(self.inputs) - 1}")
        self._start(request, None)

    def refine(self) -> None:
        """Go on from the finished answer with twice the work.

        Raises
        ------
        NotDefinedError, MethodError
            If there is no finished answer, or its method has nothing to refine.
        """
        asked, attribution = self._asked, self.attribution
        if asked is None or attribution is None or self.state.phase != "done":
            raise InputError("refine", "no finished map", "a finished map to go on from", "Call wait() first.")
        if not attribution.method.refinable:
            attribution.method.refine(attribution, self.borrowed)
        self._start(asked, attribution)

    def cancel(self) -> None:
        """Stop the running job after its current step; what is on screen stays."""
        with self._lock:
            running = self._job is not None and self.state.phase == "running"
            self._number += 1 if running else 0
            number = self._number
        worker.cancel(self)
        if running:
            self._tell(State("cancelled", number, self.state.done, self.state.total, "Cancelled."))

    def wait(self, timeout: float | None = None) -> bool:
        """Wait until nothing is running; False if `timeout` seconds pass first."""
        until = None if timeout is None else time.monotonic() + timeout
        while (job := self._job) is not None:
            if not job.wait(None if until is None else max(0.0, until - time.monotonic())):
                return False
            if job is self._job:
                break
        return True

    def index_of(self, target: int | str) -> int:
        """Check a class index or find it by its label.

        Raises
        ------
        TargetError
            If there is no such class. Before the model first ran, any index from zero on may be right.
        """
        if isinstance(target, str):
            names = self._labels or self.borrowed.labels
            return class_index(target, len(names or ()), names)
        return class_index(target, len(self._labels), self._labels) if self._labels else target

    def close(self) -> None:
        """Cancel, and let go of the listener."""
        self.listener = lambda message, blobs: None
        self.cancel()

    def info(self) -> tuple[Info, list[Blob]]:
        """What the page needs to know of this session, with the colour maps."""
        luts = {name: Blob.from_picture(colormaps.lut(name)) for name in colormaps.names}
        info = Info(
            methods=method_menu(),
            baselines=baseline_menu(),
            labels=self._labels,
            layers=self._layers,
            images=len(self.inputs),
            outputs=OUTPUTS,
            luts={name: blob.hash for name, blob in luts.items()},
            model=type(self.borrowed.module).__name__,
            device=str(self.borrowed.place(self.inputs[:1]).device),
            preprocessing=self.borrowed.preprocessing.source,
        )
        return info, list(luts.values())

    def _start(self, request: Request, refined: Attribution | None) -> None:
        with self._lock:
            self._number += 1
            number = self._number
            self._asked = request
        self._tell(State("running", number, text="Waiting for the model"))
        with self._lock:
            if number == self._number:
                self._job = worker.submit(self, self._work(number, request, refined))

    def _work(self, number: int, request: Request, refined: Attribution | None) -> Iterator[None]:
        try:
            yield from self._answer(number, request, refined)
        except SaliscopeError as error:
            self._fail(number, error, error.argument)
        except Exception as error:  # a defect of ours, or an exotic model: the explorer stays usable and says it
            self._fail(number, error, None)

    def _answer(self, number: int, request: Request, refined: Attribution | None) -> Iterator[None]:
        begun = time.monotonic()
        if not self._surveyed:
            self._survey()
            yield
        inputs = self.inputs[request.index : request.index + 1]
        glance = self._glance(request.index)
        target = self._resolve(request, glance)
        attribution = None if refined is not None else self._cache.get(request.key)
        if attribution is None:
            if refined is not None:
                stream = refined.method.refine_stream(refined, self.borrowed, chunk_size=self.chunk_size)
            else:
                stream = request.method.stream(self.borrowed, inputs, target, chunk_size=self.chunk_size)
                if request.method.refinable and self._is_new_picture(request, target):
                    preview = self._preview(request, inputs, target)
                    self._publish(number, "preview", preview, request, begun)
                    yield
            shown = time.monotonic()
            for step in stream:
                if step.complete:
                    attribution = step.result
                    break
                now = time.monotonic()
                if now - shown >= PUBLISH_SECONDS:
                    shown = now
                    eta = (now - begun) * (step.total - step.done) / max(1, step.done)
                    self._publish(number, "partial", step.result, request, begun)
                    self._running(number, request, step.done, step.total, eta)
                yield
            assert attribution is not None
            self._cache.put((attribution.method, *request.key[1:]), attribution)
        if self._is_current(number):
            self.attribution, self.error = attribution, None
            self._publish(number, "final", attribution, request, begun)
            self._tell(State("done", number, 1, 1, f"Done in {time.monotonic() - begun:.1f} s"))

    def _running(self, number: int, request: Request, done: int, total: int, eta: float) -> None:
        if self._is_current(number):
            self._tell(State("running", number, done, total, f"{request.method.title}: {done} of {total}", eta))

    def _publish(self, number: int, stage: Any, attribution: Attribution, request: Request, begun: float) -> None:
        result, blobs = result_of(
            attribution,
            self.borrowed,
            self.pictures[request.index],
            job=number,
            stage=stage,
            index=request.index,
            probabilities=self._glance(request.index).probabilities,
            notes=self._notes,
            seconds=time.monotonic() - begun,
        )
        if self._is_current(number):
            self.result, self.blobs = result, blobs
            self.listener(result, blobs)

    def _fail(self, number: int, error: Exception, argument: str | None) -> None:
        if self._is_current(number):
            self.error = error
            failure = Failure(type(error).__name__, argument, str(error))
            self._tell(State("error", number, text="Stopped by an error.", error=failure))

    def _tell(self, state: State) -> None:
        self.state = state
        self.listener(state, [])

    def _is_current(self, number: int) -> bool:
        return number == self._number

    def _is_new_picture(self, request: Request, target: ResolvedTarget) -> bool:
        # While a slider of the same method moves, the finished picture is a better stand-in than a preview.
        shown = self.result
        index = None if target.indices is None else int(target.indices[0])
        now = (request.method.key, request.index, index, request.output)
        return shown is None or now != (shown.method, shown.index, shown.target, shown.output)

    def _preview(self, request: Request, inputs: Tensor, target: ResolvedTarget) -> Attribution:
        """One gradient at the input: its product with the way from the baseline, or with the input."""
        key = request.key[1:]
        method = request.method
        gradient = self._gradients.get(key)
        if gradient is None:
            gradient = Saliency(absolute=False).attribute(self.borrowed, inputs, target).values
            self._gradients = {key: gradient}
        question = Question(self.borrowed, inputs, target, self.chunk_size)
        way = question.inputs
        if isinstance(method, IntegratedGradients):
            way = way - method.baselines[0].make(self.borrowed, question.inputs)
        return replace(question.answer(InputXGradient(), way * gradient), method=method)

    def _survey(self) -> None:
        """Learn what the menus need: the classes and the layers with a spatial output."""
        glance = self._glance(0)
        self._labels = tuple(self.borrowed.label(i) for i in range(glance.n_classes))
        question = Question(self.borrowed, self.inputs[:1], _anything(glance), self.chunk_size)
        self._layers = tuple(spatial_layers(question)) if question.inputs.ndim == 4 else ()
        self._surveyed = True
        self.listener(*self.info())

    def _glance(self, index: int) -> "_Glance":
        if index not in self._glances:
            inputs = self.borrowed.place(self.inputs[index : index + 1])
            with untouched(self.borrowed.module), torch.no_grad():
                outputs = self.borrowed(inputs.clone())
            self._glances = {index: _Glance(outputs, self.borrowed)}
        return self._glances[index]

    def _resolve(self, request: Request, glance: "_Glance") -> ResolvedTarget:
        target = request.target
        if not isinstance(target, (Target, ResolvedTarget)):
            target = Target(target, request.output)  # type: ignore[arg-type]
        return resolve(target, glance.outputs, 1, self.borrowed.label, self.borrowed.labels)


class _Glance:
    """The model's plain answer to one picture."""

    def __init__(self, outputs: Any, borrowed: Borrowed) -> None:
        self.outputs = outputs
        try:
            logits = class_scores(outputs)[0].float()
        except TargetError:
            # A segmentation model, say: explained by a function, without a list of classes.
            self.n_classes, self.probabilities = 0, ()
            return
        self.n_classes = len(logits)
        p = logits.softmax(0) if len(logits) > 1 else logits.sigmoid()
        top = p.topk(min(5, len(p)))
        self.probabilities = tuple(
            Probability(int(i), borrowed.label(int(i)), float(v)) for v, i in zip(top.values, top.indices, strict=True)
        )


class _Cache:
    """Finished attributions, the least recently used dropped first."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._items: OrderedDict[tuple, Attribution] = OrderedDict()

    def get(self, key: tuple) -> Attribution | None:
        if key in self._items:
            self._items.move_to_end(key)
        return self._items.get(key)

    def put(self, key: tuple, attribution: Attribution) -> None:
        self._items[key] = attribution
        self._items.move_to_end(key)
        while len(self._items) > 1 and sum(map(_size, self._items.values())) > self._limit:
            self._items.popitem(last=False)


def _size(attribution: Attribution) -> int:
    own = attribution.values.nbytes + (0 if attribution.path is None else attribution.path.terms.nbytes)
    return own + sum(map(_size, attribution.per_baseline))


def _borrowed(model: Any, transform: Any, mean: Any, std: Any, labels: Any) -> Borrowed:
    """What the user said when borrowing stays, unless it is said again."""
    if not isinstance(model, Borrowed):
        return borrow(model, transform=transform, mean=mean, std=std, labels=labels)
    again = borrow(model.module, transform=transform, mean=mean, std=std, labels=labels)
    silent = transform is None and mean is None and std is None
    return replace(
        model,
        preprocessing=model.preprocessing if silent else again.preprocessing,
        labels=model.labels if labels is None else again.labels,
    )


def _anything(glance: _Glance) -> ResolvedTarget:
    """A target for questions that are about the model only."""
    return ResolvedTarget("logit", None, None, lambda outputs: outputs, ("",))
