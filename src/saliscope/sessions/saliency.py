"""A panel without its window: a question to a model, and an answer that gets better."""

import itertools
import threading
import time
from collections.abc import Callable, Generator, Iterator
from contextlib import suppress
from dataclasses import replace
from typing import Any

import numpy as np

from saliscope.attribution.base import Attribution
from saliscope.core.anytime import Step
from saliscope.core.targets import ResolvedTarget
from saliscope.errors import InputError, MethodError, NotDefinedError
from saliscope.sessions.answers import Request
from saliscope.sessions.failures import failure_of, in_our_words, without_locals
from saliscope.sessions.menus import can_refine, may_stop, work_of
from saliscope.sessions.publish import (
    gradients_of,
    kind_of_score,
    predicted_at,
    predictions_of,
    result_of,
)
from saliscope.sessions.subject import Subject
from saliscope.sessions.worker import Job, outwait, worker
from saliscope.specs.blobs import Blob
from saliscope.specs.saliency import Predictions, Result, Stage, State

PUBLISH_SECONDS = 0.1
"""Partial results and progress reach the page at most this often; a server drops floods."""

PREDICTED_POINTS = 17
"""Points of a path at which all classes are asked for; between them the page interpolates."""


class SaliencySession:
    """One panel's question and its current job.

    Parameters
    ----------
    subject : Subject
        Model and pictures, shared with the other panels.
    panel : int
        Its place on screen.
    model : int
        Index of the model.
    numbers : iterator of int, optional
        Where job numbers come from; they grow. Panels that may take each other's place share one.

    Attributes
    ----------
    listener : callable
        Called with ``(message, blobs)`` for every `State` and `Result`, and with ``(None, [])`` when the
        subject has learnt what the menus need; usually on the worker's thread, one at a time and in the order
        of the job numbers.
    shown : (Result or None, list of Blob)
        The newest result published and its blobs, which belong together.
    state : State
    attribution : Attribution or None
        The newest finished one.
    asked, answered : Request or None
        The newest request, and the one that `attribution` answers.
    first : threading.Event
        Set once there is something to show, a map or an error.
    """

    def __init__(
        self, subject: Subject, panel: int = 0, model: int = 0, numbers: Iterator[int] | None = None
    ) -> None:
        self.subject, self.panel, self.model = subject, panel, model
        self.listener: Callable[[State | Result | None, list[Blob]], None] = lambda message, blobs: None
        self.state = State("idle", 0, panel=panel)
        self.shown: tuple[Result | None, list[Blob]] = (None, [])
        self.attribution: Attribution | None = None
        self.error: Exception | None = None
        self.asked: Request | None = None
        self.answered: Request | None = None
        self.generation: object = None
        # Held while the listener is told, so that nothing of an old job comes after a newer one's news.
        self._lock = threading.RLock()
        self._numbers = itertools.count(1) if numbers is None else numbers
        self._number = 0
        self._job: Job | None = None
        self._begun = 0
        self._published = 0.0
        self._extras: dict[str, tuple[Attribution, Any]] = {}
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
        return self.asked is not None and self.asked is self.answered

    def explain(self, request: Request) -> None:
        """Start answering; an unfinished answer to an older request is dropped after its current step.

        Raises
        ------
        InputError
            If there is no such picture.
        """
        if not 0 <= request.index < len(self.subject.inputs):
            raise InputError(
                "index", str(request.index), f"a picture from 0 to {len(self.subject.inputs) - 1}"
            )
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
            if self.subject.changed:
                got = "a model that has changed since"
                raise InputError("refine", got, "the model of the finished map", "Make a new explorer.")
            method = attribution.method
            if not method.refinable:
                method.refine(attribution, self.subject.borrowed)
            if not can_refine(method):
                got = f"a map of {work_of(method)} steps"
                raise MethodError("refine", got, "fewer steps", "The engines themselves know no limit.")
            self._start(asked, attribution)

    def cancel(self) -> None:
        """Stop the running job after its current step; what is on screen stays."""
        with self._lock:
            if self.state.phase == "running":
                self._number = self._begun = next(self._numbers)
                worker.cancel(self)
                done, total = self.state.done, self.state.total
                self._tell(State("cancelled", self._number, done, total, "Cancelled."))

    def wait(self, timeout: float | None = None) -> bool:
        """Wait until nothing is running; False if `timeout` seconds pass first."""
        return outwait(lambda: self._job, timeout)

    def refuse(self, error: Exception) -> None:
        """Show why a question cannot even be asked; what runs is cancelled, what is on screen stays."""
        with self._lock:
            self.cancel()
            self._number = self._begun = next(self._numbers)
            self.asked = None
            self._fail(self._number, error)

    def close(self) -> None:
        """Cancel, and let go of the listener."""
        with self._lock:
            self.listener = lambda message, blobs: None
            self.cancel()

    def gradients(self) -> tuple[Result, np.ndarray, list[Blob]]:
        """The gradients along the path of the map on screen, as a stack with its blob.

        Raises
        ------
        InputError
            If the map has no path.
        """
        result, attribution = self._on_screen("gradients")
        stack, blob = self._extra("gradients", attribution, lambda: gradients_of(attribution))
        return result, stack, [blob]

    def predictions(self) -> Predictions:
        """The strongest classes along the path of the map on screen; asks the model the first time.

        Raises
        ------
        InputError
            If the map has no path.
        TargetError, ModelError
            If the model's output is no list of classes.
        """
        result, attribution = self._on_screen("predictions")

        def ask() -> Predictions:
            alphas = predicted_at(attribution, PREDICTED_POINTS)
            p = self.subject.probabilities_at(attribution, alphas).numpy()
            return predictions_of(p, alphas, self.subject.borrowed)

        return replace(self._extra("predictions", attribution, ask), job=result.job)

    def _on_screen(self, name: str) -> tuple[Result, Attribution]:
        with self._lock:
            result, attribution = self.shown[0], self.attribution
            if result is None or result.stage != "final" or attribution is None or attribution.path is None:
                raise InputError(name, "no finished map with a path", "a map of a path method, finished")
            return result, attribution

    def _extra(self, name: str, attribution: Attribution, make: Callable[[], Any]) -> Any:
        """What is made of a finished map only if somebody wants to see it, once."""
        known = self._extras.get(name)
        if known is None or known[0] is not attribution:
            known = self._extras[name] = (attribution, make())
        return known[1]

    def _start(self, request: Request, refined: Attribution | None) -> None:
        with self._lock:
            self._number = next(self._numbers)
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
        subject = self.subject
        if subject.changed:
            subject.forget()
        if subject.survey():
            with self._lock:
                self.listener(None, [])
            yield
        attribution = None if refined is not None else subject.cache.get(request.key)
        if attribution is None:
            glance, chunk_size = subject.glance(request), subject.chunk_size
            target = subject.resolve(request)
            if request.method.in_one_call:
                text = f"{request.method.title}: cannot be stopped before it is done"
                self._tell(State("running", number, text=text))
            if refined is not None:
                stream = refined.method.refine_stream(refined, subject.borrowed, chunk_size=chunk_size)
            else:
                stream = request.method.stream(subject.borrowed, glance.inputs, target, chunk_size=chunk_size)
                if request.method.refinable and self._is_new_picture(request, target):
                    # The method may well pass by a point where the model has no gradient.
                    with suppress(NotDefinedError):
                        self._publish(number, "preview", subject.preview(request, target), request, begun)
                    yield
            attribution = yield from self._drive(number, request, stream, begun)
            key = request.key if refined is None else (attribution.method, *request.subject)
            subject.cache.put(key, attribution)
            subject.settle()
        self._publish(number, "final", attribution, request, begun)

    def _drive(
        self, number: int, request: Request, stream: Iterator[Step[Attribution]], begun: float
    ) -> Generator[None, None, Attribution]:
        """Publish partial answers now and then, and return the last one."""
        at_most = may_stop(request.method)
        for step in stream:
            if step.complete:
                return step.result
            now = time.monotonic()
            if now - self._published >= PUBLISH_SECONDS:
                eta = (now - begun) * (step.total - step.done) / max(1, step.done)
                text = f"{request.method.title}: {step.done} of {'at most ' * at_most}{step.total}"
                self._publish(number, "partial", step.result, request, begun)
                self._tell(State("running", number, step.done, step.total, text, eta, at_most=at_most))
            yield
        raise RuntimeError("the stream ended before its last step")

    def _publish(
        self, number: int, stage: Stage, attribution: Attribution, request: Request, begun: float
    ) -> None:
        result, blobs = result_of(
            attribution,
            self.subject.borrowed,
            self.subject.picture(request),
            job=number,
            stage=stage,
            index=request.index,
            probabilities=self.subject.glance(request).probabilities,
            notes=self._notes_of(request),
            seconds=time.monotonic() - begun,
        )
        result = replace(result, panel=self.panel, model=self.model)
        with self._lock:
            if number != self._begun:
                return
            self._published = time.monotonic()
            self.shown = result, blobs
            self.first.set()
            if stage == "final":
                self.attribution, self.answered, self.error = attribution, request, None
                self.generation = self.subject.generation
            self.listener(result, blobs)
            if stage == "final" and number == self._number:
                self._tell(State("done", number, 1, 1, f"Done in {result.seconds:.1f} s"))

    def _fail(self, number: int, error: Exception) -> None:
        without_locals(error)
        self.subject.doubt()
        failure = failure_of(error)
        with self._lock:
            if number == self._number:
                self.error = error
                self.first.set()
                self._tell(State("error", number, text="Stopped by an error.", error=failure))

    def _tell(self, state: State) -> None:
        with self._lock:
            if state.job == self._begun:
                self.state = replace(state, panel=self.panel)
                self.listener(self.state, [])

    def _is_new_picture(self, request: Request, target: ResolvedTarget) -> bool:
        # While a slider of the same method moves, the finished picture is a better stand-in than a preview.
        shown = self.result
        index = None if target.indices is None else int(target.indices[0])
        now = (request.method.key, request.index, index, kind_of_score(target), self.model)
        return shown is None or now != (shown.method, shown.index, shown.target, shown.output, shown.model)

    def _notes_of(self, request: Request) -> tuple[str, ...]:
        if request.occlusion is None:
            return self.subject.notes
        return (*self.subject.notes, f"Not the picture itself: {request.occlusion}.")
