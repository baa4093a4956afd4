"""Is it true? Maps on trial, with a hand on the curves; the pictures behind them are read back."""

import numpy as np
import pytest
from playwright.sync_api import Locator, expect

from saliscope import SaliencyExplorer, demo

from . import axe
from .demo import traits
from .explorer import Explorer
from .looks import COLLISIONS, OVERFLOW, TEXTS, faint
from .test_export import frame, opened, pixels
from .truth import PICTURES

FEW = {"replacement": "white", "steps": 16, "random": 3}
TWO = (
    f"model, scenes.images, labels=digits, method='saliency', compare=[{{'method': 'grad_cam'}}], trial={FEW}"
)


def judged(explorer: Explorer) -> None:
    """Wait until the page shows the whole trial of every panel."""
    explorer.answer()
    explorer.until(lambda: explorer.get("_trials.state.phase") == "done", "the trial is over")
    for cell in explorer.root.get_by_test_id("trial-table").locator("[data-testid^=auc-]").all():
        expect(cell).not_to_have_text("…")


def curve(root: Locator, kind: str, panel: int) -> str:
    """The path of a panel's line."""
    lines = root.get_by_test_id(f"plot-{kind}").locator(f'.line[style*="--c{panel})"] .own')
    return lines.get_attribute("d") or ""


def drag(root: Locator, kind: str, share: float) -> None:
    """Take the handle of a curve from where it is to a share of the axis, and let it go."""
    page = root.page
    plot = root.get_by_test_id(f"plot-{kind}")
    plot.scroll_into_view_if_needed()
    handle = plot.locator(".handle circle").first.bounding_box()
    axis = plot.locator(".axes .grid, .axes .zero").first.bounding_box()
    assert handle is not None
    assert axis is not None
    middle = handle["y"] + handle["height"] / 2
    page.mouse.move(handle["x"] + handle["width"] / 2, middle)
    page.mouse.down()
    page.mouse.move(axis["x"] + share * axis["width"], middle - 30, steps=8)
    page.mouse.up()


def strongest(values: np.ndarray, share: float) -> np.ndarray:
    """Which pixels are taken at a share of them, of shape (height, width, 1)."""
    taken = np.zeros(values.size, bool)
    taken[np.argsort(-values.ravel(), kind="stable")[: round(share * values.size)]] = True
    return taken.reshape(*values.shape, 1)


def test_a_drag_along_a_curve_shows_what_the_model_was_fed(show):
    explorer = show(TWO)
    judged(explorer)
    picture, before = PICTURES[0], explorer.pixels()
    white = np.full_like(picture, 255)
    found = "[explorer.attributions[panel].map[0].tolist() for panel in (0, 1)]"
    maps = [np.array(rows) for rows in explorer.notebook.value(found)]

    drag(explorer.root, "deletion", 0.5)
    explorer.becomes("taken", 0.5)
    assert explorer.get("curve") == "deletion"
    for panel, values in zip(("panel-map", "panel-map-1"), maps, strict=True):
        explorer.shows(np.where(strongest(values, 0.5), white, picture), panel)
    score = explorer.get("trials[0].trial.curves['map'][0].scores[0][8].item()")
    fed = explorer.part("panel-map").get_by_test_id("fed")
    expect(fed).to_contain_text("50 % taken away")
    expect(fed.locator("strong")).to_have_text("< 0.01" if score < 0.005 else f"{score:.2f}")

    drag(explorer.root, "insertion", 0.25)
    explorer.becomes("taken", 0.25)
    assert explorer.get("curve") == "insertion"
    explorer.shows(np.where(strongest(maps[0], 0.25), picture, white))

    # A key goes one point further, and Escape gives the maps back.
    explorer.page.keyboard.press("ArrowRight")
    explorer.becomes("taken", 5 / 16)
    explorer.shows(np.where(strongest(maps[0], 5 / 16), picture, white))
    explorer.page.keyboard.press("Escape")
    explorer.becomes("taken", None)
    explorer.shows(before)


def test_every_method_has_a_curve_and_a_row_and_another_replacement_has_others(show):
    explorer = show(TWO)
    judged(explorer)
    table = explorer.part("trial-table")
    drawn = {}
    for panel, title in enumerate(("Saliency (gradient)", "Grad-CAM")):
        row = table.get_by_role("row").filter(has=explorer.page.get_by_role("rowheader", name=title))
        for p, kind in enumerate(("deletion", "insertion")):
            drawn[kind, panel] = curve(explorer.root, kind, panel)
            area = explorer.get(f"trials[{panel}].trial.curves['map'][{p}].auc.item()")
            expect(row.get_by_test_id(f"auc-{kind}-{panel}")).to_have_text(f"{area:.3f}")
        sentence = explorer.get(f"trials[{panel}].sentence")
        expect(explorer.part(f"verdict-{panel}")).to_have_text(sentence)
    assert len({*drawn.values(), ""}) == 5

    explorer.part("replacement").select_option("blur")
    explorer.until(lambda: explorer.get("trial.replacement.kind") == "blur", "the kernel knows")
    judged(explorer)
    for (kind, panel), line in drawn.items():
        explorer.until(lambda at=(kind, panel), line=line: curve(explorer.root, *at) != line, "another curve")

    # What was found before comes back, also to a fold that was closed in between.
    explorer.part("replacement").select_option("white")
    for (kind, panel), line in drawn.items():
        explorer.until(
            lambda at=(kind, panel), line=line: curve(explorer.root, *at) == line, "the first curve"
        )
    expect(table.locator("[data-stale]")).to_have_count(0)
    explorer.part("end-trial").click()
    explorer.becomes("trial", None)
    explorer.set(trial=FEW)
    explorer.until(lambda: curve(explorer.root, "deletion", 0) == drawn["deletion", 0], "the curve again")


def test_what_cannot_be_judged_says_why_and_has_no_number(show):
    before = """
class Blind(torch.nn.Module):
    def forward(self, x):
        return 0 * x.sum((1, 2, 3))[:, None] + torch.tensor([2.0, 1.0, 0.0])
"""
    explorer = show(f"Blind(), scenes.images[:1], method='saliency', trial={FEW}", before)
    judged(explorer)
    row = explorer.part("trial-table").locator("tbody tr").first
    for kind in ("deletion", "insertion"):
        expect(explorer.part(f"auc-{kind}-0")).to_have_text("not defined")
    expect(row.locator("td")).to_have_text(["not defined"] * 2)
    expect(explorer.part("trial")).to_contain_text("one value throughout")

    explorer = show(
        "other, scenes.images[:1], method='saliency'", "import copy\nother = copy.deepcopy(model)"
    )
    explorer.answer()
    explorer.notebook.execute("with torch.no_grad(): next(other.parameters()).mul_(1.5)")
    explorer.part("put-on-trial").click()
    expect(explorer.part("trial-error-0")).to_contain_text("has changed since")
    expect(explorer.part("trial-table").locator("[data-testid^=auc-]")).to_have_count(0)


def test_a_trial_in_a_page_without_a_kernel(new_page, tmp_path):
    compare = ({"method": "grad_cam"},)
    explorer = SaliencyExplorer(demo.cnn(), PICTURES, method="saliency", compare=compare, trial=FEW)
    assert explorer.wait(60)
    path = explorer.to_html(tmp_path / "trial.html")
    values = explorer.attributions[0].map[0].numpy()
    sentence = explorer.trials[0].sentence
    explorer.close()
    watch = new_page()
    root = opened(watch, path).get_by_test_id("explorer")
    expect(root.get_by_test_id("verdict-0")).to_have_text(sentence)
    assert curve(root, "deletion", 0) != curve(root, "deletion", 1) != ""
    drag(root, "deletion", 0.25)
    expect(root.get_by_test_id("fed").first).to_contain_text("25 % taken away")
    frame(watch.page)
    expected = np.where(strongest(values, 0.25), np.uint8(255), PICTURES[0])
    np.testing.assert_array_equal(pixels(root.get_by_test_id("panel-map").locator("canvas").first), expected)
    expect(root.get_by_test_id("replacement")).to_be_disabled()
    assert watch.errors == []
    watch.page.context.close()


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("window", [(520, 900), (1100, 900)], ids=["narrow", "wide"])
def test_it_can_be_read_by_everybody(demo, theme, window):
    trial = {"replacement": {"kind": "blur", "sigma": 12}, "steps": 16, "random": 20, "randomise": True}
    view = traits(
        mode="trial", trial=trial, compare=[{"method": "grad_cam"}, {"method": "saliency"}], taken=0.25
    )
    page = demo.open(theme=theme, window=window, traits=view, trial_fail=2)
    root = page.get_by_test_id("explorer")
    for panel in (0, 1):
        expect(root.get_by_test_id(f"mean-{panel}")).not_to_have_text("…")
    expect(root.get_by_test_id("trial-error-2")).to_be_visible()
    assert axe.violations(page) == []
    assert root.evaluate(OVERFLOW) == []
    assert root.evaluate(COLLISIONS) == []
    assert faint(root.evaluate(TEXTS)) == []
