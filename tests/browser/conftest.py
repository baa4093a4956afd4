"""A JupyterLab for the session, a page for each module, an explorer for each test.

Everything is real: server, kernel, browser, mouse and keyboard.
"""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect, sync_playwright

from .explorer import Explorer
from .lab import PATIENCE, Notebook, Server
from .watch import Watch

RESULTS = Path(__file__).parents[2] / "test-results"
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
SETUP = """\
import time

import numpy as np
import torch
import saliscope as sp
from saliscope import SaliencyExplorer
from IPython.display import display

model = sp.demo.cnn()
scenes = sp.demo.scenes(6, seed=1)
digits = [f"digit {i}" for i in range(10)]"""
SHOW = "explorer = SaliencyExplorer(model, scenes.images, labels=digits)\ndisplay(explorer)"


expect.set_options(timeout=PATIENCE)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker("browser")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo) -> Iterator[None]:
    """Take a picture while the page of a failed test is still there."""
    report = yield
    watch = getattr(item, "funcargs", {}).get("watch")
    if report.failed and watch is not None and not watch.page.is_closed():
        watch.save(RESULTS, f"failed-{item.name}-{report.when}")
    return report


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory, chromium: str) -> Iterator[Server]:
    server = Server(tmp_path_factory.mktemp("jupyter"))
    try:
        server.wait()
        yield server
    finally:
        server.stop()


@pytest.fixture(scope="session")
def browser(chromium: str) -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def context(browser: Browser) -> Iterator[BrowserContext]:
    context = browser.new_context(viewport={"width": 1440, "height": 1100}, device_scale_factor=1)
    context.set_default_timeout(PATIENCE)
    yield context
    context.close()


@pytest.fixture(scope="module")
def page(context: BrowserContext) -> Page:
    return context.new_page()


@pytest.fixture(scope="module")
def watched(page: Page) -> Watch:
    return Watch(page)


@pytest.fixture(autouse=True)
def watch(watched: Watch) -> Iterator[Watch]:
    """What the page does during one test; an error that it does not expect fails it."""
    watched.clear()
    yield watched
    assert watched.errors == []
    assert watched.strangers == []


@pytest.fixture(scope="module")
def notebook(page: Page, watched: Watch, server: Server, request: pytest.FixtureRequest) -> Notebook:
    """A notebook of the module's own with model and pictures in its kernel."""
    name = request.module.__name__.rpartition(".")[2]
    notebook = Notebook.write(page, server, f"{name}.ipynb", [SETUP, "", ""])
    notebook.open()
    notebook.run_cell(0)
    return notebook


@pytest.fixture
def show(notebook: Notebook, watch: Watch) -> Callable[..., Explorer]:
    """Run a cell that displays an explorer, and give its view."""

    def run(source: str = SHOW, cell: int = 1) -> Explorer:
        if cell == 1:
            source = f"if 'explorer' in globals(): explorer.close()\n{source}"
        notebook.run_cell(cell, source)
        explorer = Explorer(notebook.cell(cell).get_by_test_id("explorer"))
        expect(explorer.root).to_be_visible()
        return explorer

    return run


@pytest.fixture
def explorer(show: Callable[..., Explorer]) -> Explorer:
    """Shows Integrated Gradients of the first picture, finished."""
    explorer = show()
    explorer.drawn()
    return explorer
