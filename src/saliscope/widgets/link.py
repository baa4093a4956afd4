"""Explorers that follow each other."""

from collections.abc import Sequence
from typing import Any


class Link:
    """Two widgets whose traits of some names are kept equal, until `close`.

    Parameters
    ----------
    first, second : Widget
        The second takes the first one's values to begin with.
    names : sequence of str
        Traits that both have.
    """

    def __init__(self, first: Any, second: Any, names: Sequence[str]) -> None:
        self._ends = (first, second)
        self._names = list(names)
        self._busy = False
        for name in self._names:
            setattr(second, name, getattr(first, name))
        for end in self._ends:
            end.observe(self._follow, self._names)

    def close(self) -> None:
        """Let both go their own way again."""
        for end in self._ends:
            end.unobserve(self._follow, self._names)
            if self in end._links:
                end._links.remove(self)
        self._ends = ()

    def _follow(self, change: Any) -> None:
        if self._busy:  # the answer to our own assignment
            return
        self._busy = True
        try:
            for end in self._ends:
                if end is not change["owner"]:
                    setattr(end, change["name"], change["new"])
        finally:
            self._busy = False
