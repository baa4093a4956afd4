"""The maps of an explorer on trial, one after the other: curves, random orders, randomised weights."""

import time
from collections import OrderedDict
from collections.abc import Callable, Generator, Hashable, Iterator
from dataclasses import dataclass
from typing import Any

from torch import Tensor

from saliscope.attribution.base import Attribution
from saliscope.core.anytime import Step
from saliscope.errors import ModelError
from saliscope.faithfulness.controls import blurred
from saliscope.faithfulness.curves import Trial, trial_stream
from saliscope.faithfulness.randomisation import randomisation_stream
from saliscope.faithfulness.verdict import Judgement
from saliscope.sessions.desk import STATE_SECONDS, Desk, Stopped
from saliscope.sessions.failures import in_our_words, without_locals
from saliscope.sessions.panels import Panels
from saliscope.sessions.saliency import SaliencySession
from saliscope.sessions.trial_settings import TrialSettings
from saliscope.sessions.trial_spec import Case, trial_of
from saliscope.specs import trial as specs
from saliscope.specs.blobs import Blob
from saliscope.specs.embedding import WorkState
from saliscope.specs.saliency import Info, Result, State

Told = Info | State | Result | specs.Trial
"""What an explorer tells its pages."""

_KEPT = 24
"""Cases that are remembered: going back to a map that was judged costs nothing."""

_LEFT = 4
"""Streams that are kept where they were left."""
_RANDOMISED = "randomised weights"
"""Of these streams one is kept: it holds a copy of the model."""

Part = Callable[[int, SaliencySession, Case], Generator[None, None, None]]


@dataclass
class _Course:
    """A stream that may be left, and gone on with later: suspended, it holds no lock, no hook and no mode."""

    stream: Iterator[Step[Any]]
    seconds: float = 0.0


class Trials(Desk):
    """Puts whatever the panels show on trial, as long as somebody wants it.

    The listener is told of every `saliscope.specs.trial.Trial` with its blobs, and of every `WorkState`.

    Parameters
    ----------
    panels : Panels
        Whose finished maps are judged. One that gives way to a newer map is left at once.

    Attributes
    ----------
    settings : TrialSettings or None
        None while nobody wants it.
    """

    def __init__(self, panels: Panels) -> None:
        super().__init__()
        self._panels = panels
        self.settings: TrialSettings | None = None
        self._cases: list[Case] = []
        self._bands: OrderedDict[Hashable, Trial] = OrderedDict()
        # By what they find out, the generation of the model, and of what.
        self._courses: OrderedDict[tuple[Any, ...], _Course] = OrderedDict()
        self._shown: dict[int, tuple[specs.Trial, list[Blob]]] = {}
        self._news: dict[int, tuple[object, ...]] = {}

    def consider(self, settings: TrialSettings | None, again: bool = False) -> None:
        """Judge what is on screen and has not been judged; None stops.

        Called when the settings may have changed, and after every finished map.

        Parameters
        ----------
        settings : TrialSettings or None
        again : bool
            Try also what failed before, as other settings do: memory may be free again. A map that has gone
            from the screen is tried again when it comes back.
        """
        with self._lock:
            changed, self.settings = settings != self.settings, settings
            shown = [session.attribution for session in self._panels.sessions]
            for case in self._cases:
                if changed or again or not any(case.whose() is one for one in shown):
                    case.error = case.not_randomised = None
            if settings is None or not settings.randomise:
                self._drop(lambda key: settings is None or key[0] == _RANDOMISED)
            if settings is None:
                self._forget_told()
                self.cancel()
            elif (changed or self.settled) and self._next() is not None:
                self._submit(self._try)

    def forget(self) -> None:
        """Let go of all that was found out: the model may have changed."""
        with self._lock:
            self._cases.clear()
            self._bands.clear()
            self._courses.clear()
            self._forget_told()

    def close(self) -> None:
        """Stop, and let go of the listener and of all that was found out."""
        with self._lock:
            self.settings = None
        super().close()
        self.forget()

    def _drop(self, which: Callable[[tuple[Any, ...]], bool]) -> None:
        """Let go of streams that nobody goes on with."""
        self._courses = OrderedDict((key, one) for key, one in self._courses.items() if not which(key))

    def _standing(self) -> dict[int, tuple[specs.Trial, list[Blob]]]:
        """What was told last of each panel, without what belongs to other settings."""
        # Without our lock, in the order opposite to that in which they are written.
        settings, shown, news = self.settings, dict(self._shown), dict(self._news)
        if settings is None:
            return {}
        return {i: told for i, told in shown.items() if i in news and news[i][-1] == settings.curves}

    def _forget_told(self) -> None:
        self._shown.clear()
        self._news.clear()

    def judgement(self, panel: int) -> Judgement | None:
        """What is known of the map on a panel; None where there is nothing."""
        case = self._case_on(panel)
        if case is None or case.whole is None:
            return None
        return Judgement(case.attribution.method.title, case.whole, case.randomisation, case.sentence)

    @property
    def told(self) -> tuple[tuple[specs.Trial | None, ...], dict[str, Blob]]:
        """What pages know, panel by panel, and its arrays by their names."""
        known = self._standing()
        last = max(known, default=-1)
        trials = tuple(known[i][0] if i in known else None for i in range(last + 1))
        return trials, {blob.hash: blob for _, blobs in known.values() for blob in blobs}

    def raise_errors(self) -> None:
        """Raise why the first of the maps that cannot be judged cannot."""
        for session in self._panels.sessions:
            case = self._case_on(session.panel)
            error = case and (case.error or case.not_randomised)
            if error:
                raise error

    def _case_on(self, panel: int) -> Case | None:
        with self._lock:
            session = self._panels.session(panel)
            if session is None or self.settings is None or session.attribution is None:
                return None
            return self._found(session.attribution, self.settings)

    def tell_all(self, tell: Callable[[Any, list[Blob]], None]) -> None:
        """Tell somebody who comes late where everything stands."""
        # Without our lock: a page that says hello holds the channel, and our listener waits for that.
        for trial, blobs in self._standing().values():
            tell(trial, blobs)
        if self.settings is not None:
            tell(self.state, [])

    @property
    def blobs(self) -> list[Blob]:
        """Arrays of everything that was told."""
        return [blob for _, blobs in self._standing().values() for blob in blobs]

    def _try(self, number: int) -> Iterator[None]:
        while True:
            with self._lock:
                found = self._next()
                if found is None:
                    self._tell(number, "done", "trial", 1, 1, "Judged.")
                    return
            session, case, part = found
            try:
                yield from part(number, session, case)
            except Stopped:
                raise
            except Exception as error:  # of this map; the others can still be judged
                failed = in_our_words(error)
                without_locals(failed)
                with self._lock:
                    self._courses.clear()  # this one is over; the others hold memory that may be wanted
                if part == self._randomise:
                    case.not_randomised = failed
                else:
                    case.error = failed
                self._publish(number, session, case)
            yield from self._pause(number)

    def _next(self) -> tuple[SaliencySession, Case, Part] | None:
        """What is missing, the quickest first: what is known, curves, random orders, randomised weights."""
        settings = self.settings
        if settings is None:
            return None
        seats = [(one, one.attribution) for one in self._panels.sessions]
        cases = [(one, self._case(map_, settings)) for one, map_ in seats if map_ is not None and _done(one)]
        # Before anything else: a page that went back to settings of before shows those in between.
        for session, case in cases:
            known = case.curves is not None or case.error is not None
            if known and self._news.get(session.panel) != _news(session, case, settings):
                return session, case, self._tell_again
        for part, lacks in self._parts(settings):
            for session, case in cases:
                if case.error is None and lacks(session, case):
                    return session, case, part
        return None

    def _parts(
        self, settings: TrialSettings
    ) -> tuple[tuple[Part, Callable[[SaliencySession, Case], bool]], ...]:
        def not_randomised(session: SaliencySession, case: Case) -> bool:
            if not settings.randomise or case.not_randomised is not None:
                return False
            return case.randomisation is None or not case.randomisation.complete

        return (
            (self._draw_curves, lambda session, case: case.curves is None or not case.curves.complete),
            (self._draw_band, lambda session, case: case.band is None or not case.band.complete),
            (self._randomise, not_randomised),
        )

    def _case(self, attribution: Attribution, settings: TrialSettings) -> Case:
        found = self._found(attribution, settings)
        if found is None:
            found = Case.of(attribution, settings.curves)
            alive = [case for case in self._cases if case.whose() is not None]
            self._cases = [*alive[1 - _KEPT :], found]
        return found

    def _found(self, attribution: Attribution, settings: TrialSettings) -> Case | None:
        wanted = settings.curves
        of_this = (c for c in self._cases if c.whose() is attribution and c.settings == wanted)
        return next(of_this, None)

    def _draw_curves(self, number: int, session: SaliencySession, case: Case) -> Generator[None, None, None]:
        def begin() -> Iterator[Step[Trial]]:
            inputs, maps = _inputs_of(session), case.attribution.map
            return self._stream(session, case, {"map": maps, "blurred": blurred(maps, inputs)}, 0)

        def keep(found: Trial) -> None:
            case.curves = found

        key = ("curves", session.generation, case)
        yield from self._follow(number, session, case, key, begin, keep, "deletion and insertion")

    def _draw_band(self, number: int, session: SaliencySession, case: Case) -> Generator[None, None, None]:
        assert session.answered is not None
        settings = case.settings
        key = ("random orders", session.generation, session.model, session.answered.subject, settings)
        known = self._bands.get(key)
        if known is not None:
            case.band = known
            self._publish(number, session, case)
            return

        def begin() -> Iterator[Step[Trial]]:
            return self._stream(session, case, {"map": case.attribution.map}, settings.random)

        def keep(found: Trial) -> None:
            case.band = found
            if found.complete:
                self._bands[key] = found
                while len(self._bands) > _KEPT:
                    self._bands.popitem(last=False)

        what = f"{settings.random} random orders"
        yield from self._follow(number, session, case, key, begin, keep, what)

    def _stream(
        self, session: SaliencySession, case: Case, maps: dict[str, Tensor], n_random: int
    ) -> Iterator[Step[Trial]]:
        return trial_stream(
            session.subject.borrowed,
            _inputs_of(session),
            maps,
            case.attribution.target,
            protocols=case.settings.protocols,
            n_random=n_random,
            chunk_size=session.subject.chunk_size,
        )

    def _randomise(self, number: int, session: SaliencySession, case: Case) -> Generator[None, None, None]:
        attribution, subject = case.attribution, session.subject

        def begin() -> Iterator[Step[Any]]:
            return randomisation_stream(
                subject.borrowed,
                _inputs_of(session),
                attribution.method,
                attribution.target,
                chunk_size=subject.chunk_size,
            )

        def keep(found: Any) -> None:
            case.randomisation = found

        key = (_RANDOMISED, session.generation, case)
        yield from self._follow(number, session, case, key, begin, keep, _RANDOMISED)

    def _tell_again(self, number: int, session: SaliencySession, case: Case) -> Generator[None, None, None]:
        self._publish(number, session, case)
        yield

    def _follow(
        self,
        number: int,
        session: SaliencySession,
        case: Case,
        key: tuple[Any, ...],
        begin: Callable[[], Iterator[Step[Any]]],
        keep: Callable[[Any], None],
        what: str,
    ) -> Generator[None, None, None]:
        """Publish what a stream finds out now and then, as long as its map is on screen.

        A stream that was left under this key goes on where it was.
        """
        if session.subject.changed or session.generation is not session.subject.generation:
            got = "a map of a model that has changed since"
            raise ModelError("model", got, "the model of the map", "Compute the map again first.")
        course = self._course(number, key, begin)
        last = published = time.monotonic()
        text = f"{case.attribution.method.title}: {what}"
        for step in course.stream:
            now = time.monotonic()
            case.seconds, course.seconds, last = case.seconds + now - last, course.seconds + now - last, now
            if step.complete or now - published >= STATE_SECONDS:
                keep(step.result)
                published = now
                self._publish(number, session, case)
            eta = course.seconds * (step.total - step.done) / max(1, step.done)
            self._report(number, "trial", step.done, step.total, text, eta)
            session.subject.settle()
            if step.complete:
                with self._lock:
                    self._courses.pop(key, None)
            yield from self._pause(number)
            if self._gave_way(session, case):
                return

    def _course(self, number: int, key: tuple[Any, ...], begin: Callable[[], Iterator[Step[Any]]]) -> _Course:
        # Begun without our lock, which those who stop us need: the model may have to run.
        course = self._courses.get(key) or _Course(begin())
        with self._lock:
            if self.settings is None or number != self._number:
                return course
            alive = {session.subject.generation for session in self._panels.sessions}
            self._drop(lambda other: other[1] not in alive or (other[0] == key[0] == _RANDOMISED))
            self._courses[key] = course
            self._courses.move_to_end(key)
            while len(self._courses) > _LEFT:
                self._courses.popitem(last=False)
        return course

    def _gave_way(self, session: SaliencySession, case: Case) -> bool:
        """Whether another map has taken the place of this one."""
        settings = self.settings
        shown = session.attribution if session in self._panels.sessions else None
        return (
            shown is None or shown is not case.whose() or settings is None or settings.curves != case.settings
        )

    def _publish(self, number: int, session: SaliencySession, case: Case) -> None:
        settings, result = self.settings, session.result
        if settings is None or result is None or self._gave_way(session, case):
            return
        told, blobs = trial_of(
            case,
            session.subject.borrowed,
            _inputs_of(session),
            session.panel,
            result.job,
            strip=settings.randomise,
        )
        with self._lock:
            if number != self._number:
                return
            self._news[session.panel] = _news(session, case, settings)
            self._shown[session.panel] = told, blobs
            self._hear(number, told, blobs)


def kind_of(message: Told) -> str:
    """The name of an event; the trials have a state of their own."""
    return "trialstate" if isinstance(message, WorkState) else type(message).__name__.lower()


def _done(session: SaliencySession) -> bool:
    """Whether what is on screen is a finished map."""
    return session.settled and session.result is not None and session.result.stage == "final"


def _news(session: SaliencySession, case: Case, settings: TrialSettings) -> tuple[object, ...]:
    """What a page that was told of a case knows."""
    result = session.result
    return (id(case), None if result is None else result.job, settings.randomise, settings.curves)


def _inputs_of(session: SaliencySession) -> Tensor:
    assert session.answered is not None
    return session.subject.glance(session.answered).inputs
