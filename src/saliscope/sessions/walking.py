"""A desk with a sequence: computed for one of the maps, told, and given up when its map changes."""

from collections.abc import Generator, Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from saliscope.sessions.desk import Desk, Stopped
from saliscope.sessions.sequences import Walk, gone, place_of, walk
from saliscope.sessions.tables import Table, Tables
from saliscope.specs.blobs import Blob
from saliscope.specs.embedding import LayoutSequence

if TYPE_CHECKING:
    from saliscope.reduction.estimators import Reducer


class Walking(Desk):
    """Maps of which one may be walked.

    Parameters
    ----------
    tables : Tables
    numbers : iterator of int, optional
        Where job numbers come from.

    Attributes
    ----------
    sequence : (LayoutSequence, list of Blob) or None
    walk : Walk or None
        What the sequence was made of.
    """

    def __init__(self, tables: Tables, numbers: Iterator[int] | None = None) -> None:
        super().__init__(numbers)
        self.tables = tables
        self.sequence: tuple[LayoutSequence, list[Blob]] | None = None
        self.walk: Walk | None = None
        self._walked = False

    def _reseat_walk(self, layer: str | None, reducers: "Sequence[Reducer]") -> None:
        """A sequence stays as long as its map does, wherever that stands."""
        if self.walk is None or self.sequence is None:
            return
        map = self.walk.at(layer, reducers)
        if map is None:
            self._walk_no_more()
        elif map != self.walk.map:
            self.walk = replace(self.walk, map=map)
            self.sequence = replace(self.sequence[0], map=map), self.sequence[1]
            self.listener(*self.sequence)

    def _walk_no_more(self) -> None:
        if self.walk is not None:
            self.listener(gone(self._number, self.walk), [])
        self.walk, self.sequence, self._walked = None, None, False

    def _sweep(
        self, number: int, sweep: str, reducers: "Sequence[Reducer]", table: Table
    ) -> Generator[None, None, None]:
        known = self.walk
        # One whose map or whose rows have changed was given up when these maps were asked for.
        if (
            self._walked
            and known is not None
            and (known.sweep, known.map) == (sweep, place_of(sweep, reducers))
        ):
            return
        steps = walk(sweep, reducers, table, self.tables, self._reporter(number))
        for found in self._each(number, steps):
            if found is not None:
                sequence, blobs = found.spec(number)
                with self._lock:
                    if number == self._number:
                        self.sequence, self.walk, self._walked = (sequence, blobs), found, False
                        self.listener(sequence, blobs)
                self._report(number, "sequence", sequence.done, sequence.total, found.text)
            yield
        self._walked = True

    def _each(self, number: int, steps: Generator[Walk | None, None, None]) -> Iterator[Walk | None]:
        for step in steps:
            if self._stopped == number:
                raise Stopped
            yield step
