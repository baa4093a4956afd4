"""The kernel has been shut down: what is on screen stays, and the file holds a picture."""

import base64
import io

import nbformat
import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import expect

from .explorer import Explorer
from .truth import PICTURES


@pytest.fixture(scope="module")
def saved(new_notebook, new_page):
    """An explorer's notebook, its kernel gone after it was saved; and the truth about the map."""
    notebook = new_notebook(new_page(), "saved.ipynb")
    source = (
        "explorer = SaliencyExplorer(model, scenes.images, labels=digits)\nexplorer.wait()\ndisplay(explorer)"
    )
    notebook.run_cell(1, source)
    explorer = Explorer(notebook)
    explorer.drawn()
    numbers = explorer.truth()
    notebook.save()
    notebook.shut_down()
    return notebook, numbers


@pytest.fixture
def notebook(saved):
    return saved[0]


@pytest.fixture
def numbers(saved):
    return saved[1]


def test_the_picture_stays_and_looks_still_work(notebook, numbers, watch):
    explorer = Explorer(notebook)
    explorer.shows(numbers.picture(PICTURES[0]))
    with explorer.held("alpha") as move:
        move(0.5)
        explorer.frame()
        alpha = float(explorer.root.get_by_label("alpha, value").input_value())
        assert 0.4 < alpha < 0.6
        explorer.shows(numbers.picture(PICTURES[0], alpha=alpha))
    explorer.part("sign").get_by_role("radio").nth(1).click()
    explorer.shows(numbers.picture(PICTURES[0], alpha=alpha, sign="positive"))
    # The notebook says so for every trait that it cannot send; nothing is lost by it.
    watch.forgive("Could not send widget sync message")


def test_what_needs_the_kernel_says_that_it_is_gone(notebook):
    explorer = Explorer(notebook)
    before = explorer.pixels()
    explorer.part("refine").click()
    expect(explorer.part("error")).to_contain_text("kernel")
    assert np.array_equal(explorer.pixels(), before)


def test_the_file_has_a_picture_beside_the_widget(notebook, numbers):
    file = nbformat.read(notebook.server.root / notebook.path, as_version=4)
    nbformat.validate(file)
    (output,) = file.cells[1].outputs
    assert "application/vnd.jupyter.widget-view+json" in output.data
    assert output.data["text/plain"].startswith("SaliencyExplorer(")
    assert "widgets" not in file.metadata, "pictures and state of the widgets are not the notebook's to keep"
    png = base64.b64decode(output.data["image/png"])
    assert len(png) < 300_000
    with Image.open(io.BytesIO(png)) as image:
        assert image.format == "PNG"
        pixels = np.asarray(image.convert("RGB"))
    colours = {tuple(colour) for colour in pixels.reshape(-1, 3)}
    assert {tuple(colour) for colour in numbers.picture(PICTURES[0]).reshape(-1, 3)} <= colours
    assert {tuple(colour) for colour in PICTURES[0].reshape(-1, 3)} <= colours


def test_a_reader_who_never_ran_it_sees_the_picture(notebook, new_page):
    """What somebody else has made is not trusted: JupyterLab takes the picture instead of the widget."""
    root = notebook.server.root
    file = nbformat.read(root / notebook.path, as_version=4)
    file.cells[0].source += "\n# from somebody else"
    nbformat.write(file, root / "received.ipynb")
    page = new_page().page
    page.goto(f"{notebook.server.url}/lab/workspaces/received/tree/received.ipynb")
    image = page.locator(".jp-Notebook .jp-Cell").nth(1).get_by_role("img")
    expect(image).to_be_visible()
    assert image.get_attribute("src").startswith("data:image/png;base64,")
    page.context.close()


def test_after_a_reload_the_cell_brings_it_back(notebook, numbers, watch):
    """JupyterLab starts a new kernel, which knows no widgets, and says so in words of its own."""
    notebook.page.reload()
    notebook.ready()
    expect(notebook.cell(1).locator(".jp-OutputArea")).to_contain_text("model not found")
    watch.forgive("widget model not found")
    notebook.run_cell(0)
    notebook.run_cell(1)
    explorer = Explorer(notebook)
    explorer.drawn()
    explorer.shows(numbers.picture(PICTURES[0]))
