"""The EmbeddingExplorer without its window: from rows to maps, their quality, and sequences of them."""

import time
from collections import OrderedDict
from collections.abc import Generator, Hashable, Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from saliscope.core.anytime import Step, closed
from saliscope.errors import ReductionError
from saliscope.reduction.audit import Audit, audit_stream
from saliscope.reduction.embedding import Embedding
from saliscope.reduction.quality import judged_by, quality
from saliscope.sessions.desk import Stopped
from saliscope.sessions.embedding_publish import layout_of
from saliscope.sessions.sequences import key_of
from saliscope.sessions.tables import Table, Tables
from saliscope.sessions.walking import Walking
from saliscope.specs.blobs import Blob
from saliscope.specs.embedding import Layout, LayoutStage, Work

if TYPE_CHECKING:
    from saliscope.reduction.estimators import Reducer

FRAME_SECONDS = 0.05
"""Partial maps reach the page at most this often, and only when it has drawn the one before."""

_KEPT = 24
"""Finished maps that going back to costs nothing."""


@dataclass(frozen=True)
class Asked:
    """What is wanted: maps side by side of a layer (None: of the data given), and a sequence of one."""

    layer: str | None
    reducers: "tuple[Reducer, ...]"
    sweep: str | None = None


@dataclass(frozen=True)
class Shown:
    """A map as it is on screen."""

    key: Hashable
    table: Table
    reducer: "Reducer"
    embedding: Embedding
    audit: Audit | None
    layout: Layout
    blobs: list[Blob]

    @property
    def finished(self) -> bool:
        """Whether the computation came to its end."""
        return self.layout.stage == "final"


class EmbeddingSession(Walking):
    """Maps side by side, on their way or finished, and a sequence of them.

    The listener hears every `WorkState`, `Layout` and `LayoutSequence`, and ``(None, [])`` when a table was
    computed.

    Parameters
    ----------
    tables : Tables
    numbers : iterator of int, optional
        Where job numbers come from.

    Attributes
    ----------
    maps : dict of int to Shown
        What is on screen, by place.
    sequence, walk
        See `Walking`.
    """

    def __init__(self, tables: Tables, numbers: Iterator[int] | None = None) -> None:
        super().__init__(tables, numbers)
        self.maps: dict[int, Shown] = {}
        self._known: OrderedDict[Hashable, tuple[Embedding, Audit | None]] = OrderedDict()
        self._asked: Asked | None = None
        self._owed: set[int] = set()
        self._framed = 0.0

    @property
    def table(self) -> Table | None:
        """The newest table that a map on screen is of, or that was asked for."""
        return self.tables.known(None if self._asked is None else self._asked.layer)

    def ask(self, asked: Asked) -> None:
        """Start answering; an unfinished answer to an older question is dropped after its current step."""
        self._start(asked, None)

    def refine(self, map: int) -> None:
        """Go on from a map with as many iterations again.

        Raises
        ------
        ReductionError
            If there is no such map, or its reducer has nothing to refine.
        """
        shown = self.maps.get(map)
        if shown is None or self._asked is None:
            raise ReductionError("map", repr(map), "the number of a map on screen", "Call wait() first.")
        if "n_iter" not in shown.reducer.get_params():
            got = f"a map of {shown.reducer.title}"
            raise ReductionError("refine", got, "a map that goes on in iterations", "t-SNE does.")
        self._start(self._asked, map)

    def acknowledge(self, job: Any, map: Any) -> None:
        """A page has drawn a partial map: the next one may come."""
        with self._lock:
            if job == self._number and isinstance(map, int):
                self._owed.discard(map)

    def welcome(self) -> None:
        """A page is new: it owes nothing."""
        with self._lock:
            self._owed.clear()

    def forget(self) -> None:
        """Begin anew, nothing remembered."""
        with self._lock:
            self._known.clear()
            self._walk_no_more()
            self.tables.forget()

    @property
    def blobs(self) -> list[Blob]:
        """Arrays of everything on screen."""
        with self._lock:
            own = [blob for shown in self.maps.values() for blob in shown.blobs]
            return own if self.sequence is None else own + self.sequence[1]

    def _start(self, asked: Asked, refined: int | None) -> None:
        with self._lock:
            self._asked = asked
            self._owed.clear()
            for map in [map for map in self.maps if map >= len(asked.reducers)]:
                del self.maps[map]
            self._reseat_walk(asked.layer, asked.reducers)
            self._submit(lambda number: self._answer(number, asked, refined))

    def _answer(self, number: int, asked: Asked, refined: int | None) -> Iterator[None]:
        begun = time.monotonic()
        if self.tables.changed:
            self.forget()
        missing = self.tables.known(asked.layer) is None
        table = yield from self._interruptible(number, self.tables.of(asked.layer, self._reporter(number)))
        if missing:
            self._hear(number, None, [])
        for map, reducer in enumerate(asked.reducers):
            if map == refined or not self._again(number, map, table, reducer):
                yield from self._map(number, map, table, reducer, map == refined)
        for map in range(len(asked.reducers)):
            yield from self._judge(number, map)
        if asked.sweep is not None:
            yield from self._sweep(number, asked.sweep, asked.reducers, table)
        self._tell(number, "done", text=f"Done in {time.monotonic() - begun:.1f} s")

    def _again(self, number: int, map: int, table: Table, reducer: "Reducer") -> bool:
        """Whether the map is known already; it is shown if it was not."""
        key = _key(table, reducer)
        shown = self.maps.get(map)
        if shown is not None and shown.key == key and shown.finished and key in self._known:
            return True
        known = self._known.get(key)
        if known is None:
            return False
        self._known.move_to_end(key)
        self._show(number, map, table, reducer, "final", *known)
        return True

    def _map(
        self, number: int, map: int, table: Table, reducer: "Reducer", go_on: bool
    ) -> Generator[None, None, None]:
        before = self.maps[map].embedding if go_on else None
        # From a map that has its shape, t-SNE goes on without drawing clusters together first.
        start = None if before is None else before.coordinates
        stream = reducer.stream(table.data, neighbors=table.near, start=start)
        last = yield from self._followed(number, map, table, reducer, stream)
        embedding = last.result
        if before is not None:
            more = before.iterations + embedding.iterations
            embedding = replace(embedding, iterations=more, start=before.start)
        table.learn(embedding.neighbors)
        self._show(number, map, table, reducer, "final", embedding, None)
        yield

    def _followed(
        self,
        number: int,
        map: int,
        table: Table,
        reducer: "Reducer",
        stream: Iterator[Step[Embedding]],
    ) -> Generator[None, None, Step[Embedding]]:
        """Show frames of a map on its way; its last step."""
        begun, last = time.monotonic(), None
        with closed(stream) as steps:
            for last in steps:
                if last.complete:
                    break
                if self._stopped == number:
                    self._stop_at(number, map, table, reducer, last)
                if last.done:
                    self._frame(number, map, table, reducer, last)
                    eta = (time.monotonic() - begun) * (last.total - last.done) / last.done
                    text = f"{reducer.title}: {last.done} of {last.total}"
                    self._report(number, "layout", last.done, last.total, text, eta)
                else:
                    self._prepare(number, map, table, reducer, last)
                yield
        assert last is not None
        return last

    def _prepare(
        self, number: int, map: int, table: Table, reducer: "Reducer", step: Step[Embedding]
    ) -> None:
        """Show where points begin while their neighbours are searched; not over a map of the same rows."""
        shown = self.maps.get(map)
        if shown is None or shown.table is not table:
            self._show(number, map, table, reducer, "start", step.result, None, total=step.total)
        note = ": ".join((reducer.title, *step.result.notes))
        what: Work = "neighbors" if table.near is None and "neighbours" in note else "layout"
        self._report(number, what, 0, step.total, note)

    def _stop_at(
        self, number: int, map: int, table: Table, reducer: "Reducer", step: Step[Embedding]
    ) -> None:
        """Show the map as it is now, judged as far as that is quick, and end the job."""
        if step.done:
            embedding, audit = step.result, None
            table.learn(embedding.neighbors)
            if table.near is not None and judged_by(len(table.data)):
                audit = Audit(quality=quality(table.near, embedding.coordinates))
            note = f"Stopped after {step.done} of {step.total} iterations."
            embedding = replace(embedding, notes=(note, *embedding.notes))
            self._show(number, map, table, reducer, "cancelled", embedding, audit, total=step.total)
        raise Stopped

    def _judge(self, number: int, map: int) -> Generator[None, None, None]:
        """All that can be said of a map; what is local is shown first."""
        shown = self.maps[map]
        if not shown.finished or (shown.audit is not None and shown.audit.rows):
            return
        near = yield from self._interruptible(
            number, self.tables.neighbors(shown.table, self._reporter(number))
        )
        local = False
        for step in audit_stream(shown.table.data, shown.embedding.coordinates, near):
            audit = step.result
            if step.complete or (audit.quality is not None and not local):
                local = True
                self._show(number, map, shown.table, shown.reducer, "final", shown.embedding, audit)
            self._report(number, "layout", step.done, step.total, f"Judging the map: {step.done} %")
            yield from self._pause(number)

    def _frame(self, number: int, map: int, table: Table, reducer: "Reducer", step: Step[Embedding]) -> None:
        """Show a map on its way, if the page has drawn the one before."""
        now = time.monotonic()
        first = map not in self.maps or self.maps[map].layout.job != number
        with self._lock:
            if not first and (self._owed or now - self._framed < FRAME_SECONDS):
                return
            self._owed.add(map)
            self._framed = now
        self._show(number, map, table, reducer, "partial", step.result, None, total=step.total)

    def _show(
        self,
        number: int,
        map: int,
        table: Table,
        reducer: "Reducer",
        stage: LayoutStage,
        embedding: Embedding,
        audit: Audit | None,
        total: int | None = None,
    ) -> None:
        layout, blobs = layout_of(
            embedding,
            audit,
            job=number,
            map=map,
            stage=stage,
            total=embedding.iterations if total is None else total,
            cautions=reducer.cautions,
            notes=table.notes,
        )
        key = _key(table, reducer)
        with self._lock:
            if number != self._number:
                return
            self.maps[map] = Shown(key, table, reducer, embedding, audit, layout, blobs)
            if stage == "final":
                self._known[key] = embedding, audit
                while len(self._known) > _KEPT:
                    self._known.popitem(last=False)
            self.first.set()
            self.listener(layout, blobs)


def _key(table: Table, reducer: "Reducer") -> Hashable:
    return table.layer, key_of(reducer)
