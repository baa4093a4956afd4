"""Contenders of the methods that sample: superpixels that are replaced, and random points of random paths."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from .cases import Case
from .harness import Run

N_SAMPLES = 100
CELLS = 7


def cells(inputs: Tensor) -> Tensor:
    """Superpixels for everybody: a grid, (height, width)."""
    height, width = inputs.shape[2:]
    rows, columns = torch.arange(height) * CELLS // height, torch.arange(width) * CELLS // width
    return rows[:, None] * CELLS + columns


def ours(name: str) -> Callable[[Case], Run]:
    """A method of ours by its class, on the grid; from a zero input."""

    def make(case: Case) -> Run:
        from saliscope import attribution

        net, inputs = case.build(), case.picture()
        options: dict[str, Any] = {"baseline": torch.zeros_like(inputs), "n_samples": N_SAMPLES}
        if name in ("LIME", "KernelSHAP"):
            options["segments"] = cells(inputs)
        method = getattr(attribution, name)(**options)
        return lambda: method.attribute(net, inputs, case.target).values

    return make


def forwards(case: Case, chunk: int) -> Run:
    """What any of them must do at least: so many pictures with holes, and their scores."""
    net, inputs = case.build(), case.picture()
    labels = cells(inputs)

    def run() -> float:
        total = 0.0
        for start in range(0, N_SAMPLES, chunk):
            kept = torch.rand(min(chunk, N_SAMPLES - start), CELLS**2) > 0.5
            with torch.no_grad():
                total += float(net(inputs * kept[:, labels][:, None])[:, case.target].sum())
        return total

    return run


def captum_of_superpixels(name: str) -> Callable[..., Run]:
    """`captum.attr.Lime` or `KernelShap`."""

    def make(case: Case, chunk: int = 1) -> Run:
        from captum import attr

        inputs, method = case.picture(), getattr(attr, name)(case.build())
        options: dict[str, Any] = {"n_samples": N_SAMPLES, "perturbations_per_eval": chunk}
        mask = cells(inputs)[None, None]
        return lambda: method.attribute(inputs, target=case.target, feature_mask=mask, **options)

    return make


def captum_gradient_shap(case: Case) -> Run:
    """`captum.attr.GradientShap`, all samples at once: it has no chunks."""
    from captum.attr import GradientShap

    inputs, method = case.picture(), GradientShap(case.build())
    options: dict[str, Any] = {"n_samples": N_SAMPLES, "stdevs": 0.1}
    return lambda: method.attribute(inputs, torch.zeros_like(inputs), target=case.target, **options)
