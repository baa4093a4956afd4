"""What a newcomer does: the quickstart, run from top to bottom; and `make lab`, which has run it already."""

import shutil
import sys
from pathlib import Path

import pytest
from playwright.sync_api import expect


from .explorer import Explorer
from .lab import Notebook, Server
from .truth import PICTURES, truth

ROOT = Path(__file__).parents[2]
LESSON = ROOT / "notebooks" / "01_quickstart.ipynb"
VIEW = "application/vnd.jupyter.widget-view+json"


def test_all_cells_of_the_quickstart(page, server, watch):
    shutil.copy(LESSON, server.root)
    notebook = Notebook(page, server, LESSON.name)
    notebook.open()
    notebook.run_all()
    outputs = notebook.every_output()
    errors = [output for output in outputs if output["output_type"] == "error"]
    assert errors == []
    shown = [output["data"] for output in outputs if VIEW in output.get("data", {})]
    assert shown
    assert all("image/png" in data for data in shown)
    page.locator(".jp-Notebook .jp-Cell").first.click()
    explorers = page.get_by_test_id("explorer")
    first = Explorer(explorers.first)
    first.root.scroll_into_view_if_needed()
    first.drawn(notebook.value("(explorer.wait(), explorer.status.job)[1]"))
    first.shows(truth(notebook).picture(PICTURES[0], alpha=0.4))
    for index in range(len(shown)):
        explorer = Explorer(explorers.nth(index))
        explorer.root.scroll_into_view_if_needed()
        explorer.drawn()
    assert any(address.startswith("ws://127.0.0.1") for address in watch.addresses)
    assert sum(address.startswith(server.url) for address in watch.addresses) > 20
    assert watch.strangers == []


@pytest.fixture
def lab(tmp_path, chromium):
    """What `make lab` starts, with its notebook and its playground in a folder of the test."""
    (tmp_path / "notebooks").mkdir()
    (tmp_path / "tools").mkdir()
    shutil.copy(LESSON, tmp_path / "notebooks")
    shutil.copy(ROOT / "tools" / "lab.py", tmp_path / "tools")
    server = Server(tmp_path, [sys.executable, str(tmp_path / "tools" / "lab.py")])
    try:
        server.wait(120)  # it lets nobody in before the cells have run
        yield server
    finally:
        server.stop()


def test_make_lab_opens_on_an_explorer_that_is_alive(lab, page, watch):
    page.goto(lab.url)
    explorer = Explorer(page.get_by_test_id("explorer").first)
    explorer.drawn()
    expect(page).to_have_url(f"{lab.url}/lab/tree/playground/{LESSON.name}")
    notebook = Notebook(page, lab, "playground/01_quickstart.ipynb")
    notebook.ready()
    explorer.shows(truth(notebook).picture(PICTURES[0], alpha=0.4))
    explorer.part("method").select_option("grad_cam")
    notebook.becomes("explorer.method", "grad_cam")
    explorer.drawn(notebook.value("(explorer.wait(), explorer.status.job)[1]"))
