"""Contenders run in turn, in one process, and are compared repeat by repeat."""

import gc
import io
import resource
import statistics
import time
import warnings
from collections.abc import Callable
from contextlib import redirect_stderr
from dataclasses import dataclass, field
from importlib.util import find_spec
from typing import Any

import torch
from torch import Tensor

from .cases import Case

Run = Callable[[], Any]
"""Does the work once. What it returns is compared, if it is a map."""

_REPEATS = 7
_FEWEST = 3
_PATIENCE = 8.0  # seconds of repeats, after which the fewest are enough
_SLOW = 1.0  # seconds of a run, from which a setting is tried once and not twice
_SEEDS = 4  # runs over which the error of a random map is averaged


@dataclass(frozen=True)
class Goal:
    """What is to be reached against one contender.

    Attributes
    ----------
    faster : float, optional
        Its seconds are to be at least this many times ours; for random maps, at equal error.
    lighter : float, optional
        Its peak memory is to be at least this many times ours.
    closer : float, optional
        The error of its map is to be at least this many times ours.
    seconds : float, optional
        Our own time is to be at most this.
    cases : tuple of str
        Networks it is about; empty for all.
    """

    faster: float | None = None
    lighter: float | None = None
    closer: float | None = None
    seconds: float | None = None
    cases: tuple[str, ...] = ()


@dataclass(frozen=True)
class Reference:
    """The map that all contenders' maps are held against.

    Attributes
    ----------
    words : str
        What it is, for the table.
    make : callable
        From a case to the map.
    cases : tuple of str
        Networks on which it is made, and maps are compared at all; empty for all.
    """

    words: str
    make: Callable[[Case], Tensor]
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
        Chunk sizes to try first; the fastest of them runs.
    choose : callable, optional
        ``choose(case)`` gives the setting, where speed is not what decides.
    as_map : callable, optional
        ``as_map(run)`` gives the map that is compared, where `run` itself returns another form of it.
    goal : Goal
    differs : str
        Why its map is another one, where it is known to be; else that is an error.
    needs : str
        Package that it comes with; where it is missing, the table says so.
    """

    name: str
    make: Callable[..., Run]
    settings: tuple[int, ...] = ()
    choose: Callable[[Case], int] | None = None
    as_map: Callable[[Any], Tensor] | None = None
    goal: Goal = Goal()
    differs: str = ""
    needs: str = ""

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
        Largest error of a contender's map. None: nothing to compare.
    memory : bool
        Whether peak memory says something here.
    methods : tuple of str
        Keys of the registered methods that it is about.
    reference : Reference, optional
        What maps are held against; without one, against ours.
    random : bool
        Whether maps hold sampling noise. Then a contender needs ``(its error / ours) ** 2`` times its
        samples to be as good as ours, and that is counted.
    """

    name: str
    title: str
    cases: tuple[str, ...]
    contenders: tuple[Contender, ...]
    agree: float | None = None
    memory: bool = False
    methods: tuple[str, ...] = ()
    reference: Reference | None = None
    random: bool = False

    def compared(self, case: Case) -> bool:
        """Whether maps are compared on a network."""
        where = self.reference.cases if self.reference else ()
        return self.agree is not None and (not where or case.name in where)


@dataclass
class Figures:
    """What was measured of one contender; seconds repeat by repeat, memory in bytes."""

    contender: Contender
    setting: int | None = None
    seconds: list[float] = field(default_factory=list)
    peak: int | None = None
    error: float | None = None
    failed: str = ""

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

    def closer(self, ours: "Figures") -> float | None:
        """Its error divided by ours."""
        return self.error / ours.error if self.error and ours.error else None


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


def tuned(contender: Contender, case: Case, threads: int) -> int | None:
    """The setting with which a contender runs; None where there is nothing to set."""
    if contender.choose is not None:
        return contender.choose(case)
    if not contender.settings:
        return None
    runs = {setting: contender.prepare(case, setting) for setting in contender.settings}
    best = {setting: seconds_of(run, threads) for setting, run in runs.items()}
    if min(best.values()) < _SLOW:  # the first run of all also warms up
        best = {setting: min(best[setting], seconds_of(run, threads)) for setting, run in runs.items()}
    return min(best, key=best.__getitem__)


def compete(row: Row, case: Case, threads: int) -> list[Figures]:
    """Time all contenders of a row on one network.

    They take turns: each repeat runs every one of them, another one first each time. So whatever slows the
    machine down for a while slows all of them, and ratios within a repeat stay right. Each has its own copy
    of the model, and has run once before anything is timed. Who cannot run is said so, and stands aside.
    """
    with warnings.catch_warnings(), redirect_stderr(io.StringIO()):  # bars of progress, old names
        warnings.simplefilter("ignore")
        compared = row.compared(case)
        truth = row.reference.make(case) if row.reference and compared else None
        figures, runs = [], []
        for contender in row.contenders:
            figure = Figures(contender)
            figures.append(figure)
            try:
                run, found = _entered(figure, case, threads, _SEEDS if row.random and compared else 1)
            except Exception as error:
                if is_missing(contender):
                    figure.failed = "not installed"
                elif contender is row.contenders[0]:
                    raise
                else:
                    figure.failed = f"fails: {type(error).__name__}: {str(error).strip().splitlines()[0]}"
                continue
            runs.append((figure, run))
            if compared and isinstance(found[0], Tensor):
                truth = found[0] if truth is None else truth
                figure.error = statistics.fmean(error_of(one, truth) for one in found)
        _take_turns(runs, threads)
    return figures


def is_missing(contender: Contender) -> bool:
    """Whether a contender's package is not installed."""
    return bool(contender.needs) and find_spec(contender.needs) is None


def _entered(figure: Figures, case: Case, threads: int, looks: int) -> tuple[Run, list[Tensor]]:
    """A contender's work with its best setting, and its maps."""
    torch.manual_seed(0)
    contender = figure.contender
    figure.setting = tuned(contender, case, threads)
    run = contender.prepare(case, figure.setting)
    return run, [run() if contender.as_map is None else contender.as_map(run) for _ in range(looks)]


def error_of(found: Tensor, truth: Tensor) -> float:
    """Relative L2 error of a map; of several, the median of theirs."""
    one, other = (tensor.detach().double().cpu().flatten(1) for tensor in (found, truth))
    if one.shape != other.shape:  # a map without channels beside one with them
        one, other = (t.detach().double().cpu().sum(1).flatten(1) for t in (found, truth))
    return ((one - other).norm(dim=1) / other.norm(dim=1)).median().item()


def _take_turns(runs: list[tuple[Figures, Run]], threads: int) -> None:
    for repeat in range(_REPEATS):
        spent = sum(sum(figure.seconds) for figure, _ in runs)
        if repeat >= _FEWEST and spent > _PATIENCE:
            return
        for turn in range(len(runs)):
            figure, run = runs[(turn + repeat) % len(runs)]
            figure.seconds.append(seconds_of(run, threads))
