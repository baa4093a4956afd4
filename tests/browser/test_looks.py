"""Light and dark, narrow and wide: measured here, and kept in test-results/ to be looked at."""

import os
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect

from .lab import PATIENCE
from .looks import COLLISIONS, OVERFLOW, TEXTS, contrast

ROOT = Path(__file__).parents[2]
RESULTS = ROOT / "test-results"
AA = 4.5  # contrast of text of any size, WCAG 2.2, 1.4.3


@pytest.fixture(scope="module")
def context(browser: Browser):
    """As on a screen with two pixels per CSS pixel: the README's picture is made here."""
    context = browser.new_context(viewport={"width": 1440, "height": 1300}, device_scale_factor=2)
    context.set_default_timeout(PATIENCE)
    yield context
    context.close()


@pytest.fixture(scope="module", autouse=True)
def folder():
    RESULTS.mkdir(exist_ok=True)


def theme(notebook, name: str) -> None:
    notebook.command("apputils:change-theme", theme=f"JupyterLab {name}")
    notebook.page.wait_for_function("name => document.body.dataset.jpThemeName === name", arg=f"JupyterLab {name}")


def widen(explorer, width: int) -> None:
    """Make the window so wide that the explorer has `width`, and so high that all of it is seen."""
    page = explorer.page
    for _ in range(3):  # the room beside the cell depends on the width too, by steps
        missing = width - explorer.root.evaluate("root => root.offsetWidth")
        height = explorer.root.evaluate("root => root.offsetHeight") + 400
        page.set_viewport_size({"width": page.viewport_size["width"] + missing, "height": height})
        explorer.frame()
        explorer.frame()
    assert explorer.root.evaluate("root => root.offsetWidth") == width


@pytest.fixture(scope="module", autouse=True)
def alone(notebook):
    """No side bar: the narrow windows have no room for it."""
    notebook.command("application:toggle-left-area")


def in_order(explorer) -> None:
    """Nothing sticks out, nothing lies on something else, and all can be read."""
    assert explorer.root.evaluate(OVERFLOW) == []
    assert explorer.root.evaluate(COLLISIONS) == []
    shown = explorer.root.locator("[hidden]").evaluate_all("all => all.filter(one => one.offsetParent).length")
    assert shown == 0, "hidden and yet there"
    texts = explorer.root.evaluate(TEXTS)
    assert len(texts) > 30
    faint = {text["text"]: round(contrast(text["colour"], text["ground"]), 2) for text in texts}
    assert {text: ratio for text, ratio in faint.items() if ratio < AA} == {}


def good_moment(notebook, explorer) -> None:
    """A picture worth a README: a five on a dahlia, most of the way from a blurred beginning."""
    notebook.execute("explorer.index = 4\nexplorer.baseline = 'blur'\nexplorer.alpha = 0.8\nexplorer.wait()")
    explorer.drawn(notebook.value("explorer.status.job"))
    explorer.until(lambda: explorer.share("alpha") == pytest.approx(0.8), "alpha has arrived")


@pytest.mark.parametrize("name", ["Light", "Dark"])
def test_the_explorer_in_a_theme_of_jupyterlab(notebook, explorer, name):
    theme(notebook, name)
    try:
        expect(explorer.root).to_have_attribute("data-theme", name.lower())
        widen(explorer, 1040)
        good_moment(notebook, explorer)
        in_order(explorer)
        explorer.page.mouse.move(0, 0)
        file = RESULTS / f"explorer-{name.lower()}.png"
        explorer.root.screenshot(path=file)
        if name == "Light" and os.environ.get("SALISCOPE_UPDATE_DOCS") == "1":
            explorer.root.screenshot(path=ROOT / "docs" / "explorer.png")
    finally:
        theme(notebook, "Light")
    assert file.stat().st_size < 400_000


@pytest.mark.parametrize("width", [480, 760, 1200])
def test_the_explorer_in_a_cell_of_any_width(notebook, explorer, width):
    widen(explorer, width)
    good_moment(notebook, explorer)
    in_order(explorer)
    explorer.root.screenshot(path=RESULTS / f"explorer-{width}.png")


@pytest.mark.parametrize("method", ["saliency", "smooth_grad", "grad_cam"])
def test_every_method_has_its_place(notebook, explorer, method):
    widen(explorer, 760)
    notebook.execute(f"explorer.method = {method!r}\nexplorer.wait()")
    explorer.drawn(notebook.value("explorer.status.job"))
    in_order(explorer)
    explorer.root.screenshot(path=RESULTS / f"explorer-{method}.png")


@pytest.mark.parametrize("name", ["light", "dark"])
def test_a_theme_by_name_does_not_follow_the_page(notebook, explorer, name):
    theme(notebook, "Dark" if name == "light" else "Light")
    try:
        widen(explorer, 760)
        notebook.execute(f"explorer.theme = {name!r}")
        expect(explorer.root).to_have_attribute("data-theme", name)
        in_order(explorer)
        ground = explorer.root.evaluate("root => getComputedStyle(root).backgroundColor")
        bright = contrast([int(v) for v in ground[4:-1].split(",")], [0, 0, 0]) > AA
        assert bright == (name == "light")
        explorer.root.screenshot(path=RESULTS / f"explorer-forced-{name}.png")
    finally:
        theme(notebook, "Light")


def test_an_error_and_a_long_label_keep_their_place(notebook, show):
    explorer = show(
        "class Broken(torch.nn.Module):\n"
        "    words = None\n"
        "    def __init__(self):\n"
        "        super().__init__()\n"
        "        self.inner = model\n"
        "    def forward(self, x):\n"
        "        if self.words:\n"
        "            raise ValueError(self.words)\n"
        "        return self.inner(x)\n"
        "broken = Broken()\n"
        "labels = ['W' * 300, *('a rather long name of a class, ' * 4 + str(i) for i in range(9))]\n"
        "explorer = SaliencyExplorer(broken, scenes.images, labels=labels, target=0)\n"
        "display(explorer)"
    )
    explorer.drawn()
    widen(explorer, 480)
    notebook.execute("broken.words = 'a/path/without/spaces/' * 30\nexplorer.method = 'smooth_grad'")
    explorer.phase("error")
    in_order(explorer)
    explorer.root.screenshot(path=RESULTS / "explorer-error.png")


def test_the_list_of_classes_opens_over_the_rest(notebook, explorer):
    widen(explorer, 480)
    explorer.part("target").click()
    options = explorer.root.get_by_role("listbox").get_by_role("option")
    expect(options.first).to_be_visible()
    options.nth(4).click(trial=True)
    explorer.root.screenshot(path=RESULTS / "explorer-target.png")
    explorer.page.keyboard.press("Escape")
    expect(options).to_have_count(0)
