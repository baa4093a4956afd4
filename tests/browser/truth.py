"""What the page has to show, from the kernel's own numbers."""

from dataclasses import dataclass

import numpy as np

from saliscope import demo
from saliscope.render import colormaps, scales
from saliscope.render.static import compose
from saliscope.specs.blobs import Blob

from .lab import Notebook

PICTURES = demo.scenes(6, seed=1).images
"""What the notebooks show."""

TAKE = """
import numpy as np
_a = {name}.attribution
_path = {{}}
if _a.path is not None:
    _path = dict(alphas=_a.path.alphas.numpy(), stack=_a.path.accumulate(_a.path.terms[:, 0].sum(1)).double().numpy())
np.savez("{file}", map=_a.map[0].double().numpy(), signed=_a.signed, **_path)
print("saved")
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
        before = after - 1
        share = (alpha - self.alphas[before]) / (self.alphas[after] - self.alphas[before])
        return self.stack[before] * (1 - share) + self.stack[after] * share

    def picture(self, under: np.ndarray, alpha: float = 1.0, colormap: str = colormaps.DEFAULT, **look) -> np.ndarray:
        """The canvas of the map."""
        limit = look.pop("scale", None) or self.limit
        return compose(under, self.at(alpha), limit, colormaps.lut(colormap), signed=self.signed, **look)


def truth(notebook: Notebook, name: str = "explorer") -> Truth:
    """Take the numbers of an explorer's newest attribution out of the kernel."""
    file = notebook.server.root.resolve() / "truth.npz"
    notebook.execute(TAKE.format(name=name, file=file))
    with np.load(file) as saved:
        exact = saved["map"]
        stack = Blob.from_map(saved["stack"]).array() if "stack" in saved else None
        return Truth(
            map=Blob.from_map(exact).array(),
            limit=scales.limit(exact),
            signed=bool(saved["signed"]),
            stack=stack,
            alphas=saved["alphas"] if "alphas" in saved else None,
        )
