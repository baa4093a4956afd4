"""Libraries that compile for half a minute, cannot be stopped and want the process for themselves.

So each runs in a process of its own. It is kept warm between maps, ended when it was idle for some time, and
ended in the middle of a map when that is cancelled; the next map starts a new one. The user's own main module
is not imported there.
"""

import atexit
import json
import os
import queue
import subprocess
import sys
import tempfile
import threading
import weakref
from collections.abc import Generator
from contextlib import suppress
from pathlib import Path
from typing import IO, Any

import numpy as np

from saliscope.errors import ReductionError
from saliscope.reduction.umap_worker import receive, send

IDLE = 600.0
"""Seconds without a map after which a process is ended."""

POLL = 0.02
"""Seconds that one look at the process may take: a cancel is heard in between."""

# As a file, not as a part of the package: importing that would import torch.
_PROGRAM = (
    "import json, runpy, sys; sys.path[:] = json.loads(sys.argv[1]); runpy.run_path(sys.argv[2])['main']()"
)
_WORKER = Path(__file__).with_name("umap_worker.py")
# An interrupt is the kernel's affair, and is sent to its whole group.
_GROUP: dict[str, Any] = (
    {"process_group": 0} if os.name == "posix" else {"creationflags": subprocess.CREATE_NEW_PROCESS_GROUP}
)
_PACKAGES = {"umap": "umap-learn", "pacmap": "pacmap"}


class Helper:
    """A process that makes maps with one library.

    Attributes
    ----------
    fresh : bool
        Whether it has made none yet, so that it compiles first.
    """

    def __init__(self, library: str) -> None:
        self.library = library
        self.fresh = True
        self._words = tempfile.TemporaryFile()  # noqa: SIM115 # it is closed in `end`
        self._process = subprocess.Popen(
            [sys.executable, "-c", _PROGRAM, json.dumps([str(place) for place in sys.path]), str(_WORKER)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._words,
            **_GROUP,
        )
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._pipes: tuple[IO[bytes], IO[bytes]] = (self._process.stdin, self._process.stdout)
        self._answers: queue.SimpleQueue[tuple[dict[str, Any], list[np.ndarray]] | None] = queue.SimpleQueue()
        self._exchange: threading.Thread | None = None
        _everyone.add(self)

    @property
    def alive(self) -> bool:
        """Whether the process runs."""
        return self._process.poll() is None

    def ask(self, options: dict[str, Any], arrays: list[np.ndarray]) -> None:
        """Begin a map."""
        header = {"library": self.library, "options": options}
        self._exchange = threading.Thread(target=self._talk, args=(header, arrays), daemon=True)
        self._exchange.start()

    def answer(self) -> np.ndarray | None:
        """The map, or None if it is not there within a moment.

        Raises
        ------
        ReductionError
            If the library raised, or its process ended by itself.
        """
        try:
            found = self._answers.get(timeout=POLL)
        except queue.Empty:
            return None
        if found is None:
            raise self._failure(f"its process ended: {self._last_words()}")
        header, arrays = found
        if "error" in header:
            raise self._failure(header["error"])
        self.fresh = False
        return arrays[0]

    def end(self) -> None:
        """End the process, whatever it does."""
        _everyone.discard(self)
        self._process.kill()
        self._process.wait()
        if self._exchange is not None:
            self._exchange.join()  # its pipes are broken now
        for file in (*self._pipes, self._words):
            with suppress(BrokenPipeError):  # what had not been written is wanted by nobody
                file.close()

    def _talk(self, header: dict[str, Any], arrays: list[np.ndarray]) -> None:
        requests, answers = self._pipes
        try:
            send(requests, header, arrays)
            self._answers.put(receive(answers))
        except (EOFError, OSError, ValueError):
            self._answers.put(None)

    def _last_words(self) -> str:
        code = self._process.wait()
        self._words.seek(0)
        lines = self._words.read().decode(errors="replace").strip().splitlines()
        return " / ".join(lines[-3:]) or f"exit code {code}"

    def _failure(self, what: str) -> ReductionError:
        package = _PACKAGES[self.library]
        missing = "ModuleNotFoundError" in what
        way_out = f"pip install {package}" if missing else "The next map starts a new process."
        return ReductionError(
            "reducer", f"'{self.library}', which failed: {what}", f"a working {package}", way_out
        )


def compute(
    library: str, options: dict[str, Any], arrays: list[np.ndarray]
) -> Generator[str, None, np.ndarray]:
    """Make a map in another process.

    Parameters
    ----------
    library : {"umap", "pacmap"}
    options : dict
        Plain data.
    arrays : list of ndarray
        See the functions of `saliscope.reduction.umap_worker`.

    Yields
    ------
    str
        What it does meanwhile: "compiling", or "computing" in a process that has made a map before.

    Returns
    -------
    ndarray of float32, shape (n, 2)

    Raises
    ------
    ReductionError
        With the library's error, or its process's last words.
    """
    helper = _taken(library)
    done = False
    try:
        note = "compiling" if helper.fresh else "computing"
        helper.ask(options, arrays)
        while (found := helper.answer()) is None:
            yield note
        done = True
    finally:
        # An error, or a consumer who wants no more.
        if not done:
            helper.end()
    _kept(helper)
    return found


_everyone: "weakref.WeakSet[Helper]" = weakref.WeakSet()
_warm: dict[str, tuple[Helper, threading.Timer]] = {}
_lock = threading.Lock()


def _taken(library: str) -> Helper:
    """The warm process, for one map alone; or a new one."""
    with _lock:
        helper, timer = _warm.pop(library, (None, None))
    if timer is not None:
        timer.cancel()
    if helper is not None and helper.alive:
        return helper
    if helper is not None:
        helper.end()
    return Helper(library)


def _kept(helper: Helper) -> None:
    """Keep a process for the next map, unless another one of its kind waits already."""
    timer = threading.Timer(IDLE, _idle, (helper,))
    timer.daemon = True
    with _lock:
        keep = helper.library not in _warm
        if keep:
            _warm[helper.library] = helper, timer
    if keep:
        timer.start()
    else:
        helper.end()


def _idle(helper: Helper) -> None:
    with _lock:
        if _warm.get(helper.library, (None,))[0] is not helper:
            return  # somebody has just taken it
        del _warm[helper.library]
    helper.end()


@atexit.register
def end_all() -> None:
    """End every process; the next map starts a new one."""
    with _lock:
        timers = [timer for _, timer in _warm.values()]
        _warm.clear()
    for timer in timers:
        timer.cancel()
    for helper in list(_everyone):
        helper.end()
