"""What is counted and weighed: in the page, in the kernel, in the file."""

import json
import time
from collections.abc import Callable
from typing import Any

import nbformat
from playwright.sync_api import Page

from .lab import Notebook

COUNT_CONTEXTS = """(() => {
    window.contexts = [];
    for (const kind of [HTMLCanvasElement, OffscreenCanvas]) {
        const make = kind.prototype.getContext;
        kind.prototype.getContext = function (name, ...options) {
            window.contexts.push(name);
            return make.call(this, name, ...options);
        };
    }
})()"""
"""A script for a new page: it notes the kind of every canvas context that is made."""

BLANK = """() => [
    ...document.querySelectorAll('[data-testid=explorer] .stage > canvas:first-child'),
].map(canvas => {
    const { width, height } = canvas;
    if (!width || !height) return true;
    const { data } = canvas.getContext('2d').getImageData(0, 0, width, height);
    const pixels = new Uint32Array(data.buffer);
    return pixels.every(pixel => pixel === pixels[0]);
})"""

REGISTER = """
import gc, threading, weakref
from comm import get_comm_manager
from ipywidgets.widgets import widget as _widgets

made = weakref.WeakSet()  # gc.get_objects() would take hold of tuples that another thread is still making
_begin = SaliencyExplorer.__init__

def _noted(self, *args, **options):
    made.add(self)
    _begin(self, *args, **options)

SaliencyExplorer.__init__ = _noted

def _close_all():
    while made:
        made.pop().close()
    gc.collect()
"""
"""For the kernel, before the first explorer: `made` knows those that are alive."""

COUNTS = """dict(
    explorers=len(made), widgets=len(_widgets._instances), comms=len(get_comm_manager().comms),
    threads=sum(not thread.name.startswith("subshell-") for thread in threading.enumerate()),
)"""
"""Without the subshells, of which JupyterLab makes one for each page that it loads, and never ends it."""

NOTHING = {"explorers": 0, "widgets": 0, "comms": 0}

SAVE_STATE = "@jupyter-widgets/jupyterlab-manager:saveWidgetState"
STATE_TYPE = "application/vnd.jupyter.widget-state+json"


def heap(page: Page) -> int:
    """Bytes that scripts, elements and arrays hold, after everything that can be collected was."""
    client = page.context.new_cdp_session(page)
    for _ in range(2):  # what a finaliser lets go is collected by the second
        client.send("HeapProfiler.collectGarbage")
    used = client.send("Runtime.getHeapUsage")
    client.detach()
    return round(sum(used[part] for part in ("usedSize", "embedderHeapUsedSize", "backingStorageSize")))


def blank(page: Page) -> list[bool]:
    """For each picture of every explorer, the input first, whether all its pixels are the same."""
    return page.evaluate(BLANK)


def counts(notebook: Notebook) -> dict[str, int]:
    """Explorers, ipywidgets' register, open comms and threads of the kernel; see `REGISTER`."""
    return notebook.value(COUNTS)


def falls_to(measure: Callable[[], Any], most: Any, what: str, seconds: float) -> None:
    """Wait until a number, or each number of a dict that is named, is no more than it may be."""
    until = time.monotonic() + seconds
    while True:
        found = measure()
        if all(found[name] <= most[name] for name in most) if isinstance(most, dict) else found <= most:
            return
        assert time.monotonic() < until, f"{what}: {found}, more than {most} after {seconds:.0f} s"
        time.sleep(0.25)


def saved_states(notebook: Notebook) -> list[int]:
    """Bytes of each explorer in the file, when JupyterLab is told to save widgets; it does not by itself."""
    notebook.command(SAVE_STATE)
    notebook.save()
    notebook.command(SAVE_STATE)
    saved = nbformat.read(notebook.server.root / notebook.path, as_version=4).metadata["widgets"]
    states = [entry["state"] for entry in saved[STATE_TYPE]["state"].values()]
    return [len(json.dumps(state).encode()) for state in states if "n_steps" in state]
