"""Plain loops of gradients, and what a reader waits for: functions from a case to a `Run`."""

import subprocess
import sys
import threading
from collections.abc import Callable
from typing import Any
from unittest import mock

import torch
from torch import Tensor

from .cases import Case
from .harness import Run
from .peers import gradient

N_STEPS = 50
N_SAMPLES = 25
NOISE = 0.15


# Integrated Gradients


def path_loop(rule: str, n_steps: int = N_STEPS, skip: int = 1) -> Callable[[Case, int], Run]:
    """What any implementation must do at least: gradients at the nodes, summed."""

    def make(case: Case, chunk: int) -> Run:
        net, inputs = case.build(), case.picture()
        shift = 0.5 if rule == "midpoint" else 1.0
        alphas = ((torch.arange(n_steps) + shift) / n_steps).reshape(-1, 1, 1, 1)

        def total(nodes: Tensor) -> Tensor:
            return sum(gradient(net, part * inputs, case.target).sum(0) for part in nodes.split(chunk))

        # Where an earlier result is refined, its nodes are known already.
        known = torch.zeros(()) if skip == 1 else total(alphas[skip - 1 :: skip])
        missing = alphas if skip == 1 else alphas[::skip]
        return lambda: (known + total(missing)) * inputs / n_steps

    return make


def refined(case: Case) -> Run:
    from saliscope.attribution import IntegratedGradients

    net, inputs = case.build(), case.picture()
    method = IntegratedGradients(baseline=torch.zeros_like(inputs), n_steps=N_STEPS // 2, rule="right")
    half = method.attribute(net, inputs, case.target)
    return lambda: method.refine(half, net).values


def captum_ig(method: str) -> Callable[..., Run]:
    def make(case: Case, chunk: int | None = None) -> Run:
        from captum.attr import IntegratedGradients

        inputs, ig = case.picture(), IntegratedGradients(case.build())
        options = {"n_steps": N_STEPS, "method": method, "internal_batch_size": chunk}
        # With the gap, which every result of ours carries: the same answer for the same work.
        return lambda: ig.attribute(inputs, target=case.target, return_convergence_delta=True, **options)[0]

    return make


# SmoothGrad


def noise_loop(case: Case, chunk: int) -> Run:
    net, inputs = case.build(), case.picture()
    spread = float(NOISE * (inputs.max() - inputs.min()))

    def run() -> Tensor:
        total = torch.zeros_like(inputs)
        for start in range(0, N_SAMPLES, chunk):
            rows = min(chunk, N_SAMPLES - start)
            noise = torch.normal(0, torch.full((rows, *inputs.shape[1:]), spread))
            total += gradient(net, inputs + noise, case.target).sum(0)
        return total / N_SAMPLES

    return run


def with_our_noise(run: Run) -> Tensor:
    """The map from the very samples that Saliscope draws: `torch.normal` hands them out in order."""
    from saliscope.core.seeds import NoiseSource

    drawn = 0

    def normal(_mean: float, std: Tensor) -> Tensor:
        nonlocal drawn
        source = NoiseSource(0, tuple(std.shape[1:]))
        drawn += len(std)
        return std * source.draw(drawn - len(std), drawn, std)

    with mock.patch("torch.normal", normal):
        return run()


# How soon something is to be seen


def one_gradient(case: Case) -> Run:
    net, inputs = case.build(), case.picture()
    return lambda: gradient(net, inputs, case.target)


def first_partial(case: Case) -> Run:
    from saliscope.attribution import IntegratedGradients

    net, inputs = case.build(), case.picture()
    method = IntegratedGradients(baseline=torch.zeros_like(inputs), n_steps=N_STEPS)
    return lambda: next(iter(method.stream(net, inputs, case.target))).result.values


def first_picture(case: Case) -> Run:
    from saliscope.attribution import IntegratedGradients
    from saliscope.sessions.saliency import Request, SaliencySession
    from saliscope.sessions.subject import Subject
    from saliscope.specs.saliency import Result

    net, inputs = case.build(), case.picture()
    ask = Request(IntegratedGradients(n_steps=N_STEPS), case.target)

    def run() -> None:
        shown = threading.Event()

        def listen(message: Any, _blobs: Any) -> None:
            if isinstance(message, Result) and not shown.is_set():
                shown.set()
                session.cancel()

        session = SaliencySession(Subject(net, inputs))
        session.listener = listen
        session.explain(ask)
        session.wait()
        assert shown.is_set(), session.error

    return run


def imports(name: str) -> Callable[[Case], Run]:
    def make(_case: Case) -> Run:
        line = f"import {name}" if name else ""
        return lambda: subprocess.run([sys.executable, "-c", line], check=True)

    return make
