"""Notebook 7, with the same front end as JupyterLab and a page of its own."""

import sys

import pytest

from .explorer import Explorer
from .lab import SETUP, Notebook, Server

CELLS = """() => jupyterapp.shell.currentWidget.content.widgets.map(
    ({ model }) => [model.type, model.sharedModel.getSource()])"""


class Page(Notebook):
    def open(self) -> None:
        self.page.goto(f"{self.server.url}/notebooks/{self.path}")
        self.ready()


@pytest.fixture(scope="module")
def page(new_page, tmp_path_factory):
    with Server(tmp_path_factory.mktemp("notebook7"), [sys.executable, "-m", "notebook"]) as server:
        notebook = Page.write(new_page(), server, "seven.ipynb", [SETUP, "", ""])
        notebook.open()
        notebook.run_cell(0)
        yield notebook
        notebook.page.context.close()


@pytest.fixture
def notebook(page):
    return page


def test_the_explorer_is_alive(notebook, explorer):
    assert notebook.page.evaluate("jupyterapp.name") == "Jupyter Notebook"
    explorer.is_true()
    explorer.drag("alpha", 0.4)
    explorer.becomes("alpha", pytest.approx(0.4, abs=0.006))
    explorer.is_true(alpha=explorer.get("alpha"))
    explorer.set(alpha=1.0)
    explorer.choose("method", "grad_cam")
    explorer.is_true()


def test_keys_stay_where_the_focus_is(notebook, explorer):
    cells = notebook.page.evaluate(CELLS)
    explorer.canvas().click()
    for key in ("a", "b", "d", "d", "x", "Enter", "s"):
        notebook.page.keyboard.press(key)
    explorer.becomes("sign", "positive")
    assert notebook.page.evaluate(CELLS) == cells
    notebook.cell(2).locator(".cm-content").click()
    notebook.page.keyboard.press("Escape")
    for key in ("s", "o", "["):
        notebook.page.keyboard.press(key)
    explorer.frame()
    assert [explorer.get(name) for name in ("sign", "overlay", "alpha")] == ["positive", "blend", 1.0]


def test_after_a_reload_it_shows_its_picture_again(notebook, explorer, watch):
    shown, job = explorer.pixels(), explorer.get("status.job")
    notebook.save()
    notebook.page.reload()
    notebook.ready()
    watch.forgive("reading 'schema'")  # Notebook 7 itself, whenever it starts
    again = Explorer(notebook)
    again.drawn()
    again.shows(shown)
    assert again.get("status.job") == job
