"""Does memory grow with the work? The same question with more and more steps, samples, masks or windows."""

from collections.abc import Callable
from typing import Any

import torch

from . import contenders as do
from . import faithfulness, peers, surrogates
from . import perturbations as hide
from .cases import Case
from .harness import Contender, Row, Run

SIZES = (64, 256, 1024)
CASE = "demo"


def sized(name: str, parameter: str, **options: Any) -> Callable[[Case, int], Run]:
    """A method of ours with so many of what is counted."""
    return lambda case, size: peers.ours(name, **options, **{parameter: size})(case)


def _stepwise(case: Case, size: int) -> Run:
    return peers.captum("IntegratedGradients", n_steps=size)(case)


def _tunnel(case: Case, size: int) -> Run:
    return peers.captum_tunnel("smoothgrad", size, do.NOISE)(case)


def _windows(case: Case, size: int) -> tuple[int, int]:
    """Window and stride for about `size` windows."""
    side = case.picture().shape[2]
    stride = max(1, round(side / size**0.5))
    return min(side, 2 * stride), stride


def _occlusion(case: Case, size: int) -> Run:
    window, stride = _windows(case, size)
    return peers.ours("Occlusion", baseline=peers.ZEROS, window=window, stride=stride)(case)


def _captum_occlusion(case: Case, size: int) -> Run:
    window, stride = _windows(case, size)
    sides = {"sliding_window_shapes": (3, window, window), "strides": (3, stride, stride)}
    run = peers.captum("Occlusion", **sides)(case)

    def without_graph() -> Any:
        with torch.no_grad():
            return run()

    return without_graph


def _curves(case: Case, size: int) -> Run:
    return faithfulness.ours(case, n_steps=size)


def _row(key: str, title: str, make: Callable[[Case, int], Run], theirs: Any = None) -> Row:
    contenders = [Contender("saliscope", make, SIZES)]
    if theirs is not None:
        contenders.append(Contender("captum, default", theirs, SIZES, needs="captum"))
    return Row(f"memory_{key}", title, (CASE,), tuple(contenders))


_ZERO = {"baseline": peers.ZEROS}
_EXPECTED = {"background": surrogates.BACKGROUND}

GROWTH = {
    row.name: row
    for row in (
        _row(
            "ig", "Integrated Gradients, n_steps", sized("IntegratedGradients", "n_steps", **_ZERO), _stepwise
        ),
        _row(
            "adaptive",
            "Integrated Gradients, adaptive, n_steps",
            sized("IntegratedGradients", "n_steps", **_ZERO, rule="adaptive", tolerance=0.0),
        ),
        _row("blur_ig", "Blur IG, n_steps", sized("BlurIG", "n_steps")),
        _row("smooth_grad", "SmoothGrad, n_samples", sized("SmoothGrad", "n_samples"), _tunnel),
        _row(
            "expected",
            "Expected gradients, n_samples",
            sized("ExpectedGradients", "n_samples", **_EXPECTED),
            lambda case, size: surrogates.captum_gradient_shap(0.0, size)(case),
        ),
        _row("rise", "RISE, n_masks", sized("RISE", "n_masks", **_ZERO, cells=hide.CELLS)),
        _row("occlusion", "Occlusion, about so many windows", _occlusion, _captum_occlusion),
        _row("lime", "LIME, n_samples", sized("LIME", "n_samples", **_ZERO, segments=surrogates.SEGMENTS)),
        _row(
            "kernel_shap",
            "Kernel SHAP, n_samples",
            sized("KernelSHAP", "n_samples", **_ZERO, segments=surrogates.SEGMENTS),
        ),
        _row("curves", "Deletion and insertion, n_steps", _curves),
    )
}
"""Rows of memory by name; a contender's settings are how much is asked for."""
