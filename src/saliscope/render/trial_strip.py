"""A map as the network forgets, on paper: as trained, and after each block that was randomised."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from saliscope.render import colormaps
from saliscope.render.overlay import coloured
from saliscope.render.paper import GAP, INK, LINE, MARGIN, MUTED, SMALL, TITLE_LINE, Paper
from saliscope.render.scales import Sign, apply_sign
from saliscope.render.typeset import shortened
from saliscope.specs.blobs import Blob
from saliscope.specs.trial import RandomisationStrip

PROTOCOL = (
    "randomisation: cascading, from the output down; rank correlation of the signed maps with that of the "
    "trained network; each map has its own scale"
)
_TILE, _LARGEST = 52.0, 80.0
"""Widths of a map: at least about, and at most."""


@dataclass(frozen=True)
class Strip:
    """A map as the network forgets: as trained, and after each block that was randomised."""

    name: str
    found: RandomisationStrip
    room: float
    blobs: Mapping[str, Blob]
    sign: Sign
    colormap: str

    @cached_property
    def tiles(self) -> list[tuple[np.ndarray, tuple[str, ...]]]:
        """Colours of each map, and the lines below it."""
        stages = [
            (stage.map, stage.limit, (stage.name, f"rank {_two(stage.signed)}", f"SSIM {_two(stage.ssim)}"))
            for stage in self.found.stages
        ]
        lut = colormaps.lut(self.colormap)

        def drawn(name: str, limit: float) -> np.ndarray:
            shown = apply_sign(self.blobs[name].array(), self.sign)
            return coloured(np.empty(0), shown, limit or 1.0, lut, 1.0, "map")

        return [
            (drawn(name, limit), lines)
            for name, limit, lines in ((self.found.map, self.found.limit, ("as trained",)), *stages)
        ]

    @cached_property
    def columns(self) -> int:
        """In as many rows of equal length as are needed for tiles that can be read."""
        rows = -(-len(self.tiles) // int((self.room + GAP) / (_TILE + GAP)))
        return -(-len(self.tiles) // rows)

    @cached_property
    def tile(self) -> tuple[float, float]:
        """Width and height of a map."""
        height, width = self.tiles[0][0].shape[:2]
        across = min(_LARGEST, (self.room + GAP) / self.columns - GAP)
        return across, across * height / width

    @property
    def row(self) -> float:
        """Height of a row with its words."""
        return self.tile[1] + 3 * LINE + GAP

    @property
    def height(self) -> float:
        """Of all of it."""
        return TITLE_LINE + self.row * -(-len(self.tiles) // self.columns)

    def draw(self, paper: Paper, y: float) -> None:
        """Write it from `y` down."""
        left = (
            "" if self.found.done == self.found.total else f", {self.found.done} of {self.found.total} so far"
        )
        title = f"{self.name}, weights randomised block by block{left}"
        paper.write(MARGIN, y, shortened(title, SMALL, 0.94 * self.room, bold=True), SMALL, INK, bold=True)
        across, down = self.tile
        for i, (rgb, lines) in enumerate(self.tiles):
            row, column = divmod(i, self.columns)
            x, top = MARGIN + column * (across + GAP), y + TITLE_LINE + row * self.row
            axes = paper.axes(x, top, across, down)
            axes.imshow(rgb, extent=(0, 1, 0, 1), aspect="auto", interpolation="antialiased")
            for k, line in enumerate(lines):
                text = shortened(line, SMALL, 0.94 * (across + GAP / 2))
                paper.write(x, top + down + 2 + k * LINE, text, SMALL, MUTED if k else INK)


def _two(value: float | None) -> str:
    return "–" if value is None else f"{value:.2f}".replace("-", "−")
