"""A long computation is a stream of better and better answers.

An engine is a generator that yields `Step` objects. Whoever drives it may stop after any step: the generator
holds no hook, no changed flag and no lock while it is suspended.
"""

import threading
from collections.abc import Callable, Generator, Iterator
from contextlib import closing, contextmanager
from functools import cached_property
from typing import Any, Generic, TypeVar

import numpy as np

from saliscope.core.device import plain_arithmetic

R = TypeVar("R")


class Step(Generic[R]):
    """One answer of a stream.

    Parameters
    ----------
    result : callable
        Gives the answer. It is called at most once, and only if somebody looks: a partial answer costs
        nothing where only the last one is wanted. It must give the same answer after the stream went on.
    done, total : int
        Work units finished, and to finish.
    """

    def __init__(self, result: Callable[[], R], done: int, total: int) -> None:
        self._compute = result
        self.done = done
        self.total = total

    @cached_property
    def result(self) -> R:
        """The best answer so far; final when `complete`."""
        with plain_arithmetic():
            return self._compute()

    @property
    def complete(self) -> bool:
        """Whether this is the stream's last step."""
        return self.done >= self.total


class CancelToken:
    """A flag that another thread may raise."""

    def __init__(self) -> None:
        self._event = threading.Event()

    def cancel(self) -> None:
        """Ask the computation to stop at its next step."""
        self._event.set()

    @property
    def cancelled(self) -> bool:
        """Whether somebody asked."""
        return self._event.is_set()


class Cancelled(Exception):
    """A stream was stopped on request; `result` is the best answer until then, or None."""

    def __init__(self, result: Any) -> None:
        super().__init__("cancelled")
        self.result = result


def steadily(steps: Generator[Step[R], None, None]) -> Iterator[Step[R]]:
    """Run a stream in plain arithmetic; between two steps its consumer's own modes hold, and may change."""
    with closing(steps):
        while True:
            with plain_arithmetic():
                step = next(steps, None)
            if step is None:
                return
            yield step


@contextmanager
def closed(stream: Iterator[R]) -> Iterator[Iterator[R]]:
    """Whatever happens inside, the stream is over at the end, and what it holds is let go."""
    try:
        yield stream
    finally:
        close = getattr(stream, "close", None)
        if close is not None:
            close()


def drive(
    stream: Iterator[Step[R]],
    progress: Callable[[Step[R]], None] | None = None,
    cancel: CancelToken | None = None,
) -> R:
    """Run a stream to its end and return its last result.

    Parameters
    ----------
    stream : iterator of Step
        What an engine's ``stream`` returned.
    progress : callable, optional
        Called with every step.
    cancel : CancelToken, optional
        Looked at between two steps.

    Raises
    ------
    Cancelled
        With the last result, when `cancel` was raised.
    RuntimeError
        When the stream yielded nothing.
    """
    last: Step[R] | None = None
    with closed(stream) as steps:
        for step in steps:
            last = step
            if progress is not None:
                progress(step)
            if cancel is not None and cancel.cancelled and not step.complete:
                raise Cancelled(step.result)
    if last is None:
        raise RuntimeError("the stream yielded no result")
    return last.result


def spread_order(n: int) -> np.ndarray:
    """Order in which a prefix of `n` places in a row always covers the whole of it (bit reversal)."""
    bits = max(1, (n - 1).bit_length())
    keys = [int(f"{i:0{bits}b}"[::-1], 2) for i in range(n)]
    return np.argsort(keys, kind="stable")
