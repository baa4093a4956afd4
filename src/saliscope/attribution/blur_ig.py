"""Integrated gradients along the scale space of the picture."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from saliscope.attribution.base import Attribution, Question, check_count
from saliscope.attribution.cards import paths as cards
from saliscope.attribution.walk import PathMethod, Walk
from saliscope.core.anytime import Step
from saliscope.core.borrow import Borrowed
from saliscope.core.device import wide
from saliscope.core.knobs import knob
from saliscope.core.picture_space import blur_matrix
from saliscope.errors import InputError, MethodError
from saliscope.specs.saliency import Card


@dataclass(frozen=True)
class BlurIG(PathMethod):
    """Blur Integrated Gradients (Xu, Venugopalan and Sundararajan 2020, arXiv 2004.03383).

    ``integral of dF(z)/dz * dz``, where ``z`` goes from the picture under a Gaussian of `max_sigma` to the
    picture itself. The values sum to ``F(x) - F(z_0)``, up to the error of the quadrature.

    The integral does not depend on how fast the path is gone. Here sigma falls to zero quadratically: most
    detail of a picture comes back with the last few pixels of blur. Each step takes the gradient in its
    middle times the picture's own change over it: any number of steps explains a linear model exactly.

    Parameters
    ----------
    max_sigma : float
        Standard deviation of the first blur, in pixels of the model's input. Borders are mirrored: a padding
        with zeros would darken them.
    n_steps : int
        Steps of the path.
    """

    key: ClassVar[str] = "blur_ig"
    title: ClassVar[str] = "Blur IG"
    summary: ClassVar[str] = (
        "How much each pixel contributed to the change of the score while the picture came into focus."
    )
    unit: ClassVar[str] = "score"
    card: ClassVar[Card] = cards.BLUR_IG
    family: ClassVar[str] = "Paths"

    max_sigma: float = knob(50.0, "largest blur (px)", 1.0, 100.0, 1.0, log=True)
    n_steps: int = 32

    def __post_init__(self) -> None:
        check_count("n_steps", self.n_steps)
        number = isinstance(self.max_sigma, (int, float)) and not isinstance(self.max_sigma, bool)
        if not number or not 0 < self.max_sigma <= 1000:
            raise MethodError("max_sigma", repr(self.max_sigma), "a number of pixels above 0, up to 1000")

    def starts(self, borrowed: Borrowed, inputs: Tensor) -> Tensor:
        """The most blurred pictures, of shape (1, n, ...)."""
        if inputs.ndim != 4:
            shape = tuple(inputs.shape)
            raise InputError("inputs", f"shape {shape}", "pictures (n, channels, height, width) to blur")
        return self._blurred(inputs, 0.0)[None]

    def _blurred(self, inputs: Tensor, alpha: float) -> Tensor:
        # Normalisation is affine and the weights of a blur sum to one: it is the same in model space.
        exactly = inputs.to(wide(inputs.dtype))
        sigma = self.max_sigma * (1 - alpha) ** 2
        rows, columns = (blur_matrix(size, sigma, exactly) for size in inputs.shape[2:])
        return (rows @ exactly @ columns.T).to(inputs.dtype)

    def _steps(self, question: Question) -> Iterator[Step[Attribution]]:
        _ = question.target  # inputs that the model itself refuses are its own affair
        starts = self.starts(question.borrowed, question.inputs)
        walk = Walk(self, question, starts, None, "midpoint", self.n_steps)
        walk.points = torch.stack([self._blurred(question.inputs, float(at)) for at in walk.nodes])[:, None]
        inner = [self._blurred(question.inputs, k / self.n_steps) for k in range(1, self.n_steps)]
        edges = torch.stack([starts[0], *inner, question.inputs]).to(walk.gradients.dtype)
        walk.differences = (edges.diff(dim=0) * self.n_steps)[:, None]
        return walk.steps()
