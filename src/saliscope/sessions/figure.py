"""The current view of an explorer as a picture that needs no page."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from saliscope.render.static import Figure, between
from saliscope.specs.blobs import Blob
from saliscope.specs.saliency import Result


@dataclass(frozen=True)
class View:
    """Looks: what the page decides without the kernel."""

    alpha: float
    opacity: float
    threshold: float
    sign: str
    overlay: str
    scale: float | None
    colormap: str


def figure_of(result: Result | None, blobs: Sequence[Blob], view: View) -> Figure | None:
    """What is on screen, as data for a static figure; None without a result."""
    if result is None:
        return None
    arrays = {blob.hash: blob.array() for blob in blobs}
    picture, values = arrays[result.picture], arrays[result.map]
    if result.path is not None and view.alpha < 1:
        values = _at(arrays[result.path.stack], result.path.alphas, view.alpha)
        picture = between(arrays[result.path.baseline], picture, view.alpha)
    return Figure(
        picture=picture,
        values=values,
        limit=view.scale or result.limit,
        signed=result.signed,
        method=result.title,
        target_label=result.target_label,
        output=result.output.replace("_", " "),
        score=result.score,
        unit=result.unit,
        details=_details(result, view),
        colormap=view.colormap,
        opacity=view.opacity,
        threshold=view.threshold,
        sign=view.sign,  # type: ignore[arg-type]
        overlay=view.overlay,  # type: ignore[arg-type]
    )


def _at(stack: np.ndarray, alphas: Sequence[float], alpha: float) -> np.ndarray:
    """The cumulative map at a point between the kept ones, linearly interpolated as the page does."""
    upper = int(np.searchsorted(alphas, alpha, side="right").clip(1, len(alphas) - 1))
    low, high = alphas[upper - 1], alphas[upper]
    share = (alpha - low) / (high - low)
    return stack[upper - 1] + (stack[upper] - stack[upper - 1]) * share


def _details(result: Result, view: View) -> list[str]:
    details = []
    if result.stage != "final":
        details.append("Preview: the method had not finished.")
    if result.layer is not None and result.grid is not None:
        details.append(f"Layer {result.layer}, grid {result.grid[0]} × {result.grid[1]}.")
    if result.path is not None and view.alpha < 1:
        details.append(f"At {view.alpha:.0%} of the path from the baseline.")
    if result.steps is not None:
        details.append(f"{result.steps} steps." if result.path else f"{result.steps} samples.")
    gap = result.completeness
    if gap is not None and gap.share is not None:
        details.append(f"Explains {gap.share:.1%} of the change in score; gap {abs(1 - gap.share):.1%}.")
    return details
