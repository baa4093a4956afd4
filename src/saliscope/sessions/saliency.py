"""The SaliencyExplorer without its window: a model, pictures, and answers that get better."""

import threading
import time
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Any

from torch import Tensor, nn

from saliscope.attribution.base import Attribution, Question
from saliscope.attribution.gradient import InputXGradient, Saliency
from saliscope.attribution.path import IntegratedGradients
from saliscope.core.anytime import Step
from saliscope.core.batching import ChunkSize, check_chunk_size
from saliscope.core.borrow import Borrowed, borrow
from saliscope.core.preprocess import prepare
from saliscope.core.targets import ResolvedTarget, class_index
from saliscope.errors import InputError, MethodError, NotDefinedError, SaliscopeError, TargetError
from saliscope.sessions.answers import Cache, Request
from saliscope.sessions.failures import in_our_words, without_locals
from saliscope.sessions.glance import Glance, layers_of, version_of
from saliscope.sessions.menus import can_refine, info_of, work_of
from saliscope.sessions.publish import kind_of_score, result_of
from saliscope.sessions.worker import Job, worker
from saliscope.specs.blobs import Blob
from saliscope.specs.saliency import Failure, Info, Result, Stage, State

PUBLISH_SECONDS = 0.1
"""Partial results and progress reach the page at most this often; a server drops floods."""

CACHE_BYTES = 256 * 2**20
"""Of finished maps and their paths, so that going back to an earlier choice costs nothing."""


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
        Called with ``(message, blobs)`` for every `Info`, `State` and `Result`, usually on the worker's
        thread, one at a time and in the order of their job numbers.
    shown : (Result or None, list of Blob)
        The newest result published and its blobs, which belong together.
    state : State
    attribution : Attribution or None
        The newest finished one.
    asked : Request or None
        The newest request.
    first : threading.Event
        Set once there is something to show, a map or an error.
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
        self.borrowed = _borrowed(model, transform, mean, std, labels)
        self.chunk_size: ChunkSize = chunk_size
        try:
            prepared = prepare(images, self.borrowed.preprocessing, self.borrowed.module)
        except SaliscopeError as error:
            raise in_our_words(error) from error.__cause__
        self.inputs, self.pictures, self._notes = prepared.inputs, prepared.pictures, tuple(prepared.notes)
        self.listener: Callable[[Info | State | Result, list[Blob]], None] = lambda message, blobs: None
        self.state = State("idle", 0)
        self.shown: tuple[Result | None, list[Blob]] = (None, [])
        self.attribution: Attribution | None = None
        self.error: Exception | None = None
        self.asked: Request | None = None
        self._answered: Request | None = None
        # Held while the listener is told, so that nothing of an old job comes after a newer one's news.
        self._lock = threading.RLock()
        self._number = 0
        self._job: Job | None = None
        self._forget()
        self._labels: tuple[str, ...] = ()
        self._layers: tuple[str, ...] = ()
        self._surveyed = False
        self._begun = 0
        self._published = 0.0
        self.first = threading.Event()

    @property
    def result(self) -> Result | None:
        """The newest one published."""
        return self.shown[0]

    @property
    def blobs(self) -> list[Blob]:
        """Arrays of the newest result."""
        return self.shown[1]

    @property
    def settled(self) -> bool:
        """Whether the newest finished answer is the one to the newest request."""
        return self.asked is not None and self.asked is self._answered

    def forget(self) -> None:
        """Drop what is remembered of the model's answers: the next request computes anew."""
        with self._lock:
            self._forget()

    def explain(self, request: Request) -> None:
        """Start answering; an unfinished answer to an older request is dropped after its current step.

        Raises
        ------
        InputError
            If there is no such picture.
        """
        if not 0 <= request.index < len(self.inputs):
            raise InputError("index", str(request.index), f"a picture from 0 to {len(self.inputs) - 1}")
        self._start(request, None)

    def refine(self) -> None:
        """Go on from the finished answer with twice the work.

        Raises
        ------
        InputError, MethodError
            If there is no finished answer, or its method has nothing to refine.
        """
        with self._lock:
            asked, attribution = self.asked, self.attribution
            if self.state.phase == "running" or not self.settled:
                attribution = None
            if asked is None or attribution is None:
                expected = "a finished map to go on from"
                raise InputError("refine", "no finished map", expected, "Call wait() first.")
            if version_of(self.borrowed.module) != self._version:
                got = "a model that has changed since"
                raise InputError("refine", got, "the model of the finished map", "Make a new explorer.")
            method = attribution.method
            if not method.refinable:
                method.refine(attribution, self.borrowed)
            if not can_refine(method):
                got = f"a map of {work_of(method)} steps"
                raise MethodError("refine", got, "fewer steps", "The engines themselves know no limit.")
            self._start(asked, attribution)

    def cancel(self) -> None:
        """Stop the running job after its current step; what is on screen stays."""
        with self._lock:
            if self.state.phase == "running":
                self._number += 1
                self._begun = self._number
                worker.cancel(self)
                done, total = self.state.done, self.state.total
                self._tell(State("cancelled", self._number, done, total, "Cancelled."))

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
        names = self._labels or self.borrowed.labels
        if self._labels or isinstance(target, str):
            return class_index(target, len(names or ()), names)
        if target < 0:
            raise TargetError("target", str(target), "an index from 0 on")
        return target

    def close(self) -> None:
        """Cancel, and let go of the listener and of the answers."""
        with self._lock:
            self.listener = lambda message, blobs: None
            self.cancel()
            self._forget()

    def info(self) -> tuple[Info, list[Blob]]:
        """What the page needs to know of this session, with the colour maps."""
        return info_of(self.borrowed, self.inputs, self._labels, self._layers)

    def _forget(self) -> None:
        """Let go of everything that is kept to save time, and begin with the model as it is now."""
        self._version = version_of(self.borrowed.module)
        self._cache = Cache(CACHE_BYTES)
        self._glances: dict[int, Glance] = {}
        self._gradients: dict[Any, Tensor] = {}

    def _start(self, request: Request, refined: Attribution | None) -> None:
        with self._lock:
            self._number += 1
            self.asked = request
            self._job = worker.submit(self, self._work(self._number, request, refined))
            if self.state.phase != "running":
                self._begin(self._number)

    def _begin(self, number: int) -> None:
        """From now on the answers of this job count. Until then those of the job before it do.

        A slider sends faster than a model answers: if each request silenced the one before it at once,
        nothing would be shown until the hand rests.
        """
        with self._lock:
            if number > self._begun:
                self._begun = number
                self._tell(State("running", number, text="Waiting for the model"))

    def _work(self, number: int, request: Request, refined: Attribution | None) -> Iterator[None]:
        try:
            yield from self._answer(number, request, refined)
        except Exception as error:  # also a defect of ours, or an exotic model: the explorer stays usable
            self._fail(number, in_our_words(error))

    def _answer(self, number: int, request: Request, refined: Attribution | None) -> Iterator[None]:
        self._begin(number)
        begun = time.monotonic()
        if version_of(self.borrowed.module) != self._version:
            self._forget()
        if not self._surveyed:
            self._survey()
            yield
        attribution = None if refined is not None else self._cache.get(request.key)
        if attribution is None:
            glance = self._glance(request.index)
            inputs, target = glance.inputs, glance.resolve(request)
            if refined is not None:
                stream = refined.method.refine_stream(refined, self.borrowed, chunk_size=self.chunk_size)
            else:
                stream = request.method.stream(self.borrowed, inputs, target, chunk_size=self.chunk_size)
                if request.method.refinable and self._is_new_picture(request, target):
                    # The method may well pass by a point where the model has no gradient.
                    with suppress(NotDefinedError):
                        preview = self._preview(request, inputs, target)
                        self._publish(number, "preview", preview, request, begun)
                    yield
            attribution = yield from self._drive(number, request, stream, begun)
            key = request.key if refined is None else (attribution.method, *request.subject)
            self._cache.put(key, attribution)
            # What a forward pass wrote was undone, which counts as another write.
            self._version = version_of(self.borrowed.module)
        self._publish(number, "final", attribution, request, begun)

    def _drive(
        self, number: int, request: Request, stream: Iterator[Step[Attribution]], begun: float
    ) -> Generator[None, None, Attribution]:
        """Publish partial answers now and then, and return the last one."""
        for step in stream:
            if step.complete:
                return step.result
            now = time.monotonic()
            if now - self._published >= PUBLISH_SECONDS:
                eta = (now - begun) * (step.total - step.done) / max(1, step.done)
                text = f"{request.method.title}: {step.done} of {step.total}"
                self._publish(number, "partial", step.result, request, begun)
                self._tell(State("running", number, step.done, step.total, text, eta))
            yield
        raise RuntimeError("the stream ended before its last step")

    def _publish(
        self, number: int, stage: Stage, attribution: Attribution, request: Request, begun: float
    ) -> None:
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
        with self._lock:
            if number != self._begun:
                return
            self._published = time.monotonic()
            self.shown = result, blobs
            self.first.set()
            if stage == "final":
                self.attribution, self._answered, self.error = attribution, request, None
            self.listener(result, blobs)
            if stage == "final" and number == self._number:
                self._tell(State("done", number, 1, 1, f"Done in {result.seconds:.1f} s"))

    def _fail(self, number: int, error: Exception) -> None:
        without_locals(error)
        self._glances = {}  # the user may mend the model now
        failure = Failure(type(error).__name__, getattr(error, "argument", None), str(error))
        with self._lock:
            if number == self._number:
                self.error = error
                self.first.set()
                self._tell(State("error", number, text="Stopped by an error.", error=failure))

    def _tell(self, state: State) -> None:
        with self._lock:
            if state.job == self._begun:
                self.state = state
                self.listener(state, [])

    def _is_new_picture(self, request: Request, target: ResolvedTarget) -> bool:
        # While a slider of the same method moves, the finished picture is a better stand-in than a preview.
        shown = self.result
        index = None if target.indices is None else int(target.indices[0])
        now = (request.method.key, request.index, index, kind_of_score(target))
        return shown is None or now != (shown.method, shown.index, shown.target, shown.output)

    def _preview(self, request: Request, inputs: Tensor, target: ResolvedTarget) -> Attribution:
        """One gradient at the input: its product with the way from the baseline, or with the input."""
        method = request.method
        gradient = self._gradients.get(request.subject)
        if gradient is None:
            gradient = Saliency(absolute=False).attribute(self.borrowed, inputs, target).values
            self._gradients = {request.subject: gradient}
        question = Question(self.borrowed, inputs, target, self.chunk_size)
        way = question.inputs
        if isinstance(method, IntegratedGradients):
            way = way - method.baselines[0].make(self.borrowed, question.inputs)
        return replace(question.answer(InputXGradient(), way * gradient), method=method)

    def _survey(self) -> None:
        """Learn what the menus need: the classes and the layers with a spatial output."""
        glance = self._glance(0)
        self._labels = tuple(self.borrowed.label(i) for i in range(glance.n_classes))
        self._layers = layers_of(self.borrowed, self.inputs[:1], self.chunk_size)
        given = len(self.borrowed.labels or self._labels)
        if self._labels and given != len(self._labels):
            self._notes = (*self._notes, f"{given} labels were given for {len(self._labels)} classes.")
        self._surveyed = True
        info, luts = self.info()
        with self._lock:
            self.listener(info, luts)

    def _glance(self, index: int) -> Glance:
        if index not in self._glances:
            self._glances = {index: Glance(self.borrowed, self.inputs[index : index + 1])}
        return self._glances[index]


def _borrowed(model: Any, transform: Any, mean: Any, std: Any, labels: Any) -> Borrowed:
    """What the user said when borrowing stays, unless it is said again."""
    if isinstance(model, Borrowed):
        transform = model.preprocessing if transform is None else transform
        labels = model.labels if labels is None else labels
        model = model.module
    return borrow(model, transform=transform, mean=mean, std=std, labels=labels)
