"""Where our time goes in a row whose goal is missed."""

import cProfile
import pstats
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from .cases import Case
from .harness import Row

_SHOWN = 8
_PROFILED = 0.5  # seconds that are profiled, at least


def lines(row: Row, case: Case) -> Iterator[str]:
    """The functions in which our contender is busiest, by their own time."""
    contender = row.contenders[0]
    run = contender.prepare(case, None)
    run()
    profile, runs = cProfile.Profile(), 0
    while not runs or _total(profile) < _PROFILED:
        profile.runcall(run)
        runs += 1
    stats: Any = pstats.Stats(profile)
    total = stats.total_tt
    yield f"\nA goal missed: {row.title} · {case.name}. Where {contender.name} is busy, {total / runs:.4f} s:"
    ranked = sorted(stats.stats.items(), key=lambda item: item[1][2], reverse=True)
    for (file, line, name), (_, calls, own, below, _) in ranked[:_SHOWN]:
        where = name if file == "~" else f"{Path(file).name}:{line} {name}"
        shares = f"{own / total:6.1%} own  {below / total:6.1%} with all below"
        yield f"  {shares}  {calls / runs:7.0f} calls  {where}"


def _total(profile: cProfile.Profile) -> float:
    return pstats.Stats(profile).total_tt  # type: ignore[attr-defined]
