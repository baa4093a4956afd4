"""Contenders run in turn, in one process, and are compared repeat by repeat."""

import gc
import resource
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from torch import Tensor

from .cases import Case

Run = Callable[[], Any]
"""Does the work once. What it returns is compared, if it is a map."""


@dataclass(frozen=True)
class Goal:
    """What is to be reached against one contender.

    Attributes
    ----------
    faster : float, optional
        Its seconds are to be at least this many times ours.
    lighter : float, optional
        Its peak memory is to be at least this many times ours.
    seconds : float, optional
        Our own time is to be at most this.
    cases : tuple of str
        Networks it is about; empty for all.
    """

    faster: float | None = None
    lighter: float | None = None
    seconds: float | None = None
    cases: tuple[str, ...] = ()


@dataclass(frozen=True)
class Contender:
    """One way to do a row's work.

    Attributes
    ----------
    name : str
    make : callable
        ``make(case)``, or ``make(case, setting)``, prepares everything and returns the `Run` to be measured.
    settings : tuple of int
        Chunk sizes to try first; the best of them runs.
    as_map : callable, optional
        ``as_map(run)`` gives the map that is compared, where `run` itself returns another form of it.
    goal : Goal
    """

    name: str
    make: Callable[..., Run]
    settings: tuple[int, ...] = ()
    as_map: Callable[[Run], Tensor] | None = None
    goal: Goal = Goal()

    def prepare(self, case: Case, setting: int | None) -> Run:
        """Return the work, ready to be measured."""
        return self.make(case) if setting is None else self.make(case, setting)


@dataclass(frozen=True)
class Row:
    """One piece of work, and all who can do it; the first contender is Saliscope.

    Attributes
    ----------
    name, title : str
    cases : tuple of str
        Networks it is done on; empty for a row that needs none.
    contenders : tuple of Contender
    agree : float, optional
        Largest difference between two contenders' maps, relative to the largest value of the map.
        None: nothing to compare.
    memory : bool
        Whether peak memory says something here.
    """

    name: str
    title: str
    cases: tuple[str, ...]
    contenders: tuple[Contender, ...]
    agree: float | None = None
    memory: bool = True


@dataclass
class Figures:
    """What was measured of one contender; seconds repeat by repeat, memory in bytes."""

    contender: Contender
    setting: int | None = None
    seconds: list[float] = field(default_factory=list)
    peak: int | None = None
    difference: float | None = None

    @property
    def name(self) -> str:
        """Name with the setting it ran with."""
        return self.contender.name if self.setting is None else f"{self.contender.name} ({self.setting})"

    @property
    def median(self) -> float:
        """Median of the seconds."""
        return statistics.median(self.seconds)

    def times(self, ours: "Figures") -> tuple[float, float, float]:
        """Median, least and largest of its seconds divided by ours in the same repeat."""
        ratios = [a / b for a, b in zip(self.seconds, ours.seconds, strict=True)]
        return statistics.median(ratios), min(ratios), max(ratios)


def seconds_of(run: Run, threads: int) -> float:
    """How long `run` takes.

    With one thread: CPU seconds, of this process and of those it started; other work on the machine disturbs
    them least. With more threads: seconds on the wall.
    """
    gc.collect()
    begun = _now(threads)
    result = run()
    taken = _now(threads) - begun
    del result
    return taken


def _now(threads: int) -> float:
    if threads > 1:
        return time.perf_counter()
    parts = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(part.ru_utime + part.ru_stime for part in parts)


def tuned(contender: Contender, case: Case, threads: int, repeats: int = 2) -> int | None:
    """The setting with which a contender is fastest; None where there is nothing to set."""
    if not contender.settings:
        return None
    runs = {setting: contender.prepare(case, setting) for setting in contender.settings}
    best = dict.fromkeys(runs, float("inf"))
    for _ in range(repeats):
        for setting, run in runs.items():
            best[setting] = min(best[setting], seconds_of(run, threads))
    return min(best, key=best.__getitem__)


def compete(row: Row, case: Case, repeats: int, threads: int) -> list[Figures]:
    """Time all contenders of a row on one network.

    They take turns: each repeat runs every one of them, another one first each time. So whatever slows the
    machine down for a while slows all of them, and ratios within a repeat stay right. Each has its own copy
    of the model, and has run once before anything is timed.
    """
    figures = [Figures(c, tuned(c, case, threads)) for c in row.contenders]
    runs = [f.contender.prepare(case, f.setting) for f in figures]
    ours = None
    for figure, run in zip(figures, runs, strict=True):
        found = run() if figure.contender.as_map is None else figure.contender.as_map(run)
        if row.agree is None:
            continue
        found = found.detach()
        ours = found if ours is None else ours
        figure.difference = ((found - ours).abs().max() / ours.abs().max()).item()
    for repeat in range(repeats):
        for turn in range(len(runs)):
            k = (turn + repeat) % len(runs)
            figures[k].seconds.append(seconds_of(runs[k], threads))
    return figures
