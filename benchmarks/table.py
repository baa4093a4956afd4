"""The table, and the same figures as JSON."""

from collections.abc import Iterator
from typing import Any

from .harness import Figures, Row

_COLUMNS = ("", "seconds", "times ours (min..max)", "peak MB", "times ours", "map differs", "goal")
_WORTH_SAVING = 256 * 2**20  # a goal for memory is about networks that need some
_WIDTHS = (28, 9, 23, 8, 11, 12, 0)


def header() -> str:
    """The columns' names."""
    return _line(_COLUMNS)


def lines(row: Row, case: str, figures: list[Figures]) -> Iterator[str]:
    """One line for the row and one for each contender."""
    ours = figures[0]
    yield f"\n{row.title} · {case}" if case else f"\n{row.title}"
    for f in figures:
        middle, least, most = f.times(ours)
        lighter = _lighter(f, ours)
        yield _line(
            (
                "  " + f.name,
                _digits(f.median),
                "" if f is ours else f"{middle:.2f} ({least:.2f}..{most:.2f})",
                "" if f.peak is None else f"{f.peak / 2**20:.0f}",
                "" if f is ours or lighter is None else f"{lighter:.1f}",
                "" if f is ours or f.difference is None else f"{f.difference:.0e}",
                ", ".join(f"{text} {'met' if met else 'MISSED'}" for text, met in goals(f, ours, case)),
            )
        )


def goals(f: Figures, ours: Figures, case: str) -> Iterator[tuple[str, bool]]:
    """Each goal against a contender in words, and whether it is met."""
    goal = f.contender.goal
    if goal.cases and case not in goal.cases:
        return
    if goal.seconds is not None:
        yield f"at most {goal.seconds:g} s:", f.median <= goal.seconds
    if goal.faster is not None:
        yield f"time >= {goal.faster:.3g}:", f.times(ours)[0] >= goal.faster
    lighter = _lighter(f, ours)
    if goal.lighter is not None and lighter is not None and (f.peak or 0) > _WORTH_SAVING:
        yield f"memory >= {goal.lighter:g}:", lighter >= goal.lighter


def disagreements(row: Row, figures: list[Figures]) -> list[str]:
    """Contenders whose map is not ours."""
    # `not <=` and not `>`: NaN agrees with nothing.
    return [
        f.name
        for f in figures
        if row.agree is not None and f.difference is not None and not f.difference <= row.agree
    ]


def record(row: Row, case: str, figures: list[Figures]) -> dict[str, Any]:
    """The row's figures as plain data: seconds repeat by repeat, peaks in bytes."""
    ours = figures[0]
    contenders = [
        {
            "name": f.contender.name,
            "chunk": f.setting,
            "seconds": f.seconds,
            "times_ours": f.times(ours),
            "peak_bytes": f.peak,
            "map_difference": f.difference,
            "goals": dict(goals(f, ours, case)),
        }
        for f in figures
    ]
    return {"row": row.name, "title": row.title, "case": case, "contenders": contenders}


def _lighter(f: Figures, ours: Figures) -> float | None:
    # A page more or less is no ratio: below one MB ours counts as one.
    return None if f.peak is None or ours.peak is None else f.peak / max(ours.peak, 2**20)


def _digits(seconds: float) -> str:
    return f"{seconds:.2f}" if seconds >= 1 else f"{seconds:.4f}"


def _line(cells: tuple[str, ...]) -> str:
    first, *rest = zip(cells, _WIDTHS, strict=True)
    aligned = [cell.rjust(width) for cell, width in rest[:-1]]
    return "  ".join([first[0].ljust(first[1]), *aligned, rest[-1][0]]).rstrip()
