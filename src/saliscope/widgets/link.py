"""Explorers that follow each other."""

from collections.abc import Mapping, Sequence
from typing import Any


class Link:
    """Two widgets whose traits of some names are kept equal, until `close`.

    Parameters
    ----------
    first, second : Widget
        The second takes the first one's values to begin with.
    names : sequence of str, or mapping of str to str
        Traits that both have; with a mapping, the first one's and what the second one calls them. None is
        not passed on to a trait that cannot be None.
    """

    def __init__(self, first: Any, second: Any, names: Sequence[str] | Mapping[str, str]) -> None:
        pairs = dict(names) if isinstance(names, Mapping) else {name: name for name in names}
        self._ways = [(first, second, pairs), (second, first, {b: a for a, b in pairs.items()})]
        self._busy = False
        for mine, theirs in pairs.items():
            _pass_on(second, theirs, getattr(first, mine))
        for end, _, own in self._ways:
            end.observe(self._follow, [*own])

    def close(self) -> None:
        """Let both go their own way again."""
        for end, _, own in self._ways:
            end.unobserve(self._follow, [*own])
            if self in end._links:
                end._links.remove(self)
        self._ways = []

    def _follow(self, change: Any) -> None:
        if self._busy:  # the answer to our own assignment
            return
        self._busy = True
        try:
            for end, other, names in self._ways:
                if end is change["owner"]:
                    _pass_on(other, names[change["name"]], change["new"])
        finally:
            self._busy = False


def _pass_on(end: Any, name: str, value: Any) -> None:
    if value is not None or end.traits()[name].allow_none:
        setattr(end, name, value)
