"""Keys and wheel belong to whoever has the focus, or the pointer and Ctrl: never to both."""

import pytest
from playwright.sync_api import expect

from .explorer import Explorer
from .keys import COUNTS, NOTEBOOK, OF_THE_NOTEBOOK

SCROLLED = """() => document.querySelector('.jp-WindowedPanel-outer').scrollTop"""

OF_THE_WIDGET = "bmM[]{}oO,.slpnr+-0123456zZ? "

VIEW = (
    "method",
    "baseline.kind",
    "alpha",
    "overlay",
    "opacity",
    "sign",
    "scale.mode",
    "zoom",
    "panel",
    "index",
)


def view(explorer):
    return [explorer.get(name) for name in VIEW], explorer.notebook.value("len(explorer.compare)")


@pytest.mark.parametrize(
    "testid", ["target", "method", "play", "alpha", "steps", "baseline-black", "colormap"]
)
def test_no_control_lets_a_key_through_to_the_notebook(notebook, explorer, testid):
    control = explorer.part(testid)
    inner = control.locator("input, button, select, [tabindex='0']")
    (control if control.evaluate("element => element.tabIndex >= 0") else inner.first).focus()
    before, counts = notebook.page.evaluate(NOTEBOOK), notebook.page.evaluate(COUNTS)
    for key in OF_THE_NOTEBOOK:
        assert explorer.root.evaluate("root => root.contains(document.activeElement)"), f"before {key}"
        notebook.page.keyboard.press(key)
    explorer.frame()
    assert notebook.page.evaluate(NOTEBOOK) == before
    assert notebook.page.evaluate(COUNTS) == counts, "no cell was run"


def test_what_is_typed_into_a_cell_is_text(notebook, explorer, watch):
    before = view(explorer)
    notebook.cell(2).locator(".cm-content").click()
    watch.clear()
    notebook.page.keyboard.insert_text("# ")
    for key in OF_THE_WIDGET:
        notebook.page.keyboard.press(key)
    cells = notebook.page.evaluate(NOTEBOOK)[0]
    assert set(OF_THE_WIDGET) <= set(cells[2][1])
    assert [message for message in watch.sent if message["type"] == "comm_msg"] == []
    assert view(explorer) == before
    explorer.is_true()
    notebook.run_cell(2, "")


def test_keys_beside_the_notebook_are_nobodys(notebook, explorer):
    before = view(explorer)
    explorer.canvas().click()
    notebook.page.evaluate("document.activeElement.blur()")
    for key in OF_THE_WIDGET:
        notebook.page.keyboard.press(key)
    explorer.frame()
    assert view(explorer) == before


def test_when_a_control_goes_the_keys_stay_in_the_widget(explorer):
    """A method without a path has no slider for alpha; whoever stood on it goes on with the next method."""
    explorer.part("alpha").focus()
    explorer.page.keyboard.press("m")
    explorer.until(lambda: explorer.get("method") != "integrated_gradients", "the next method")
    explorer.set(method="grad_cam")
    explorer.answer()
    inside = "root => root.contains(document.activeElement)"
    explorer.until(lambda: explorer.root.evaluate(inside), "the focus is in the widget")
    explorer.page.keyboard.press("s")
    explorer.becomes("sign", "positive")


def test_the_keys_go_on_with_what_takes_the_place_of_a_button(explorer):
    """A trial is begun, stopped, continued and ended, and no key is lost on the way."""

    def pressed(testid, heir):
        explorer.part(testid).focus()
        explorer.page.keyboard.press("Enter")
        expect(explorer.part(heir)).to_be_focused()

    pressed("put-on-trial", "plot-deletion")
    explorer.until(lambda: explorer.get("_trials.state.phase") == "done", "the trial is over")
    explorer.part("plot-insertion").focus()
    explorer.page.keyboard.press("End")
    explorer.becomes("taken", 1)
    pressed("show-maps", "plot-insertion")
    explorer.set(trial={"replacement": "road", "steps": 224, "random": 100})
    pressed("stop-trial", "go-on")
    pressed("go-on", "stop-trial")
    pressed("end-trial", "put-on-trial")


def test_of_two_explorers_one_has_the_keys(notebook, explorer):
    notebook.run_cell(2, "second = SaliencyExplorer(model, scenes.images)\ndisplay(second)")
    second = Explorer(notebook, cell=2)
    second.drawn()
    second.canvas().click()
    notebook.page.keyboard.press("s")
    second.until(lambda: notebook.value("second.sign") == "positive", "the second has heard it")
    assert explorer.get("sign") == "both"
    explorer.canvas().click()
    notebook.page.keyboard.press("o")
    explorer.becomes("overlay", "map")
    assert notebook.value("second.overlay") == "blend"
    notebook.execute("second.close()")
    notebook.run_cell(2, "")


def test_the_wheel_scrolls_the_notebook_and_with_ctrl_the_picture(notebook, explorer):
    page = notebook.page
    notebook.run_cell(2, "print('\\n' * 200)")  # something to scroll to
    explorer.canvas().scroll_into_view_if_needed()
    explorer.canvas().hover()
    before = page.evaluate(SCROLLED)
    page.mouse.wheel(0, 60)
    explorer.until(lambda: page.evaluate(SCROLLED) > before, "the notebook scrolls")
    assert explorer.get("zoom") == [1, 0.5, 0.5]
    explorer.canvas().hover()
    before = page.evaluate(SCROLLED)
    page.keyboard.down("Control")
    page.mouse.wheel(0, -240)
    page.keyboard.up("Control")
    explorer.until(lambda: explorer.get("zoom")[0] == pytest.approx(2, rel=1e-3), "the picture is zoomed")
    assert page.evaluate(SCROLLED) == before
    assert page.evaluate("window.visualViewport.scale * window.devicePixelRatio") == 1
    notebook.run_cell(2, "")
    expect(explorer.root).to_be_visible()
