"""Undo and redo: the states of an explorer, the newest fifty."""

from collections.abc import Mapping
from typing import Any

MOST = 50
"""States that can be gone back to."""


class History:
    """Past, present and future of a state.

    A state that equals the last one of the past counts as going back to it, whoever went: so the page, which
    keeps a history of its own and undoes without asking, and this one stay in step.

    Parameters
    ----------
    state : mapping
        The state to begin with, as plain data.
    """

    def __init__(self, state: Mapping[str, Any]) -> None:
        self._now = dict(state)
        self._past: list[dict[str, Any]] = []
        self._future: list[dict[str, Any]] = []

    def note(self, state: Mapping[str, Any]) -> None:
        """Take note of the state as it is now."""
        new = dict(state)
        if new == self._now:
            return
        if self._past and new == self._past[-1]:
            self._future.append(self._now)
            self._past.pop()
        elif self._future and new == self._future[-1]:
            self._past.append(self._now)
            self._future.pop()
        else:
            self._past.append(self._now)
            del self._past[:-MOST]
            self._future.clear()
        self._now = new

    def back(self) -> dict[str, Any]:
        """What changes on the way to the state before; nothing at the beginning."""
        return self._way(self._past)

    def forth(self) -> dict[str, Any]:
        """What changes on the way to the state that was last undone; nothing if there is none."""
        return self._way(self._future)

    def _way(self, states: list[dict[str, Any]]) -> dict[str, Any]:
        goal = states[-1] if states else self._now
        return {name: value for name, value in goal.items() if value != self._now[name]}
