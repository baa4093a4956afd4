"""Methods that hide parts of the picture and look at the score; they need no gradient."""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor

from saliscope.attribution.base import Attribution, Method, Question, check_count
from saliscope.attribution.cards import perturbation as cards
from saliscope.attribution.random_masks import MaskSource, Moments
from saliscope.core.anytime import Step
from saliscope.core.baselines import Baseline, Black, as_baselines
from saliscope.core.batching import FIRST_CHUNK, is_out_of_memory, measuring
from saliscope.core.borrow import untouched
from saliscope.core.device import as_like, exact, wide
from saliscope.core.knobs import knob
from saliscope.core.patches import Patches
from saliscope.core.query import check_score
from saliscope.errors import MethodError
from saliscope.specs.saliency import Card

_MOST_CLEAN = 4
"""Inputs whose clean maps are kept at once; for more, every variant is computed as a whole."""


def starts_of(question: Question, baselines: tuple[Baseline, ...]) -> Tensor:
    """What replaces the inputs, for each baseline; shape (n_baselines, n, channels, height, width)."""
    return torch.stack([one.make(question.borrowed, question.inputs) for one in baselines])


def forward_scores(question: Question, points: Tensor, rows: Tensor, measured: bool) -> Tensor:
    """Score at `points`, which are given away, where point ``i`` belongs to input ``rows[i]``; in float64.

    Where it may be and is measured what a row needs, a graph is built, and let go: `Question.chunked` finds
    in it how many rows are a good chunk. Forward passes of this many are neither slow nor large.
    """
    target = question.target.rows(rows)
    measured = measured and measuring()
    with untouched(question.borrowed.module), torch.set_grad_enabled(measured):
        points.requires_grad_(measured)
        score = target.score(question.borrowed(points.clone() if measured else points))
    check_score(score)
    return exact(score)


@dataclass(frozen=True)
class Occlusion(Method):
    """Occlusion (Zeiler and Fergus 2013, arXiv 1311.2901): hide a window, and see how far the score falls.

    The value of a pixel is the mean of ``F(x) - F(x with W replaced)`` over the windows W that cover it.
    Along each axis windows begin at 0, ``stride``, 2 ``stride``, ...; one that would cross the border is
    moved back to end there, so all windows have one size and every pixel is covered. A window hides all
    channels at once. With windows of one pixel this is the effect of that pixel alone, ``w (x - x')`` of an
    affine model.

    Parameters
    ----------
    baseline : Baseline, str, float, Tensor, or a tuple of them
        What a window shows instead; the paper uses grey. The drops under several are averaged.
    window : int
        Side of the square window, in pixels.
    stride : int
        From one window to the next, in pixels; at most `window`.
    """

    key: ClassVar[str] = "occlusion"
    title: ClassVar[str] = "Occlusion"
    summary: ClassVar[str] = "How far the score falls when a window around the pixel is hidden."
    unit: ClassVar[str] = "score per window"
    card: ClassVar[Card] = cards.OCCLUSION
    family: ClassVar[str] = "Perturbation"

    baseline: Any = field(default_factory=Black)
    window: int = knob(16, "window (px)", 1, 128, 1, log=True)
    stride: int = knob(8, "stride (px)", 1, 128, 1, log=True)

    def __post_init__(self) -> None:
        check_count("window", self.window)
        check_count("stride", self.stride)
        if self.stride > self.window:
            raise MethodError(
                "stride",
                f"{self.stride} with windows of {self.window} pixels",
                "at most the window",
                "Pixels between two windows would never be hidden.",
            )
        as_baselines(self.baseline)

    @property
    def baselines(self) -> tuple[Baseline, ...]:
        """The baselines, always as a tuple."""
        return as_baselines(self.baseline)

    def _steps(self, question: Question) -> Iterator[Step[Attribution]]:
        height, width = question.pictures(f"for {self.title}").shape[2:]
        if self.window > min(height, width):
            raise MethodError(
                "window",
                f"{self.window} pixels for pictures of {width} x {height}",
                f"at most {min(height, width)} pixels",
            )
        return _Windows(self, question).steps()


@dataclass(frozen=True)
class RISE(Method):
    """RISE (Petsiuk et al. 2018, arXiv 1806.07421): which pixels are there when the score is high.

    The picture is mixed with the baseline under random smooth masks, ``F_i = F(x' + M_i (x - x'))``, and
    ``sum over i of (F_i - mean F) M_i / ((N - 1) p)`` is computed: the expected score where the pixel is
    kept, minus the expected score under all masks. It is without bias. The paper's ``sum of F_i M_i / (N p)``
    has the mean score on top everywhere, and with it more noise: the larger the mean, the more.

    A mask is a grid of independent values, 1 with probability p and else 0, enlarged bilinearly and shifted
    at random. Here the grid goes on beyond the picture and the shift is not rounded to pixels, so a pixel at
    the border is like any other. If F is a sum over pixels, the map is ``1 - p`` times their contributions,
    blurred by a cubic B-spline as wide as a cell.

    Parameters
    ----------
    baseline : Baseline, str, float, Tensor, or a tuple of them
        What is seen where a mask is 0; the paper's zero in model space is ``torch.zeros(1)``. Several take
        turns, mask by mask.
    n_masks : int
        Number of masks; the paper uses 4000 to 8000.
    cells : int
        Cells of the grid along each side of the picture.
    p : float
        Probability that a cell is kept.
    seed : int
        The same seed gives the same masks, whatever the chunk size, the device and the size of the batch.
    """

    key: ClassVar[str] = "rise"
    title: ClassVar[str] = "RISE"
    summary: ClassVar[str] = (
        "How much higher the score is where a pixel is kept, compared with its mean over all random masks."
    )
    unit: ClassVar[str] = "score where the place is kept"
    card: ClassVar[Card] = cards.RISE
    family: ClassVar[str] = "Perturbation"
    refinable: ClassVar[bool] = True

    baseline: Any = field(default_factory=Black)
    n_masks: int = knob(1000, "masks", 2, 8000, 1, log=True)
    cells: int = knob(7, "cells per side", 2, 32, 1)
    p: float = knob(0.5, "share kept", 0.05, 0.95, 0.05)
    seed: int = knob(0, "seed", 0, 9999, 1)

    def __post_init__(self) -> None:
        check_count("n_masks", self.n_masks, minimum=2)
        check_count("cells", self.cells)
        check_count("seed", self.seed, minimum=0)
        number = isinstance(self.p, (int, float)) and not isinstance(self.p, bool)
        if not number or not 0 < self.p < 1:
            raise MethodError("p", repr(self.p), "a probability between 0 and 1, neither of them")
        as_baselines(self.baseline)

    @property
    def baselines(self) -> tuple[Baseline, ...]:
        """The baselines, always as a tuple."""
        return as_baselines(self.baseline)

    def _steps(self, question: Question) -> Iterator[Step[Attribution]]:
        return _Masked(self, question).steps()

    def _refined(self, question: Question, attribution: Attribution) -> Iterator[Step[Attribution]]:
        earlier: Any = attribution.method
        if attribution.sample_scores is None:
            raise MethodError("attribution", "a result without its sample_scores", "one that has them")
        masked = _Masked(replace(earlier, n_masks=2 * earlier.n_masks), question)
        masked.reuse(attribution.sample_scores)
        return masked.steps()


class _Windows:
    """The drop under every window of every input, coarse to fine.

    Rows are ordered window by window, and within one by baseline and input. Windows are ordered so that those
    done at any time are a coarser grid of windows, over the whole picture.
    """

    def __init__(self, method: Occlusion, question: Question) -> None:
        self.method, self.question = method, question
        rows, columns = (_first_pixels(side, method.window, method.stride) for side in question.picture)
        self.corners, self.grid = (rows, columns), (len(rows), len(columns))
        self.order = coarse_to_fine(self.grid)
        self.starts = starts_of(question, method.baselines).flatten(0, 1)
        self.drops = torch.zeros((len(self.order), len(self.starts)), dtype=torch.float64)
        size = (method.window, method.window)
        self.patches = Patches(question.borrowed.module, question.inputs, self.corners, size)
        # The clean maps of all inputs are kept.
        self.patched = self.patches.apply and len(question.inputs) <= _MOST_CLEAN

    def steps(self) -> Iterator[Step[Attribution]]:
        total, size = self.drops.numel(), self.question.chunk_size
        # Patches must give what the first windows gave without them.
        alone = min(total, FIRST_CHUNK, FIRST_CHUNK if size == "auto" else size) if self.patched else total
        for start, end in ((0, alone), (alone, total)):
            if start:
                self.patched = self.patched and self._agree(start)
                on_cpu = self.starts.device.type == "cpu"
                size = self.patches.at_once if self.patched and on_cpu and size == "auto" else size
            visit = partial(self._visit, start)
            for _, stop, _ in self.question.chunked(visit, end - start, chunk_size=size):
                yield Step(partial(self._answer, start + stop), start + stop, total)
        del self.patches  # the last answer may be kept, clean maps need not

    def _visit(self, skip: int, start: int, stop: int) -> None:
        k, j = np.divmod(np.arange(skip + start, skip + stop), len(self.starts))
        hidden = self._by_patches(k, j) if self.patched and skip else None
        if hidden is None:
            hidden = self._whole(k, j, measured=skip == start == 0)
        rows = j % len(self.question.inputs)
        self.drops[self.order[k], j] = exact(self.question.score)[rows] - hidden

    def _places(self, k: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        down, across = np.unravel_index(self.order[k], self.grid)
        return down, across

    def _holes(self, k: np.ndarray) -> Iterator[tuple[slice, slice, slice]]:
        """Where each of these windows is on a picture."""
        size, (down, across) = self.method.window, self._places(k)
        for top, left in zip(self.corners[0][down], self.corners[1][across], strict=True):
            yield slice(None), slice(top, top + size), slice(left, left + size)

    def _whole(self, k: np.ndarray, j: np.ndarray, measured: bool) -> Tensor:
        """The scores with these windows hidden, of these starts; in float64."""
        rows = torch.from_numpy(j) % len(self.question.inputs)
        points = _rows(self.question.inputs, rows).expand(len(k), -1, -1, -1).clone()
        for point, start, hole in zip(points, j, self._holes(k), strict=True):
            point[hole] = self.starts[start][hole]
        return forward_scores(self.question, points, rows, measured)

    def _by_patches(self, k: np.ndarray, j: np.ndarray) -> Tensor | None:
        """The same, by way of patches; None, now and ever after, where they are no way."""
        rows = j % len(self.question.inputs)
        shown = zip(j, self._holes(k), strict=True)
        values = torch.stack([self.starts[start][hole] for start, hole in shown])

        def scores(points: Tensor) -> Tensor:
            return forward_scores(self.question, points, torch.from_numpy(rows), measured=False)

        try:
            return self.patches(scores, values, rows, self._places(k))
        except Exception as error:
            if is_out_of_memory(error):
                raise
            self.patched = False  # if it is the model that fails, it does so without patches as well
            return None

    def _agree(self, count: int) -> bool:
        """Whether patches give the scores of the first rows, which are known."""
        k, j = np.divmod(np.arange(count), len(self.starts))
        score = exact(self.question.score)[j % len(self.question.inputs)]
        whole = score - self.drops[self.order[k], j]
        try:
            made = self._by_patches(k, j)
        except Exception:  # memory ran out: without patches, less is kept
            return False
        slack = torch.finfo(self.starts.dtype).eps ** (2 / 3) * torch.maximum(score.abs(), whole.abs()).max()
        return made is not None and bool(((made - whole).abs() <= slack).all())

    def _answer(self, done: int) -> Attribution:
        # Rows that were reached in this round already have one window more than the others.
        full, ahead = divmod(done, len(self.starts))
        drops = torch.cat([self._filled(full + 1)[:, :ahead], self._filled(full)[:, ahead:]], 1)
        means = [
            _mean_over_windows(corners, self.method.window, size)
            for corners, size in zip(self.corners, self.question.picture, strict=True)
        ]
        inputs = self.question.inputs
        grids = drops.reshape(*self.grid, -1, len(inputs)).mean(2).permute(2, 0, 1)
        values = as_like(means[0] @ grids @ means[1].T, inputs.new_empty(0, dtype=wide(inputs.dtype)))
        complete = done == self.drops.numel()
        return self.question.answer(self.method, values[:, None], grid=self.grid, complete=complete)

    def _filled(self, count: int) -> Tensor:
        """The drops after so many windows; one that is not done yet is as its nearest on the coarser grid."""
        if count == 0:
            return torch.zeros_like(self.drops)
        known = np.zeros(len(self.order), dtype=bool)
        known[self.order[:count]] = True
        source, places, step = np.arange(len(known)), np.indices(self.grid), 1
        while not known[source].all():
            step *= 2
            coarser = [
                np.minimum((at + (step - 1) // 2) // step * step, (size - 1) // step * step)
                for at, size in zip(places, self.grid, strict=True)
            ]
            candidate = np.ravel_multi_index(coarser, self.grid).ravel()
            source = np.where(known[source], source, candidate)
        return self.drops[source]


def _first_pixels(size: int, window: int, stride: int) -> np.ndarray:
    """Where the windows of one axis begin; the last one ends at the border."""
    return np.append(np.arange(0, size - window, stride), size - window)


def _mean_over_windows(corners: np.ndarray, window: int, size: int) -> Tensor:
    """Along one axis: what takes a value for each window to the mean over the windows that cover a pixel."""
    pixels = np.arange(size)[:, None]
    covers = (corners <= pixels) & (pixels < corners + window)
    return torch.from_numpy(covers / covers.sum(1, keepdims=True))


def coarse_to_fine(grid: tuple[int, int]) -> np.ndarray:
    """Order in which a prefix of a grid's places, counted row by row, is a coarser grid over all of it."""
    bits = max(1, (max(grid) - 1).bit_length())
    row, column = (at.ravel() for at in np.indices(grid))
    key = np.zeros_like(row)
    for bit in range(bits):  # the lowest bits of a place decide first
        key = 4 * key + 2 * (row >> bit & 1 ^ column >> bit & 1) + (column >> bit & 1)
    return np.argsort(key, kind="stable")


class _Masked:
    """The scores under all masks of all inputs, and what is summed of them.

    Rows are ordered mask by mask, the inputs of a mask side by side: all inputs see the same masks.
    """

    def __init__(self, method: RISE, question: Question) -> None:
        self.method, self.question = method, question
        inputs = question.pictures(f"for {method.title}")
        self.n_inputs = len(inputs)
        self.starts = starts_of(question, method.baselines)
        self.source = MaskSource(method.seed, method.cells, method.p, question.picture)
        # In float64, where the device has it: a covariance is a difference of large numbers.
        exactly = inputs.device.type != "mps"
        self.like = inputs.new_empty(0, dtype=torch.float64 if exactly else torch.float32)
        self.moments = Moments.none(self.n_inputs, question.picture, self.like)
        self.scores = torch.zeros((method.n_masks, self.n_inputs), dtype=torch.float64)
        self.reused = 0

    def reuse(self, scores: Tensor) -> None:
        """Take over the scores under the first masks; only these masks are made again."""
        self.reused, at_once = len(scores), 64
        self.scores[: self.reused] = scores
        for first in range(0, self.reused, at_once):
            last = min(first + at_once, self.reused)
            masks = self.source.draw(first, last, self.like)
            self.moments += self._moments(masks, first * self.n_inputs, last * self.n_inputs)

    def steps(self) -> Iterator[Step[Attribution]]:
        skip, total = self.reused * self.n_inputs, self.scores.numel()
        for start, stop, masks in self.question.chunked(partial(self._visit, skip), total - skip):
            done = skip + stop
            self.moments += self._moments(masks, skip + start, done)
            yield Step(partial(self._answer, self.moments, done == total), done, total)

    def _visit(self, skip: int, start: int, stop: int) -> Tensor:
        rows = torch.arange(skip + start, skip + stop)
        k, i = rows // self.n_inputs, rows % self.n_inputs
        masks = self.source.draw(int(k[0]), int(k[-1]) + 1, self.like)
        weights = _rows(masks, k - k[0]).to(self.starts.dtype)[:, None]
        begin = _rows(self.starts.flatten(0, 1), k % len(self.starts) * self.n_inputs + i)
        points = torch.lerp(begin, _rows(self.question.inputs, i), weights)
        self.scores[k, i] = forward_scores(self.question, points, i, measured=start == 0)
        return masks

    def _moments(self, masks: Tensor, start: int, stop: int) -> Moments:
        """What the rows `start` to `stop` add, whose scores are there."""
        first, last = start // self.n_inputs, -(-stop // self.n_inputs)
        rows = torch.arange(first * self.n_inputs, last * self.n_inputs).reshape(-1, self.n_inputs)
        present = (start <= rows) & (rows < stop)
        scores = (self.scores[first:last] - exact(self.question.score)).where(present, 0.0)
        return Moments.of(masks - self.method.p, as_like(scores, masks), as_like(present, masks))

    def _answer(self, moments: Moments, complete: bool) -> Attribution:
        # The expected score where a pixel is kept: its covariance with the mask, by the mean of the mask.
        inputs = self.question.inputs
        values, error = ((made / self.method.p).to(wide(inputs.dtype)) for made in moments.covariance())
        return self.question.answer(
            self.method,
            values[:, None],
            standard_error=error,
            sample_scores=self.scores if complete else None,
            grid=(self.method.cells, self.method.cells),
            complete=complete,
        )


def _rows(tensor: Tensor, rows: Tensor) -> Tensor:
    """Rows of a tensor; one that has a single row broadcasts. Indexing proper takes five times as long."""
    return tensor if len(tensor) == 1 else tensor.index_select(0, rows.to(tensor.device))
