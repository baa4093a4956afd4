"""What all explorers are: traits that pages and Python change alike, with a way back, and links to others."""

import base64
import difflib
import threading
from abc import abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, ClassVar

import anywidget
import traitlets

from saliscope.errors import InputError, SaliscopeError
from saliscope.widgets.history import History
from saliscope.widgets.link import Link


class Live(anywidget.AnyWidget):
    """The base of explorers. A click and an assignment both end here, and are checked on their line.

    Class attributes
    ----------------
    arguments : tuple of str
        What the constructor takes beside the traits.
    remembered : tuple of str
        Traits that can be undone.
    asking : frozenset of str
        Those among them whose change asks the engine.
    """

    arguments: ClassVar[tuple[str, ...]] = ()
    remembered: ClassVar[tuple[str, ...]] = ()
    asking: ClassVar[frozenset[str]] = frozenset()
    scale: Any

    def __init__(self, **view: Any) -> None:
        self._ready = False
        self._quiet = threading.local()
        self._links: list[Link] = []
        super().__init__(**view)
        self._history = History(self._state_now())
        self._observe_scale(None)
        self._ready = True

    @abstractmethod
    def _ask(self) -> None:
        """Have what the traits ask answered."""

    @abstractmethod
    def _refuse(self, error: Exception) -> None:
        """Tell the pages why a change of theirs was not taken."""

    @abstractmethod
    def _limits(self) -> dict[str, float]:
        """The automatic limits of what is on screen, by unit."""

    def undo(self) -> None:
        """Take the last change of the view or the question back; nothing happens at the beginning."""
        self._apply(self._history.back())

    def redo(self) -> None:
        """Do again what `undo` took back."""
        self._apply(self._history.forth())

    def close(self) -> None:
        """Let the links and the shared scale go, and close the page's end."""
        if hasattr(self, "_history"):  # not if the constructor refused its arguments
            for link in [*self._links]:
                link.close()
            self.scale.unobserve(self._on_scale)
            self.scale.report(self, {})
            self.layout.close()  # a widget of its own, which ipywidgets leaves behind
        super().close()

    def set_state(self, sync_data: dict[str, Any]) -> None:
        """Take in what a page has changed, all of it or nothing; what is refused is said in the window."""
        sent = {name: v for name, v in sync_data.items() if name in self.keys and not name.startswith("_")}
        try:
            new = self._check_sent(sent)
        except (SaliscopeError, traitlets.TraitError) as error:
            self._refuse(error)
            self.send_state(list(sent))
        else:
            # The page moves the scale that there is: others may share it.
            scale = new.pop("scale", None)
            if scale is not None:
                self.scale.set(scale.mode, scale.limits)
            super().set_state({name: value for name, value in sent.items() if name != "scale"})

    def _check_sent(self, sent: dict[str, Any]) -> dict[str, Any]:
        """What a page has sent as the traits' own values; raises for one that is none."""
        new = dict(sent)
        for name, value in sent.items():
            new[name] = self.trait_metadata(name, "from_json", self._trait_from_json)(value, self)
            if name != "params":  # which there are depends on another trait
                new[name] = self.traits()[name]._validate(self, new[name])
        return new

    def _joined(self, other: "Live", names: Sequence[str] | Mapping[str, str]) -> Link:
        """A link that both know of."""
        link = Link(self, other, names)
        self._links.append(link)
        other._links.append(link)
        return link

    def _observe_scale(self, old: Any) -> None:
        """Follow the scale, which others may share, and tell it what is on screen here."""
        if old is not None and old is not self.scale:
            old.unobserve(self._on_scale)
            old.report(self, {})
        self.scale.observe(self._on_scale)
        self._report_limits()

    def _on_scale(self, _scale: Any) -> None:
        self.send_state("scale")
        self._history.note(self._state_now())

    def _report_limits(self) -> None:
        self.scale.report(self, self._limits())

    def _note(self) -> None:
        """Take note of a change, unless it is one of our own."""
        if self._ready and not getattr(self._quiet, "now", False):
            self._history.note(self._state_now())

    def _plain(self, name: str) -> Any:
        plain = self.trait_metadata(name, "to_json", self._trait_to_json)(getattr(self, name), self)
        return list(plain) if isinstance(plain, tuple) else plain

    def _state_now(self) -> dict[str, Any]:
        state = {name: Kept(self._plain(name), getattr(self, name)) for name in self.remembered}
        if self.scale.mode != "fixed":
            state["scale"].plain["limits"] = {}  # those of others on the same scale: nobody chose them
        return state

    def _apply(self, changes: Mapping[str, Any]) -> None:
        """Go back or forth, as one step."""
        with self._quietly():
            for name, kept in changes.items():
                if name == "scale":
                    self.scale.set(kept.plain["mode"], kept.plain["limits"])
                elif name != "params":
                    setattr(self, name, kept.value)
            if "params" in changes:  # last: which there are depends on the method
                self.params = changes["params"].value
        self._history.note(self._state_now())
        if {*changes} & self.asking:
            self._ask()

    @contextmanager
    def _quietly(self) -> Iterator[None]:
        """Change traits without asking again, in this thread only: others may be changing them as well."""
        before = getattr(self._quiet, "now", False)
        self._quiet.now = True
        try:
            yield
        finally:
            self._quiet.now = before

    def __setattr__(self, name: str, value: Any) -> None:
        # `explorer.methd = ...` would be an attribute like any other, and do nothing.
        if getattr(self, "_ready", False) and not name.startswith("_") and not hasattr(type(self), name):
            check_names({name: value}, self.trait_names(), self)
        super().__setattr__(name, value)


class Kept:
    """A trait's value and its plain data: equal if the data are, for tensors have no truth of their own."""

    def __init__(self, plain: Any, value: Any) -> None:
        self.plain, self.value = plain, value

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Kept) and self.plain == other.plain

    __hash__ = None  # type: ignore[assignment]


def check_names(given: Mapping[str, Any], known: Sequence[str], owner: Live | type[Live]) -> None:
    """Raise `InputError` for a name that is not known, with the nearest one that is."""
    for name in given:
        if name not in known:
            close = difflib.get_close_matches(name, (*known, *owner.arguments), n=1)
            hint = f"Did you mean {close[0]!r}?" if close else ""
            cls = owner if isinstance(owner, type) else type(owner)
            public = next(each for each in cls.__mro__ if each.__module__.startswith("saliscope."))
            expected = f"an argument or trait of {public.__name__}"
            raise InputError(name, "an unknown argument", expected, hint)


def with_picture(bundle: tuple[dict[str, Any], dict[str, Any]], png: bytes | None) -> Any:
    """What is displayed, with a picture: GitHub, nbviewer and a closed kernel show it, not the widget."""
    if png is not None:
        bundle[0]["image/png"] = base64.b64encode(png).decode("ascii")
    return bundle


def own_traits(cls: type[Live]) -> tuple[str, ...]:
    """All traits that a class declares itself, in the order in which they are written down."""
    declared = vars(cls).items()
    return tuple(name for name, t in declared if isinstance(t, traitlets.TraitType) and name[0] != "_")


def usual_of(cls: type[Live], names: Sequence[str]) -> dict[str, Any]:
    """The defaults of a class's own traits, as plain data."""
    return {name: _default(cls.class_own_traits()[name]) for name in names}


def _default(trait: Any) -> Any:
    plain = trait.metadata.get("to_json", lambda value, _widget: value)(trait.default(), None)
    return list(plain) if isinstance(plain, tuple) else plain
