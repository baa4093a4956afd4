"""Forty explorers on one page."""

import json

import pytest

from .lab import SETUP, Notebook
from .measure import COUNT_CONTEXTS, blank, saved_states

MANY = 40
CELL = f"""
explorers = [SaliencyExplorer(model, scenes.images, labels=digits, index=i % 6) for i in range({MANY})]
for each in explorers:
    display(each)
"""
STAGES = (
    """() => [...document.querySelectorAll('[data-testid=explorer]')].map(({ dataset }) => dataset.stage)"""
)


@pytest.fixture(scope="module")
def crowd(server, new_page):
    watch = new_page()
    watch.page.add_init_script(COUNT_CONTEXTS)
    notebook = Notebook.write(watch, server, "crowd.ipynb", [SETUP, CELL])
    notebook.open()
    notebook.run_cell(0)
    yield notebook
    watch.page.context.close()


@pytest.fixture
def notebook(crowd):
    return crowd


def test_forty_explorers_are_all_there(notebook, watch):
    notebook.run_cell(1)
    page = notebook.page
    page.wait_for_function(f"() => ({STAGES})().filter(stage => stage === 'final').length === {MANY}")
    assert notebook.value("[each.status.phase for each in explorers]") == ["done"] * MANY
    contexts = page.evaluate("window.contexts")
    assert contexts.count("2d") >= 2 * MANY, "the counter counts"
    assert {name for name in contexts if name != "2d"} == set(), "the oldest of 17 WebGL contexts is lost"
    assert blank(page) == [False] * 2 * MANY
    assert watch.requests.count("code") == 2, "either half of the front end travels once for a page"
    assert watch.requests.count("hello") == MANY


def test_what_a_notebook_would_save_of_each_is_small(notebook):
    sizes = saved_states(notebook)
    assert len(sizes) == MANY
    assert max(sizes) < 4000
    state = notebook.value("{k: v for k, v in explorers[0].get_state().items()}")
    assert len(json.dumps(state).encode()) < 4000
