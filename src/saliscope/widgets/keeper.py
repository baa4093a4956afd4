"""Who keeps an explorer alive: a page that shows it, or a variable; not ipywidgets' register for ever."""

import gc
import threading
import weakref
from collections.abc import Callable
from typing import Any

from ipywidgets.widgets import widget as ipywidgets_register

ROLL_SECONDS = 3.0
"""How long other pages may take to say that they still show the explorer, after one has stopped to."""

_collecting = threading.Lock()
"""Python collects nothing for a thread that asks while another one's collection is under way."""


class Keeper:
    """Lets an explorer go when no page shows it any more.

    ipywidgets holds every widget until somebody closes it, so a cell that is run again leaves its old
    explorer behind, with the model and all maps. When a page says that its last view is gone, the others are
    called; if none answers, ipywidgets' own references are taken away. A variable in the notebook still keeps
    the explorer, and displaying it again brings the references back; what nobody holds is closed when Python
    collects it.

    Parameters
    ----------
    widget : Widget
        Whom to keep; the keeper itself does not.
    roll : callable
        Asks all pages to say whether they show it.
    """

    def __init__(self, widget: Any, roll: Callable[[], None]) -> None:
        self._widget = weakref.ref(widget)
        self._roll = roll
        self._signs = 0
        self._held = True
        self._lock = threading.Lock()

    def here(self) -> None:
        """Some page shows the explorer, or is about to."""
        with self._lock:
            self._signs += 1
            widget = self._widget()
            if not self._held and widget is not None and widget.comm is not None:
                ipywidgets_register._instances[widget.model_id] = widget
                widget.comm.on_msg(widget._handle_msg)
                self._held = True

    def bye(self) -> None:
        """A page shows it no more."""
        with self._lock:
            signs = self._signs
        self._roll()
        timer = threading.Timer(ROLL_SECONDS, _unless_seen, (weakref.ref(self), signs))
        timer.daemon = True
        timer.start()

    def _let_go(self, signs: int) -> bool:
        with self._lock:
            widget = self._widget()
            if signs != self._signs or widget is None or widget.comm is None:
                return False
            reference = self._widget

            def receive(message: Any) -> None:
                there = reference()
                if there is not None:
                    there._handle_msg(message)

            ipywidgets_register._instances.pop(widget.model_id, None)
            widget.comm.on_msg(receive)
            self._held = False
            return True


def _unless_seen(keeper: "weakref.ref[Keeper]", signs: int) -> None:
    there = keeper()
    released = there is not None and there._let_go(signs)
    del there
    if released:
        with _collecting:
            gc.collect()  # a widget is full of cycles, and may hold a graphics card's memory
