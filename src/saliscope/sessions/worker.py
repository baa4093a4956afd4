"""One thread that does all engine work of the process, step by step.

Engines are generators, so the worker gives every running job one step in turn: a long computation in one
explorer does not stop another one, and a cancel or a newer request takes effect between two steps.
"""

import atexit
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Hashable, Iterator

IDLE_SECONDS = 5.0
"""How long the thread waits for work before it ends: explorers that are only looked at cost no thread."""

EXIT_SECONDS = 10.0
"""How long the end of the process waits for the step that runs."""


class Job:
    """A queued computation.

    Parameters
    ----------
    key : hashable
        Whose work it is; a newer job with the same key replaces this one.
    task : iterator
        Advanced once per turn. It is closed when the job is cancelled, and reports that by itself.
    """

    def __init__(self, key: Hashable, task: Iterator[object]) -> None:
        self.key = key
        self.task: Iterator[object] | None = task
        self.cancelled = False
        self._finished = threading.Event()

    def cancel(self) -> None:
        """Stop before the next step."""
        self.cancelled = True

    def wait(self, timeout: float | None = None) -> bool:
        """Wait until the job has ended in any way; False if `timeout` seconds pass first."""
        return self._finished.wait(timeout)

    def finish(self) -> None:
        """Close the task and let waiters go; the task's model and tensors are released."""
        task, self.task = self.task, None
        try:
            close = getattr(task, "close", None)
            if close is not None:
                close()
        finally:
            self._finished.set()


def outwait(newest: Callable[[], Job | None], timeout: float | None = None) -> bool:
    """Wait until the newest job has ended, whatever takes its place meanwhile; False if time runs out."""
    until = None if timeout is None else time.monotonic() + timeout
    while (job := newest()) is not None:
        if not job.wait(None if until is None else max(0.0, until - time.monotonic())):
            return False
        if job is newest():
            break
    return True


class Worker:
    """A queue of jobs and the thread that serves it; the thread exists only while there is work."""

    def __init__(self) -> None:
        self._jobs: deque[Job] = deque()
        self._current: Job | None = None
        self._changed = threading.Condition()
        self._thread: threading.Thread | None = None

    def submit(self, key: Hashable, task: Iterator[object]) -> Job:
        """Queue a task; the newest one of a key replaces the others, finished or not."""
        job = Job(key, task)
        with self._changed:
            self._cancel(key)
            self._jobs.append(job)
            if self._thread is None:
                thread = threading.Thread(target=self._serve, name="saliscope-worker", daemon=True)
                thread.start()
                self._thread = thread
            self._changed.notify_all()
        return job

    def cancel(self, key: Hashable) -> None:
        """Cancel whatever is queued or running under a key."""
        with self._changed:
            self._cancel(key)
            self._changed.notify_all()

    def stop(self, timeout: float) -> None:
        """Cancel everything, and wait at most `timeout` seconds until no step runs any more."""
        until = time.monotonic() + timeout
        with self._changed:
            jobs = self._unfinished()
            for job in jobs:
                job.cancel()
        for job in jobs:
            job.wait(max(0.0, until - time.monotonic()))

    def _cancel(self, key: Hashable) -> None:
        for job in self._unfinished():
            if job.key == key:
                job.cancel()

    def _unfinished(self) -> list[Job]:
        return [*self._jobs, *([self._current] if self._current else [])]

    def _serve(self) -> None:
        while True:
            with self._changed:
                if not self._jobs and not self._changed.wait_for(lambda: bool(self._jobs), IDLE_SECONDS):
                    self._thread = None
                    return
                self._current = self._jobs.popleft()
            again = self._step(self._current)
            with self._changed:
                if again:
                    self._jobs.append(self._current)
                self._current = None

    @staticmethod
    def _step(job: Job) -> bool:
        """Advance a job once; whether it wants another turn."""
        try:
            if not job.cancelled and job.task is not None:
                next(job.task)
                return True
        except StopIteration:
            pass
        except BaseException:
            _show()
        try:
            job.finish()
        except BaseException:
            _show()
        return False


def _show() -> None:
    # A task reports its own errors. What gets here is a defect: show it, and keep serving the others.
    threading.excepthook(threading.ExceptHookArgs((*sys.exc_info(), threading.current_thread())))


worker = Worker()
"""The process's worker: torch's cores are shared by everything anyway."""

# A thread inside of torch while the interpreter goes down would abort the process.
atexit.register(worker.stop, EXIT_SECONDS)
