"""What all explorers in a page have: parts, pixels, a Python side, and sliders for a hand."""

import base64
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
from playwright.sync_api import Locator, expect

from .lab import PATIENCE, Notebook

THUMB = 14  # CSS pixels; at both ends of its track the thumb's middle is half of that inside


class Widget:
    """One view of an explorer.

    Class attributes
    ----------------
    name : str
        What it is called in the kernel.
    testid : str
        Its outermost element.
    """

    name: str
    testid: str

    def __init__(
        self, notebook: Notebook, cell: int = 1, root: Locator | None = None, name: str | None = None
    ) -> None:
        self.notebook, self.page = notebook, notebook.page
        self.name = name or self.name
        # Inside a map explorer there is a view of attributions: the first one is the cell's own.
        self.root = root or notebook.cell(cell).get_by_test_id(self.testid).first
        expect(self.root).to_be_visible()

    def part(self, testid: str) -> Locator:
        return self.root.get_by_test_id(testid)

    # What Python knows.

    def get(self, name: str) -> Any:
        """An attribute, as plain data; dots lead further."""
        return self.notebook.value(f"{self.name}.{name}")

    def set(self, **traits: Any) -> None:
        lines = (f"{self.name}.{name} = {value!r}\n" for name, value in traits.items())
        self.notebook.execute("".join(lines))

    def becomes(self, name: str, expected: Any) -> None:
        """Wait for an attribute: what a page writes takes its way."""
        self.until(lambda: self.get(name) == expected, f"{name} is {expected!r}")

    # What the page shows.

    def phase(self, name: str) -> None:
        """Wait until the status line says so."""
        expect(self.part("status")).to_have_attribute("data-phase", name)

    def rgba(self, canvas: Locator) -> np.ndarray:
        """What is on a canvas, uint8 of shape (height, width, 4)."""
        width, height, text = canvas.evaluate(
            """canvas => {
                const { width, height } = canvas;
                const { data } = canvas.getContext('2d').getImageData(0, 0, width, height);
                const bytes = [];
                for (let i = 0; i < data.length; i += 8192)
                    bytes.push(String.fromCharCode(...data.subarray(i, i + 8192)));
                return [width, height, btoa(bytes.join(''))];
            }"""
        )
        return np.frombuffer(base64.b64decode(text), np.uint8).reshape(height, width, 4)

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
