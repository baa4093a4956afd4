"""The kernel has been shut down: what is on screen stays, and the file holds a picture."""

import base64
import io
import re

import nbformat
import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import expect


from .explorer import Explorer
from .lab import Notebook
from .truth import PICTURES, Truth, truth

NOT_SENT = "Could not send widget sync message"  # ipywidgets says so for every trait; nothing is lost by it
LOST = "widget model not found"


@pytest.fixture(scope="module")
def numbers(notebook: Notebook) -> Truth:
    """Show an explorer, save the notebook, end the kernel; what the explorer showed."""
    notebook.run_cell(1, "explorer = SaliencyExplorer(model, scenes.images, labels=digits)\nexplorer.wait()\ndisplay(explorer)")
    explorer = Explorer(notebook.cell(1).get_by_test_id("explorer"))
    explorer.drawn()
    numbers = truth(notebook)
    notebook.save()
    notebook.command("kernelmenu:shutdown")
    notebook.page.wait_for_function("() => !jupyterapp.shell.currentWidget.sessionContext.session?.kernel")
    return numbers


@pytest.fixture
def explorer(numbers: Truth, notebook: Notebook) -> Explorer:
    return Explorer(notebook.cell(1).get_by_test_id("explorer"))


def forget(watch, *expected: str) -> None:
    watch.errors[:] = [error for error in watch.errors if not any(words in error for words in expected)]


def test_the_picture_stays_and_looks_still_work(numbers, explorer, watch):
    explorer.shows(numbers.picture(PICTURES[0]))
    with explorer.held("alpha") as hand:
        hand.move(0.5)
        explorer.frame()
        alpha = float(explorer.root.get_by_label("alpha, value").input_value())
        assert 0.4 < alpha < 0.6
        explorer.shows(numbers.picture(PICTURES[0], alpha=alpha))
    explorer.part("sign").get_by_role("radio", name="Only what speaks for").click()
    explorer.shows(numbers.picture(PICTURES[0], alpha=alpha, sign="positive"))
    forget(watch, NOT_SENT)


def test_what_needs_the_kernel_says_that_it_is_gone(numbers, explorer, watch):
    before = explorer.pixels()
    explorer.part("refine").click()
    expect(explorer.part("error")).to_contain_text("kernel")
    assert np.array_equal(explorer.pixels(), before)


def test_the_saved_notebook_has_a_picture_beside_the_widget(numbers, notebook):
    saved = nbformat.read(notebook.server.root / notebook.path, as_version=4)
    nbformat.validate(saved)
    (output,) = saved.cells[1].outputs
    assert "application/vnd.jupyter.widget-view+json" in output.data
    assert output.data["text/plain"].startswith("SaliencyExplorer(")
    png = base64.b64decode(output.data["image/png"])
    assert len(png) < 300_000
    with Image.open(io.BytesIO(png)) as image:
        image.load()
        assert image.format == "PNG"
        assert image.width > image.height > 500
        colours = {tuple(colour) for colour in np.asarray(image.convert("RGB")).reshape(-1, 3)}
    assert set(map(tuple, numbers.picture(PICTURES[0]).reshape(-1, 3))) <= colours
    assert "widgets" not in saved.metadata, "view state of the widgets is not the notebook's to keep"


def test_a_reader_without_the_kernel_sees_the_picture(numbers, notebook, context, server, watch):
    """A notebook from somebody else is not trusted: JupyterLab takes the picture instead of the widget."""
    saved = nbformat.read(server.root / notebook.path, as_version=4)
    saved.cells[0].source += "  # from somebody else"
    nbformat.write(saved, server.root / "from_somebody_else.ipynb")
    page = context.new_page()
    page.goto(f"{server.url}/lab/tree/from_somebody_else.ipynb?reset")
    image = page.locator(".jp-Notebook .jp-Cell").nth(1).locator("img")
    expect(image).to_be_visible()
    assert image.get_attribute("src").startswith("data:image/png;base64,")
    page.close()


def test_after_a_reload_the_cell_brings_it_back(numbers, notebook, watch):
    """JupyterLab starts a new kernel, which knows no widgets, and says so in words of its own."""
    notebook.page.reload()
    notebook.ready()
    expect(notebook.cell(1).locator(".jp-OutputArea")).to_have_text(re.compile("model not found"))
    forget(watch, LOST)
    notebook.run_cell(0)
    notebook.run_cell(1)
    explorer = Explorer(notebook.cell(1).get_by_test_id("explorer"))
    explorer.drawn()
    explorer.shows(numbers.picture(PICTURES[0]))
