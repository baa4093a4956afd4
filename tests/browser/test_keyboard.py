"""Everything by keyboard, and no key for two."""

import pytest
from playwright.sync_api import expect

from .truth import PICTURES

FOCUSED = """root => {
    const element = document.activeElement;
    if (!root.contains(element)) return null;
    return element.dataset.testid || element.getAttribute('aria-label') || element.textContent.trim();
}"""
CELLS = """() => {
    const { content, sessionContext } = jupyterapp.shell.currentWidget;
    const cells = content.widgets.map(({ model }) => [model.type, model.sharedModel.getSource()]);
    return [cells, sessionContext.session.kernel.id, document.querySelectorAll('.jp-Dialog').length];
}"""
STOPS = {
    *("target", "output", "method", "Previous picture", "Next picture", "baseline-black", "steps"),
    *("param-rule", "play", "alpha", "refine", "opacity", "threshold", "scale", "scale-lock"),
    *("smoothing", "peek", "colormap-diverging", "tool-look", "compare", "export", "card", "help", "side"),
}


def test_tab_reaches_every_control(explorer):
    explorer.part("target").focus()
    reached = []
    while (name := explorer.root.evaluate(FOCUSED)) is not None:
        reached.append(name)
        assert len(reached) < 100, reached
        explorer.page.keyboard.press("Tab")
    assert STOPS - {name.removesuffix(", value") for name in reached} == set()
    assert len([name for name in reached if name.startswith("baseline-")]) == 1, "a group is one stop"
    assert len([name for name in reached if "by 64 pixels" in name]) == 2, "both pictures can be read out"


def test_arrows_move_a_slider_and_send_when_the_key_is_up(explorer, watch):
    keyboard = explorer.page.keyboard
    explorer.part("alpha").focus()
    before = explorer.pixels()
    watch.clear()
    for _ in range(5):
        keyboard.down("ArrowLeft")  # held: it repeats
    explorer.changes(before)
    assert watch.sent == []
    keyboard.up("ArrowLeft")
    explorer.until(lambda: watch.updates, "the key is up")
    assert watch.updates == [{"alpha": 0.95}]
    keyboard.press("Shift+ArrowLeft")
    explorer.becomes("alpha", 0.85)
    keyboard.press("Home")
    keyboard.press("ArrowRight")
    explorer.becomes("alpha", 0.01)


def test_the_keys_of_the_widget(explorer):
    explorer.canvas().click()
    for key in "{{[[}]":  # minus twenty, minus two, plus ten, plus one hundredths
        explorer.page.keyboard.press(key)
    explorer.becomes("alpha", pytest.approx(0.89))
    for key in ",os":
        explorer.page.keyboard.press(key)
    explorer.becomes("sign", "positive")
    assert [explorer.get("opacity"), explorer.get("overlay")] == [0.8, "map"]


def test_a_question_by_key_is_asked_once_however_long_it_is_held(explorer, watch):
    explorer.canvas().click()
    watch.clear()
    for _ in range(8):
        explorer.page.keyboard.down("b")  # held: it repeats
    explorer.page.keyboard.up("b")
    explorer.becomes("baseline.kind", "white")
    explorer.answer()
    assert [update["baseline"] for update in watch.updates if "baseline" in update] == [{"kind": "white"}]
    explorer.page.keyboard.press("z")
    explorer.becomes("baseline.kind", "black")
    explorer.page.keyboard.press("Shift+Z")
    explorer.becomes("baseline.kind", "white")
    explorer.answer()


def test_p_shows_the_picture_while_it_is_held(explorer, watch):
    explorer.canvas().click()
    shown = explorer.pixels()
    watch.clear()
    explorer.page.keyboard.down("p")
    explorer.shows(PICTURES[0])
    explorer.page.keyboard.up("p")
    explorer.shows(shown)
    assert watch.updates == []


def test_the_help_opens_by_key_and_gives_the_focus_back(explorer):
    view = explorer.part("panel-map").get_by_role("group")
    view.focus()
    explorer.page.keyboard.press("?")
    expect(explorer.part("help-box")).to_be_visible()
    explorer.page.keyboard.press("Escape")
    expect(explorer.part("help-box")).to_have_count(0)
    expect(view).to_be_focused()


def test_space_plays_and_stops(explorer):
    explorer.canvas().click()
    shown = explorer.pixels()
    explorer.page.keyboard.press(" ")
    expect(explorer.part("play")).to_have_accessible_name("Pause")
    explorer.changes(shown)
    explorer.page.keyboard.press(" ")
    expect(explorer.part("play")).to_have_accessible_name("Play along the path")
    explorer.becomes("alpha", pytest.approx(explorer.share("alpha"), abs=1e-3))
    explorer.is_true(alpha=explorer.get("alpha"))


def test_playing_ends_at_the_picture_and_is_sent_once(explorer, watch):
    explorer.set(alpha=0.7)
    explorer.until(lambda: explorer.share("alpha") == pytest.approx(0.7), "the page knows")
    watch.clear()
    explorer.part("play").click()
    explorer.until(lambda: watch.updates, "it has arrived")
    assert watch.updates == [{"alpha": 1}]


def test_escape_cancels(notebook, moody):
    explorer = moody(chunk_size=1)
    explorer.canvas().click()
    notebook.execute("moody.seconds = 0.05\nexplorer.baseline = 'white'")
    explorer.phase("running")
    explorer.page.keyboard.press("Escape")
    explorer.phase("cancelled")
    assert explorer.get("status.phase") == "cancelled"


def test_a_picture_is_walked_by_arrows(explorer):
    explorer.part("panel-map").get_by_role("group").focus()
    for key in ("ArrowRight", "ArrowRight", "ArrowUp", "Shift+ArrowDown"):
        explorer.page.keyboard.press(key)
    readout = explorer.part("readout")
    expect(readout).to_have_attribute("data-x", "33")
    expect(readout).to_have_attribute("data-y", "41")
    value = float(readout.get_attribute("data-value"))
    assert value == pytest.approx(explorer.truth().map[41, 33], rel=1e-12)


def test_keys_in_the_widget_are_not_the_notebooks(notebook, explorer):
    before = notebook.page.evaluate(CELLS)
    explorer.canvas().click()
    for key in ("a", "b", "d", "d", "m", "x", "y", "z", "Enter", "Shift+Enter", "0", "0", "Escape"):
        explorer.page.keyboard.press(key)
    for key in ("?", "a", "d", "d", "Escape", "n", "d", "d", "Escape", "r", "l", "Shift+M", "Shift+V"):
        explorer.page.keyboard.press(key)
    explorer.part("target").click()
    explorer.page.keyboard.type("a dd x")
    explorer.page.keyboard.press("Escape")
    explorer.frame()
    assert notebook.page.evaluate(CELLS) == before


def test_keys_in_the_notebook_are_not_the_widgets(notebook, explorer):
    names = ("alpha", "opacity", "sign", "overlay", "method", "index", "baseline.kind", "scale.mode", "panel")
    before = [explorer.get(name) for name in names]
    notebook.cell(2).locator(".cm-content").click()
    notebook.page.keyboard.type("[s] o, bmlrpnz?")
    notebook.page.keyboard.press("Escape")  # from the editor to the commands of the notebook
    for key in ("[", ",", ".", "o", "p", "l", "?"):
        notebook.page.keyboard.press(key)
    explorer.frame()
    assert [explorer.get(name) for name in names] == before
    explorer.is_true()
    notebook.run_cell(2, "")
