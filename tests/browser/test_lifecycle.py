"""Reloads, second views, re-run cells; and the two directions between Python and the page."""

import numpy as np
import pytest
from playwright.sync_api import expect


from .explorer import Explorer
from .truth import PICTURES, truth

VIEW = {"alpha": 0.6, "opacity": 0.7, "sign": "positive", "overlay": "map"}


def test_after_a_reload_of_the_page_the_widget_is_alive(notebook, explorer):
    notebook.execute("".join(f"explorer.{name} = {value!r}\n" for name, value in VIEW.items()))
    expected = truth(notebook).picture(PICTURES[0], **VIEW)
    explorer.shows(expected)
    notebook.save()
    notebook.page.reload()
    notebook.ready()
    again = Explorer(notebook.cell(1).get_by_test_id("explorer"))
    again.drawn()
    again.shows(expected)
    assert again.share("alpha") == pytest.approx(0.6)
    expect(again.part("overlay")).to_have_attribute("data-value", "map")
    again.part("method").select_option("saliency")
    notebook.becomes("explorer.method", "saliency")
    again.drawn(notebook.value("(explorer.wait(), explorer.status.job)[1]"))
    again.shows(truth(notebook).picture(PICTURES[0], **VIEW))


def test_two_views_of_one_explorer_show_the_same(notebook, explorer, show):
    second = show("display(explorer)", cell=2)
    second.drawn()
    assert np.array_equal(second.pixels(), explorer.pixels())
    second.drag("alpha", 0.4)
    notebook.becomes("explorer.alpha", pytest.approx(0.4, abs=0.006))
    value = notebook.value("explorer.alpha")
    expected = truth(notebook).picture(PICTURES[0], alpha=value)
    explorer.shows(expected)
    second.shows(expected)
    explorer.part("method").select_option("saliency")
    expect(second.part("method")).to_have_value("saliency")
    notebook.becomes("explorer.method", "saliency")
    job = notebook.value("(explorer.wait(), explorer.status.job)[1]")
    for view in (explorer, second):
        view.drawn(job)
        view.shows(truth(notebook).picture(PICTURES[0]))
    notebook.run_cell(2, "")


def test_a_cell_can_be_run_again_and_again(notebook, show):
    source = "explorer = SaliencyExplorer(model, scenes.images, labels=digits)\ndisplay(explorer)"
    for _ in range(3):
        explorer = show(source)
        explorer.drawn()
        assert notebook.cell(1).get_by_test_id("explorer").count() == 1
        explorer.drag("alpha", 0.5)
        explorer.shows(truth(notebook).picture(PICTURES[0], alpha=notebook.value("explorer.alpha")))


def test_what_python_assigns_reaches_the_page(notebook, explorer):
    notebook.run_cell(2, "explorer.alpha = 0.4\nexplorer.opacity = 1\nexplorer.threshold = 0.2\nexplorer.sign = 'negative'")
    explorer.shows(truth(notebook).picture(PICTURES[0], alpha=0.4, opacity=1.0, threshold=0.2, sign="negative"))
    assert explorer.share("alpha") == pytest.approx(0.4)
    expect(explorer.part("sign")).to_have_attribute("data-value", "negative")
    notebook.run_cell(2, "explorer.method = 'grad_cam'\nexplorer.sign = 'both'\nexplorer.wait()")
    explorer.drawn(notebook.value("explorer.status.job"))
    expect(explorer.part("method")).to_have_value("grad_cam")
    explorer.shows(truth(notebook).picture(PICTURES[0], opacity=1.0, threshold=0.2))
    notebook.run_cell(2, "explorer.theme = 'dark'")
    expect(explorer.root).to_have_attribute("data-theme", "dark")
    notebook.run_cell(2, "explorer.target = 'digit 5'\nexplorer.index = 2\nexplorer.wait()")
    explorer.drawn(notebook.value("explorer.status.job"))
    expect(explorer.part("target")).to_have_value("digit 5")
    expect(explorer.part("index")).to_have_text("3 of 6")


def test_what_a_click_does_is_an_attribute(notebook, explorer):
    explorer.root.get_by_role("radio", name="Only what speaks for").click()
    explorer.part("overlay").get_by_role("radio").nth(1).click()
    explorer.part("colormap").select_option("green_violet")
    explorer.part("scale-lock").click()
    explorer.part("baseline-blur").click()
    explorer.root.get_by_role("button", name="Next picture").click()
    notebook.becomes("explorer.index", 1)
    assert notebook.value("[explorer.sign, explorer.overlay, explorer.colormap]") == ["positive", "map", "green_violet"]
    assert notebook.value("[explorer.baseline.kind, explorer.baseline.sigma]") == ["blur", 12.0]
    limit = notebook.value("explorer.scale")
    job = notebook.value("(explorer.wait(), explorer.status.job)[1]")
    explorer.drawn(job)
    other = PICTURES[1]
    look = {"sign": "positive", "overlay": "map", "colormap": "green_violet", "scale": limit}
    explorer.shows(truth(notebook).picture(other, **look))
