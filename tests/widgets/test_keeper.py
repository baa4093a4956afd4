"""Explorers that nobody shows any more are let go, also when several go at once."""

import gc
import threading
import time
import weakref
from types import SimpleNamespace

from ipywidgets.widgets import widget as register

from saliscope.widgets import keeper
from saliscope.widgets.keeper import Keeper


class Shown:
    """As much of a widget as a keeper needs; full of cycles, and slow to close, as the real one."""

    def __init__(self, name: str, closing: threading.Event | None = None) -> None:
        self.model_id, self.comm = name, SimpleNamespace(on_msg=lambda receive: None)
        self.cycle, self.closing = self, closing
        self.keeper = Keeper(self, lambda: None)
        register._instances[name] = self

    def __del__(self) -> None:
        if self.closing is not None:
            self.closing.set()
            time.sleep(0.5)


def test_two_that_go_at_once_are_both_collected():
    closing = threading.Event()
    shown = [Shown("first", closing), Shown("second")]
    keepers = [weakref.ref(each.keeper) for each in shown]
    alive = [weakref.ref(each) for each in shown]
    del shown
    gc.collect()
    assert all(each() is not None for each in alive), "ipywidgets' register holds them"
    first, second = (threading.Thread(target=keeper._unless_seen, args=(each, 0)) for each in keepers)
    first.start()
    assert closing.wait(10)
    second.start()  # while Python is still busy with the first
    for thread in (first, second):
        thread.join(10)
    assert [each() for each in alive] == [None, None]
