"""What the page has to show, from the kernel's own numbers."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from saliscope import demo
from saliscope.render import colormaps, scales
from saliscope.render.static import compose
from saliscope.specs.blobs import Blob

from .lab import Notebook

PICTURES = demo.scenes(6, seed=1).images
"""What the notebooks show."""

TAKE = """
import numpy
attribution = explorer.attribution
numbers = dict(map=attribution.map[0].double(), signed=attribution.signed)
if attribution.path is not None:
    stack = attribution.path.accumulate(attribution.path.terms[:, 0].sum(1)).double()
    numbers.update(alphas=attribution.path.alphas, stack=stack)
numpy.savez({file!r}, **numbers)
"""


@dataclass(frozen=True)
class Truth:
    """The numbers of a finished map, rounded to float16 as they travel."""

    map: np.ndarray
    limit: float
    signed: bool
    stack: np.ndarray | None
    alphas: np.ndarray | None

    def at(self, alpha: float) -> np.ndarray:
        """The map as it has grown from 0 to alpha: linear between the points of the path."""
        if self.stack is None or self.alphas is None or alpha == 1:
            return self.map
        after = int(np.argmax(self.alphas > alpha))
        start, end = self.alphas[after - 1], self.alphas[after]
        share = (alpha - start) / (end - start)
        return self.stack[after - 1] * (1 - share) + self.stack[after] * share

    def picture(
        self,
        under: np.ndarray,
        alpha: float = 1.0,
        scale: float | None = None,
        colormap: str = colormaps.DEFAULT,
        **look: Any,
    ) -> np.ndarray:
        """The canvas of the map."""
        values, lut = self.at(alpha), colormaps.lut(colormap)
        return compose(under, values, scale or self.limit, lut, signed=self.signed, **look)


def truth(notebook: Notebook) -> Truth:
    """Take the numbers of the newest attribution of `explorer` out of the kernel."""
    file = notebook.server.root.resolve() / "truth.npz"
    notebook.execute(TAKE.format(file=str(file)))
    with np.load(file) as saved:
        numbers = dict(saved)
    return Truth(
        map=Blob.from_map(numbers["map"]).array(),
        limit=scales.limit(numbers["map"]),
        signed=bool(numbers["signed"]),
        stack=Blob.from_map(numbers["stack"]).array() if "stack" in numbers else None,
        alphas=numbers.get("alphas"),
    )
