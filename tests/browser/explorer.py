"""The explorer in a page: its parts, its pixels, and a hand that moves its sliders."""

import base64
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import numpy as np
from playwright.sync_api import Locator, Page, expect

from .lab import PATIENCE

THUMB = 14  # CSS pixels; a slider's thumb has its middle half of that inside the track


class Explorer:
    """One view of a `SaliencyExplorer`."""

    def __init__(self, root: Locator) -> None:
        self.root = root
        self.page: Page = root.page

    def part(self, testid: str) -> Locator:
        return self.root.get_by_test_id(testid)

    @property
    def stage(self) -> str | None:
        return self.root.get_attribute("data-stage")

    def drawn(self, job: int | None = None, stage: str = "final") -> None:
        """Wait until the result of a job is on the canvas."""
        expect(self.root).to_have_attribute("data-stage", stage)
        if job is not None:
            expect(self.root).to_have_attribute("data-job", str(job))
        self.phase("done" if stage == "final" else None)

    def phase(self, name: str | None) -> None:
        """Wait until the status line says so."""
        if name is not None:
            expect(self.part("status")).to_have_attribute("data-phase", name)

    def pixels(self, panel: str = "panel-map") -> np.ndarray:
        """What is on a canvas, uint8 of shape (height, width, 3)."""
        width, height, text = self.part(panel).locator("canvas").first.evaluate(
            """canvas => {
                const { width, height } = canvas;
                const { data } = canvas.getContext('2d').getImageData(0, 0, width, height);
                return [width, height, btoa(String.fromCharCode.apply(null, data))];
            }"""
        )
        rgba = np.frombuffer(base64.b64decode(text), np.uint8).reshape(height, width, 4)
        assert (rgba[..., 3] == 255).all()
        return rgba[..., :3]

    def until(self, condition: Callable[[], object], what: str) -> None:
        """Let the page go on, frame by frame, until something is so."""
        end = time.monotonic() + PATIENCE / 1000
        while not condition():
            assert time.monotonic() < end, f"not within {PATIENCE / 1000:.0f} s: {what}"
            self.frame()

    def shows(self, expected: np.ndarray, panel: str = "panel-map") -> None:
        """Wait until a canvas is equal to `expected`, to the byte."""
        until = time.monotonic() + 10
        while not np.array_equal(shown := self.pixels(panel), expected):
            assert shown.shape == expected.shape
            if time.monotonic() > until:
                far = np.abs(shown.astype(int) - expected.astype(int)).max(2)
                raise AssertionError(
                    f"{panel}: {np.count_nonzero(far)} of {far.size} pixels differ, by up to {far.max()}"
                )
            self.frame()

    def changes(self, before: np.ndarray, panel: str = "panel-map") -> None:
        """Wait until a canvas shows something else than `before`."""
        self.until(lambda: not np.array_equal(self.pixels(panel), before), f"another picture on {panel}")

    def frame(self) -> None:
        """Let the page draw."""
        self.page.evaluate("new Promise(requestAnimationFrame)")

    def point(self, slider: str, share: float) -> tuple[float, float]:
        """Where the thumb of a slider is when it stands at `share` of its track."""
        box = self.part(slider).bounding_box()
        assert box is not None
        return box["x"] + THUMB / 2 + share * (box["width"] - THUMB), box["y"] + box["height"] / 2

    def share(self, slider: str) -> float:
        """Where the thumb of a slider stands now."""
        return float(self.part(slider).evaluate("input => (input.value - input.min) / (input.max - input.min)"))

    @contextmanager
    def held(self, slider: str) -> Iterator["Hand"]:
        """Take the thumb of a slider with the mouse, and let go at the end."""
        self.part(slider).scroll_into_view_if_needed()
        self.page.mouse.move(*self.point(slider, self.share(slider)))
        self.page.mouse.down()
        try:
            yield Hand(self, slider)
        finally:
            self.page.mouse.up()

    def drag(self, slider: str, share: float, steps: int = 10) -> None:
        with self.held(slider) as hand:
            hand.move(share, steps)


class Hand:
    """A mouse with a slider's thumb under it."""

    def __init__(self, explorer: Explorer, slider: str) -> None:
        self.explorer, self.slider = explorer, slider

    def move(self, share: float, steps: int = 10) -> None:
        """Go to `share` of the track in as many movements."""
        self.explorer.page.mouse.move(*self.explorer.point(self.slider, share), steps=steps)
