"""The explorer in a page: its parts, its pixels, its Python side, and a hand for its sliders."""

import base64
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
from playwright.sync_api import Locator, expect

from .lab import PATIENCE, Notebook
from .truth import PICTURES, Truth, truth

THUMB = 14  # CSS pixels; at both ends of its track the thumb's middle is half of that inside


class Explorer:
    """One view of the `SaliencyExplorer` that is called `explorer` in the kernel."""

    def __init__(self, notebook: Notebook, cell: int = 1, root: Locator | None = None) -> None:
        self.notebook, self.page = notebook, notebook.page
        self.root = root or notebook.cell(cell).get_by_test_id("explorer")
        expect(self.root).to_be_visible()

    def part(self, testid: str) -> Locator:
        return self.root.get_by_test_id(testid)

    def canvas(self, panel: str = "panel-map") -> Locator:
        return self.part(panel).locator("canvas").first

    # What Python knows.

    def get(self, name: str) -> Any:
        """An attribute, as plain data; dots lead further."""
        return self.notebook.value(f"explorer.{name}")

    def set(self, **traits: Any) -> None:
        self.notebook.execute("".join(f"explorer.{name} = {value!r}\n" for name, value in traits.items()))

    def becomes(self, name: str, expected: Any) -> None:
        """Wait for an attribute: what a page writes takes its way."""
        self.until(lambda: self.get(name) == expected, f"{name} is {expected!r}")

    def truth(self) -> Truth:
        """The numbers of the finished map."""
        return truth(self.notebook)

    def answer(self) -> int:
        """Wait until the kernel has nothing more to do and the page shows it; the number of that job."""
        job = self.notebook.value("(explorer.wait(), explorer.status.job)[1]")
        expect(self.root).to_have_attribute("data-job", str(job))
        self.drawn()
        return job

    # What the page shows.

    def drawn(self) -> None:
        """Wait until a finished map is on the canvas."""
        expect(self.root).to_have_attribute("data-stage", "final")
        self.phase("done")

    def phase(self, name: str) -> None:
        """Wait until the status line says so."""
        expect(self.part("status")).to_have_attribute("data-phase", name)

    def pixels(self, panel: str = "panel-map") -> np.ndarray:
        """What is on a canvas, uint8 of shape (height, width, 3)."""
        width, height, text = self.canvas(panel).evaluate(
            """canvas => {
                const { width, height } = canvas;
                const { data } = canvas.getContext('2d').getImageData(0, 0, width, height);
                return [width, height, btoa(Array.from(data, byte => String.fromCharCode(byte)).join(''))];
            }"""
        )
        rgba = np.frombuffer(base64.b64decode(text), np.uint8).reshape(height, width, 4)
        assert (rgba[..., 3] == 255).all()
        return rgba[..., :3]

    def shows(self, expected: np.ndarray, panel: str = "panel-map") -> None:
        """Wait until a canvas is equal to `expected`, to the byte."""
        until = time.monotonic() + PATIENCE / 1000
        while not np.array_equal(shown := self.pixels(panel), expected):
            far = np.abs(shown.astype(int) - expected.astype(int)).max(2)
            words = f"{panel}: {np.count_nonzero(far)} of {far.size} pixels differ, by up to {far.max()}"
            assert time.monotonic() < until, words
            self.frame()

    def is_true(self, index: int = 0, **look: Any) -> None:
        """Wait until the canvas shows what Python computes from the kernel's numbers."""
        self.shows(self.truth().picture(PICTURES[index], **look))

    def changes(self, before: np.ndarray, panel: str = "panel-map") -> None:
        """Wait until a canvas shows something else than `before`."""
        self.until(lambda: not np.array_equal(self.pixels(panel), before), f"another picture on {panel}")

    def until(self, condition: Callable[[], object], what: str) -> None:
        """Let the page go on, frame by frame, until something is so."""
        end = time.monotonic() + PATIENCE / 1000
        while not condition():
            assert time.monotonic() < end, f"not within {PATIENCE / 1000:.0f} s: {what}"
            self.frame()

    def frame(self) -> None:
        """Let the page draw."""
        self.page.evaluate("new Promise(requestAnimationFrame)")

    # What a hand does.

    def choose(self, testid: str, value: str, trait: str | None = None) -> int:
        """Take an option of a menu; the number of the job that answered."""
        self.part(testid).select_option(value)
        self.becomes(trait or testid, value)
        return self.answer()

    def point(self, slider: str, share: float) -> tuple[float, float]:
        """Where the thumb of a slider is when it stands at `share` of its track."""
        box = self.part(slider).bounding_box()
        assert box is not None
        return box["x"] + THUMB / 2 + share * (box["width"] - THUMB), box["y"] + box["height"] / 2

    def share(self, slider: str) -> float:
        """Where the thumb of a slider stands now."""
        track = self.part(slider)
        return float(track.evaluate("input => (input.value - input.min) / (input.max - input.min)"))

    @contextmanager
    def held(self, slider: str) -> Iterator[Callable[..., None]]:
        """Take the thumb of a slider with the mouse: `move(share, steps)` pulls it, the end lets it go."""
        self.part(slider).scroll_into_view_if_needed()
        self.page.mouse.move(*self.point(slider, self.share(slider)))
        self.page.mouse.down()
        try:
            yield lambda share, steps=10: self.page.mouse.move(*self.point(slider, share), steps=steps)
        finally:
            self.page.mouse.up()

    def drag(self, slider: str, share: float) -> None:
        with self.held(slider) as move:
            move(share)
