"""Light and dark, narrow and wide: measured here, and kept in test-results/ to be looked at."""

import os
import shutil
from pathlib import Path

import pytest
from playwright.sync_api import expect

from .looks import AA, COLLISIONS, OVERFLOW, TEXTS, WRAPPED, contrast, faint

ROOT = Path(__file__).parents[2]
RESULTS = ROOT / "test-results"


@pytest.fixture(scope="module")
def studio(new_notebook, new_page):
    """A page with two pixels per CSS pixel and no side bar: the README's picture is made here."""
    RESULTS.mkdir(exist_ok=True)
    notebook = new_notebook(new_page(device_scale_factor=2), "looks.ipynb")
    notebook.command("application:toggle-left-area")
    return notebook


@pytest.fixture
def notebook(studio):
    return studio


def theme(notebook, name: str) -> None:
    notebook.command("apputils:change-theme", theme=f"JupyterLab {name}")
    notebook.page.wait_for_function(
        "name => document.body.dataset.jpThemeName === name", arg=f"JupyterLab {name}"
    )


def widen(explorer, width: int) -> None:
    """Make the window so wide that the explorer has `width`, and so high that all of it is seen."""
    page = explorer.page

    def size(name: str) -> int:
        return explorer.root.evaluate(f"root => root.offset{name}")

    while (before := size("Width")) != width:  # the room beside the cell depends on the width too, by steps
        wider = page.viewport_size["width"] + width - before
        page.set_viewport_size({"width": wider, "height": page.viewport_size["height"]})
        explorer.until(lambda: size("Width") != before, "another width")
    page.set_viewport_size({"width": page.viewport_size["width"], "height": size("Height") + 400})
    explorer.frame()


def in_order(explorer) -> None:
    """Nothing sticks out, nothing lies on something else, and all can be read."""
    assert explorer.root.evaluate(OVERFLOW) == []
    # Predictions that change places pass each other: what moves has to arrive first.
    explorer.until(lambda: explorer.root.evaluate(COLLISIONS) == [], "nothing lies on something else")
    assert explorer.root.evaluate(WRAPPED) == []
    shown = explorer.root.locator("[hidden]").evaluate_all(
        "all => all.filter(one => one.offsetParent).length"
    )
    assert shown == 0, "hidden and yet there"
    texts = explorer.root.evaluate(TEXTS)
    assert len(texts) > 30
    assert faint(texts) == []


def good_moment(explorer) -> None:
    """A picture worth a README: a five on a dahlia, most of the way from a blurred beginning."""
    explorer.set(index=4, baseline="blur", alpha=0.8)
    explorer.answer()
    explorer.until(lambda: explorer.share("alpha") == pytest.approx(0.8), "alpha has arrived")


def keep(explorer, name: str) -> Path:
    explorer.page.mouse.move(0, 0)
    file = RESULTS / f"explorer-{name}.png"
    explorer.root.screenshot(path=file)
    return file


def keep_for_docs(file: Path, name: str) -> None:
    """Put a picture where the README shows it, when it is asked for."""
    if os.environ.get("SALISCOPE_UPDATE_DOCS") == "1":
        shutil.copy(file, ROOT / "docs" / name)


@pytest.mark.parametrize("name", ["Light", "Dark"])
def test_the_explorer_in_a_theme_of_jupyterlab(notebook, explorer, name):
    theme(notebook, name)
    try:
        expect(explorer.root).to_have_attribute("data-theme", name.lower())
        good_moment(explorer)
        widen(explorer, 1040)
        in_order(explorer)
        file = keep(explorer, name.lower())
    finally:
        theme(notebook, "Light")
    assert file.stat().st_size < 400_000
    if name == "Light":
        keep_for_docs(file, "explorer.png")


def test_a_trial_worth_a_readme(notebook, show):
    """A map that draws the digit while the network reads the mark, a quarter of the way along its curve."""
    explorer = show(
        "demo.shortcut_cnn(), demo.scenes(10, seed=7, watermark=True).images, labels=digits, index=9,"
        " target=3, method='deconvnet', compare=[{'method': 'saliency'}, {'method': 'grad_cam'}],"
        " mode='trial', trial={'replacement': 'grey'}, taken=0.25",
        before="from saliscope import demo",
    )
    explorer.answer()
    explorer.until(lambda: explorer.get("_trials.state.phase") == "done", "the trial is over")
    widen(explorer, 1040)
    expect(explorer.part("verdict-0")).to_contain_text("contradicted")
    expect(explorer.part("fed").first).to_contain_text("25 % taken away")
    in_order(explorer)
    keep_for_docs(keep(explorer, "trial"), "trial.png")


LEAVES = """part => [...part.querySelectorAll('*')].filter(one => !one.closest('svg'))
    .filter(one => one.getBoundingClientRect().right > part.getBoundingClientRect().right + 1)
    .map(one => `${one.tagName}.${one.className} ${one.textContent.slice(0, 40)}`)"""
"""What leaves its part of the explorer: beside the curves there may be room, of the side panel."""


def test_a_trial_in_a_cell_of_any_width(notebook, show):
    """Where its table has all its columns, where it has just not, and with a name that cannot be broken."""
    explorer = show(
        "model, scenes.images[:1], labels=['W' * 60, *digits[1:]], method='saliency', mode='full',"
        " compare=[{'method': 'grad_cam'}, {'target': 0}],"
        " trial={'steps': 4, 'random': 2, 'randomise': True}, taken=0.25"
    )
    explorer.answer()
    explorer.until(lambda: explorer.get("_trials.state.phase") == "done", "the trial is over")
    expect(explorer.part("mean-2")).not_to_have_text("…")
    trial = explorer.part("trial")
    for width in (480, 640, 700, 760, 900, 960, 1040, 1200):
        widen(explorer, width)
        assert explorer.root.evaluate(OVERFLOW) == [], width
        assert explorer.root.evaluate(COLLISIONS) == [], width
        assert trial.evaluate(LEAVES) == [], width
    # On a laptop, pictures and handles are seen at once.
    pictures, plot = (explorer.root.locator(part).first.bounding_box() for part in (".panels", ".plot"))
    assert pictures is not None
    assert plot is not None
    assert plot["y"] + plot["height"] - pictures["y"] < 650


@pytest.mark.parametrize("width", [480, 760, 1200])
def test_the_explorer_in_a_cell_of_any_width(explorer, width):
    good_moment(explorer)
    widen(explorer, width)
    in_order(explorer)
    keep(explorer, str(width))


@pytest.mark.parametrize("method", ["saliency", "smooth_grad", "grad_cam"])
def test_every_method_has_its_place(explorer, method):
    explorer.set(method=method)
    explorer.answer()
    widen(explorer, 760)
    in_order(explorer)
    keep(explorer, method)


@pytest.mark.parametrize("name", ["light", "dark"])
def test_a_theme_by_name_does_not_follow_the_page(notebook, explorer, name):
    theme(notebook, "Dark" if name == "light" else "Light")
    try:
        explorer.set(theme=name)
        expect(explorer.root).to_have_attribute("data-theme", name)
        widen(explorer, 760)
        in_order(explorer)
        ground = explorer.root.evaluate(TEXTS)[0]["ground"]
        assert (contrast(ground, [0, 0, 0]) > AA) == (name == "light")
        keep(explorer, f"{name}-by-name")
    finally:
        theme(notebook, "Light")


def test_a_long_error_and_long_labels_keep_their_place(notebook, moody):
    labels = ["W" * 300, *("a rather long name of a class, " * 4 + str(i) for i in range(9))]
    explorer = moody(labels=labels, target=0)
    notebook.execute("moody.words = 'a/path/without/spaces/' * 30\nexplorer.method = 'smooth_grad'")
    explorer.phase("error")
    widen(explorer, 480)
    in_order(explorer)
    keep(explorer, "error")


def test_the_list_of_classes_opens_over_the_rest(explorer):
    widen(explorer, 480)
    explorer.part("target").click()
    options = explorer.root.get_by_role("listbox").get_by_role("option")
    expect(options.first).to_be_visible()
    options.nth(4).click(trial=True)  # nothing lies over it
    explorer.root.screenshot(path=RESULTS / "explorer-target.png")
    explorer.page.keyboard.press("Escape")
    expect(options).to_have_count(0)
