"""The SaliencyExplorer without its window: one session for each question on screen."""

import itertools
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from saliscope.sessions.answers import Request
from saliscope.sessions.menus import info_of
from saliscope.sessions.saliency import SaliencySession
from saliscope.sessions.subject import Subject
from saliscope.sessions.trial_settings import replacement_menu
from saliscope.specs.blobs import Blob
from saliscope.specs.saliency import Info, Result, State
from saliscope.specs.view import Screen, Shown, View

MOST_PANELS = 6


@dataclass(frozen=True)
class Asked:
    """A panel's question: to which model, and what; an error where it cannot be asked."""

    model: int
    request: Request | Exception


class Panels:
    """The panels of an explorer.

    Parameters
    ----------
    subjects : sequence of Subject
        One for each model.

    Attributes
    ----------
    listener : callable
        Called with ``(message, blobs)`` for every `Info`, `State` and `Result`.
    """

    def __init__(self, subjects: Sequence[Subject]) -> None:
        self.subjects = tuple(subjects)
        self.listener: Callable[[Info | State | Result, list[Blob]], None] = lambda message, blobs: None
        # One count for all: a panel that takes another's place has the newer numbers.
        self._numbers = itertools.count(1)
        self._lock = threading.RLock()
        self._sessions: list[SaliencySession | None] = [self._session(0, 0)]
        self._derived: dict[int, Mapping[str, Any]] = {}

    @property
    def lead(self) -> SaliencySession:
        """The session of the first panel."""
        lead = self._sessions[0]
        assert lead is not None
        return lead

    @property
    def sessions(self) -> tuple[SaliencySession, ...]:
        """Those of all question panels, in their order."""
        return tuple(session for session in tuple(self._sessions) if session is not None)

    def session(self, panel: int) -> SaliencySession | None:
        """That of one panel; None for a derived one or where there is none."""
        return self._sessions[panel] if 0 <= panel < len(self._sessions) else None

    def ask(self, wanted: Sequence[Asked | Mapping[str, Any]], anew: bool = False) -> None:
        """Have all panels answer what is wanted of them, the lead first.

        Parameters
        ----------
        wanted : sequence of Asked or mapping
            A mapping describes a derived panel, which asks nothing.
        anew : bool
            Ask also what has been asked before.
        """
        with self._lock:
            for panel, each in enumerate(wanted):
                if isinstance(each, Asked):
                    self._ask(self._seat(panel, each.model), each.request, anew)
                else:
                    self._leave(panel)
            for panel in range(len(wanted), len(self._sessions)):
                self._leave(panel)
            del self._sessions[len(wanted) :]
            self._derived = {i: each for i, each in enumerate(wanted) if not isinstance(each, Asked)}

    def wait(self, timeout: float | None = None) -> bool:
        """Wait until no panel computes any more; False if `timeout` seconds pass first."""
        until = None if timeout is None else time.monotonic() + timeout
        return all(
            session.wait(None if until is None else max(0.0, until - time.monotonic()))
            for session in self.sessions
        )

    def cancel(self) -> None:
        """Stop all computations; what is on screen stays."""
        for session in self.sessions:
            session.cancel()

    def close(self) -> None:
        """Cancel, and let go of the listener and of all answers."""
        self.listener = lambda message, blobs: None
        for session in self.sessions:
            session.close()
        for subject in self.subjects:
            subject.forget()

    def info(self) -> tuple[Info, list[Blob]]:
        """What the page chooses from, with the colour maps."""
        info, blobs = info_of([subject.info() for subject in self.subjects], len(self.subjects[0].inputs))
        return replace(info, replacements=replacement_menu()), blobs

    def tell_all(self, tell: Callable[[Info | State | Result, list[Blob]], None]) -> None:
        """Tell somebody who comes late where everything stands."""
        tell(*self.info())
        for session in self.sessions:
            result, blobs = session.shown
            if result is not None:
                tell(result, blobs)
            tell(session.state, [])

    @property
    def blobs(self) -> list[Blob]:
        """Arrays of everything on screen."""
        return [blob for session in self.sessions for blob in session.shown[1]]

    def screen(self, view: View) -> Screen:
        """What is on screen, for a figure."""
        panels: list[Shown | Mapping[str, Any] | None] = []
        for panel, session in enumerate(tuple(self._sessions)):
            if session is None:
                panels.append(self._derived.get(panel))
            else:
                panels.append(_shown(session, view, self._name(session)))
        return Screen(view, panels)

    def _name(self, session: SaliencySession) -> tuple[str, ...]:
        """The class of a panel's model, where there are several to tell apart by it."""
        names = [type(subject.borrowed.module).__name__ for subject in self.subjects]
        return (names[session.model],) if len(set(names)) > 1 else ()

    def _ask(self, session: SaliencySession, request: Request | Exception, anew: bool) -> None:
        if isinstance(request, Exception):
            session.refuse(request)
        elif anew or session.asked != request:
            session.explain(request)

    def _seat(self, panel: int, model: int) -> SaliencySession:
        """The session at a place on screen, a new one if another model sat there."""
        while len(self._sessions) <= panel:
            self._sessions.append(None)
        session = self._sessions[panel]
        if session is None or session.model != model:
            self._leave(panel)
            session = self._sessions[panel] = self._session(panel, model)
        return session

    def _leave(self, panel: int) -> None:
        while len(self._sessions) <= panel:
            self._sessions.append(None)
        session = self._sessions[panel]
        if session is not None:
            session.close()
            self._sessions[panel] = None

    def _session(self, panel: int, model: int) -> SaliencySession:
        session = SaliencySession(self.subjects[model], panel, model, self._numbers)
        session.listener = self._hear
        return session

    def _hear(self, message: State | Result | None, blobs: list[Blob]) -> None:
        if message is None:
            self.listener(*self.info())
        else:
            self.listener(message, blobs)


def _shown(session: SaliencySession, view: View, words: tuple[str, ...]) -> Shown | None:
    result, blobs = session.shown
    if result is None:
        return None
    arrays = {blob.hash: blob.array() for blob in blobs}
    path, gradients = result.path, None
    if path is not None and view.along == "gradient" and result.stage == "final":
        result, gradients, _ = session.gradients()
    return Shown(
        result,
        arrays[result.picture],
        arrays[result.map],
        None if path is None else arrays[path.stack],
        gradients,
        None if path is None else arrays[path.baseline],
        words,
        None if path is None or path.pictures is None else arrays[path.pictures],
    )
