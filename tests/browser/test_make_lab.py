"""`make lab`: a JupyterLab whose first page is an explorer that is alive, before anybody has clicked."""

import shutil
import sys
from pathlib import Path

import pytest
from playwright.sync_api import expect

from .explorer import Explorer
from .lab import Notebook, Server

ROOT = Path(__file__).parents[2]
LESSON = "01_quickstart.ipynb"


@pytest.fixture
def notebook(tmp_path, new_page):
    """The lesson in a page of what `make lab` starts, with its playground in a folder of the test."""
    for part in ("tools/lab.py", f"notebooks/{LESSON}"):
        (tmp_path / part).parent.mkdir()
        shutil.copy(ROOT / part, tmp_path / part)
    server = Server(tmp_path, [sys.executable, str(tmp_path / "tools" / "lab.py")])
    try:
        server.wait(180)  # it lets nobody in before the cells have run
        yield Notebook(new_page(), server, f"playground/{LESSON}")
    finally:
        server.stop()


def test_the_first_page_is_an_explorer_that_is_alive(notebook):
    page = notebook.page
    page.goto(notebook.server.url)
    explorer = Explorer(notebook, root=page.get_by_test_id("explorer").first)
    explorer.drawn()
    expect(page).to_have_url(f"{notebook.server.url}/lab/tree/{notebook.path}")
    notebook.ready()
    explorer.is_true(alpha=explorer.get("alpha"))
    explorer.choose("method", "grad_cam")
    explorer.is_true()
