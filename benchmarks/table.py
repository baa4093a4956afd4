"""The table, and the same figures as JSON."""

from collections.abc import Iterator
from typing import Any

from .harness import Contender, Figures, Row

_COLUMNS = ("", "seconds", "times ours (min..max)", "peak MB", "times ours", "error", "goal")
_WORTH_SAVING = 256 * 2**20  # a goal for memory is about networks that need some
_WIDTHS = (36, 9, 23, 8, 11, 8, 0)


def header() -> str:
    """The columns' names."""
    return _line(_COLUMNS)


def lines(row: Row, case: str, figures: list[Figures]) -> Iterator[str]:
    """One line for the row and one for each contender."""
    ours = figures[0]
    against = f" · against {row.reference.words}" if row.reference and ours.error is not None else ""
    yield f"\n{row.title}{' · ' if case else ''}{case}{against}"
    for f in figures:
        if f.failed:
            yield f"  {f.name:<{_WIDTHS[0] - 2}}  {f.failed}"
            continue
        middle, least, most = f.times(ours)
        lighter = _lighter(f, ours)
        words = [f"{text} {'met' if met else 'MISSED'}" for text, met in goals(row, f, ours, case)]
        if f.contender.differs and f.error is not None:
            words.append(f"another map: {f.contender.differs}")
        yield _line(
            (
                "  " + f.name,
                _digits(f.median),
                "" if f is ours else f"{middle:.2f} ({least:.2f}..{most:.2f})",
                "" if f.peak is None else f"{f.peak / 2**20:.0f}",
                "" if f is ours or lighter is None else f"{lighter:.1f}",
                "" if f.error is None else f"{f.error:.1e}",
                ", ".join(words),
            )
        )


def goals(row: Row, f: Figures, ours: Figures, case: str) -> Iterator[tuple[str, bool]]:
    """Each goal against a contender in words, and whether it is met."""
    goal, closer = f.contender.goal, f.closer(ours)
    if goal.cases and case not in goal.cases:
        return
    if goal.seconds is not None:
        yield f"at most {goal.seconds:g} s:", f.median <= goal.seconds
    if goal.faster is not None and row.random and closer is not None:
        as_good = f.times(ours)[0] * closer**2
        yield f"time at equal error {as_good:.2f} >= {goal.faster:.3g}:", as_good >= goal.faster
    elif goal.faster is not None:
        yield f"time >= {goal.faster:.3g}:", f.times(ours)[0] >= goal.faster
    if goal.closer is not None and closer is not None:
        yield f"error {closer:.2f} >= {goal.closer:.3g}:", closer >= goal.closer
    lighter = _lighter(f, ours)
    if goal.lighter is not None and lighter is not None and (f.peak or 0) > _WORTH_SAVING:
        yield f"memory >= {goal.lighter:g}:", lighter >= goal.lighter


def missed(row: Row, case: str, figures: list[Figures]) -> bool:
    """Whether a goal of a row is missed."""
    ours, *others = (f for f in figures if not f.failed)
    return not all(met for f in (ours, *others) for _, met in goals(row, f, ours, case))


def growth_header(case: str) -> str:
    """Before the rows of memory."""
    return f"\nPeak MB with more and more work · {case}"


def growth(row: Row, contender: Contender, peaks: dict[int, int]) -> str:
    """One contender's peaks, size by size."""
    each = "   ".join(f"{size}: {peak / 2**20:6.1f}" for size, peak in peaks.items())
    return f"  {row.title + ', ' + contender.name:<56}{each}"


def disagreements(row: Row, figures: list[Figures]) -> list[str]:
    """Contenders whose map is another one than it should be."""
    # `not <=` and not `>`: NaN agrees with nothing.
    return [
        f.name
        for f in figures
        if row.agree is not None and f.error is not None and not f.error <= row.agree
        if not f.contender.differs
    ]


def record(row: Row, case: str, figures: list[Figures]) -> dict[str, Any]:
    """The row's figures as plain data: seconds repeat by repeat, peaks in bytes."""
    ours = figures[0]
    contenders = [
        {
            "name": f.contender.name,
            "chunk": f.setting,
            "failed": f.failed,
            "differs": f.contender.differs,
            "seconds": f.seconds,
            "times_ours": None if f.failed else f.times(ours),
            "peak_bytes": f.peak,
            "error": f.error,
            "goals": {} if f.failed else dict(goals(row, f, ours, case)),
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
