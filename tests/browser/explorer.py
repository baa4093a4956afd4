"""The explorer of attributions in a page."""

import time
from typing import Any

import numpy as np
from playwright.sync_api import Locator, expect

from .lab import PATIENCE
from .truth import PICTURES, Truth, truth
from .widget import Widget


class Explorer(Widget):
    """One view of the `SaliencyExplorer` that is called `explorer` in the kernel."""

    name = "explorer"
    testid = "explorer"

    def canvas(self, panel: str = "panel-map") -> Locator:
        return self.part(panel).locator("canvas").first

    def truth(self) -> Truth:
        """The numbers of the finished map."""
        return truth(self.notebook)

    def answer(self) -> int:
        """Wait until the kernel has nothing more to do and the page shows it; the number of that job."""
        job = self.notebook.value("(explorer.wait(), explorer.status.job)[1]")
        expect(self.root).to_have_attribute("data-job", str(job))
        self.drawn()
        return job

    def drawn(self) -> None:
        """Wait until a finished map is on the canvas."""
        expect(self.root).to_have_attribute("data-stage", "final")
        self.phase("done")

    def pixels(self, panel: str = "panel-map") -> np.ndarray:
        """What is on a canvas, uint8 of shape (height, width, 3)."""
        rgba = self.rgba(self.canvas(panel))
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

    def choose(self, testid: str, value: str, trait: str | None = None) -> int:
        """Take an option of a menu; the number of the job that answered."""
        self.part(testid).select_option(value)
        self.becomes(trait or testid, value)
        return self.answer()
