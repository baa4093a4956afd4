"""XRAI: Integrated Gradients added up over segments."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any, ClassVar

import numpy as np

from saliscope.attribution.base import Attribution, Method, Question, check_count
from saliscope.attribution.cards import surrogate as cards
from saliscope.attribution.path import IntegratedGradients
from saliscope.attribution.superpixels import seen
from saliscope.core.anytime import Step
from saliscope.core.baselines import Black, White
from saliscope.core.device import as_like, exact
from saliscope.specs.saliency import Card

_SIZE = 224
"""Side of the pictures for which the paper and its authors' code give what follows."""

_SCALES = (50, 100, 150, 250, 500, 1200)
_SIGMA = 0.8
_LEAST = 150
_RADIUS = 5
_LEAST_NEW = 50


@dataclass(frozen=True)
class XRAI(Method):
    """XRAI (Kapishnikov et al. 2019, arXiv 1906.02825): regions in the order of what they hold per pixel.

    The picture is cut by Felzenszwalb's method at the scales 50, 100, 150, 250, 500 and 1200; each segment
    grows by 5 pixels. Again and again the segment is taken whose pixels that no earlier one has hold the
    largest mean of Integrated Gradients (summed over channels, mean of a black and a white baseline), and
    these pixels all get this mean. It is signed: what speaks against the score comes last. The map sums to
    what Integrated Gradients sums to.

    Lengths are meant at 224 x 224 pixels, and go with the square root of the picture's area; segments of
    less than 150 pixels are merged, and less than 50 new pixels make no region.

    Parameters
    ----------
    n_steps : int
        Intervals of each of the two paths.
    """

    key: ClassVar[str] = "xrai"
    title: ClassVar[str] = "XRAI"
    summary: ClassVar[str] = "Which regions of the picture hold most of Integrated Gradients per pixel."
    unit: ClassVar[str] = "score"
    card: ClassVar[Card] = cards.XRAI
    family: ClassVar[str] = "Paths"

    n_steps: int = 32

    def __post_init__(self) -> None:
        check_count("n_steps", self.n_steps)

    def _steps(self, question: Question) -> Iterator[Step[Attribution]]:
        question.pictures("for segments")
        # The steps are known at once, the segments are not: they wait until a picture is asked for.
        cuts: list[Any] = []
        path = IntegratedGradients((Black(), White()), self.n_steps, "midpoint")
        for step in path._steps(question):
            yield Step(partial(self._answer, question, cuts, step), step.done, step.total)

    def _answer(self, question: Question, cuts: list[Any], step: Step[Attribution]) -> Attribution:
        if not cuts:
            cuts.extend(regions(picture) for picture in seen(question))
        found = step.result
        maps = [ranked(cut, exact(one).numpy()) for cut, one in zip(cuts, found.map, strict=True)]
        return question.answer(
            self,
            as_like(np.stack(maps)[:, None], found.values),
            convergence_delta=found.convergence_delta,
            complete=found.complete,
        )


def regions(picture: np.ndarray) -> Any:
    """The segments of a picture at all scales, grown: a sparse matrix of ones, (n_segments, n_pixels)."""
    from scipy.ndimage import binary_dilation, find_objects
    from scipy.sparse import csr_array, vstack
    from skimage.morphology import disk
    from skimage.segmentation import felzenszwalb

    height, width, _ = picture.shape
    area = height * width / _SIZE**2
    radius = round(_RADIUS * area**0.5)
    ball, inside = disk(radius), (slice(radius, radius + height), slice(radius, radius + width))
    rows = []
    for scale in _SCALES:
        labels = felzenszwalb(
            2 * picture - 1,
            scale=scale * area,
            sigma=_SIGMA * area**0.5,
            min_size=max(1, round(_LEAST * area)),
            channel_axis=-1,
        )
        padded = np.pad(labels + 1, radius)
        for number, (down, across) in enumerate(find_objects(padded), 1):
            # Grown in its own corner of the picture: in the whole of it, that takes ten times as long.
            box = tuple(slice(side.start - radius, side.stop + radius) for side in (down, across))
            grown = np.zeros(padded.shape, dtype=np.int64)
            grown[box] = binary_dilation(padded[box] == number, ball)
            rows.append(csr_array(grown[inside].reshape(1, -1)))
    return vstack(rows, format="csr")


def ranked(segments: Any, values: np.ndarray) -> np.ndarray:
    """The mean of `values` over what each segment adds, where the segment with the largest one comes next.

    Parameters
    ----------
    segments : csr_array of shape (n_segments, n_pixels)
    values : ndarray of shape (height, width)
    """
    flat = values.ravel()
    least = max(1, round(_LEAST_NEW * flat.size / _SIZE**2))
    by_pixel = segments.tocsc()
    sums, areas = segments @ flat, segments.sum(1)
    free, result = np.ones(flat.size, dtype=bool), np.empty_like(flat)
    while (areas >= least).any():
        best = np.argmax(np.where(areas >= least, sums / np.maximum(areas, 1), -np.inf))
        pixels = segments.indices[segments.indptr[best] : segments.indptr[best + 1]]
        pixels = pixels[free[pixels]]
        result[pixels] = flat[pixels].mean()
        free[pixels] = False
        taken = by_pixel[:, pixels]
        sums, areas = sums - taken @ flat[pixels], areas - taken.sum(1)
    if free.any():
        result[free] = flat[free].mean()
    return result.reshape(values.shape)
