"""The report of an audit, opened from the disk in a plain browser: it asks for nothing, and all is linked."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from playwright.sync_api import Locator, Page, expect

import saliscope as sp
from saliscope import demo
from saliscope.audit import MEASURES
from saliscope.faithfulness import ControlProtocol, Protocol

from .test_export import pixels
from .watch import Watch

N = 4


def broken(model, inputs, target):
    raise RuntimeError("out of order")


@pytest.fixture(scope="module")
def report():
    scenes = demo.scenes(N, seed=1)
    curves = [
        replace(MEASURES[kind], protocol=ControlProtocol(Protocol(kind, fill, n_steps=4), n_random=3))
        for kind, fill in (("deletion", "zero"), ("insertion", "blur"))
    ]
    methods = {"Gradient": sp.attribution.Saliency(), "CAM": sp.attribution.GradCAM(), "Broken": broken}
    return sp.audit.report(
        demo.cnn(),
        scenes.images,
        scenes.labels,
        masks=scenes.digit_mask,
        methods=methods,
        measures=[*curves, "mass", "pointing", "seconds"],
        progress=False,
    )


@pytest.fixture(scope="module")
def file(report, tmp_path_factory) -> Path:
    return report.to_html(tmp_path_factory.mktemp("report") / "report.html")


@pytest.fixture(params=[{}], ids=["light"])
def watch(new_page, request):
    """A page of its own for every test, which fails by any error, and any request but that for the file."""
    watch = new_page(**request.param)
    yield watch
    assert watch.errors == []
    assert [address for address in watch.addresses if not address.startswith("file:")] == []
    watch.page.context.close()


@pytest.fixture
def page(watch: Watch, file: Path) -> Page:
    watch.page.goto(file.as_uri())
    expect(watch.page.locator(".tile")).to_have_count(4)
    return watch.page


def names(page: Page) -> list[str]:
    return [text.split("\n")[0] for text in page.locator("#methods tbody th").all_inner_texts()]


def cell(page: Page, method: str, column: str) -> Locator:
    heads = [text.split("\n")[0] for text in page.locator("thead th").all_inner_texts()]
    row = page.locator("tbody tr").filter(has=page.locator("th", has_text=method))
    return row.locator("td").nth(heads.index(column) - 1).get_by_role("button")


def canvas(page: Page, method: str) -> Locator:
    return page.locator(".tile").filter(has_text=method).locator("canvas")


def test_it_asks_for_nothing_and_says_the_answer_first(page, watch, file, report):
    assert watch.addresses == [file.as_uri()]
    assert page.evaluate("performance.getEntriesByType('resource').length") == 0
    answer = page.get_by_role("region", name="Answer")
    assert answer.locator("p").all_inner_texts() == list(report.sentences)
    table = page.locator("#methods").bounding_box()
    assert answer.bounding_box()["y"] < table["y"]
    assert "failed" in page.locator("tbody tr", has_text="Broken").inner_text()
    expect(page.locator(".reasons")).to_contain_text("RuntimeError: out of order")


def test_a_heading_sorts_by_its_means(page, report):
    for label, key, high in (("Mass on the object", "mass", True), ("Deletion", "deletion", False)):
        known = {name: row[key].mean for name, row in report.table.items() if not np.isnan(row[key].mean)}
        order = sorted(known, key=known.__getitem__, reverse=high)
        button = page.locator("thead").get_by_role("button", name=label)
        button.click()
        assert names(page) == [*order, "Broken"]
        button.click()
        assert names(page) == [*order[::-1], "Broken"]


def test_a_cell_shows_its_picture_with_maps_and_curves(page, report):
    expect(page.locator(".caption")).to_contain_text("Picture 1")
    values = report.measures.values("CAM", "mass").tolist()
    best, worst = int(np.argmax(values)), int(np.argmin(values))
    page.get_by_role("radio").nth(worst).click()
    before, curve = pixels(canvas(page, "CAM")), page.locator(".curve .line").first.get_attribute("d")
    cell(page, "CAM", "Mass on the object").click()
    expect(page.locator(".caption")).to_contain_text(f"Picture {best + 1}")
    expect(page.locator("[data-chosen] strong")).to_have_text("CAM")
    assert not np.array_equal(pixels(canvas(page, "CAM")), before)
    assert page.locator(".curve .line").first.get_attribute("d") != curve
    ends = page.locator("#extremes")
    expect(ends).to_contain_text(f"best: picture {best + 1}")
    expect(ends).to_contain_text(f"worst: picture {worst + 1}")
    ends.get_by_role("button", name="worst").click()
    expect(page.locator(".caption")).to_contain_text(f"Picture {worst + 1}")
    expect(page.locator("#maps h2")).to_be_in_viewport()


def test_the_extremes_stay_in_sight_while_the_table_is_read(page):
    page.set_viewport_size({"width": 1000, "height": 500})
    page.locator("#methods").scroll_into_view_if_needed()
    cell(page, "CAM", "Deletion").hover()
    expect(page.locator("#extremes").get_by_role("button").first).to_be_in_viewport()


def test_the_name_of_a_method_leads_to_its_maps(page):
    page.locator("tbody th").get_by_role("button", name="CAM").click()
    expect(page.locator("[data-chosen] strong")).to_have_text("CAM")
    expect(canvas(page, "CAM")).to_be_in_viewport()


def test_pictures_are_walked_with_the_keyboard(page):
    page.get_by_role("radio").first.focus()
    page.keyboard.press("ArrowLeft")
    expect(page.get_by_role("radio").nth(N - 1)).to_be_focused()
    expect(page.locator(".caption")).to_contain_text(f"Picture {N}")


@pytest.mark.parametrize("watch", [{"color_scheme": "dark"}], indirect=True, ids=["dark"])
def test_dark_turns_the_page_and_keeps_the_maps(page):
    at_night = pixels(canvas(page, "CAM"))
    ground = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert sum(map(int, ground.removeprefix("rgb(").rstrip(")").split(","))) < 120
    page.emulate_media(color_scheme="light")
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    np.testing.assert_array_equal(pixels(canvas(page, "CAM")), at_night)


def test_a_small_window_scrolls_the_table_and_not_the_page(page):
    page.set_viewport_size({"width": 480, "height": 800})
    assert page.evaluate("document.documentElement.scrollWidth") == 480
    wide = page.locator(".scroll")
    assert wide.evaluate("box => box.scrollWidth > box.clientWidth")
    wide.evaluate("box => { box.scrollLeft = 200; }")
    assert page.locator("tbody th").first.bounding_box()["x"] >= wide.bounding_box()["x"]
