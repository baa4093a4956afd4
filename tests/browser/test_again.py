"""A cell that is run again and again, a page that is loaded again and again: nothing piles up."""

import pytest
from playwright.sync_api import expect

from .explorer import Explorer
from .lab import SETUP, Notebook
from .measure import NOTHING, REGISTER, counts, falls_to, heap

MAKE = "SaliencyExplorer(model, wide, labels=digits, n_steps=8)"
ANONYMOUS = f"display({MAKE})"
NAMED = f"explorer = {MAKE}\ndisplay(explorer)"
WIDE = "wide = torch.rand(1, 3, 224, 224)"
WATCHED = """
import weakref
models = []

def watched():
    model = sp.demo.cnn()
    models.append(weakref.ref(model))
    return model
"""
ALIVE = "sum(model() is not None for model in models)"
GRACE = 20
"""Seconds after which an explorer that nobody shows is gone: 2 in the page, 3 in the kernel, and to spare."""


@pytest.fixture(scope="module")
def again(server, new_page):
    watch = new_page()
    notebook = Notebook.write(watch, server, "again.ipynb", [SETUP, "", ""])
    notebook.open()
    notebook.run_cell(0)
    notebook.execute(f"{REGISTER}\n{WIDE}")
    yield notebook
    watch.page.context.close()


@pytest.fixture
def notebook(again):
    """Nothing on the page, nothing in the kernel."""
    again.run_cell(1, "")
    again.run_cell(2, "")
    again.execute("_close_all()\nexplorer = None")
    falls_to(lambda: counts(again), NOTHING, "at rest", GRACE)
    return again


def run_again(notebook: Notebook, times: int, source: str = ANONYMOUS) -> None:
    for _ in range(times):
        notebook.run_cell(1, source)
        Explorer(notebook).drawn()


@pytest.mark.parametrize(
    ("before", "after", "bytes_a_run"),
    [
        (2, 12, 300_000),  # the engine is still warming up
        pytest.param(10, 50, 100_000, marks=pytest.mark.slow),
    ],
)
def test_a_cell_that_is_run_again_leaves_nothing_behind(notebook, before, after, bytes_a_run):
    """An explorer on the page weighs 8 MB; JupyterLab itself keeps 50 kB of any cell that is run again."""
    run_again(notebook, before)
    falls_to(lambda: counts(notebook), {"explorers": 1}, f"after {before} runs", GRACE)
    one, begun = counts(notebook), heap(notebook.page)
    run_again(notebook, after - before)
    falls_to(lambda: counts(notebook), one, f"after {after} runs", GRACE)
    assert counts(notebook)["explorers"] == 1, "the one on the page"
    grown = (heap(notebook.page) - begun) / (after - before)
    print(f"page: {begun / 1e6:.1f} MB after {before} runs, {grown / 1e3:+.0f} kB with each of the next")
    assert grown < bytes_a_run


def test_a_model_goes_with_its_last_explorer(notebook):
    notebook.execute(WATCHED)
    run_again(notebook, 3, ANONYMOUS.replace("model", "watched()"))
    falls_to(lambda: notebook.value(ALIVE), 1, "models", GRACE)
    assert notebook.value(ALIVE) == 1
    notebook.run_cell(1, "")
    falls_to(lambda: notebook.value(ALIVE), 0, "models", GRACE)


def test_a_variable_keeps_its_explorer_and_shows_it_again(notebook):
    run_again(notebook, 1, NAMED)
    shown = Explorer(notebook).pixels()
    job = notebook.value("explorer.status.job")
    notebook.run_cell(1, "")
    falls_to(lambda: counts(notebook), {"widgets": 1}, "only its layout is registered", GRACE)
    assert counts(notebook)["explorers"] == 1
    notebook.run_cell(2, "display(explorer)")
    view = Explorer(notebook, cell=2)
    view.shows(shown)
    assert notebook.value("explorer.status.job") == job
    view.choose("method", "saliency")


@pytest.mark.parametrize("times", [3, pytest.param(20, marks=pytest.mark.slow)])
def test_a_page_that_is_loaded_again_shows_the_same_and_computes_nothing(notebook, watch, times):
    notebook.run_cell(1, NAMED)
    explorer = Explorer(notebook)
    explorer.drawn()
    shown, job = explorer.pixels(), explorer.get("status.job")
    notebook.save()
    sizes = []
    for turn in range(times + 1):
        notebook.page.reload()
        notebook.ready()
        explorer = Explorer(notebook)
        explorer.drawn()
        explorer.shows(shown)
        expect(explorer.root).to_have_attribute("data-job", str(job))
        assert explorer.get("status.job") == job
        sizes.append(heap(notebook.page))
        if turn == 0:
            before = counts(notebook)
    falls_to(lambda: counts(notebook), before, f"after {times} reloads", GRACE)
    print("page, MB:", " ".join(f"{size / 1e6:.1f}" for size in sizes))
    assert max(sizes[1:]) < 1.1 * sizes[0]
    explorer.choose("method", "saliency")
