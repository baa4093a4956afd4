"""A JupyterLab for the session, a notebook with model and pictures, an explorer for each test.

Everything is real: server, kernel, browser, mouse and keyboard.
"""

from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect, sync_playwright

from .demo import demo, folder  # noqa: F401
from .explorer import Explorer
from .lab import PATIENCE, SETUP, Notebook, Server, open_page
from .watch import FLAGS, Watch

RESULTS = Path(__file__).parents[2] / "test-results"

expect.set_options(timeout=PATIENCE)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker("browser")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo) -> Iterator[None]:
    """Keep a picture and the console of a page in which a test has failed."""
    report = yield
    watch = getattr(item, "funcargs", {}).get("watch")
    if report.failed and watch is not None and not watch.page.is_closed():
        watch.save(RESULTS, f"failed-{item.name}-{report.when}")
    return report


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory, chromium: str) -> Iterator[Server]:
    with Server(tmp_path_factory.mktemp("jupyter")) as server:
        yield server


@pytest.fixture(scope="session")
def browser(chromium: str) -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def new_page(browser: Browser) -> Callable[..., Watch]:
    """Open a page that shares nothing with the others."""
    return partial(open_page, browser)


@pytest.fixture(scope="session")
def new_notebook(server: Server) -> Callable[..., Notebook]:
    """Open a notebook with model and pictures in its kernel and two empty cells."""

    def make(watch: Watch, name: str) -> Notebook:
        notebook = Notebook.write(watch, server, name, [SETUP, "", ""])
        notebook.open()
        notebook.run_cell(0)
        return notebook

    return make


@pytest.fixture(scope="session")
def bench(new_notebook: Callable[..., Notebook], new_page: Callable[..., Watch]) -> Notebook:
    return new_notebook(new_page(), "bench.ipynb")


@pytest.fixture
def notebook(bench: Notebook) -> Notebook:
    """The notebook of a test; a module that needs one of its own has a fixture of this name."""
    return bench


@pytest.fixture(autouse=True)
def watch(notebook: Notebook) -> Iterator[Watch]:
    """What the page does during one test: an error that the test does not expect fails it."""
    watch = notebook.watch
    watch.clear()
    yield watch
    assert watch.errors == []
    assert watch.strangers == []


@pytest.fixture
def show(notebook: Notebook) -> Callable[..., Explorer]:
    """Run a cell that makes and displays `explorer`, and give its view."""

    def run(arguments: str = "model, scenes.images, labels=digits", before: str = "") -> Explorer:
        notebook.execute("if 'explorer' in globals(): explorer.close()")
        notebook.run_cell(1, f"{before}\nexplorer = SaliencyExplorer({arguments})\ndisplay(explorer)".strip())
        return Explorer(notebook, cell=1)

    return run


@pytest.fixture
def explorer(show: Callable[..., Explorer]) -> Explorer:
    """Integrated Gradients of the first picture, finished."""
    explorer = show()
    explorer.drawn()
    return explorer


@pytest.fixture
def moody(show: Callable[..., Explorer]) -> Callable[..., Explorer]:
    """An explorer of a model whose mood can be changed: `moody.seconds`, `moody.words`."""

    def run(**options: object) -> Explorer:
        words = ", ".join(f"{name}={value!r}" for name, value in options.items())
        explorer = show(f"moody, scenes.images, {words}", before="moody = Moody()")
        explorer.drawn()
        return explorer

    return run
