"""Where one question at a time is answered: jobs in a row, what is said of them, how they are stopped."""

import itertools
import threading
import time
from collections.abc import Callable, Generator, Iterator, Sequence
from typing import Any

from saliscope.sessions.failures import failure_of, in_our_words, without_locals
from saliscope.sessions.worker import Job, outwait, worker
from saliscope.specs.blobs import Blob
from saliscope.specs.embedding import Work, WorkState
from saliscope.specs.saliency import Failure

STATE_SECONDS = 0.1
"""Words about progress reach the page at most this often; a server drops floods."""


class Stopped(Exception):
    """Somebody cancelled; unlike a job that is replaced, this one still says where it got."""


class Desk:
    """The newest question, and the worker's job that answers it.

    Parameters
    ----------
    numbers : iterator of int, optional
        Where job numbers come from; they grow.

    Attributes
    ----------
    listener : callable
        Called with ``(message, blobs)`` for everything that happens, usually on the worker's thread, one at
        a time and in the order of the job numbers.
    state : WorkState
    error : Exception or None
        What the newest job stopped with.
    first : threading.Event
        Set once there is something to show, an answer or an error.
    """

    def __init__(self, numbers: Iterator[int] | None = None) -> None:
        self.listener: Callable[[Any, list[Blob]], None] = lambda message, blobs: None
        self.state = WorkState("idle", 0)
        self.error: Exception | None = None
        self.first = threading.Event()
        # Held while the listener is told, so that nothing of an old job comes after a newer one's news.
        self._lock = threading.RLock()
        self._numbers = itertools.count(1) if numbers is None else numbers
        self._number = 0
        self._stopped = 0
        self._job: Job | None = None
        self._told = 0.0

    @property
    def settled(self) -> bool:
        """Whether nothing is being computed."""
        return self.state.phase != "running"

    def cancel(self) -> None:
        """Stop after the current step; what is on its way stays where it is."""
        with self._lock:
            self._stopped = self._number

    def wait(self, timeout: float | None = None) -> bool:
        """Wait until nothing is running; False if `timeout` seconds pass first."""
        return outwait(lambda: self._job, timeout)

    def close(self) -> None:
        """Stop, and let go of the listener."""
        with self._lock:
            self.listener = lambda message, blobs: None
            self.cancel()
            worker.cancel(self)

    def _submit(self, work: Callable[[int], Iterator[None]]) -> None:
        """Have a job done instead of the one before."""
        with self._lock:
            self._number = next(self._numbers)
            self.error = None
            self._tell(self._number, "running", "layout", text="Waiting")
            self._job = worker.submit(self, self._work(self._number, work))

    def _work(self, number: int, work: Callable[[int], Iterator[None]]) -> Iterator[None]:
        try:
            yield from work(number)
        except Stopped:
            self._tell(number, "cancelled", text="Cancelled.")
        except Exception as error:  # also a defect of ours: the explorer stays usable
            self._fail(number, in_our_words(error))

    def _interruptible(self, number: int, work: Generator[None, None, Any]) -> Generator[None, None, Any]:
        while True:
            try:
                next(work)
            except StopIteration as end:
                return end.value
            yield from self._pause(number)

    def _pause(self, number: int) -> Generator[None, None, None]:
        """Let others have their turn."""
        yield
        if self._stopped == number:
            raise Stopped

    def _reporter(self, number: int) -> Callable[[Work, int, int, str], None]:
        return lambda what, done, total, text: self._report(number, what, done, total, text)

    def _report(
        self, number: int, what: Work, done: int, total: int, text: str, eta: float | None = None
    ) -> None:
        now = time.monotonic()
        if now - self._told >= STATE_SECONDS or self.state.what != what:
            self._tell(number, "running", what, done, total, text, eta)

    def _tell(
        self,
        number: int,
        phase: Any,
        what: Work = "layout",
        done: int = 0,
        total: int = 0,
        text: str = "",
        eta: float | None = None,
        error: Failure | None = None,
    ) -> None:
        with self._lock:
            if number == self._number:
                self._told = time.monotonic()
                self.state = WorkState(phase, number, done, total, text, eta, error, what=what)
                self.listener(self.state, [])

    def _hear(self, number: int, message: Any, blobs: Sequence[Blob]) -> None:
        with self._lock:
            if number == self._number:
                self.listener(message, [*blobs])

    def _fail(self, number: int, error: Exception) -> None:
        without_locals(error)
        failure = failure_of(error)
        with self._lock:
            if number == self._number:
                self.error = error
                self.first.set()
                self._tell(number, "error", text="Stopped by an error.", error=failure)
