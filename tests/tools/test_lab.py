"""`make lab` ends with the quickstart on screen, its explorer alive, and nobody has clicked."""

import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import nbformat
import pytest
from playwright.sync_api import Page, sync_playwright

from tests.browser.lab import PATIENCE, Server

ROOT = Path(__file__).parents[2]
LESSON = "notebooks/01_quickstart.ipynb"
COPY = "playground/01_quickstart.ipynb"
PAINTED = """canvas => {
    const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
    return new Set(data).size > 16;
}"""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """The server of `make lab` on a project that has the script and the lesson only."""
    home = tmp_path_factory.mktemp("lab")
    for name in ("tools/lab.py", LESSON):
        (home / "root" / name).parent.mkdir(parents=True)
        shutil.copyfile(ROOT / name, home / "root" / name)
    server = Server(home, (sys.executable, str(home / "root/tools/lab.py")))
    try:
        server.wait(180)  # it listens when the lesson has run
        yield server
    finally:
        server.stop()


@pytest.fixture
def page(chromium: str) -> Iterator[Page]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        yield browser.new_page(viewport={"width": 1280, "height": 1000})
        browser.close()


@pytest.mark.browser
def test_the_lesson_is_on_screen_and_alive(server, page):
    page.goto(server.url)
    canvas = page.locator(".jp-Cell-outputArea canvas").first
    canvas.wait_for(timeout=2 * PATIENCE)
    # Its pixels come from the kernel, by messages, after the page was opened.
    page.wait_for_function(PAINTED, arg=canvas.element_handle(), timeout=PATIENCE)
    assert page.url.endswith(f"/lab/tree/{COPY}")


@pytest.mark.browser
def test_outputs_go_to_the_copy_and_there_are_no_errors(server):
    assert (server.root / LESSON).read_text() == (ROOT / LESSON).read_text()
    cells = nbformat.read(server.root / COPY, as_version=4).cells
    outputs = [output for cell in cells for output in cell.get("outputs", [])]
    assert [output for output in outputs if output.output_type == "error"] == []
    assert any("application/vnd.jupyter.widget-view+json" in output.get("data", {}) for output in outputs)
