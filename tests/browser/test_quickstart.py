"""What a newcomer does first: run the quickstart from top to bottom."""

import shutil
from pathlib import Path

import pytest

from .explorer import Explorer
from .lab import Notebook

LESSON = Path(__file__).parents[2] / "notebooks" / "01_quickstart.ipynb"
WIDGET = "application/vnd.jupyter.widget-view+json"


@pytest.fixture(scope="module")
def lesson(server, new_page):
    shutil.copy(LESSON, server.root)
    return Notebook(new_page(), server, LESSON.name)


@pytest.fixture
def notebook(lesson):
    return lesson


def test_all_cells_of_the_quickstart(notebook, watch):
    notebook.open()
    notebook.command("notebook:run-all-cells")
    outputs = [output for cell in notebook.outputs() for output in cell]
    assert [output for output in outputs if output["output_type"] == "error"] == []
    shown = sum(WIDGET in output.get("data", {}) for output in outputs)
    assert shown
    roots = notebook.page.get_by_test_id("explorer")
    for index in range(shown):
        roots.nth(index).scroll_into_view_if_needed()
        Explorer(notebook, root=roots.nth(index)).drawn()
    first = Explorer(notebook, root=roots.first)
    first.answer()
    first.is_true(alpha=first.get("alpha"))
    assert any(address.startswith("ws://127.0.0.1") for address in watch.addresses)
    assert sum(address.startswith(notebook.server.url) for address in watch.addresses) > 20
    assert watch.strangers == []
