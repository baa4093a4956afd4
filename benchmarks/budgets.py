"""Rows of the browser's table: what was measured beside what is allowed."""

from collections.abc import Sequence
from dataclasses import dataclass

_WIDTHS = (60, 12, 12, 5)


@dataclass(frozen=True)
class Measure:
    """One line.

    Attributes
    ----------
    what : str
    measured : float
    unit : str
    budget : float, optional
        The most that is allowed; None where nothing was promised.
    note : str
        What else is worth knowing.
    """

    what: str
    measured: float
    unit: str
    budget: float | None = None
    note: str = ""

    @property
    def ok(self) -> bool | None:
        """Whether it is within its budget; None without one."""
        return None if self.budget is None else self.measured <= self.budget


def header() -> str:
    """The columns' names."""
    return _line(("", "budget", "measured", "ok", ""))


def line(row: Measure) -> str:
    """One row as text."""
    allowed = "" if row.budget is None else f"<= {row.budget:g} {row.unit}"
    verdict = {None: "", True: "yes", False: "NO"}[row.ok]
    return _line((row.what, allowed, f"{_digits(row.measured)} {row.unit}", verdict, row.note))


def _digits(value: float) -> str:
    return f"{value:.0f}" if abs(value) >= 100 or value == int(value) else f"{value:.3g}"


def _line(cells: Sequence[str]) -> str:
    *columns, last = cells
    return "".join(f"{cell:<{width}}" for cell, width in zip(columns, _WIDTHS, strict=True)) + last
