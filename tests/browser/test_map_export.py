"""The exported page of maps, opened from the disk in a plain browser, worked with a mouse."""

import json
from pathlib import Path

import pytest
from playwright.sync_api import Locator, Page, expect

from saliscope import demo
from saliscope.widgets.embedding import EmbeddingExplorer

from .watch import Watch

N = 120
FOCUS = 7
GROUP = (1, 2, 3)


@pytest.fixture(scope="module")
def explorer():
    scenes = demo.scenes(N, seed=1)
    made = EmbeddingExplorer(demo.cnn(), scenes.images, labels=scenes.labels, maps=["tsne", "pca"])
    made.point, made.group_a, made.sweep = FOCUS, GROUP, "perplexity"
    made.explain(FOCUS)
    made._walk_now()
    assert made.wait(240)
    yield made
    made.close()


@pytest.fixture(scope="module")
def file(explorer, tmp_path_factory) -> Path:
    return explorer.to_html(tmp_path_factory.mktemp("export") / "map.html")


@pytest.fixture
def watch(new_page) -> Watch:
    """A page of its own for every test, which fails by any error that it does not expect, and any request."""
    watch = new_page()
    yield watch
    assert watch.errors == []
    assert [
        address for address in watch.addresses if not address.startswith(("file:", "blob:", "data:"))
    ] == []
    watch.page.context.close()


@pytest.fixture
def page(watch, file) -> Page:
    watch.page.goto(file.as_uri())
    expect(watch.page.get_by_test_id("quality-1")).to_be_visible()
    expect(watch.page.get_by_test_id("color-by")).to_be_visible()
    return watch.page


def canvas(page: Page, map: int = 0) -> Locator:
    return page.get_by_test_id(f"map-view-{map}")


def box(page: Page, map: int = 0) -> dict[str, float]:
    found = canvas(page, map).bounding_box()
    assert found is not None
    return found


def shot(page: Page, map: int = 0) -> bytes:
    page.mouse.move(2, 2)
    page.evaluate("() => new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))")
    return canvas(page, map).screenshot()


def test_it_opens_from_the_disk_and_asks_for_nothing(watch, page, file, explorer):
    assert page.title().startswith("t-SNE, PCA of activations of ")
    assert watch.addresses == [file.as_uri()]
    assert page.evaluate("performance.getEntriesByType('resource').length") == 0
    kept = explorer.numbers[1].kept
    assert f"{100 * kept:.3g}"[:2] in page.get_by_test_id("quality-1").inner_text()


def test_the_row_in_focus_comes_with_picture_attribution_and_neighbours(page, explorer):
    expect(page.get_by_test_id("row-id")).to_contain_text(str(FOCUS))
    expect(page.get_by_test_id("slot").get_by_test_id("panel-map")).to_be_visible()
    expect(page.get_by_test_id("neighbours").locator("canvas.thumb")).not_to_have_count(0)
    expect(page.get_by_test_id("best")).to_be_visible()


def test_the_wheel_zooms_and_a_drag_moves(page):
    before = shot(page)
    at = box(page)
    page.mouse.move(at["x"] + at["width"] / 2, at["y"] + at["height"] / 2)
    page.keyboard.down("Control")
    page.mouse.wheel(0, -400)
    page.keyboard.up("Control")
    page.wait_for_timeout(300)
    zoomed = shot(page)
    assert zoomed != before
    page.mouse.move(at["x"] + at["width"] / 2, at["y"] + at["height"] / 2)
    page.mouse.down()
    page.mouse.move(at["x"] + at["width"] / 4, at["y"] + at["height"] / 4, steps=4)
    page.mouse.up()
    assert shot(page) != zoomed


def test_a_lasso_selects_on_all_maps_and_the_table_lists_it(page):
    page.get_by_test_id("tool-lasso").click()
    at = box(page)
    corners = [(0.01, 0.01), (0.99, 0.01), (0.99, 0.99), (0.01, 0.99), (0.01, 0.02)]
    first, *rest = [(at["x"] + x * at["width"], at["y"] + y * at["height"]) for x, y in corners]
    page.mouse.move(*first)
    page.mouse.down()
    for corner in rest:
        page.mouse.move(*corner, steps=4)
    page.mouse.up()
    expect(page.get_by_test_id("selected")).to_contain_text(f"{N}")
    page.get_by_test_id("table").click()
    expect(page.get_by_test_id("rows")).to_be_visible()
    expect(page.get_by_test_id("rows")).to_contain_text("class")


def test_another_row_is_found_and_has_neighbours_but_no_attribution(page, watch):
    search = page.get_by_test_id("search")
    search.fill("#20")
    search.press("Enter")
    expect(page.get_by_test_id("row-id")).to_contain_text("20")
    expect(page.get_by_test_id("row-picture")).to_be_visible()
    expect(page.get_by_test_id("neighbour-words")).to_be_visible()
    expect(page.get_by_test_id("embedding")).to_contain_text(
        "This row was not explained before the page was saved"
    )


def test_every_column_and_quality_can_colour(page):
    before = shot(page)
    choice = page.get_by_test_id("color-by")
    values = choice.locator("option").evaluate_all("options => options.map(option => option.value)")
    assert {"label", "prediction", "confidence", "kept", "stretch", "displacement", "distance"} <= set(values)
    for value in ("confidence", "kept", "distance"):
        choice.select_option(value)
        expect(page.get_by_test_id("colour-bar")).to_be_visible()
        assert shot(page) != before


def test_the_slider_walks_the_saved_sequence(page):
    slider = page.get_by_test_id("sweep")
    expect(slider).to_be_visible()
    before = shot(page)
    page.get_by_test_id("stop-2").click()
    expect(page.get_by_test_id("sweep-at")).not_to_contain_text("between")
    assert shot(page) != before


def test_what_needs_a_kernel_says_so(page):
    for part in ("reducer-0", "layer", "method"):
        expect(page.get_by_test_id(part)).to_be_disabled()
    page.get_by_test_id("export").click()
    expect(page.get_by_test_id("export-png")).to_be_disabled()
    expect(page.get_by_test_id("export-png")).to_contain_text("Needs a kernel")


def test_the_record_is_at_the_foot_and_what_is_embedded_is_listed(page):
    record = json.loads(page.locator(".record pre").text_content() or "")
    assert [each["reducer"] for each in record["maps"]] == ["tsne", "pca"]
    expect(page.locator("#embedded summary")).to_contain_text("thumbnails")


def test_without_scripts_there_is_a_picture(new_page, file):
    watch = new_page(java_script_enabled=False)
    watch.page.goto(file.as_uri())
    expect(watch.page.get_by_role("img", name="Map of the points")).to_be_visible()
    watch.page.context.close()


def test_two_thousand_points_stay_below_four_megabytes(tmp_path):
    """With every thumbnail, and the program itself."""
    scenes = demo.scenes(2000, seed=1)
    explorer = EmbeddingExplorer(demo.cnn(), scenes.images, labels=scenes.labels, maps=["pca"])
    assert explorer.wait(240)
    path = explorer.to_html(tmp_path / "large.html")
    explorer.close()
    assert path.stat().st_size < 4e6
    print(f"{path.stat().st_size / 1e6:.2f} MB")
