"""The smooth mask of a given area that keeps the score highest."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from typing import Any, ClassVar

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from saliscope.attribution.base import Attribution, Method, Question, check_count
from saliscope.attribution.cards import perturbation as cards
from saliscope.core.anytime import Step
from saliscope.core.device import as_like, wide
from saliscope.core.knobs import knob
from saliscope.core.picture_space import blur_matrix
from saliscope.errors import MethodError
from saliscope.specs.saliency import Card

_LEVELS = 8  # of blur, from all of it to none
_COLDNESS = 20.0  # of the smooth maximum
_RATE = 0.05
_PRESSURE = (0.02, 4.0)  # of the area at the first and at the last iteration; the score's is at most 1
_FREE = 0.6  # share of the iterations after which the area is held, whether it was reached or not
_AT_ONCE = 5  # iterations from one partial answer to the next


@dataclass(frozen=True)
class ExtremalPerturbation(Method):
    """Extremal perturbation (Fong, Patrick and Vedaldi 2019, arXiv 1910.08485).

    The mask m of area a that maximises ``F(m (x) x)``, where ``m (x) x`` blurs each pixel the more, the lower
    the mask is there: by ``blur * (1 - m)`` pixels. The mask is the smooth maximum of copies of one bump,
    ``exp(-2 max(0, d - 1/2)^2)`` with the distance d in units of ``smoothness``, scaled by parameters in
    [0, 1] on a grid three times as fine. Its area is held by ``|sort(m) - r_a|^2``, where r_a has a share a
    of ones and else zeros. The value of a pixel is its mask: 1 where it is kept, 0 where it is blurred.

    The maximum is searched by Adam from the mask that keeps everything, under a growing pressure on the
    area: at first on every pixel alike, from the area on by rank. The gradient of the score is scaled to its
    largest value so far, so the map does not depend on the score's unit. The paper searches otherwise: 800
    steps of gradient descent with momentum, its area held by rank throughout.

    Parameters
    ----------
    area : float
        Share of the picture that the mask may keep.
    n_iterations : int
        Steps of the search.
    smoothness : float
        Width of the bump, as a share of the picture's shorter side; the paper's 21 of 224 pixels.
    blur : float
        Standard deviation of the Gaussian blur where the mask is 0, in pixels; the paper's is 20.
    areas : tuple of float
        Several areas in place of `area`; the map is the mean of their masks.
    """

    key: ClassVar[str] = "extremal_perturbation"
    title: ClassVar[str] = "Extremal perturbation"
    summary: ClassVar[str] = (
        "The part of the picture, of a given area, that keeps the score highest by itself."
    )
    unit: ClassVar[str] = "share of the pixel that is kept"
    card: ClassVar[Card] = cards.EXTREMAL_PERTURBATION
    family: ClassVar[str] = "Perturbation"

    area: float = knob(0.1, "area kept", 0.01, 0.9, 0.01)
    n_iterations: int = knob(200, "iterations", 10, 1000, 10, log=True)
    smoothness: float = knob(0.09, "smoothness (share of the side)", 0.01, 0.3, 0.01)
    blur: float = knob(20.0, "blur sigma (px)", 1.0, 50.0, 0.5)
    areas: tuple[float, ...] = ()

    def __post_init__(self) -> None:
        check_count("n_iterations", self.n_iterations)
        for area in (self.area, *self.areas):
            _check_between("area" if area is self.area else "areas", area, 1.0)
        _check_between("smoothness", self.smoothness, 1.0)
        _check_between("blur", self.blur, 1000.0)

    @property
    def signed(self) -> bool:
        """A mask carries no sign."""
        return False

    def _steps(self, question: Question) -> Iterator[Step[Attribution]]:
        question.pictures(f"for {self.title}")
        return _Search(self, question).steps()


def _check_between(name: str, value: Any, high: float) -> None:
    number = isinstance(value, (int, float)) and not isinstance(value, bool)
    if not number or not 0 < value < high:
        raise MethodError(name, repr(value), f"a number between 0 and {high:g}, neither of them")


@dataclass(frozen=True)
class _State:
    """Of each row, one input with one area: the parameters of its mask, and how the search stands."""

    parameters: Tensor
    mean: Tensor
    square: Tensor
    largest: Tensor  # gradient of the score so far; zero as long as the score has not reacted at all
    held: Tensor  # whether the area was reached

    def part(self, start: int, stop: int) -> "_State":
        return _State(*(tensor[start:stop] for tensor in vars(self).values()))

    def with_part(self, start: int, stop: int, part: "_State") -> "_State":
        pairs = zip(vars(self).values(), vars(part).values(), strict=True)
        return _State(*(torch.cat([whole[:start], new, whole[stop:]]) for whole, new in pairs))


class _Search:
    """The masks of all inputs and areas, a few iterations at a time. Rows do not know of each other."""

    def __init__(self, method: ExtremalPerturbation, question: Question) -> None:
        self.method, self.question = method, question
        self.areas = method.areas or (method.area,)
        self.like = question.inputs.new_empty(0, dtype=wide(question.inputs.dtype))
        self.bumps = _Bumps(question.picture, method.smoothness, self.like)
        sigmas = [method.blur * (1 - level / (_LEVELS - 1)) for level in range(_LEVELS)]
        self.blurs = [
            torch.stack([blur_matrix(size, sigma, self.like) for sigma in sigmas])[:, None, None]
            for size in question.picture
        ]
        rows = len(question.inputs) * len(self.areas)
        start = self.like.new_ones((rows, *self.bumps.grid))
        scalar = start.new_zeros(rows)
        self.state = _State(start, torch.zeros_like(start), torch.zeros_like(start), scalar, scalar > 0)

    def steps(self) -> Iterator[Step[Attribution]]:
        rows, last = len(self.state.parameters), self.method.n_iterations
        # The first round is a single iteration: the memory of the first chunk is measured.
        edges = [0, *range(1, last, _AT_ONCE), last]
        for begin, end in pairwise(edges):
            for start, stop, part in self.question.chunked(partial(self._advanced, begin, end), rows):
                self.state = self.state.with_part(start, stop, part)
                done = begin * rows + (end - begin) * stop
                complete = done == rows * last
                yield Step(partial(self._answer, self.state, complete), done, rows * last)

    def _advanced(self, begin: int, end: int, start: int, stop: int) -> _State:
        rows = torch.arange(start, stop)
        inputs = rows // len(self.areas)
        pictures = self.question.inputs[inputs].to(self.like.dtype)
        levels = self.blurs[0] @ pictures @ self.blurs[1].mT
        pixels = math.prod(self.question.picture)
        places = (torch.arange(pixels) + 0.5) / pixels
        areas = torch.tensor([self.areas[row % len(self.areas)] for row in rows.tolist()])
        wanted = as_like(places > 1 - areas[:, None], self.like)
        state = self.state.part(start, stop)
        for iteration in range(begin, end):
            state = self._step(state, iteration, levels, inputs, areas.to(self.like), wanted)
        return state

    def _step(
        self, state: _State, iteration: int, levels: Tensor, rows: Tensor, areas: Tensor, wanted: Tensor
    ) -> _State:
        share, (low, high) = iteration / self.method.n_iterations, _PRESSURE
        with torch.enable_grad():
            leaf = state.parameters.clone().requires_grad_()
            masks = self.bumps(leaf)
            points = _blended(levels, masks)
            _, ascent = self.question.gradients(points.detach().to(self.question.inputs.dtype), rows)
            (ascent,) = torch.autograd.grad(points, leaf, ascent.to(points.dtype), retain_graph=True)
            held = state.held | (masks.detach().mean((1, 2)) <= areas) | (share >= _FREE)
            ordered = masks.flatten(1).sort(dim=1, stable=True).values
            excess = (ordered - wanted * held[:, None]).square().sum()
            (pressure,) = torch.autograd.grad(excess, leaf)
        # By the pixels of a parameter: of the order of one.
        pressure = pressure / 2 * (leaf[0].numel() / ordered.shape[1])
        largest = state.largest.maximum(ascent.abs().flatten(1).amax(1))
        scale = largest.where(largest > 0, 1.0)[:, None, None]
        change = ascent / scale - low * (high / low) ** share * pressure
        mean, square = 0.9 * state.mean + 0.1 * change, 0.99 * state.square + 0.01 * change.square()
        size = (square / (1 - 0.99 ** (iteration + 1))).sqrt() + 1e-3
        step = _RATE * mean / (1 - 0.9 ** (iteration + 1)) / size
        return _State((state.parameters + step).clamp(0, 1), mean, square, largest, held)

    def _answer(self, state: _State, complete: bool) -> Attribution:
        reacted = state.largest > 0
        masks = self.bumps(state.parameters) * reacted[:, None, None]
        notes = ("The score did not react to any mask: an empty one is shown.",)
        return self.question.answer(
            self.method,
            masks.unflatten(0, (-1, len(self.areas))).mean(1)[:, None],
            grid=self.bumps.grid,
            notes=() if bool(reacted.all()) else notes,
            complete=complete,
        )


class _Bumps:
    """From the parameters of a mask to the mask: smooth maximum of bumps of one width, one at each."""

    def __init__(self, picture: tuple[int, int], smoothness: float, like: Tensor) -> None:
        self._picture = picture
        width = max(1.0, smoothness * min(picture))
        cell = max(1.0, width / 3)
        self.grid = (max(1, round(picture[0] / cell)), max(1, round(picture[1] / cell)))
        steps = [size / cells / width for size, cells in zip(picture, self.grid, strict=True)]
        self._reach = [math.ceil(2 / step) for step in steps]  # a bump is 0.01 high there
        down, across = (
            torch.arange(-reach, reach + 1) * step for reach, step in zip(self._reach, steps, strict=True)
        )
        distance = torch.hypot(down.double()[:, None], across.double())
        self._bump = as_like(torch.exp(-2 * (distance - 0.5).clamp_min(0) ** 2).reshape(1, -1, 1), like)

    def __call__(self, parameters: Float[Tensor, "n rows columns"]) -> Float[Tensor, "n height width"]:
        """Masks in [0, 1]: the maximum at each parameter's place, bilinear between them."""
        sides = tuple(2 * reach + 1 for reach in self._reach)
        heights = self._bump * F.unfold(parameters[:, None], sides, padding=tuple(self._reach))
        coarse = (heights * (_COLDNESS * heights).softmax(1)).sum(1).reshape(-1, 1, *self.grid)
        masks = F.interpolate(coarse, self._picture, mode="bilinear", align_corners=False)
        return masks[:, 0].clamp(0, 1)


def _blended(levels: Float[Tensor, "l n c h w"], masks: Float[Tensor, "n h w"]) -> Float[Tensor, "n c h w"]:
    """Each pixel from the level of blur that its mask says, linear between two levels."""
    level = torch.arange(len(levels), device=masks.device).reshape(-1, 1, 1, 1)
    weights = (1 - (masks * (len(levels) - 1) - level).abs()).clamp_min(0)
    return torch.einsum("lnhw,lnchw->nchw", weights, levels)
