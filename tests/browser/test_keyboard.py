"""Everything by keyboard, and no key for two."""

import pytest
from playwright.sync_api import expect

from .truth import truth

FOCUSED = """root => {
    const element = document.activeElement;
    if (!root.contains(element)) return null;
    return element.dataset.testid || element.getAttribute('aria-label') || element.textContent.trim();
}"""


def cells(notebook) -> list:
    """What the keys of the notebook would change."""
    return notebook.page.evaluate(
        """() => {
            const { content, sessionContext } = jupyterapp.shell.currentWidget;
            const types = content.widgets.map(({ model }) => [model.type, model.sharedModel.getSource()]);
            return [types, sessionContext.session.kernel.id, document.querySelectorAll('.jp-Dialog').length];
        }"""
    )


def view(notebook) -> list:
    names = "alpha opacity sign overlay method index threshold".split()
    return notebook.value(f"[getattr(explorer, name) for name in {names}]")


def test_tab_reaches_every_control(explorer):
    explorer.part("target").focus()
    reached = []
    while (name := explorer.root.evaluate(FOCUSED)) is not None:
        reached.append(name)
        assert len(reached) < 100, reached
        explorer.page.keyboard.press("Tab")
    expected = {
        "target", "output", "method", "Previous picture", "Next picture", "baseline-black", "steps", "param-rule",
        "play", "alpha", "refine", "opacity", "threshold", "scale", "scale-lock", "colormap", "Both signs",
    }  # fmt: skip
    assert expected - {name.removesuffix(", value") for name in reached} == set()
    assert len([name for name in reached if name.startswith("baseline-")]) == 1, "a group is one stop"
    assert any("pixels" in name for name in reached), "the pictures are read pixel by pixel"


def test_arrows_move_the_slider_and_send_once(notebook, explorer, watch):
    explorer.part("alpha").focus()
    watch.clear()
    keyboard = explorer.page.keyboard
    before = explorer.pixels()
    keyboard.down("ArrowLeft")
    for _ in range(4):
        keyboard.down("ArrowLeft")  # held: it repeats
    explorer.changes(before)
    assert watch.sent == []
    keyboard.up("ArrowLeft")
    explorer.until(lambda: watch.updates, "the key is up")
    assert watch.updates == [{"alpha": 0.95}]
    keyboard.press("Shift+ArrowLeft")
    keyboard.press("Home")
    keyboard.press("ArrowRight")
    notebook.becomes("explorer.alpha", pytest.approx(0.01))


def test_the_keys_of_the_widget(notebook, explorer):
    keyboard = explorer.page.keyboard
    explorer.part("panel-map").locator("canvas").first.click()
    for key in "{{[[}]":  # minus twenty, minus two, plus ten, plus one: 89
        keyboard.press(key)
    notebook.becomes("explorer.alpha", pytest.approx(0.89))
    keyboard.press(",")
    keyboard.press("o")
    keyboard.press("s")
    notebook.becomes("[explorer.opacity, explorer.overlay, explorer.sign]", [0.8, "map", "positive"])


def test_space_plays_and_stops(notebook, explorer):
    keyboard = explorer.page.keyboard
    explorer.part("panel-map").locator("canvas").first.click()
    shown = explorer.pixels()
    keyboard.press(" ")
    expect(explorer.part("play")).to_have_attribute("aria-label", "Pause")
    explorer.changes(shown)
    keyboard.press(" ")
    expect(explorer.part("play")).to_have_attribute("aria-label", "Play along the path")
    alpha = notebook.value("explorer.alpha")
    assert 0 <= alpha < 1
    assert explorer.share("alpha") == pytest.approx(alpha, abs=1e-3)


def test_playing_ends_at_the_picture(notebook, explorer, watch):
    notebook.execute("explorer.alpha = 0.7")
    explorer.until(lambda: explorer.share("alpha") == pytest.approx(0.7), "the page knows")
    watch.clear()
    explorer.part("play").click()
    explorer.until(lambda: watch.updates, "it has arrived")
    assert watch.updates == [{"alpha": 1}]


def test_escape_cancels(notebook, show):
    explorer = show(
        "class Slow(torch.nn.Module):\n"
        "    seconds = 0.0\n"
        "    def __init__(self):\n"
        "        super().__init__()\n"
        "        self.inner = model\n"
        "    def forward(self, x):\n"
        "        time.sleep(self.seconds)\n"
        "        return self.inner(x)\n"
        "slow = Slow()\n"
        "explorer = SaliencyExplorer(slow, scenes.images, chunk_size=1)\n"
        "display(explorer)"
    )
    explorer.drawn()
    explorer.part("panel-map").locator("canvas").first.click()
    notebook.execute("slow.seconds = 0.05\nexplorer.baseline = 'white'")
    explorer.phase("running")
    explorer.page.keyboard.press("Escape")
    explorer.phase("cancelled")
    assert notebook.value("explorer.status.phase") == "cancelled"


def test_a_picture_is_walked_by_arrows(notebook, explorer):
    explorer.part("panel-map").get_by_role("group").focus()
    for key in ("ArrowRight", "ArrowRight", "ArrowUp", "Shift+ArrowDown"):
        explorer.page.keyboard.press(key)
    readout = explorer.part("readout")
    expect(readout).to_have_attribute("data-x", "33")
    expect(readout).to_have_attribute("data-y", "41")
    value = float(readout.get_attribute("data-value"))
    assert value == pytest.approx(truth(notebook).map[41, 33], rel=1e-12)


def test_keys_in_the_widget_are_not_the_notebooks(notebook, explorer):
    before = cells(notebook)
    explorer.part("panel-map").locator("canvas").first.click()
    for key in ("a", "b", "d", "d", "m", "x", "y", "z", "Enter", "Shift+Enter", "0", "0", "Escape"):
        explorer.page.keyboard.press(key)
    explorer.part("target").click()
    explorer.page.keyboard.type("a dd x")
    explorer.page.keyboard.press("Escape")
    explorer.frame()
    assert cells(notebook) == before


def test_keys_in_the_notebook_are_not_the_widgets(notebook, explorer):
    before = view(notebook)
    editor = notebook.cell(2).locator(".cm-content")
    editor.click()
    notebook.page.keyboard.type("[s] o, ")
    notebook.page.keyboard.press("Escape")  # command mode
    for key in ("[", ",", "."):
        notebook.page.keyboard.press(key)
    explorer.frame()
    assert view(notebook) == before
    notebook.run_cell(2, "")
