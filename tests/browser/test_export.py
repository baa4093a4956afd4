"""The exported page, opened from the disk in a plain browser: no server, no kernel, no notebook."""

import base64
import time
from pathlib import Path

import numpy as np
import pytest
from playwright.sync_api import Locator, Page, expect

import saliscope
from saliscope import Record, SaliencyExplorer, demo
from saliscope.render import html
from saliscope.render.panels import panels_of

from .watch import Watch

COMPARE = (
    {"baseline": {"kind": "blur", "sigma": 4.0}},
    {"method": "grad_cam"},
    {"difference": [0, 1]},
)


@pytest.fixture(scope="module")
def explorer():
    scenes = demo.scenes(2, seed=1)
    labels = [f"digit {i}" for i in range(10)]
    made = SaliencyExplorer(demo.cnn(), scenes.images, labels=labels, compare=COMPARE, n_steps=16)
    assert made.wait(120)
    yield made
    made.close()


@pytest.fixture(scope="module")
def file(explorer, tmp_path_factory) -> Path:
    return explorer.to_html(tmp_path_factory.mktemp("export") / "digits.html")


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
    return opened(watch, file)


def opened(watch: Watch, path: Path) -> Page:
    watch.page.goto(path.as_uri())
    expect(watch.page.get_by_test_id("explorer")).to_have_attribute("data-stage", "final")
    return watch.page


def frame(page: Page) -> None:
    page.evaluate("() => new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))")


def pixels(canvas: Locator) -> np.ndarray:
    width, height, text = canvas.evaluate(
        """canvas => {
            const { width, height } = canvas;
            const { data } = canvas.getContext('2d').getImageData(0, 0, width, height);
            return [width, height, btoa(Array.from(data, byte => String.fromCharCode(byte)).join(''))];
        }"""
    )
    return np.frombuffer(base64.b64decode(text), np.uint8).reshape(height, width, 4)[..., :3]


def panels(page: Page) -> Locator:
    """The input, and then one for each map."""
    return page.locator('[data-testid="panel-input"], [data-testid^="panel-map"]')


def shows(page: Page, explorer: SaliencyExplorer) -> None:
    """Wait until every panel's canvas is what Python draws of the notebook's explorer, to the byte."""
    expected = [panel.rgb for panel in panels_of(explorer.screen)]
    until = time.monotonic() + 10
    while True:
        found = [pixels(panel.locator("canvas").first) for panel in panels(page).all()]
        same = [a.shape == b.shape and np.array_equal(a, b) for a, b in zip(found, expected, strict=False)]
        if len(found) == len(expected) and all(same):
            return
        assert time.monotonic() < until, f"{len(found)} panels of {len(expected)}; equal: {same}"
        frame(page)


def test_every_pixel_is_the_notebooks(page, explorer):
    shows(page, explorer)


def test_it_opens_from_the_disk_and_asks_for_nothing(watch, page, file):
    assert page.title() == "Integrated Gradients of digit 3 in SceneNet"
    assert watch.addresses == [file.as_uri()]
    assert page.evaluate("performance.getEntriesByType('resource').length") == 0
    blocked = page.evaluate(
        """async () => {
            try { await fetch('https://example.org/'); return 'fetched'; } catch { return 'blocked'; }
        }"""
    )
    assert blocked == "blocked"
    assert any("Content Security Policy" in error for error in watch.errors)
    watch.errors.clear()
    watch.addresses.clear()


def test_looks_are_alive(page, explorer):
    root = page.get_by_test_id("explorer")
    before = {name: getattr(explorer, name) for name in ("alpha", "sign", "overlay")}
    try:
        box = root.get_by_label("alpha, value")
        box.fill("0.4")
        box.press("Enter")
        root.get_by_test_id("sign").get_by_role("radio").nth(1).click()
        root.get_by_test_id("overlay").get_by_role("radio").nth(2).click()
        explorer.set_trait("alpha", 0.4)
        explorer.set_trait("sign", "positive")
        explorer.set_trait("overlay", "multiply")
        shows(page, explorer)
    finally:
        for name, value in before.items():
            explorer.set_trait(name, value)


def test_gradients_along_the_path_are_there(page, explorer):
    root = page.get_by_test_id("explorer")
    try:
        root.get_by_test_id("along").get_by_role("radio").nth(1).click()
        explorer.set_trait("along", "gradient")
        shows(page, explorer)
    finally:
        explorer.set_trait("along", "cumulative")


def test_panels_close_and_come_back(page, explorer):
    root = page.get_by_test_id("explorer")
    expect(panels(page)).to_have_count(5)
    # The blurred one goes, and the difference that was made of it.
    root.get_by_test_id("remove-1").click()
    expect(panels(page)).to_have_count(3)
    frame(page)
    expected = panels_of(explorer.screen)
    # Grad-CAM has a unit and so a scale of its own: its colours do not depend on what is beside it.
    assert np.array_equal(pixels(root.get_by_test_id("panel-map-1").locator("canvas").first), expected[3].rgb)
    root.focus()
    page.keyboard.press("z")
    shows(page, explorer)


def test_what_needs_a_kernel_cannot_be_asked(page):
    root = page.get_by_test_id("explorer")
    for name in ("Method", "Score", "Target", "Quadrature"):
        expect(root.get_by_role("combobox", name=name)).to_be_disabled()
    expect(root.get_by_test_id("refine")).to_have_count(0)


def test_what_is_embedded_is_listed(page, file):
    footer = page.locator("#embedded")
    expect(footer.locator("summary")).to_contain_text("What is embedded: picture, map (3), path (2)")
    footer.locator("summary").click()
    expect(footer).to_contain_text("path: 16 maps of Integrated Gradients of 'digit")
    expect(footer).to_contain_text("names: SceneNet with 10 classes")
    listed = sum(map(letters, footer.locator("td:last-child").all_text_contents()))
    program = sum(path.stat().st_size for path in html._STATIC.glob("page.*"))
    assert abs(file.stat().st_size - program - listed) < 0.1 * listed + 20_000


def letters(size: str) -> float:
    number, unit = size.split()
    return float(number) * {"kB": 1e3, "MB": 1e6}[unit]


def test_the_record_can_be_taken_along_and_replayed(page, explorer, tmp_path):
    first = page.locator(".record").first
    first.locator("summary").click()
    with page.expect_download() as download:
        first.get_by_role("link", name="Download").click()
    path = tmp_path / download.value.suggested_filename
    download.value.save_as(path)
    assert Record.from_json(path) == explorer.record
    again = saliscope.replay(
        path, demo.cnn(), demo.scenes(2, seed=1).images, labels=[f"digit {i}" for i in range(10)]
    )
    assert again.same
    assert again.differences == ()


def test_dark_as_the_reader_likes_it(new_page, file):
    watch = new_page(color_scheme="dark")
    page = opened(watch, file)
    assert page.get_by_test_id("explorer").get_attribute("data-theme") == "dark"
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(23, 25, 29)"
    assert watch.errors == []
    watch.page.context.close()


def test_without_scripts_there_is_a_picture(new_page, file):
    watch = new_page(java_script_enabled=False)
    watch.page.goto(file.as_uri())
    expect(watch.page.get_by_role("img", name="Attribution map")).to_be_visible()
    watch.page.context.close()


def test_a_damaged_file_says_so(watch, file, tmp_path):
    path = tmp_path / "damaged.html"
    text = file.read_text(encoding="utf-8")
    at = text.index('"data":"') + 400
    path.write_text(text[:at] + text[at + 400 :], encoding="utf-8")
    watch.page.goto(path.as_uri())
    expect(watch.page.get_by_role("alert")).to_contain_text("This page cannot be shown: the file is damaged")


def test_hostile_labels_stay_text(watch, tmp_path):
    label = (
        "</script><script>document.title='pwned'</script><img src=x onerror=\"document.title='pwned'\">\u202e"
        * 3
    )
    explorer = SaliencyExplorer(
        demo.cnn(), demo.scenes(1, seed=1).images, labels=[label] * 10, n_steps=2, method="saliency"
    )
    assert explorer.wait(60)
    path = explorer.to_html(tmp_path / "hostile.html")
    explorer.close()
    page = opened(watch, path)
    assert page.title() != "pwned"
    assert page.locator("img[onerror]").count() == 0
    assert page.locator("script").count() == 2


def test_the_size_and_speed_of_a_common_page(new_page, tmp_path):
    """224x224, 32 path nodes: below 4 MB. Speed is printed and not judged: machines differ."""
    explorer = SaliencyExplorer(demo.cnn(), demo.scenes(1, seed=1, size=224).images, n_steps=32)
    assert explorer.wait(120)
    path = explorer.to_html(tmp_path / "large.html")
    explorer.close()
    assert path.stat().st_size < 4e6
    watch = new_page()
    page = opened(watch, path)
    frame(page)
    print(f"{path.stat().st_size / 1e6:.2f} MB, drawn after {page.evaluate('performance.now()'):.0f} ms")
    watch.page.context.close()
