"""Integrated Gradients of a probability on the trained network: the error of the map is what counts."""

from collections.abc import Callable, Iterator
from functools import cache

import torch
from torch import Tensor, nn

from . import peers
from .cases import CASES, Case
from .harness import Reference, Run, error_of

N_PICTURES = 6
_FINE = 1000
DEFAULT = 50
_COUNTS = (8, 12, 16, 20, 25, 32, 40, 50, 64, 80, 100, 128, 160, 200, 256, 320, 400, 512)


def _pictures() -> Iterator[tuple[Tensor, int]]:
    from saliscope import demo

    scenes = demo.scenes(N_PICTURES, seed=7)
    yield from zip(scenes.inputs().split(1), scenes.labels.tolist(), strict=True)


def _probability(case: Case) -> nn.Module:
    return nn.Sequential(case.build(), nn.Softmax(1))


def ours(n_steps: int, **options: float) -> Callable[[Case], Run]:
    def make(case: Case) -> Run:
        from saliscope import Target
        from saliscope.attribution import IntegratedGradients

        net, pictures = case.build(), list(_pictures())
        method = IntegratedGradients(0.0, n_steps, "adaptive", **options)

        def run() -> Tensor:
            found = [method.attribute(net, x, Target(label, "probability")) for x, label in pictures]
            return torch.cat([one.values for one in found])

        return run

    return make


def captum(case: Case, n_steps: int, chunk: int = DEFAULT) -> Run:
    from captum.attr import IntegratedGradients

    method, pictures = IntegratedGradients(_probability(case)), list(_pictures())
    options = {"n_steps": n_steps, "internal_batch_size": chunk, "return_convergence_delta": True}
    return lambda: torch.cat([method.attribute(x, target=y, **options)[0] for x, y in pictures])


@cache
def _exact() -> Tensor:
    """So many midpoints in float64 that nothing is left to be seen."""
    net = _probability(CASES["demo"]).double()
    alphas = ((torch.arange(_FINE) + 0.5) / _FINE).double().reshape(-1, 1, 1, 1)
    maps = []
    for x, label in _pictures():
        x = x.double()
        slopes = [peers.gradient(net, part * x, label).sum(0) for part in alphas.split(50)]
        maps.append(torch.stack(slopes).sum(0) / _FINE * x)
    return torch.cat(maps)


EXACT = Reference(f"{_FINE} midpoints in float64, {N_PICTURES} pictures, median", lambda case: _exact())


def steps_for(error: Callable[[Case], float]) -> Callable[[Case], int]:
    """The fewest steps with which captum's map is as good."""

    def choose(case: Case) -> int:
        bound = error(case)
        return next(n for n in _COUNTS if n == _COUNTS[-1] or error_of(captum(case, n)(), _exact()) <= bound)

    return choose


def error_of_ours(n_steps: int, **options: float) -> Callable[[Case], float]:
    return lambda case: error_of(ours(n_steps, **options)(case)(), _exact())
