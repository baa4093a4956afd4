"""The explorer on a plain page: no JupyterLab, no kernel, no server; the browser is handed the files."""

import json
import mimetypes
import shutil
import subprocess
from pathlib import Path
from urllib.parse import urlencode, urlsplit

import pytest
from playwright.sync_api import Browser, Page, Route, expect

ROOT = Path(__file__).parents[2]
HOST = "http://demo.invalid"
QUICK = {"size": 32, "pace": 1}


def build(folder: Path) -> Path:
    """Bundle the demo page into a folder."""
    command = [shutil.which("node") or "node", "build.mjs", "--page", str(folder)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return folder


class Demo:
    """Opens the demo page in this or that state; every page is closed in the end."""

    def __init__(self, browser: Browser, folder: Path) -> None:
        self._browser, self._folder = browser, folder
        self._contexts = []
        self.errors: list[str] = []

    def open(self, *, stage: str = "final", window: tuple[int, int] = (1240, 1000), **query: object) -> Page:
        """Open it and wait for a stage of the map.

        Parameters
        ----------
        stage : str
            Of the leading panel's map.
        window : (int, int)
            Width and height in CSS pixels.
        **query
            What the address says; see js/demo/demo.ts.
        """
        context = self._browser.new_context(viewport={"width": window[0], "height": window[1]})
        self._contexts.append(context)
        page = context.new_page()
        page.on("pageerror", lambda error: self.errors.append(str(error)))
        page.on("console", lambda line: self.errors.append(line.text) if line.type == "error" else None)
        page.route("**/*", self._serve)
        page.goto(f"{HOST}/?{urlencode(QUICK | query)}")
        expect(page.get_by_test_id("explorer").first).to_have_attribute("data-stage", stage)
        return page

    def close(self) -> None:
        for context in self._contexts:
            context.close()

    def _serve(self, route: Route) -> None:
        file = self._folder / (urlsplit(route.request.url).path.lstrip("/") or "index.html")
        kind = mimetypes.guess_type(file.name)[0] or "text/plain"
        if file.is_file():
            route.fulfill(body=file.read_bytes(), content_type=kind)
        else:
            route.fulfill(status=404)


@pytest.fixture(scope="session")
def folder(tmp_path_factory):
    """Where the page is; tests on it have a fixture `watch` of their own, for they have no notebook."""
    if shutil.which("node") is None or not (ROOT / "node_modules").exists():
        pytest.skip("needs node and what npm ci installs")
    return build(tmp_path_factory.mktemp("demo"))


@pytest.fixture
def demo(browser, folder):
    """The page, to be opened in any state; a test fails by an error in its console."""
    demo = Demo(browser, folder)
    yield demo
    demo.close()
    assert demo.errors == []


def traits(**values):
    """What the address calls traits."""
    return json.dumps(values)
