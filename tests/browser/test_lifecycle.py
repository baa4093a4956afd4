"""Reloads, second views, cells that run again; and the two directions between Python and the page."""

import numpy as np
import pytest
from playwright.sync_api import expect

from .explorer import Explorer

VIEW = {"alpha": 0.6, "opacity": 0.7, "sign": "positive", "overlay": "map"}


def test_after_a_reload_of_the_page_the_widget_is_alive(notebook, explorer):
    explorer.set(**VIEW)
    explorer.is_true(**VIEW)
    shown = explorer.pixels()
    notebook.save()
    notebook.page.reload()
    notebook.ready()
    again = Explorer(notebook)
    again.drawn()
    again.shows(shown)
    assert again.share("alpha") == pytest.approx(0.6)
    expect(again.part("overlay")).to_have_attribute("data-value", "map")
    again.choose("method", "saliency")
    again.is_true(**VIEW)


def test_two_views_of_one_explorer_show_the_same(notebook, explorer):
    notebook.run_cell(2, "display(explorer)")
    second = Explorer(notebook, cell=2)
    second.drawn()
    assert np.array_equal(second.pixels(), explorer.pixels())
    second.drag("alpha", 0.4)
    second.becomes("alpha", pytest.approx(0.4, abs=0.006))
    for view in (explorer, second):
        view.is_true(alpha=view.get("alpha"))
    explorer.choose("method", "saliency")
    expect(second.part("method")).to_have_value("saliency")
    for view in (explorer, second):
        view.answer()
        view.is_true()
    notebook.run_cell(2, "")


def test_a_cell_can_be_run_again_and_again(notebook, show):
    for _ in range(3):
        explorer = show()
        explorer.drawn()
        assert notebook.cell(1).get_by_test_id("explorer").count() == 1
        explorer.drag("alpha", 0.5)
        explorer.becomes("alpha", pytest.approx(0.5, abs=0.006))
        explorer.is_true(alpha=explorer.get("alpha"))


def test_what_python_assigns_reaches_the_page(notebook, explorer):
    notebook.run_cell(2, "explorer.alpha = 0.4\nexplorer.threshold = 0.2\nexplorer.sign = 'negative'")
    explorer.is_true(alpha=0.4, threshold=0.2, sign="negative")
    assert explorer.share("alpha") == pytest.approx(0.4)
    expect(explorer.part("sign")).to_have_attribute("data-value", "negative")
    notebook.run_cell(2, "explorer.method = 'grad_cam'\nexplorer.sign = 'both'")
    explorer.answer()
    expect(explorer.part("method")).to_have_value("grad_cam")
    explorer.is_true(threshold=0.2)
    notebook.run_cell(2, "explorer.theme = 'dark'")
    expect(explorer.root).to_have_attribute("data-theme", "dark")
    notebook.run_cell(2, "explorer.target = 'digit 5'\nexplorer.index = 2")
    explorer.answer()
    expect(explorer.part("target")).to_have_value("digit 5")
    expect(explorer.part("index")).to_have_text("3 of 6")
    notebook.run_cell(2, "")


def test_what_a_click_does_is_an_attribute(explorer):
    explorer.part("sign").get_by_role("radio").nth(1).click()
    explorer.part("overlay").get_by_role("radio").nth(1).click()
    explorer.part("colormap-green_violet").click()
    explorer.part("scale-lock").click()
    limit = explorer.truth().limit
    explorer.part("baseline-blur").click()
    explorer.root.get_by_role("button", name="Next picture").click()
    explorer.becomes("index", 1)
    look = {"sign": "positive", "overlay": "map", "colormap": "green_violet"}
    assert {name: explorer.get(name) for name in look} == look
    assert explorer.get("scale.limits") == {"logit": pytest.approx(limit)}
    assert explorer.get("baseline.sigma") == 12
    explorer.answer()
    explorer.is_true(1, **look, scale=explorer.get("scale.limits")["logit"])
