"""Contenders of the methods that sample: superpixels that are replaced, and random points of random paths."""

from collections.abc import Callable
from itertools import count
from typing import Any

import numpy as np
import torch
from torch import Tensor

from . import peers
from .cases import Case
from .harness import Reference, Run

N_SAMPLES = 200
CELLS = 5
N_BACKGROUND = 10


def cells(inputs: Tensor) -> Tensor:
    """Superpixels for everybody: a grid, (height, width)."""
    height, width = inputs.shape[2:]
    rows, columns = torch.arange(height) * CELLS // height, torch.arange(width) * CELLS // width
    return rows[:, None] * CELLS + columns


SEGMENTS = peers.Of(lambda case: cells(case.picture()))


def ours(name: str, n_samples: int = N_SAMPLES, seed: int = 0) -> Callable[[Case], Run]:
    """LIME or Kernel SHAP of ours, on the grid; from a zero input."""
    options: dict[str, Any] = {"baseline": peers.ZEROS, "segments": SEGMENTS}
    return peers.ours(name, **options, n_samples=n_samples, seed=seed)


def of_cells(run: Run) -> Tensor:
    """One value a superpixel from a map that shares it out equally, (1, superpixels)."""
    values = run()
    labels = cells(values)
    return torch.zeros(CELLS**2).to(values).index_add(0, labels.flatten(), values.sum((0, 1)).flatten())[None]


def at_cells(run: Run) -> Tensor:
    """One value a superpixel from a map that repeats it at each of its pixels."""
    values = run()
    labels = cells(values).flatten()
    first = [int((labels == cell).nonzero()[0]) for cell in range(CELLS**2)]
    return values[0, 0].flatten()[first][None]


def limit(name: str) -> Reference:
    """What is found with a hundred times the samples, and other ones."""
    make = ours(name, 100 * N_SAMPLES, 999)
    return Reference(
        f"ours, {100 * N_SAMPLES} other samples", lambda case: of_cells(make(case)), cases=("demo",)
    )


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


def lime(case: Case, chunk: int) -> Run:
    """`lime.lime_image`, on the scores and not on probabilities; (1, superpixels)."""
    from lime.lime_image import LimeImageExplainer

    net, inputs = case.build(), case.picture()
    labels, seeds = cells(inputs).numpy(), count()
    image = inputs[0].movedim(0, -1).double().numpy()

    def scores(points: np.ndarray) -> np.ndarray:
        with torch.no_grad():
            return net(torch.from_numpy(points).to(inputs).movedim(-1, 1))[:, [case.target]].numpy()

    def run() -> Tensor:
        explainer = LimeImageExplainer(feature_selection="none", random_state=next(seeds))
        options: dict[str, Any] = {"labels": (0,), "top_labels": None, "hide_color": 0}
        found = explainer.explain_instance(
            image,
            scores,
            **options,
            num_samples=N_SAMPLES,
            batch_size=chunk,
            segmentation_fn=lambda _image: labels,
        )
        return torch.tensor([[value for _, value in sorted(found.local_exp[0])]])

    return run


# Random points of random paths


def background(case: Case) -> Tensor:
    """Pictures that baselines are drawn from."""
    if case.name == "demo":
        from saliscope import demo

        return demo.scenes(N_BACKGROUND, seed=5).inputs()
    return torch.cat([case.picture().roll((20 * k, 20 * k), (2, 3)) for k in range(1, N_BACKGROUND + 1)])


BACKGROUND = peers.Of(background)


def fine_paths(case: Case, n_steps: int = 200, chunk: int = 50) -> Tensor:
    """Expected gradients as the mean of finely integrated paths, from each picture of the background."""
    net, inputs = case.build(), case.picture()
    alphas = ((torch.arange(n_steps) + 0.5) / n_steps).reshape(-1, 1, 1, 1)
    total = torch.zeros_like(inputs)
    for start in background(case).split(1):
        points = torch.lerp(start, inputs, alphas)
        slopes = [peers.gradient(net, part, case.target).sum(0) for part in points.split(chunk)]
        total += torch.stack(slopes).sum(0) * (inputs - start) / n_steps / N_BACKGROUND
    return total


def captum_gradient_shap(share: float, n_samples: int = N_SAMPLES) -> Callable[[Case], Run]:
    """`captum.attr.GradientShap`, all samples at once: it has no chunks."""

    def make(case: Case) -> Run:
        from captum.attr import GradientShap

        inputs, method = case.picture(), GradientShap(case.build())
        stdevs = share * float(inputs.max() - inputs.min())
        options: dict[str, Any] = {"n_samples": n_samples, "stdevs": stdevs}
        return lambda: method.attribute(inputs, background(case), target=case.target, **options)

    return make


def sampled_loop(case: Case, chunk: int) -> Run:
    """What any of them must do at least: so many gradients at random points of random paths."""
    net, inputs = case.build(), case.picture()
    starts = background(case)

    def run() -> Tensor:
        total = torch.zeros_like(inputs)
        for first in range(0, N_SAMPLES, chunk):
            rows = min(chunk, N_SAMPLES - first)
            begins = starts[torch.randint(len(starts), (rows,))]
            points = torch.lerp(begins, inputs, torch.rand(rows, 1, 1, 1))
            slopes = peers.gradient(net, points, case.target)
            total += (slopes * (inputs - begins)).sum(0)
        return total / N_SAMPLES

    return run
